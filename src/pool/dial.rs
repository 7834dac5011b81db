//! Bounds the dials to one host, so that a stampede after an outage does not become the next one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::connection::ConnectionSettings;

/// A gate a host.
pub(super) struct DialGates {
    parallel: usize,
    gates: Mutex<HashMap<(String, u16), Arc<Semaphore>>>,
}

impl DialGates {
    /// Gates that let so many dials to one host through at one time.
    pub(super) fn new(parallel: usize) -> Self {
        Self { parallel, gates: Mutex::default() }
    }

    /// Waits for a turn. The permit is given back when it is dropped.
    pub(super) async fn enter(&self, settings: &ConnectionSettings) -> Option<OwnedSemaphorePermit> {
        let gate = {
            let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
            let host = (settings.host.to_ascii_lowercase(), settings.port);
            gates.entry(host).or_insert_with(|| Arc::new(Semaphore::new(self.parallel))).clone()
        };
        gate.acquire_owned().await.ok()
    }
}
