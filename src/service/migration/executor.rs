//! Migrations as operations.

use async_trait::async_trait;

use super::runner::{self, Job, Report};
use crate::{
    model::{
        Error, Reason,
        operation::{OperationResult, OperationSpec, Progress},
    },
    operation::{Executor, Failure, OperationRun},
    pool::Pools,
    store::Store,
};

/// Runs ApplyMigrations and RevertMigrations.
pub struct MigrationExecutor {
    store: Store,
    pools: Pools,
}

/// What is done with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Run,
    Recover,
}

impl Report for OperationRun {
    fn progress(&self, progress: Progress) {
        OperationRun::progress(self, progress);
    }

    fn log(&self, line: String) {
        OperationRun::log(self, line);
    }
}

impl MigrationExecutor {
    /// An executor over the store and the pools.
    pub fn new(store: Store, pools: Pools) -> Self {
        Self { store, pools }
    }

    async fn work(&self, run: &OperationRun, spec: &OperationSpec, task: Task) -> Result<OperationResult, Error> {
        let OperationSpec::Migrate { set, direction, versions, allow_out_of_order, limits, .. } = spec else {
            return Err(Error::internal(format!("{} is no migration", spec.kind().as_str())));
        };
        let lease = self.pools.database(run.account(), &run.connection()?).await?;
        let migrations = self.store.migrations(run.account(), set).await?;
        // What the caller asked for is told apart from what happened to the connection by which of them is cancelled.
        let cancellation = run.cancellation.child_token();
        let job = Job {
            migrate: lease.require_migrate()?,
            operation: run.id(),
            set,
            migrations: &migrations,
            direction: *direction,
            versions,
            allow_out_of_order: *allow_out_of_order,
            limits,
            cancellation: &cancellation,
            report: run,
        };
        if task == Task::Recover {
            return lease.run(runner::recover(&job)).await;
        }
        let mut work = std::pin::pin!(runner::run(&job));
        tokio::select! {
            outcome = &mut work => outcome,
            () = lease.closed().cancelled() => {
                cancellation.cancel();
                work.await.map_err(connection_changed)
            }
        }
    }
}

/// The run was cancelled because its connection went away, and says how far it came.
fn connection_changed(error: Error) -> Error {
    if error.reason() != Reason::Cancelled {
        return error;
    }
    let message = format!("the connection was changed or deleted while this ran; {}", error.message());
    Error::new(Reason::EtagMismatch, message).caused_by(error)
}

#[async_trait]
impl Executor for MigrationExecutor {
    async fn run(&self, run: &OperationRun, spec: &OperationSpec) -> Result<OperationResult, Failure> {
        self.work(run, spec, Task::Run).await.map_err(Failure::from)
    }

    async fn recover(&self, run: &OperationRun, spec: &OperationSpec) -> Result<OperationResult, Failure> {
        self.work(run, spec, Task::Recover).await.map_err(Failure::from)
    }
}
