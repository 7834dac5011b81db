//! Running migrations.

use dbkeeper::{
    engine::{Database, MigrationSession, migrate::StepError},
    model::{
        MigrationSetId, OperationId,
        migration::{Direction, HistoryEntry, MigrationLimits, MigrationStep, Statement, Version},
        schema::{TableFilter, TablePage},
    },
};
use tokio_util::sync::CancellationToken;

use super::{Fixture, open};

fn step(version: &str, direction: Direction, statements: &[&str]) -> MigrationStep {
    let statement = |(line, text): (u32, &&str)| Statement { text: (*text).to_owned(), line, column: 1 };
    MigrationStep {
        set: MigrationSetId::from_stored("shop".to_owned()),
        version: Version::from_stored(version.to_owned()),
        title: "a title".to_owned(),
        checksum: "0123".to_owned(),
        direction,
        statements: (1..).zip(statements).map(statement).collect(),
    }
}

async fn begin(
    database: &dyn Database,
    operation: &OperationId,
    stop: &CancellationToken,
) -> Box<dyn MigrationSession> {
    let migrate = database.migrate().unwrap();
    migrate.begin_run(operation, &MigrationLimits::default(), stop.clone()).await.unwrap()
}

/// A session with the lock and the history table.
async fn ready(database: &dyn Database) -> Box<dyn MigrationSession> {
    let mut session = begin(database, &OperationId::generate(), &CancellationToken::new()).await;
    assert!(session.try_lock().await.unwrap());
    session.prepare_history().await.unwrap();
    session
}

/// Runs a step the way that the engine runs it by default.
async fn run(
    database: &dyn Database,
    session: &mut dyn MigrationSession,
    step: &MigrationStep,
) -> Result<(), StepError> {
    if database.migrate().unwrap().transactional_ddl() {
        session.run_in_transaction(step).await
    } else {
        session.run_journaled(step).await
    }
}

async fn tables(database: &dyn Database) -> Vec<String> {
    let inspect = database.inspect().unwrap();
    let list = inspect.list_tables(&TableFilter::default(), &TablePage::first(100)).await.unwrap();
    list.tables.into_iter().map(|table| table.name).filter(|name| name != "dbkeeper_migrations").collect()
}

fn versions(history: &[HistoryEntry]) -> Vec<&str> {
    history.iter().map(|entry| entry.version.as_str()).collect()
}

pub(crate) async fn up_down_and_up_again(fixture: &impl Fixture) {
    let name = fixture.create_database().await;
    let database = open(fixture, &name).await;
    assert_eq!(database.migrate().unwrap().history().await.unwrap(), []);
    assert_eq!(tables(&*database).await, [""; 0], "reading the history makes nothing");

    let mut session = ready(&*database).await;
    session.prepare_history().await.unwrap();
    let up = |version, table: &str| step(version, Direction::Up, &[&format!("CREATE TABLE {table} (id INTEGER)")]);
    let down = |version, table: &str| step(version, Direction::Down, &[&format!("DROP TABLE {table}")]);
    for (step, expected) in [
        (up("2", "two"), vec!["2"]),
        (up("10", "ten"), vec!["2", "10"]),
        (down("10", "ten"), vec!["2"]),
        (up("10", "ten"), vec!["2", "10"]),
    ] {
        run(&*database, &mut *session, &step).await.unwrap();
        let history = session.history().await.unwrap();
        assert_eq!(versions(&history), expected);
        assert!(history.iter().all(|entry| entry.incomplete.is_none()));
        assert_eq!((history[0].title.as_str(), history[0].checksum.as_str()), ("a title", "0123"));
    }
    session.close().await;
    assert_eq!(tables(&*database).await, ["ten", "two"]);
    assert_eq!(versions(&database.migrate().unwrap().history().await.unwrap()), ["2", "10"]);
}

pub(crate) async fn a_failing_statement_is_told_and_taken_back(fixture: &impl Fixture) {
    let name = fixture.create_database().await;
    let database = open(fixture, &name).await;
    let mut session = ready(&*database).await;
    let broken = step(
        "1",
        Direction::Up,
        &["CREATE TABLE one (id INTEGER)", "CREATE TABLE two (id INTEGER)", "CREATE TABEL three (id INTEGER)"],
    );
    let Err(StepError::Statement { index, failure, retryable, statements_done, .. }) =
        run(&*database, &mut *session, &broken).await
    else {
        panic!("the third statement must fail");
    };
    assert_eq!((index, retryable), (2, false));
    assert!(!failure.message.is_empty() && (failure.vendor_code != 0 || !failure.sql_state.is_empty()), "{failure:?}");
    let history = session.history().await.unwrap();
    if database.migrate().unwrap().transactional_ddl() {
        assert_eq!(statements_done, 0);
        assert_eq!(history, []);
        assert_eq!(tables(&*database).await, [""; 0]);
        return;
    }
    assert_eq!(statements_done, 2);
    assert_eq!(history[0].incomplete.as_ref().unwrap().statements_done, 2);
    let mended = step(
        "1",
        Direction::Up,
        &["CREATE TABLE one (id INTEGER)", "CREATE TABLE two (id INTEGER)", "CREATE TABLE three (id INTEGER)"],
    );
    session.run_journaled(&mended).await.unwrap();
    assert_eq!(session.history().await.unwrap()[0].incomplete, None);
    assert_eq!(tables(&*database).await, ["one", "three", "two"]);
}

pub(crate) async fn two_sessions_contend_for_the_lock(fixture: &impl Fixture) {
    let name = fixture.create_database().await;
    // Two servers: nothing is shared between their pools.
    let (one, other) = (open(fixture, &name).await, open(fixture, &name).await);
    let first = ready(&*one).await;
    let mut second = begin(&*other, &OperationId::generate(), &CancellationToken::new()).await;
    assert!(!second.try_lock().await.unwrap());
    assert!(!second.try_lock().await.unwrap());
    first.close().await;
    assert!(second.try_lock().await.unwrap());
    assert!(second.try_lock().await.unwrap(), "the lock that is held is still held");
}

pub(crate) async fn a_dropped_session_frees_the_lock(fixture: &impl Fixture) {
    let name = fixture.create_database().await;
    let database = open(fixture, &name).await;
    let operation = OperationId::generate();
    let mut session = begin(&*database, &operation, &CancellationToken::new()).await;
    assert!(session.try_lock().await.unwrap());
    session.prepare_history().await.unwrap();
    let slow = step("1", Direction::Up, &["CREATE TABLE one (id INTEGER)", fixture.slow_statement()]);
    // The caller goes away in the middle of a statement, as when a deadline ends it.
    let running = run(&*database, &mut *session, &slow);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), running).await.is_err());
    drop(session);
    database.migrate().unwrap().end_run(&operation).await.unwrap();
    let mut next = begin(&*database, &OperationId::generate(), &CancellationToken::new()).await;
    assert!(next.try_lock().await.unwrap());
    if database.migrate().unwrap().transactional_ddl() {
        assert_eq!(next.history().await.unwrap(), []);
        assert_eq!(tables(&*database).await, [""; 0]);
    }
}

pub(crate) async fn a_running_statement_is_cancelled(fixture: &impl Fixture) {
    let name = fixture.create_database().await;
    let database = open(fixture, &name).await;
    let stop = CancellationToken::new();
    let mut session = begin(&*database, &OperationId::generate(), &stop).await;
    assert!(session.try_lock().await.unwrap());
    session.prepare_history().await.unwrap();
    let slow = step("1", Direction::Up, &["CREATE TABLE one (id INTEGER)", fixture.slow_statement()]);
    let cancel = async {
        while !fixture.runs_slow_statement(&name).await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stop.cancel();
    };
    let (outcome, ()) = tokio::join!(run(&*database, &mut *session, &slow), cancel);
    let transactional = database.migrate().unwrap().transactional_ddl();
    let done = usize::from(!transactional);
    assert!(matches!(outcome, Err(StepError::Cancelled { statements_done }) if statements_done == done), "{outcome:?}");
    if transactional {
        assert_eq!(tables(&*database).await, [""; 0]);
    }
}
