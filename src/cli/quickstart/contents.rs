//! What two database files are compared by: rows, a checksum of them, and definitions, read without dbkeeper's engine.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::model::{Error, Reason, Result};

/// A table or a view as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    /// Name.
    pub(super) name: String,
    /// True of a view.
    pub(super) view: bool,
    /// Rows.
    pub(super) rows: u64,
    /// BLAKE3 of all rows in an order of their own.
    pub(super) checksum: String,
    /// Definitions of it, its indexes and its triggers.
    pub(super) definition: String,
}

/// Every table and view of a file by name.
pub(super) async fn read(file: &Path) -> Result<Vec<Relation>> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let relations = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let names: Vec<(String, bool)> = sqlx::query_as(
            "SELECT name, type = 'view' FROM sqlite_schema
             WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name",
        )
        .fetch_all(&mut connection)
        .await?;
        let mut relations = Vec::new();
        for (name, view) in names {
            relations.push(relation(&mut connection, name, view).await?);
        }
        connection.close().await?;
        Ok(relations)
    };
    relations.await.map_err(|cause: sqlx::Error| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Error::new(Reason::DatabaseUnreachable, format!("{name} cannot be read to compare it")).caused_by(cause)
    })
}

async fn relation(connection: &mut SqliteConnection, name: String, view: bool) -> Result<Relation, sqlx::Error> {
    let definition = sqlx::query_scalar(
        "SELECT group_concat(sql, ';' ORDER BY type, name) FROM sqlite_schema WHERE tbl_name = $1 AND sql IS NOT NULL",
    )
    .bind(&name)
    .fetch_one(&mut *connection)
    .await?;
    // SQLite quotes the names itself. quote() tells NULL, text, blobs and numbers apart and loses nothing of them.
    let reading: String = sqlx::query_scalar(
        "SELECT printf(
             'SELECT %s AS row FROM \"%w\" ORDER BY row',
             group_concat(printf('quote(\"%w\")', name), ' || '','' || ' ORDER BY cid), $1)
         FROM pragma_table_xinfo($1) WHERE hidden <> 1",
    )
    .bind(&name)
    .fetch_one(&mut *connection)
    .await?;
    let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(reading)).fetch_all(connection).await?;
    let mut hasher = blake3::Hasher::new();
    for row in &rows {
        hasher.update(row.as_bytes()).update(b"\n");
    }
    let checksum = hasher.finalize().to_hex().to_string();
    Ok(Relation { name, view, rows: rows.len() as u64, checksum, definition })
}
