//! Builds the neutral shape of a schema from the catalog and from the texts of the definitions.

mod build;
mod dependents;
mod full_text;
mod objects;
mod read_ddl;
mod sample;

use async_trait::async_trait;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::mpsc;

use super::{
    SCHEMA, SqliteDatabase,
    catalog::{self, Relation},
    error::from_sqlx,
};
use crate::{
    engine::Inspect,
    model::{
        Error, Result,
        name::QualifiedName,
        schema::{DatabaseInfo, Skipped, Table, TableFilter, TableList, TableLookup, TablePage},
    },
};

/// What failed where a call fails.
const UNREADABLE: &str = "cannot read the schema";
/// Tables that are held in memory at one time while all are streamed.
const BATCH: usize = 1000;

#[async_trait]
impl Inspect for SqliteDatabase {
    async fn database(&self) -> Result<DatabaseInfo> {
        let mut lease = self.pool.lease(UNREADABLE).await?;
        let found = async {
            let mut snapshot = lease.begin().await?;
            let found = catalog::database(&mut snapshot).await?;
            let searched = full_text::read(&mut snapshot, &found.virtual_tables).await?;
            snapshot.rollback().await?;
            Ok((found, searched))
        };
        let (found, searched) = found.await.map_err(unreadable)?;
        lease.give_back().await;
        let (data, indexes) = found.measured.unwrap_or((-1, -1));
        Ok(DatabaseInfo {
            database: self.settings.database.clone(),
            character_set: found.encoding,
            collation: "BINARY".to_owned(),
            size_bytes: found.bytes,
            data_size_bytes: data,
            index_size_bytes: indexes,
            schema_count: 1,
            table_count: found.tables,
            view_count: found.views,
            index_count: found.indexes,
            row_estimate: found.rows.unwrap_or(-1),
            searchable_table_count: found.searchable.0,
            searchable_column_count: found.searchable.1,
            full_text_table_count: searched.count,
            full_text_tables: searched.tables,
            skipped: searched.skipped,
        })
    }

    async fn list_tables(&self, filter: &TableFilter, page: &TablePage) -> Result<TableList> {
        let mut lease = self.pool.lease(UNREADABLE).await?;
        let found = async {
            let mut snapshot = lease.begin().await?;
            let matching = matching(&mut snapshot, filter).await?;
            let candidates = if page.order.is_by_name() { part(&matching, page) } else { &matching };
            let details = catalog::summaries(&mut snapshot, candidates).await?;
            let summaries = candidates.iter().map(|relation| build::summary(relation, &details)).collect();
            snapshot.rollback().await?;
            let total = matching.len() as u64;
            Ok(TableList { tables: page.cut(summaries), total, skipped: details.skipped })
        };
        let found = found.await.map_err(unreadable)?;
        lease.give_back().await;
        Ok(found)
    }

    async fn stream_tables(&self, filter: &TableFilter, tables: mpsc::Sender<Table>) -> Result<Vec<Skipped>> {
        let mut lease = self.pool.lease(UNREADABLE).await?;
        let mut snapshot = lease.begin().await.map_err(unreadable)?;
        let matching = matching(&mut snapshot, filter).await.map_err(unreadable)?;
        let sizes = catalog::sizes(&mut snapshot, &matching).await.map_err(unreadable)?;
        let mut skipped = Vec::new();
        'all: for batch in matching.chunks(BATCH) {
            let mut details = catalog::details(&mut snapshot, batch, sizes.clone()).await.map_err(unreadable)?;
            skipped.append(&mut details.skipped);
            for relation in batch {
                if tables.send(build::table(relation, &details)).await.is_err() {
                    break 'all;
                }
            }
        }
        snapshot.rollback().await.map_err(unreadable)?;
        lease.give_back().await;
        Ok(skipped)
    }

    async fn table(&self, name: &QualifiedName) -> Result<Option<TableLookup>> {
        if name.schema.as_ref().is_some_and(|schema| !schema.as_str().eq_ignore_ascii_case(SCHEMA)) {
            return Ok(None);
        }
        let mut lease = self.pool.lease(UNREADABLE).await?;
        let found = async {
            let mut snapshot = lease.begin().await?;
            let relation = catalog::relations(&mut snapshot, Some(name.name.as_str())).await?.into_iter().next();
            let table = match relation {
                Some(relation) => Some(look_up(&mut snapshot, &relation).await?),
                None => None,
            };
            snapshot.rollback().await?;
            Ok(table)
        };
        let found = found.await.map_err(unreadable)?;
        lease.give_back().await;
        Ok(found)
    }

    async fn change_marker(&self) -> Result<Option<String>> {
        let mut lease = self.pool.lease(UNREADABLE).await?;
        let marker = sqlx::query_scalar(include_str!("catalog/change_marker.sql")).fetch_one(&mut *lease).await;
        let marker = marker.map_err(unreadable)?;
        lease.give_back().await;
        Ok(Some(marker))
    }
}

/// One table with what depends on it.
async fn look_up(connection: &mut SqliteConnection, relation: &Relation) -> Result<TableLookup, sqlx::Error> {
    let alone = std::slice::from_ref(relation);
    let sizes = catalog::sizes(connection, alone).await?;
    let details = catalog::details(connection, alone, sizes).await?;
    let table = build::table(relation, &details);
    let dependents = dependents::read(connection, &relation.name).await?;
    Ok(TableLookup { table, dependents, skipped: details.skipped })
}

/// The tables of a page among all that match, which are in its order.
fn part<'a>(matching: &'a [Relation], page: &TablePage) -> &'a [Relation] {
    let after = page.after_name();
    let first = after.map_or(0, |after| matching.partition_point(|relation| (SCHEMA, relation.name.as_str()) <= after));
    let last = matching.len().min(first.saturating_add(page.limit as usize));
    &matching[first..last]
}

/// The tables that a filter asks for.
async fn matching(connection: &mut SqliteConnection, filter: &TableFilter) -> Result<Vec<Relation>, sqlx::Error> {
    if filter.schema.as_ref().is_some_and(|schema| !schema.eq_ignore_ascii_case(SCHEMA)) {
        return Ok(Vec::new());
    }
    let mut relations = catalog::relations(connection, None).await?;
    relations
        .retain(|relation| filter.kind.is_none_or(|kind| relation.kind == kind) && filter.takes_name(&relation.name));
    Ok(relations)
}

fn unreadable(error: sqlx::Error) -> Error {
    from_sqlx(error, UNREADABLE)
}
