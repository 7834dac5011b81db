//! Migrations: whole, failing, waiting for a lock, cancelled, and with a journal.

use std::{sync::Arc, time::Duration};

use dbkeeper::{
    engine::{Database, MigrationSession, migrate::StepError},
    model::{
        MigrationSetId, OperationId, StatementFailure,
        migration::{Direction, MigrationLimits, MigrationStep, Statement, Version},
    },
};
use tokio_util::sync::CancellationToken;

use super::open_new;
use crate::harness::postgres::PostgresServer;

fn step(version: &str, direction: Direction, statements: &[&str]) -> MigrationStep {
    let statement = |text: &&str| Statement { text: (*text).to_owned(), line: 1, column: 1 };
    MigrationStep {
        set: MigrationSetId::from_stored("shop".to_owned()),
        version: Version::from_stored(version.to_owned()),
        title: r"it's a \ title".to_owned(),
        checksum: "abc".to_owned(),
        direction,
        statements: statements.iter().map(statement).collect(),
    }
}

fn up(version: &str, statements: &[&str]) -> MigrationStep {
    step(version, Direction::Up, statements)
}

fn limits() -> MigrationLimits {
    MigrationLimits { lock_timeout: Duration::from_millis(200), ..MigrationLimits::default() }
}

async fn begin(database: &Arc<dyn Database>) -> (OperationId, CancellationToken, Box<dyn MigrationSession>) {
    let operation = OperationId::generate();
    let token = CancellationToken::new();
    let migrate = database.require_migrate().expect("migrate");
    let mut session = migrate.begin_run(&operation, &limits(), token.clone()).await.expect("a run");
    assert!(session.try_lock().await.expect("an answer"));
    session.prepare_history().await.expect("a history table");
    (operation, token, session)
}

fn failure_of(outcome: Result<(), StepError>) -> (usize, Option<usize>, StatementFailure, bool, usize) {
    match outcome {
        Err(StepError::Statement { index, offset, failure, retryable, statements_done }) => {
            (index, offset, failure, retryable, statements_done)
        }
        other => panic!("not a failed statement: {other:?}"),
    }
}

#[tokio::test]
async fn up_and_down_are_in_the_history() {
    let (database, opened) = open_new().await;
    let server = PostgresServer::shared();
    let migrate = opened.require_migrate().expect("migrate");
    assert_eq!(migrate.history().await.expect("a history"), [], "without a table it is empty");
    let (_, _, mut session) = begin(&opened).await;
    let first = up(
        "2",
        &["CREATE TABLE a (id int)", "INSERT INTO a VALUES (1)", "SET search_path TO ''", "SET lock_timeout TO 1"],
    );
    session.run_in_transaction(&first).await.expect("it runs");
    // The settings of the first one do not reach the second.
    session.run_in_transaction(&up("10", &["CREATE TABLE b (id int)"])).await.expect("it runs");
    let history = migrate.history().await.expect("a history");
    assert_eq!(history.iter().map(|entry| entry.version.as_str()).collect::<Vec<_>>(), ["2", "10"]);
    assert_eq!(history[0].title, r"it's a \ title");
    assert!(history[0].applied.as_micros() > 0 && history[0].incomplete.is_none());
    session.run_in_transaction(&step("10", Direction::Down, &["DROP TABLE b"])).await.expect("it runs");
    assert_eq!(session.history().await.expect("a history").len(), 1);
    session.close().await;
    assert_eq!(server.psql(&database, "SELECT count(*) FROM pg_tables WHERE tablename IN ('a', 'b')"), "1");
    let locks = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                 WHERE d.datname = current_database() AND l.locktype = 'advisory'";
    assert_eq!(server.psql(&database, locks), "0");
}

#[tokio::test]
async fn a_failed_statement_is_told_and_leaves_nothing() {
    let (database, opened) = open_new().await;
    let (_, _, mut session) = begin(&opened).await;
    let bad = up("1", &["CREATE TABLE a (id int)", "SELECT 'ü', 1", "CREATE TABEL b (id int)"]);
    let (index, offset, failure, retryable, done) = failure_of(session.run_in_transaction(&bad).await);
    assert_eq!((index, offset, retryable, done), (2, Some(7), false, 0));
    assert_eq!(failure.sql_state, "42601");
    assert!(failure.message.contains("TABEL"), "{failure:?}");

    let late = up(
        "2",
        &[
            "CREATE TABLE p (id int PRIMARY KEY)",
            "CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
            "INSERT INTO c VALUES (7)",
        ],
    );
    let (_, _, failure, _, _) = failure_of(session.run_in_transaction(&late).await);
    assert_eq!(failure.sql_state, "23503");
    assert!(failure.message.starts_with("at the end of the transaction"), "{failure:?}");
    assert_eq!(session.history().await.expect("a history"), []);
    session.run_in_transaction(&up("3", &["CREATE TABLE ok ()"])).await.expect("the session goes on");
    session.close().await;
    let tables = "SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(PostgresServer::shared().psql(&database, tables), "dbkeeper_migrations,ok");
}

#[tokio::test]
async fn transaction_control_does_not_fool_the_history() {
    let (_, opened) = open_new().await;
    let (_, _, mut session) = begin(&opened).await;
    let plain = up("1", &["CREATE TABLE a ()", "/* x */ commit"]);
    let (index, _, failure, _, _) = failure_of(session.run_in_transaction(&plain).await);
    assert_eq!(index, 1);
    assert!(failure.message.contains("transaction control"), "{failure:?}");
    // Hidden behind another statement it runs, and is found out before the history is written.
    match session.run_in_transaction(&up("2", &["CREATE TABLE b (); COMMIT; BEGIN"])).await {
        Err(StepError::Other { error, outcome_unknown: false, .. }) => {
            assert!(error.message().contains("ended its transaction"), "{error}");
        }
        other => panic!("it was taken for applied: {other:?}"),
    }
    assert_eq!(session.history().await.expect("a history"), []);
    session.close().await;
}

#[tokio::test]
async fn a_lock_on_a_table_is_not_waited_for_long() {
    let (database, opened) = open_new().await;
    let server = PostgresServer::shared();
    server.psql(&database, "CREATE TABLE t (id int)");
    let (_, _, mut holder) = begin(&opened).await;
    let blocked = up("1", &["SELECT pg_advisory_lock(5)", "LOCK TABLE t"]);
    // The second session holds the table in a transaction of its own, until it is cancelled.
    let (_, token, mut other) = {
        let migrate = opened.require_migrate().expect("migrate");
        let operation = OperationId::generate();
        let token = CancellationToken::new();
        let session = migrate.begin_run(&operation, &limits(), token.clone()).await.expect("a run");
        (operation, token, session)
    };
    assert!(!other.try_lock().await.expect("an answer"), "the run lock is taken");
    let sleeping = tokio::spawn(async move {
        let outcome = other.run_in_transaction(&up("9", &["LOCK TABLE t", "SELECT pg_sleep(600)"])).await;
        other.close().await;
        outcome
    });
    let held = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND granted";
    super::wait_until("the table is locked", || server.psql(&database, held) == "1").await;
    let (index, _, failure, retryable, _) = failure_of(holder.run_in_transaction(&blocked).await);
    assert_eq!((index, failure.sql_state.as_str(), retryable), (1, "55P03", true));

    token.cancel();
    let outcome = sleeping.await.expect("no panic");
    assert!(matches!(outcome, Err(StepError::Cancelled { statements_done: 0 })), "{outcome:?}");
    assert_eq!(server.psql(&database, held), "0", "the server has stopped the statement");
    holder.run_in_transaction(&blocked).await.expect("the repeat works");
    holder.close().await;
}

#[tokio::test]
async fn sessions_of_a_dead_run_are_ended() {
    let (database, opened) = open_new().await;
    let server = PostgresServer::shared();
    let (operation, _, mut session) = begin(&opened).await;
    let running = tokio::spawn(async move {
        session.run_in_transaction(&up("1", &["CREATE TABLE t ()", "SELECT pg_sleep(600)"])).await
    });
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbkeeper operation/{operation}' AND query LIKE '%sleep%'"
    );
    super::wait_until("it sleeps", || server.psql(&database, &count) == "1").await;
    opened.require_migrate().expect("migrate").end_run(&operation).await.expect("it ends them");
    assert_eq!(server.psql(&database, &count), "0");
    assert!(running.await.expect("no panic").is_err());
    assert_eq!(server.psql(&database, "SELECT to_regclass('t') IS NULL"), "t");
}

#[tokio::test]
async fn an_index_is_built_concurrently_and_a_broken_one_is_built_again() {
    let (database, opened) = open_new().await;
    let server = PostgresServer::shared();
    let (_, _, mut session) = begin(&opened).await;
    let make = up("1", &["CREATE TABLE t (id int)", "INSERT INTO t VALUES (1), (1)"]);
    session.run_journaled(&make).await.expect("it runs");
    let index = up(
        "2",
        &[
            "SET search_path TO public",
            "UPDATE t SET id = id",
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_id ON t (id)",
        ],
    );
    let (failed, _, failure, _, done) = failure_of(session.run_journaled(&index).await);
    assert_eq!((failed, failure.sql_state.as_str(), done), (2, "23505", 2));
    let history = session.history().await.expect("a history");
    let incomplete = history[1].incomplete.as_ref().expect("it is incomplete");
    assert_eq!((incomplete.statements_done, incomplete.statements_total, incomplete.statement_open), (2, 3, false));
    assert_eq!(
        server.psql(&database, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"),
        "0",
        "no half-built index"
    );

    // As if killed in the middle: the index is invalid and the statement open.
    server.psql(&database, "DELETE FROM t; CREATE UNIQUE INDEX t_id ON t (id)");
    server.psql(&database, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_id'::regclass");
    server.psql(
        &database,
        "UPDATE dbkeeper_migrations SET statement_open = true, fingerprint = 'before' WHERE version = '2'",
    );
    let before = server.psql(&database, "SELECT 't_id'::regclass::oid");
    session.run_journaled(&index).await.expect("it goes on");
    assert_eq!(server.psql(&database, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_id'::regclass"), "t");
    assert_ne!(server.psql(&database, "SELECT 't_id'::regclass::oid"), before, "it was built again");
    assert!(session.history().await.expect("a history")[1].incomplete.is_none());

    // A valid one that the open statement made is done, and is not built again.
    server.psql(
        &database,
        "UPDATE dbkeeper_migrations SET direction = 'up', statements_done = 2, statements_total = 3, statement_open = true, \
         fingerprint = 'before' WHERE version = '2'",
    );
    let before = server.psql(&database, "SELECT 't_id'::regclass::oid");
    session.run_journaled(&index).await.expect("it goes on");
    assert_eq!(server.psql(&database, "SELECT 't_id'::regclass::oid"), before);

    session.run_journaled(&step("2", Direction::Down, &["DROP INDEX CONCURRENTLY t_id"])).await.expect("it runs down");
    assert_eq!(session.history().await.expect("a history").len(), 1);
    session.close().await;
}

#[tokio::test]
async fn a_journaled_run_goes_on_where_it_stopped() {
    let (database, opened) = open_new().await;
    let server = PostgresServer::shared();
    let (_, _, mut session) = begin(&opened).await;
    let text = [
        "CREATE SCHEMA s",
        "SET search_path TO s",
        "CREATE TABLE log (id int)",
        "INSERT INTO log VALUES (1)",
        "INSERT INTO later VALUES (1)",
    ];
    let (failed, _, _, _, done) = failure_of(session.run_journaled(&up("1", &text)).await);
    assert_eq!((failed, done), (4, 4));
    session.close().await;
    server.psql(&database, "CREATE TABLE s.later (id int)");
    let (_, _, mut session) = begin(&opened).await;
    session.run_journaled(&up("1", &text)).await.expect("it goes on, with the search path of the second statement");
    session.close().await;
    assert_eq!(server.psql(&database, "SELECT count(*) FROM s.log"), "1", "no statement ran twice");
}

#[tokio::test]
async fn two_servers_make_one_history_table() {
    let (database, opened) = open_new().await;
    let migrate = opened.require_migrate().expect("migrate");
    let mut sessions = Vec::new();
    for _ in 0..8 {
        let operation = OperationId::generate();
        sessions.push(migrate.begin_run(&operation, &limits(), CancellationToken::new()).await.expect("a run"));
    }
    let prepare = sessions.iter_mut().map(|session| session.prepare_history());
    for outcome in futures::future::join_all(prepare).await {
        outcome.expect("each finds the table");
    }
    let tables = "SELECT count(*) FROM pg_class WHERE relname = 'dbkeeper_migrations'";
    assert_eq!(PostgresServer::shared().psql(&database, tables), "1");
}
