//! Figures of the database as a whole.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::{MAX_MEASURED_BYTES, estimates};

/// The database in figures.
pub(in crate::engine::sqlite) struct DatabaseRow {
    pub(in crate::engine::sqlite) encoding: String,
    pub(in crate::engine::sqlite) bytes: i64,
    pub(in crate::engine::sqlite) tables: i64,
    pub(in crate::engine::sqlite) views: i64,
    pub(in crate::engine::sqlite) indexes: i64,
    /// Sum of the estimates; absent where nothing was analysed.
    pub(in crate::engine::sqlite) rows: Option<i64>,
    /// Bytes of tables and of indexes; absent where the file is too large to measure.
    pub(in crate::engine::sqlite) measured: Option<(i64, i64)>,
    /// Tables with a text column, and those columns.
    pub(in crate::engine::sqlite) searchable: (i64, i64),
    /// Virtual tables with their definitions, by name.
    pub(in crate::engine::sqlite) virtual_tables: Vec<(String, String)>,
}

/// Reads the figures of the database.
pub(in crate::engine::sqlite) async fn database(connection: &mut SqliteConnection) -> Result<DatabaseRow, sqlx::Error> {
    let (encoding, bytes, tables, views, indexes): (String, i64, i64, i64, i64) =
        sqlx::query_as(include_str!("database.sql")).fetch_one(&mut *connection).await?;
    let estimates = estimates(connection).await?;
    let rows = (!estimates.is_empty()).then(|| estimates.values().sum());
    let measured = if bytes > MAX_MEASURED_BYTES { None } else { Some(measure(connection).await?) };
    let searchable = sqlx::query_as(include_str!("searchable.sql")).fetch_one(&mut *connection).await?;
    let virtual_tables = sqlx::query_as(include_str!("virtual_tables.sql")).fetch_all(connection).await?;
    Ok(DatabaseRow { encoding, bytes, tables, views, indexes, rows, measured, searchable, virtual_tables })
}

async fn measure(connection: &mut SqliteConnection) -> Result<(i64, i64), sqlx::Error> {
    // Reads every page once. Shadow tables and SQLite's own count as data.
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT coalesce(s.type, 'table'), sum(d.pgsize)
         FROM dbstat AS d LEFT JOIN sqlite_schema AS s ON s.name = d.name
         WHERE d.schema = 'main' AND d.aggregate = TRUE
         GROUP BY 1",
    )
    .fetch_all(connection)
    .await?;
    let by_kind: BTreeMap<String, i64> = rows.into_iter().collect();
    let of = |kind: &str| by_kind.get(kind).copied().unwrap_or(0);
    Ok((of("table"), of("index")))
}
