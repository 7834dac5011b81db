//! A key as it stands in memory, ready to be compared with what a caller sends.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::key_text::KeyText;
use crate::{
    model::{AccountId, ApiKeyId, Caller, Timestamp, Validity, api_key::KeyUse},
    store::api_key::StoredKey,
    vault::Pepper,
};

/// A use within this of the last one from the same address is not noted again.
const USE_GRAIN: Duration = Duration::from_secs(60);

/// The key.
pub(super) struct KnownKey {
    stored: StoredKey,
    caller: Caller,
    /// Who calls with the secret before the last rotation.
    previous: Option<Caller>,
    last_use: Mutex<Option<KeyUse>>,
}

impl KnownKey {
    pub(super) fn new(stored: StoredKey, current: Validity, previous: Option<Validity>) -> Self {
        let key = &stored.key;
        let mut caller = Caller::of_key(key.account.clone(), key.id.clone(), key.grant);
        caller.permissions = key.permissions();
        caller.expires = key.expires;
        caller.validity = current;
        let until = [key.expires, key.previous_until].into_iter().flatten().min();
        let previous = previous.map(|validity| Caller { expires: until, validity, ..caller.clone() });
        let last_use = Mutex::new(key.last_use);
        Self { stored, caller, previous, last_use }
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
        let caller = self.caller_with(text, now, pepper)?;
        match key.state(now) {
            KeyState::Active => {}
            KeyState::Expired => return Err("the key has expired"),
            KeyState::Revoked => return Err("the key was revoked"),
        }
        if !key.allows(address) {
            return Err("the key is not allowed from this address");
        }
        Ok(caller.clone())
    }

    fn caller_with(&self, text: &KeyText, now: Timestamp, pepper: &Pepper) -> Result<&Caller, &'static str> {
        if pepper.verify(text.secret(), &self.stored.digest) {
            return Ok(&self.caller);
        }
        let previous = self.stored.previous_digest.as_ref().zip(self.stored.key.previous_until);
        match (previous, &self.previous) {
            (Some((digest, until)), Some(caller)) if pepper.verify(text.secret(), digest) => {
                if until <= now {
                    Err("the secret was rotated and its time is over")
                } else {
                    Ok(caller)
                }
            }
            _ => Err("the secret is not that of the key"),
        }
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
