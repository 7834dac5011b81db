//! API keys in memory, because every call begins by reading one. Only this process writes the store, and each write takes
//! its entry out, so that a revoked key is refused from the next call on.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
};

use tokio_util::sync::CancellationToken;

use super::known::KnownKey;
use crate::model::{AccountId, ApiKeyId};

/// Keys that are kept; beyond it the cache begins anew, which costs one read a key. Streams that were opened before
/// are then not told when their key is revoked.
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
    revocations: HashMap<ApiKeyId, (AccountId, CancellationToken)>,
}

impl KeyCache {
    /// The entry, or the generation to hand to [`KeyCache::insert`] after reading it from the store.
    pub(super) fn get(&self, id: &ApiKeyId) -> Result<Arc<KnownKey>, u64> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.entries.get(id).cloned().ok_or(state.generation)
    }

    /// What streams of a key listen to.
    pub(super) fn revocation(&self, id: &ApiKeyId, account: &AccountId) -> CancellationToken {
        let mut state = self.write();
        if state.revocations.len() >= MAX_ENTRIES {
            state.revocations.clear();
        }
        let entry = state.revocations.entry(id.clone());
        entry.or_insert_with(|| (account.clone(), CancellationToken::new())).1.clone()
    }

    /// Puts in what was read, unless something was written since.
    pub(super) fn insert(&self, generation: u64, known: Arc<KnownKey>) {
        let mut state = self.write();
        if state.generation != generation {
            return;
        }
        if state.entries.len() >= MAX_ENTRIES {
            state.entries.clear();
        }
        state.entries.insert(known.id().clone(), known);
    }

    /// Takes out a key that was written.
    pub(super) fn remove(&self, id: &ApiKeyId) {
        let mut state = self.write();
        state.generation += 1;
        state.entries.remove(id);
    }

    /// Tells the streams of a key that it was revoked.
    pub(super) fn revoke(&self, id: &ApiKeyId) {
        if let Some((_, revocation)) = self.write().revocations.remove(id) {
            revocation.cancel();
        }
    }

    /// Takes out the keys of an account that was deleted, and tells their streams.
    pub(super) fn remove_account(&self, account: &AccountId) {
        let mut state = self.write();
        state.generation += 1;
        state.entries.retain(|_, known| known.account() != account);
        state.revocations.retain(|_, (owner, revocation)| {
            let stays = owner != account;
            if !stays {
                revocation.cancel();
            }
            stays
        });
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
