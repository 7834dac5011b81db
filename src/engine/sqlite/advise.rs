//! Which indexes a file lacks. SQLite counts nothing, so that all comes from plans of the caller's statements. They are made in an
//! empty copy of the schema in memory, with what ANALYZE found of the tables: nothing that a statement says can reach the file.

mod write;

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection as _, Row, SqliteConnection};

use super::{
    SqliteDatabase,
    confine::confine,
    connect::{Limits, set_limits},
    dialect::SqliteDialect,
    error::{self, from_sqlx},
    token::tokens,
};
use crate::{
    engine::{
        Advise, Dialect,
        advise::{ColumnLengths, FullTextSearch},
    },
    model::{
        Error, Result, Timestamp,
        schema::{
            AdviceSource, Index, IndexTrial, IndexUse, ObjectName, Plan, Table, TrialOutcome, TrialStatement, Usage,
        },
    },
};

const DEFINITIONS: &str = include_str!("advise/definitions.sql");
/// What ANALYZE keeps, of each index a line or two.
const STATISTICS: &str = "SELECT tbl, idx, substr(stat, 1, 1000) FROM sqlite_stat1 LIMIT 20000";
/// Those of the names of a JSON array that something has.
const TAKEN: &str =
    "SELECT lower(name) FROM sqlite_schema WHERE lower(name) IN (SELECT lower(value) FROM json_each(?))";
const HAS_STATISTICS: &str = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1' AND type = 'table'";
/// Most pages of the copy, 64 MiB.
const COPY_LIMIT: &str = "PRAGMA max_page_count = 16384";
/// What failed where a call fails.
const UNPLANNED: &str = "cannot plan the statements";
const UNNAMED: &str = "cannot look names up";

#[async_trait]
impl Advise for SqliteDatabase {
    async fn usage(&self) -> Result<Usage> {
        let missing = |name, what: &str| AdviceSource::missing(name, format!("SQLite {what}"), "");
        Ok(Usage {
            sources: vec![
                missing("table-statistics", "counts no scans"),
                missing("index-statistics", "counts no use of indexes, so that none is called unused"),
                missing("column-statistics", "keeps no lengths of values"),
                missing("statement-statistics", "keeps no statements; give some in `statements`"),
            ],
            ..Usage::default()
        })
    }

    async fn index_use(&self) -> Result<(Option<Timestamp>, Vec<IndexUse>)> {
        Err(Error::unsupported("sqlite", "counts of the use of indexes"))
    }

    async fn column_lengths(&self, _tables: &[ObjectName]) -> Result<ColumnLengths> {
        Ok(ColumnLengths::new())
    }

    async fn taken_names(&self, names: &[ObjectName]) -> Result<BTreeSet<ObjectName>> {
        let wanted: Vec<&str> = names.iter().map(|name| name.name.as_str()).collect();
        let wanted = serde_json::to_string(&wanted).map_err(Error::internal)?;
        let mut lease = self.pool.lease(UNNAMED).await?;
        let found: Vec<String> = sqlx::query_scalar(TAKEN)
            .bind(wanted)
            .fetch_all(&mut *lease)
            .await
            .map_err(|error| from_sqlx(error, UNNAMED))?;
        lease.give_back().await;
        let schema = names.first().map(|name| name.schema.clone()).unwrap_or_default();
        Ok(found.into_iter().map(|name| ObjectName { schema: schema.clone(), name }).collect())
    }

    async fn try_indexes(&self, statements: &[TrialStatement], trials: &[IndexTrial]) -> Result<TrialOutcome> {
        if trials.is_empty() {
            return Ok(TrialOutcome::default());
        }
        let mut lease = self.pool.lease(UNPLANNED).await?;
        let schema = Schema::read(&mut lease).await.map_err(|error| from_sqlx(error, UNPLANNED))?;
        lease.give_back().await;
        let limits = Limits::timeout(self.settings.pool.statement_timeout);
        let outcome = Box::pin(plan_all(&schema, limits, statements, trials)).await;
        outcome.map_err(|error| from_sqlx(error, UNPLANNED))
    }

    fn make_again(&self, _table: &Table, index: &Index) -> Option<String> {
        (!index.definition.is_empty()).then(|| format!("{};", index.definition.trim_end().trim_end_matches(';')))
    }

    fn full_text(&self, table: &Table, columns: &[String]) -> Option<FullTextSearch> {
        write::full_text(table, columns)
    }

    fn index_bytes(&self, rows: i64, key: f64, _primary_key: f64) -> i64 {
        write::index_bytes(rows, key)
    }
}

/// What a copy is made of.
struct Schema {
    definitions: Vec<String>,
    statistics: Vec<(Option<String>, Option<String>, Option<String>)>,
}

impl Schema {
    async fn read(connection: &mut SqliteConnection) -> std::result::Result<Self, sqlx::Error> {
        let mut snapshot = connection.begin().await?;
        let definitions = sqlx::query_scalar(DEFINITIONS).fetch_all(&mut *snapshot).await?;
        let analysed: i64 = sqlx::query_scalar(HAS_STATISTICS).fetch_one(&mut *snapshot).await?;
        let statistics = match analysed {
            0 => Vec::new(),
            _ => sqlx::query_as(STATISTICS).fetch_all(&mut *snapshot).await?,
        };
        snapshot.rollback().await?;
        Ok(Self { definitions, statistics })
    }

    /// Makes the copy. What cannot be made, such as a table of a module that is not here, is left out: the plans of its statements
    /// tell.
    async fn copy(&self, limits: Limits) -> std::result::Result<SqliteConnection, sqlx::Error> {
        let mut copy = SqliteConnection::connect("sqlite::memory:").await?;
        confine(&mut copy).await?;
        set_limits(&mut copy, limits, None).await?;
        sqlx::raw_sql(COPY_LIMIT).execute(&mut copy).await?;
        for definition in self.definitions.iter().filter(|definition| is_definition(definition)) {
            let made = sqlx::raw_sql(AssertSqlSafe(definition.clone())).execute(&mut copy).await;
            if let Err(error) = made
                && error::is_interrupted(&error)
            {
                return Err(error);
            }
        }
        if !self.statistics.is_empty() {
            // The table is made by the first ANALYZE, and read by the last.
            sqlx::raw_sql("ANALYZE").execute(&mut copy).await?;
            for (table, index, figures) in &self.statistics {
                let insert = sqlx::query("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)");
                insert.bind(table).bind(index).bind(figures).execute(&mut copy).await?;
            }
            sqlx::raw_sql("ANALYZE sqlite_schema").execute(&mut copy).await?;
        }
        Ok(copy)
    }
}

/// One CREATE and nothing behind it, which fills no table. A file that somebody gave away may hold any text in the place of one.
fn is_definition(text: &str) -> bool {
    let found = tokens(text);
    let is_one = !found.iter().any(|token| token.is_symbol(";"));
    let is_view = found.iter().take(4).any(|token| token.is("view"));
    let fills = found.iter().any(|token| token.is_any(&["select", "values"]));
    found.first().is_some_and(|token| token.is("create")) && is_one && (is_view || !fills)
}

async fn plan_all(
    schema: &Schema,
    limits: Limits,
    statements: &[TrialStatement],
    trials: &[IndexTrial],
) -> std::result::Result<TrialOutcome, sqlx::Error> {
    let mut copy = schema.copy(limits).await?;
    let mut outcome = TrialOutcome { sizes: vec![None; trials.len()], ..TrialOutcome::default() };
    for statement in statements {
        outcome.before.push(plan(&mut copy, statement).await?);
    }
    let mut used = Vec::with_capacity(trials.len());
    for trial in trials {
        let columns: Vec<String> = trial.columns.iter().map(|column| SqliteDialect.quoted(column)).collect();
        let (name, on) = (SqliteDialect.quoted(&trial.index), SqliteDialect.quoted(&trial.table.name));
        let create = format!("CREATE INDEX {name} ON {on} ({})", columns.join(", "));
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut copy).await {
            let missing = Plan::missing(error::message(&error));
            outcome.after.push(Some(vec![missing; trial.statements.len()]));
            used.push(false);
            continue;
        }
        let mut plans = Vec::with_capacity(trial.statements.len());
        for statement in trial.statements.iter().filter_map(|place| statements.get(*place)) {
            plans.push(plan(&mut copy, statement).await?);
        }
        used.push(plans.iter().any(|plan| names(&plan.text, &trial.index)));
        outcome.after.push(Some(plans));
        sqlx::raw_sql(AssertSqlSafe(format!("DROP INDEX {name}"))).execute(&mut copy).await?;
    }
    // The copy is gone with its connection, whatever closing it says.
    let _ = copy.close().await;
    outcome.used = Some(used);
    outcome.source =
        Some(AdviceSource::used("hypothetical-indexes", "EXPLAIN QUERY PLAN in an empty copy of the schema"));
    Ok(outcome)
}

/// A plan names the index behind `USING INDEX` or `USING COVERING INDEX`.
fn names(plan: &str, index: &str) -> bool {
    plan.lines().any(|line| {
        let named = line.split_once("INDEX ").map(|(_, rest)| rest);
        named.is_some_and(|rest| rest == index || rest.strip_prefix(index).is_some_and(|rest| rest.starts_with(' ')))
    })
}

/// The lines of a plan. Parameters are NULL to it, which no plan regards.
async fn plan(copy: &mut SqliteConnection, statement: &TrialStatement) -> std::result::Result<Plan, sqlx::Error> {
    let explain = format!("EXPLAIN QUERY PLAN {}", statement.text);
    let lines = sqlx::query(AssertSqlSafe(explain)).persistent(false).fetch_all(copy).await;
    match lines {
        Ok(lines) => {
            let lines: Vec<String> = lines.iter().map(|line| line.get::<String, _>("detail")).collect();
            Ok(Plan { text: lines.join("\n"), ..Plan::default() })
        }
        Err(error) if error::is_interrupted(&error) => Err(error),
        Err(error) if error.as_database_error().is_some() => Ok(Plan::missing(error::message(&error))),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_makes_one_thing_and_fills_nothing_is_copied() {
        for text in ["CREATE TABLE a (b)", "CREATE VIEW v AS SELECT 1", "CREATE INDEX \"select\" ON a (b)"] {
            assert!(is_definition(text), "{text}");
        }
        for text in [
            "CREATE TABLE a (b); DROP TABLE c",
            "CREATE TABLE a AS WITH RECURSIVE n AS (SELECT 1) SELECT * FROM n",
            "CREATE TABLE a AS VALUES (1)",
            "PRAGMA temp_store = 1",
            "",
        ] {
            assert!(!is_definition(text), "{text}");
        }
    }
}
