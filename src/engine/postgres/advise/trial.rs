//! Plans statements, as the database is and with indexes that HypoPG says are there. No statement is run.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Row, postgres::types::Oid};

use super::Facts;
use crate::{
    engine::postgres::{
        database::ReadTransaction,
        dialect::{qualified, quoted},
    },
    model::{
        Result,
        schema::{AdviceSource, IndexTrial, ObjectName, Plan, TableKind, TrialOutcome, TrialStatement},
    },
};

const SOURCE: &str = "hypothetical-indexes";
/// Tables whose plans run nothing but what belongs to the server.
const PLAIN: &str = include_str!("plain.sql");
/// For how long plans are made in all.
const BUDGET: Duration = Duration::from_secs(10);
const BACK: &str = "ROLLBACK TO SAVEPOINT trial; RELEASE SAVEPOINT trial";
/// Statements are planned for any values of their parameters. They name their tables in full, and nobody's functions and operators are
/// found but the server's. The time-outs of the transaction hold on.
const SETTINGS: &str = "SET LOCAL search_path TO pg_catalog, pg_temp; SET LOCAL jit TO DEFAULT; SET LOCAL work_mem TO DEFAULT; \
    SET LOCAL max_parallel_workers_per_gather TO DEFAULT; SET LOCAL plan_cache_mode TO force_generic_plan";
/// No plan takes longer than all may.
const TIMEOUT: &str = "SELECT pg_catalog.set_config('statement_timeout', least(nullif(setting::int8, 0), $1)::text, true) \
    FROM pg_catalog.pg_settings WHERE name = 'statement_timeout'";

pub(super) async fn run(
    transaction: &mut ReadTransaction<'_>,
    facts: &Facts,
    statements: &[TrialStatement],
    trials: &[IndexTrial],
) -> Result<TrialOutcome> {
    // Hypothetical indexes stay with the session.
    transaction.soil();
    transaction.execute(SETTINGS.to_owned()).await?;
    let most = i64::try_from(BUDGET.as_millis()).unwrap_or(i64::MAX);
    let timeout = sqlx::query(TIMEOUT).persistent(false).bind(most).execute(transaction.connection()).await;
    timeout.map_err(|error| transaction.failure(error))?;
    let planner = Planner { plain: plain(transaction, statements).await?, end: Instant::now() + BUDGET };
    let mut outcome = TrialOutcome { sizes: vec![None; trials.len()], ..TrialOutcome::default() };
    for statement in statements {
        outcome.before.push(planner.plan(transaction, statement).await?);
    }
    outcome.after = vec![None; trials.len()];
    let Some(schema) = &facts.hypopg_schema else {
        outcome.source = Some(missing(facts));
        return Ok(outcome);
    };
    for (place, trial) in trials.iter().enumerate() {
        if planner.is_over() {
            outcome.after[place] = Some(vec![Plan::missing(OVER); trial.statements.len()]);
            continue;
        }
        match create(transaction, schema, trial).await? {
            Ok((index, bytes)) => {
                let mut plans = Vec::with_capacity(trial.statements.len());
                for statement in trial.statements.iter().filter_map(|place| statements.get(*place)) {
                    plans.push(planner.plan(transaction, statement).await?);
                }
                (outcome.after[place], outcome.sizes[place]) = (Some(plans), bytes);
                let drop = format!("SELECT {schema}.hypopg_drop_index($1)");
                let dropped = sqlx::query(AssertSqlSafe(drop)).persistent(false).bind(index);
                let dropped = dropped.execute(transaction.connection()).await;
                dropped.map_err(|error| transaction.failure(error))?;
            }
            Err(why) => {
                outcome.after[place] = Some(vec![Plan::missing(why); trial.statements.len()]);
            }
        }
    }
    transaction.execute(format!("SELECT {schema}.hypopg_reset()")).await?;
    outcome.source = Some(match planner.is_over() {
        true => AdviceSource::missing(SOURCE, OVER, "ask for fewer tables with `name_pattern`"),
        false => AdviceSource::used(SOURCE, "HypoPG"),
    });
    Ok(outcome)
}

const OVER: &str = "not planned: the 10 seconds for all plans were over";

/// Plans what may be planned, until the time is over.
struct Planner {
    plain: BTreeSet<ObjectName>,
    end: Instant,
}

impl Planner {
    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    async fn plan(&self, transaction: &mut ReadTransaction<'_>, statement: &TrialStatement) -> Result<Plan> {
        if let Some(why) = &statement.refused {
            return Ok(Plan::missing(why));
        }
        if let Some(table) = statement.tables.iter().find(|table| !self.plain.contains(table)) {
            let why = "has row security, rules, or types or expressions that call functions of users";
            return Ok(Plan::missing(format!("not planned: {} {why}", qualified(table))));
        }
        match self.is_over() {
            true => Ok(Plan::missing(OVER)),
            false => plan(transaction, statement).await,
        }
    }
}

async fn plain(transaction: &mut ReadTransaction<'_>, statements: &[TrialStatement]) -> Result<BTreeSet<ObjectName>> {
    let tables: BTreeSet<&ObjectName> = statements.iter().flat_map(|statement| &statement.tables).collect();
    let schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let query = transaction.query(PLAIN).bind(schemas).bind(names);
    let found = query.fetch_all(transaction.connection()).await.map_err(|error| transaction.failure(error))?;
    Ok(found.iter().map(super::table_name).collect())
}

fn missing(facts: &Facts) -> AdviceSource {
    let detail = "the extension hypopg is not in this database, so that there are no costs with an index";
    let remedy = match facts.hypopg_available {
        true => "CREATE EXTENSION hypopg".to_owned(),
        false => "apt-get install postgresql-<version>-hypopg on the server, and CREATE EXTENSION hypopg".to_owned(),
    };
    AdviceSource::missing(SOURCE, detail, remedy)
}

/// What the server answers, or where it refuses the code of that: its words may quote what not everybody may see. The transaction is as
/// it was in any case, without the locks on tables.
async fn attempt<T>(
    transaction: &mut ReadTransaction<'_>,
    work: impl AsyncFnOnce(&mut ReadTransaction<'_>) -> std::result::Result<T, sqlx::Error>,
) -> Result<std::result::Result<T, String>> {
    transaction.execute("SAVEPOINT trial".to_owned()).await?;
    match work(transaction).await {
        Ok(found) => {
            transaction.execute(BACK.to_owned()).await?;
            Ok(Ok(found))
        }
        Err(error) => match error.as_database_error().map(|error| error.code().map(|code| code.into_owned())) {
            Some(code) => {
                transaction.execute(BACK.to_owned()).await?;
                Ok(Err(format!("the server does not plan it: SQLSTATE {}", code.unwrap_or_default())))
            }
            None => Err(transaction.failure(error)),
        },
    }
}

/// Number and bytes of a hypothetical index.
async fn create(
    transaction: &mut ReadTransaction<'_>,
    schema: &str,
    trial: &IndexTrial,
) -> Result<std::result::Result<(Oid, Option<i64>), String>> {
    if trial.kind == TableKind::PartitionedTable {
        return Ok(Err("a partitioned table has no hypothetical indexes".to_owned()));
    }
    let columns: Vec<String> = trial.columns.iter().map(|column| quoted(column)).collect();
    let create = format!("CREATE INDEX ON {} ({})", qualified(&trial.table), columns.join(", "));
    let sql = format!(
        "SELECT made.indexrelid, {schema}.hypopg_relation_size(made.indexrelid)::int8 AS bytes
         FROM {schema}.hypopg_create_index($1) AS made"
    );
    attempt(transaction, async move |transaction| {
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(create);
        let made = query.fetch_one(transaction.connection()).await?;
        Ok((made.try_get("indexrelid")?, made.try_get("bytes")?))
    })
    .await
}

/// The cost of a statement. It is prepared, which takes one statement and no more, and only its plan is asked for. A generic plan is
/// kept with what is prepared and would not see another index, so that it is prepared each time.
async fn plan(transaction: &mut ReadTransaction<'_>, statement: &TrialStatement) -> Result<Plan> {
    let prepare = format!("PREPARE dbkeeper_plan AS {}", statement.text);
    let planned = attempt(transaction, async move |transaction| {
        sqlx::query(AssertSqlSafe(prepare)).persistent(false).execute(transaction.connection()).await?;
        let parameters =
            "SELECT cardinality(parameter_types) FROM pg_catalog.pg_prepared_statements WHERE name = 'dbkeeper_plan'";
        let found = sqlx::query(parameters).persistent(false).fetch_one(transaction.connection()).await?;
        let count = usize::try_from(found.try_get::<i32, _>(0)?).unwrap_or(0);
        let values = if count == 0 { String::new() } else { format!("({})", vec!["NULL"; count].join(", ")) };
        let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE dbkeeper_plan{values}");
        let found = sqlx::query(AssertSqlSafe(explain)).persistent(false).fetch_one(transaction.connection()).await?;
        let text = found.try_get_unchecked::<String, _>(0)?;
        sqlx::query("DEALLOCATE dbkeeper_plan").persistent(false).execute(transaction.connection()).await?;
        Ok(text)
    })
    .await?;
    match planned {
        Ok(text) => Ok(cost(&text).map_or_else(
            || Plan::missing("the plan has no cost"),
            |cost| Plan { cost: Some(cost), ..Plan::default() },
        )),
        Err(words) => {
            // What was prepared stays when the transaction goes back to before it.
            let left = "SELECT FROM pg_catalog.pg_prepared_statements WHERE name = 'dbkeeper_plan'";
            let left = sqlx::query(left).persistent(false).fetch_optional(transaction.connection()).await;
            if left.map_err(|error| transaction.failure(error))?.is_some() {
                transaction.execute("DEALLOCATE dbkeeper_plan".to_owned()).await?;
            }
            Ok(Plan::missing(words))
        }
    }
}

fn cost(plan: &str) -> Option<f64> {
    let plan: serde_json::Value = serde_json::from_str(plan).ok()?;
    plan.get(0)?.get("Plan")?.get("Total Cost")?.as_f64()
}
