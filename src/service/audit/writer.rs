//! Writes events in groups: what comes while a write is under way goes into the next one together, so that many calls
//! at one time share the wait for the disk, and all of them stand in one order.

use std::{
    mem,
    sync::{Arc, Mutex},
};

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::lock;
use crate::{
    model::{Error, Result, audit::AuditRecord},
    store::Store,
    vault::AuditKey,
};

/// Adds events at the ends of their chains.
pub(super) struct Writer {
    shared: Arc<Shared>,
    tracker: TaskTracker,
}

struct Shared {
    store: Store,
    key: AuditKey,
    waiting: Mutex<Vec<Waiting>>,
    /// Held by the one who writes.
    turn: tokio::sync::Mutex<()>,
}

struct Waiting {
    record: AuditRecord,
    written: oneshot::Sender<Result<u64>>,
}

impl Writer {
    pub(super) fn new(store: Store, key: AuditKey, tracker: TaskTracker) -> Self {
        let shared = Shared { store, key, waiting: Mutex::default(), turn: tokio::sync::Mutex::default() };
        Self { shared: Arc::new(shared), tracker }
    }

    pub(super) fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(super) fn key(&self) -> &AuditKey {
        &self.shared.key
    }

    /// Adds an event and returns its sequence once it is durable. Dropping the future does not take the event back.
    pub(super) async fn append(&self, record: AuditRecord) -> Result<u64> {
        let (written, sequence) = oneshot::channel();
        lock(&self.shared.waiting).push(Waiting { record, written });
        let shared = self.shared.clone();
        self.tracker.spawn(async move { shared.write_waiting().await });
        sequence.await.unwrap_or_else(|_| Err(Error::internal("the writer of the audit log is gone")))
    }
}

impl Shared {
    async fn write_waiting(&self) {
        let _turn = self.turn.lock().await;
        let group = mem::take(&mut *lock(&self.waiting));
        if group.is_empty() {
            return;
        }
        let (records, answers): (Vec<_>, Vec<_>) =
            group.into_iter().map(|waiting| (waiting.record, waiting.written)).unzip();
        // Whoever does not wait any more needs no answer.
        match self.store.append_audit_records(&self.key, &records).await {
            Ok(sequences) => {
                for (answer, sequence) in answers.into_iter().zip(sequences) {
                    let _ = answer.send(Ok(sequence));
                }
            }
            Err(error) => {
                tracing::error!(error = %error, events = records.len(), "audit log not written");
                for answer in answers {
                    let _ = answer.send(Err(error.repeat()));
                }
            }
        }
    }
}
