//! Bounds the dials to one host, so that a stampede after an outage does not become the next one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Dials to one host at one time.
const PARALLEL_DIALS: usize = 5;

type Gates = HashMap<(String, u16), Arc<Semaphore>>;

/// A gate a host. Cheap to clone.
#[derive(Clone, Default)]
pub struct DialGates(Arc<Mutex<Gates>>);

impl DialGates {
    /// Waits for a turn. The permit is given back when it is dropped.
    pub async fn enter(&self, host: &str, port: u16) -> Option<OwnedSemaphorePermit> {
        let gate = {
            let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
            let host = (host.to_ascii_lowercase(), port);
            gates.entry(host).or_insert_with(|| Arc::new(Semaphore::new(PARALLEL_DIALS))).clone()
        };
        gate.acquire_owned().await.ok()
    }
}
