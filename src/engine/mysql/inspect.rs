//! Reads the schema: one catalog query a view of information_schema, joined in memory.
//!
//! What the products call a database is the schema here, and a connection sees one: its own.

mod assemble;
mod catalog;

use async_trait::async_trait;
use tokio::sync::mpsc;

use self::catalog::{Catalog, Scope};
use super::{database::MysqlDatabase, row};
use crate::{
    engine::Inspect,
    model::{
        Result,
        name::QualifiedName,
        schema::{DatabaseInfo, Skipped, Table, TableFilter, TableKind, TableList, TableLookup, TablePage},
    },
};

#[async_trait]
impl Inspect for MysqlDatabase {
    async fn database(&self) -> Result<DatabaseInfo> {
        let name = &self.settings().database;
        let mut lease = self.lease().await?;
        let work = async {
            let whole = sqlx::query(include_str!("inspect/catalog/database.sql"))
                .bind(name)
                .bind(name)
                .fetch_one(&mut *lease)
                .await?;
            let indexes =
                sqlx::query(include_str!("inspect/catalog/index_count.sql")).bind(name).fetch_one(&mut *lease).await?;
            let (data_size_bytes, index_size_bytes) = (row::number(&whole, 2)?, row::number(&whole, 3)?);
            Ok(DatabaseInfo {
                database: name.clone(),
                character_set: row::text(&whole, 0)?,
                collation: row::text(&whole, 1)?,
                size_bytes: data_size_bytes + index_size_bytes,
                data_size_bytes,
                index_size_bytes,
                schema_count: 1,
                table_count: row::number(&whole, 4)?,
                view_count: row::number(&whole, 5)?,
                index_count: row::number(&indexes, 0)?,
                row_estimate: row::number(&whole, 6)?,
                ..DatabaseInfo::default()
            })
        };
        let info: Result<_, sqlx::Error> = work.await;
        let info = info.map_err(|cause| self.failed(cause))?;
        lease.give_back().await;
        Ok(info)
    }

    async fn list_tables(&self, filter: &TableFilter, page: &TablePage) -> Result<TableList> {
        let schema = self.settings().database.as_str();
        if filter.schema.as_deref().is_some_and(|wanted| wanted != schema) {
            return Ok(TableList::default());
        }
        let mut lease = self.lease().await?;
        let mut names = catalog::names(&mut lease, schema, filter.kind).await.map_err(|cause| self.failed(cause))?;
        names.retain(|name| filter.takes_name(name));
        let total = names.len() as u64;
        if page.order.is_by_name() {
            names.retain(|name| page.after_name().is_none_or(|after| (schema, name.as_str()) > after));
            names.truncate(page.limit as usize);
        }
        let (Some(first), Some(last)) = (names.first(), names.last()) else {
            lease.give_back().await;
            return Ok(TableList { total, ..TableList::default() });
        };
        let mut summaries =
            catalog::summaries(&mut lease, schema, first, last).await.map_err(|cause| self.failed(cause))?;
        lease.give_back().await;
        summaries.retain(|summary| names.binary_search(&summary.name).is_ok());
        Ok(TableList { tables: page.cut(summaries), total, skipped: Vec::new() })
    }

    async fn stream_tables(&self, filter: &TableFilter, tables: mpsc::Sender<Table>) -> Result<Vec<Skipped>> {
        let schema = self.settings().database.as_str();
        if filter.schema.as_deref().is_some_and(|wanted| wanted != schema) {
            return Ok(Vec::new());
        }
        let catalog = self.catalog(Scope { schema, table: None }).await?;
        let skipped = catalog.skipped(&self.settings().username);
        for table in assemble::tables(catalog, schema) {
            if filter.kind.is_some_and(|kind| kind != table.kind) || !filter.takes_name(&table.name) {
                continue;
            }
            if tables.send(table).await.is_err() {
                break;
            }
        }
        Ok(skipped)
    }

    async fn table(&self, name: &QualifiedName) -> Result<Option<TableLookup>> {
        let schema = self.settings().database.as_str();
        if name.schema.as_ref().is_some_and(|wanted| wanted.as_str() != schema) {
            return Ok(None);
        }
        let catalog = self.catalog(Scope { schema, table: Some(name.name.as_str()) }).await?;
        // The catalog compares without regard to case.
        let found = assemble::tables(catalog, schema).into_iter().find(|table| table.name == name.name.as_str());
        Ok(found.map(|table| TableLookup { table, ..TableLookup::default() }))
    }
}

impl MysqlDatabase {
    async fn catalog(&self, scope: Scope<'_>) -> Result<Catalog> {
        let mut lease = self.lease().await?;
        let catalog = Catalog::read(&mut lease, &self.server, scope).await.map_err(|cause| self.failed(cause))?;
        lease.give_back().await;
        Ok(catalog)
    }
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
