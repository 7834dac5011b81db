//! Page sizes and page tokens.
//!
//! A token holds the sort key of the last entry of a page, with an HMAC over that, the account, the method and
//! what the list was filtered by. A token that was forged, or that belongs to another caller or another
//! list, is refused, so a service can trust the key that comes out of it.

use std::sync::{Arc, OnceLock};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

use crate::model::{
    AccountId, Error, Reason, Result,
    page::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, PageRequest},
};

const TAG_LENGTH: usize = 32;
/// No sort key of ours comes near this; a longer token is not looked at.
const MAX_TOKEN_LENGTH: usize = 8192;

/// What a token is bound to.
#[derive(Debug, Clone, Copy)]
pub struct ListScope<'a> {
    /// Whose list it is.
    pub account: &'a AccountId,
    /// Name of the method, such as `ListTables`.
    pub method: &'static str,
    /// All that selects or orders the entries, as the request has it.
    pub selection: &'a [&'a str],
}

/// Makes and checks page tokens. The key comes from the vault, once that is open.
#[derive(Clone, Default)]
pub struct PageTokens(Arc<OnceLock<hmac::Key>>);

impl PageTokens {
    /// Takes the key. A second key is ignored: tokens must stay good while the server runs.
    pub fn set_key(&self, key: &[u8; 32]) {
        // The first key wins.
        let _ = self.0.set(hmac::Key::new(hmac::HMAC_SHA256, key));
    }

    /// Reads `page_size` and `page_token` of a request.
    pub fn request(&self, page_size: i32, page_token: &str, scope: ListScope<'_>) -> Result<PageRequest> {
        let size = page_size_from_proto(page_size)?;
        if page_token.is_empty() {
            return Ok(PageRequest { size, after: None });
        }
        Ok(PageRequest { size, after: Some(self.open(page_token, scope)?) })
    }

    /// The `next_page_token` of a response; empty where there is no next page.
    pub fn next(&self, after: Option<&[String]>, scope: ListScope<'_>) -> Result<String> {
        let Some(after) = after else { return Ok(String::new()) };
        let mut token = serde_json::to_vec(after).map_err(Error::internal)?;
        let tag = hmac::sign(self.key()?, &bound(&token, scope));
        token.extend_from_slice(tag.as_ref());
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    fn open(&self, token: &str, scope: ListScope<'_>) -> Result<Vec<String>> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(invalid());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
        let (key, tag) = bytes.split_last_chunk::<TAG_LENGTH>().ok_or_else(invalid)?;
        hmac::verify(self.key()?, &bound(key, scope), tag).map_err(|_| invalid())?;
        serde_json::from_slice(key).map_err(|_| invalid())
    }

    fn key(&self) -> Result<&hmac::Key> {
        self.0.get().ok_or_else(|| Error::new(Reason::VaultSealed, "the vault is sealed; open it first"))
    }
}

/// 0: the default; above the cap: the cap; negative: an invalid field.
pub fn page_size_from_proto(page_size: i32) -> Result<u32> {
    match u32::try_from(page_size) {
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) => Ok(size.min(MAX_PAGE_SIZE)),
        Err(_) => Err(Error::invalid_field("page_size", "must not be negative")),
    }
}

/// What the tag is made over. Each part has its length before it, so that no two scopes run together.
fn bound(key: &[u8], scope: ListScope<'_>) -> Vec<u8> {
    let fixed = [key, scope.account.as_str().as_bytes(), scope.method.as_bytes()];
    let parts = fixed.into_iter().chain(scope.selection.iter().map(|part| part.as_bytes()));
    parts.flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.iter().copied())).collect()
}

fn invalid() -> Error {
    Error::new(
        Reason::PageTokenInvalid,
        "page_token was not made by this server for this caller and this list; begin again without one",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> PageTokens {
        let tokens = PageTokens::default();
        tokens.set_key(&[7; 32]);
        tokens
    }

    #[test]
    fn a_token_is_good_for_its_own_list_alone() {
        let (tokens, mine, other) =
            (tokens(), AccountId::parse("a", "f").unwrap(), AccountId::parse("b", "f").unwrap());
        let scope = ListScope { account: &mine, method: "ListTables", selection: &["c1", ""] };
        let after = vec!["public".to_owned(), "film".to_owned()];
        let token = tokens.next(Some(&after), scope).unwrap();
        assert_eq!(tokens.request(10, &token, scope).unwrap(), PageRequest { size: 10, after: Some(after) });

        let strangers = [
            ListScope { account: &other, ..scope },
            ListScope { method: "ListSessions", ..scope },
            ListScope { selection: &["", "c1"], ..scope },
            ListScope { selection: &["c1"], ..scope },
        ];
        for scope in strangers {
            assert_eq!(tokens.request(10, &token, scope).unwrap_err().reason(), Reason::PageTokenInvalid, "{scope:?}");
        }
    }

    #[test]
    fn a_forged_token_is_refused() {
        let (tokens, account) = (tokens(), AccountId::parse("a", "f").unwrap());
        let scope = ListScope { account: &account, method: "ListTables", selection: &[] };
        let token = tokens.next(Some(&["x".to_owned()]), scope).unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        bytes[2] ^= 1;
        for forged in
            [URL_SAFE_NO_PAD.encode(&bytes), "x".to_owned(), "!".to_owned(), "A".repeat(9000), token[1..].to_owned()]
        {
            assert_eq!(tokens.request(0, &forged, scope).unwrap_err().reason(), Reason::PageTokenInvalid, "{forged}");
        }
    }

    #[test]
    fn a_page_has_a_default_and_a_cap() {
        assert_eq!(page_size_from_proto(0).unwrap(), 50);
        assert_eq!(page_size_from_proto(5000).unwrap(), 1000);
        assert!(page_size_from_proto(-1).is_err());
    }
}
