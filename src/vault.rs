//! Seals the credentials of registered databases. It alone sees plaintext secrets and the master key.
//!
//! A master key wraps a fresh data key for each sealed record, the data key seals the secret (AES-256-GCM). The
//! additional data names account, resource, field and versions, so that a record that was moved does not open. A check
//! value bound to the store's id tells a wrong master key before it can damage anything: the vault is not opened then.
//!
//! The master key has versions. New records are sealed with the current one, those of older versions are read until a
//! rotation has sealed them anew.

mod cipher;
pub mod escrow;
mod keyring;
mod record;
mod server_key;
mod source;

use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};

use keyring::Keyring;
pub use keyring::MasterKeys;
pub use record::SecretScope;
pub use server_key::{AuditKey, Pepper, RepositoryKey, ServerKey, ServerKeys, TokenKey};
pub use source::{KeyCommand, KeySource, KeyTrouble, TransitKeys};

use crate::model::{
    Error, Result,
    vault::{MasterKeyState, MasterKeyVersion, SealReason},
};

/// The open vault.
pub struct Vault {
    /// Replaced whole when a rotation brings a new version.
    ring: RwLock<Arc<Keyring>>,
}

impl Vault {
    /// A vault that writes with the newest of some keys and reads with all of them. For a store that knows no key yet.
    pub fn new(keys: &MasterKeys) -> Result<Self> {
        let ring = keys.newest().and_then(|newest| Keyring::new(keys, newest));
        ring.map(Self::of).ok_or_else(|| Error::internal("a vault needs a master key"))
    }

    /// The vault of a store that knows versions of its master key: each that is not retired has to be there and has to be the
    /// right one. Further keys are of no use here and are left out.
    pub fn open(keys: &MasterKeys, known: &[MasterKeyVersion], store_id: &[u8]) -> Result<Self, SealReason> {
        let in_use = || known.iter().filter(|known| known.state != MasterKeyState::Retired);
        let fits = |known: &MasterKeyVersion| keys.matches(known.version, store_id, &known.key_check);
        if let Some(unfit) = in_use().find(|known| !fits(known)) {
            let missing = !keys.contains(unfit.version) && in_use().any(fits);
            return Err(if missing { SealReason::KeyMissing } else { SealReason::KeyWrong });
        }
        let current = known.iter().find(|known| known.state == MasterKeyState::Current).map(|known| known.version);
        let needed = keys.clone().without(|version| !in_use().any(|known| known.version == version));
        current.and_then(|current| Keyring::new(&needed, current)).map(Self::of).ok_or(SealReason::KeyMissing)
    }

    fn of(ring: Keyring) -> Self {
        Self { ring: RwLock::new(Arc::new(ring)) }
    }

    /// The version that is written with.
    pub fn current_version(&self) -> u32 {
        self.ring().current().0
    }

    /// Writes with another version from now on. The old ones can be read as long as the process lives, for a call that holds
    /// a record since before.
    pub fn write_with(&self, keys: &MasterKeys, version: u32) -> Result<()> {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let next = ring.with(keys, version).ok_or_else(|| Error::internal("the new master key is not there"))?;
        *ring = Arc::new(next);
        Ok(())
    }

    fn ring(&self) -> Arc<Keyring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Seals a secret under its place. An empty secret is sealed too, so that its absence does not show.
    pub fn seal(&self, scope: &SecretScope<'_>, secret: &SecretString) -> Result<Vec<u8>> {
        record::seal(&self.ring(), scope, secret.expose_secret().as_bytes())
    }

    /// Opens a record under its place. SEALED_RECORD_CORRUPT where any bit or the place differs.
    pub fn open_secret(&self, scope: &SecretScope<'_>, sealed: &[u8]) -> Result<SecretString> {
        let plain = record::open(&self.ring(), scope, sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| record::corrupt(scope))?;
        Ok(SecretString::from(text.to_owned()))
    }

    /// Seals a record anew with the current version, under a fresh data key. SEALED_RECORD_CORRUPT where it does not open.
    pub fn reseal(&self, scope: &SecretScope<'_>, sealed: &[u8]) -> Result<Vec<u8>> {
        let ring = self.ring();
        let plain = record::open(&ring, scope, sealed)?;
        record::seal(&ring, scope, &plain)
    }

    /// Makes and seals a random key of the server's own.
    pub fn generate_server_key(&self, name: &str) -> Result<Vec<u8>> {
        let key = cipher::random::<32>()?;
        record::seal(&self.ring(), &SecretScope::server(name), &key[..])
    }

    /// True where two records open and hold the same key of the server's own.
    pub fn holds_same_key(&self, name: &str, one: &[u8], other: &[u8]) -> bool {
        match (self.open_server_key(name, one), self.open_server_key(name, other)) {
            (Ok(one), Ok(other)) => one.is_same(&other),
            _ => false,
        }
    }

    /// Opens a key of the server's own.
    pub fn open_server_key(&self, name: &str, sealed: &[u8]) -> Result<ServerKey> {
        let scope = SecretScope::server(name);
        let plain = record::open(&self.ring(), &scope, sealed)?;
        ServerKey::from_bytes(&plain).ok_or_else(|| record::corrupt(&scope))
    }
}

/// Whether a secret has no text: a field that a caller left empty.
pub fn is_empty(secret: &SecretString) -> bool {
    secret.expose_secret().is_empty()
}

#[cfg(test)]
mod tests;
