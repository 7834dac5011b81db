//! API keys in memory, because every call begins by reading one. Only this process writes the store, and each write takes
//! its entry out, so that a revoked key is refused from the next call on.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
};

use super::known::KnownKey;
use crate::{
    model::{AccountId, ApiKeyId, Timestamp, Validity},
    store::api_key::StoredKey,
};

/// Keys that are kept; beyond it the cache begins anew, which costs one read a key.
const MAX_ENTRIES: usize = 10_000;

/// The cache.
#[derive(Default)]
pub(super) struct KeyCache(RwLock<State>);

#[derive(Default)]
struct State {
    /// Counts the writes, so that what was read before a write is not put in after it.
    generation: u64,
    entries: HashMap<ApiKeyId, Arc<KnownKey>>,
    /// What streams of a key listen to. It outlives the entry, which goes with each change of the key.
    secrets: HashMap<ApiKeyId, Secrets>,
}

/// The secrets of a key that are taken, by their digests, with how long they hold.
struct Secrets {
    account: AccountId,
    validities: Vec<(Vec<u8>, Validity)>,
}

impl KeyCache {
    /// The entry, or the generation to hand to [`KeyCache::insert`] after reading it from the store.
    pub(super) fn get(&self, id: &ApiKeyId) -> Result<Arc<KnownKey>, u64> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.entries.get(id).cloned().ok_or(state.generation)
    }

    /// Puts in what was read. Absent where something was written since: it has to be read again, for a key that was
    /// revoked meanwhile would be let in once more, with a stream that nobody tells.
    pub(super) fn insert(&self, generation: u64, stored: StoredKey) -> Option<Arc<KnownKey>> {
        let mut state = self.write();
        if state.generation != generation {
            return None;
        }
        state.make_room();
        let known = state.secrets_of(&stored).known(stored);
        state.entries.insert(known.id().clone(), known.clone());
        Some(known)
    }

    /// Takes out a key of which it is not known whether it was written.
    pub(super) fn remove(&self, id: &ApiKeyId) {
        let mut state = self.write();
        state.generation += 1;
        state.entries.remove(id);
    }

    /// Takes out a key that was written, and tells the streams of its secrets how long these hold now.
    pub(super) fn written(&self, stored: &StoredKey) {
        let mut state = self.write();
        state.generation += 1;
        state.entries.remove(&stored.key.id);
        if let Some(secrets) = state.secrets.get_mut(&stored.key.id) {
            secrets.settle(stored);
        }
    }

    /// Takes out the keys of an account that may have been deleted.
    pub(super) fn remove_account(&self, account: &AccountId) {
        let mut state = self.write();
        state.generation += 1;
        state.entries.retain(|_, known| known.account() != account);
    }

    /// Takes out the keys of an account that was deleted, and tells their streams.
    pub(super) fn end_account(&self, account: &AccountId) {
        self.remove_account(account);
        self.write().secrets.retain(|_, secrets| {
            let stays = secrets.account != *account;
            if !stays {
                secrets.validities.iter().for_each(|(_, validity)| validity.end());
            }
            stays
        });
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets go of all that no call needs, where there is too much. What a call listens to stays, and entries go first: one
    /// that outlived what it hands out would hand out what nobody ends.
    fn make_room(&mut self) {
        if self.entries.len() < MAX_ENTRIES && self.secrets.len() < MAX_ENTRIES {
            return;
        }
        self.entries.clear();
        self.secrets.retain(|_, secrets| !secrets.validities.iter().all(|(_, validity)| validity.is_unshared()));
    }

    fn secrets_of(&mut self, stored: &StoredKey) -> &mut Secrets {
        let new = || Secrets { account: stored.key.account.clone(), validities: Vec::new() };
        let secrets = self.secrets.entry(stored.key.id.clone()).or_insert_with(new);
        secrets.settle(stored);
        secrets
    }
}

impl Secrets {
    /// Tells each secret how long it holds by what is stored. Those that are taken no more are forgotten.
    fn settle(&mut self, stored: &StoredKey) {
        self.validities.retain(|(digest, validity)| {
            let end = stored.end_of(digest, Timestamp::now());
            validity.set_end(end);
            stored.takes(digest)
        });
    }

    fn known(&mut self, stored: StoredKey) -> Arc<KnownKey> {
        let current = self.validity(&stored, &stored.digest);
        let previous = stored.previous_digest.as_ref().map(|digest| self.validity(&stored, digest));
        Arc::new(KnownKey::new(stored, current, previous))
    }

    fn validity(&mut self, stored: &StoredKey, digest: &[u8]) -> Validity {
        if let Some((_, validity)) = self.validities.iter().find(|(known, _)| known == digest) {
            return validity.clone();
        }
        let validity = Validity::default();
        validity.set_end(stored.end_of(digest, Timestamp::now()));
        self.validities.push((digest.to_vec(), validity.clone()));
        validity
    }
}
