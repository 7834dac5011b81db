//! Seals the credentials of registered databases. It alone sees plaintext secrets and the master key.
//!
//! A master key wraps a fresh data key for each sealed record, the data key seals the secret (AES-256-GCM). The
//! additional data names account, resource, field and versions, so that a record that was moved does not open. A check
//! value bound to the store's id tells a wrong master key before it can damage anything: the vault stays sealed then.

mod cipher;
mod keyring;
mod record;
mod server_key;
mod source;

use secrecy::{ExposeSecret, SecretString};

use keyring::{Keyring, MasterKey};
pub use record::SecretScope;
pub use server_key::{AuditKey, Pepper, RepositoryKey, ServerKey, ServerKeys, TokenKey};
pub use source::KeySource;

use crate::model::{Error, Reason, Result};

/// Length of the check value of a master key in bytes.
pub const KEY_CHECK_LENGTH: usize = 32;

/// Why a vault cannot open anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealReason {
    /// The source has no key, and the store holds records of one.
    KeyMissing,
    /// The source has a key that is not the one of this store.
    KeyWrong,
}

impl SealReason {
    /// What is wrong and what to do.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::KeyMissing => {
                "the master key is missing and the store holds records that only it opens; \
                 put the key back where the configuration says and start again"
            }
            Self::KeyWrong => {
                "the master key is not the one of this store; nothing was changed; \
                 put the right key where the configuration says and start again"
            }
        }
    }
}

/// The vault: open, or sealed and of no use but to say why.
pub struct Vault {
    state: Result<Keyring, SealReason>,
}

/// A vault with the check value that the store has to keep.
pub struct Opened {
    /// The vault.
    pub vault: Vault,
    /// To be stored where nothing is stored yet. Absent for a sealed vault.
    pub key_check: Option<[u8; KEY_CHECK_LENGTH]>,
}

impl Vault {
    /// Reads the master key from its source and compares it with the check value of the store. Makes a key only where
    /// the source may be written, has none, and the store holds no records (`fresh`).
    pub fn open(source: &KeySource, store_id: &[u8], key_check: Option<&[u8]>, fresh: bool) -> Result<Opened> {
        let key = match source.read()? {
            Some(key) => key,
            None if fresh && key_check.is_none() => source.create(MasterKey::generate()?)?,
            None => return Ok(Self::sealed(SealReason::KeyMissing)),
        };
        let computed = key.check_value(store_id);
        match key_check {
            Some(stored) if !cipher::equal(stored, &computed) => Ok(Self::sealed(SealReason::KeyWrong)),
            None if !fresh => Ok(Self::sealed(SealReason::KeyWrong)),
            _ => Ok(Opened { vault: Self { state: Ok(Keyring::new(key)) }, key_check: Some(computed) }),
        }
    }

    fn sealed(reason: SealReason) -> Opened {
        Opened { vault: Self { state: Err(reason) }, key_check: None }
    }

    /// Why the vault is sealed; absent when it is open.
    pub fn seal_reason(&self) -> Option<SealReason> {
        self.state.as_ref().err().copied()
    }

    fn keyring(&self) -> Result<&Keyring> {
        self.state
            .as_ref()
            .map_err(|reason| Error::new(Reason::VaultSealed, format!("the vault is sealed: {}", reason.describe())))
    }

    /// Seals a secret under its place. An empty secret is sealed too, so that its absence does not show.
    pub fn seal(&self, scope: &SecretScope<'_>, secret: &SecretString) -> Result<Vec<u8>> {
        record::seal(self.keyring()?, scope, secret.expose_secret().as_bytes())
    }

    /// Opens a record under its place. SEALED_RECORD_CORRUPT where any bit or the place differs.
    pub fn open_secret(&self, scope: &SecretScope<'_>, sealed: &[u8]) -> Result<SecretString> {
        let plain = record::open(self.keyring()?, scope, sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| record::corrupt(scope))?;
        Ok(SecretString::from(text.to_owned()))
    }

    /// Makes and seals a random key of the server's own.
    pub fn generate_server_key(&self, name: &str) -> Result<Vec<u8>> {
        let key = cipher::random::<32>()?;
        record::seal(self.keyring()?, &SecretScope::server(name), &key[..])
    }

    /// Opens a key of the server's own.
    pub fn open_server_key(&self, name: &str, sealed: &[u8]) -> Result<ServerKey> {
        let scope = SecretScope::server(name);
        let plain = record::open(self.keyring()?, &scope, sealed)?;
        ServerKey::from_bytes(&plain).ok_or_else(|| record::corrupt(&scope))
    }
}

#[cfg(test)]
mod tests;
