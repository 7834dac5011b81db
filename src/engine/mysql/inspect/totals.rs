//! The database as a whole.

use std::collections::BTreeMap;

use sqlx::{MySqlConnection, mysql::MySqlRow};

use super::{
    catalog::{PATIENCE, Patience, integer, text},
    names,
};
use crate::{
    engine::mysql::{row, server::Server},
    model::schema::{DatabaseInfo, FullTextTable, Skipped, TableKind},
};

pub(super) async fn read(
    connection: &mut MySqlConnection,
    server: &Server,
    name: &str,
) -> Result<DatabaseInfo, sqlx::Error> {
    let patience = Patience::begin(connection, server).await?;
    let mut whole = whole(connection, name).await?;
    if row::number(&whole, 7)? > 0 {
        tokio::time::sleep(PATIENCE).await;
        whole = self::whole(connection, name).await?;
    }
    let unreadable = row::number(&whole, 7)?;
    if unreadable == 0 {
        patience.end(connection).await?;
    }
    let indexes = sqlx::query(include_str!("catalog/index_count.sql")).bind(name).fetch_one(&mut *connection).await?;
    let searchable = searchable(connection, name).await?;
    let full_text = full_text(connection, name).await?;
    if unreadable > 0 {
        patience.end(connection).await?;
    }
    let (data_size_bytes, index_size_bytes) = (row::number(&whole, 2)?, row::number(&whole, 3)?);
    Ok(DatabaseInfo {
        database: name.to_owned(),
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
        searchable_table_count: searchable.len() as i64,
        searchable_column_count: searchable.values().sum(),
        full_text_table_count: distinct_tables(&full_text),
        full_text_tables: full_text.into_iter().take(DatabaseInfo::MAX_FULL_TEXT_TABLES).collect(),
        skipped: skipped(unreadable),
    })
}

async fn whole(connection: &mut MySqlConnection, name: &str) -> Result<MySqlRow, sqlx::Error> {
    sqlx::query(include_str!("catalog/database.sql")).bind(name).bind(name).fetch_one(connection).await
}

/// Text columns of the tables by name; those of views are the same once more.
async fn searchable(connection: &mut MySqlConnection, schema: &str) -> Result<BTreeMap<String, i64>, sqlx::Error> {
    let tables = names::names(connection, schema, Some(TableKind::Table)).await?;
    let rows = sqlx::query(include_str!("catalog/searchable_columns.sql")).bind(schema).fetch_all(connection).await?;
    let counts = rows.iter().map(|found| (text(found, 0), integer(found, 1)));
    Ok(counts.filter(|(name, _)| tables.binary_search(name).is_ok()).collect())
}

/// Full-text indexes by table and name.
async fn full_text(connection: &mut MySqlConnection, schema: &str) -> Result<Vec<FullTextTable>, sqlx::Error> {
    let rows = sqlx::query(include_str!("catalog/full_text_columns.sql")).bind(schema).fetch_all(connection).await?;
    let mut found: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for column in &rows {
        found.entry((text(column, 0), text(column, 1))).or_default().push(text(column, 2));
    }
    let index = |((table, index), columns)| FullTextTable { schema: schema.to_owned(), table, index, columns };
    Ok(found.into_iter().map(index).collect())
}

fn distinct_tables(indexes: &[FullTextTable]) -> i64 {
    indexes.chunk_by(|one, next| one.table == next.table).count() as i64
}

fn skipped(unreadable: i64) -> Vec<Skipped> {
    if unreadable <= 0 {
        return Vec::new();
    }
    vec![Skipped {
        subject: format!("sizes, indexes and columns of {unreadable} tables"),
        reason: "they cannot be opened, most often because another session has locked them".to_owned(),
        remedy: "ask again when no other session holds them; ListTables names them, ListSessions shows who does"
            .to_owned(),
        ..Skipped::default()
    }]
}
