//! The connection of one run: its lock, its history table, and statements that can be cancelled.

use std::{future::Future, pin::pin, time::Duration};

use async_trait::async_trait;
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, Row,
    postgres::{PgErrorPosition, PgRow},
};
use tokio_util::sync::CancellationToken;

use super::history::{self, HistoryTable};
use crate::{
    engine::{
        MigrationSession,
        migrate::StepError,
        postgres::{connect::Dialer, failure, pooler},
    },
    model::{
        Error, Reason, Result, StatementFailure,
        migration::{HistoryEntry, MigrationLimits, MigrationStep},
    },
};

/// Key of the advisory lock on runs; PostgreSQL keeps these locks by database.
const RUN_LOCK: i64 = i64::from_be_bytes(*b"dbkeeper");
/// How long a statement may take to stop after it was cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(20);
/// Codes after which the same statement may work: lock not available, deadlock, serialization.
const RETRYABLE: [&str; 3] = ["55P03", "40P01", "40001"];

/// One run.
pub(super) struct PostgresSession {
    /// Without the name of the operation, for connections beside the run.
    dialer: Dialer,
    connection: PgConnection,
    pub(super) pid: i32,
    pub(super) limits: MigrationLimits,
    pub(super) cancellation: CancellationToken,
    table: Option<HistoryTable>,
    locked: bool,
}

impl PostgresSession {
    pub(super) async fn begin(
        dialer: Dialer,
        mut connection: PgConnection,
        limits: MigrationLimits,
        cancellation: CancellationToken,
    ) -> Result<Self> {
        // One can have been put in between since the pool was opened, and nothing of a run may go through it.
        let second = dialer.dial().await?;
        if pooler::lends_by_transaction(&dialer, &mut connection, second).await? {
            return Err(pooler::in_between());
        }
        let pid =
            pooler::backend_pid(&mut connection).await.map_err(|error| failure::classify(error, &dialer.place))?;
        Ok(Self { dialer, connection, pid, limits, cancellation, table: None, locked: false })
    }

    /// Names an error of this connection.
    pub(super) fn failure(&self, error: sqlx::Error) -> Error {
        failure::classify(error, &self.dialer.place)
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Runs SQL of our own that must not be broken off, and returns its last first row.
    pub(super) async fn run(&mut self, sql: String) -> Result<Option<PgRow>, sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(&mut self.connection).await
    }

    /// Runs a statement of the user. When the run is cancelled, the server is told to stop it.
    pub(super) async fn run_statement(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let work = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection);
        let stop = stop_backend(&self.dialer, self.pid);
        until_cancelled(work, &self.cancellation, stop).await.map(|_| ())
    }

    /// Takes back what is open. A connection that is lost has lost its transaction too.
    pub(super) async fn roll_back(&mut self) {
        if let Err(error) = self.run("ROLLBACK".to_owned()).await {
            tracing::debug!(error = %error, "rollback not answered");
        }
    }

    /// The history table, made where it is missing.
    pub(super) async fn table(&mut self) -> Result<HistoryTable> {
        if let Some(table) = &self.table {
            return Ok(table.clone());
        }
        let found = history::prepare(&mut self.connection).await.map_err(|error| self.failure(error))?;
        let table = found.ok_or_else(|| {
            Error::new(
                Reason::PrivilegeMissing,
                "the database has neither a schema public nor another one of the user for the history of migrations; \
                 make one with: CREATE SCHEMA public",
            )
        })?;
        self.table = Some(table.clone());
        Ok(table)
    }

    /// What an error of a statement means for the step.
    pub(super) fn statement_error(&self, index: usize, error: sqlx::Error, statements_done: usize) -> StepError {
        if self.cancellation.is_cancelled() {
            return StepError::Cancelled { statements_done };
        }
        let Some(server_error) = failure::server_error(&error) else {
            return StepError::Other { error: self.failure(error), outcome_unknown: false, statements_done };
        };
        let offset = match server_error.position() {
            Some(PgErrorPosition::Original(position)) => Some(position.saturating_sub(1)),
            _ => None,
        };
        let mut message = server_error.message().to_owned();
        for more in [server_error.detail(), server_error.hint()].into_iter().flatten() {
            message = format!("{message} ({more})");
        }
        let sql_state = server_error.code().to_owned();
        StepError::Statement {
            index,
            offset,
            retryable: RETRYABLE.contains(&sql_state.as_str()),
            failure: StatementFailure { sql_state, message, ..StatementFailure::default() },
            statements_done,
        }
    }
}

#[async_trait]
impl MigrationSession for PostgresSession {
    async fn try_lock(&mut self) -> Result<bool> {
        let query = sqlx::query("SELECT pg_try_advisory_lock($1), pg_backend_pid()").bind(RUN_LOCK);
        let row = query.fetch_one(&mut self.connection).await.map_err(|error| self.failure(error))?;
        if row.get::<i32, _>(1) != self.pid {
            return Err(pooler::in_between());
        }
        self.locked = row.get(0);
        Ok(self.locked)
    }

    async fn prepare_history(&mut self) -> Result<()> {
        self.table().await.map(|_| ())
    }

    async fn history(&mut self) -> Result<Vec<HistoryEntry>> {
        super::read_history(&mut self.connection).await.map_err(|error| self.failure(error))
    }

    async fn run_in_transaction(&mut self, step: &MigrationStep) -> Result<(), StepError> {
        self.apply_in_transaction(step).await
    }

    async fn run_journaled(&mut self, step: &MigrationStep) -> Result<(), StepError> {
        self.apply_journaled(step).await
    }

    async fn close(mut self: Box<Self>) {
        if self.locked {
            let query = sqlx::query_scalar::<_, bool>("SELECT pg_advisory_unlock($1)").bind(RUN_LOCK);
            match query.fetch_one(&mut self.connection).await {
                Ok(true) => {}
                Ok(false) => tracing::warn!("the lock on migration runs was not held any more at the end of the run"),
                Err(error) => tracing::debug!(error = %error, "unlock not answered"),
            }
        }
        // The end of the session frees the lock in any case.
        let _ = self.connection.close().await;
    }
}

/// Waits for the work. When the token is cancelled it calls `stop`, and then waits for the work to end of it.
async fn until_cancelled<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
    cancellation: &CancellationToken,
    stop: impl Future<Output = Result<()>>,
) -> Result<T, sqlx::Error> {
    let mut work = pin!(work);
    tokio::select! {
        outcome = &mut work => return outcome,
        () = cancellation.cancelled() => {}
    }
    if let Err(error) = stop.await {
        tracing::warn!(error = %error, "statement cannot be cancelled on the server");
    }
    match tokio::time::timeout(CANCEL_GRACE, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Asks the server, on a connection of its own, to stop what a backend runs.
async fn stop_backend(dialer: &Dialer, pid: i32) -> Result<()> {
    let mut connection = dialer.dial().await?;
    let query = sqlx::query("SELECT pg_cancel_backend($1)").bind(pid).execute(&mut connection).await;
    query.map_err(|error| failure::classify(error, &dialer.place))?;
    // The request is out; a failed good-bye changes nothing about it.
    let _ = connection.close().await;
    Ok(())
}
