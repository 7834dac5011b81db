//! Writes events in groups: what comes while a write is under way goes into the next one together, so that many calls
//! at one time share the wait for the disk, and all of them stand in one order.

use std::{
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::lock;
use crate::{
    model::{Error, Result, audit::AuditRecord},
    store::Store,
    vault::AuditKey,
};

/// How long an event for which nobody waits may wait for others to be written with.
const LINGER: Duration = Duration::from_millis(20);

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

    pub(super) fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Adds an event and returns its sequence once it is durable. Dropping the future does not take the event back.
    pub(super) async fn append(&self, record: AuditRecord) -> Result<u64> {
        let sequence = self.line_up(record);
        let shared = self.shared.clone();
        self.tracker.spawn(async move { shared.write_waiting().await });
        told(sequence).await
    }

    /// Gives an event its place in the order at once, and the future that ends when it is durable: with the next event, at the
    /// latest after [`LINGER`].
    pub(super) fn append_soon(&self, record: AuditRecord) -> impl Future<Output = Result<u64>> + Send + 'static {
        let sequence = self.line_up(record);
        let shared = self.shared.clone();
        self.tracker.spawn(async move {
            tokio::time::sleep(LINGER).await;
            shared.write_waiting().await;
        });
        told(sequence)
    }

    /// Writes the events that have their place by now, so that a reader misses none.
    pub(super) async fn write_what_waits(&self) {
        let shared = self.shared.clone();
        // A panic is in the log already; the reader then finds what is there.
        let _ = self.tracker.spawn(async move { shared.write_waiting().await }).await;
    }

    fn line_up(&self, record: AuditRecord) -> oneshot::Receiver<Result<u64>> {
        let (written, sequence) = oneshot::channel();
        lock(&self.shared.waiting).push(Waiting { record, written });
        sequence
    }
}

async fn told(sequence: oneshot::Receiver<Result<u64>>) -> Result<u64> {
    sequence.await.unwrap_or_else(|_| Err(Error::internal("the writer of the audit log is gone")))
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
