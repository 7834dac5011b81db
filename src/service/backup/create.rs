//! Takes a backup: plan, dump, chunks; then the word of the tool that it ended well; only then the manifest.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    Parts,
    repository::{BackupDescription, BackupWriter, Manifest},
};
use crate::{
    engine::{DumpReport, RunningDump, dump::Chunking},
    model::{
        Error, Reason, Result,
        backup::BackupSchema,
        name::BackupName,
        operation::{OperationResult, OperationSpec, Progress, ProgressUnit},
    },
    operation::{Executor, Failure, OperationRun},
    pool::Lease,
    service::schema,
};

/// How long a tool that was told to stop may take to do so before it is dropped, which kills it.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Runs CreateBackup.
pub(super) struct CreateBackup(pub(super) Arc<Parts>);

#[async_trait]
impl Executor for CreateBackup {
    async fn run(&self, run: &OperationRun, spec: &OperationSpec) -> Result<OperationResult, Failure> {
        let OperationSpec::CreateBackup { backup } = spec else {
            return Err(Error::internal("not an operation that takes a backup").into());
        };
        match self.take(run, backup).await {
            Ok(manifest) => {
                if let Err(error) = self.0.note_complete(run.account(), &manifest).await {
                    // It is published all the same; the next start notes it.
                    tracing::warn!(backup = %backup, error = %error, "published backup not noted");
                }
                // The total was an estimate until now.
                let (done, message) = (manifest.plain_length(), "published".to_owned());
                run.progress(Progress { done, total: done, unit: ProgressUnit::Bytes, message });
                Ok(result(&manifest))
            }
            Err(error) => {
                self.0.note_failed(run.account(), backup, &error).await;
                Err(error.into())
            }
        }
    }

    async fn recover(&self, run: &OperationRun, spec: &OperationSpec) -> Result<OperationResult, Failure> {
        let OperationSpec::CreateBackup { backup } = spec else {
            return Err(Error::internal("not an operation that takes a backup").into());
        };
        if let Err(error) = self.end_orphan(run).await {
            // What is told of the backup does not depend on it.
            tracing::warn!(backup = %backup, error = %error, "sessions of a dead dump cannot be ended");
        }
        // Opening the repository has swept what the killed run left behind.
        Ok(result(&self.0.settle(run.account(), backup).await?))
    }
}

fn result(manifest: &Manifest) -> OperationResult {
    OperationResult::CreateBackup {
        backup: manifest.description().name.clone(),
        plain_size: manifest.plain_length(),
        stored_size: manifest.stored_length(),
    }
}

impl CreateBackup {
    /// The tool of a killed server may still wait for a lock of the database.
    async fn end_orphan(&self, run: &OperationRun) -> Result<()> {
        let lease = self.0.pools.database(run.account(), &run.connection()?).await?;
        lease.require_dump()?.end_dump(run.id()).await
    }

    async fn take(&self, run: &OperationRun, name: &BackupName) -> Result<Manifest> {
        let parts = &self.0;
        let record = parts.store.backup(run.account(), name).await?;
        let lease = parts.pools.database(run.account(), &name.connection).await?;
        let dump = lease.require_dump()?;
        let plan = dump.plan_dump().await?;
        let repository = parts.repositories.get(run.account()).await?;
        let schema = record_schema(run, &lease).await?;
        let mut writer = repository.begin().await?;

        let stored = async {
            let running = dump.start_dump(run.id(), run.cancellation.clone()).await?;
            run.log(format!("{} of {} begun", plan.tool, record.database));
            store_dump(run, &mut writer, running, plan.chunking, plan.estimated_size).await
        };
        // A change of the connection ends the dump: its tool is killed with it.
        let report = match lease.run(stored).await {
            Ok(report) => report,
            Err(error) => return Err(give_up(writer, run, error).await),
        };

        let description = BackupDescription {
            name: name.clone(),
            engine: record.engine,
            format: plan.format,
            tool: plan.tool,
            server_version: lease.server().version.clone(),
            database: record.database,
            created: record.created,
            operation: run.id().clone(),
            table_counts: report.table_counts,
            schema,
        };
        // From here on nothing is cancelled: half a publication would be neither one thing nor the other.
        match writer.publish(description).await {
            Ok(manifest) => Ok(manifest),
            Err(error) => Err(give_up(writer, run, error).await),
        }
    }
}

/// The schema as it is when the backup begins. A backup whose schema cannot be read is a backup all the same.
async fn record_schema(run: &OperationRun, lease: &Lease) -> Result<Option<BackupSchema>> {
    let recorded = tokio::select! {
        recorded = lease.run(Box::pin(schema::recorded(lease))) => recorded,
        () = run.cancellation.cancelled() => return Err(Error::cancelled()),
    };
    Ok(recorded.inspect_err(|error| run.log(format!("the schema is not recorded: {}", error.message()))).ok())
}

/// Stores the bytes of a dump and waits for the word of its tool.
async fn store_dump(
    run: &OperationRun,
    writer: &mut BackupWriter,
    mut running: Box<dyn RunningDump>,
    chunking: Chunking,
    estimated_size: u64,
) -> Result<DumpReport> {
    let progress = |done: u64| {
        run.progress(Progress {
            done,
            total: estimated_size.max(done),
            unit: ProgressUnit::Bytes,
            message: "storing the dump".to_owned(),
        });
    };
    let reader = running.take_reader();
    let work = async {
        match writer.store(reader, chunking, &progress).await {
            Ok(()) => running.finish().await,
            // The dump could not be read, so the tool knows better why.
            Err(error) if error.reason() == Reason::ToolFailed => match running.finish().await {
                Ok(_) => Err(error),
                Err(said) => Err(said),
            },
            Err(error) => Err(error),
        }
    };
    let patience = async {
        run.cancellation.cancelled().await;
        tokio::time::sleep(STOP_PATIENCE).await;
    };
    let report = tokio::select! {
        report = work => report,
        () = patience => Err(Error::cancelled()),
    };
    run.check_cancelled()?;
    report
}

/// Takes back what was stored, and tells why the backup was not taken.
async fn give_up(writer: BackupWriter, run: &OperationRun, error: Error) -> Error {
    if let Err(left) = writer.discard().await {
        tracing::warn!(operation = %run.id(), error = %left, "parts of a failed backup are left until the next start");
    }
    // A tool that was killed words its end in its own way.
    if run.cancellation.is_cancelled() && error.reason() != Reason::StorageFull {
        return Error::new(Reason::Cancelled, "cancelled; nothing was published and what was stored was taken away");
    }
    error
}
