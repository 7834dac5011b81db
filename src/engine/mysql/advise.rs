//! Which indexes a database lacks and which it has for nothing: what `performance_schema` counted, and how the server would run
//! statements. It plans with no index that is not there, so that there is nothing to compare with.

mod write;

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, MySqlConnection, mysql::MySqlRow};

use super::{database::MysqlDatabase, error, row};
use crate::{
    engine::{
        Advise,
        advise::{ColumnLengths, FullTextSearch, TwoWay},
    },
    model::{
        Error, Reason, Result, Timestamp,
        schema::{
            AdviceSource, Column, Index, IndexTrial, IndexUse, ObjectName, Plan, StatementUse, Table, TableUse,
            TrialOutcome, TrialStatement, Usage, Writes,
        },
    },
};

const TABLES: &str = include_str!("advise/tables.sql");
const REFERENCED: &str = include_str!("advise/referenced.sql");
const STATEMENTS: &str = include_str!("advise/statements.sql");
/// Whether anything is counted, and the time.
const FACTS: &str = "SELECT CAST(@@performance_schema AS SIGNED), CAST(UNIX_TIMESTAMP() AS SIGNED)";
/// For how long the server has run, and counted.
const UPTIME: &str = "SHOW GLOBAL STATUS LIKE 'Uptime'";
/// How many of those are on without which statements are not counted.
const CONSUMERS: &str = "SELECT CAST(COUNT(*) AS SIGNED) FROM performance_schema.setup_consumers \
    WHERE NAME IN ('global_instrumentation', 'thread_instrumentation', 'statements_digest') AND ENABLED = 'YES'";
/// How many of those are on without which reads of indexes are not counted.
const INSTRUMENTS: &str = "SELECT CAST((SELECT COUNT(*) FROM performance_schema.setup_consumers \
    WHERE NAME IN ('global_instrumentation', 'thread_instrumentation') AND ENABLED = 'YES') + \
    (SELECT COUNT(*) FROM performance_schema.setup_instruments \
    WHERE NAME = 'wait/io/table/sql/handler' AND ENABLED = 'YES') AS SIGNED)";
const INSTRUMENTS_REMEDY: &str = "UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' \
    WHERE NAME IN ('global_instrumentation', 'thread_instrumentation'); \
    UPDATE performance_schema.setup_instruments SET ENABLED = 'YES' WHERE NAME = 'wait/io/table/sql/handler';";
const CONSUMERS_REMEDY: &str = "UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' \
    WHERE NAME IN ('global_instrumentation', 'thread_instrumentation', 'statements_digest');";
const OFF: &str = "performance_schema is off";
const OFF_REMEDY: &str = "performance_schema=ON in the server's configuration, and a restart";

#[async_trait]
impl Advise for MysqlDatabase {
    async fn usage(&self) -> Result<Usage> {
        let mut lease = self.lease().await?;
        let usage = Box::pin(self.counted(&mut lease)).await?;
        lease.give_back().await;
        Ok(usage)
    }

    async fn index_use(&self) -> Result<(Option<Timestamp>, Vec<IndexUse>)> {
        let usage = self.usage().await?;
        match usage.sources.into_iter().find(|source| source.name == "index-statistics" && !source.used) {
            Some(missing) => {
                let text = format!("{}; {}", missing.detail, missing.remedy);
                Err(Error::new(Reason::PrivilegeMissing, text).with_metadata("hint", missing.remedy))
            }
            None => Ok((usage.since, usage.indexes)),
        }
    }

    async fn column_lengths(&self, _tables: &[ObjectName]) -> Result<ColumnLengths> {
        Ok(ColumnLengths::new())
    }

    async fn try_indexes(&self, statements: &[TrialStatement], trials: &[IndexTrial]) -> Result<TrialOutcome> {
        let mut lease = self.lease().await?;
        let session = sqlx::query("SELECT CONNECTION_ID()").fetch_one(&mut *lease).await;
        let session = session.and_then(|found| row::unsigned(&found, 0)).map_err(|cause| self.failed(cause))?;
        let work = Box::pin(plans(&mut lease, statements));
        let before = self.abandonment.watch(session, work).await.map_err(|cause| self.failed(cause))?;
        // Planning may call functions of the database's users.
        lease.soil();
        lease.give_back().await;
        let detail = "the server plans with no index that is not there, so that there are no costs with an index";
        Ok(TrialOutcome {
            before,
            after: vec![None; trials.len()],
            sizes: vec![None; trials.len()],
            used: None,
            source: Some(AdviceSource::missing("hypothetical-indexes", detail, "")),
        })
    }

    fn make_again(&self, table: &Table, index: &Index) -> Option<String> {
        write::make_again(table, index)
    }

    fn widen(&self, table: &Table, column: &Column) -> Option<TwoWay> {
        write::widen(table, column)
    }

    fn full_text(&self, table: &Table, columns: &[String]) -> Option<FullTextSearch> {
        write::full_text(table, columns)
    }

    fn index_bytes(&self, rows: i64, key: f64, primary_key: f64) -> i64 {
        write::index_bytes(rows, key, primary_key)
    }
}

impl MysqlDatabase {
    async fn counted(&self, connection: &mut MySqlConnection) -> Result<Usage> {
        let lengths = AdviceSource::missing("column-statistics", "the server keeps no average lengths of values", "");
        let failed = |cause| self.failed(cause);
        let facts = sqlx::query(FACTS).fetch_one(&mut *connection).await.map_err(failed)?;
        let number = |place: usize| row::number(&facts, place).map_err(failed);
        if number(0)? != 1 {
            let missing = ["table-statistics", "index-statistics", "statement-statistics"];
            let mut sources: Vec<_> = missing.iter().map(|name| AdviceSource::missing(name, OFF, OFF_REMEDY)).collect();
            sources.push(lengths);
            let referenced = self.referenced(connection).await?;
            return Ok(Usage { sources, referenced, ..Usage::default() });
        }
        let uptime = sqlx::query(UPTIME).fetch_one(&mut *connection).await.map_err(failed)?;
        let uptime: i64 = row::text(&uptime, 1).map_err(failed)?.parse().unwrap_or(0);
        let since = Timestamp::from_micros((number(1)? - uptime) * 1_000_000);
        let referenced = self.referenced(connection).await?;
        let mut usage = Usage { since: Some(since), referenced, ..Usage::default() };
        let instruments = sqlx::query(INSTRUMENTS).fetch_one(&mut *connection).await;
        let is_on = instruments.is_ok_and(|found| row::number(&found, 0).is_ok_and(|count| count == 3));
        match self.read(connection, TABLES).await? {
            // Nothing at all was read since the server began: it was not counted.
            Ok(rows) if !is_on || !is_counted(&rows) => {
                for name in ["table-statistics", "index-statistics"] {
                    let detail = "reads of indexes are not counted, or not told to this user";
                    usage.sources.push(AdviceSource::missing(name, detail, INSTRUMENTS_REMEDY));
                }
            }
            Ok(rows) => {
                (usage.tables, usage.indexes) = self.uses(&rows).map_err(|cause| self.failed(cause))?;
                let source = "performance_schema.table_io_waits_summary_by_index_usage";
                usage.sources.push(AdviceSource::used("table-statistics", source));
                usage.sources.push(AdviceSource::used("index-statistics", source));
            }
            Err(words) => {
                for name in ["table-statistics", "index-statistics"] {
                    usage.sources.push(self.unreadable(name, &words));
                }
            }
        }
        let source = self.statements(connection, &mut usage.statements).await?;
        usage.sources.push(source);
        usage.sources.push(lengths);
        Ok(usage)
    }

    /// What foreign keys point to; nothing where that may not be read.
    async fn referenced(&self, connection: &mut MySqlConnection) -> Result<Vec<(ObjectName, Vec<String>)>> {
        let Ok(rows) = self.read(connection, REFERENCED).await? else { return Ok(Vec::new()) };
        let mut keys: BTreeMap<(String, String, String), Vec<String>> = BTreeMap::new();
        for found in &rows {
            let text = |place: usize| row::text(found, place).map_err(|cause| self.failed(cause));
            keys.entry((text(2)?, text(0)?, text(1)?)).or_default().push(text(3)?);
        }
        let schema = &self.settings().database;
        let of_table = |name: String| ObjectName { schema: schema.clone(), name };
        Ok(keys.into_iter().map(|((table, ..), columns)| (of_table(table), columns)).collect())
    }

    async fn statements(
        &self,
        connection: &mut MySqlConnection,
        statements: &mut Vec<StatementUse>,
    ) -> Result<AdviceSource> {
        const NAME: &str = "statement-statistics";
        let rows = match self.read(connection, STATEMENTS).await? {
            Ok(rows) => rows,
            Err(words) => return Ok(self.unreadable(NAME, &words)),
        };
        let consumers = sqlx::query(CONSUMERS).fetch_one(connection).await;
        // Who may not look at them is not told that they are off.
        if consumers.is_ok_and(|found| row::number(&found, 0).is_ok_and(|count| count < 3)) {
            return Ok(AdviceSource::missing(
                NAME,
                "the consumers of statement digests are switched off",
                CONSUMERS_REMEDY,
            ));
        }
        let read = rows.iter().map(statement_use).collect::<std::result::Result<_, _>>();
        *statements = read.map_err(|cause| self.failed(cause))?;
        Ok(AdviceSource::used(NAME, "performance_schema.events_statements_summary_by_digest"))
    }

    /// The rows of a query over the database, or the server's words where it refuses.
    async fn read(
        &self,
        connection: &mut MySqlConnection,
        sql: &'static str,
    ) -> Result<std::result::Result<Vec<MySqlRow>, String>> {
        match sqlx::query(sql).bind(&self.settings().database).fetch_all(connection).await {
            Ok(rows) => Ok(Ok(rows)),
            Err(cause) if error::server_error(&cause).is_some() => Ok(Err(error::statement_failure(&cause).message)),
            Err(cause) => Err(self.failed(cause)),
        }
    }

    fn unreadable(&self, name: &str, words: &str) -> AdviceSource {
        AdviceSource::missing(name, words, self.grant_on("SELECT", "performance_schema.*"))
    }

    fn uses(&self, rows: &[MySqlRow]) -> std::result::Result<(Vec<TableUse>, Vec<IndexUse>), sqlx::Error> {
        let mut tables: HashMap<ObjectName, TableUse> = HashMap::new();
        let mut indexes = Vec::new();
        for found in rows {
            let table = ObjectName { schema: self.settings().database.clone(), name: row::text(found, 0)? };
            let fetched = row::number(found, 2)?;
            let used = tables.entry(table.clone()).or_insert_with(|| TableUse {
                table: table.clone(),
                sequential_scans: -1,
                ..TableUse::default()
            });
            used.writes = Writes {
                inserts: used.writes.inserts + row::number(found, 3)?,
                updates: used.writes.updates + row::number(found, 4)?,
                heap_only_updates: None,
                deletes: used.writes.deletes + row::number(found, 5)?,
            };
            match row::optional_text(found, 1)? {
                Some(index) => {
                    used.index_scans += fetched;
                    indexes.push(IndexUse { table, index, scans: fetched });
                }
                None => used.sequential_rows += fetched,
            }
        }
        Ok((tables.into_values().collect(), indexes))
    }
}

/// Something was counted.
fn is_counted(rows: &[MySqlRow]) -> bool {
    rows.iter().any(|found| (2..6).any(|place| row::number(found, place).is_ok_and(|count| count > 0)))
}

fn statement_use(found: &MySqlRow) -> std::result::Result<StatementUse, sqlx::Error> {
    Ok(StatementUse {
        text: readable(&row::text(found, 0)?),
        calls: row::number(found, 1)?,
        total_time: row::number(found, 2)? as f64 / 1000.0,
        rows_examined: Some(row::number(found, 3)?),
        calls_without_index: Some(row::number(found, 4)?),
    })
}

/// A digest writes several values as `(...)`, which is no SQL.
fn readable(digest: &str) -> String {
    digest.replace("(...)", "(?)").replace("( ... )", "( ? )")
}

/// How the server would run each statement. None is run: a prepared statement is one, and begins with EXPLAIN.
async fn plans(
    connection: &mut MySqlConnection,
    statements: &[TrialStatement],
) -> std::result::Result<Vec<Plan>, sqlx::Error> {
    let mut plans = Vec::with_capacity(statements.len());
    sqlx::raw_sql("START TRANSACTION READ ONLY").execute(&mut *connection).await?;
    for statement in statements {
        plans.push(plan(connection, statement).await?);
    }
    sqlx::raw_sql("ROLLBACK").execute(connection).await?;
    Ok(plans)
}

async fn plan(connection: &mut MySqlConnection, statement: &TrialStatement) -> std::result::Result<Plan, sqlx::Error> {
    if let Some(why) = &statement.refused {
        return Ok(Plan::missing(why));
    }
    if statement.has_parameters {
        return Ok(Plan::missing("the server plans no statement without the values of its parameters"));
    }
    let explain = format!("EXPLAIN FORMAT=JSON {}", statement.text);
    let found = sqlx::query(AssertSqlSafe(explain)).persistent(false).fetch_one(connection).await;
    match found {
        Ok(found) => {
            let text = row::text(&found, 0)?;
            let plan: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let Some(lines) = lines(&plan) else {
                return Ok(Plan::missing("not planned: the server reads rows for its plan"));
            };
            Ok(match cost(&plan) {
                Some(cost) => Plan { cost: Some(cost), ..Plan::default() },
                None => Plan { text: lines.join("\n"), ..Plan::default() },
            })
        }
        Err(cause) => match error::server_error(&cause).map(|error| error.number()) {
            Some(number) => Ok(Plan::missing(format!("the server does not plan it: error {number}"))),
            None => Err(cause),
        },
    }
}

/// What MySQL, and MariaDB from 11.0, estimates for the whole of a query.
fn cost(plan: &serde_json::Value) -> Option<f64> {
    let block = plan.get("query_block")?;
    let of_mysql = block.get("cost_info").and_then(|costs| costs.get("query_cost")?.as_str()?.parse().ok());
    of_mysql.or_else(|| block.get("cost")?.as_f64())
}

/// Table, way of access, key and rows of each table, and nothing that holds a value. None where the server read rows to plan, for then
/// the plan tells what stands in them.
fn lines(plan: &serde_json::Value) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    let mut rest = vec![plan];
    while let Some(part) = rest.pop() {
        match part {
            serde_json::Value::Array(parts) => rest.extend(parts.iter().rev()),
            serde_json::Value::Object(members) => {
                if let Some(access) = members.get("access_type").and_then(|access| access.as_str()) {
                    if matches!(access, "const" | "system") {
                        return None;
                    }
                    let text = |name: &str| members.get(name).and_then(|value| value.as_str()).unwrap_or("none");
                    let rows = members.get("rows").or_else(|| members.get("rows_examined_per_scan"));
                    let rows = rows.and_then(serde_json::Value::as_u64).unwrap_or(0);
                    lines.push(format!("{}: access {access}, key {}, rows {rows}", text("table_name"), text("key")));
                }
                rest.extend(members.values().rev());
            }
            _ => {}
        }
    }
    (!lines.is_empty()).then_some(lines)
}
