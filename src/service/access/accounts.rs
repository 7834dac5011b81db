//! How long accounts are there, for callers whose credentials say nothing of it: tokens and certificates.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::model::{AccountId, Validity};

/// Accounts of callers, and what tells these that an account was deleted.
#[derive(Default)]
pub(super) struct AccountValidities(Mutex<State>);

#[derive(Default)]
struct State {
    /// Counts the accounts that were deleted, so that one that was looked up before is not taken for there after it.
    generation: u64,
    validities: HashMap<AccountId, Validity>,
}

impl AccountValidities {
    /// To hand to [`AccountValidities::validity`] after the account was looked up.
    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// How long an account is there that was found. Absent where one was deleted since the generation.
    pub(super) fn validity(&self, account: &AccountId, generation: u64) -> Option<Validity> {
        let mut state = self.lock();
        let current = state.generation == generation;
        current.then(|| state.validities.entry(account.clone()).or_default().clone())
    }

    /// Tells the callers of an account that it was deleted.
    pub(super) fn end(&self, account: &AccountId) {
        let mut state = self.lock();
        state.generation += 1;
        if let Some(validity) = state.validities.remove(account) {
            validity.end();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
