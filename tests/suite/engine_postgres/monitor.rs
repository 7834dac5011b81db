//! Metrics and sessions.

use dbkeeper::model::metric::{MetricKind, RawSample, SampleTiers};

use super::{engine, inspect::FIXTURE, open_new, target};
use crate::harness::postgres::PostgresServer;
use dbkeeper::engine::Engine;

fn value(sample: &RawSample, name: &str, attribute: Option<&str>) -> Option<f64> {
    let fits =
        |attributes: &[(&str, String)]| attribute.is_none_or(|text| attributes.iter().any(|(_, value)| value == text));
    sample.points.iter().find(|point| point.name == name && fits(&point.attributes)).map(|point| point.value)
}

#[tokio::test]
async fn a_sample_has_every_group() {
    let (database, opened) = open_new().await;
    let server = PostgresServer::shared();
    server.psql(&database, FIXTURE);
    let metrics = opened.require_metrics().expect("metrics");
    let sample = metrics.sample(SampleTiers { tables: true }).await.expect("a sample");
    let skipped: Vec<&str> = sample.skipped.iter().map(|skipped| skipped.subject.as_str()).collect();
    assert_eq!(skipped, ["statement statistics"], "{:?}", sample.skipped);
    assert_eq!(sample.skipped[0].remedy, "CREATE EXTENSION pg_stat_statements");
    assert_eq!(value(&sample, "postgresql.connection.max", None), Some(200.0));
    for name in [
        "postgresql.backends",
        "postgresql.transaction.longest",
        "postgresql.commits",
        "postgresql.blks_hit",
        "postgresql.locks",
        "postgresql.transaction_id.age",
        "postgresql.checkpoints",
        "postgresql.archiver.failures",
        "postgresql.db_size",
    ] {
        assert!(value(&sample, name, None).is_some(), "{name} is missing");
    }
    assert!(value(&sample, "postgresql.table.size", Some("every_type")).expect("a size") > 0.0);
    for point in sample.points.iter().filter(|point| point.kind == MetricKind::Counter) {
        assert!(point.epoch.is_some(), "{} has no epoch", point.name);
    }
    let mut keys: Vec<_> = sample.points.iter().map(|point| (point.name, point.attributes.clone())).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), sample.points.len(), "no series twice");

    let lean = metrics.sample(SampleTiers { tables: false }).await.expect("a sample");
    assert_eq!(value(&lean, "postgresql.db_size", None), None);
}

#[tokio::test]
async fn a_group_that_fails_is_skipped_with_its_grant() {
    let server = PostgresServer::shared();
    let (database, _) = open_new().await;
    server.psql(&database, "CREATE ROLE watcher LOGIN PASSWORD 'x'; CREATE SCHEMA secret; CREATE TABLE secret.t ()");
    server.psql(&database, "REVOKE SELECT ON pg_stat_archiver FROM PUBLIC");
    let mut settings = server.settings(&database);
    settings.username = "watcher".to_owned();
    let opened = engine().open(target(settings, "x")).await.expect("it opens");
    let sample =
        opened.require_metrics().expect("metrics").sample(SampleTiers { tables: true }).await.expect("a sample");
    let archiver = sample.skipped.iter().find(|skipped| skipped.subject == "archiver").expect("it is skipped");
    assert_eq!(archiver.remedy, "GRANT pg_monitor TO \"watcher\"");
    assert!(value(&sample, "postgresql.commits", None).is_some(), "the others go on");
    assert!(value(&sample, "postgresql.table.size", Some("t")).is_some(), "and those after it");
}

#[tokio::test]
async fn vitals_and_sessions_tell_who_blocks_whom() {
    let (database, opened) = open_new().await;
    let server = PostgresServer::shared();
    server.psql(&database, "CREATE TABLE t (id int)");
    let vitals = opened.require_metrics().expect("metrics").vitals().await.expect("vitals");
    assert_eq!((vitals.in_recovery, vitals.max_sessions), (false, 200));
    assert!(vitals.uptime.is_some() && vitals.sessions > 0 && vitals.findings.is_empty());

    let run = |sql: &'static str| {
        let database = database.clone();
        std::thread::spawn(move || std::panic::catch_unwind(|| PostgresServer::shared().psql(&database, sql)))
    };
    let holder = run("BEGIN; LOCK TABLE t; SELECT pg_sleep(600)");
    super::wait_until("it is held", || {
        server.psql(&database, "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND granted") == "1"
    })
    .await;
    let waiter = run("SELECT * FROM t /* waiter */");
    super::wait_until("it waits", || {
        server.psql(&database, "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND NOT granted") == "1"
    })
    .await;
    let listed = opened.require_sessions().expect("sessions").list().await.expect("sessions");
    server.psql(
        &database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                            AND application_name = 'psql' AND pid <> pg_backend_pid()",
    );
    let _ = (holder.join(), waiter.join());

    let ours: Vec<_> = listed.iter().filter(|session| session.database == database).collect();
    let waiting = ours.iter().find(|session| session.statement.contains("waiter")).expect("the waiter is listed");
    let holding = ours.iter().find(|session| session.statement.contains("pg_sleep")).expect("the holder is listed");
    assert_eq!(waiting.blocked_by.join(","), holding.id);
    assert!(waiting.wait.starts_with("Lock"), "{waiting:?}");
    assert!(holding.transaction_started.is_some() && holding.blocked_by.is_empty() && !holding.own);
    assert!(ours.iter().any(|session| session.own && session.application == "dbkeeper"));
    assert!(listed.is_sorted_by_key(|session| session.started));
}
