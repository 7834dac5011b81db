//! Reading the schemas of registered databases.

mod advice;
mod cache;
mod ddl;
mod definition;
mod difference;
mod lint;
mod lint_settings;
mod lint_stream;
mod mask;
mod sample;
mod stream;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio_util::task::TaskTracker;

use self::cache::{AnswerCache, Question};
pub use self::{
    advice::{
        ADVICE_RULES, AdviceRequest, AdviceSelection, DEFAULT_RECOMMENDATIONS, MAX_OWN_STATEMENTS, MAX_RECOMMENDATIONS,
        MAX_STATEMENT_SIZE, MAX_WINDOW,
    },
    cache::Discovery,
    ddl::{DdlCounts, DdlEvent, DdlStream},
    definition::{Generated, SchemaSource, export::TableSize, recorded},
    difference::{Difference, DifferenceRequest, MigrationScript, ToldChange},
    lint::{LintSelection, RULES},
    lint_settings::LintSettingsService,
    lint_stream::{LintCounts, LintEvent, LintRequest, LintStream, LintSummary},
    sample::{DEFAULT_SAMPLE_ROWS, DEFAULT_VALUE_LENGTH, MAX_VALUE_LENGTH, Masking, SampleRequest, SampledRows},
    stream::{TableEvent, TableStream},
};
use super::databases::{Databases, Reader};
use crate::model::{
    AccountId, CallContext, ConnectionId, Detail, Error, Reason, Result,
    backup::BackupSchema,
    connection::{EngineKind, ServerInfo},
    name::{self, BackupName, QualifiedName},
    page::{Page, PageRequest},
    schema::{
        DatabaseInfo, ObjectFilter, ObjectKey, ObjectPage, SchemaObject, Skipped, TableFilter, TableKey, TableLookup,
        TableOrder, TablePage, TableSummary, approximate_size,
    },
};

/// Oldest answer that may be asked for.
pub const MAX_ANSWER_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Most that a page of objects or a sample may come to, so that no client refuses it.
const MAX_ANSWER_SIZE: usize = 2 * 1024 * 1024;
/// Most dependents of a table that are told.
const MAX_DEPENDENTS: usize = 10_000;

/// A database as a whole, with who serves it.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseDescription {
    /// Its engine.
    pub engine: EngineKind,
    /// Who answers.
    pub server: ServerInfo,
    /// The database.
    pub info: DatabaseInfo,
}

/// A page, and what of it could not be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// The page, with the count of all.
    pub page: Page<T>,
    /// What could not be read.
    pub skipped: Vec<Skipped>,
}

/// What was read, when, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Served<T> {
    /// What was read.
    pub found: T,
    /// The replica that it was read from; absent: the connection itself.
    pub served_by: Option<ConnectionId>,
    /// When and for how long it was read.
    pub discovery: Discovery,
}

/// Where the schemas are found that backups were taken of.
#[async_trait]
pub trait RecordedSchemas: Send + Sync {
    /// The engine and the schema of a backup, or BACKUP_NOT_FOUND, or BACKUP_SCHEMA_MISSING.
    async fn schema(&self, account: &AccountId, backup: &BackupName) -> Result<(EngineKind, BackupSchema)>;
}

/// Reads schemas.
#[derive(Clone)]
pub struct SchemaService {
    databases: Arc<dyn Databases>,
    tasks: TaskTracker,
    backups: Arc<dyn RecordedSchemas>,
    answers: Arc<AnswerCache>,
}

impl SchemaService {
    /// Streams are read by tasks of `tasks`.
    pub fn new(databases: Arc<dyn Databases>, tasks: TaskTracker, backups: Arc<dyn RecordedSchemas>) -> Self {
        Self { databases, tasks, backups, answers: Arc::default() }
    }

    /// The database as a whole, as it was `max_age` ago or later.
    pub async fn get_database(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        max_age: Duration,
    ) -> Result<Served<DatabaseDescription>> {
        let Reader { lease, served_by } = self.reader(context, connection).await?;
        let inspect = lease.require_inspect()?;
        let read = async {
            let info = inspect.database().await?;
            Ok(DatabaseDescription { engine: lease.kind(), server: lease.server().clone(), info })
        };
        let (found, discovery) = self.answers.answer(&lease, Question::Database, max_age, read).await?;
        Ok(Served { found, served_by, discovery })
    }

    /// A page of tables, with the count of all.
    pub async fn list_tables(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        filter: &TableFilter,
        order: TableOrder,
        request: &PageRequest,
        max_age: Duration,
    ) -> Result<Served<Listed<TableSummary>>> {
        let after = request.after.as_deref().map(TableKey::from_words).transpose()?;
        // One more than the page holds tells whether there is a next page.
        let wanted = TablePage { order, after, limit: request.size.saturating_add(1) };
        let Reader { lease, served_by } = self.reader(context, connection).await?;
        let inspect = lease.require_inspect()?;
        let read = async {
            let list = inspect.list_tables(filter, &wanted).await?;
            let page = Page::cut(list.tables, request.size, |table| order.key(table).to_words());
            Ok(Listed { page: page.with_total(list.total), skipped: list.skipped })
        };
        let question = Question::Tables(filter.clone(), wanted.clone());
        let (found, discovery) = self.answers.answer(&lease, question, max_age, read).await?;
        Ok(Served { found, served_by, discovery })
    }

    /// One table with what depends on it, or TABLE_NOT_FOUND.
    pub async fn get_table(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        table: &QualifiedName,
        max_age: Duration,
    ) -> Result<Served<TableLookup>> {
        let Reader { lease, served_by } = self.reader(context, connection).await?;
        let inspect = lease.require_inspect()?;
        let read = async {
            let found = inspect.table(table).await?;
            Ok(bounded(found.ok_or_else(|| not_found(connection, table))?))
        };
        let question = Question::Table(table.clone());
        let (found, discovery) = self.answers.answer(&lease, question, max_age, read).await?;
        Ok(Served { found, served_by, discovery })
    }

    /// A page of what is no table, with the count of all. Cut earlier than asked for where it grows too large.
    pub async fn list_objects(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        filter: &ObjectFilter,
        request: &PageRequest,
        max_age: Duration,
    ) -> Result<Served<Listed<SchemaObject>>> {
        let after = request.after.as_deref().map(ObjectKey::from_words).transpose()?;
        let wanted = ObjectPage { after, limit: request.size.saturating_add(1) };
        let Reader { lease, served_by } = self.reader(context, connection).await?;
        let inspect = lease.require_inspect_objects()?;
        let read = async {
            let mut list = inspect.list_objects(filter, &wanted).await?;
            list.objects.iter_mut().for_each(SchemaObject::cut_texts);
            let size = request.size.min(fitting(&list.objects));
            let page = Page::cut(list.objects, size, |object| ObjectKey::of(object).to_words());
            Ok(Listed { page: page.with_total(list.total), skipped: list.skipped })
        };
        let question = Question::Objects(filter.clone(), wanted.clone());
        let (found, discovery) = self.answers.answer(&lease, question, max_age, read).await?;
        Ok(Served { found, served_by, discovery })
    }

    async fn reader(&self, context: &CallContext, connection: &ConnectionId) -> Result<Reader> {
        self.databases.reader(context.account(), connection).await
    }
}

/// How many of some objects fit into an answer; one does always, for its texts are cut.
fn fitting(objects: &[SchemaObject]) -> u32 {
    let mut size = 0;
    let fits = objects.iter().take_while(|object| {
        size += approximate_size(object);
        size <= MAX_ANSWER_SIZE
    });
    u32::try_from(fits.count()).unwrap_or(u32::MAX).max(1)
}

/// Leaves out dependents that are too many to tell, and says so.
fn bounded(mut found: TableLookup) -> TableLookup {
    let left_out = found.dependents.len().saturating_sub(MAX_DEPENDENTS);
    if left_out > 0 {
        found.dependents.truncate(MAX_DEPENDENTS);
        found.skipped.push(Skipped {
            subject: format!("{left_out} dependents"),
            reason: format!("the table has more than {MAX_DEPENDENTS}"),
            remedy: String::new(),
            ..Skipped::default()
        });
    }
    found
}

fn not_found(connection: &ConnectionId, table: &QualifiedName) -> Error {
    let name = match &table.schema {
        Some(schema) => format!("{}.{}", schema.as_str(), table.name.as_str()),
        None => table.name.as_str().to_owned(),
    };
    let connection = name::connection(connection);
    Error::new(
        Reason::TableNotFound,
        format!("{connection} has no table {name:?}; names are compared exactly, and ListTables tells which there are"),
    )
    .with(Detail::Resource { kind: "table", name })
    .with_metadata("connection", connection)
}
