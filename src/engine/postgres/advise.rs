//! Which indexes a database lacks and which it has for nothing: what the server counted, and what its planner says.

mod trial;
mod write;

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row, postgres::PgRow};

use super::{
    capability,
    database::{PostgresDatabase, ReadTransaction},
};
use crate::{
    engine::{
        Advise,
        advise::{ColumnLengths, FullTextSearch, MAX_COUNTED_STATEMENTS, TwoWay},
    },
    model::{
        Result, Timestamp,
        schema::{
            AdviceSource, Column, Index, IndexTrial, IndexUse, ObjectName, StatementUse, Table, TableKind, TableUse,
            TrialOutcome, TrialStatement, Usage, Writes,
        },
    },
};

const TABLES: &str = include_str!("advise/tables.sql");
const INDEXES: &str = include_str!("advise/indexes.sql");
const BUILDING: &str = include_str!("advise/building.sql");
const FACTS: &str = include_str!("advise/facts.sql");
const LENGTHS: &str = include_str!("advise/lengths.sql");
const TAKEN: &str = include_str!("advise/taken.sql");
/// What stands in the place of a statement that is hidden.
const HIDDEN: &str = "<insufficient privilege>";

#[async_trait]
impl Advise for PostgresDatabase {
    async fn usage(&self) -> Result<Usage> {
        let mut transaction = self.leases().begin().await?;
        let facts = Facts::read(&mut transaction).await?;
        let tables = rows(&mut transaction, TABLES).await?.iter().map(table_use).collect();
        let indexes: Vec<IndexUse> = rows(&mut transaction, INDEXES).await?.iter().map(index_use).collect();
        let building = rows(&mut transaction, BUILDING).await?.iter().map(table_name).collect();
        let (statements, source) = statements(&mut transaction, &facts).await?;
        transaction.commit().await?;
        let sources = vec![
            AdviceSource::used("table-statistics", "pg_stat_user_tables"),
            index_source(&facts),
            AdviceSource::used("column-statistics", "pg_stats"),
            source,
        ];
        let indexes = if facts.is_replica { Vec::new() } else { indexes };
        Ok(Usage { since: facts.since, tables, indexes, statements, building, sources, referenced: Vec::new() })
    }

    async fn index_use(&self) -> Result<(Option<Timestamp>, Vec<IndexUse>)> {
        let mut transaction = self.leases().begin().await?;
        let facts = Facts::read(&mut transaction).await?;
        let found = rows(&mut transaction, INDEXES).await?.iter().map(index_use).collect();
        transaction.commit().await?;
        Ok((facts.since, found))
    }

    async fn taken_names(&self, names: &[ObjectName]) -> Result<BTreeSet<ObjectName>> {
        Ok(self.of_names(TAKEN, names).await?.iter().map(table_name).collect())
    }

    async fn column_lengths(&self, tables: &[ObjectName]) -> Result<ColumnLengths> {
        let found = self.of_names(LENGTHS, tables).await?;
        let mut lengths = ColumnLengths::new();
        for row in &found {
            let of_table: &mut HashMap<String, f64> = lengths.entry(table_name(row)).or_default();
            of_table.insert(row.get("column_name"), row.get("length"));
        }
        Ok(lengths)
    }

    async fn try_indexes(&self, statements: &[TrialStatement], trials: &[IndexTrial]) -> Result<TrialOutcome> {
        let mut transaction = self.leases().begin().await?;
        let facts = Facts::read(&mut transaction).await?;
        let outcome = Box::pin(trial::run(&mut transaction, &facts, statements, trials)).await?;
        transaction.commit().await?;
        Ok(outcome)
    }

    fn works_beside(&self, kind: TableKind) -> bool {
        kind != TableKind::PartitionedTable
    }

    fn make_again(&self, table: &Table, index: &Index) -> Option<String> {
        write::make_again(table, index)
    }

    fn mend(&self, table: &Table, index: &Index) -> Option<TwoWay> {
        write::mend(table, index)
    }

    fn is_left_behind(&self, index: &Index) -> bool {
        write::is_left_behind(index)
    }

    fn widen(&self, table: &Table, column: &Column) -> Option<TwoWay> {
        Some(write::widen(table, column))
    }

    fn full_text(&self, table: &Table, columns: &[String]) -> Option<FullTextSearch> {
        Some(write::full_text(table, columns))
    }

    fn index_bytes(&self, rows: i64, key: f64, _primary_key: f64) -> i64 {
        write::index_bytes(rows, key)
    }
}

impl PostgresDatabase {
    /// What is found by schemas and names.
    async fn of_names(&self, sql: &'static str, names: &[ObjectName]) -> Result<Vec<PgRow>> {
        let schemas: Vec<&str> = names.iter().map(|name| name.schema.as_str()).collect();
        let names: Vec<&str> = names.iter().map(|name| name.name.as_str()).collect();
        let mut transaction = self.leases().begin().await?;
        let query = transaction.query(sql).bind(schemas).bind(names);
        let found = query.fetch_all(transaction.connection()).await.map_err(|error| transaction.failure(error))?;
        transaction.commit().await?;
        Ok(found)
    }
}

/// What of the server matters here.
struct Facts {
    since: Option<Timestamp>,
    is_replica: bool,
    statements_schema: Option<String>,
    statements_loaded: bool,
    sees_all: bool,
    hypopg_schema: Option<String>,
    hypopg_available: bool,
}

impl Facts {
    async fn read(transaction: &mut ReadTransaction<'_>) -> Result<Self> {
        let query = transaction.query(FACTS);
        let row = query.fetch_one(transaction.connection()).await.map_err(|error| transaction.failure(error))?;
        Ok(Self {
            since: row.get::<Option<i64>, _>("since").map(Timestamp::from_micros),
            is_replica: row.get("is_replica"),
            statements_schema: row.get("statements_schema"),
            statements_loaded: row.get("statements_loaded"),
            sees_all: row.get("sees_all"),
            hypopg_schema: row.get("hypopg_schema"),
            hypopg_available: row.get("hypopg_available"),
        })
    }
}

/// What a replica never reads, its primary may, which the replica does not know of.
fn index_source(facts: &Facts) -> AdviceSource {
    const NAME: &str = "index-statistics";
    match facts.is_replica {
        true => AdviceSource::missing(
            NAME,
            "the server is a replica, and only its primary tells what nobody uses",
            "ask the primary",
        ),
        false => AdviceSource::used(NAME, "pg_stat_user_indexes"),
    }
}

async fn rows(transaction: &mut ReadTransaction<'_>, sql: &'static str) -> Result<Vec<PgRow>> {
    let query = transaction.query(sql);
    transaction.rows(query).await
}

/// The statements that took the most time, and where they come from or why there are none.
async fn statements(transaction: &mut ReadTransaction<'_>, facts: &Facts) -> Result<(Vec<StatementUse>, AdviceSource)> {
    const NAME: &str = "statement-statistics";
    let missing = |detail: &str, remedy: &str| Ok((Vec::new(), AdviceSource::missing(NAME, detail, remedy)));
    if !facts.statements_loaded {
        let remedy = "shared_preload_libraries = 'pg_stat_statements' in postgresql.conf, a restart, and CREATE EXTENSION \
                      pg_stat_statements";
        return missing("pg_stat_statements is not loaded by the server", remedy);
    }
    let Some(schema) = &facts.statements_schema else {
        return missing(
            "the extension pg_stat_statements is not in this database",
            "CREATE EXTENSION pg_stat_statements",
        );
    };
    // The catalog wrote the name of the schema. The view is made of a table of shared memory, 5,000 statements by default, a row for
    // each of the users who ran a statement. Columns are those of version 1.8, of PostgreSQL 13, and later.
    let sql = format!(
        "SELECT query, sum(calls)::int8 AS calls, sum(total_exec_time)::float8 AS total_exec_time, count(*) AS rows
         FROM {schema}.pg_stat_statements
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND (query = '{HIDDEN}' OR query ~* '^[[:space:](]*(/[*]|--|(select|insert|update|delete|with)[[:space:]])')
         GROUP BY query ORDER BY query = '{HIDDEN}' DESC, sum(total_exec_time) DESC LIMIT {}",
        MAX_COUNTED_STATEMENTS + 1
    );
    transaction.execute("SAVEPOINT statements".to_owned()).await?;
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let found = match query.fetch_all(transaction.connection()).await {
        Ok(found) => found,
        Err(error) if error.as_database_error().is_some() => {
            let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
            transaction.execute("ROLLBACK TO SAVEPOINT statements".to_owned()).await?;
            let words = format!("pg_stat_statements cannot be read: SQLSTATE {}", code.unwrap_or_default());
            return missing(&words, "ALTER EXTENSION pg_stat_statements UPDATE");
        }
        Err(error) => return Err(transaction.failure(error)),
    };
    let mut statements: Vec<StatementUse> = found.iter().map(statement_use).collect();
    let hidden: i64 = found.first().filter(|_| statements[0].text == HIDDEN).map_or(0, |row| row.get("rows"));
    statements.retain(|statement| statement.text != HIDDEN);
    statements.truncate(MAX_COUNTED_STATEMENTS as usize);
    if hidden > 0 && !facts.sees_all {
        let remedy = format!("GRANT pg_read_all_stats TO {}", capability::quoted(transaction.username()));
        let detail = format!("the texts of {hidden} statements of other users are hidden");
        return Ok((statements, AdviceSource::missing(NAME, detail, remedy)));
    }
    Ok((statements, AdviceSource::used(NAME, "pg_stat_statements")))
}

fn table_name(row: &PgRow) -> ObjectName {
    ObjectName { schema: row.get("schema"), name: row.get("name") }
}

fn table_use(row: &PgRow) -> TableUse {
    TableUse {
        table: table_name(row),
        sequential_scans: row.get("seq_scan"),
        sequential_rows: row.get("seq_tup_read"),
        index_scans: row.get("idx_scan"),
        writes: Writes {
            inserts: row.get("n_tup_ins"),
            updates: row.get("n_tup_upd"),
            heap_only_updates: Some(row.get("n_tup_hot_upd")),
            deletes: row.get("n_tup_del"),
        },
    }
}

fn index_use(row: &PgRow) -> IndexUse {
    IndexUse { table: table_name(row), index: row.get("index"), scans: row.get("idx_scan") }
}

fn statement_use(row: &PgRow) -> StatementUse {
    StatementUse {
        text: row.get("query"),
        calls: row.get("calls"),
        total_time: row.get("total_exec_time"),
        rows_examined: None,
        calls_without_index: None,
    }
}
