//! Metrics and sessions.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use dbkeeper::{
    engine::{Engine, Sessions},
    model::{
        metric::{MetricKind, SampleTiers},
        session::Session,
    },
};

use super::{engine, fixture, open};
use crate::harness::mariadb::MariadbServer;

#[tokio::test]
async fn a_sample_has_server_and_table_metrics_each_once() {
    let name = fixture::create();
    let database = open(&name).await;
    let metrics = database.require_metrics().unwrap();
    let sample = metrics.sample(SampleTiers { tables: true }).await.unwrap();
    assert!(sample.skipped.is_empty(), "{:?}", sample.skipped);
    let keys: BTreeSet<_> = sample.points.iter().map(|point| (point.name, point.attributes.clone())).collect();
    assert_eq!(keys.len(), sample.points.len());
    let value = |name: &str| sample.points.iter().find(|point| point.name == name).map(|point| point.value);
    assert_eq!(value("mysql.connection.max"), Some(300.0));
    assert!(value("mysql.threads.connected") >= Some(1.0));
    let tables: Vec<&str> = sample
        .points
        .iter()
        .filter(|point| point.name == "mysql.table.size")
        .map(|point| point.attributes[0].1.as_str())
        .collect();
    assert_eq!(tables.first().copied(), Some(format!("{name}.kinds").as_str()));

    let later = metrics.sample(SampleTiers { tables: false }).await.unwrap();
    assert!(!later.points.iter().any(|point| point.name == "mysql.table.size"));
    let epochs = |points: &[dbkeeper::model::metric::Point]| -> BTreeSet<_> {
        points.iter().filter(|point| point.kind == MetricKind::Counter).map(|point| point.epoch).collect()
    };
    assert_eq!(epochs(&sample.points), epochs(&later.points));
    assert_eq!(epochs(&sample.points).len(), 1);

    let vitals = metrics.vitals().await.unwrap();
    assert_eq!(vitals.max_sessions, 300);
    assert!(vitals.sessions >= 1 && vitals.uptime.is_some() && !vitals.in_recovery);
}

#[tokio::test]
async fn a_group_without_its_privilege_is_skipped_with_the_grant() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    let user = server.fresh_name();
    server.sql(&name, &format!("CREATE USER {user} IDENTIFIED BY 'x'; GRANT SELECT ON `{name}`.* TO {user}"));
    let mut target = server.target(&name);
    target.settings.username = user;
    target.credentials.password = "x".into();
    let database = engine().open(target).await.unwrap();
    let sample = database.require_metrics().unwrap().sample(SampleTiers { tables: true }).await.unwrap();
    let subjects: Vec<&str> = sample.skipped.iter().map(|skipped| skipped.subject.as_str()).collect();
    assert_eq!(subjects, ["transactions", "history list", "replication"]);
    for skipped in &sample.skipped {
        server.sql(&name, &skipped.remedy);
    }
    assert!(sample.points.iter().any(|point| point.name == "mysql.questions"));
}

#[tokio::test]
async fn sessions_tell_their_blockers_and_which_are_ours() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    server.sql(&name, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)");
    let thread = |sql: &str| {
        let (name, sql) = (name.clone(), sql.to_owned());
        std::thread::spawn(move || MariadbServer::shared().sql(&name, &sql))
    };
    let database = open(&name).await;
    let sessions = database.require_sessions().unwrap();

    let blocker = thread("BEGIN; UPDATE t SET id = 2; SELECT SLEEP(600)");
    // InnoDB renews what it tells of transactions and locks only when nobody has asked for a tenth of a second, and
    // other tests ask the same server: each is waited for.
    let blocking = seen(sessions, &name, |session| {
        session.statement.contains("SLEEP(600)") && session.transaction_started.is_some()
    })
    .await;
    assert!(blocking.statement_started.is_some() && !blocking.own);

    let waiter = thread("SET innodb_lock_wait_timeout = 600; UPDATE t SET id = 3");
    let waiting =
        seen(sessions, &name, |session| session.statement.contains("SET id = 3") && !session.blocked_by.is_empty())
            .await;
    assert_eq!(waiting.blocked_by, std::slice::from_ref(&blocking.id));
    assert!(!waiting.wait.is_empty());

    let own = seen(sessions, &name, |session| session.own).await;
    assert_ne!(own.id, blocking.id);
    server.sql("mysql", &format!("KILL QUERY {}", blocking.id));
    // The client tells that it was interrupted, which is a failure to the harness.
    let _ = blocker.join();
    let _ = waiter.join();
}

/// Waits for a session of a database that is as it should be.
async fn seen(sessions: &dyn Sessions, database: &str, wanted: impl Fn(&Session) -> bool) -> Session {
    let give_up = Instant::now() + Duration::from_secs(120);
    loop {
        let listed: Vec<Session> =
            sessions.list().await.unwrap().into_iter().filter(|session| session.database == database).collect();
        if let Some(found) = listed.iter().find(|session| wanted(session)) {
            return found.clone();
        }
        assert!(Instant::now() < give_up, "no such session among {listed:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
