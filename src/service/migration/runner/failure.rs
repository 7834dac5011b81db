//! What is told when a run stops: which statement, where in which file, what stays applied, and how to go on.

use std::time::Duration;

use super::{Job, error_statements_done};
use crate::{
    engine::migrate::StepError,
    model::{
        Detail, Error, Reason, StatementFailure,
        migration::{Dialect, Direction, IncompleteRun, MigrationScript, MigrationStep, Statement, Version},
    },
    service::migration::splitter,
};

/// Most characters of a statement that an error shows.
const MOST_SHOWN: usize = 2000;

/// PostgreSQL: a statement that cannot run inside a transaction.
const ACTIVE_TRANSACTION: &str = "25001";
/// PostgreSQL, and MariaDB with its own state: the statement was ended, here by the time-out.
const STATEMENT_ENDED: [&str; 2] = ["57014", "70100"];
/// MySQL and MariaDB: the statement ran too long.
const EXECUTION_TIME_EXCEEDED: [i32; 2] = [3024, 1969];

/// The lock was not to be had in time.
pub(super) fn busy(waited: Duration) -> Error {
    Error::new(
        Reason::DatabaseBusy,
        format!(
            "another migration run has locked this database, and did not end within {waited:?}; repeat the call later, or \
             with a longer run_lock_timeout"
        ),
    )
}

/// A step failed.
pub(super) fn of_step(
    job: &Job<'_>,
    done: &[Version],
    script: &MigrationScript,
    step: &MigrationStep,
    error: StepError,
) -> Error {
    let statements_done = error_statements_done(&error);
    match error {
        StepError::Statement { index, offset, failure, retryable, .. } => {
            let reason = statement_reason(&failure, retryable);
            let hint = statement_hint(job, done, step, &failure, reason, statements_done);
            let failure =
                located(job.migrate.dialect(), script, step, index, offset, StatementFailure { hint, ..failure });
            let message =
                format!("{}:{}:{}: {}; {}", failure.file, failure.line, failure.column, failure.message, failure.hint);
            with_facts(Error::new(reason, message), done, step, statements_done).with(Detail::Statement(failure))
        }
        StepError::Cancelled { .. } => cancelled(job, done, Some((step, statements_done))),
        StepError::Other { error, .. } => {
            let so_far = so_far(job, done, Some((step, statements_done)));
            let told = Error::new(error.reason(), format!("{}: {}; {so_far}", script.file, error.message()));
            with_facts(told.caused_by(error), done, step, statements_done)
        }
    }
}

/// A script was changed after the run was planned, and cannot be cut any more.
pub(super) fn of_script(job: &Job<'_>, done: &[Version], error: Error) -> Error {
    let so_far = so_far(job, done, None);
    error.context(so_far)
}

fn with_facts(error: Error, done: &[Version], step: &MigrationStep, statements_done: usize) -> Error {
    error
        .with_metadata("version", step.version.as_str())
        .with_metadata("migrations_done", done.len().to_string())
        .with_metadata("statements_done", statements_done.to_string())
}

/// Somebody asked the run to stop.
pub(super) fn cancelled(job: &Job<'_>, done: &[Version], step: Option<(&MigrationStep, usize)>) -> Error {
    Error::new(Reason::Cancelled, format!("cancelled; {}", so_far(job, done, step)))
}

/// The connection broke during a commit, and the history says that nothing of it took effect.
pub(super) fn not_taken(job: &Job<'_>, done: &[Version], version: &Version, cause: Error) -> Error {
    let message = format!(
        "the connection was lost while version {version} was {}, and the history says that it did not take effect; {}",
        job.past_verb(),
        so_far(job, done, None)
    );
    Error::new(cause.reason(), message).caused_by(cause)
}

/// The connection broke during a commit, and the history cannot be read.
pub(super) fn outcome_unknown(job: &Job<'_>, done: &[Version], version: &Version, cause: &Error) -> Error {
    Error::new(
        cause.reason(),
        format!(
            "the connection was lost while version {version} was {verb}, and the database cannot be asked whether that took \
             effect ({cause}); {done} of {total} migrations of this run were {verb} for certain; GetMigrationStatus tells \
             once the database answers again",
            cause = cause.message(),
            verb = job.past_verb(),
            done = done.len(),
            total = job.versions.len(),
        ),
    )
    .with_metadata("version", version.as_str())
}

/// The server was killed while the run went on.
pub(super) fn interrupted(job: &Job<'_>, done: &[Version], next: &Version, stopped: Option<&IncompleteRun>) -> Error {
    let verb = job.past_verb();
    let within = stopped.map_or_else(String::new, |run| {
        format!(", version {next} up to statement {} of {}", run.statements_done, run.statements_total)
    });
    Error::new(
        Reason::Interrupted,
        format!(
            "the server was stopped while this ran; {} of {} migrations were {verb}{within}; call {} again to go on",
            done.len(),
            job.versions.len(),
            call(job.direction)
        ),
    )
    .with_metadata("migrations_done", done.len().to_string())
    .with_metadata("version", next.as_str())
}

fn call(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "ApplyMigrations",
        Direction::Down => "RevertMigrations",
    }
}

fn statement_reason(failure: &StatementFailure, retryable: bool) -> Reason {
    if retryable {
        return Reason::LockTimeout;
    }
    let ended = STATEMENT_ENDED.contains(&failure.sql_state.as_str());
    if ended || EXECUTION_TIME_EXCEEDED.contains(&failure.vendor_code) {
        return Reason::StatementTimeout;
    }
    Reason::StatementFailed
}

fn statement_hint(
    job: &Job<'_>,
    done: &[Version],
    step: &MigrationStep,
    failure: &StatementFailure,
    reason: Reason,
    statements_done: usize,
) -> String {
    let cure = match reason {
        Reason::LockTimeout => format!(
            "end what holds the lock, or ask for a longer lock_timeout or more lock_retries, then call {} again",
            call(job.direction)
        ),
        Reason::StatementTimeout => {
            format!("ask for a longer statement_timeout, then call {} again", call(job.direction))
        }
        _ if failure.sql_state == ACTIVE_TRANSACTION => format!(
            "add the line `-- dbkeeper: no-transaction` before the first statement of the file, import it again, then call {} again",
            call(job.direction)
        ),
        _ if statements_done > 0 => format!(
            "mend the statement, leave those before it and their number as they are, import the file again with allow_changes, then call \
             {} again: it goes on with this statement",
            call(job.direction)
        ),
        _ => format!(
            "mend the statement, import the file again with allow_changes, then call {} again",
            call(job.direction)
        ),
    };
    let advice = if failure.hint.is_empty() { String::new() } else { format!("{}; ", failure.hint) };
    format!("{advice}{}; {cure}", so_far(job, done, Some((step, statements_done))))
}

/// What of this run stays.
fn so_far(job: &Job<'_>, done: &[Version], step: Option<(&MigrationStep, usize)>) -> String {
    let verb = job.past_verb();
    let all = match done.last() {
        None => format!("no migration of this run was {verb}"),
        Some(last) => format!(
            "{} of {} migrations of this run were {verb} (the last is {last}) and stay so",
            done.len(),
            job.versions.len()
        ),
    };
    match step {
        None => all,
        Some((step, 0)) => format!("{all}; nothing of version {} stays", step.version),
        Some((step, statements)) => format!(
            "{all}; {statements} of {} statements of version {} took effect and stay",
            step.statements.len(),
            step.version
        ),
    }
}

/// Fills in where the statement stands in its file.
fn located(
    dialect: Dialect,
    script: &MigrationScript,
    step: &MigrationStep,
    index: usize,
    offset: Option<usize>,
    failure: StatementFailure,
) -> StatementFailure {
    let Some(statement) = step.statements.get(index) else {
        return StatementFailure { file: script.file.clone(), ..failure };
    };
    // A BEGIN that was left out counts in the file, so the place is looked up there.
    let whole = splitter::split(dialect, &script.sql, script.first_line).unwrap_or_default();
    let position = whole.iter().position(|other| other == statement).unwrap_or(index);
    let (line, column) = place(statement, offset.unwrap_or(0));
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    StatementFailure {
        file: script.file.clone(),
        statement_index: number(position + 1),
        statement_count: number(whole.len().max(step.statements.len())),
        line,
        column,
        statement: statement.text.chars().take(MOST_SHOWN).collect(),
        ..failure
    }
}

/// Line and column in the file of a character of the statement.
fn place(statement: &Statement, offset: usize) -> (u32, u32) {
    statement.text.chars().take(offset).fold((statement.line, statement.column), |(line, column), character| {
        if character == '\n' { (line + 1, 1) } else { (line, column + 1) }
    })
}
