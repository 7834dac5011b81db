//! The place of one pool in the registry, from before it is dialled until it is closed.

use std::{
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::lease::{Lease, closed_error};
use crate::{
    engine::Database,
    model::{Error, Result, Timestamp, connection::PoolFigures},
    store::connection::ConnectionRecord,
};

/// A pool, or the place of one that is being dialled.
pub(super) struct Slot {
    record: Arc<ConnectionRecord>,
    database: OnceLock<(Arc<dyn Database>, Timestamp)>,
    dialling: Mutex<Option<(Instant, Error)>>,
    closed: CancellationToken,
    used: Arc<UseCount>,
    tending: Arc<AtomicBool>,
}

#[derive(Default)]
struct UseCount {
    count: AtomicU32,
    last: AtomicI64,
}

/// Counts one user of a pool for as long as it lives.
pub(super) struct Use(Arc<UseCount>);

impl Use {
    fn new(used: &Arc<UseCount>) -> Self {
        used.count.fetch_add(1, Ordering::Relaxed);
        used.last.store(Timestamp::now().as_micros(), Ordering::Relaxed);
        Self(used.clone())
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.0.last.store(Timestamp::now().as_micros(), Ordering::Relaxed);
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether the pool that was made for one record is the right one for another.
pub(crate) fn share_pool(one: &ConnectionRecord, other: &ConnectionRecord) -> bool {
    let (one, other) = (&one.connection, &other.connection);
    one.credential_revision == other.credential_revision && one.settings.shares_pool_with(&other.settings)
}

impl Slot {
    /// A place for the pool of a connection as its record has it.
    pub(super) fn new(record: Arc<ConnectionRecord>) -> Self {
        Self {
            record,
            database: OnceLock::new(),
            dialling: Mutex::new(None),
            closed: CancellationToken::new(),
            used: Arc::default(),
            tending: Arc::default(),
        }
    }

    /// Counts a user, so that the slot is not evicted while its pool is dialled.
    pub(super) fn enter(&self) -> Use {
        Use::new(&self.used)
    }

    /// Whether the pool is the right one for a record.
    pub(super) fn serves(&self, record: &ConnectionRecord) -> bool {
        share_pool(&self.record, record)
    }

    /// Whether the record that the pool was made for is newer than another.
    pub(super) fn is_newer_than(&self, record: &ConnectionRecord) -> bool {
        self.record.connection.revision > record.connection.revision
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Neither open nor wanted by anybody.
    pub(super) fn is_unused(&self) -> bool {
        self.database.get().is_none() && self.used.count.load(Ordering::Relaxed) == 0
    }

    pub(super) fn is_idle_for(&self, span: Duration) -> bool {
        let last = Timestamp::from_micros(self.used.last.load(Ordering::Relaxed));
        self.used.count.load(Ordering::Relaxed) == 0 && last.until(Timestamp::now()) >= span
    }

    pub(super) fn figures(&self) -> Option<(PoolFigures, Timestamp)> {
        self.database.get().map(|(database, opened)| (database.pool_figures(), *opened))
    }

    /// A lease of the pool, which is dialled where that was not done. One caller dials while the others wait; those that
    /// waited through a failed dial get its error instead of dialling one after the other.
    pub(super) async fn open<F>(&self, in_use: Use, dial: impl FnOnce() -> F) -> Result<Lease>
    where
        F: Future<Output = Result<Arc<dyn Database>>>,
    {
        if let Some((database, _)) = self.database.get() {
            return self.lease(database, in_use);
        }
        let came = Instant::now();
        let mut failed = self.dialling.lock().await;
        if let Some((database, _)) = self.database.get() {
            return self.lease(database, in_use);
        }
        if let Some((_, error)) = failed.as_ref().filter(|(when, _)| *when >= came) {
            return Err(error.repeat());
        }
        let outcome = tokio::select! {
            outcome = dial() => outcome,
            () = self.closed.cancelled() => Err(closed_error()),
        };
        match outcome {
            Ok(database) => {
                let (database, _) = self.database.get_or_init(|| (database, Timestamp::now()));
                self.lease(database, in_use)
            }
            Err(error) => {
                *failed = Some((Instant::now(), error.repeat()));
                Err(error)
            }
        }
    }

    fn lease(&self, database: &Arc<dyn Database>, in_use: Use) -> Result<Lease> {
        if self.is_closed() {
            return Err(closed_error());
        }
        Ok(Lease::new(database.clone(), self.closed.clone(), in_use))
    }

    /// Lets the pool close what is due and open what is missing, in a task that a shutdown waits for; one at a time, for
    /// a database that does not answer holds it up.
    pub(super) fn tend(&self, tracker: &TaskTracker) {
        let Some((database, _)) = self.database.get() else { return };
        if self.tending.swap(true, Ordering::AcqRel) {
            return;
        }
        let (database, tending) = (database.clone(), self.tending.clone());
        tracker.spawn(async move {
            database.tend().await;
            tending.store(false, Ordering::Release);
        });
    }

    /// Ends the work on the pool and closes its connections. The closing waits for work that is ending, in a task
    /// that a shutdown waits for: the pool takes no new work from this moment on.
    pub(super) fn close(&self, tracker: &TaskTracker) {
        self.closed.cancel();
        if let Some((database, _)) = self.database.get() {
            let database = database.clone();
            tracker.spawn(async move { database.close().await });
        }
    }
}
