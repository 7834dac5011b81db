//! Steps that may not be one transaction.
//!
//! A statement that can run in a transaction runs in one together with the note that it is done, so that it happens
//! exactly once whatever is killed. What cannot (VACUUM, PRAGMA) is noted as open before and as done afterwards; it can be
//! run again without harm. A BEGIN of the migration's own takes the notes into its transaction, so that they are rolled
//! back with it.

use std::time::Instant;

use super::{
    history,
    session::{StepConnection, not_applied, refused, unfinished},
    statement::{StatementKind, classify},
};
use crate::{
    engine::migrate::StepError,
    model::{
        Error, Reason,
        migration::{Direction, MigrationStep},
    },
};

impl StepConnection {
    /// Runs a step statement by statement, from where an earlier run of it stopped.
    pub(super) async fn run_journaled(&mut self, step: &MigrationStep) -> Result<(), StepError> {
        let began = Instant::now();
        let first = self.start_journal(step).await?;
        // Index of the migration's own BEGIN while its transaction is open: from there all is taken back on an error.
        let mut begun_at = None;
        for (index, statement) in step.statements.iter().enumerate().skip(first) {
            let safe = begun_at.unwrap_or(index);
            let kind = classify(&statement.text).map_err(|why| refused(index, safe, why))?;
            let text = statement.text.as_str();
            match kind {
                StatementKind::Ordinary if begun_at.is_none() => self.run_with_note(step, index, text).await?,
                StatementKind::Pragma { .. } | StatementKind::Vacuum if begun_at.is_none() => {
                    self.note(step, index, true, safe).await?;
                    self.run(index, text, safe).await?;
                    self.note(step, index + 1, false, safe).await?;
                }
                StatementKind::Begin => {
                    self.note(step, index, true, safe).await?;
                    self.run(index, text, safe).await?;
                    begun_at = Some(begun_at.unwrap_or(index));
                    self.note(step, index + 1, false, safe).await?;
                }
                StatementKind::Commit => {
                    // Before the commit, so that the note is committed with it.
                    self.note(step, index + 1, false, safe).await?;
                    self.run(index, text, safe).await?;
                    begun_at = None;
                }
                _ => {
                    self.run(index, text, safe).await?;
                    if kind == StatementKind::Rollback {
                        begun_at = None;
                    }
                    self.note(step, index + 1, false, safe).await?;
                }
            }
        }
        if let Some(begun) = begun_at {
            return Err(refused(begun, begun, "this BEGIN has no COMMIT in the migration; nothing after it was kept"));
        }
        self.end_journal(step, began).await
    }

    /// Writes the row of the step, or finds where an earlier run stopped. Returns the first statement to run.
    async fn start_journal(&mut self, step: &MigrationStep) -> Result<usize, StepError> {
        let earlier = history::find(&mut self.connection, step).await.map_err(|error| unfinished(error, 0))?;
        let Some(run) = earlier.as_ref().and_then(|entry| entry.incomplete.as_ref()) else {
            match (step.direction, &earlier) {
                (Direction::Up, None) => self.insert_open(step).await?,
                (Direction::Up, Some(_)) => return Err(stale("is in the history already")),
                (Direction::Down, None) => return Err(not_applied(step)),
                (Direction::Down, Some(_)) => self.note(step, 0, false, 0).await?,
            }
            return Ok(0);
        };
        let done = run.statements_done as usize;
        if run.direction != step.direction || run.statements_total as usize != step.statements.len() {
            return Err(stale("stopped part of the way in another direction or with another text"));
        }
        // Settings end with the connection that stopped, so that what comes next needs them again: without its
        // PRAGMA foreign_keys=OFF a rebuild of a table would delete the rows that point to it.
        for (index, statement) in step.statements.iter().enumerate().take(done) {
            let kind = classify(&statement.text).map_err(|why| refused(index, done, why))?;
            if matches!(kind, StatementKind::Pragma { .. }) {
                self.run(index, &statement.text, done).await?;
            }
        }
        Ok(done)
    }

    async fn insert_open(&mut self, step: &MigrationStep) -> Result<(), StepError> {
        let insert = async {
            self.begin().await?;
            history::insert(&mut self.connection, step, std::time::Duration::ZERO).await?;
            history::mark(&mut self.connection, step, 0, false).await?;
            self.control("COMMIT").await
        };
        insert.await.map_err(|error| unfinished(error, 0))
    }

    /// Runs a statement and notes that it is done, in one transaction.
    async fn run_with_note(&mut self, step: &MigrationStep, index: usize, text: &str) -> Result<(), StepError> {
        self.begin().await.map_err(|error| self.failed(index, index, &error))?;
        self.run(index, text, index).await?;
        self.note(step, index + 1, false, index).await?;
        self.control("COMMIT").await.map_err(|error| self.failed(index, index, &error))
    }

    async fn note(&mut self, step: &MigrationStep, done: usize, open: bool, safe: usize) -> Result<(), StepError> {
        history::mark(&mut self.connection, step, done, open).await.map_err(|error| self.failed(done, safe, &error))
    }

    async fn end_journal(&mut self, step: &MigrationStep, began: Instant) -> Result<(), StepError> {
        let all = step.statements.len();
        let end = async {
            match step.direction {
                Direction::Up => history::complete(&mut self.connection, step, began.elapsed()).await,
                Direction::Down => history::delete(&mut self.connection, step).await.map(drop),
            }
        };
        end.await.map_err(|error| unfinished(error, all))
    }
}

fn stale(what: &str) -> StepError {
    let error = Error::new(
        Reason::MigrationIncomplete,
        format!("the migration {what}; read the history again and repair it before you go on"),
    );
    StepError::Other { error, outcome_unknown: false, statements_done: 0 }
}
