//! Functions, procedures and aggregates.

use sqlx::{Row, postgres::PgRow};

use super::ObjectReader;
use crate::{
    engine::postgres::inspect::catalog::{parameters, text},
    model::{
        Result,
        schema::{
            Aggregate, ArgumentMode, ObjectDetails, ParallelSafety, PostgresRoutine, Routine, RoutineArgument,
            RoutineDetails, SecurityContext, Volatility,
        },
    },
};

const ROUTINES: &str = include_str!("../catalog/objects/routines.sql");

impl ObjectReader<'_, '_> {
    pub(super) async fn routines(&mut self) -> Result<()> {
        let Some(oids) = self.wanted_of("pg_proc") else { return Ok(()) };
        let query = self.transaction.query(ROUTINES).bind(&oids).bind(self.locked);
        for row in &self.transaction.rows(query).await? {
            let details = match row.get::<Option<&str>, _>("aggregate_kind") {
                Some(kind) => ObjectDetails::Aggregate(Box::new(aggregate(row, kind))),
                None => ObjectDetails::Routine(Box::new(routine(row))),
            };
            self.add("pg_proc", row.get("oid"), details, text(row, "definition"));
        }
        Ok(())
    }
}

fn routine(row: &PgRow) -> Routine {
    Routine {
        language: row.get("language"),
        arguments: arguments(row),
        return_type: text(row, "return_type"),
        security: if row.get("definer") { SecurityContext::Definer } else { SecurityContext::Invoker },
        body: row.get::<Option<String>, _>("sql_body").unwrap_or_else(|| row.get("source")),
        details: Some(RoutineDetails::Postgres(PostgresRoutine {
            volatility: match row.get("volatility") {
                "i" => Volatility::Immutable,
                "s" => Volatility::Stable,
                _ => Volatility::Volatile,
            },
            parallel: parallel(row),
            strict: row.get("strict"),
            leakproof: row.get("leakproof"),
            cost: row.get("cost"),
            rows: row.get("rows"),
            returns_set: row.get("returns_set"),
            window: row.get("window"),
            settings: parameters(row.get("settings")),
            support_function: text(row, "support"),
        })),
    }
}

fn aggregate(row: &PgRow, kind: &str) -> Aggregate {
    Aggregate {
        arguments: arguments(row),
        return_type: text(row, "return_type"),
        state_function: text(row, "state_function"),
        state_type: text(row, "state_type"),
        final_function: text(row, "final_function"),
        combine_function: text(row, "combine_function"),
        initial_state: row.get("initial_state"),
        sort_operator: text(row, "sort_operator"),
        kind: match kind {
            "o" => "ordered-set",
            "h" => "hypothetical-set",
            _ => "normal",
        }
        .to_owned(),
        parallel: parallel(row),
    }
}

fn parallel(row: &PgRow) -> ParallelSafety {
    match row.get("parallel") {
        "s" => ParallelSafety::Safe,
        "r" => ParallelSafety::Restricted,
        _ => ParallelSafety::Unsafe,
    }
}

/// Names and modes are NULL where no argument has one, or where all go in.
fn arguments(row: &PgRow) -> Vec<RoutineArgument> {
    let types: Vec<String> = row.get("argument_types");
    let names: Vec<String> = row.get::<Option<_>, _>("argument_names").unwrap_or_default();
    let modes: Vec<String> = row.get::<Option<_>, _>("argument_modes").unwrap_or_default();
    let defaults: Vec<Option<String>> = row.get("argument_defaults");
    let argument = |(place, data_type): (usize, String)| RoutineArgument {
        name: names.get(place).cloned().unwrap_or_default(),
        data_type,
        mode: match modes.get(place).map_or("i", String::as_str) {
            "o" => ArgumentMode::Out,
            "b" => ArgumentMode::InOut,
            "v" => ArgumentMode::Variadic,
            "t" => ArgumentMode::Table,
            _ => ArgumentMode::In,
        },
        default_expression: defaults.get(place).cloned().flatten(),
    };
    types.into_iter().enumerate().map(argument).collect()
}
