//! Bounds the dials to one host, so that a stampede after an outage does not become the next one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::connection::ConnectionSettings;

/// Dials to one host at one time.
const PARALLEL_DIALS: usize = 5;

/// A gate a host.
#[derive(Default)]
pub(super) struct DialGates(Mutex<HashMap<(String, u16), Arc<Semaphore>>>);

impl DialGates {
    /// Waits for a turn. The permit is given back when it is dropped.
    pub(super) async fn enter(&self, settings: &ConnectionSettings) -> Option<OwnedSemaphorePermit> {
        let gate = {
            let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
            let host = (settings.host.to_ascii_lowercase(), settings.port);
            gates.entry(host).or_insert_with(|| Arc::new(Semaphore::new(PARALLEL_DIALS))).clone()
        };
        gate.acquire_owned().await.ok()
    }
}
