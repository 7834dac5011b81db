//! Counts the rows of every table in one snapshot.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::model::{backup::TableCount, name::Identifier};

/// Ordinary tables of users: the partitions, and not the parents that only add them up.
const TABLES: &str = "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::regclass \
                    AND e.objid = c.oid AND e.deptype = 'e') \
    ORDER BY n.nspname, c.relname";
/// Tables of one query: few round trips, and a text that the server parses at ease.
const BATCH: usize = 100;

/// Begins a transaction on one snapshot. Like pg_dump it fails rather than to count what row security lets through.
pub(super) async fn begin_snapshot(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path TO pg_catalog; \
                 SET LOCAL row_security TO off; SET LOCAL lock_timeout TO 60000; SET LOCAL statement_timeout TO 0; \
                 SET LOCAL idle_in_transaction_session_timeout TO 0";
    sqlx::raw_sql(begin).execute(connection).await.map(|_| ())
}

/// Counts, by schema and table.
pub(super) async fn count(connection: &mut PgConnection) -> Result<Vec<TableCount>, sqlx::Error> {
    let tables: Vec<(String, String)> = sqlx::query_as(TABLES).fetch_all(&mut *connection).await?;
    let mut counts = Vec::with_capacity(tables.len());
    for batch in tables.chunks(BATCH) {
        let rows = sqlx::raw_sql(AssertSqlSafe(count_query(batch))).fetch_all(&mut *connection).await?;
        for row in rows {
            let position = usize::try_from(row.get::<i32, _>(0)).unwrap_or(usize::MAX);
            if let Some((schema, table)) = batch.get(position) {
                let rows = u64::try_from(row.get::<i64, _>(1)).unwrap_or(0);
                counts.push(TableCount { schema: schema.clone(), table: table.clone(), rows });
            }
        }
    }
    Ok(counts)
}

fn count_query(tables: &[(String, String)]) -> String {
    let parts = tables.iter().enumerate().filter_map(|(position, (schema, table))| {
        // The names come from the catalog, which has none that an identifier cannot hold.
        let schema = Identifier::parse(schema, "schema").ok()?;
        let table = Identifier::parse(table, "table").ok()?;
        let name = format!("{}.{}", schema.double_quoted(), table.double_quoted());
        Some(format!("SELECT {position} AS position, count(*) AS total FROM ONLY {name}"))
    });
    parts.collect::<Vec<_>>().join(" UNION ALL ") + " ORDER BY position"
}
