//! AES-256-GCM and randomness by ring.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

use crate::model::{Error, Result};

/// Length of a key in bytes.
pub(super) const KEY_LENGTH: usize = 32;
/// What encryption adds: nonce and tag.
pub(super) const OVERHEAD: usize = NONCE_LEN + 16;

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(&mut bytes[..]).map_err(|_| Error::internal("the system gave no random bytes"))?;
    Ok(bytes)
}

/// All that is random in one sealed record, from one call to the system: that call is most of what sealing costs.
pub(super) struct Fresh {
    pub(super) data_key: Zeroizing<[u8; KEY_LENGTH]>,
    pub(super) key_nonce: [u8; NONCE_LEN],
    pub(super) nonce: [u8; NONCE_LEN],
}

impl Fresh {
    pub(super) fn new() -> Result<Self> {
        let bytes = random::<{ KEY_LENGTH + 2 * NONCE_LEN }>()?;
        let mut fresh = Self { data_key: Zeroizing::default(), key_nonce: [0; NONCE_LEN], nonce: [0; NONCE_LEN] };
        fresh.data_key.copy_from_slice(&bytes[..KEY_LENGTH]);
        fresh.key_nonce.copy_from_slice(&bytes[KEY_LENGTH..KEY_LENGTH + NONCE_LEN]);
        fresh.nonce.copy_from_slice(&bytes[KEY_LENGTH + NONCE_LEN..]);
        Ok(fresh)
    }
}

/// A key that is ready for use.
pub(super) fn key(bytes: &[u8; KEY_LENGTH]) -> LessSafeKey {
    let unbound = UnboundKey::new(&AES_256_GCM, bytes);
    #[expect(clippy::expect_used, reason = "ring refuses a key only for its length, and the type fixes that")]
    LessSafeKey::new(unbound.expect("a key of 32 bytes"))
}

/// Appends nonce, ciphertext and tag to `out`. The nonce is used for nothing else.
pub(super) fn seal(
    key: &LessSafeKey,
    nonce: [u8; NONCE_LEN],
    aad: &[u8],
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<()> {
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(plain);
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut out[start..])
        .map_err(|_| Error::internal("a secret cannot be sealed"))?;
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

/// The plaintext of what [`seal`] appended; absent where it does not authenticate.
pub(super) fn open(key: &LessSafeKey, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut body = Zeroizing::new(body.to_vec());
    let length = key.open_in_place(nonce, Aad::from(aad), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

/// Compares in constant time.
pub(super) fn equal(left: &[u8], right: &[u8]) -> bool {
    // Two MACs under the same random key are equal only where the inputs are; ring verifies them in constant time.
    let Ok(bytes) = random::<KEY_LENGTH>() else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes[..]);
    hmac::verify(&key, left, hmac::sign(&key, right).as_ref()).is_ok()
}
