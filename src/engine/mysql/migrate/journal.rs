//! Runs one step statement by statement, with a note of each in the history.

use std::time::Instant;

use super::{
    history::{self, JournalRow},
    session::{Ending, MysqlMigrationSession},
    statement::{Nature, error_offset},
};
use crate::{
    engine::{
        migrate::StepError,
        mysql::{error, fingerprint::fingerprint},
    },
    model::{
        Error, Reason, StatementFailure,
        migration::{HistoryEntry, IncompleteRun, MigrationStep},
    },
};

/// What our own statements need after a statement of the user changed the session: the texts that we send are UTF-8
/// whatever SET NAMES said, and a note that is not committed is none.
const OWN_SESSION: &str = "SET autocommit = 1, character_set_client = utf8mb4, character_set_results = utf8mb4";

/// Runs a step from where an earlier run of it stopped.
pub(super) async fn run(session: &mut MysqlMigrationSession, step: &MigrationStep) -> Result<(), StepError> {
    if let Some(refusal) = refusal(step) {
        return Err(refusal);
    }
    session.prepare_step().await.map_err(|error| other(error, 0))?;
    let began = Instant::now();
    let database = session.database().to_owned();
    let row = JournalRow { database: &database, step };

    let mut run = Run { session, step, row, done: 0 };
    run.begin().await?;
    while run.done < step.statements.len() {
        if run.session.cancellation.is_cancelled() {
            return Err(StepError::Cancelled { statements_done: run.done });
        }
        run.run_next().await?;
    }
    let finished = run.row.finish(&mut run.session.worker, began.elapsed()).await;
    finished.map_err(|cause| run.broken(cause))
}

struct Run<'a> {
    session: &'a mut MysqlMigrationSession,
    step: &'a MigrationStep,
    row: JournalRow<'a>,
    /// Statements that have taken effect.
    done: usize,
}

impl Run<'_> {
    async fn begin(&mut self) -> Result<(), StepError> {
        let entries = history::read(&mut self.session.worker, self.row.database).await;
        let entries = entries.map_err(|cause| self.broken(cause))?;
        let earlier =
            entries.into_iter().find(|entry| entry.set == self.step.set && entry.version == self.step.version);
        let stopped = stopped_run(earlier, self.step).map_err(|error| other(error, 0))?;
        if let Some(stopped) = stopped {
            self.take_over(&stopped).await?;
        }
        self.row.begin(&mut self.session.worker).await.map_err(|cause| self.broken(cause))
    }

    /// Goes on where another session stopped: finds out about the statement that was open, and repeats what changed
    /// that session.
    async fn take_over(&mut self, stopped: &IncompleteRun) -> Result<(), StepError> {
        self.done = stopped.statements_done as usize;
        if self.done > self.step.statements.len() {
            return Err(self.incomplete(format!(
                "{} statements of this migration have run and its text now has {}; restore the text, or repair the history by hand",
                self.done,
                self.step.statements.len()
            )));
        }
        if stopped.statement_open && self.done < self.step.statements.len() {
            self.settle_open_statement(&stopped.fingerprint).await?;
        }
        for statement in &self.step.statements[..self.done] {
            match Nature::of(&statement.text) {
                Nature::Session => self.change_session(&statement.text).await?,
                Nature::Temporary => {
                    return Err(self.incomplete(
                        "the migration stopped after it had made a temporary table, which is gone with its session; \
                         run the rest by hand, or restore the database from before the migration"
                            .to_owned(),
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn settle_open_statement(&mut self, before: &str) -> Result<(), StepError> {
        let changed = self.fingerprint().await? != before;
        match Nature::of(&self.step.statements[self.done].text) {
            Nature::Definition if changed => {
                self.done += 1;
                self.note(None).await
            }
            Nature::Mixed if changed => Err(self.incomplete(format!(
                "statement {} was running when the run stopped and has changed definitions; whether it came to its end \
                 cannot be told: look at the database, then repair the history",
                self.done + 1
            ))),
            _ => Ok(()),
        }
    }

    async fn run_next(&mut self) -> Result<(), StepError> {
        let sql = self.step.statements[self.done].text.clone();
        match Nature::of(&sql) {
            Nature::Empty | Nature::Transaction | Nature::Refused => {
                self.done += 1;
                self.note(None).await
            }
            Nature::Session => {
                self.change_session(&sql).await?;
                self.done += 1;
                self.note(None).await
            }
            Nature::Temporary => {
                self.session.worker_changed = true;
                self.execute(&sql).await?;
                self.done += 1;
                self.note(None).await
            }
            Nature::Data => self.run_in_transaction(&sql).await,
            Nature::Mixed => {
                let before = self.fingerprint().await?;
                self.note(Some(&before)).await?;
                self.session.worker_changed = true;
                self.run_in_transaction(&sql).await
            }
            Nature::Definition => {
                let before = self.fingerprint().await?;
                self.note(Some(&before)).await?;
                self.execute(&sql).await?;
                self.done += 1;
                self.note(None).await
            }
        }
    }

    async fn change_session(&mut self, sql: &str) -> Result<(), StepError> {
        self.session.worker_changed = true;
        self.execute(sql).await?;
        self.own(OWN_SESSION).await
    }

    /// The statement and the note of it are one.
    async fn run_in_transaction(&mut self, sql: &str) -> Result<(), StepError> {
        self.own("START TRANSACTION").await?;
        if let Err(stopped) = self.execute(sql).await {
            if !matches!(stopped, StepError::Other { .. }) {
                self.own("ROLLBACK").await?;
                self.note(None).await?;
            }
            return Err(stopped);
        }
        if self.session.cancellation.is_cancelled() {
            // Some statements, such as DO SLEEP(), end well when they are killed; what a cancel may have cut short is undone.
            self.own("ROLLBACK").await?;
            self.note(None).await?;
            return Err(StepError::Cancelled { statements_done: self.done });
        }
        let noted = self.row.note(&mut self.session.worker, self.done + 1, None).await;
        noted.map_err(|cause| self.broken(cause))?;
        self.own("COMMIT").await?;
        self.done += 1;
        Ok(())
    }

    /// Runs a statement of the migration. Where it failed, the note that it is begun is taken back.
    async fn execute(&mut self, sql: &str) -> Result<(), StepError> {
        let (cause, message) = match self.session.execute(sql).await {
            Ending::Done => return Ok(()),
            Ending::Cancelled => {
                self.note(None).await?;
                return Err(StepError::Cancelled { statements_done: self.done });
            }
            Ending::TimedOut(cause) => (cause, Some("the statement ran longer than statement_timeout allows")),
            Ending::Failed(cause) => (cause, None),
        };
        if error::server_error(&cause).is_none() {
            return Err(self.broken(cause));
        }
        let mut failure = error::statement_failure(&cause);
        let offset = error_offset(&failure.message, sql);
        if let Some(message) = message {
            failure.message = message.to_owned();
        }
        // Also reached within a transaction, where the ROLLBACK that follows takes it back and it is noted again.
        self.note(None).await?;
        Err(StepError::Statement {
            index: self.done,
            offset,
            failure,
            retryable: error::is_lock_conflict(&cause),
            statements_done: self.done,
        })
    }

    async fn note(&mut self, open: Option<&str>) -> Result<(), StepError> {
        let noted = self.row.note(&mut self.session.worker, self.done, open).await;
        match noted {
            // The KILL that ended the statement may have come a moment late and hit the note.
            Err(cause) if error::is_interrupted(&cause) => {
                let noted = self.row.note(&mut self.session.worker, self.done, open).await;
                noted.map_err(|cause| self.broken(cause))
            }
            noted => noted.map_err(|cause| self.broken(cause)),
        }
    }

    async fn fingerprint(&mut self) -> Result<String, StepError> {
        let found = fingerprint(&mut self.session.worker, &self.session.server, self.row.database).await;
        found.map_err(|cause| self.broken(cause))
    }

    /// A statement of our own.
    async fn own(&mut self, sql: &'static str) -> Result<(), StepError> {
        let outcome = sqlx::raw_sql(sql).execute(&mut self.session.worker).await;
        outcome.map(drop).map_err(|cause| self.broken(cause))
    }

    /// Something else than the statement failed. Where the connection broke, what was sent last may have happened.
    fn broken(&self, cause: sqlx::Error) -> StepError {
        let outcome_unknown = error::server_error(&cause).is_none();
        StepError::Other { error: self.session.failed(cause), outcome_unknown, statements_done: self.done }
    }

    fn incomplete(&self, message: String) -> StepError {
        StepError::Other {
            error: Error::new(Reason::MigrationIncomplete, message),
            outcome_unknown: true,
            statements_done: self.done,
        }
    }
}

/// The earlier run to go on with; absent where this is the first.
fn stopped_run(earlier: Option<HistoryEntry>, step: &MigrationStep) -> Result<Option<IncompleteRun>, Error> {
    use crate::model::migration::Direction::{Down, Up};
    match (earlier, step.direction) {
        (None, Up) => Ok(None),
        (None, Down) => Err(Error::new(
            Reason::MigrationDrift,
            format!("migration {} is not applied, so it cannot be reverted; read the history again", step.version),
        )),
        (Some(HistoryEntry { incomplete: None, .. }), Down) => Ok(None),
        (Some(HistoryEntry { incomplete: None, .. }), Up) => Err(Error::new(
            Reason::MigrationDrift,
            format!("migration {} is applied already; read the history again", step.version),
        )),
        (Some(HistoryEntry { incomplete: Some(stopped), .. }), direction) if stopped.direction == direction => {
            Ok(Some(stopped))
        }
        (Some(_), _) => Err(Error::new(
            Reason::MigrationIncomplete,
            format!(
                "a run of migration {} in the other direction stopped part of the way; finish it first",
                step.version
            ),
        )),
    }
}

/// What is told of a step with a statement that cannot be journaled.
fn refusal(step: &MigrationStep) -> Option<StepError> {
    let index = step.statements.iter().position(|statement| Nature::of(&statement.text) == Nature::Refused)?;
    let message = "transactions, table locks and handlers cannot be kept across statements here, because each statement \
                   is noted in the history by itself; take this statement out of the migration";
    Some(StepError::Statement {
        index,
        offset: None,
        failure: StatementFailure { message: message.to_owned(), ..StatementFailure::default() },
        retryable: false,
        statements_done: 0,
    })
}

fn other(error: Error, statements_done: usize) -> StepError {
    StepError::Other { error, outcome_unknown: false, statements_done }
}
