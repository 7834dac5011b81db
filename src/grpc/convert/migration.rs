//! Sets of migrations, what is in them, and how they are run.

use std::time::Duration;

use super::{
    enum_from_proto, etag, operation, small_count,
    time::{duration, duration_from_proto, timestamp},
};
use crate::{
    grpc::proto::v1,
    model::{
        Error, Result,
        migration::{Direction, MigrationFormat, MigrationLimits, MigrationSet, MigrationSummary, Version},
        name,
        page::Page,
    },
    service::migration::{
        ImportReport, StartedRun,
        import::MigrationFile,
        plan::PlanProblem,
        view::{MigrationState, PlanPage, PlanStep, StatusEntry, StatusPage},
    },
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MAX_LOCK_RETRIES: u32 = 10;

/// A set.
pub fn migration_set(set: MigrationSet) -> v1::MigrationSet {
    v1::MigrationSet {
        name: name::migration_set(&set.id),
        display_name: set.display_name,
        migration_count: small_count(set.migration_count.into()),
        latest_version: version_text(set.latest),
        create_time: Some(timestamp(set.created)),
        update_time: Some(timestamp(set.updated)),
        etag: etag::etag(set.revision),
    }
}

/// A migration of a set, without its text.
pub fn migration(migration: MigrationSummary) -> v1::Migration {
    v1::Migration {
        version: migration.version.to_string(),
        title: migration.title,
        checksum: migration.checksum,
        file: migration.file,
        reversible: migration.reversible,
        transactional: migration.transactional,
        up_size_bytes: small_count(migration.up_size),
    }
}

/// A page of migrations.
pub fn list_response(page: Page<MigrationSummary>, next_page_token: String) -> v1::ListMigrationsResponse {
    v1::ListMigrationsResponse { migrations: page.items.into_iter().map(migration).collect(), next_page_token }
}

/// What an import did.
pub fn import_response(report: ImportReport) -> v1::ImportMigrationsResponse {
    v1::ImportMigrationsResponse {
        format: format(report.format).into(),
        added: small_count(report.added.into()),
        changed: small_count(report.changed.into()),
        unchanged: small_count(report.unchanged.into()),
        migration_set: Some(migration_set(report.set)),
    }
}

/// A page of a plan.
pub fn plan(plan: PlanPage, next_page_token: String) -> v1::MigrationPlan {
    let problem = |problem: PlanProblem| v1::PlanProblem {
        reason: problem.reason.as_str().to_owned(),
        version: problem.version.to_string(),
        message: problem.message,
    };
    v1::MigrationPlan {
        total_steps: small_count(plan.steps.total.unwrap_or(0)),
        steps: plan.steps.items.into_iter().map(plan_step).collect(),
        problems: plan.problems.into_iter().map(problem).collect(),
        current_version: version_text(plan.current),
        next_page_token,
    }
}

fn plan_step(step: PlanStep) -> v1::PlanStep {
    v1::PlanStep {
        migration: Some(migration(step.migration)),
        transactional: step.transactional,
        statement_count: small_count(step.statement_count.into()),
        statements: step.statements,
        statements_done: small_count(step.statements_done.into()),
    }
}

/// How the migrations of a set stand on a database.
pub fn status(status: StatusPage, next_page_token: String) -> v1::MigrationStatus {
    v1::MigrationStatus {
        current_version: version_text(status.current),
        applied_count: small_count(status.applied.into()),
        pending_count: small_count(status.pending.into()),
        drifted_count: small_count(status.drifted.into()),
        entries: status.entries.items.into_iter().map(status_entry).collect(),
        next_page_token,
    }
}

fn status_entry(entry: StatusEntry) -> v1::MigrationStatusEntry {
    let state = match entry.state {
        MigrationState::Pending => v1::MigrationState::Pending,
        MigrationState::Applied => v1::MigrationState::Applied,
        MigrationState::Changed => v1::MigrationState::Changed,
        MigrationState::Missing => v1::MigrationState::Missing,
        MigrationState::Incomplete => v1::MigrationState::Incomplete,
    };
    let (done, total) = entry.statements.unwrap_or_default();
    v1::MigrationStatusEntry {
        version: entry.version.to_string(),
        title: entry.title,
        state: state.into(),
        apply_time: entry.applied.map(timestamp),
        duration: entry.duration.map(duration),
        statements_done: small_count(done.into()),
        statements_total: small_count(total.into()),
    }
}

/// The operation that was started, or, where everything was only checked, one without a name.
pub fn started(run: StartedRun) -> v1::Operation {
    match run {
        StartedRun::Operation(started) => operation::operation(*started),
        StartedRun::Valid(checked) => operation::checked(*checked),
    }
}

/// The files of an import.
pub fn files(files: Vec<v1::MigrationFile>) -> Vec<MigrationFile> {
    files.into_iter().map(|file| MigrationFile { path: file.path, content: file.content }).collect()
}

/// The layout; absent: told from the files.
pub fn format_from_proto(value: i32, field: &str) -> Result<Option<MigrationFormat>> {
    Ok(match enum_from_proto(value, field)? {
        v1::MigrationFormat::Unspecified => None,
        v1::MigrationFormat::GolangMigrate => Some(MigrationFormat::GolangMigrate),
        v1::MigrationFormat::Dbmate => Some(MigrationFormat::Dbmate),
        v1::MigrationFormat::Plain => Some(MigrationFormat::Plain),
    })
}

/// The layout that was found.
pub fn format(format: MigrationFormat) -> v1::MigrationFormat {
    match format {
        MigrationFormat::GolangMigrate => v1::MigrationFormat::GolangMigrate,
        MigrationFormat::Dbmate => v1::MigrationFormat::Dbmate,
        MigrationFormat::Plain => v1::MigrationFormat::Plain,
    }
}

/// Which way; up where the caller does not say.
pub fn direction_from_proto(value: i32, field: &str) -> Result<Direction> {
    Ok(match enum_from_proto(value, field)? {
        v1::MigrationDirection::Unspecified | v1::MigrationDirection::Up => Direction::Up,
        v1::MigrationDirection::Down => Direction::Down,
    })
}

/// Whether older pending migrations are applied; refused where the caller does not say.
pub fn allows_out_of_order(value: i32, field: &str) -> Result<bool> {
    Ok(match enum_from_proto(value, field)? {
        v1::OutOfOrder::Unspecified | v1::OutOfOrder::Refuse => false,
        v1::OutOfOrder::Allow => true,
    })
}

/// A version; absent where the text is empty.
pub fn version_from_proto(text: &str, field: &str) -> Result<Option<Version>> {
    if text.is_empty() { Ok(None) } else { Version::parse(text, field).map(Some) }
}

/// A version, or the empty text.
pub fn version_text(version: Option<Version>) -> String {
    version.map(|version| version.to_string()).unwrap_or_default()
}

/// How a run behaves towards others, defaults filled in.
pub fn limits_from_proto(limits: Option<v1::MigrationLimits>) -> Result<MigrationLimits> {
    let limits = limits.unwrap_or_default();
    let defaults = MigrationLimits::default();
    let tenth = Duration::from_millis(100);
    let second = Duration::from_secs(1);
    let lock_timeout = duration_from_proto(limits.lock_timeout, tenth..=HOUR, "limits.lock_timeout")?;
    let statement_timeout = duration_from_proto(limits.statement_timeout, second..=DAY, "limits.statement_timeout")?;
    let run_lock_timeout =
        duration_from_proto(limits.run_lock_timeout, Duration::ZERO..=HOUR, "limits.run_lock_timeout")?;
    let lock_retries = limits.lock_retries.unwrap_or(defaults.lock_retries);
    if lock_retries > MAX_LOCK_RETRIES {
        return Err(Error::invalid_field("limits.lock_retries", format!("must be 0 to {MAX_LOCK_RETRIES}")));
    }
    Ok(MigrationLimits {
        lock_timeout: lock_timeout.unwrap_or(defaults.lock_timeout),
        statement_timeout,
        lock_retries,
        run_lock_timeout: run_lock_timeout.unwrap_or(defaults.run_lock_timeout),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_defaults_and_ranges() {
        assert_eq!(limits_from_proto(None).unwrap(), MigrationLimits::default());
        let none = v1::MigrationLimits { lock_retries: Some(0), ..Default::default() };
        assert_eq!(limits_from_proto(Some(none)).unwrap().lock_retries, 0);
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let wrong = [
            v1::MigrationLimits { lock_timeout: seconds(3601), ..Default::default() },
            v1::MigrationLimits { statement_timeout: seconds(86_401), ..Default::default() },
            v1::MigrationLimits { run_lock_timeout: seconds(-1), ..Default::default() },
            v1::MigrationLimits { lock_retries: Some(11), ..Default::default() },
        ];
        for limits in wrong {
            assert!(limits_from_proto(Some(limits)).unwrap_err().message().starts_with("limits."), "{limits:?}");
        }
    }
}
