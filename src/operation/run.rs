//! One run of an operation: waits for its turn, claims it, lets the executor work, and stores how it stands.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Failure, Operations, live::Live};
use crate::{
    model::{
        AccountId, ConnectionId, Error, OperationId, Reason, Result, Timestamp,
        operation::{Operation, OperationError, OperationResult, OperationState, Progress},
    },
    store::operation::OperationRecord,
};

/// How often a running operation is written to the store at most.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);
/// Pauses between attempts while the store cannot be written.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What an executor sees of the operation that it runs.
pub struct OperationRun {
    live: Arc<Live>,
    /// Cancelled when somebody asked it to stop, or when the server stops.
    pub cancellation: CancellationToken,
}

impl OperationRun {
    pub(super) fn new(live: Arc<Live>) -> Self {
        let cancellation = live.cancellation().clone();
        Self { live, cancellation }
    }

    /// Its id.
    pub fn id(&self) -> &OperationId {
        self.live.id()
    }

    /// Whose it is.
    pub fn account(&self) -> &AccountId {
        self.live.account()
    }

    /// The database that it works on.
    pub fn connection(&self) -> Result<ConnectionId> {
        self.live.operation().connection.ok_or_else(|| Error::internal("the operation is on no database"))
    }

    /// How it stands.
    pub fn operation(&self) -> Operation {
        self.live.operation()
    }

    /// Tells how far it is. Cheap: what reaches the store and the watchers is limited elsewhere.
    pub fn progress(&self, progress: Progress) {
        self.live.progress(progress);
    }

    /// Adds a log line, for people.
    pub fn log(&self, text: impl Into<String>) {
        self.live.log(text.into());
    }

    /// CANCELLED where it was asked to stop.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.cancellation.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

impl Operations {
    /// Begins a stored operation in a task of its own. The task ends with the operation; at shutdown the executor is
    /// cancelled and the task stores what came of it; a panic of the executor is stored as a failure.
    pub(super) fn launch(&self, record: OperationRecord) -> Result<()> {
        let executor = self.executor(record.operation.spec.kind())?;
        let live = self.add_live(record);
        let operations = self.clone();
        self.inner.tracker.spawn(async move {
            let cancellation = live.cancellation().clone();
            let permit = tokio::select! {
                permit = operations.inner.permits.clone().acquire_owned() => permit.ok(),
                () = cancellation.cancelled() => None,
            };
            if permit.is_none() {
                // Stopped before its turn came. When the server stops it stays queued and begins at the next start.
                if live.operation().cancel_requested {
                    operations.finish(&live, Err(Failure::from(Error::cancelled()))).await;
                } else {
                    operations.let_go(&live);
                }
                return;
            }
            if let Err(error) = operations.claim(&live).await {
                tracing::error!(operation = %live.id(), error = %error, "operation not claimed");
                operations.let_go(&live);
                return;
            }
            let work = live.clone();
            let outcome = operations
                .run_stored(&live, async move {
                    let spec = work.operation().spec;
                    executor.run(&OperationRun::new(work), &spec).await
                })
                .await;
            operations.finish(&live, outcome).await;
        });
        Ok(())
    }

    /// Claims an operation for this run. While the store cannot be written it is tried again: nothing may run that the
    /// store does not know to be running.
    pub(super) async fn claim(&self, live: &Live) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        let started = Timestamp::now();
        let fence = loop {
            match self.inner.store.claim_operation(&live.record(), started).await {
                Ok(fence) => break fence,
                Err(error) if error.reason() == Reason::Interrupted || self.inner.shutdown.is_cancelled() => {
                    return Err(error);
                }
                Err(error) => tracing::warn!(operation = %live.id(), error = %error, "operation not claimed yet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        live.claimed(fence, started);
        Ok(())
    }

    /// Leaves an operation to the next start, and tells those who follow it that nothing more comes.
    pub(super) fn let_go(&self, live: &Live) {
        self.remove_live(live.id());
        live.end();
    }

    /// Runs work in a task of its own, so that a panic does not take the record with it, and stores how it stands meanwhile.
    pub(super) async fn run_stored(
        &self,
        live: &Arc<Live>,
        work: impl Future<Output = Result<OperationResult, Failure>> + Send + 'static,
    ) -> Result<OperationResult, Failure> {
        let mut work = self.inner.tracker.spawn(work);
        let mut interval = tokio::time::interval(CHECKPOINT_INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        interval.tick().await;
        loop {
            tokio::select! {
                outcome = &mut work => {
                    return outcome.unwrap_or_else(|cause| Err(Failure::from(Error::internal(cause))));
                }
                _ = interval.tick() => self.store(live).await,
            }
        }
    }

    /// Writes how an operation stands. A failure is logged: the next write has everything again.
    async fn store(&self, live: &Live) {
        let checkpoint = live.checkpoint();
        match self.inner.store.checkpoint_operation(&checkpoint.record, &checkpoint.logs).await {
            Ok(()) => live.stored(checkpoint.record.operation.sequence),
            Err(error) => tracing::warn!(operation = %live.id(), error = %error, "operation not stored"),
        }
    }

    /// Notes how an operation ended, durably before anybody is told.
    pub(super) async fn finish(&self, live: &Live, outcome: Result<OperationResult, Failure>) {
        let stopping = self.inner.shutdown.is_cancelled();
        let mut ended = live.operation();
        ended.ended = Some(Timestamp::now());
        match outcome {
            Ok(result) => {
                ended.state = OperationState::Succeeded;
                ended.result = Some(result);
            }
            Err(failure) => {
                let error =
                    if stopping && !ended.cancel_requested { interrupted(failure.error) } else { failure.error };
                log_failure(live.id(), &error);
                ended.state = match error.reason() {
                    _ if failure.needs_attention => OperationState::NeedsAttention,
                    Reason::Cancelled => OperationState::Cancelled,
                    _ => OperationState::Failed,
                };
                ended.error = Some(OperationError::from_error(&error));
            }
        }
        tracing::info!(operation = %live.id(), kind = ended.spec.kind().as_str(), state = ended.state.as_str(), "operation ended");
        let mut checkpoint = live.checkpoint();
        ended.sequence = checkpoint.record.operation.sequence + 1;
        checkpoint.record.operation = ended.clone();
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.inner.store.checkpoint_operation(&checkpoint.record, &checkpoint.logs).await {
            tracing::error!(operation = %live.id(), error = %error, "end of operation not stored");
            // Without the record the outcome is open: recovery finds it out at the next start.
            if error.reason() == Reason::Interrupted || self.inner.shutdown.is_cancelled() {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        live.stored(ended.sequence);
        live.change(|operation| *operation = Operation { sequence: operation.sequence, ..ended });
        live.end();
        self.remove_live(live.id());
    }
}

fn interrupted(error: Error) -> Error {
    let interrupted = Error::new(
        Reason::Interrupted,
        format!("the server was stopped while this ran ({}); repeat the call to go on", error.message()),
    );
    interrupted.caused_by(error)
}

fn log_failure(id: &OperationId, error: &Error) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(operation = %id, reason = error.reason().as_str(), message = error.message(), source, "operation failed");
}
