//! A migration and its history row as one transaction, in as few round trips as there are statements, and two.

use std::time::Instant;

use sqlx::Row;

use super::{session::PostgresSession, words};
use crate::{
    engine::{
        migrate::StepError,
        postgres::{failure, pooler},
    },
    model::{
        Error, Reason, StatementFailure,
        migration::{Direction, MigrationLimits, MigrationStep},
    },
};

const DIVISION_BY_ZERO: &str = "22012";

impl PostgresSession {
    pub(super) async fn apply_in_transaction(&mut self, step: &MigrationStep) -> Result<(), StepError> {
        refuse_objections(step, 0)?;
        let table = self.table().await.map_err(nothing_happened)?;
        let began = Instant::now();
        let transaction = self.begin_transaction().await?;
        for (index, statement) in step.statements.iter().enumerate() {
            let outcome = self.run_statement(&statement.text).await;
            if let Err(error) = outcome {
                let failure = self.statement_error(index, error, 0);
                self.roll_back().await;
                return Err(failure);
            }
            if self.cancellation.is_cancelled() {
                self.roll_back().await;
                return Err(StepError::Cancelled { statements_done: 0 });
            }
        }
        let history = match step.direction {
            Direction::Up => table.insert_applied(step, began.elapsed()),
            Direction::Down => table.delete(step),
        };
        self.commit(&transaction, &history, step).await
    }

    /// Makes the session as new and begins. Returns the id of the transaction.
    async fn begin_transaction(&mut self) -> Result<String, StepError> {
        let begin = format!(
            "{}; BEGIN; {}; SELECT pg_catalog.pg_current_xact_id()::text, pg_catalog.pg_backend_pid()::text",
            RESET_SESSION,
            local_limits(&self.limits)
        );
        let row = self.run(begin).await.map_err(|error| nothing_happened(self.failure(error)))?;
        let Some(row) = row else {
            return Err(nothing_happened(Error::internal("no row for the id of a transaction")));
        };
        if row.get::<&str, _>(1) != self.pid.to_string() {
            self.roll_back().await;
            return Err(nothing_happened(pooler::in_between()));
        }
        Ok(row.get(0))
    }

    /// Writes the history row and commits, unless the transaction is not the one that was begun: a division by zero stops
    /// the batch before the row is written.
    async fn commit(&mut self, transaction: &str, history: &str, step: &MigrationStep) -> Result<(), StepError> {
        let commit = format!(
            "RESET SESSION AUTHORIZATION; SET LOCAL search_path TO pg_catalog; \
             SELECT 1 / (pg_catalog.pg_current_xact_id()::text = {})::int4; {history}; COMMIT",
            words::literal(transaction)
        );
        let Err(error) = self.run(commit).await else {
            return Ok(());
        };
        let Some(state) = failure::sql_state(&error) else {
            return Err(StepError::Other { error: self.failure(error), outcome_unknown: true, statements_done: 0 });
        };
        self.roll_back().await;
        if state == DIVISION_BY_ZERO && self.was_committed(transaction).await {
            return Err(StepError::Other {
                error: Error::new(
                    Reason::StatementFailed,
                    "a statement of this migration ended its transaction: what ran before it is committed without a \
                     history row; put the database right by hand and take the transaction control out of the file",
                ),
                outcome_unknown: false,
                statements_done: step.statements.len(),
            });
        }
        let last = step.statements.len().saturating_sub(1);
        Err(match self.statement_error(last, error, 0) {
            StepError::Statement { index, mut failure, retryable, .. } => {
                failure.message = format!("at the end of the transaction: {}", failure.message);
                // A position would be one of our own batch.
                StepError::Statement { index, offset: None, failure, retryable, statements_done: 0 }
            }
            other => other,
        })
    }

    async fn was_committed(&mut self, transaction: &str) -> bool {
        let sql = format!("SELECT pg_catalog.pg_xact_status({}::xid8)", words::literal(transaction));
        matches!(self.run(sql).await, Ok(Some(row)) if row.get::<Option<&str>, _>(0) == Some("committed"))
    }
}

/// What one migration set must not reach the next one.
pub(super) const RESET_SESSION: &str = "RESET SESSION AUTHORIZATION; RESET ALL; DISCARD TEMP";

/// The limits of a run, for one transaction.
pub(super) fn local_limits(limits: &MigrationLimits) -> String {
    let statement_timeout = limits.statement_timeout.map_or(0, |limit| limit.as_millis());
    format!(
        "SET LOCAL lock_timeout TO {}; SET LOCAL statement_timeout TO {statement_timeout}",
        limits.lock_timeout.as_millis()
    )
}

/// An error before anything of the step took effect.
pub(super) fn nothing_happened(error: Error) -> StepError {
    StepError::Other { error, outcome_unknown: false, statements_done: 0 }
}

/// Refuses a step of which a statement cannot run at all, before its first statement runs.
#[expect(clippy::result_large_err, reason = "the error is the one of the trait, and it is rare")]
pub(super) fn refuse_objections(step: &MigrationStep, statements_done: usize) -> Result<(), StepError> {
    for (index, statement) in step.statements.iter().enumerate() {
        if let Some(objection) = words::objection(&statement.text) {
            let failure = StatementFailure { message: objection.to_owned(), ..StatementFailure::default() };
            return Err(StepError::Statement { index, offset: Some(0), failure, retryable: false, statements_done });
        }
    }
    Ok(())
}
