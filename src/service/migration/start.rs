//! Starting a run: everything that can be refused is refused before the operation is stored.

use super::{
    MigrationService,
    plan::{self, Extent, Plan, PlanRequest},
    rules, script,
    view::Target,
};
use crate::{
    engine::Migrate,
    model::{
        CallContext, ConnectionId, Error, MigrationSetId, Reason, RequestKey, Result,
        migration::{Direction, MigrationLimits, Version},
        name,
        operation::{Operation, OperationSpec, Progress, ProgressUnit},
    },
    operation::NewOperation,
};

/// What is to be applied where.
#[derive(Debug, Clone)]
pub struct ApplyMigrations {
    /// The set.
    pub set: MigrationSetId,
    /// The target.
    pub connection: ConnectionId,
    /// Last version to apply; absent: all that is pending.
    pub target: Option<Version>,
    /// Older pending migrations are applied too.
    pub allow_out_of_order: bool,
    /// How the run behaves.
    pub limits: MigrationLimits,
    /// Check everything, apply nothing.
    pub validate_only: bool,
}

/// How far is reverted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevertExtent {
    /// That many of the newest.
    Steps(u32),
    /// All that is newer than this version; `0`: everything.
    To(Version),
}

/// What is to be reverted where.
#[derive(Debug, Clone)]
pub struct RevertMigrations {
    /// The set.
    pub set: MigrationSetId,
    /// The target.
    pub connection: ConnectionId,
    /// How far.
    pub extent: RevertExtent,
    /// How the run behaves.
    pub limits: MigrationLimits,
    /// Check everything, revert nothing.
    pub validate_only: bool,
}

/// What a start came to.
pub enum StartedRun {
    /// The operation is stored and begins as soon as its turn comes.
    Operation(Box<Operation>),
    /// With `validate_only`: this would have been started.
    Valid(Box<NewOperation>),
}

/// Everything newer than a version; `0` is older than all.
pub(super) fn revert_to(version: Version) -> Extent {
    if version.as_str().bytes().all(|byte| byte == b'0') { Extent::All } else { Extent::To(version) }
}

/// A run of either direction.
struct Run<'a> {
    set: &'a MigrationSetId,
    connection: &'a ConnectionId,
    plan: PlanRequest,
    target_version: String,
    limits: &'a MigrationLimits,
    validate_only: bool,
}

impl MigrationService {
    /// Applies what is pending, as an operation.
    pub async fn apply(
        &self,
        context: &CallContext,
        apply: &ApplyMigrations,
        request: Option<&RequestKey>,
    ) -> Result<StartedRun> {
        let run = Run {
            set: &apply.set,
            connection: &apply.connection,
            plan: PlanRequest {
                direction: Direction::Up,
                extent: apply.target.clone().map_or(Extent::All, Extent::To),
                allow_out_of_order: apply.allow_out_of_order,
            },
            target_version: apply.target.as_ref().map_or_else(String::new, ToString::to_string),
            limits: &apply.limits,
            validate_only: apply.validate_only,
        };
        self.start_run(context, run, request).await
    }

    /// Reverts what is applied, the newest first, as an operation.
    pub async fn revert(
        &self,
        context: &CallContext,
        revert: &RevertMigrations,
        request: Option<&RequestKey>,
    ) -> Result<StartedRun> {
        let (extent, target_version) = match &revert.extent {
            RevertExtent::Steps(steps) if !(1..=100_000).contains(steps) => {
                return Err(Error::invalid_field("steps", "must be 1 to 100,000"));
            }
            RevertExtent::Steps(steps) => (Extent::Steps(*steps), String::new()),
            RevertExtent::To(version) => (revert_to(version.clone()), version.to_string()),
        };
        let run = Run {
            set: &revert.set,
            connection: &revert.connection,
            plan: PlanRequest { direction: Direction::Down, extent, allow_out_of_order: false },
            target_version,
            limits: &revert.limits,
            validate_only: revert.validate_only,
        };
        self.start_run(context, run, request).await
    }

    async fn start_run(&self, context: &CallContext, run: Run<'_>, request: Option<&RequestKey>) -> Result<StartedRun> {
        if let Some(operation) = self.operations.earlier(context, request).await? {
            return Ok(StartedRun::Operation(Box::new(operation)));
        }
        rules::check_limits(run.limits)?;
        let record = self.store.connection(context.account(), run.connection).await?;
        let settings = &record.connection.settings;
        if settings.read_only {
            return Err(read_only(run.connection));
        }
        let target = self.target(context, run.set, run.connection).await?;
        let new = new_operation(&target, &run, settings.database_key(context.account(), &settings.database))?;
        if run.validate_only {
            return Ok(StartedRun::Valid(Box::new(new)));
        }
        let operation = self.operations.start(context, request, new).await?;
        Ok(StartedRun::Operation(Box::new(operation)))
    }
}

fn new_operation(target: &Target, run: &Run<'_>, exclusive_key: String) -> Result<NewOperation> {
    let plan = plan::plan(&target.migrations, &target.history, &run.plan)?;
    if let Some(refusal) = plan.refusal() {
        return Err(refusal);
    }
    check_scripts(target.lease.require_migrate()?, run.plan.direction, &plan)?;
    let versions: Vec<Version> = plan.steps.iter().map(|step| step.version.clone()).collect();
    let total = versions.len() as u64;
    Ok(NewOperation {
        connection: Some(run.connection.clone()),
        spec: OperationSpec::Migrate {
            set: run.set.clone(),
            direction: run.plan.direction,
            versions,
            target_version: run.target_version.clone(),
            allow_out_of_order: run.plan.allow_out_of_order,
            limits: run.limits.clone(),
        },
        exclusive_key: Some(exclusive_key),
        progress: Progress { done: 0, total, unit: ProgressUnit::Migrations, message: String::new() },
    })
}

/// Cuts every script once, so that one that cannot be cut is told before any has run.
fn check_scripts(migrate: &dyn Migrate, direction: Direction, plan: &Plan<'_>) -> Result<()> {
    for step in &plan.steps {
        let script = match direction {
            Direction::Up => Some(&step.migration.up),
            Direction::Down => step.migration.down.as_ref(),
        };
        if let Some(script) = script {
            let in_transaction = script.transactional && migrate.transactional_ddl();
            script::statements(script, migrate.dialect(), in_transaction)?;
        }
    }
    Ok(())
}

fn read_only(connection: &ConnectionId) -> Error {
    Error::new(
        Reason::ConnectionReadOnly,
        format!(
            "{} is registered as read only; take that off with UpdateConnection, or use another connection",
            name::connection(connection)
        ),
    )
}
