//! Callers who bring a JSON web token of the provider that the configuration names.
//!
//! The signature is checked with ring over a strictly read compact JWS: jsonwebtoken would bring a second crypto provider
//! into the tree. A token that was found good is remembered until it ends or the keys change, so that a call costs a
//! digest and not a signature.

mod claims;
mod fetch;
mod jwk;
mod jws;
mod keys;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use claims::Claims;
pub use claims::Mapping;
use keys::Keys;
use tokio_util::task::TaskTracker;

use crate::model::{AccountId, AuthenticationMethod, Caller, Error, Reason, Result, Timestamp};

/// Longest token that is looked at.
const MAX_TOKEN_LENGTH: usize = 8 * 1024;
/// Tokens that are remembered; beyond it the memory begins anew, which costs one signature a token.
const MAX_REMEMBERED: usize = 10_000;

/// Where the keys of the provider come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file with a JWK set.
    File(PathBuf),
    /// An address that answers with one.
    Url {
        /// `https://…`, or `http://` of this machine.
        url: String,
        /// CA of the server in PEM. Absent: the public ones.
        ca_file: Option<PathBuf>,
    },
}

/// What is demanded of a token.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// Where the keys come from.
    pub source: KeySource,
    /// The `iss` that a token must have.
    pub issuer: String,
    /// The `aud` that a token must have among its own.
    pub audience: String,
    /// How far the clocks may be apart.
    pub leeway: Duration,
    /// Whose a caller is and what it may do.
    pub mapping: Mapping,
}

/// Checks tokens.
pub struct Tokens {
    rules: TokenRules,
    keys: Keys,
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    /// Version of the keys that the tokens were checked with.
    version: u64,
    callers: HashMap<[u8; 32], Caller>,
}

impl Tokens {
    /// Without keys yet: they are loaded with the first token, or by [`Tokens::refresh`], in tasks of `tracker`.
    pub fn new(rules: TokenRules, tracker: TaskTracker) -> Self {
        Self { keys: Keys::new(rules.source.clone(), tracker), rules, remembered: Mutex::default() }
    }

    /// True where a text has the form of a token, and so is none of our keys.
    pub fn is_token(text: &str) -> bool {
        text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// The caller of a token that was found good before and still is.
    pub fn remembered(&self, token: &str, now: Timestamp) -> Option<Caller> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = remembered.callers.get(blake3::hash(token.as_bytes()).as_bytes())?;
        let in_time = caller.expires.is_some_and(|expires| now < expires);
        let good = in_time && !caller.account_validity.has_ended() && remembered.version == self.keys.version();
        good.then(|| caller.clone())
    }

    /// The caller behind a token. TOKEN_INVALID, before its signature is known to be good always with the same text;
    /// IDENTITY_UNMAPPED where a good token says nothing of an account or a role; IDENTITY_PROVIDER_UNAVAILABLE where
    /// the keys cannot be had.
    ///
    /// Beside the caller comes the version of the keys, for [`Tokens::remember`].
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<(Caller, u64)> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(invalid("the token is too long"));
        }
        let parsed = jws::Compact::parse(token).map_err(invalid)?;
        let (key, version) = self.keys.find(parsed.header.kid.as_deref()).await?;
        let payload = parsed.verified_by(&key).map_err(invalid)?;
        let claims = Claims::read(&payload).map_err(refused)?;
        claims.check(&self.rules, now).map_err(refused)?;
        let (account, grant) = self.rules.mapping.apply(&claims)?;
        let principal = format!("jwt/{}", claims.subject);
        let mut caller = Caller::new(account, principal, AuthenticationMethod::Jwt, grant);
        caller.expires = Some(claims.expires.after(self.rules.leeway));
        Ok((caller, version))
    }

    /// Reads the keys again. The old ones stay where that fails.
    pub async fn refresh(&self) -> Result<()> {
        self.keys.refresh().await
    }

    /// Forgets the tokens of an account that was deleted.
    pub fn forget_account(&self, account: &AccountId) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.callers.retain(|_, caller| caller.account != *account);
    }

    /// Remembers a token that was found good.
    pub fn remember(&self, token: &str, version: u64, caller: Caller) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.version != version || remembered.callers.len() >= MAX_REMEMBERED {
            remembered.callers.clear();
            remembered.version = version;
        }
        remembered.callers.insert(*blake3::hash(token.as_bytes()).as_bytes(), caller);
    }
}

/// Nothing of the token can be trusted: one text for all, the cause for the log.
fn invalid(cause: &'static str) -> Error {
    Error::new(
        Reason::TokenInvalid,
        "the token is malformed or not signed by a key of the provider that this server trusts",
    )
    .caused_by(cause)
}

/// The signature is good, so its bearer may know what is wrong.
fn refused(fault: String) -> Error {
    Error::new(Reason::TokenInvalid, format!("the token is not taken: {fault}"))
}

#[cfg(test)]
mod tests;
