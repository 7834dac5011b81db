//! Reading the schemas of registered databases.

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::task::TaskTracker;

use super::databases::{Databases, Reader};
use crate::model::{
    CallContext, ConnectionId, Detail, Error, Reason, Result,
    connection::{EngineKind, ServerInfo},
    name::{self, QualifiedName},
    page::{Page, PageRequest},
    schema::{DatabaseInfo, Skipped, Table, TableFilter, TableSummary},
};

/// Tables that wait for a slow reader of a stream.
const STREAM_BUFFER: usize = 16;

/// A database as a whole, with who serves it.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseDescription {
    /// Its engine.
    pub engine: EngineKind,
    /// Who answers.
    pub server: ServerInfo,
    /// The database.
    pub info: DatabaseInfo,
    /// The replica that was read from; absent: the connection itself.
    pub served_by: Option<ConnectionId>,
}

/// What was read, and which replica it was read from; absent: the connection itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Served<T> {
    /// What was read.
    pub found: T,
    /// The replica.
    pub served_by: Option<ConnectionId>,
}

/// What a stream of tables tells.
#[derive(Debug, Clone, PartialEq)]
pub enum TableEvent {
    /// The next table.
    Table(Box<Table>),
    /// The end of a complete stream.
    Summary {
        /// Tables that were told.
        tables: u64,
        /// What could not be read.
        skipped: Vec<Skipped>,
    },
}

/// Reads schemas.
#[derive(Clone)]
pub struct SchemaService {
    databases: Arc<dyn Databases>,
    tasks: TaskTracker,
}

impl SchemaService {
    /// Streams are read by tasks of `tasks`.
    pub fn new(databases: Arc<dyn Databases>, tasks: TaskTracker) -> Self {
        Self { databases, tasks }
    }

    /// The database as a whole.
    pub async fn get_database(&self, context: &CallContext, connection: &ConnectionId) -> Result<DatabaseDescription> {
        let Reader { lease, served_by } = self.reader(context, connection).await?;
        let info = lease.run(lease.require_inspect()?.database()).await?;
        Ok(DatabaseDescription { engine: lease.kind(), server: lease.server().clone(), info, served_by })
    }

    /// A page of tables by schema and name, with the count of all.
    pub async fn list_tables(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        filter: &TableFilter,
        request: &PageRequest,
    ) -> Result<Served<Page<TableSummary>>> {
        let after = request.after.as_deref().map(parse_key).transpose()?;
        let Reader { lease, served_by } = self.reader(context, connection).await?;
        // One more than the page holds tells whether there is a next page.
        let tables = lease.require_inspect()?.list_tables(filter, after, request.size.saturating_add(1));
        let (tables, total) = lease.run(tables).await?;
        let key = |table: &TableSummary| vec![table.schema.clone(), table.name.clone()];
        Ok(Served { found: Page::cut(tables, request.size, key).with_total(total), served_by })
    }

    /// Every table that matches, by schema and name, as fast as the reader takes them.
    pub async fn stream_tables(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        filter: TableFilter,
    ) -> Result<TableStream> {
        let Reader { lease, served_by } = self.reader(context, connection).await?;
        lease.require_inspect()?;
        let (sender, tables) = mpsc::channel(STREAM_BUFFER);
        let reader = self.tasks.spawn(async move {
            let inspect = lease.require_inspect()?;
            lease.run(inspect.stream_tables(&filter, sender)).await
        });
        Ok(TableStream { tables, reader: Some(reader), count: 0, served_by })
    }

    /// One table, or TABLE_NOT_FOUND.
    pub async fn get_table(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        table: &QualifiedName,
    ) -> Result<Served<Table>> {
        let Reader { lease, served_by } = self.reader(context, connection).await?;
        let found = lease.run(lease.require_inspect()?.table(table)).await?;
        let found = found.ok_or_else(|| not_found(connection, table))?;
        Ok(Served { found, served_by })
    }

    async fn reader(&self, context: &CallContext, connection: &ConnectionId) -> Result<Reader> {
        self.databases.reader(context.account(), connection).await
    }
}

/// The tables of one stream. Dropping it lets the task that reads them end at its next table.
pub struct TableStream {
    tables: mpsc::Receiver<Table>,
    reader: Option<JoinHandle<Result<Vec<Skipped>>>>,
    count: u64,
    served_by: Option<ConnectionId>,
}

impl TableStream {
    /// The replica that is read from; absent: the connection itself.
    pub fn served_by(&self) -> Option<&ConnectionId> {
        self.served_by.as_ref()
    }

    /// The next event; none after the summary or an error.
    pub async fn next(&mut self) -> Option<Result<TableEvent>> {
        if let Some(table) = self.tables.recv().await {
            self.count += 1;
            return Some(Ok(TableEvent::Table(Box::new(table))));
        }
        let outcome = match self.reader.take()?.await {
            Ok(outcome) => outcome,
            Err(fault) => Err(Error::internal(fault)),
        };
        Some(outcome.map(|skipped| TableEvent::Summary { tables: self.count, skipped }))
    }
}

fn parse_key(key: &[String]) -> Result<(&str, &str)> {
    match key {
        [schema, name] => Ok((schema, name)),
        _ => Err(Error::new(Reason::PageTokenInvalid, "page_token is not one of a list of tables")),
    }
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
