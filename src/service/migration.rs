//! Migration sets, and bringing databases to a version of them.
//!
//! Files become migrations in [`import`], a set and a history become steps in [`plan`], a script becomes statements in
//! [`script`] by the [`splitter`] of the dialect. [`view`] shows that to callers; the executor runs it as an operation.

mod append;
mod executor;
pub mod import;
pub mod plan;
mod rules;
mod runner;
pub mod script;
pub mod splitter;
mod start;
pub mod view;

use std::collections::HashMap;

pub use append::NewMigration;
pub use executor::MigrationExecutor;
use import::{ImportedMigrations, MigrationFile};
pub use start::{ApplyMigrations, RevertExtent, RevertMigrations, StartedRun};

use crate::{
    model::{
        CallContext, Detail, Error, MigrationSetId, Reason, RequestKey, Result, Timestamp,
        migration::{Migration, MigrationFormat, MigrationSet, MigrationSummary},
        name,
        page::{Page, PageRequest},
    },
    operation::Operations,
    pool::Pools,
    store::{Store, migration_set::exists, request::Inserted},
};

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// The layout that was found.
    pub format: MigrationFormat,
    /// Migrations that are new in the set.
    pub added: u32,
    /// Migrations whose text changed.
    pub changed: u32,
    /// Migrations that were there already, the same.
    pub unchanged: u32,
    /// The set afterwards; with `validate_only` as it is.
    pub set: MigrationSet,
}

/// How files are imported.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions {
    /// The layout; absent: told from the files.
    pub format: Option<MigrationFormat>,
    /// New texts are taken for versions that the set already has.
    pub allow_changes: bool,
    /// The revision that the set must have; absent: whichever it has.
    pub expected: Option<u64>,
    /// Everything is checked and nothing stored.
    pub validate_only: bool,
}

/// Migration sets and runs of them. Cheap to clone.
#[derive(Clone)]
pub struct MigrationService {
    store: Store,
    pools: Pools,
    operations: Operations,
}

impl MigrationService {
    /// A service over the store, the pools and the operations.
    pub fn new(store: Store, pools: Pools, operations: Operations) -> Self {
        Self { store, pools, operations }
    }

    /// Makes an empty set.
    pub async fn create_set(
        &self,
        context: &CallContext,
        id: Option<MigrationSetId>,
        display_name: String,
        request: Option<&RequestKey>,
        validate_only: bool,
    ) -> Result<MigrationSet> {
        if let Some(resource) = self.store.earlier_request(context.account(), request).await? {
            return self.get_set(context, &name::parse_migration_set(&resource, "name")?).await;
        }
        rules::check_display_name(&display_name)?;
        let now = Timestamp::now();
        let id = id.unwrap_or_else(MigrationSetId::generate);
        let set = MigrationSet {
            id,
            display_name,
            migration_count: 0,
            latest: None,
            created: now,
            updated: now,
            revision: 1,
        };
        if validate_only {
            return match self.get_set(context, &set.id).await {
                Ok(taken) => Err(exists(&taken.id)),
                Err(error) if error.reason() == Reason::MigrationSetNotFound => Ok(set),
                Err(error) => Err(error),
            };
        }
        match self.store.insert_migration_set(context.account(), &set, request).await? {
            Inserted::New => Ok(set),
            Inserted::Earlier(resource) => self.get_set(context, &name::parse_migration_set(&resource, "name")?).await,
        }
    }

    /// One set.
    pub async fn get_set(&self, context: &CallContext, id: &MigrationSetId) -> Result<MigrationSet> {
        self.store.migration_set(context.account(), id).await
    }

    /// One set, at the revision that is expected of it. ETAG_MISMATCH where it has another.
    pub async fn get_set_at(
        &self,
        context: &CallContext,
        id: &MigrationSetId,
        expected: Option<u64>,
    ) -> Result<MigrationSet> {
        let set = self.get_set(context, id).await?;
        match expected {
            Some(expected) if expected != set.revision => {
                Err(Error::etag_mismatch("migrationSet", name::migration_set(id)))
            }
            _ => Ok(set),
        }
    }

    /// Reads files into a set, all or none.
    pub async fn import(
        &self,
        context: &CallContext,
        id: &MigrationSetId,
        files: &[MigrationFile],
        options: ImportOptions,
    ) -> Result<ImportReport> {
        let set = self.get_set_at(context, id, options.expected).await?;
        let imported = import::read_files(files, options.format)?;
        let known = self.store.migration_summaries(context.account(), id).await?;
        let mut report = compare(&imported, &known, options.allow_changes, set)?;
        if options.validate_only || report.added + report.changed + report.unchanged == 0 {
            return Ok(report);
        }
        // What is unchanged by its checksum may still have another title, or run without a transaction now.
        let revision = report.set.revision;
        self.store.write_migrations(context.account(), id, &imported.migrations, revision).await?;
        report.set = self.get_set(context, id).await?;
        tracing::info!(set = %id, added = report.added, changed = report.changed, "migrations imported");
        Ok(report)
    }

    /// A page of the migrations of a set, by version.
    pub async fn list(
        &self,
        context: &CallContext,
        id: &MigrationSetId,
        page: &PageRequest,
    ) -> Result<Page<MigrationSummary>> {
        let set = self.get_set(context, id).await?;
        let found = self.store.migration_page(context.account(), id, page).await?;
        Ok(found.with_total(u64::from(set.migration_count)))
    }
}

/// Counts what is new, and refuses what may not change.
fn compare(
    imported: &ImportedMigrations,
    known: &[MigrationSummary],
    allow_changes: bool,
    set: MigrationSet,
) -> Result<ImportReport> {
    let known: HashMap<String, &MigrationSummary> =
        known.iter().map(|summary| (summary.version.sort_key(), summary)).collect();
    let mut report = ImportReport { format: imported.format, added: 0, changed: 0, unchanged: 0, set };
    let mut refused = Vec::new();
    for migration in &imported.migrations {
        match known.get(&migration.version.sort_key()) {
            None => report.added += 1,
            Some(known) if known.version != migration.version => return Err(same_version(known, migration)),
            Some(known) if known.checksum == migration.checksum => report.unchanged += 1,
            Some(_) => {
                report.changed += 1;
                refused.push(migration);
            }
        }
    }
    match refused.first() {
        Some(first) if !allow_changes => Err(text_changed(first, refused.len())),
        _ => Ok(report),
    }
}

fn same_version(known: &MigrationSummary, migration: &Migration) -> Error {
    let text = format!(
        "{:?} has the version of {:?}, which is in the set; give one of them another version",
        migration.up.file, known.file
    );
    Error::new(Reason::DuplicateMigrationVersion, format!("files: {text}"))
        .with(Detail::Field { field: "files".to_owned(), description: text })
}

fn text_changed(first: &Migration, count: usize) -> Error {
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    Error::new(
        Reason::MigrationChanged,
        format!(
            "version {} ({}){more} is in the set with another text; put the change into a new migration, or set \
             allow_changes where it was applied nowhere",
            first.version, first.up.file
        ),
    )
    .with_metadata("version", first.version.as_str())
}
