//! The ability to run migrations.
//!
//! The history lives in the target, in the table `dbkeeper_migrations` with the key (set, version), so that it
//! travels with the data and two servers see the same. The service decides what to run; a session runs one step.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::model::{
    Error, OperationId, Result, StatementFailure,
    migration::{Dialect, HistoryEntry, MigrationLimits, MigrationStep},
};

/// Name of the history table in a target.
pub const HISTORY_TABLE: &str = "dbkeeper_migrations";

/// Runs migrations on a database.
#[async_trait]
pub trait Migrate: Send + Sync {
    /// How its SQL is cut into statements.
    fn dialect(&self) -> Dialect;

    /// Whether a migration and its history row can be one transaction.
    fn transactional_ddl(&self) -> bool;

    /// The history of all sets, by set and version. Changes nothing: without a history table it is empty.
    async fn history(&self) -> Result<Vec<HistoryEntry>>;

    /// Opens a connection of its own outside the pool for one run. Its application name carries the operation.
    async fn begin_run(
        &self,
        operation: &OperationId,
        limits: &MigrationLimits,
        cancellation: CancellationToken,
    ) -> Result<Box<dyn MigrationSession>>;

    /// Ends what a killed server left running: finds sessions of that operation on the target, ends them and
    /// waits until they are gone, so that nothing of theirs takes effect afterwards.
    async fn end_run(&self, operation: &OperationId) -> Result<()>;
}

/// One run, on one connection that nothing else uses. Dropping it closes the connection, which frees the lock and
/// rolls back what is open.
#[async_trait]
pub trait MigrationSession: Send {
    /// Tries to take the lock on runs of this database, which other servers respect, without waiting for it.
    async fn try_lock(&mut self) -> Result<bool>;

    /// Makes the history table where it is missing; safe against another server that does the same.
    async fn prepare_history(&mut self) -> Result<()>;

    /// The history of all sets as it is now, by set and version. Read it again after locking.
    async fn history(&mut self) -> Result<Vec<HistoryEntry>>;

    /// Runs a step and its history row as one transaction. After an error nothing of it has happened, but
    /// where `outcome_unknown` is set: the connection broke during the commit and the history must be read again.
    async fn run_in_transaction(&mut self, step: &MigrationStep) -> Result<(), StepError>;

    /// Runs a step statement by statement with a journal in its history row. Goes on where an earlier run of the same
    /// step stopped, and finds out first whether the statement that was open took effect.
    async fn run_journaled(&mut self, step: &MigrationStep) -> Result<(), StepError>;

    /// Frees the lock and closes the connection.
    async fn close(self: Box<Self>);
}

/// Why a step did not run.
#[derive(Debug)]
pub enum StepError {
    /// A statement failed on the database.
    Statement {
        /// Index in the step's statements, from 0.
        index: usize,
        /// Offset of the error in characters from the start of the statement's text, where the engine tells.
        offset: Option<usize>,
        /// `sql_state`, `vendor_code` and `message` are filled in; the service fills in the rest.
        failure: StatementFailure,
        /// A lock time-out or a deadlock: nothing has happened (in a transaction) and a repeat may work.
        retryable: bool,
        /// Statements of the step that have taken effect and stay: always 0 in a transaction.
        statements_done: usize,
    },
    /// The run was cancelled.
    Cancelled {
        /// As in `Statement`.
        statements_done: usize,
    },
    /// Something else, such as a lost connection.
    Other {
        /// What.
        error: Error,
        /// True where the step may or may not have taken effect.
        outcome_unknown: bool,
        /// As in `Statement`.
        statements_done: usize,
    },
}
