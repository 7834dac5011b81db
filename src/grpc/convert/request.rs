//! Tells the repeat of a call from another call with the same request_id.

use std::sync::{Arc, OnceLock};

use prost::Message;
use zeroize::Zeroizing;

use crate::model::{Error, Reason, RequestKey, Result};

/// Makes request keys. Their digests are keyed, so that a stored one does not help to guess a password of the body.
/// Without a key, which the vault gives when it is open, every call with a request_id is refused.
#[derive(Clone, Default)]
pub struct RequestKeys(Arc<OnceLock<Zeroizing<[u8; 32]>>>);

impl RequestKeys {
    /// Gives the key, once.
    pub fn set_key(&self, key: Zeroizing<[u8; 32]>) {
        // The first key wins.
        let _ = self.0.set(key);
    }

    /// The key of a call. `body` is its message without the request_id; maps encode sorted, so that equal messages have
    /// equal bytes.
    pub fn key(&self, method: &'static str, request_id: &str, body: &impl Message) -> Result<Option<RequestKey>> {
        let Some(key) = self.0.get() else {
            return Err(Error::new(Reason::VaultSealed, "the vault is sealed; open it first"));
        };
        RequestKey::parse(method, request_id, || {
            let bytes = Zeroizing::new(body.encode_to_vec());
            blake3::keyed_hash(key, &bytes).into()
        })
    }
}
