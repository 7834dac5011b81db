//! One run of migrations.
//!
//! Each step has a connection of its own, so that no PRAGMA and no temporary table of one reaches the next. The
//! connection holds the lock of the run as well as the session does: the lock is free only when the last connection is
//! closed, even where the session was dropped in the middle of a statement.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqliteConnection};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    confine::confine,
    connect::{self, Limits, set_limits},
    error::{self, from_io, from_sqlx},
    history,
    migrate::LOCK_FILE,
    path::DatabasePath,
    position,
    run_lock::RunLock,
    statement::{StatementKind, classify},
};
use crate::{
    engine::{MigrationSession, migrate::StepError},
    model::{
        Error, OperationId, Reason, Result, StatementFailure,
        migration::{Direction, HistoryEntry, MigrationLimits, MigrationStep},
    },
};

/// Longest that SQLite itself waits for a lock; between two such waits the run looks whether it was cancelled.
const LOCK_SLICE: Duration = Duration::from_millis(50);

/// What is told of a statement that SQLite's parser found to be none of a migration.
const NOT_ALLOWED: &str =
    "the statement would reach another file, or a setting of the whole server, and is not allowed";

/// A run.
pub(super) struct SqliteSession {
    place: DatabasePath,
    operation: OperationId,
    limits: MigrationLimits,
    /// Cancelled with the run, and when the session is dropped.
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
    lock: Option<Arc<RunLock>>,
}

impl SqliteSession {
    pub(super) fn new(
        place: DatabasePath,
        operation: OperationId,
        limits: MigrationLimits,
        cancellation: &CancellationToken,
    ) -> Self {
        let stop = cancellation.child_token();
        let stop_on_drop = stop.clone().drop_guard();
        Self { place, operation, limits, stop, _stop_on_drop: stop_on_drop, lock: None }
    }

    /// Opens a connection for one step.
    async fn connect(&self) -> Result<StepConnection> {
        let mut connection = connect::open(&self.place, |path| connect::options(path, LOCK_SLICE)).await?;
        let limits = Limits::cancelled_by(&self.stop);
        let prepared = async {
            confine(&mut connection).await?;
            set_limits(&mut connection, limits, self.kept_lock()).await
        };
        prepared.await.map_err(|error| from_sqlx(error, "cannot open the database"))?;
        Ok(StepConnection { connection, limits: self.limits.clone(), stop: self.stop.clone(), lock: self.kept_lock() })
    }

    async fn connect_for_step(&self) -> Result<StepConnection, StepError> {
        let failed = |error| StepError::Other { error, outcome_unknown: false, statements_done: 0 };
        self.connect().await.map_err(failed)
    }

    fn kept_lock(&self) -> Option<Arc<dyn Send + Sync>> {
        self.lock.clone().map(|lock| lock as Arc<dyn Send + Sync>)
    }

    async fn read_history(mut step: StepConnection) -> Result<Vec<HistoryEntry>, sqlx::Error> {
        let entries = history::read(&mut step.connection).await?;
        step.connection.close().await?;
        Ok(entries)
    }

    async fn create_history(mut step: StepConnection) -> Result<(), sqlx::Error> {
        // Looking first spares a write where the table is there.
        if !history::exists(&mut step.connection).await? {
            step.begin().await?;
            history::create(&mut step.connection).await?;
            step.control("COMMIT").await?;
        }
        step.connection.close().await
    }
}

#[async_trait]
impl MigrationSession for SqliteSession {
    async fn try_lock(&mut self) -> Result<bool> {
        if self.lock.is_none() {
            let lock = RunLock::try_take(&self.place.find()?.side_file(LOCK_FILE), &self.operation)
                .map_err(|cause| from_io(cause, "cannot take the lock of the run beside the database"))?;
            self.lock = lock.map(Arc::new);
        }
        Ok(self.lock.is_some())
    }

    async fn prepare_history(&mut self) -> Result<()> {
        let made = Self::create_history(self.connect().await?).await;
        made.map_err(|error| from_sqlx(error, "cannot make the table dbkeeper_migrations"))
    }

    async fn history(&mut self) -> Result<Vec<HistoryEntry>> {
        let read = Self::read_history(self.connect().await?).await;
        read.map_err(|error| from_sqlx(error, "cannot read the history of migrations"))
    }

    async fn run_in_transaction(&mut self, step: &MigrationStep) -> Result<(), StepError> {
        let mut connection = self.connect_for_step().await?;
        let outcome = connection.transact(step).await;
        // Closing rolls back what is open, before anything else of the run goes on.
        let _ = connection.connection.close().await;
        outcome
    }

    async fn run_journaled(&mut self, step: &MigrationStep) -> Result<(), StepError> {
        let mut connection = self.connect_for_step().await?;
        let outcome = connection.run_journaled(step).await;
        let _ = connection.connection.close().await;
        outcome
    }

    async fn close(self: Box<Self>) {}
}

/// The connection of one step.
pub(super) struct StepConnection {
    pub(super) connection: SqliteConnection,
    limits: MigrationLimits,
    stop: CancellationToken,
    lock: Option<Arc<dyn Send + Sync>>,
}

impl StepConnection {
    /// Runs a step and its history row as one transaction.
    async fn transact(&mut self, step: &MigrationStep) -> Result<(), StepError> {
        let began = Instant::now();
        let head = self.run_head(step).await?;
        self.begin().await.map_err(|error| self.failed(0, 0, &error))?;
        let unchecked = !self.enforces_foreign_keys().await?;
        let violations = if unchecked { self.violations().await? } else { 0 };
        for (index, statement) in step.statements.iter().enumerate().skip(head) {
            let kind = classify(&statement.text).map_err(|why| refused(index, 0, why))?;
            check_inside(&kind).map_err(|why| refused(index, 0, why))?;
            self.run(index, &statement.text, 0).await?;
        }
        let last = step.statements.len().saturating_sub(1);
        if unchecked && self.violations().await? > violations {
            return Err(refused(
                last,
                0,
                "rows point to rows that are not there: PRAGMA foreign_key_check finds more of them after this migration than before",
            ));
        }
        match step.direction {
            Direction::Up => history::insert(&mut self.connection, step, began.elapsed())
                .await
                .map_err(|error| unfinished(error, 0))?,
            Direction::Down => {
                if !history::delete(&mut self.connection, step).await.map_err(|error| unfinished(error, 0))? {
                    return Err(not_applied(step));
                }
            }
        }
        self.control("COMMIT").await.map_err(|error| self.commit_failed(last, error))
    }

    /// `PRAGMA foreign_keys` does nothing inside a transaction, and dropping a table with enforcement on deletes the rows
    /// that point to it. So where it leads a migration it runs before the transaction. Returns how many statements ran.
    async fn run_head(&mut self, step: &MigrationStep) -> Result<usize, StepError> {
        for (index, statement) in step.statements.iter().enumerate() {
            let kind = classify(&statement.text).map_err(|why| refused(index, 0, why))?;
            if kind.sets_foreign_keys().is_none() {
                return Ok(index);
            }
            self.run(index, &statement.text, 0).await?;
        }
        Ok(step.statements.len())
    }

    async fn enforces_foreign_keys(&mut self) -> Result<bool, StepError> {
        let read = sqlx::query_scalar("SELECT foreign_keys FROM pragma_foreign_keys").fetch_one(&mut self.connection);
        read.await.map_err(|error| unfinished(error, 0))
    }

    async fn violations(&mut self) -> Result<i64, StepError> {
        let read = sqlx::query_scalar("SELECT count(*) FROM pragma_foreign_key_check").fetch_one(&mut self.connection);
        read.await.map_err(|error| {
            if self.stop.is_cancelled() { StepError::Cancelled { statements_done: 0 } } else { unfinished(error, 0) }
        })
    }

    /// Runs a statement of the step.
    pub(super) async fn run(&mut self, index: usize, text: &str, statements_done: usize) -> Result<(), StepError> {
        if self.stop.is_cancelled() {
            return Err(StepError::Cancelled { statements_done });
        }
        if let Some(timeout) = self.limits.statement_timeout {
            let limits = Limits { deadline: Instant::now().checked_add(timeout), cancellation: self.stop.clone() };
            set_limits(&mut self.connection, limits, self.lock.clone())
                .await
                .map_err(|error| unfinished(error, statements_done))?;
        }
        // Rows that a statement returns are read to the end and thrown away, because only then has it run.
        let outcome = self.connection.execute(sqlx::raw_sql(AssertSqlSafe(text.to_owned()))).await;
        match outcome {
            Ok(_) => Ok(()),
            Err(error) => {
                let offset = position::offset(&mut self.connection, text, &error::message(&error)).await;
                Err(self.failed_at(index, offset, statements_done, &error))
            }
        }
    }

    /// Begins a transaction that may write, so that waiting for other writers happens here and nowhere later.
    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.control("BEGIN IMMEDIATE").await
    }

    /// Runs BEGIN or COMMIT, and waits for locks of others as long as the run may.
    pub(super) async fn control(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        let deadline = Instant::now().checked_add(self.limits.lock_timeout);
        loop {
            match self.connection.execute(sqlx::raw_sql(statement)).await {
                Err(error)
                    if error::is_busy(&error)
                        && !self.stop.is_cancelled()
                        && deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
                outcome => return outcome.map(drop),
            }
        }
    }

    /// A statement of the step failed.
    pub(super) fn failed(&self, index: usize, statements_done: usize, error: &sqlx::Error) -> StepError {
        self.failed_at(index, None, statements_done, error)
    }

    fn failed_at(&self, index: usize, offset: Option<usize>, statements_done: usize, error: &sqlx::Error) -> StepError {
        if self.stop.is_cancelled() && (error::is_interrupted(error) || error::is_busy(error)) {
            return StepError::Cancelled { statements_done };
        }
        let message = if error::is_interrupted(error) {
            "the statement ran longer than statement_timeout allows".to_owned()
        } else if error::is_denied(error) {
            NOT_ALLOWED.to_owned()
        } else {
            error::message(error)
        };
        let failure =
            StatementFailure { vendor_code: error::extended_code(error), message, ..StatementFailure::default() };
        StepError::Statement { index, offset, failure, retryable: error::is_busy(error), statements_done }
    }

    /// A commit that is refused leaves the transaction open, to be rolled back; a fault of the disk leaves it unclear.
    fn commit_failed(&self, last: usize, error: sqlx::Error) -> StepError {
        const CONSTRAINT: i32 = 19;
        if error::is_busy(&error) || error::extended_code(&error) & 0xff == CONSTRAINT {
            return self.failed(last, 0, &error);
        }
        StepError::Other { error: from_sqlx(error, "cannot commit"), outcome_unknown: true, statements_done: 0 }
    }
}

/// What a transaction of ours cannot hold.
fn check_inside(kind: &StatementKind) -> Result<(), &'static str> {
    match kind {
        StatementKind::Begin | StatementKind::Commit | StatementKind::Rollback => {
            Err("the migration is one transaction with its history row; take BEGIN, COMMIT and ROLLBACK out of it")
        }
        StatementKind::Vacuum => Err("VACUUM cannot run in a transaction; mark the migration to run without one"),
        other if other.sets_foreign_keys() == Some(false) => Err(
            "PRAGMA foreign_keys does nothing inside a transaction; put it before every other statement of the migration",
        ),
        _ => Ok(()),
    }
}

/// A statement that is not run at all.
pub(super) fn refused(index: usize, statements_done: usize, why: &str) -> StepError {
    let failure = StatementFailure { message: why.to_owned(), ..StatementFailure::default() };
    StepError::Statement { index, offset: Some(0), failure, retryable: false, statements_done }
}

/// Something besides the statements failed.
pub(super) fn unfinished(error: sqlx::Error, statements_done: usize) -> StepError {
    let error = from_sqlx(error, "the migration did not run");
    StepError::Other { error, outcome_unknown: false, statements_done }
}

/// The history has no such step.
pub(super) fn not_applied(step: &MigrationStep) -> StepError {
    let error = Error::new(
        Reason::MigrationDrift,
        format!("version {} is not in the history of the database; somebody else reverted it", step.version),
    );
    StepError::Other { error, outcome_unknown: false, statements_done: 0 }
}
