//! Master keys by version. There is one version now; a rotation will add the next and keep the old for reading.

use ring::{aead::LessSafeKey, hmac};
use zeroize::Zeroizing;

use super::{
    KEY_CHECK_LENGTH,
    cipher::{self, KEY_LENGTH},
};
use crate::model::Result;

/// A master key with its version.
pub(super) struct MasterKey {
    /// Counts the rotations, from 1.
    pub(super) version: u32,
    /// The key.
    pub(super) bytes: Zeroizing<[u8; KEY_LENGTH]>,
}

impl MasterKey {
    /// A new random key, the first version.
    pub(super) fn generate() -> Result<Self> {
        Ok(Self { version: 1, bytes: cipher::random()? })
    }

    /// What the store keeps to tell this key from another. It is bound to the store's id, so that equal keys of two
    /// stores do not show.
    pub(super) fn check_value(&self, store_id: &[u8]) -> [u8; KEY_CHECK_LENGTH] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.bytes[..]);
        let mut context = hmac::Context::with_key(&key);
        context.update(b"dbkeeper key check\0");
        context.update(&self.version.to_be_bytes());
        context.update(store_id);
        let mut value = [0; KEY_CHECK_LENGTH];
        value.copy_from_slice(context.sign().as_ref());
        value
    }
}

/// The master keys that can be read with, and the one that is written with.
pub(super) struct Keyring {
    version: u32,
    key: LessSafeKey,
}

impl Keyring {
    /// A ring of one key.
    pub(super) fn new(key: MasterKey) -> Self {
        Self { version: key.version, key: cipher::key(&key.bytes) }
    }

    /// The key that is written with, and its version.
    pub(super) fn current(&self) -> (u32, &LessSafeKey) {
        (self.version, &self.key)
    }

    /// The key of a version.
    pub(super) fn get(&self, version: u32) -> Option<&LessSafeKey> {
        (version == self.version).then_some(&self.key)
    }
}
