//! A key as it stands in memory, ready to be compared with what a caller sends.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::key_text::KeyText;
use crate::{
    model::{AccountId, ApiKeyId, Caller, Timestamp, api_key::KeyUse},
    store::api_key::StoredKey,
    vault::Pepper,
};

/// A use within this of the last one from the same address is not noted again.
const USE_GRAIN: Duration = Duration::from_secs(60);

/// The key.
pub(super) struct KnownKey {
    stored: StoredKey,
    caller: Caller,
    last_use: Mutex<Option<KeyUse>>,
}

impl KnownKey {
    pub(super) fn new(stored: StoredKey, revoked: CancellationToken) -> Self {
        let key = &stored.key;
        let mut caller = Caller::of_key(key.account.clone(), key.id.clone(), key.grant);
        caller.permissions = key.permissions();
        caller.expires = key.expires;
        caller.revoked = revoked;
        let last_use = Mutex::new(key.last_use);
        Self { stored, caller, last_use }
    }

    pub(super) fn id(&self) -> &ApiKeyId {
        &self.stored.key.id
    }

    pub(super) fn account(&self) -> &AccountId {
        &self.stored.key.account
    }

    pub(super) fn display_name(&self) -> &str {
        &self.stored.key.display_name
    }

    /// The caller behind the key, or why the key is not taken, which is for the log only.
    pub(super) fn check(
        &self,
        text: &KeyText,
        address: IpAddr,
        now: Timestamp,
        pepper: &Pepper,
    ) -> Result<Caller, &'static str> {
        use crate::model::api_key::KeyState;
        let key = &self.stored.key;
        // The secret comes first, so that only who has it can move the log.
        if !pepper.verify(text.secret(), &self.stored.digest) {
            let previous = self.stored.previous_digest.as_ref().zip(key.previous_until);
            match previous {
                Some((digest, until)) if pepper.verify(text.secret(), digest) => {
                    if until <= now {
                        return Err("the secret was rotated and its time is over");
                    }
                }
                _ => return Err("the secret is not that of the key"),
            }
        }
        match key.state(now) {
            KeyState::Active => {}
            KeyState::Expired => return Err("the key has expired"),
            KeyState::Revoked => return Err("the key was revoked"),
        }
        if !key.allows(address) {
            return Err("the key is not allowed from this address");
        }
        Ok(self.caller.clone())
    }

    /// It was let in from this address before.
    pub(super) fn was_used_from(&self, address: IpAddr) -> bool {
        let last = self.last_use.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.address == address)
    }

    /// Notes a use; returns it where it is worth storing: the first for a minute, or from another address.
    pub(super) fn note_use(&self, address: IpAddr, now: Timestamp) -> Option<KeyUse> {
        let mut last = self.last_use.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = last.is_some_and(|last| last.address == address && last.time.until(now) < USE_GRAIN);
        if recent {
            return None;
        }
        *last = Some(KeyUse { time: now, address });
        *last
    }
}
