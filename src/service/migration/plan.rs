//! Compares a set with the history of a database and says what a run would do. Nothing here reads or writes.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Detail, Error, Reason, Result,
    migration::{Direction, HistoryEntry, IncompleteRun, Migration, Version},
};

/// How far a run goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// Upwards: all that is pending. Downwards: everything.
    All,
    /// Upwards: up to this version. Downwards: what is newer than it.
    To(Version),
    /// Downwards: that many of the newest. Upwards: that many of the oldest that are pending.
    Steps(u32),
    /// What is still to be done of a run that was planned before.
    Planned(Vec<Version>),
}

impl Extent {
    /// Sort keys of the versions that were planned before.
    fn planned_keys(&self) -> Option<BTreeSet<String>> {
        match self {
            Self::Planned(versions) => Some(versions.iter().map(Version::sort_key).collect()),
            Self::All | Self::To(_) | Self::Steps(_) => None,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRequest {
    /// Which way.
    pub direction: Direction,
    /// How far.
    pub extent: Extent,
    /// Pending migrations that are older than the newest applied one are applied.
    pub allow_out_of_order: bool,
}

/// A migration that the run would run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// Version as it stands, or will stand, in the history: `1` in a set may stand as `001` there.
    pub version: Version,
    /// Statements that an interrupted run has done already.
    pub statements_done: u32,
}

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanProblem {
    /// The reason with which the run would be refused.
    pub reason: Reason,
    /// The version at fault.
    pub version: Version,
    /// What is wrong and what to do.
    pub message: String,
}

/// What a run would do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<'a> {
    /// What would run, in order.
    pub steps: Vec<PlannedStep<'a>>,
    /// What stands in the way, by version; empty: the run may start.
    pub problems: Vec<PlanProblem>,
    /// The highest version that is applied.
    pub current: Option<Version>,
}

/// Most problems that the error of a refused run lists.
const MOST_LISTED: usize = 20;

impl Plan<'_> {
    /// The error of a run that the problems forbid, with the reason of the first of them.
    pub fn refusal(&self) -> Option<Error> {
        let first = self.problems.first()?;
        let mut message = first.message.clone();
        if self.problems.len() > 1 {
            message.push_str(&format!(" (and {} more problems, see PlanMigrations)", self.problems.len() - 1));
        }
        let error = Error::new(first.reason, message).with_metadata("version", first.version.as_str());
        Some(self.problems.iter().take(MOST_LISTED).fold(error, |error, problem| {
            error.with(Detail::Precondition {
                kind: problem.reason.as_str(),
                subject: format!("version {}", problem.version),
                description: problem.message.clone(),
            })
        }))
    }
}

/// Plans a run. `migrations` is the whole set; of `history` only the entries of this set may be given.
/// The error says that the version asked for does not exist.
pub fn plan<'a>(migrations: &'a [Migration], history: &[HistoryEntry], request: &PlanRequest) -> Result<Plan<'a>> {
    let comparison = Comparison::new(migrations, history);
    let mut plan = match request.direction {
        Direction::Up => comparison.plan_up(request)?,
        Direction::Down => comparison.plan_down(request)?,
    };
    plan.problems.sort_by_key(|problem| problem.version.sort_key());
    Ok(plan)
}

/// A version in the set, in the history or in both, by its number.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pair<'m, 'h> {
    pub(super) migration: Option<&'m Migration>,
    pub(super) entry: Option<&'h HistoryEntry>,
}

/// A set and a history side by side.
pub(super) struct Comparison<'m, 'h> {
    /// By sort key of the version.
    pub(super) pairs: BTreeMap<String, Pair<'m, 'h>>,
}

impl<'m, 'h> Comparison<'m, 'h> {
    pub(super) fn new(migrations: &'m [Migration], history: &'h [HistoryEntry]) -> Self {
        let mut pairs = BTreeMap::<String, Pair<'m, 'h>>::new();
        for migration in migrations {
            pairs.entry(migration.version.sort_key()).or_default().migration = Some(migration);
        }
        for entry in history {
            pairs.entry(entry.version.sort_key()).or_default().entry = Some(entry);
        }
        Self { pairs }
    }

    /// The highest version that is applied as a whole.
    pub(super) fn current(&self) -> Option<&'h Version> {
        self.pairs
            .values()
            .rev()
            .filter_map(|pair| pair.entry)
            .find(|entry| is_applied(entry))
            .map(|entry| &entry.version)
    }

    fn plan_up(&self, request: &PlanRequest) -> Result<Plan<'m>> {
        let last = self.bound(&request.extent)?;
        let planned = request.extent.planned_keys();
        let newest = self.pairs.iter().rev().find(|(_, pair)| pair.entry.is_some()).map(|(key, _)| key);
        let mut resumed = Vec::new();
        let mut pending = Vec::new();
        let mut problems = Vec::new();
        for (key, pair) in &self.pairs {
            let in_extent = last.as_ref().is_none_or(|last| key <= last)
                && planned.as_ref().is_none_or(|planned| planned.contains(key));
            match (pair.migration, pair.entry) {
                (Some(migration), Some(entry)) => match &entry.incomplete {
                    None if entry.checksum != migration.checksum => problems.push(changed(entry)),
                    None => {}
                    Some(run) if run.direction == Direction::Up && in_extent => {
                        resumed.push(step(migration, &entry.version, run.statements_done));
                    }
                    Some(run) => problems.push(incomplete(entry, run)),
                },
                (Some(migration), None) if in_extent => {
                    if !request.allow_out_of_order
                        && let Some(newest) = newest.filter(|newest| key < *newest)
                    {
                        problems.push(self.out_of_order(migration, newest));
                    }
                    pending.push(step(migration, &migration.version, 0));
                }
                (None, Some(entry)) => problems.push(missing(entry)),
                (_, None) => {}
            }
        }
        // What was begun is finished first, whatever is older than it.
        resumed.append(&mut pending);
        if let Extent::Steps(steps) = request.extent {
            resumed.truncate(steps as usize);
        }
        Ok(Plan { steps: resumed, problems, current: self.current().cloned() })
    }

    fn plan_down(&self, request: &PlanRequest) -> Result<Plan<'m>> {
        let stay_at = self.bound(&request.extent)?;
        let planned = request.extent.planned_keys();
        let lowest = planned.as_ref().map(|planned| planned.first());
        let most = match request.extent {
            Extent::Steps(steps) => steps as usize,
            Extent::All | Extent::To(_) | Extent::Planned(_) => usize::MAX,
        };
        let newer = self.pairs.iter().rev().filter(|(key, _)| {
            stay_at.as_ref().is_none_or(|stay_at| *key > stay_at)
                && lowest.is_none_or(|lowest| lowest.is_some_and(|lowest| *key >= lowest))
        });
        let reverted = newer.filter_map(|(key, pair)| Some((key, pair.entry?, pair.migration))).take(most);
        let mut resumed = Vec::new();
        let mut steps = Vec::new();
        let mut problems = Vec::new();
        for (key, entry, migration) in reverted {
            match (migration, &entry.incomplete) {
                _ if planned.as_ref().is_some_and(|planned| !planned.contains(key)) => problems.push(overtaken(entry)),
                (None, _) => problems.push(missing(entry)),
                (Some(_), Some(run)) if run.direction == Direction::Up => problems.push(incomplete(entry, run)),
                (Some(migration), _) if migration.down.is_none() => problems.push(irreversible(entry, migration)),
                (Some(migration), Some(run)) => resumed.push(step(migration, &entry.version, run.statements_done)),
                (Some(migration), None) => {
                    if entry.checksum != migration.checksum {
                        problems.push(changed(entry));
                    }
                    steps.push(step(migration, &entry.version, 0));
                }
            }
        }
        resumed.append(&mut steps);
        Ok(Plan { steps: resumed, problems, current: self.current().cloned() })
    }

    /// The key of the version that an extent ends at.
    fn bound(&self, extent: &Extent) -> Result<Option<String>> {
        match extent {
            Extent::To(version) => self.known_key(version).map(Some),
            Extent::All | Extent::Steps(_) | Extent::Planned(_) => Ok(None),
        }
    }

    /// The key of a version that the caller named, which must be in the set or in the history.
    fn known_key(&self, version: &Version) -> Result<String> {
        let key = version.sort_key();
        if self.pairs.contains_key(&key) {
            return Ok(key);
        }
        Err(Error::not_found(Reason::MigrationNotFound, "version", version.as_str()))
    }

    fn out_of_order(&self, migration: &Migration, newest: &str) -> PlanProblem {
        let newest = self.pairs.get(newest).and_then(|pair| pair.entry).map_or("", |entry| entry.version.as_str());
        let version = &migration.version;
        PlanProblem {
            reason: Reason::MigrationOutOfOrder,
            version: version.clone(),
            message: format!(
                "version {version} ({}) is pending and older than {newest}, which is applied; give it a newer version, or \
                 ask for it with OUT_OF_ORDER_ALLOW",
                migration.up.file
            ),
        }
    }
}

/// An entry of something that was applied as a whole, and not reverted in part.
pub(super) fn is_applied(entry: &HistoryEntry) -> bool {
    entry.incomplete.is_none()
}

fn step<'a>(migration: &'a Migration, version: &Version, statements_done: u32) -> PlannedStep<'a> {
    PlannedStep { migration, version: version.clone(), statements_done }
}

fn overtaken(entry: &HistoryEntry) -> PlanProblem {
    let version = &entry.version;
    PlanProblem {
        reason: Reason::MigrationOutOfOrder,
        version: version.clone(),
        message: format!(
            "version {version} was applied by another run after this one was planned, and would have to be reverted \
             first; call RevertMigrations again"
        ),
    }
}

fn changed(entry: &HistoryEntry) -> PlanProblem {
    let version = &entry.version;
    PlanProblem {
        reason: Reason::MigrationDrift,
        version: version.clone(),
        message: format!(
            "version {version} was changed in the set after it was applied on {}; import its former text again, and put \
             the change into a new migration",
            entry.applied
        ),
    }
}

fn missing(entry: &HistoryEntry) -> PlanProblem {
    let version = &entry.version;
    PlanProblem {
        reason: Reason::MigrationDrift,
        version: version.clone(),
        message: format!(
            "version {version} ({}) is applied on the database and not in the set; import its file",
            entry.title
        ),
    }
}

fn incomplete(entry: &HistoryEntry, run: &IncompleteRun) -> PlanProblem {
    let version = &entry.version;
    let (what, cure) = match run.direction {
        Direction::Up => ("apply", "ApplyMigrations to this version or a newer one"),
        Direction::Down => ("revert", "RevertMigrations"),
    };
    PlanProblem {
        reason: Reason::MigrationIncomplete,
        version: version.clone(),
        message: format!(
            "the {what} of version {version} stopped after {} of {} statements; finish it first with {cure}",
            run.statements_done, run.statements_total
        ),
    }
}

fn irreversible(entry: &HistoryEntry, migration: &Migration) -> PlanProblem {
    let version = &entry.version;
    PlanProblem {
        reason: Reason::MigrationIrreversible,
        version: version.clone(),
        message: format!(
            "version {version} ({}) has no down part; import one with allow_changes before it is applied anywhere, or undo \
             it by a new migration",
            migration.up.file
        ),
    }
}
