//! What the server hands out or compares and must recognise as its own: page tokens, and the digests that tell a
//! repeated request from a changed one.
//!
//! A page token holds the sort key of the last entry of a page, with a keyed digest over that, the account, the
//! method and what the list was selected by. A token that was forged, or that belongs to another caller or another
//! list, is refused, so a service can trust the key that comes out of it.

use std::sync::{Arc, OnceLock};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use zeroize::Zeroizing;

use crate::{
    model::{
        AccountId, Error, Reason, RequestKey, Result,
        page::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, PageRequest},
    },
    vault::TokenKey,
};

const TAG_LENGTH: usize = 32;
/// No sort key of ours comes near this; a longer token is not looked at.
const MAX_TOKEN_LENGTH: usize = 8192;
/// Keeps the two uses of the key apart.
const PAGE: &[u8] = b"page";
const REQUEST: &[u8] = b"request";

/// What a page token is bound to.
#[derive(Debug, Clone, Copy)]
pub struct ListScope<'a> {
    /// Whose list it is.
    pub account: &'a AccountId,
    /// Name of the method, such as `ListTables`.
    pub method: &'static str,
    /// All that selects or orders the entries, as the request has it.
    pub selection: &'a [&'a str],
}

/// Makes and checks tokens. The key comes from the vault once that is open; adapters are built before.
#[derive(Clone, Default)]
pub struct Tokens(Arc<OnceLock<TokenKey>>);

impl Tokens {
    /// Takes the key. A second key is ignored: tokens must stay good while the server runs.
    pub fn set_key(&self, key: TokenKey) {
        // The first key wins.
        let _ = self.0.set(key);
    }

    /// Reads `page_size` and `page_token` of a request.
    pub fn page(&self, page_size: i32, page_token: &str, scope: ListScope<'_>) -> Result<PageRequest> {
        let size = page_size_from_proto(page_size)?;
        if page_token.is_empty() {
            return Ok(PageRequest { size, after: None });
        }
        Ok(PageRequest { size, after: Some(self.open(page_token, scope)?) })
    }

    /// The `next_page_token` of a response; empty where there is no next page.
    pub fn next_page(&self, after: Option<&[String]>, scope: ListScope<'_>) -> Result<String> {
        let Some(after) = after else { return Ok(String::new()) };
        let mut token = serde_json::to_vec(after).map_err(Error::internal)?;
        let tag = self.key()?.digest(&bound(&token, scope));
        token.extend_from_slice(&tag);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// Reads the `request_id` of a request, with the digest of the whole message; absent where it has none.
    pub fn request_key(&self, method: &'static str, id: &str, message: &impl Message) -> Result<Option<RequestKey>> {
        let key = self.key()?;
        let digest = || {
            let encoded = Zeroizing::new(message.encode_to_vec());
            key.digest(&[REQUEST, method.as_bytes(), &encoded])
        };
        RequestKey::parse(method, id, digest)
    }

    fn open(&self, token: &str, scope: ListScope<'_>) -> Result<Vec<String>> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(Error::page_token_invalid());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Error::page_token_invalid())?;
        let (after, tag) = bytes.split_last_chunk::<TAG_LENGTH>().ok_or_else(Error::page_token_invalid)?;
        if !self.key()?.verify(&bound(after, scope), tag) {
            return Err(Error::page_token_invalid());
        }
        serde_json::from_slice(after).map_err(|_| Error::page_token_invalid())
    }

    fn key(&self) -> Result<&TokenKey> {
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

/// The parts that the tag is made over.
fn bound<'a>(after: &'a [u8], scope: ListScope<'a>) -> Vec<&'a [u8]> {
    let fixed = [PAGE, after, scope.account.as_str().as_bytes(), scope.method.as_bytes()];
    fixed.into_iter().chain(scope.selection.iter().map(|part| part.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        grpc::proto::v1,
        vault::{MasterKeys, Vault},
    };

    fn tokens() -> Tokens {
        let vault = Vault::new(&MasterKeys::generate().unwrap()).unwrap();
        let sealed = vault.generate_server_key("token").unwrap();
        let tokens = Tokens::default();
        tokens.set_key(vault.open_server_key("token", &sealed).unwrap().into());
        tokens
    }

    fn account(text: &str) -> AccountId {
        AccountId::parse(text, "account").unwrap()
    }

    #[test]
    fn a_page_token_is_good_for_its_own_list_alone() {
        let (tokens, mine, other) = (tokens(), account("a"), account("b"));
        let scope = ListScope { account: &mine, method: "ListTables", selection: &["c1", ""] };
        let after = vec!["public".to_owned(), "film".to_owned()];
        let token = tokens.next_page(Some(&after), scope).unwrap();
        assert_eq!(tokens.page(10, &token, scope).unwrap(), PageRequest { size: 10, after: Some(after) });

        let strangers = [
            ListScope { account: &other, ..scope },
            ListScope { method: "ListSessions", ..scope },
            ListScope { selection: &["", "c1"], ..scope },
            ListScope { selection: &["c1"], ..scope },
        ];
        for scope in strangers {
            assert_eq!(tokens.page(10, &token, scope).unwrap_err().reason(), Reason::PageTokenInvalid, "{scope:?}");
        }
    }

    #[test]
    fn a_forged_page_token_is_refused() {
        let (tokens, account) = (tokens(), account("a"));
        let scope = ListScope { account: &account, method: "ListTables", selection: &[] };
        let token = tokens.next_page(Some(&["x".to_owned()]), scope).unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        bytes[2] ^= 1;
        let forged = [URL_SAFE_NO_PAD.encode(&bytes), "x".to_owned(), "!".to_owned(), "A".repeat(9000)];
        for token in forged {
            assert_eq!(tokens.page(0, &token, scope).unwrap_err().reason(), Reason::PageTokenInvalid, "{token}");
        }
    }

    #[test]
    fn a_page_has_a_default_and_a_cap() {
        assert_eq!(page_size_from_proto(0).unwrap(), 50);
        assert_eq!(page_size_from_proto(5000).unwrap(), 1000);
        assert!(page_size_from_proto(-1).is_err());
    }

    #[test]
    fn a_repeated_request_has_the_same_digest() {
        let tokens = tokens();
        let request = |value: &str| {
            let labels = (0..20).map(|number| (format!("label-{number}"), value.to_owned())).collect();
            let connection = v1::Connection { labels, ..Default::default() };
            v1::CreateConnectionRequest { connection: Some(connection), ..Default::default() }
        };
        let key = |value: &str| tokens.request_key("CreateConnection", "r1", &request(value)).unwrap().unwrap();
        assert_eq!(key("x"), key("x"));
        assert_ne!(key("x"), key("y"));
        assert_eq!(tokens.request_key("CreateConnection", "", &request("x")).unwrap(), None);
    }
}
