//! Long-running work: stored before the call returns, followed by any number of watchers, cancelled down to the
//! statement on the database, and told truthfully after a crash.
//!
//! What a kind of operation does is an [`Executor`]; everything else about operations is here.

mod live;
mod recovery;
mod run;
mod watch;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use live::Live;
pub use run::OperationRun;
pub use watch::OperationWatch;

use crate::{
    model::{
        AccountId, CallContext, ConnectionId, Error, OperationId, Reason, RequestKey, Result, Timestamp, name,
        operation::{Operation, OperationKind, OperationResult, OperationSpec, OperationState, Progress},
        page::{Page, PageRequest},
    },
    store::{
        Store,
        operation::{OperationFilter, OperationRecord},
        request::Inserted,
    },
};

/// Longest wait of WaitOperation.
pub const MAX_WAIT: Duration = Duration::from_secs(600);

/// Why an operation did not succeed.
pub struct Failure {
    /// What went wrong and what to do.
    pub error: Error,
    /// A person has to look at it: something is half done that neither a repeat nor waiting mends.
    pub needs_attention: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, needs_attention: false }
    }
}

/// What one or several kinds of operations do.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Does the work. Stops soon after `run.cancellation` and leaves nothing half done that it can avoid. CANCELLED where
    /// it stopped because of that; its message says how far it came.
    async fn run(&self, run: &OperationRun, spec: &OperationSpec) -> Result<OperationResult, Failure>;

    /// Finds out, at the next start, what became of work that was running when the server was killed, and takes away what
    /// is half done. The result is told as the outcome: INTERRUPTED where it did not come to its end. Nothing is begun anew, but
    /// for work on the server itself of which every step can be repeated, which goes on.
    /// UNAVAILABLE where that cannot be found out yet; it is asked again then.
    async fn recover(&self, run: &OperationRun, spec: &OperationSpec) -> Result<OperationResult, Failure>;
}

/// What is to be done.
pub struct NewOperation {
    /// The database. Absent: the work is on the server itself.
    pub connection: Option<ConnectionId>,
    /// The work.
    pub spec: OperationSpec,
    /// Key of the database that is changed, the same for every connection that leads to it. Absent for work that only reads.
    pub exclusive_key: Option<String>,
    /// What is known of the size of the work.
    pub progress: Progress,
}

/// All operations of this server. Cheap to clone.
#[derive(Clone)]
pub struct Operations {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    executors: OnceLock<HashMap<OperationKind, Arc<dyn Executor>>>,
    live: Mutex<HashMap<OperationId, Arc<Live>>>,
    permits: Arc<Semaphore>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl Operations {
    /// Operations on a store. `parallel` run at one time, others are queued. They stop at `shutdown` and are awaited
    /// through `tracker`.
    pub fn new(store: Store, parallel: usize, tracker: TaskTracker, shutdown: CancellationToken) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                executors: OnceLock::new(),
                live: Mutex::default(),
                permits: Arc::new(Semaphore::new(parallel)),
                tracker,
                shutdown,
            }),
        }
    }

    /// Says what the kinds of operations do. Once, before the first is started.
    pub fn install(&self, executors: HashMap<OperationKind, Arc<dyn Executor>>) {
        // A second set would be a fault of the composition root; the first one stays.
        let _ = self.inner.executors.set(executors);
    }

    fn executor(&self, kind: OperationKind) -> Result<Arc<dyn Executor>> {
        let executors = self.inner.executors.get();
        executors
            .and_then(|executors| executors.get(&kind))
            .cloned()
            .ok_or_else(|| Error::internal(format!("no executor for {}", kind.as_str())))
    }

    /// Stores an operation and begins it as soon as its turn comes. The same request key gives the operation that an
    /// earlier call made. DATABASE_BUSY where another one changes the same database.
    pub async fn start(
        &self,
        context: &CallContext,
        request: Option<&RequestKey>,
        new: NewOperation,
    ) -> Result<Operation> {
        self.start_with_id(context, request, OperationId::generate(), new).await
    }

    /// As [`Operations::start`], under an id that was made before, for resources that name their operation.
    pub async fn start_with_id(
        &self,
        context: &CallContext,
        request: Option<&RequestKey>,
        id: OperationId,
        new: NewOperation,
    ) -> Result<Operation> {
        if self.inner.shutdown.is_cancelled() {
            return Err(Error::new(Reason::ShuttingDown, "the server is stopping; repeat the call in a moment"));
        }
        let operation = Operation {
            id,
            state: OperationState::Queued,
            connection: new.connection,
            spec: new.spec,
            progress: new.progress,
            created: Timestamp::now(),
            started: None,
            ended: None,
            cancel_requested: false,
            sequence: 1,
            requested_by: context.caller.principal.clone(),
            result: None,
            error: None,
        };
        let record = OperationRecord {
            account: context.account().clone(),
            operation: operation.clone(),
            exclusive_key: new.exclusive_key,
            fence: 0,
        };
        match self.inner.store.insert_operation(&record, request).await? {
            Inserted::New => {
                self.launch(record)?;
                Ok(operation)
            }
            Inserted::Earlier(resource) => self.get(context, &name::parse_operation(&resource, "name")?).await,
        }
    }

    /// The operation that an earlier call with the same request key made.
    pub async fn earlier(&self, context: &CallContext, request: Option<&RequestKey>) -> Result<Option<Operation>> {
        match self.inner.store.earlier_request(context.account(), request).await? {
            Some(resource) => self.get(context, &name::parse_operation(&resource, "name")?).await.map(Some),
            None => Ok(None),
        }
    }

    /// One operation as it stands.
    pub async fn get(&self, context: &CallContext, id: &OperationId) -> Result<Operation> {
        match self.live(context.account(), id) {
            Some(live) => Ok(live.operation()),
            None => Ok(self.inner.store.operation(context.account(), id).await?.operation),
        }
    }

    /// A page of operations, the newest first. Running ones are shown as they stand, not as they were last stored.
    pub async fn list(
        &self,
        context: &CallContext,
        filter: &OperationFilter,
        page: &PageRequest,
    ) -> Result<Page<Operation>> {
        let found = self.inner.store.operations(context.account(), filter, page).await?;
        let items = found.items.into_iter().map(|record| {
            self.live(context.account(), &record.operation.id).map_or(record.operation, |live| live.operation())
        });
        Ok(Page { items: items.collect(), next: found.next, total: found.total })
    }

    /// Asks an operation to stop, as [`Operations::stop`]. PERMISSION_MISSING where the caller could not have started it.
    pub async fn cancel(&self, context: &CallContext, id: &OperationId) -> Result<Operation> {
        let kind = self.get(context, id).await?.spec.kind();
        context.caller.require(kind.permission())?;
        self.stop(context, id).await
    }

    /// Asks an operation to stop, whoever may start one of its kind. One that has ended is returned as it is.
    pub async fn stop(&self, context: &CallContext, id: &OperationId) -> Result<Operation> {
        self.inner.store.request_cancel(context.account(), id).await?;
        if let Some(live) = self.live(context.account(), id) {
            live.cancel();
        }
        self.get(context, id).await
    }

    /// Waits until an operation has ended or the time has passed, and returns it as it stands then.
    pub async fn wait(&self, context: &CallContext, id: &OperationId, timeout: Duration) -> Result<Operation> {
        if let Some(live) = self.live(context.account(), id) {
            let wait = context.time_left(timeout.min(MAX_WAIT));
            tokio::select! {
                () = live.ended() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.inner.shutdown.cancelled() => {}
                () = context.cancellation.cancelled() => {}
            }
        }
        self.get(context, id).await
    }

    /// Follows an operation from the event after a sequence on.
    pub async fn watch(&self, context: &CallContext, id: &OperationId, after: u64) -> Result<OperationWatch> {
        let live = self.live(context.account(), id);
        let record = match &live {
            Some(_) => None,
            None => Some(self.inner.store.operation(context.account(), id).await?),
        };
        Ok(OperationWatch::new(self.inner.store.clone(), context.account().clone(), id.clone(), live, record, after))
    }

    /// Operations that are queued or running.
    pub fn open_count(&self) -> u64 {
        self.inner.live.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn live(&self, account: &AccountId, id: &OperationId) -> Option<Arc<Live>> {
        let live = self.inner.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.get(id).filter(|live| live.account() == account).cloned()
    }

    fn add_live(&self, record: OperationRecord) -> Arc<Live> {
        let live = Arc::new(Live::new(record, self.inner.shutdown.child_token()));
        let mut all = self.inner.live.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(live.id().clone(), live.clone());
        live
    }

    fn remove_live(&self, id: &OperationId) {
        self.inner.live.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

#[cfg(test)]
mod tests;
