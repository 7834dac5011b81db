//! Migrations with a journal.

use std::{sync::Arc, time::Duration};

use dbkeeper::{
    engine::{Database, MigrationSession, migrate::StepError},
    model::{
        MigrationSetId, OperationId,
        migration::{Direction, MigrationLimits, MigrationStep, Statement, Version},
    },
};
use tokio_util::sync::CancellationToken;

use super::open;
use crate::harness::{mariadb::MariadbServer, server::in_time};

fn step(version: &str, direction: Direction, statements: &[&str]) -> MigrationStep {
    let statement = |text: &&str| Statement { text: (*text).to_owned(), line: 1, column: 1 };
    MigrationStep {
        set: MigrationSetId::parse("shop", "set").unwrap(),
        version: Version::parse(version, "version").unwrap(),
        title: "Größe".to_owned(),
        checksum: "c0ffee".to_owned(),
        direction,
        statements: statements.iter().map(statement).collect(),
    }
}

/// What a query answers once it answers anything.
async fn found(sql: &str) -> String {
    in_time(async {
        loop {
            let found = MariadbServer::shared().sql("mysql", sql);
            if !found.is_empty() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

async fn begin(database: &Arc<dyn Database>, operation: &OperationId) -> Box<dyn MigrationSession> {
    let limits = MigrationLimits { lock_timeout: Duration::from_secs(1), ..MigrationLimits::default() };
    begin_with(database, operation, &limits, CancellationToken::new()).await
}

async fn begin_with(
    database: &Arc<dyn Database>,
    operation: &OperationId,
    limits: &MigrationLimits,
    cancellation: CancellationToken,
) -> Box<dyn MigrationSession> {
    let migrate = database.require_migrate().unwrap();
    let mut session = migrate.begin_run(operation, limits, cancellation).await.unwrap();
    assert!(session.try_lock().await.unwrap());
    session.prepare_history().await.unwrap();
    session
}

fn tables(database: &str) -> String {
    MariadbServer::shared().sql(database, "SHOW TABLES").replace('\n', " ")
}

#[tokio::test]
async fn a_migration_goes_up_and_down_with_its_history() {
    let name = MariadbServer::shared().create_database();
    let database = open(&name).await;
    let migrate = database.require_migrate().unwrap();
    assert!(!migrate.transactional_ddl());
    assert!(migrate.history().await.unwrap().is_empty());
    assert_eq!(tables(&name), "", "reading the history makes nothing");

    let mut session = begin(&database, &OperationId::generate()).await;
    let trigger =
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET NEW.id = NEW.id + 1; SET NEW.id = NEW.id + 1; END";
    let up = step("1", Direction::Up, &["CREATE TABLE a (id INT)", trigger, "-- nothing", "INSERT INTO a VALUES (1)"]);
    session.run_journaled(&up).await.unwrap();
    let history = session.history().await.unwrap();
    assert_eq!((history.len(), history[0].title.as_str(), &history[0].incomplete), (1, "Größe", &None));
    assert_eq!(MariadbServer::shared().sql(&name, "SELECT id FROM a"), "3");
    let again = session.run_journaled(&up).await.unwrap_err();
    assert!(matches!(again, StepError::Other { outcome_unknown: false, .. }), "{again:?}");

    session.run_journaled(&step("1", Direction::Down, &["DROP TABLE a"])).await.unwrap();
    assert!(session.history().await.unwrap().is_empty());
    session.close().await;
    assert_eq!(tables(&name), "dbkeeper_migrations");
}

#[tokio::test]
async fn a_failing_statement_is_told_and_the_run_goes_on_from_it() {
    let name = MariadbServer::shared().create_database();
    let database = open(&name).await;
    let mut session = begin(&database, &OperationId::generate()).await;
    let broken = [
        "CREATE TABLE a (id INT)",
        "INSERT INTO a VALUES (1)",
        "ALTER TABLE a\nADDD x INT",
        "INSERT INTO a VALUES (2, 2)",
    ];
    let error = session.run_journaled(&step("7", Direction::Up, &broken)).await.unwrap_err();
    let StepError::Statement { index, offset, failure, retryable, statements_done } = error else {
        panic!("{error:?}");
    };
    assert_eq!((index, offset, retryable, statements_done), (2, Some(19), false, 2));
    assert_eq!((failure.sql_state.as_str(), failure.vendor_code), ("42000", 1064));
    let incomplete = session.history().await.unwrap()[0].incomplete.clone().unwrap();
    assert_eq!((incomplete.statements_done, incomplete.statements_total, incomplete.statement_open), (2, 4, false));
    session.close().await;

    let mended = [
        "CREATE TABLE a (id INT)",
        "INSERT INTO a VALUES (1)",
        "ALTER TABLE a ADD x INT",
        "INSERT INTO a VALUES (2, 2)",
    ];
    let mut session = begin(&database, &OperationId::generate()).await;
    session.run_journaled(&step("7", Direction::Up, &mended)).await.unwrap();
    assert_eq!(session.history().await.unwrap()[0].incomplete, None);
    assert_eq!(MariadbServer::shared().sql(&name, "SELECT COUNT(*), SUM(x) FROM a"), "2\t2");
    session.close().await;
}

/// The journal as a crash leaves it when a definition was begun and its outcome was not noted.
#[tokio::test]
async fn after_a_crash_a_definition_that_took_effect_is_not_repeated() {
    let server = MariadbServer::shared();
    for took_effect in [false, true] {
        let name = server.create_database();
        let database = open(&name).await;
        let statements =
            ["SET @size = 5", "CREATE TABLE a (id INT)", "INSERT INTO a VALUES (@size)", "ALTER TABLE a RENAME b"];
        let stop = CancellationToken::new();
        let limits = MigrationLimits::default();
        let operation = OperationId::generate();
        let mut session = begin_with(&database, &operation, &limits, stop.clone()).await;
        // A lock of another keeps the last statement waiting, with its note written.
        let locker = format!("{name}_locker");
        server.sql("mysql", &format!("CREATE DATABASE {locker}"));
        let up = step("1", Direction::Up, &statements);
        let (first, _) = statements.split_at(3);
        session.run_journaled(&step("0", Direction::Up, &[])).await.unwrap();
        let mut partly = step("1", Direction::Up, first);
        partly.statements.push(Statement { text: "ALTER TABLE nowhere RENAME b".to_owned(), line: 1, column: 1 });
        session.run_journaled(&partly).await.unwrap_err();
        session.close().await;

        // What the journal holds while the last statement is at work.
        let blocker = std::thread::spawn({
            let name = name.clone();
            move || MariadbServer::shared().sql(&name, "BEGIN; SELECT * FROM a; SELECT SLEEP(600)")
        });
        let sleeping = found(&format!(
            "SELECT ID FROM information_schema.PROCESSLIST
             WHERE DB = '{name}' AND INFO LIKE '%SLEEP(600)%' AND STATE = 'User sleep'"
        ))
        .await;
        let mut session = begin_with(&database, &operation, &limits, stop).await;
        let run = tokio::spawn({
            let up = up.clone();
            async move { session.run_journaled(&up).await.map_err(|error| format!("{error:?}")) }
        });
        while server.sql(&name, "SELECT statement_open FROM dbkeeper_migrations WHERE version = '1'") != "1" {
            tokio::task::yield_now().await;
        }
        // The run is dropped as by a crash, and its session is ended as the recovery does.
        run.abort();
        let _ = run.await;
        database.require_migrate().unwrap().end_run(&operation).await.unwrap();
        server.sql("mysql", &format!("KILL QUERY {sleeping}"));
        // The client tells that it was interrupted, which is a failure to the harness.
        let _ = blocker.join();
        assert_eq!(server.sql(&name, "SELECT COUNT(*) FROM a"), "1");
        if took_effect {
            server.sql(&name, "ALTER TABLE a RENAME b");
        }

        let mut session = begin(&database, &OperationId::generate()).await;
        let before = session.history().await.unwrap()[1].incomplete.clone().unwrap();
        assert!(before.statement_open && before.statements_done == 3, "{before:?}");
        session.run_journaled(&up).await.unwrap();
        session.close().await;
        assert_eq!(server.sql(&name, "SELECT GROUP_CONCAT(id) FROM b"), "5", "took effect: {took_effect}");
    }
}

#[tokio::test]
async fn one_run_a_database_at_a_time() {
    let name = MariadbServer::shared().create_database();
    let database = open(&name).await;
    let first = begin(&database, &OperationId::generate()).await;
    let migrate = database.require_migrate().unwrap();
    let limits = MigrationLimits::default();
    let operation = OperationId::generate();
    let mut second = migrate.begin_run(&operation, &limits, CancellationToken::new()).await.unwrap();
    assert!(!second.try_lock().await.unwrap());
    first.close().await;
    while !second.try_lock().await.unwrap() {
        tokio::task::yield_now().await;
    }
    // Ended from outside, the session is of no use any more and the lock is free.
    migrate.end_run(&operation).await.unwrap();
    assert!(second.history().await.is_err());
    let mut third = migrate.begin_run(&OperationId::generate(), &limits, CancellationToken::new()).await.unwrap();
    assert!(third.try_lock().await.unwrap());
    third.close().await;
}

#[tokio::test]
async fn a_cancelled_run_ends_its_statement_on_the_server() {
    let name = MariadbServer::shared().create_database();
    let database = open(&name).await;
    let stop = CancellationToken::new();
    let mut session = begin_with(&database, &OperationId::generate(), &MigrationLimits::default(), stop.clone()).await;
    let up = step("1", Direction::Up, &["CREATE TABLE a (id INT)", "INSERT INTO a SELECT SLEEP(600)"]);
    let watch = async {
        let sql = format!(
            "SELECT ID FROM information_schema.PROCESSLIST
             WHERE DB = '{name}' AND STATE = 'User sleep' AND INFO LIKE 'INSERT INTO a SELECT SLEEP(600)%'"
        );
        found(&sql).await;
        stop.cancel();
    };
    let (outcome, ()) = tokio::join!(session.run_journaled(&up), watch);
    assert!(matches!(outcome, Err(StepError::Cancelled { statements_done: 1 })), "{outcome:?}");
    let incomplete = session.history().await.unwrap()[0].incomplete.clone().unwrap();
    assert_eq!((incomplete.statements_done, incomplete.statement_open), (1, false));
    assert_eq!(MariadbServer::shared().sql(&name, "SELECT COUNT(*) FROM a"), "0");
    session.close().await;
}

#[tokio::test]
async fn a_statement_that_runs_for_too_long_or_waits_for_a_lock_fails() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    let database = open(&name).await;
    let limits = MigrationLimits {
        statement_timeout: Some(Duration::from_millis(300)),
        lock_timeout: Duration::from_secs(1),
        ..MigrationLimits::default()
    };
    let mut session = begin_with(&database, &OperationId::generate(), &limits, CancellationToken::new()).await;
    let error = session.run_journaled(&step("1", Direction::Up, &["SELECT SLEEP(600) FROM dual"])).await;
    let Err(StepError::Statement { failure, .. }) = error else { panic!("{error:?}") };
    assert!(failure.message.contains("statement_timeout"), "{failure:?}");
    session.close().await;

    server.sql(&name, "CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a VALUES (1)");
    let holder = {
        let name = name.clone();
        std::thread::spawn(move || MariadbServer::shared().sql(&name, "BEGIN; UPDATE a SET id = 2; SELECT SLEEP(601)"))
    };
    let held = found(&format!(
        "SELECT ID FROM information_schema.PROCESSLIST
         WHERE DB = '{name}' AND INFO LIKE '%SLEEP(601)%' AND STATE = 'User sleep'"
    ))
    .await;
    let mut session = begin(&database, &OperationId::generate()).await;
    for statement in ["UPDATE a SET id = 3", "ALTER TABLE a ADD x INT"] {
        let error = session.run_journaled(&step("2", Direction::Up, &[statement])).await;
        let Err(StepError::Statement { failure, retryable, .. }) = error else { panic!("{error:?}") };
        assert_eq!((failure.vendor_code, retryable), (1205, true), "{failure:?}");
    }
    session.close().await;
    server.sql("mysql", &format!("KILL QUERY {held}"));
    let _ = holder.join();
}

#[tokio::test]
async fn the_session_of_one_migration_does_not_leak_into_the_next() {
    let name = MariadbServer::shared().create_database();
    let database = open(&name).await;
    let mut session = begin(&database, &OperationId::generate()).await;
    let other = MariadbServer::shared().create_database();
    let change = format!("USE {other}");
    let first = [
        "SET SESSION sql_mode = 'ANSI_QUOTES', @left = 1, autocommit = 0",
        "SET NAMES latin1",
        &change,
        "CREATE TABLE away (a VARCHAR(9) DEFAULT 'ü')",
    ];
    session.run_journaled(&step("1", Direction::Up, &first)).await.unwrap();
    let second = ["CREATE TABLE here AS SELECT @left AS kept, \"text\" AS word"];
    session.run_journaled(&step("2", Direction::Up, &second)).await.unwrap();
    assert_eq!(session.history().await.unwrap().len(), 2);
    session.close().await;
    assert_eq!(MariadbServer::shared().sql(&name, "SELECT kept, word FROM here"), "NULL\ttext");
    assert!(MariadbServer::shared().sql(&other, "SHOW CREATE TABLE away").contains("DEFAULT 'ü'"));
}

#[tokio::test]
async fn transaction_control_that_cannot_be_kept_is_refused_before_anything_runs() {
    let name = MariadbServer::shared().create_database();
    let database = open(&name).await;
    let mut session = begin(&database, &OperationId::generate()).await;
    let up = step("1", Direction::Up, &["CREATE TABLE a (id INT)", "SAVEPOINT x"]);
    let error = session.run_journaled(&up).await;
    assert!(matches!(error, Err(StepError::Statement { index: 1, statements_done: 0, .. })), "{error:?}");
    session.close().await;
    assert_eq!(tables(&name), "dbkeeper_migrations");
}
