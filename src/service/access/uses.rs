//! When and from where keys were used: gathered in memory, so that no call waits for it, and written once a minute.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use crate::model::{ApiKeyId, api_key::KeyUse};

/// Uses that are not in the store yet: one a key.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<ApiKeyId, KeyUse>>);

impl Uses {
    pub(super) fn note(&self, id: &ApiKeyId, used: KeyUse) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), used);
    }

    pub(super) fn latest(&self, id: &ApiKeyId) -> Option<KeyUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }

    /// Takes all of them out, to be written.
    pub(super) fn take(&self) -> HashMap<ApiKeyId, KeyUse> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what could not be written, where nothing newer has come.
    pub(super) fn put_back(&self, uses: HashMap<ApiKeyId, KeyUse>) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, used) in uses {
            pending.entry(id).or_insert(used);
        }
    }
}
