//! Keys of the server's own: for the digests of API keys, for page tokens, for the backup storage, for the audit log.

use blake3::Hasher;
use ring::hmac;
use zeroize::Zeroizing;

use super::cipher::{KEY_LENGTH, equal};

/// A random key that the server made for itself.
pub struct ServerKey(Zeroizing<[u8; KEY_LENGTH]>);

impl ServerKey {
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        equal(&self.0[..], &other.0[..])
    }
}

/// Turns the secret part of an API key into what is stored of it.
pub struct Pepper(hmac::Key);

impl From<ServerKey> for Pepper {
    fn from(key: ServerKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key.0[..]))
    }
}

impl Pepper {
    /// The digest of a secret.
    pub fn digest(&self, secret: &[u8]) -> Vec<u8> {
        hmac::sign(&self.0, secret).as_ref().to_vec()
    }

    /// Compares a secret with a digest in constant time.
    pub fn verify(&self, secret: &[u8], digest: &[u8]) -> bool {
        hmac::verify(&self.0, secret, digest).is_ok()
    }
}

/// Authenticates page tokens, and digests the bodies of requests so that a stored digest does not help to guess a password.
pub struct TokenKey(Zeroizing<[u8; KEY_LENGTH]>);

impl From<ServerKey> for TokenKey {
    fn from(key: ServerKey) -> Self {
        Self(key.0)
    }
}

impl TokenKey {
    /// Keyed digest of several parts, each with its length.
    pub fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    /// Compares a digest in constant time.
    pub fn verify(&self, parts: &[&[u8]], digest: &[u8; 32]) -> bool {
        blake3::Hash::from_bytes(self.digest(parts)) == *digest
    }
}

/// The key of the backup storage, apart from the keys of the credentials.
pub struct RepositoryKey(Zeroizing<[u8; KEY_LENGTH]>);

impl From<ServerKey> for RepositoryKey {
    fn from(key: ServerKey) -> Self {
        Self(key.0)
    }
}

impl RepositoryKey {
    /// A key for one purpose. `context` is a constant that names it.
    pub fn derive(&self, context: &'static str) -> Zeroizing<[u8; KEY_LENGTH]> {
        Zeroizing::new(blake3::derive_key(context, &self.0[..]))
    }
}

/// Authenticates the events of the audit log.
pub struct AuditKey(hmac::Key);

impl From<ServerKey> for AuditKey {
    fn from(key: ServerKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key.0[..]))
    }
}

impl AuditKey {
    /// Authentication code of several parts, each with its length.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }
}

/// All keys of the server's own.
pub struct ServerKeys {
    /// For API keys.
    pub pepper: Pepper,
    /// For page tokens and digests of requests.
    pub token: TokenKey,
    /// For the backup storage.
    pub repository: RepositoryKey,
    /// For the audit log.
    pub audit: AuditKey,
}
