//! Reads the groups that are due, one query each. A group that fails is skipped and rolls back to its savepoint.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row, postgres::PgRow};

use super::{
    PostgresMonitor,
    groups::{Group, due_groups, statements_group},
};
use crate::{
    engine::{
        Metrics,
        postgres::{capability::quoted, database::ReadTransaction},
    },
    model::{
        Error, Reason, Result, Timestamp,
        metric::{Point, RawSample, SampleTiers, Vitals},
        name::Identifier,
        schema::Skipped,
    },
};

const VITALS: &str = include_str!("vitals.sql");
/// Who we are, what we may see, and where pg_stat_statements is, for the groups that depend on it.
const SURROUNDINGS: &str = "SELECT current_user::text, pg_has_role('pg_read_all_stats', 'USAGE'), \
    (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
     WHERE e.extname = 'pg_stat_statements')";
/// Of the usable connections.
const CROWDED_PERCENT: i64 = 80;
/// PostgreSQL stops taking writes a little over two thousand million.
const WRAPAROUND_AGE: i64 = 1_500_000_000;

#[async_trait]
impl Metrics for PostgresMonitor {
    async fn vitals(&self) -> Result<Vitals> {
        let mut transaction = self.leases.begin().await?;
        let row =
            sqlx::query(VITALS).persistent(transaction.keeps_statements()).fetch_one(transaction.connection()).await;
        let row = row.map_err(|error| transaction.failure(error))?;
        transaction.commit().await?;
        let sessions: i64 = row.get(2);
        Ok(Vitals {
            uptime: u64::try_from(row.get::<i64, _>(0)).ok().map(Duration::from_millis),
            in_recovery: row.get(1),
            sessions: u32::try_from(sessions).unwrap_or(u32::MAX),
            max_sessions: u32::try_from(row.get::<i64, _>(3)).unwrap_or(0),
            findings: findings(sessions, row.get(4), row.get(5), row.get(6)),
        })
    }

    async fn sample(&self, tiers: SampleTiers) -> Result<RawSample> {
        let mut transaction = self.leases.begin().await?;
        let row = sqlx::query(SURROUNDINGS)
            .persistent(transaction.keeps_statements())
            .fetch_one(transaction.connection())
            .await;
        let row = row.map_err(|error| transaction.failure(error))?;
        let user = quoted(row.get(0));
        let mut sample = RawSample::default();
        if !row.get::<bool, _>(1) {
            sample.skipped.push(Skipped {
                subject: "sessions and replication of other users".to_owned(),
                reason: "the user lacks pg_monitor".to_owned(),
                remedy: format!("GRANT pg_monitor TO {user}"),
                ..Skipped::default()
            });
        }
        let mut groups = due_groups(self.server.version_number.0, tiers);
        match row.get::<Option<&str>, _>(2).and_then(|schema| Identifier::parse(schema, "schema").ok()) {
            Some(schema) => groups.push(statements_group(&schema)),
            None => sample.skipped.push(Skipped {
                subject: "statement statistics".to_owned(),
                reason: "the extension pg_stat_statements is not in this database".to_owned(),
                remedy: "CREATE EXTENSION pg_stat_statements".to_owned(),
                ..Skipped::default()
            }),
        }
        for group in groups {
            match read_group(&mut transaction, &group).await {
                Ok(points) => sample.points.extend(points),
                Err(error) if error.reason() == Reason::DatabaseUnreachable => return Err(error),
                Err(error) => {
                    transaction.execute("ROLLBACK TO SAVEPOINT group_of_metrics".to_owned()).await?;
                    sample.skipped.push(skipped(&group, &error, &user));
                }
            }
        }
        transaction.commit().await?;
        Ok(sample)
    }
}

fn findings(sessions: i64, usable: i64, transaction_age: i64, multixact_age: i64) -> Vec<String> {
    let mut findings = Vec::new();
    if sessions * 100 > usable * CROWDED_PERCENT {
        findings.push(format!("{sessions} of {usable} usable connections are taken"));
    }
    for (what, age) in [("transaction", transaction_age), ("multixact", multixact_age)] {
        if age > WRAPAROUND_AGE {
            findings.push(format!("the oldest {what} id is {age} old; vacuum before it wraps around"));
        }
    }
    findings
}

async fn read_group(transaction: &mut ReadTransaction<'_>, group: &Group) -> Result<Vec<Point>> {
    transaction.execute("SAVEPOINT group_of_metrics".to_owned()).await?;
    let rows = sqlx::query(AssertSqlSafe(group.sql.to_string()))
        .persistent(transaction.keeps_statements())
        .fetch_all(transaction.connection())
        .await;
    let rows = rows.map_err(|error| transaction.failure(error))?;
    Ok(rows.iter().flat_map(|row| points(group, row)).collect())
}

/// A row holds the attributes, then the values, then the epoch. A value that is NULL is not there.
fn points(group: &Group, row: &PgRow) -> Vec<Point> {
    let attribute_count = group.attributes.len();
    let mut attributes: Vec<(&'static str, String)> = Vec::with_capacity(attribute_count);
    for (column, key) in group.attributes.iter().enumerate() {
        attributes.push((key, row.get::<Option<String>, _>(column).unwrap_or_default()));
    }
    attributes.sort_unstable();
    let epoch = row.get::<Option<i64>, _>(attribute_count + group.values.len()).map(Timestamp::from_micros);
    let mut points = Vec::with_capacity(group.values.len());
    for (position, value) in group.values.iter().enumerate() {
        if let Some(number) = row.get::<Option<f64>, _>(attribute_count + position) {
            let mut attributes = attributes.clone();
            attributes.extend(value.attribute.map(|(key, text)| (key, text.to_owned())));
            attributes.sort_unstable();
            points.push(Point {
                name: value.name,
                unit: value.unit,
                kind: value.kind,
                attributes,
                value: number,
                epoch,
            });
        }
    }
    points
}

fn skipped(group: &Group, error: &Error, user: &str) -> Skipped {
    let (reason, remedy) = match error.reason() {
        Reason::PrivilegeMissing => ("the user lacks a privilege", format!("GRANT pg_monitor TO {user}")),
        Reason::StatementTimeout => ("the query took too long", String::new()),
        Reason::LockTimeout => ("a lock of another session was not released in time", String::new()),
        _ => (error.message(), String::new()),
    };
    Skipped { subject: group.subject.to_owned(), reason: reason.to_owned(), remedy, ..Skipped::default() }
}
