//! Restores a backup and compares what came out of it with what was counted when it was taken.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;

use super::Parts;
use crate::{
    engine::{Dump, dump::RestoreTarget},
    model::{
        Error, Reason, Result,
        backup::TableCount,
        name::BackupName,
        operation::{OperationResult, OperationSpec, Progress, ProgressUnit},
    },
    operation::{Executor, Failure, OperationRun},
    pool::Lease,
};

/// Tables that an error names before it says how many more there are.
const NAMED_TABLES: usize = 10;

/// Runs RestoreBackup.
pub(super) struct RestoreBackup(pub(super) Arc<Parts>);

#[async_trait]
impl Executor for RestoreBackup {
    async fn run(&self, run: &OperationRun, spec: &OperationSpec) -> Result<OperationResult, Failure> {
        let OperationSpec::RestoreBackup { backup, target_database, create_target } = spec else {
            return Err(Error::internal("not an operation that restores a backup").into());
        };
        let lease = self.0.pools.database(run.account(), &run.connection()?).await?;
        let target = if *create_target { RestoreTarget::New } else { RestoreTarget::Empty };
        self.restore(run, &lease, backup, target_database, target).await?;
        let expected = self.0.manifest(run.account(), backup).await?.description().table_counts.clone();
        run.log("comparing the rows");
        let counted = lease.require_dump()?.count_rows(target_database).await?;
        let differences = differences(&expected, &counted);
        if differences.is_empty() {
            return Ok(result(backup, target_database, &counted));
        }
        // The database is there and is not what was backed up: that is for a person to look at, not to be dropped.
        Err(Failure { error: mismatch(backup, target_database, &differences), needs_attention: true })
    }

    async fn recover(&self, run: &OperationRun, spec: &OperationSpec) -> Result<OperationResult, Failure> {
        let OperationSpec::RestoreBackup { backup, target_database, .. } = spec else {
            return Err(Error::internal("not an operation that restores a backup").into());
        };
        let lease = self.0.pools.database(run.account(), &run.connection()?).await?;
        let dump = lease.require_dump()?;
        let outcome = if dump.discard_restore(run.id(), target_database).await? {
            "what it had written was taken away"
        } else {
            match self.look_at_target(run, dump, backup, target_database).await? {
                Found::Nothing => "it had written nothing",
                Found::Restored(counted) => return Ok(result(backup, target_database, &counted)),
                Found::Other => {
                    let error = Error::new(
                        Reason::Interrupted,
                        format!(
                            "the server stopped while {backup} was being restored, and {target_database:?} holds tables \
                             that are neither the whole backup nor marked as left by this restore; look at the database, \
                             and empty it or choose another one before the next restore"
                        ),
                    );
                    return Err(Failure { error, needs_attention: true });
                }
            }
        };
        Err(Error::new(
            Reason::Interrupted,
            format!(
                "the server stopped while {backup} was being restored into {target_database:?}; {outcome}; \
                 restore it again"
            ),
        )
        .into())
    }
}

/// What a target holds after a kill.
enum Found {
    /// No table.
    Nothing,
    /// The whole backup: the restore had ended, and only the word of it was lost.
    Restored(Vec<TableCount>),
    /// Something else.
    Other,
}

impl RestoreBackup {
    async fn restore(
        &self,
        run: &OperationRun,
        lease: &Lease,
        backup: &BackupName,
        database: &str,
        target: RestoreTarget,
    ) -> Result<()> {
        let dump = lease.require_dump()?;
        let manifest = Arc::new(self.0.manifest(run.account(), backup).await?);
        let repository = self.0.repositories.get(run.account()).await?;
        let total = manifest.plain_length();
        let done = Arc::new(AtomicU64::new(0));
        let seen = done.clone();
        let (reader, source) = repository.open_reader(manifest, move |bytes| seen.store(bytes, Ordering::Relaxed));
        // A change of the connection stops the restore as a cancel does. It is not dropped, so that it takes away what it made.
        let stop = run.cancellation.child_token();
        let restored = {
            let mut work = std::pin::pin!(dump.restore(run.id(), database, target, reader, stop.clone()));
            let mut interval = tokio::time::interval(super::PROGRESS_INTERVAL);
            loop {
                tokio::select! {
                    restored = &mut work => break restored,
                    _ = interval.tick() => run.progress(Progress {
                        done: done.load(Ordering::Relaxed),
                        total,
                        unit: ProgressUnit::Bytes,
                        message: "restoring the dump".to_owned(),
                    }),
                    () = lease.closed().cancelled(), if !stop.is_cancelled() => stop.cancel(),
                }
            }
        };
        if let Some(failure) = source.take_failure() {
            if failure.reason() == Reason::BackupCorrupt {
                self.0.note_corrupt(run.account(), backup, &failure).await;
            }
            return Err(failure);
        }
        if restored.is_err() && run.cancellation.is_cancelled() {
            let text = format!("cancelled; what was written to {database:?} was taken away");
            return Err(Error::new(Reason::Cancelled, text));
        }
        restored
    }

    async fn look_at_target(
        &self,
        run: &OperationRun,
        dump: &dyn Dump,
        backup: &BackupName,
        database: &str,
    ) -> Result<Found> {
        match dump.check_restore(database).await {
            Ok(_) => return Ok(Found::Nothing),
            Err(error) if error.reason() == Reason::TargetNotEmpty => {}
            Err(error) => return Err(error),
        }
        let expected = self.0.manifest(run.account(), backup).await?.description().table_counts.clone();
        let counted = dump.count_rows(database).await?;
        Ok(if differences(&expected, &counted).is_empty() { Found::Restored(counted) } else { Found::Other })
    }
}

fn result(backup: &BackupName, database: &str, counted: &[TableCount]) -> OperationResult {
    OperationResult::RestoreBackup {
        backup: backup.clone(),
        target_database: database.to_owned(),
        table_count: counted.len() as u64,
        row_count: counted.iter().map(|count| count.rows).sum(),
    }
}

/// Tables whose rows differ, each in words.
fn differences(expected: &[TableCount], counted: &[TableCount]) -> Vec<String> {
    let rows_in = |counts: &[TableCount], table: &TableCount| {
        counts.iter().find(|other| other.schema == table.schema && other.table == table.table).map(|found| found.rows)
    };
    let label = |table: &TableCount| match table.schema.as_str() {
        "" => table.table.clone(),
        schema => format!("{schema}.{}", table.table),
    };
    let missing_or_changed = expected.iter().filter_map(|table| match rows_in(counted, table) {
        Some(rows) if rows == table.rows => None,
        Some(rows) => Some(format!("{} has {rows} rows instead of {}", label(table), table.rows)),
        None => Some(format!("{} is missing", label(table))),
    });
    let added = counted
        .iter()
        .filter(|table| rows_in(expected, table).is_none())
        .map(|table| format!("{} was not in the backup", label(table)));
    missing_or_changed.chain(added).collect()
}

fn mismatch(backup: &BackupName, database: &str, differences: &[String]) -> Error {
    let named = differences.iter().take(NAMED_TABLES).cloned().collect::<Vec<_>>().join("; ");
    let more = match differences.len().saturating_sub(NAMED_TABLES) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Error::new(
        Reason::RestoreMismatch,
        format!(
            "{backup} was restored into {database:?} and the rows are not those of the backup: {named}{more}; \
             see whether somebody wrote to the database meanwhile, drop it, and restore again"
        ),
    )
    .with_metadata("tables", differences.len().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(schema: &str, table: &str, rows: u64) -> TableCount {
        TableCount { schema: schema.to_owned(), table: table.to_owned(), rows }
    }

    #[test]
    fn every_table_that_differs_is_named() {
        let expected = [count("public", "a", 1), count("public", "b", 2), count("", "c", 3)];
        let counted = [count("public", "a", 1), count("public", "b", 5), count("public", "d", 0)];
        let found = differences(&expected, &counted);
        assert_eq!(
            found,
            ["public.b has 5 rows instead of 2", "c is missing", "public.d was not in the backup"].map(str::to_owned)
        );
        assert!(differences(&expected, &expected).is_empty());
    }
}
