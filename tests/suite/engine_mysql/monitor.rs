//! Metrics and sessions.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use dbkeeper::{
    engine::{Database, Engine, Sessions},
    model::{
        metric::{MetricKind, RawSample, SampleTiers},
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
    assert_eq!(subjects(&sample), ["statement digests", "index use"]);
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
    assert_eq!(subjects(&sample), ["transactions", "history list", "replication", "statement digests", "index use"]);
    for skipped in sample.skipped.iter().filter(|skipped| skipped.remedy.starts_with("GRANT")) {
        server.sql(&name, &skipped.remedy);
    }
    let mended = database.require_metrics().unwrap().sample(SampleTiers { tables: true }).await.unwrap();
    assert_eq!(subjects(&mended), ["statement digests", "index use"]);
    assert!(sample.points.iter().any(|point| point.name == "mysql.questions"));
}

#[tokio::test]
async fn statements_and_indexes_are_counted_by_the_best_source_there_is() {
    let server = MariadbServer::with_settings(&["--performance-schema=ON"]);
    let name = server.create_database();
    server.sql(
        &name,
        "CREATE TABLE t (id INT PRIMARY KEY, kind INT, KEY by_kind (kind)); INSERT INTO t VALUES (1, 2), (2, 3)",
    );
    let user = server.fresh_name();
    server.sql(&name, &format!("CREATE USER {user} IDENTIFIED BY 'x'; GRANT ALL ON `{name}`.* TO {user}; GRANT PROCESS, REPLICA MONITOR ON *.* TO {user}"));
    let mut target = server.target(&name);
    target.settings.username = user;
    target.credentials.password = "x".into();
    let database = engine().open(target).await.unwrap();
    let metrics = database.require_metrics().unwrap();
    let sample = async || metrics.sample(SampleTiers { tables: true }).await.unwrap();
    let read = || server.sql(&name, "SELECT id FROM t FORCE INDEX (by_kind) WHERE kind = 3");

    // Nothing may be read, and nothing stands in.
    let denied = sample().await;
    assert_eq!(subjects(&denied), ["statement digests", "index use"]);
    assert_eq!(value(&denied, "mysql.statements.calls", "digests"), None);

    // User statistics stand in.
    server.sql("mysql", "SET GLOBAL userstat = 1");
    read();
    let stand_in = sample().await;
    assert_eq!(subjects(&stand_in), ["statement digests", "index use"]);
    assert!(stand_in.skipped[0].reason.ends_with("user statistics of the whole server stand in for it"));
    assert!(value(&stand_in, "mysql.statements.calls", "user_statistics") >= Some(1.0));
    assert_eq!(value(&stand_in, "mysql.index.reads", "user_statistics"), Some(1.0));

    // The remedy that is told gives the digests, which count this database only and each statement.
    server.sql("mysql", &stand_in.skipped[0].remedy);
    let before = sample().await;
    assert_eq!(subjects(&before), [""; 0]);
    read();
    server.sql("mysql", "SELECT 1");
    let after = sample().await;
    let more = |metric| value(&after, metric, "digests").unwrap() - value(&before, metric, "digests").unwrap();
    assert_eq!((more("mysql.statements.calls"), more("mysql.statements.rows")), (1.0, 1.0));
    let of_index = |sample: &RawSample, index: &str| {
        let found = sample.points.iter().find(|point| {
            point.name == "mysql.index.reads" && point.attributes[0].1 == index && point.attributes[1].1 == "waits"
        });
        found.map(|point| (point.value, point.attributes[2].1.clone()))
    };
    let table = format!("{name}.t");
    assert_eq!(of_index(&after, "by_kind").unwrap().1, table);
    assert!(of_index(&after, "by_kind").unwrap().0 > of_index(&before, "by_kind").unwrap().0);
    assert_eq!(of_index(&after, "PRIMARY"), Some((0.0, table)), "an index that nobody uses");

    // Digests that stand still are not taken for counts.
    server
        .sql("mysql", "UPDATE performance_schema.setup_consumers SET ENABLED = 'NO' WHERE NAME = 'statements_digest'");
    let still = sample().await;
    assert_eq!(subjects(&still), ["statement digests"]);
    assert_eq!(value(&still, "mysql.statements.calls", "digests"), None);
    server.sql("mysql", &still.skipped[0].remedy);
    assert_eq!(subjects(&sample().await), [""; 0]);
}

#[tokio::test]
async fn a_replica_is_told_by_its_channels_and_not_by_being_read_only() {
    let server = MariadbServer::with_settings(&["--server-id=7", "--read-only=ON"]);
    let name = server.create_database();
    let database = engine().open(server.target(&name)).await.unwrap();
    let metrics = database.require_metrics().unwrap();
    let alone = metrics.vitals().await.unwrap();
    assert!(!alone.in_recovery, "a server that is read only replicates from nobody");

    server.sql("mysql", "CHANGE MASTER 'far' TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1, MASTER_USER = 'x'");
    let replica = metrics.vitals().await.unwrap();
    assert!(replica.in_recovery);
    assert_eq!(replica.findings, ["the replication channel \"far\" is stopped"]);
    let sample = metrics.sample(SampleTiers { tables: false }).await.unwrap();
    let channel = sample.points.iter().find(|point| point.name == "mysql.replica.io_running").unwrap();
    assert_eq!((channel.value, channel.attributes[0].1.as_str()), (0.0, "far"));
}

#[tokio::test]
async fn a_replica_tells_how_far_it_is_behind_and_what_of_it_stands_still() {
    let (primary, replica) = MariadbServer::new_replicated();
    let name = primary.create_database();
    primary.sql(&name, "CREATE TABLE t (id INT PRIMARY KEY)");
    let sql = format!("SELECT 1 FROM information_schema.tables WHERE table_schema = '{name}'");
    until(async || replica.sql("mysql", &sql) == "1").await;
    let of_primary = engine().open(primary.target(&name)).await.unwrap();
    let vitals = of_primary.require_metrics().unwrap().vitals().await.unwrap();
    assert!(!vitals.in_recovery && vitals.findings.is_empty(), "{vitals:?}");
    assert_eq!(channel(&*of_primary).await, (None, None, None));

    let database = engine().open(replica.target(&name)).await.unwrap();
    let vitals = async || database.require_metrics().unwrap().vitals().await.unwrap();
    until(async || channel(&*database).await == (Some(1.0), Some(1.0), Some(0.0))).await;
    let well = vitals().await;
    assert!(well.in_recovery && well.findings.is_empty(), "{well:?}");

    // Held back, it is behind by the age of what it has not applied.
    replica.sql("mysql", "STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 3600; START SLAVE");
    primary.sql(&name, "INSERT INTO t VALUES (1)");
    until(async || channel(&*database).await.2 >= Some(1.0)).await;
    assert_eq!((channel(&*database).await.0, channel(&*database).await.1), (Some(1.0), Some(1.0)));
    assert_eq!(replica.sql(&name, "SELECT count(*) FROM t"), "0");

    for (thread, io, sql, finding) in [
        ("SQL_THREAD", 1.0, 0.0, "the replication channel applies nothing"),
        ("IO_THREAD", 0.0, 1.0, "the replication channel receives nothing"),
    ] {
        replica.sql("mysql", &format!("START SLAVE; STOP SLAVE {thread}"));
        // It knows no lag then.
        until(async || channel(&*database).await == (Some(io), Some(sql), None)).await;
        assert_eq!(vitals().await.findings, [finding]);
    }
}

/// What a sample tells of the one channel of a server: it receives, it applies, seconds behind.
async fn channel(database: &dyn Database) -> (Option<f64>, Option<f64>, Option<f64>) {
    let sample = database.require_metrics().unwrap().sample(SampleTiers { tables: false }).await.unwrap();
    let value = |name: &str| sample.points.iter().find(|point| point.name == name).map(|point| point.value);
    (value("mysql.replica.io_running"), value("mysql.replica.sql_running"), value("mysql.replica.lag"))
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(120);
    while !holds().await {
        assert!(Instant::now() < give_up, "it did not come to hold in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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

fn subjects(sample: &RawSample) -> Vec<&str> {
    sample.skipped.iter().map(|skipped| skipped.subject.as_str()).collect()
}

/// The first value of a metric from a source.
fn value(sample: &RawSample, metric: &str, source: &str) -> Option<f64> {
    let from =
        |attributes: &[(&str, String)]| attributes.iter().any(|(key, value)| *key == "source" && value == source);
    sample.points.iter().find(|point| point.name == metric && from(&point.attributes)).map(|point| point.value)
}
