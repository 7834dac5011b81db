use std::time::Duration;

use dbkeeper::{
    engine::{Database, MigrationSession, migrate::StepError},
    model::{
        MigrationSetId, OperationId,
        migration::{Direction, MigrationLimits, MigrationStep, Statement, Version},
    },
};
use sqlx::{AssertSqlSafe, Executor};
use tokio_util::sync::CancellationToken;

use crate::harness::sqlite::SqliteFolder;

pub(super) fn step(version: &str, statements: &[&str]) -> MigrationStep {
    let statement = |text: &&str| Statement { text: (*text).to_owned(), line: 1, column: 1 };
    MigrationStep {
        set: MigrationSetId::from_stored("set".to_owned()),
        version: Version::from_stored(version.to_owned()),
        title: "title".to_owned(),
        checksum: "checksum".to_owned(),
        direction: Direction::Up,
        statements: statements.iter().map(statement).collect(),
    }
}

pub(super) async fn session(database: &dyn Database) -> Box<dyn MigrationSession> {
    let limits = MigrationLimits { lock_timeout: Duration::from_millis(100), ..MigrationLimits::default() };
    let migrate = database.migrate().unwrap();
    let mut session = migrate.begin_run(&OperationId::generate(), &limits, CancellationToken::new()).await.unwrap();
    assert!(session.try_lock().await.unwrap());
    session.prepare_history().await.unwrap();
    session
}

/// Runs statements as one transaction, and gives the index, the offset and the message of a failure.
async fn transact(
    folder: &SqliteFolder,
    name: &str,
    statements: &[&str],
) -> Result<(), (usize, Option<usize>, String)> {
    let database = folder.engine().open(folder.target(name)).await.unwrap();
    let mut session = session(&*database).await;
    match session.run_in_transaction(&step("1", statements)).await {
        Ok(()) => Ok(()),
        Err(StepError::Statement { index, offset, failure, statements_done: 0, .. }) => {
            Err((index, offset, failure.message))
        }
        Err(other) => panic!("{other:?}"),
    }
}

const PARENT_AND_CHILD: &str = "
    CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent ON DELETE CASCADE);
    INSERT INTO parent VALUES (1, 'a'); INSERT INTO child VALUES (1, 1), (2, 1);";
const REBUILD: [&str; 4] = [
    "CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    "INSERT INTO parent_new SELECT id, name FROM parent",
    "DROP TABLE parent",
    "ALTER TABLE parent_new RENAME TO parent",
];

#[tokio::test]
async fn a_rebuild_with_enforcement_off_keeps_the_rows_that_point_to_the_table() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder.run(&name, PARENT_AND_CHILD).await;
    let statements = [&["PRAGMA foreign_keys = OFF"][..], &REBUILD, &["PRAGMA foreign_keys = ON"]].concat();
    transact(&folder, &name, &statements).await.unwrap();
    assert_eq!(folder.column(&name, "SELECT CAST(count(*) AS TEXT) FROM child").await, ["2"]);
}

#[tokio::test]
async fn a_rebuild_that_loses_rows_others_point_to_is_taken_back() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder.run(&name, PARENT_AND_CHILD).await;
    let (_, _, message) =
        transact(&folder, &name, &["PRAGMA foreign_keys = OFF", "DELETE FROM parent"]).await.unwrap_err();
    assert!(message.contains("foreign_key_check"), "{message}");
    assert_eq!(folder.column(&name, "SELECT name FROM parent").await, ["a"]);
}

#[tokio::test]
async fn enforcement_cannot_be_switched_off_where_that_does_nothing() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder.run(&name, PARENT_AND_CHILD).await;
    let statements = [&REBUILD[..2], &["PRAGMA foreign_keys = OFF"], &REBUILD[2..]].concat();
    let (index, _, message) = transact(&folder, &name, &statements).await.unwrap_err();
    assert_eq!(index, 2);
    assert!(message.contains("inside a transaction"), "{message}");
    assert_eq!(folder.column(&name, "SELECT name FROM sqlite_schema WHERE name = 'parent_new'").await, [""; 0]);
}

#[tokio::test]
async fn statements_that_reach_other_files_are_refused() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    let other = folder.path("other.db").display().to_string();
    for (statement, why) in [
        // SQLite itself refuses the first two in a transaction only.
        (format!("ATTACH '{other}' AS other"), "ATTACH and DETACH are not allowed"),
        (format!("SELECT 1; /* x */ attach '{other}' AS other"), "ATTACH and DETACH are not allowed"),
        (format!("VACUUM INTO '{other}'"), "VACUUM INTO is not allowed"),
        ("SELECT load_extension('libc.so.6')".to_owned(), "not authorized"),
        ("COMMIT".to_owned(), "take BEGIN, COMMIT and ROLLBACK out of it"),
    ] {
        let (index, _, message) = transact(&folder, &name, &["CREATE TABLE t (x)", &statement]).await.unwrap_err();
        assert_eq!(index, 1, "{statement}: {message}");
        assert!(message.contains(why), "{statement}: {message}");
    }
    assert_eq!(folder.files(), std::slice::from_ref(&name));
    assert_eq!(folder.column(&name, "SELECT name FROM sqlite_schema WHERE name = 't'").await, [""; 0]);
}

#[tokio::test]
async fn the_place_of_an_error_is_told() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    for (statement, offset) in [
        ("CREATE TABEL t (x)", Some(7)),
        ("SELECT 'é, x', x FROM (SELECT 1 AS x), x x x", Some(43)),
        ("INSERT INTO missing VALUES (1)", Some(12)),
        ("CREATE TABLE t (a, b", None),
        ("SELECT missing, 'missing', missing", None),
    ] {
        let (_, found, message) = transact(&folder, &name, &[statement]).await.unwrap_err();
        assert_eq!(found, offset, "{statement}: {message}");
    }
}

#[tokio::test]
async fn a_setting_of_one_step_does_not_reach_the_next() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder.run(&name, PARENT_AND_CHILD).await;
    let database = folder.engine().open(folder.target(&name)).await.unwrap();
    let mut session = session(&*database).await;
    session.run_in_transaction(&step("1", &["PRAGMA foreign_keys = OFF"])).await.unwrap();
    let orphan = session.run_in_transaction(&step("2", &["INSERT INTO child VALUES (3, 99)"])).await;
    assert!(matches!(orphan, Err(StepError::Statement { .. })), "{orphan:?}");
}

#[tokio::test]
async fn a_journaled_run_goes_on_where_it_stopped_with_its_settings() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder.run(&name, PARENT_AND_CHILD).await;
    let database = folder.engine().open(folder.target(&name)).await.unwrap();
    let mut session = session(&*database).await;
    let statements =
        |third| step("1", &["PRAGMA foreign_keys = OFF", "CREATE TABLE one (x)", third, "DROP TABLE parent", "VACUUM"]);
    let stopped = session.run_journaled(&statements("INSERT INTO two VALUES (1)")).await.unwrap_err();
    assert!(matches!(stopped, StepError::Statement { index: 2, statements_done: 2, .. }), "{stopped:?}");
    let entry = session.history().await.unwrap().remove(0);
    assert_eq!(entry.incomplete.unwrap().statements_done, 2);

    folder.run(&name, "CREATE TABLE two (x)").await;
    session.run_journaled(&statements("INSERT INTO two VALUES (1)")).await.unwrap();
    assert_eq!(session.history().await.unwrap()[0].incomplete, None);
    assert_eq!(
        folder.column(&name, "SELECT CAST(count(*) AS TEXT) FROM child").await,
        ["2"],
        "enforcement was on again"
    );
}

#[tokio::test]
async fn a_transaction_of_the_migration_itself_is_taken_back_as_a_whole() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    let database = folder.engine().open(folder.target(&name)).await.unwrap();
    let mut session = session(&*database).await;
    let statements =
        |third| step("1", &["CREATE TABLE zero (x)", "BEGIN", "CREATE TABLE one (x)", third, "COMMIT", "VACUUM"]);
    let stopped = session.run_journaled(&statements("SELECT 1 FROM two")).await.unwrap_err();
    assert!(matches!(stopped, StepError::Statement { index: 3, statements_done: 1, .. }), "{stopped:?}");
    assert_eq!(folder.column(&name, "SELECT name FROM sqlite_schema WHERE name IN ('zero', 'one')").await, ["zero"]);
    assert_eq!(session.history().await.unwrap()[0].incomplete.as_ref().unwrap().statements_done, 1);
    folder.run(&name, "CREATE TABLE two (x)").await;
    session.run_journaled(&statements("SELECT 1 FROM two")).await.unwrap();
    assert_eq!(
        folder.column(&name, "SELECT name FROM sqlite_schema WHERE name IN ('zero', 'one') ORDER BY 1").await,
        ["one", "zero"]
    );
}

#[tokio::test]
async fn a_lock_of_another_program_is_a_reason_to_try_again() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    let database = folder.engine().open(folder.target(&name)).await.unwrap();
    let mut session = session(&*database).await;
    let mut other = folder.connect(&name).await;
    other.execute(sqlx::raw_sql(AssertSqlSafe("BEGIN IMMEDIATE; CREATE TABLE x (y)".to_owned()))).await.unwrap();
    let outcome = session.run_in_transaction(&step("1", &["CREATE TABLE t (x)"])).await;
    assert!(matches!(outcome, Err(StepError::Statement { retryable: true, .. })), "{outcome:?}");
    other.execute("ROLLBACK").await.unwrap();
    session.run_in_transaction(&step("1", &["CREATE TABLE t (x)"])).await.unwrap();
}
