//! Registered databases in memory, because every call on one begins by reading it. Only this process writes the store, so
//! each write that goes through [`super::Store`] takes its entry out.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::connection::ConnectionRecord;
use crate::model::{AccountId, ConnectionId};

/// Entries that are kept; beyond it the cache begins anew, which costs one read an entry.
const MAX_ENTRIES: usize = 10_000;

/// The cache.
#[derive(Default)]
pub(super) struct ConnectionCache(RwLock<State>);

#[derive(Default)]
struct State {
    /// Counts the writes, so that what was read before a write is not put in after it.
    generation: u64,
    entries: HashMap<AccountId, HashMap<ConnectionId, Arc<ConnectionRecord>>>,
    size: usize,
}

impl ConnectionCache {
    /// The entry, or the generation to hand to [`ConnectionCache::insert`] after reading it from the store.
    pub(super) fn get(&self, account: &AccountId, id: &ConnectionId) -> Result<Arc<ConnectionRecord>, u64> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.entries.get(account).and_then(|entries| entries.get(id)).cloned().ok_or(state.generation)
    }

    /// Puts in what was read, unless something was written since.
    pub(super) fn insert(&self, generation: u64, record: Arc<ConnectionRecord>) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.generation != generation {
            return;
        }
        if state.size >= MAX_ENTRIES {
            state.entries.clear();
            state.size = 0;
        }
        let entries = state.entries.entry(record.account.clone()).or_default();
        if entries.insert(record.connection.id.clone(), record).is_none() {
            state.size += 1;
        }
    }

    /// Takes out everything.
    pub(super) fn clear(&self) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *state = State { generation: state.generation + 1, ..State::default() };
    }

    /// Takes out an entry that was written.
    pub(super) fn remove(&self, account: &AccountId, id: &ConnectionId) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state.generation += 1;
        if state.entries.get_mut(account).and_then(|entries| entries.remove(id)).is_some() {
            state.size -= 1;
        }
    }
}
