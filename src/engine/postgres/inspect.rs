//! Reads the schema: which relations there are, then one query for each kind of detail over all that are wanted.

mod catalog;
mod column;
mod constraint;
mod dependent;
mod details;
mod index;
mod lock;
mod objects;
mod relation;
mod rewrite;
mod sample;
mod sql_text;
mod stream;
mod trigger;

use async_trait::async_trait;
use sqlx::Row;
use tokio::sync::mpsc;

use self::{
    dependent::dependents,
    details::Details,
    lock::{Gaps, locked_relations},
};
pub(super) use self::{
    lock::is_passing,
    objects::read_objects,
    relation::{keys, lookup},
    stream::PartReader,
};
use super::database::{PostgresDatabase, ReadTransaction};
use crate::{
    engine::Inspect,
    model::{
        Error, Reason, Result,
        name::QualifiedName,
        schema::{
            DatabaseInfo, FullTextTable, Hidden, Skipped, Table, TableFilter, TableList, TableLookup, TablePage,
            TableSummary,
        },
    },
};

const CHANGE_MARKER: &str = include_str!("inspect/catalog/change_marker.sql");
const DATABASE: &str = include_str!("inspect/catalog/database.sql");
const FULL_TEXT: &str = include_str!("inspect/catalog/full_text.sql");
const TOTALS: &str = include_str!("inspect/catalog/totals.sql");
/// A lock can be taken between the look at the locks and the query that meets it.
pub(super) const ATTEMPTS: u32 = 3;
/// Where a name without a schema is looked for.
pub(super) const DEFAULT_SCHEMA: &str = "public";

#[async_trait]
impl Inspect for PostgresDatabase {
    async fn database(&self) -> Result<DatabaseInfo> {
        let mut transaction = self.leases().begin().await?;
        let mut info = sizes(&mut transaction).await?;
        let query = transaction.query(TOTALS);
        for row in &transaction.rows(query).await? {
            (info.searchable_table_count, info.searchable_column_count) = (row.get(0), row.get(1));
        }
        let query = transaction.query(FULL_TEXT).bind(DatabaseInfo::MAX_FULL_TEXT_TABLES as i64);
        for row in &transaction.rows(query).await? {
            info.full_text_table_count = row.get("table_count");
            info.full_text_tables.push(FullTextTable {
                schema: row.get("schema"),
                table: row.get("name"),
                index: row.get("index"),
                columns: row.get("columns"),
            });
        }
        transaction.commit().await?;
        Ok(info)
    }

    async fn list_tables(&self, filter: &TableFilter, page: &TablePage) -> Result<TableList> {
        let mut transaction = self.leases().begin().await?;
        let oids = relation::keys(&mut transaction, filter, Some(page)).await?;
        let locked = locked_relations(&mut transaction).await?;
        let summaries = relation::summaries(&mut transaction, &oids, &locked).await?;
        let total = match page.order.is_by_name() {
            true => relation::count(&mut transaction, filter).await?,
            false => oids.len() as u64,
        };
        transaction.commit().await?;
        let tables = page.cut(summaries);
        let mut gaps = Gaps::default();
        let unmeasured = |table: &&TableSummary| table.data_size_bytes < 0 || table.index_size_bytes < 0;
        tables
            .iter()
            .filter(unmeasured)
            .for_each(|table| gaps.add_locked(format!("size of {}.{}", table.schema, table.name), Hidden::Nothing));
        Ok(TableList { tables, total, skipped: gaps.into_skipped("") })
    }

    async fn stream_tables(&self, filter: &TableFilter, tables: mpsc::Sender<Table>) -> Result<Vec<Skipped>> {
        Box::pin(stream::run(self, filter, tables)).await
    }

    async fn table(&self, name: &QualifiedName) -> Result<Option<TableLookup>> {
        let mut attempt = 1;
        loop {
            match self.read_table(name).await {
                Err(error) if attempt < ATTEMPTS && is_passing(&error) => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn change_marker(&self) -> Result<Option<String>> {
        let mut transaction = self.leases().begin().await?;
        let query = transaction.query(CHANGE_MARKER);
        let rows = transaction.rows(query).await?;
        transaction.commit().await?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }
}

impl PostgresDatabase {
    async fn read_table(&self, name: &QualifiedName) -> Result<Option<TableLookup>> {
        let schema = name.schema.as_ref().map_or(DEFAULT_SCHEMA, |schema| schema.as_str());
        let mut transaction = self.leases().begin().await?;
        let Some(oid) = relation::lookup(&mut transaction, schema, name.name.as_str()).await? else {
            transaction.commit().await?;
            return Ok(None);
        };
        let locked = locked_relations(&mut transaction).await?;
        if locked.contains(&oid) {
            let name = name.name.as_str();
            let text = format!(
                "{schema}.{name}, or something that it reads, is locked by another session; try again when it is done"
            );
            return Err(Error::new(Reason::LockTimeout, text));
        }
        let mut gaps = Gaps::default();
        let details = Details::read(&mut transaction, &[oid], &locked, &mut gaps).await?;
        let table = details.into_tables().pop();
        let dependents = dependents(&mut transaction, oid).await?;
        let skipped = gaps.into_skipped(transaction.username());
        transaction.commit().await?;
        Ok(table.map(|table| TableLookup { table, dependents, skipped }))
    }
}

/// The database without its totals.
async fn sizes(transaction: &mut ReadTransaction<'_>) -> Result<DatabaseInfo> {
    let locked = locked_relations(transaction).await?;
    let query = transaction.query(DATABASE).bind(&locked);
    let rows = transaction.rows(query).await?;
    let Some(row) = rows.first() else {
        return Err(Error::new(Reason::DatabaseUnknown, "the database was renamed; connect to it by its new name"));
    };
    let mut gaps = Gaps::default();
    if !locked.is_empty() {
        gaps.add_locked(format!("sizes of {} locked relations", locked.len()), Hidden::Nothing);
    }
    Ok(DatabaseInfo {
        database: row.get(0),
        character_set: row.get(1),
        collation: row.get(2),
        size_bytes: row.get(3),
        data_size_bytes: row.get(4),
        index_size_bytes: row.get(5),
        schema_count: row.get(6),
        table_count: row.get(7),
        view_count: row.get(8),
        index_count: row.get(9),
        row_estimate: row.get(10),
        skipped: gaps.into_skipped(transaction.username()),
        ..DatabaseInfo::default()
    })
}
