//! The format of a sealed record: format byte, key version, wrapped data key, sealed secret.
//!
//! ```text
//! 1 byte   format, 1
//! 4 bytes  version of the master key, big endian
//! 60 bytes data key sealed by the master key: nonce 12, key 32, tag 16
//! rest     secret sealed by the data key: nonce 12, ciphertext, tag 16
//! ```

use zeroize::Zeroizing;

use super::{
    cipher::{self, Fresh, KEY_LENGTH, OVERHEAD},
    keyring::Keyring,
};
use crate::model::{AccountId, Error, Reason, Result};

const FORMAT: u8 = 1;
const HEADER_LENGTH: usize = 5;
const WRAPPED_LENGTH: usize = KEY_LENGTH + OVERHEAD;

/// The place of a secret. A record opens only under the place that it was sealed for.
#[derive(Debug, Clone, Copy)]
pub struct SecretScope<'a> {
    account: &'a str,
    resource: &'a str,
    field: &'a str,
    version: u64,
}

impl<'a> SecretScope<'a> {
    /// A field of a resource, in a version that counts its changes.
    pub fn new(account: &'a AccountId, resource: &'a str, field: &'a str, version: u64) -> Self {
        Self { account: account.as_str(), resource, field, version }
    }

    /// A key of the server's own. No account has an empty id.
    pub(super) fn server(name: &'a str) -> Self {
        Self::stored("", "server", name, 1)
    }

    /// A place as the store tells it of a record that it holds.
    pub fn stored(account: &'a str, resource: &'a str, field: &'a str, version: u64) -> Self {
        Self { account, resource, field, version }
    }

    /// The additional data: every part with its length, so that no two places give the same bytes.
    fn additional_data(&self, key_version: u32, purpose: &str) -> Vec<u8> {
        let mut data = vec![FORMAT];
        for part in [purpose, self.account, self.resource, self.field] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data.extend_from_slice(&self.version.to_be_bytes());
        data.extend_from_slice(&key_version.to_be_bytes());
        data
    }
}

/// Seals a secret under a fresh data key.
pub(super) fn seal(keyring: &Keyring, scope: &SecretScope<'_>, plain: &[u8]) -> Result<Vec<u8>> {
    let (key_version, master) = keyring.current();
    let fresh = Fresh::new()?;
    let mut sealed = Vec::with_capacity(HEADER_LENGTH + WRAPPED_LENGTH + OVERHEAD + plain.len());
    sealed.push(FORMAT);
    sealed.extend_from_slice(&key_version.to_be_bytes());
    cipher::seal(
        master,
        fresh.key_nonce,
        &scope.additional_data(key_version, "key"),
        &fresh.data_key[..],
        &mut sealed,
    )?;
    let data_key = cipher::key(&fresh.data_key);
    cipher::seal(&data_key, fresh.nonce, &scope.additional_data(key_version, "secret"), plain, &mut sealed)?;
    Ok(sealed)
}

/// Opens a record. Which of its parts is wrong is not told.
pub(super) fn open(keyring: &Keyring, scope: &SecretScope<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    try_open(keyring, scope, sealed).ok_or_else(|| corrupt(scope))
}

fn try_open(keyring: &Keyring, scope: &SecretScope<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (header, rest) = sealed.split_at_checked(HEADER_LENGTH)?;
    let (wrapped, body) = rest.split_at_checked(WRAPPED_LENGTH)?;
    let (format, key_version) = header.split_first()?;
    if *format != FORMAT {
        return None;
    }
    let key_version = u32::from_be_bytes(key_version.try_into().ok()?);
    let master = keyring.get(key_version)?;
    let unwrapped = cipher::open(master, &scope.additional_data(key_version, "key"), wrapped)?;
    let data_key = Zeroizing::new(<[u8; KEY_LENGTH]>::try_from(&unwrapped[..]).ok()?);
    cipher::open(&cipher::key(&data_key), &scope.additional_data(key_version, "secret"), body)
}

/// SEALED_RECORD_CORRUPT for a place.
pub(super) fn corrupt(scope: &SecretScope<'_>) -> Error {
    Error::new(
        Reason::SealedRecordCorrupt,
        format!(
            "the stored {} of {} does not authenticate: the store was damaged or changed by hand; set the {} again",
            scope.field, scope.resource, scope.field
        ),
    )
}
