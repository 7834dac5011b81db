//! What a caller sees of a set beside a database: a page of a plan, and a page of how each migration stands.

use std::time::Duration;

use super::{
    MigrationService,
    plan::{self, Comparison, Extent, Pair, PlanProblem, PlanRequest, PlannedStep},
    script,
};
use crate::{
    engine::Migrate,
    model::{
        CallContext, ConnectionId, MigrationSetId, Result, Timestamp,
        migration::{Direction, HistoryEntry, Migration, MigrationSummary, Version},
        page::{Page, PageRequest},
    },
    pool::Lease,
};

/// Most problems that a plan shows.
const MOST_PROBLEMS: usize = 100;
/// Most statements that a step shows, and most characters of each.
const MOST_STATEMENTS: usize = 20;
const STATEMENT_WIDTH: usize = 120;

/// A step of a plan as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStep {
    /// The migration.
    pub migration: MigrationSummary,
    /// It runs as one transaction on this target.
    pub transactional: bool,
    /// Number of statements.
    pub statement_count: u32,
    /// First lines of the first statements.
    pub statements: Vec<String>,
    /// Statements that an interrupted run has done already.
    pub statements_done: u32,
}

/// A page of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanPage {
    /// The steps, with their count over all pages.
    pub steps: Page<PlanStep>,
    /// What stands in the way; the first 100.
    pub problems: Vec<PlanProblem>,
    /// The highest version that is applied.
    pub current: Option<Version>,
}

/// How a migration stands on a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationState {
    /// In the set, not applied.
    Pending,
    /// Applied, text unchanged.
    Applied,
    /// Applied, and the text in the set is another now.
    Changed,
    /// Applied, and not in the set.
    Missing,
    /// Begun without a transaction and stopped part of the way.
    Incomplete,
}

/// One migration on one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEntry {
    /// Version.
    pub version: Version,
    /// Title.
    pub title: String,
    /// How it stands.
    pub state: MigrationState,
    /// When it was applied, where it was.
    pub applied: Option<Timestamp>,
    /// How long it ran.
    pub duration: Option<Duration>,
    /// Statements done and in all, of an incomplete one.
    pub statements: Option<(u32, u32)>,
}

/// A set compared with a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPage {
    /// The highest version that is applied.
    pub current: Option<Version>,
    /// How many are applied.
    pub applied: u32,
    /// How many are pending.
    pub pending: u32,
    /// How many are changed or missing.
    pub drifted: u32,
    /// The entries by version.
    pub entries: Page<StatusEntry>,
}

/// A set, the database it is compared with, and what that database has of it.
pub(super) struct Target {
    pub(super) lease: Lease,
    pub(super) migrations: Vec<Migration>,
    pub(super) history: Vec<HistoryEntry>,
}

impl MigrationService {
    pub(super) async fn target(
        &self,
        context: &CallContext,
        set: &MigrationSetId,
        connection: &ConnectionId,
    ) -> Result<Target> {
        self.get_set(context, set).await?;
        let lease = self.pools.database(context.account(), connection).await?;
        let history = lease.run(async { lease.require_migrate()?.history().await }).await?;
        let migrations = self.store.migrations(context.account(), set).await?;
        let history = history.into_iter().filter(|entry| entry.set == *set).collect();
        Ok(Target { lease, migrations, history })
    }

    /// What a run would do now, and what stands in its way. Changes nothing.
    pub async fn plan(
        &self,
        context: &CallContext,
        set: &MigrationSetId,
        connection: &ConnectionId,
        request: &PlanRequest,
        page: &PageRequest,
    ) -> Result<PlanPage> {
        let target = self.target(context, set, connection).await?;
        let migrate = target.lease.require_migrate()?;
        let mut plan = plan::plan(&target.migrations, &target.history, request)?;
        let total = plan.steps.len() as u64;
        let rest = steps_after(&plan.steps, page);
        let next = rest
            .get(page.size as usize)
            .and(rest.get(page.size as usize - 1))
            .map(|step| vec![step.version.sort_key()]);
        let mut items = Vec::new();
        for step in rest.iter().take(page.size as usize) {
            let (item, problem) = show_step(migrate, request.direction, step);
            items.push(item);
            plan.problems.extend(problem);
        }
        plan.problems.truncate(MOST_PROBLEMS);
        Ok(PlanPage { steps: Page { items, next, total: Some(total) }, problems: plan.problems, current: plan.current })
    }

    /// How each migration of a set stands on a database.
    pub async fn status(
        &self,
        context: &CallContext,
        set: &MigrationSetId,
        connection: &ConnectionId,
        page: &PageRequest,
    ) -> Result<StatusPage> {
        let target = self.target(context, set, connection).await?;
        let comparison = Comparison::new(&target.migrations, &target.history);
        let states: Vec<_> = comparison.pairs.values().filter_map(state).collect();
        let count = |wanted: &[MigrationState]| {
            u32::try_from(states.iter().filter(|state| wanted.contains(state)).count()).unwrap_or(u32::MAX)
        };
        let after = page.after.as_ref().and_then(|key| key.first()).map_or("", String::as_str);
        let later = comparison.pairs.iter().filter(|(key, _)| key.as_str() > after).filter_map(|(_, pair)| entry(pair));
        let entries: Vec<_> = later.take(page.size as usize + 1).collect();
        Ok(StatusPage {
            current: comparison.current().cloned(),
            applied: count(&[MigrationState::Applied, MigrationState::Changed, MigrationState::Missing]),
            pending: count(&[MigrationState::Pending]),
            drifted: count(&[MigrationState::Changed, MigrationState::Missing]),
            entries: Page::cut(entries, page.size, |entry| vec![entry.version.sort_key()])
                .with_total(comparison.pairs.len() as u64),
        })
    }
}

/// A page goes on behind its last step. Where that was run meanwhile, the plan begins behind it anyway.
fn steps_after<'a, 'm>(steps: &'a [PlannedStep<'m>], page: &PageRequest) -> &'a [PlannedStep<'m>] {
    let last = page.after.as_ref().and_then(|key| key.first());
    let position = last.and_then(|last| steps.iter().position(|step| step.version.sort_key() == *last));
    &steps[position.map_or(0, |position| position + 1)..]
}

fn show_step(migrate: &dyn Migrate, direction: Direction, step: &PlannedStep<'_>) -> (PlanStep, Option<PlanProblem>) {
    let migration = step.migration;
    let script = match direction {
        Direction::Up => Some(&migration.up),
        Direction::Down => migration.down.as_ref(),
    };
    let transactional = script.is_some_and(|script| script.transactional) && migrate.transactional_ddl();
    let cut = script.map_or(Ok(Vec::new()), |script| script::statements(script, migrate.dialect(), transactional));
    let (statements, problem) = match cut {
        Ok(statements) => (statements, None),
        Err(error) => {
            let (reason, message) = (error.reason(), error.message().to_owned());
            (Vec::new(), Some(PlanProblem { reason, version: step.version.clone(), message }))
        }
    };
    let first_line =
        |text: &str| text.lines().next().unwrap_or_default().chars().take(STATEMENT_WIDTH).collect::<String>();
    let shown = PlanStep {
        migration: migration.summary(),
        transactional,
        statement_count: u32::try_from(statements.len()).unwrap_or(u32::MAX),
        statements: statements.iter().take(MOST_STATEMENTS).map(|statement| first_line(&statement.text)).collect(),
        statements_done: step.statements_done,
    };
    (shown, problem)
}

fn state(pair: &Pair<'_, '_>) -> Option<MigrationState> {
    Some(match (pair.migration, pair.entry) {
        (None, None) => return None,
        (Some(_), None) => MigrationState::Pending,
        (_, Some(entry)) if entry.incomplete.is_some() => MigrationState::Incomplete,
        (None, Some(_)) => MigrationState::Missing,
        (Some(migration), Some(entry)) if migration.checksum != entry.checksum => MigrationState::Changed,
        (Some(_), Some(_)) => MigrationState::Applied,
    })
}

fn entry(pair: &Pair<'_, '_>) -> Option<StatusEntry> {
    let state = state(pair)?;
    let (version, title) = match (pair.entry, pair.migration) {
        (Some(entry), _) => (&entry.version, &entry.title),
        (None, migration) => migration.map(|migration| (&migration.version, &migration.title))?,
    };
    let incomplete = pair.entry.and_then(|entry| entry.incomplete.as_ref());
    let whole = pair.entry.filter(|entry| plan::is_applied(entry));
    Some(StatusEntry {
        version: version.clone(),
        title: title.clone(),
        state,
        applied: whole.map(|entry| entry.applied),
        duration: whole.map(|entry| entry.duration),
        statements: incomplete.map(|run| (run.statements_done, run.statements_total)),
    })
}

/// The extent of a plan as the contract gives it: a version to end at, or downwards a number of steps.
pub fn extent(direction: Direction, target: Option<Version>, steps: u32) -> Extent {
    match (direction, target) {
        (Direction::Down, Some(version)) => super::start::revert_to(version),
        (Direction::Up, Some(version)) => Extent::To(version),
        (Direction::Up, None) => Extent::All,
        (Direction::Down, None) => Extent::Steps(steps.max(1)),
    }
}
