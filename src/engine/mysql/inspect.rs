//! Reads the schema: one catalog query a view of information_schema for many tables at once, joined in memory.
//!
//! What the products call a database is the schema here, and a connection sees one: its own.
//!
//! Neither product gives one snapshot of its catalog: a definition that changes while it is read shows in what is read later.

mod assemble;
mod catalog;
mod creation;
mod dependent;
mod marker;
mod names;
mod objects;
mod read_ddl;
mod sample;
mod sequence;
mod skipped;
mod totals;

use async_trait::async_trait;
use sqlx::{MySqlConnection, mysql::MySqlRow};
use tokio::sync::mpsc;

use self::{
    catalog::{Catalog, Part, Scope, is_unreadable, text},
    skipped::Blindness,
};
use super::{database::MysqlDatabase, row, server::Server, source::MysqlSource};
use crate::{
    engine::{Inspect, session_pool::SessionLease},
    model::{
        Error, Reason, Result,
        name::QualifiedName,
        schema::{
            DatabaseInfo, ObjectGrant, SecurityContext, Skipped, Table, TableFilter, TableKind, TableList, TableLookup,
            TablePage,
        },
    },
};

/// Tables that a stream reads first: few, so that the first of them is early.
const FIRST_BATCH: usize = 100;
/// Tables that a stream holds in memory at one time.
const BATCH: usize = 500;
/// How often tables are read when others take locks in the middle of it.
const ATTEMPTS: u32 = 3;

#[async_trait]
impl Inspect for MysqlDatabase {
    async fn database(&self) -> Result<DatabaseInfo> {
        let (mut lease, session) = self.reading_lease().await?;
        let work = totals::read(&mut lease, &self.server, &self.settings().database);
        let found = self.abandonment.watch(session.id, work).await.map_err(|cause| self.failed(cause))?;
        lease.give_back().await;
        Ok(found)
    }

    async fn list_tables(&self, filter: &TableFilter, page: &TablePage) -> Result<TableList> {
        let schema = self.settings().database.as_str();
        if filter.schema.as_deref().is_some_and(|wanted| wanted != schema) {
            return Ok(TableList::default());
        }
        let (mut lease, session) = self.reading_lease().await?;
        let work = list(&mut lease, &self.server, schema, filter, page);
        let found = self.abandonment.watch(session.id, work).await.map_err(|cause| self.failed(cause))?;
        lease.give_back().await;
        Ok(found)
    }

    async fn stream_tables(&self, filter: &TableFilter, tables: mpsc::Sender<Table>) -> Result<Vec<Skipped>> {
        let schema = self.settings().database.as_str();
        if filter.schema.as_deref().is_some_and(|wanted| wanted != schema) {
            return Ok(Vec::new());
        }
        let (mut lease, session) = self.reading_lease().await?;
        let work = self.abandonment.watch(session.id, self.stream(&mut lease, &session, filter, &tables));
        let streamed = tokio::select! {
            biased;
            // A receiver that goes away does not wait for the query that runs.
            () = tables.closed() => return Ok(Vec::new()),
            streamed = work => streamed?,
        };
        lease.give_back().await;
        Ok(streamed)
    }

    async fn table(&self, name: &QualifiedName) -> Result<Option<TableLookup>> {
        let schema = self.settings().database.as_str();
        if name.schema.as_ref().is_some_and(|wanted| wanted.as_str() != schema) {
            return Ok(None);
        }
        let (mut lease, session) = self.reading_lease().await?;
        let work = Box::pin(self.look_up(&mut lease, &session, name.name.as_str()));
        let found = self.abandonment.watch(session.id, work).await?;
        lease.give_back().await;
        Ok(found)
    }

    async fn change_marker(&self) -> Result<Option<String>> {
        marker::read(self).await.map(Some)
    }
}

/// A session that reads the catalog.
struct ReadingSession {
    /// Its id on the server.
    id: u64,
    /// Collation of the database, which columns that differ from it tell.
    collation: String,
}

impl MysqlDatabase {
    async fn reading_lease(&self) -> Result<(SessionLease<MysqlSource>, ReadingSession)> {
        let mut lease = self.lease().await?;
        let found = sqlx::query("SELECT CONNECTION_ID(), @@collation_database").fetch_one(&mut *lease).await;
        let read =
            |found: MySqlRow| Ok(ReadingSession { id: row::unsigned(&found, 0)?, collation: row::text(&found, 1)? });
        let session = found.and_then(read).map_err(|cause| self.failed(cause))?;
        Ok((lease, session))
    }

    /// Reads some tables, again where another took a lock in the middle.
    async fn catalog(&self, connection: &mut MySqlConnection, scope: Scope<'_>) -> Result<Catalog> {
        for _ in 0..ATTEMPTS {
            let read = Catalog::read(connection, &self.server, scope).await;
            if let Some(catalog) = read.map_err(|cause| self.failed(cause))? {
                return Ok(catalog);
            }
        }
        let text = "tables are locked again and again while they are read; repeat it when the sessions that lock them have ended";
        Err(Error::new(Reason::LockTimeout, text))
    }

    async fn blindness(&self, connection: &mut MySqlConnection) -> Result<Blindness> {
        let read = Blindness::read(connection, &self.settings().database).await;
        read.map_err(|cause| self.failed(cause))
    }

    async fn stream(
        &self,
        connection: &mut MySqlConnection,
        session: &ReadingSession,
        filter: &TableFilter,
        tables: &mpsc::Sender<Table>,
    ) -> Result<Vec<Skipped>> {
        let schema = self.settings().database.as_str();
        let names = names::names(connection, schema, filter.kind).await.map_err(|cause| self.failed(cause))?;
        let blindness = self.blindness(connection).await?;
        let mut skipped: Vec<Skipped> =
            blindness.hidden_tables().into_iter().chain(blindness.of_all_tables()).collect();
        let (first, rest) = names.split_at(names.len().min(FIRST_BATCH));
        for batch in [first].into_iter().chain(rest.chunks(BATCH)) {
            let mut wanted = batch.iter().filter(|name| filter.takes_name(name));
            let Some(first) = wanted.next() else { continue };
            let part = Part::Between(first, wanted.next_back().unwrap_or(first));
            let catalog = Box::pin(self.catalog(connection, Scope { schema, part })).await?;
            skipped.extend(blindness.of_tables(&catalog));
            for table in assemble::tables(catalog, schema, &session.collation) {
                let is_wanted = filter.kind.is_none_or(|kind| kind == table.kind) && filter.takes_name(&table.name);
                if is_wanted && tables.send(table).await.is_err() {
                    return Ok(skipped);
                }
            }
        }
        Ok(skipped)
    }

    async fn look_up(
        &self,
        connection: &mut MySqlConnection,
        session: &ReadingSession,
        name: &str,
    ) -> Result<Option<TableLookup>> {
        let schema = self.settings().database.as_str();
        let catalog = self.catalog(connection, Scope { schema, part: Part::Table(name) }).await?;
        // The catalog compares without regard to case.
        let Some(relation) = catalog.tables.iter().find(|relation| text(relation, 0) == name) else { return Ok(None) };
        if is_unreadable(relation) {
            return Err(cannot_open(schema, name, &text(relation, 6)));
        }
        let blindness = self.blindness(connection).await?;
        let mut skipped: Vec<Skipped> = blindness.of_all_tables().collect();
        skipped.extend(blindness.of_tables(&catalog));
        let found = assemble::tables(catalog, schema, &session.collation).into_iter().find(|table| table.name == name);
        let Some(table) = found else { return Ok(None) };
        let read = dependent::of_table(connection, &self.server, schema, name, &blindness).await;
        let (dependents, unknown) = read.map_err(|cause| self.failed(cause))?;
        skipped.extend(unknown);
        Ok(Some(TableLookup { table, dependents, skipped }))
    }
}

/// A table that is there and cannot be opened, with the server's words: most often it is locked.
fn cannot_open(schema: &str, name: &str, words: &str) -> Error {
    let text = format!(
        "table {schema}.{name} cannot be opened: {words}; repeat it when no other session holds the table, ListSessions shows \
         who does"
    );
    Error::new(Reason::LockTimeout, text)
}

async fn list(
    connection: &mut MySqlConnection,
    server: &Server,
    schema: &str,
    filter: &TableFilter,
    page: &TablePage,
) -> Result<TableList, sqlx::Error> {
    let mut names = names::names(connection, schema, filter.kind).await?;
    names.retain(|name| filter.takes_name(name));
    let total = names.len() as u64;
    if page.order.is_by_name() {
        names.retain(|name| page.after_name().is_none_or(|after| (schema, name.as_str()) > after));
        names.truncate(page.limit as usize);
    }
    let (Some(first), Some(last)) = (names.first(), names.last()) else {
        return Ok(TableList { total, ..TableList::default() });
    };
    let (mut summaries, skipped) = names::summaries(connection, server, schema, first, last).await?;
    summaries.retain(|summary| names.binary_search(&summary.name).is_ok());
    Ok(TableList { tables: page.cut(summaries), total, skipped })
}

/// Kind by the word of information_schema; absent for what is no relation of the user's, as temporary tables.
fn table_kind(word: &str) -> Option<TableKind> {
    match word {
        "BASE TABLE" | "SYSTEM VERSIONED" => Some(TableKind::Table),
        "VIEW" => Some(TableKind::View),
        "SEQUENCE" => Some(TableKind::Sequence),
        _ => None,
    }
}

/// Storage engines that reach other servers, with a login in CONNECTION, in COMMENT or in an option of their own.
const ENGINES_WITH_LOGIN: [&str; 3] = ["FEDERATED", "SPIDER", "CONNECT"];

/// Whether tables of a storage engine hold the login to another server.
fn holds_login(storage_engine: &str) -> bool {
    ENGINES_WITH_LOGIN.iter().any(|known| storage_engine.eq_ignore_ascii_case(known))
}

/// What somebody wrote of a relation. A view's comment is always the word VIEW, which nobody wrote, or says that the view is broken,
/// and that of some engines is a login.
fn comment(kind: TableKind, storage_engine: &str, text: String) -> String {
    if kind == TableKind::View || holds_login(storage_engine) { String::new() } else { text }
}

fn security(word: &str) -> SecurityContext {
    match word {
        "DEFINER" => SecurityContext::Definer,
        "INVOKER" => SecurityContext::Invoker,
        _ => SecurityContext::Untold,
    }
}

/// A privilege from a row of name, grantee, privilege, whether it may be granted on, and column.
fn grant(found: &MySqlRow) -> ObjectGrant {
    ObjectGrant {
        grantee: text(found, 1),
        grantor: String::new(),
        privilege: text(found, 2),
        grantable: text(found, 3) == "YES",
        column: text(found, 4),
    }
}
