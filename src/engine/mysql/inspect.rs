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
        schema::{DatabaseInfo, Skipped, Table, TableFilter, TableKind, TableSummary},
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
                skipped: Vec::new(),
            })
        };
        let info: Result<_, sqlx::Error> = work.await;
        let info = info.map_err(|cause| self.failed(cause))?;
        lease.give_back().await;
        Ok(info)
    }

    async fn list_tables(
        &self,
        filter: &TableFilter,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> Result<(Vec<TableSummary>, u64)> {
        let schema = self.settings().database.as_str();
        if filter.schema.as_deref().is_some_and(|wanted| wanted != schema) {
            return Ok((Vec::new(), 0));
        }
        let mut lease = self.lease().await?;
        let names = catalog::names(&mut lease, schema, filter.kind).await.map_err(|cause| self.failed(cause))?;
        let total = names.len() as u64;
        let after_page = |name: &&String| after.is_none_or(|after| (schema, name.as_str()) > after);
        let page: Vec<&String> = names.iter().filter(after_page).take(limit as usize).collect();
        let (Some(first), Some(last)) = (page.first(), page.last()) else {
            lease.give_back().await;
            return Ok((Vec::new(), total));
        };
        let summaries =
            catalog::summaries(&mut lease, schema, first, last).await.map_err(|cause| self.failed(cause))?;
        lease.give_back().await;
        let wanted = |summary: &TableSummary| page.binary_search(&&summary.name).is_ok();
        Ok((summaries.into_iter().filter(wanted).collect(), total))
    }

    async fn stream_tables(&self, filter: &TableFilter, tables: mpsc::Sender<Table>) -> Result<Vec<Skipped>> {
        let schema = self.settings().database.as_str();
        if filter.schema.as_deref().is_some_and(|wanted| wanted != schema) {
            return Ok(Vec::new());
        }
        let catalog = self.catalog(Scope { schema, table: None }).await?;
        let skipped = catalog.skipped(&self.settings().username);
        for table in assemble::tables(catalog, schema) {
            if filter.kind.is_some_and(|kind| kind != table.kind) {
                continue;
            }
            if tables.send(table).await.is_err() {
                break;
            }
        }
        Ok(skipped)
    }

    async fn table(&self, name: &QualifiedName) -> Result<Option<Table>> {
        let schema = self.settings().database.as_str();
        if name.schema.as_ref().is_some_and(|wanted| wanted.as_str() != schema) {
            return Ok(None);
        }
        let catalog = self.catalog(Scope { schema, table: Some(name.name.as_str()) }).await?;
        // The catalog compares without regard to case.
        Ok(assemble::tables(catalog, schema).into_iter().find(|table| table.name == name.name.as_str()))
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
