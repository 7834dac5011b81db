//! Runs the steps of one operation: lock, read the history again, run what is still to be done, tell how far it came.
//!
//! Nothing is written to our own store for a migration; its history row in the target says that it ran. The lock is
//! tried, never waited for on the server, because a session that waits would block CREATE INDEX CONCURRENTLY.

mod failure;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    plan::{self, Comparison, Extent, PlanRequest, PlannedStep},
    script,
};
use crate::{
    engine::{Migrate, MigrationSession, migrate::StepError},
    model::{
        Error, ErrorKind, MigrationSetId, OperationId, Result,
        migration::{Direction, HistoryEntry, Migration, MigrationLimits, MigrationScript, MigrationStep, Version},
        operation::{OperationResult, Progress, ProgressUnit},
    },
};

/// First and longest pause between two attempts to take the lock.
const LOCK_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// First and longest pause before a step that met a lock is tried again.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// First and longest pause before a lost database is dialled again, and how often that is done.
const RECONNECT_PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
const RECONNECT_ATTEMPTS: u32 = 6;
/// Most versions that a result lists.
const MOST_LISTED: usize = 1000;

/// Who is told how far a run is.
pub(super) trait Report: Send + Sync {
    /// How far it is. Called once a step.
    fn progress(&self, progress: Progress);
    /// A line for people.
    fn log(&self, line: String);
}

/// What is to be run where.
pub(super) struct Job<'a> {
    pub(super) migrate: &'a dyn Migrate,
    pub(super) operation: &'a OperationId,
    pub(super) set: &'a MigrationSetId,
    /// The whole set.
    pub(super) migrations: &'a [Migration],
    pub(super) direction: Direction,
    /// What was planned, in order.
    pub(super) versions: &'a [Version],
    pub(super) allow_out_of_order: bool,
    pub(super) limits: &'a MigrationLimits,
    pub(super) cancellation: &'a CancellationToken,
    pub(super) report: &'a dyn Report,
}

/// Why a run does not go on.
enum Stop {
    /// It ended with this error.
    Failed(Error),
    /// The connection broke while this version was committed.
    OutcomeUnknown { version: Version, error: Error },
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Runs what is still to be done of a job.
pub(super) async fn run(job: &Job<'_>) -> Result<OperationResult> {
    let mut done = Vec::new();
    let mut session = open_locked(job).await?;
    loop {
        let (version, error) = match run_steps(job, session.as_mut(), &mut done).await {
            Ok(result) => {
                session.close().await;
                return Ok(result);
            }
            Err(Stop::Failed(error)) => {
                session.close().await;
                return Err(error);
            }
            Err(Stop::OutcomeUnknown { version, error }) => (version, error),
        };
        drop(session);
        job.report.log(format!("the connection was lost during version {version}; reading the history again"));
        session = reopen(job).await.map_err(|cause| failure::outcome_unknown(job, &done, &version, &cause))?;
        if !is_done(job.direction, &job.history(session.history().await?), &version) {
            session.close().await;
            return Err(failure::not_taken(job, &done, &version, error));
        }
        job.note_done(&mut done, version);
    }
}

impl Job<'_> {
    fn history(&self, mut history: Vec<HistoryEntry>) -> Vec<HistoryEntry> {
        history.retain(|entry| entry.set == *self.set);
        history
    }

    fn note_done(&self, done: &mut Vec<Version>, version: Version) {
        done.push(version);
        self.tell(done.len(), self.versions.len(), String::new());
    }

    fn tell(&self, done: usize, total: usize, message: String) {
        let unit = ProgressUnit::Migrations;
        self.report.progress(Progress { done: done as u64, total: total as u64, unit, message });
    }

    fn script<'m>(&self, migration: &'m Migration) -> Result<&'m MigrationScript> {
        match self.direction {
            Direction::Up => Ok(&migration.up),
            Direction::Down => migration
                .down
                .as_ref()
                .ok_or_else(|| Error::internal(format!("version {} has no down part", migration.version))),
        }
    }

    fn past_verb(&self) -> &'static str {
        match self.direction {
            Direction::Up => "applied",
            Direction::Down => "reverted",
        }
    }

    /// Does work unless the operation is cancelled first.
    async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            outcome = work => Ok(outcome),
            () = self.cancellation.cancelled() => Err(Error::cancelled()),
        }
    }

    async fn pause(&self, attempt: u32, (first, longest): (Duration, Duration)) -> Result<()> {
        let pause = first.saturating_mul(1 << attempt.min(16)).min(longest);
        self.unless_cancelled(tokio::time::sleep(pause)).await
    }
}

async fn open_locked(job: &Job<'_>) -> Result<Box<dyn MigrationSession>> {
    let mut session = job.migrate.begin_run(job.operation, job.limits, job.cancellation.clone()).await?;
    let began = Instant::now();
    for attempt in 0.. {
        if session.try_lock().await? {
            break;
        }
        if began.elapsed() >= job.limits.run_lock_timeout {
            session.close().await;
            return Err(failure::busy(job.limits.run_lock_timeout));
        }
        if attempt == 0 {
            job.report.log("another run works on this database; waiting for it to end".to_owned());
        }
        job.pause(attempt, LOCK_PAUSE).await.map_err(|_| failure::cancelled(job, &[], None))?;
    }
    session.prepare_history().await?;
    Ok(session)
}

/// Ends what is left of the lost session, so that nothing of it takes effect after the history was read.
async fn reopen(job: &Job<'_>) -> Result<Box<dyn MigrationSession>> {
    let mut attempt = 0;
    loop {
        let reopened = async {
            job.migrate.end_run(job.operation).await?;
            open_locked(job).await
        };
        match reopened.await {
            Err(error) if error.kind() == ErrorKind::Unavailable && attempt < RECONNECT_ATTEMPTS => {
                job.pause(attempt, RECONNECT_PAUSE).await?;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

async fn run_steps(
    job: &Job<'_>,
    session: &mut dyn MigrationSession,
    done: &mut Vec<Version>,
) -> Result<OperationResult, Stop> {
    let history = job.history(session.history().await?);
    let request = PlanRequest {
        direction: job.direction,
        extent: Extent::Planned(job.versions.to_vec()),
        allow_out_of_order: job.allow_out_of_order,
    };
    let plan = plan::plan(job.migrations, &history, &request)?;
    if let Some(refusal) = plan.refusal() {
        return Err(refusal.into());
    }
    let skipped = job.versions.len().saturating_sub(plan.steps.len() + done.len());
    if skipped > 0 {
        job.report.log(format!("{skipped} of the planned migrations were {} by another run", job.past_verb()));
    }
    for planned in &plan.steps {
        if job.cancellation.is_cancelled() {
            return Err(failure::cancelled(job, done, None).into());
        }
        let verb = if planned.statements_done > 0 { "resuming" } else { "running" };
        job.tell(done.len(), job.versions.len(), format!("{verb} {}", job.script(planned.migration)?.file));
        run_step(job, session, planned, done).await?;
        job.note_done(done, planned.version.clone());
    }
    let history = if plan.steps.is_empty() { history } else { job.history(session.history().await?) };
    Ok(result(done, &history))
}

/// Runs one step, again where a lock was in its way.
async fn run_step(
    job: &Job<'_>,
    session: &mut dyn MigrationSession,
    planned: &PlannedStep<'_>,
    done: &[Version],
) -> Result<(), Stop> {
    let script = job.script(planned.migration)?;
    let in_transaction = script.transactional && job.migrate.transactional_ddl();
    let step = MigrationStep {
        set: job.set.clone(),
        version: planned.version.clone(),
        title: planned.migration.title.clone(),
        checksum: planned.migration.checksum.clone(),
        direction: job.direction,
        statements: script::statements(script, job.migrate.dialect(), in_transaction)
            .map_err(|error| failure::of_script(job, done, error))?,
    };
    let began = Instant::now();
    for attempt in 0.. {
        let outcome = match in_transaction {
            true => session.run_in_transaction(&step).await,
            false => session.run_journaled(&step).await,
        };
        let Err(error) = outcome else { break };
        match error {
            StepError::Statement { retryable: true, ref failure, .. } if attempt < job.limits.lock_retries => {
                job.report.log(format!("{}: {}; trying again", script.file, failure.message));
                if job.pause(attempt, RETRY_PAUSE).await.is_err() {
                    return Err(failure::cancelled(job, done, Some((&step, error_statements_done(&error)))).into());
                }
            }
            StepError::Other { error, outcome_unknown: true, .. } => {
                return Err(Stop::OutcomeUnknown { version: step.version, error });
            }
            error => return Err(failure::of_step(job, done, script, &step, error).into()),
        }
    }
    let (count, duration) = (step.statements.len(), began.elapsed());
    job.report.log(format!("{} {} ({count} statements, {} ms)", job.past_verb(), script.file, duration.as_millis()));
    tracing::info!(
        operation = %job.operation,
        set = %job.set,
        version = %step.version,
        direction = ?job.direction,
        statements = count,
        duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        "migration ran"
    );
    Ok(())
}

fn error_statements_done(error: &StepError) -> usize {
    match error {
        StepError::Statement { statements_done, .. }
        | StepError::Cancelled { statements_done }
        | StepError::Other { statements_done, .. } => *statements_done,
    }
}

fn result(done: &[Version], history: &[HistoryEntry]) -> OperationResult {
    OperationResult::Migrate {
        versions: done.iter().take(MOST_LISTED).cloned().collect(),
        count: done.len() as u64,
        current_version: Comparison::new(&[], history).current().cloned(),
    }
}

/// Whether a version stands in the history as a run of this direction leaves it.
fn is_done(direction: Direction, history: &[HistoryEntry], version: &Version) -> bool {
    let entry = history.iter().find(|entry| entry.version.sort_key() == version.sort_key());
    match direction {
        Direction::Up => entry.is_some_and(plan::is_applied),
        Direction::Down => entry.is_none(),
    }
}

/// Tells what became of a run whose server was killed: ends what is left of it on the target and reads the history.
pub(super) async fn recover(job: &Job<'_>) -> Result<OperationResult> {
    job.migrate.end_run(job.operation).await?;
    let history = job.history(job.migrate.history().await?);
    let (done, open): (Vec<_>, Vec<_>) =
        job.versions.iter().cloned().partition(|version| is_done(job.direction, &history, version));
    let Some(next) = open.first() else { return Ok(result(&done, &history)) };
    let stopped = history
        .iter()
        .filter(|entry| entry.version.sort_key() == next.sort_key())
        .find_map(|entry| entry.incomplete.as_ref());
    Err(failure::interrupted(job, &done, next, stopped))
}
