//! One run, on two connections: a guard that holds the lock on runs and can end a statement, and a worker that runs the
//! statements. The worker is replaced after a step that changed its session, so that nothing leaks into the next one.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use tokio_util::sync::CancellationToken;

use super::history;
use crate::{
    engine::{
        MigrationSession,
        migrate::StepError,
        mysql::{
            connect::{Connector, whole_seconds},
            error,
            named_lock::{self, LockName},
            server::Server,
        },
    },
    model::{
        Error, OperationId, Reason, Result,
        migration::{HistoryEntry, MigrationLimits, MigrationStep},
    },
};

/// How a statement ended.
pub(super) enum Ending {
    /// It is done.
    Done,
    /// The database refused it, or the connection broke.
    Failed(sqlx::Error),
    /// It was ended because the run was cancelled.
    Cancelled,
    /// It was ended because it ran for too long.
    TimedOut(sqlx::Error),
}

/// One run of migrations.
pub(super) struct MysqlMigrationSession {
    connector: Connector,
    limits: MigrationLimits,
    pub(super) cancellation: CancellationToken,
    guard: MySqlConnection,
    guard_session: u64,
    pub(super) worker: MySqlConnection,
    pub(super) server: Server,
    operation: OperationId,
    locked: bool,
    /// The session of the worker was changed by a statement of a migration.
    pub(super) worker_changed: bool,
}

impl MysqlMigrationSession {
    pub(super) async fn open(
        connector: &Connector,
        operation: &OperationId,
        limits: &MigrationLimits,
        cancellation: CancellationToken,
    ) -> Result<Self> {
        let (mut guard, guard_server) = connector.dial().await?;
        claim(connector, &mut guard, &LockName::guard(operation)).await?;
        let (worker, server) = open_worker(connector, operation, limits).await?;
        Ok(Self {
            connector: connector.clone(),
            limits: limits.clone(),
            cancellation,
            guard,
            guard_session: guard_server.session,
            worker,
            server,
            operation: operation.clone(),
            locked: false,
            worker_changed: false,
        })
    }

    pub(super) fn database(&self) -> &str {
        &self.connector.settings.database
    }

    pub(super) fn failed(&self, cause: sqlx::Error) -> Error {
        error::while_using(cause, &self.connector.settings)
    }

    /// Makes ready for a step: the lock is still ours, and the worker's session is as new.
    pub(super) async fn prepare_step(&mut self) -> Result<()> {
        let holder = LockName::run(self.database()).holder(&mut self.guard).await;
        if self.locked && holder.map_err(|cause| self.failed(cause))? != Some(self.guard_session) {
            return Err(Error::new(
                Reason::DatabaseBusy,
                "the lock on migrations of this database was lost; make sure that no proxy changes sessions, and run again",
            ));
        }
        if !self.worker_changed {
            return Ok(());
        }
        let statements = LockName::statements(self.database());
        for lock in [&LockName::worker(&self.operation), &statements] {
            lock.release(&mut self.worker).await.map_err(|cause| self.failed(cause))?;
        }
        let (mut worker, server) = open_worker(&self.connector, &self.operation, &self.limits).await?;
        if self.locked {
            claim(&self.connector, &mut worker, &statements).await?;
        }
        let old = std::mem::replace(&mut self.worker, worker);
        self.server = server;
        self.worker_changed = false;
        let _ = old.close().await;
        Ok(())
    }

    /// Runs a statement on the worker. A cancelled run and the time-out of statements end it on the server, through the
    /// guard; what counts is how the statement itself ended.
    pub(super) async fn execute(&mut self, sql: &str) -> Ending {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.worker);
        tokio::pin!(statement);
        let timeout = async {
            match self.limits.statement_timeout {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let cancelled = tokio::select! {
            biased;
            outcome = &mut statement => {
                return outcome.map_or_else(Ending::Failed, |_| Ending::Done);
            }
            () = self.cancellation.cancelled() => true,
            () = timeout => false,
        };
        let session = self.server.session;
        if let Err(cause) = named_lock::kill(&mut self.guard, "QUERY", session).await {
            tracing::warn!(error = %cause, session, "statement cannot be ended");
        }
        match statement.await {
            Ok(_) => Ending::Done,
            Err(cause) if !error::is_interrupted(&cause) => Ending::Failed(cause),
            Err(_) if cancelled => Ending::Cancelled,
            Err(cause) => Ending::TimedOut(cause),
        }
    }
}

#[async_trait]
impl MigrationSession for MysqlMigrationSession {
    async fn try_lock(&mut self) -> Result<bool> {
        let run = LockName::run(self.database());
        if !run.try_take(&mut self.guard).await.map_err(|cause| self.failed(cause))? {
            return Ok(false);
        }
        // The worker of a run whose server was killed may still be at its last statement.
        let statements = LockName::statements(self.database());
        self.locked = statements.try_take(&mut self.worker).await.map_err(|cause| self.failed(cause))?;
        if !self.locked {
            run.release(&mut self.guard).await.map_err(|cause| self.failed(cause))?;
        }
        Ok(self.locked)
    }

    async fn prepare_history(&mut self) -> Result<()> {
        let database = self.database().to_owned();
        history::prepare(&mut self.worker, &database).await.map_err(|cause| self.failed(cause))
    }

    async fn history(&mut self) -> Result<Vec<HistoryEntry>> {
        let database = self.database().to_owned();
        history::read(&mut self.worker, &database).await.map_err(|cause| self.failed(cause))
    }

    async fn run_in_transaction(&mut self, _step: &MigrationStep) -> Result<(), StepError> {
        Err(StepError::Other {
            error: Error::unsupported(self.server.info.product, "a transaction around definitions"),
            outcome_unknown: false,
            statements_done: 0,
        })
    }

    async fn run_journaled(&mut self, step: &MigrationStep) -> Result<(), StepError> {
        super::journal::run(self, step).await
    }

    async fn close(mut self: Box<Self>) {
        if self.locked {
            // Both are freed by a statement: the server may take a while to notice that a session has closed, and until then the
            // next run would find them taken.
            let (run, statements) = (LockName::run(self.database()), LockName::statements(self.database()));
            for (lock, session) in [(statements, &mut self.worker), (run, &mut self.guard)] {
                match lock.release(session).await {
                    Ok(true) => {}
                    Ok(false) => tracing::warn!("lock on migrations was not held at the end of the run"),
                    Err(cause) => tracing::warn!(error = %cause, "lock on migrations cannot be freed"),
                }
            }
        }
        // Errors here mean that the connections are gone already.
        let _ = self.worker.close().await;
        let _ = self.guard.close().await;
    }
}

async fn open_worker(
    connector: &Connector,
    operation: &OperationId,
    limits: &MigrationLimits,
) -> Result<(MySqlConnection, Server)> {
    let (mut worker, server) = connector.dial().await?;
    claim(connector, &mut worker, &LockName::worker(operation)).await?;
    let seconds = whole_seconds(limits.lock_timeout);
    let sql = format!("SET SESSION lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}");
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut worker)
        .await
        .map_err(|cause| error::while_using(cause, &connector.settings))?;
    Ok((worker, server))
}

async fn claim(connector: &Connector, connection: &mut MySqlConnection, lock: &LockName) -> Result<()> {
    if lock.try_take(connection).await.map_err(|cause| error::while_using(cause, &connector.settings))? {
        return Ok(());
    }
    Err(Error::new(
        Reason::DatabaseBusy,
        "another session still works for this operation on the database; end it first, then run again",
    ))
}
