//! What goes with a resource that is deleted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names of what went with a resource that was deleted, noted as it goes: so a call that is cut short tells how far it
/// came. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Removed(Arc<Mutex<Vec<String>>>);

impl Removed {
    /// Notes what is gone.
    pub fn note(&self, name: impl Into<String>) {
        self.lock().push(name.into());
    }

    /// What was noted, in its order.
    pub fn names(&self) -> Vec<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
