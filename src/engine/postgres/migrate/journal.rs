//! A migration that cannot be one transaction: each statement with its journal update in a transaction of its own, and what
//! cannot run in a transaction, such as CREATE INDEX CONCURRENTLY, between two notes in the journal.

use std::time::Duration;

use sqlx::Row;

use super::{
    history::HistoryTable,
    session::PostgresSession,
    transaction::{RESET_SESSION, local_limits, nothing_happened, refuse_objections},
    words::{self, ConcurrentIndex, Rerun},
};
use crate::{
    engine::{migrate::StepError, postgres::failure},
    model::{
        Error, Reason, StatementFailure,
        migration::{Direction, IncompleteRun, MigrationStep},
    },
};

const FINGERPRINT: &str = include_str!("fingerprint.sql");
const INDEX_STATE: &str = include_str!("index_state.sql");
/// The server refuses the statement inside of a transaction, or a procedure that ends transactions.
const NEEDS_NO_TRANSACTION: [&str; 2] = ["25001", "2D000"];
/// A statement outside of a transaction waits for others without blocking them, so it may wait for long.
const LONG_LOCK_TIMEOUT: Duration = Duration::from_secs(600);

impl PostgresSession {
    pub(super) async fn apply_journaled(&mut self, step: &MigrationStep) -> Result<(), StepError> {
        let table = self.table().await.map_err(nothing_happened)?;
        let earlier = self.earlier_run(step).await?;
        let done = earlier.as_ref().map_or(0, |run| run.statements_done as usize);
        refuse_objections(step, done)?;
        if earlier.is_none() {
            self.note(&table.open_journal(step), 0).await?;
        }
        self.restore_settings(step, done).await?;
        for index in done..step.statements.len() {
            if self.cancellation.is_cancelled() {
                return Err(StepError::Cancelled { statements_done: index });
            }
            let open = earlier.as_ref().filter(|run| run.statement_open && index == done);
            if let Some(run) = open
                && self.took_effect(step, index, run).await?
            {
                self.note(&table.note_done(step, index + 1), index).await?;
                continue;
            }
            self.run_one(&table, step, index).await?;
        }
        let total = step.statements.len();
        let finish = match step.direction {
            Direction::Up => table.close_journal(step),
            Direction::Down => table.delete(step),
        };
        self.note(&finish, total).await
    }

    /// Where an earlier run of the same step stopped.
    async fn earlier_run(&mut self, step: &MigrationStep) -> Result<Option<IncompleteRun>, StepError> {
        let history = super::read_history(self.connection()).await;
        let history = history.map_err(|error| nothing_happened(self.failure(error)))?;
        let entry = history.into_iter().find(|entry| entry.set == step.set && entry.version == step.version);
        match entry {
            Some(entry) if entry.incomplete.is_none() && step.direction == Direction::Up => {
                Err(nothing_happened(Error::new(Reason::MigrationDrift, "the migration is applied already")))
            }
            Some(entry) => Ok(entry.incomplete.filter(|run| run.direction == step.direction)),
            None => Ok(None),
        }
    }

    /// Makes the session as new, and sets again what the statements that are done have set for the session.
    async fn restore_settings(&mut self, step: &MigrationStep, done: usize) -> Result<(), StepError> {
        self.note(RESET_SESSION, done).await?;
        let settings = step.statements[..done].iter().filter(|statement| words::sets_session(&statement.text));
        for statement in settings {
            self.note(&statement.text, done).await?;
        }
        Ok(())
    }

    async fn run_one(&mut self, table: &HistoryTable, step: &MigrationStep, index: usize) -> Result<(), StepError> {
        let text = &step.statements[index].text;
        self.note(&format!("BEGIN; {}", local_limits(&self.limits)), index).await?;
        match self.run_statement(text).await {
            Ok(()) => {
                let commit = format!("{}; COMMIT", table.note_done(step, index + 1));
                self.commit_statement(&commit, index).await
            }
            Err(error) => {
                self.roll_back().await;
                let state = failure::sql_state(&error).unwrap_or_default();
                if NEEDS_NO_TRANSACTION.contains(&state.as_str()) && !self.cancellation.is_cancelled() {
                    return self.run_alone(table, step, index).await;
                }
                Err(self.statement_error(index, error, index))
            }
        }
    }

    async fn commit_statement(&mut self, commit: &str, index: usize) -> Result<(), StepError> {
        let Err(error) = self.run(commit.to_owned()).await else {
            return Ok(());
        };
        if failure::sql_state(&error).is_none() {
            return Err(StepError::Other { error: self.failure(error), outcome_unknown: true, statements_done: index });
        }
        self.roll_back().await;
        Err(match self.statement_error(index, error, index) {
            StepError::Statement { index, failure, retryable, statements_done, .. } => {
                StepError::Statement { index, offset: None, failure, retryable, statements_done }
            }
            other => other,
        })
    }

    /// Runs a statement outside of a transaction, with a note before and after it.
    async fn run_alone(&mut self, table: &HistoryTable, step: &MigrationStep, index: usize) -> Result<(), StepError> {
        let text = &step.statements[index].text;
        let concurrent = words::concurrent_index(text);
        if let Some(names) = &concurrent {
            self.drop_invalid(names, index).await?;
        }
        let fingerprint = self.fingerprint(index).await?;
        self.note(&table.open_statement(step, &fingerprint), index).await?;
        self.set_alone_limits(index).await?;
        let outcome = self.run_statement(text).await;
        if let Err(error) = outcome {
            if failure::sql_state(&error).is_none() {
                return Err(StepError::Other {
                    error: self.failure(error),
                    outcome_unknown: true,
                    statements_done: index,
                });
            }
            let failure = self.statement_error(index, error, index);
            // The server has answered, so the statement is not open; what it left half-built goes away.
            if let Some(names) = &concurrent {
                self.drop_invalid(names, index).await?;
            }
            self.note(&table.note_done(step, index), index).await?;
            return Err(failure);
        }
        if let Some(names) = &concurrent
            && let Some((false, name)) = self.index_state(names, index).await?
        {
            let message = format!("the index {name} is not valid after it was built");
            let failure = StatementFailure { message, ..StatementFailure::default() };
            return Err(StepError::Statement {
                index,
                offset: None,
                failure,
                retryable: false,
                statements_done: index,
            });
        }
        self.note(&format!("RESET lock_timeout; RESET statement_timeout; {}", table.note_done(step, index + 1)), index)
            .await
    }

    async fn set_alone_limits(&mut self, index: usize) -> Result<(), StepError> {
        let lock_timeout = self.limits.lock_timeout.max(LONG_LOCK_TIMEOUT).as_millis();
        let statement_timeout = self.limits.statement_timeout.map_or(0, |limit| limit.as_millis());
        let limits = format!("SET lock_timeout TO {lock_timeout}; SET statement_timeout TO {statement_timeout}");
        self.note(&limits, index).await
    }

    /// Whether the statement that was open when the earlier run ended has taken effect.
    async fn took_effect(
        &mut self,
        step: &MigrationStep,
        index: usize,
        run: &IncompleteRun,
    ) -> Result<bool, StepError> {
        let unchanged = self.fingerprint(index).await? == run.fingerprint;
        match words::rerun(&step.statements[index].text) {
            Rerun::BuildsIndex(Some(names)) => {
                Ok(self.index_state(&names, index).await?.is_some_and(|(valid, _)| valid && !unchanged))
            }
            Rerun::Harmless => Ok(false),
            Rerun::ByFingerprint => Ok(!unchanged),
            Rerun::BuildsIndex(None) if unchanged => Ok(false),
            Rerun::BuildsIndex(None) | Rerun::Unknown => Err(StepError::Other {
                error: Error::new(
                    Reason::MigrationIncomplete,
                    format!(
                        "statement {} runs outside of a transaction and was open when the earlier run ended; nothing in \
                         the catalog tells whether it took effect: look yourself, and finish this migration by hand",
                        index + 1
                    ),
                ),
                outcome_unknown: false,
                statements_done: index,
            }),
        }
    }

    /// Drops the index where it is there and not valid. Without that, IF NOT EXISTS would take it for done.
    async fn drop_invalid(&mut self, names: &ConcurrentIndex, index: usize) -> Result<(), StepError> {
        let Some((false, name)) = self.index_state(names, index).await? else {
            return Ok(());
        };
        tracing::info!(index = %name, "invalid index dropped");
        self.note(&format!("DROP INDEX CONCURRENTLY IF EXISTS {name}"), index).await
    }

    /// Validity and full, quoted name of an index.
    async fn index_state(
        &mut self,
        names: &ConcurrentIndex,
        index: usize,
    ) -> Result<Option<(bool, String)>, StepError> {
        let query = sqlx::query(INDEX_STATE).bind(&names.index).bind(&names.table);
        let row = query.fetch_optional(self.connection()).await.map_err(|error| self.other(error, index))?;
        Ok(row.map(|row| (row.get(0), row.get(1))))
    }

    async fn fingerprint(&mut self, index: usize) -> Result<String, StepError> {
        let query = sqlx::query_scalar(FINGERPRINT).fetch_one(self.connection()).await;
        query.map_err(|error| self.other(error, index))
    }

    /// Runs SQL of our own between statements.
    async fn note(&mut self, sql: &str, statements_done: usize) -> Result<(), StepError> {
        self.run(sql.to_owned()).await.map(|_| ()).map_err(|error| self.other(error, statements_done))
    }

    fn other(&self, error: sqlx::Error, statements_done: usize) -> StepError {
        StepError::Other { error: self.failure(error), outcome_unknown: false, statements_done }
    }
}
