//! Nothing leads out of the folder of the account: no link, whenever it was put there, no spelling of a path, no statement.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use dbkeeper::{
    engine::dump::RestoreTarget,
    model::{OperationId, Reason},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::migrations::{session, step};
use crate::harness::sqlite::SqliteFolder;

/// What stands in the database outside, and must not come inside.
const SECRET: &str = "not-for-this-account";

/// A folder outside of the root, with a database in it.
async fn outside() -> TempDir {
    let folder = TempDir::new().unwrap();
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("x.db")).create_if_missing(true);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let sql = format!("CREATE TABLE outside (secret); INSERT INTO outside VALUES ('{SECRET}')");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    folder
}

/// Every file of a folder with what is in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// Puts a link to a folder in the place of one, which is moved aside.
fn swap(folder: &Path, target: &Path) {
    fs::rename(folder, folder.with_extension("aside")).unwrap();
    symlink(target, folder).unwrap();
}

#[tokio::test]
async fn a_folder_that_becomes_a_link_is_followed_by_nothing() {
    let folder = SqliteFolder::new();
    let outside = outside().await;
    fs::create_dir(folder.path("team")).unwrap();
    folder.run_new("team/x.db", "CREATE TABLE inside (a)").await;
    let target = || folder.target("team/x.db");
    let database = folder.engine().open(target()).await.unwrap();
    let relations = database.inspect().unwrap().database().await.unwrap();
    assert_eq!(relations.table_count, 1);
    let mut running = session(&*database).await;
    let before = files(outside.path());
    swap(&folder.path("team"), outside.path());

    // The pool that was open, and everything that has a connection of its own.
    let error = database.inspect().unwrap().database().await.unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidField, "{error}");
    let error = database.metrics().unwrap().vitals().await.unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidField, "{error}");
    let error = running.history().await.unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidField, "{error}");
    running.run_in_transaction(&step("1", &["CREATE TABLE put_there (a)"])).await.unwrap_err();
    running.run_journaled(&step("2", &["CREATE TABLE put_there (a)"])).await.unwrap_err();
    let (dump, operation, token) = (database.dump().unwrap(), OperationId::generate(), CancellationToken::new());
    let error = dump.start_dump(&operation, token.clone()).await.err().unwrap();
    assert_eq!(error.reason(), Reason::InvalidField, "{error}");
    assert_eq!(dump.count_rows("team/x.db").await.unwrap_err().reason(), Reason::InvalidField);
    assert_eq!(dump.check_restore("team/new.db").await.unwrap_err().reason(), Reason::InvalidField);
    let restore =
        dump.restore(&operation, "team/new.db", RestoreTarget::New, Box::new(tokio::io::empty()), token.clone());
    assert_eq!(restore.await.unwrap_err().reason(), Reason::InvalidField);
    let limits = Default::default();
    let begun = database.migrate().unwrap().begin_run(&operation, &limits, token).await;
    assert_eq!(begun.err().unwrap().reason(), Reason::InvalidField);

    // What opens it anew.
    assert_eq!(folder.engine().probe(&target()).await.unwrap_err().reason(), Reason::InvalidField);
    assert_eq!(folder.engine().open(target()).await.err().unwrap().reason(), Reason::InvalidField);
    assert_eq!(files(outside.path()), before);
}

#[tokio::test]
async fn a_file_that_becomes_a_link_is_not_followed() {
    let folder = SqliteFolder::new();
    let outside = outside().await;
    let name = folder.create_database();
    folder.run(&name, "CREATE TABLE inside (a)").await;
    let database = folder.engine().open(folder.target(&name)).await.unwrap();
    database.inspect().unwrap().database().await.unwrap();
    swap(&folder.path(&name), &outside.path().join("x.db"));
    let before = files(outside.path());
    let error = database.inspect().unwrap().database().await.unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidField, "{error}");
    assert!(error.message().contains("name the file itself"), "{error}");
    assert_eq!(folder.engine().probe(&folder.target(&name)).await.unwrap_err().reason(), Reason::InvalidField);
    assert_eq!(files(outside.path()), before);
}

/// SQLite reads a name that begins with `file:` as an address with settings. Here it is the name of a file, which is not there.
#[tokio::test]
async fn an_address_is_no_path() {
    let folder = SqliteFolder::new();
    let outside = outside().await;
    let name = folder.create_database();
    let elsewhere = outside.path().join("x.db").display().to_string();
    for (text, reason) in [
        (format!("file:{elsewhere}"), Reason::DatabaseUnknown),
        (format!("file://{elsewhere}"), Reason::InvalidField),
        (format!("file:{elsewhere}?mode=ro&immutable=1"), Reason::DatabaseUnknown),
        (format!("file:{name}?vfs=unix-none"), Reason::DatabaseUnknown),
        (format!("file:{name}?mode=memory&cache=shared"), Reason::DatabaseUnknown),
        (format!("{name}?mode=memory"), Reason::DatabaseUnknown),
        (format!("{name}%00"), Reason::DatabaseUnknown),
        ("%2e%2e/x.db".to_owned(), Reason::DatabaseUnknown),
        (":memory:".to_owned(), Reason::DatabaseUnknown),
        ("file::memory:".to_owned(), Reason::DatabaseUnknown),
        (format!("~/../{name}"), Reason::InvalidField),
    ] {
        let error = folder.engine().probe(&folder.target(&text)).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{text}: {error}");
        let error = folder.engine().open(folder.target(&text)).await.err().unwrap();
        assert_eq!(error.reason(), reason, "{text}: {error}");
    }
    assert_eq!(folder.files(), [name]);
}

/// Statements that would open, write or name another file, in the spellings that hide it. `{file}` is a new file outside,
/// `{old}` the database there, `{folder}` their folder.
const HOSTILE: [&str; 38] = [
    "ATTACH '{file}' AS y",
    "ATTACH DATABASE \"{file}\" AS y",
    "attach [{file}] as y",
    "/**/ATTACH/* ; */'{file}'--\nAS y",
    "ATTACH 'file:{file}?mode=rwc&vfs=unix-none' AS y",
    "ATTACH 'file:{old}?immutable=1' AS y; CREATE TABLE stolen AS SELECT * FROM y.outside",
    "ATTACH '/' || '{file}' AS y",
    "ATTACH (SELECT '{file}') AS y",
    "ATTACH '' AS y",
    "ATTACH ':memory:' AS y",
    "\u{feff}ATTACH '{old}' AS y; CREATE TABLE stolen AS SELECT * FROM y.outside",
    "SELECT 1;\u{feff}ATTACH '{file}' AS y; CREATE TABLE y.t (a)",
    "SELECT $a('); ATTACH '{old}' AS y; CREATE TABLE stolen AS SELECT * FROM y.outside; SELECT $b(')",
    "SELECT @a('); ATTACH '{file}' AS y; CREATE TABLE y.t (a); SELECT :b(')",
    "SELECT #a::b('); ATTACH '{file}' AS y; SELECT 1",
    "SELECT $a(\"); ATTACH \"{file}\" AS y; SELECT $b(\")",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN ATTACH '{file}' AS y; END",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END; ATTACH '{file}' AS y",
    "CREATE VIEW v AS ATTACH '{file}' AS y",
    "DETACH main",
    "\u{feff}DETACH temp",
    "VACUUM INTO '{file}'",
    "VACUUM main INTO 'file:{file}?vfs=unix-none'",
    "vacuum /* */ temp into '{file}'",
    "\u{feff}VACUUM INTO '{file}'",
    "SELECT $a('); VACUUM INTO '{file}'; SELECT $b(')",
    "SELECT load_extension('{file}')",
    "SELECT \"LOAD_EXTENSION\"('{file}', 'entry')",
    "CREATE VIEW v AS SELECT load_extension('{file}') AS a; CREATE TABLE u AS SELECT a FROM v",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT load_extension('{file}'); END; INSERT INTO t VALUES (1)",
    "SELECT fts3_tokenizer('x', x'0000000000000000')",
    "SELECT writefile('{file}', 'x')",
    "CREATE VIRTUAL TABLE v USING csv(filename = '{old}')",
    "PRAGMA temp_store_directory = '{folder}'",
    "PRAGMA main.\"temp_store_directory\"('{folder}')",
    "EXPLAIN PRAGMA temp_store_directory = '{folder}'",
    "EXPLAIN QUERY PLAN PRAGMA temp_store_directory = '{folder}'",
    "\u{feff}PRAGMA temp_store_directory = '{folder}'",
];

#[tokio::test]
async fn no_statement_of_a_migration_leads_out() {
    let folder = SqliteFolder::new();
    let outside = outside().await;
    let before = files(outside.path());
    for statement in HOSTILE {
        let text = statement
            .replace("{file}", &outside.path().join("new.db").display().to_string())
            .replace("{old}", &outside.path().join("x.db").display().to_string())
            .replace("{folder}", &outside.path().display().to_string());
        for journaled in [false, true] {
            let name = folder.create_database();
            let database = folder.engine().open(folder.target(&name)).await.unwrap();
            let mut session = session(&*database).await;
            let step = step("1", &["CREATE TABLE t (x)", &text]);
            let outcome =
                if journaled { session.run_journaled(&step).await } else { session.run_in_transaction(&step).await };
            assert!(outcome.is_err(), "{statement:?} runs, journaled: {journaled}");
            session.close().await;
            database.close().await;
            assert_eq!(files(outside.path()), before, "{statement:?}");
            let stored = fs::read(folder.path(&name)).unwrap();
            assert!(!String::from_utf8_lossy(&stored).contains(SECRET), "{statement:?}");
            fs::remove_file(folder.path(&name)).unwrap();
            assert_eq!(folder.files(), [""; 0], "{statement:?}");
        }
    }
    // That setting is one of the process, which this test shares with the server.
    let name = folder.create_database();
    assert_eq!(folder.column(&name, "PRAGMA temp_store_directory").await, [""; 0]);
}

/// The limit of memory is one of the process as well: a migration of one account would end the work of all others.
#[tokio::test]
async fn no_statement_of_a_migration_limits_the_memory_of_the_server() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    let limits = async || {
        let sql = "SELECT CAST(hard_heap_limit AS TEXT) FROM pragma_hard_heap_limit
                   UNION ALL SELECT CAST(soft_heap_limit AS TEXT) FROM pragma_soft_heap_limit";
        folder.column(&name, sql).await
    };
    let before = limits().await;
    for text in [
        "PRAGMA hard_heap_limit = 70000000000",
        "PRAGMA soft_heap_limit(70000000000)",
        "EXPLAIN PRAGMA hard_heap_limit = 70000000000",
        "\u{feff}PRAGMA soft_heap_limit = 70000000000",
        "SELECT $a('); PRAGMA hard_heap_limit = 70000000000; SELECT $b(')",
        "SELECT * FROM pragma_hard_heap_limit(70000000000)",
        "SELECT * FROM pragma_soft_heap_limit(70000000000)",
    ] {
        let database = folder.engine().open(folder.target(&name)).await.unwrap();
        let mut session = session(&*database).await;
        assert!(session.run_in_transaction(&step("1", &[text])).await.is_err(), "{text}");
        session.close().await;
        assert_eq!(limits().await, before, "{text}");
    }
}

/// A definition that was written into the catalog by hand is read as a definition and as nothing else.
#[tokio::test]
async fn a_catalog_that_was_written_by_hand_leads_nowhere() {
    let folder = SqliteFolder::new();
    let outside = outside().await;
    let before = files(outside.path());
    let file = outside.path().join("new.db").display().to_string();
    for planted in [
        format!("ATTACH ''{file}'' AS y"),
        format!("VACUUM INTO ''{file}''"),
        format!("CREATE TABLE t (x); ATTACH ''{file}'' AS y"),
        format!("CREATE TABLE t (x DEFAULT (load_extension(''{file}'')))"),
        format!("CREATE VIRTUAL TABLE t USING csv(filename = ''{}'')", outside.path().join("x.db").display()),
    ] {
        let name = folder.create_database();
        let database = folder.engine().open(folder.target(&name)).await.unwrap();
        let mut session = session(&*database).await;
        let write = format!("UPDATE sqlite_schema SET sql = '{planted}' WHERE name = 't'");
        let statements = ["CREATE TABLE t (x)", "PRAGMA writable_schema = ON", &write];
        // Whether SQLite takes it is its own matter; what counts is what it does with it.
        let _ = session.run_journaled(&step("1", &statements)).await;
        for text in ["INSERT INTO t DEFAULT VALUES", "SELECT * FROM t", "REINDEX", "VACUUM"] {
            let _ = session.run_journaled(&step("2", &["PRAGMA writable_schema = ON", text])).await;
        }
        session.close().await;
        let reader = folder.engine().open(folder.target(&name)).await;
        if let Ok(reader) = reader {
            let _ = reader.inspect().unwrap().database().await;
            let operation = OperationId::generate();
            let _ = reader.dump().unwrap().start_dump(&operation, CancellationToken::new()).await;
        }
        assert_eq!(files(outside.path()), before, "{planted}");
    }
}

/// VACUUM works in a file of its own, which it may.
#[tokio::test]
async fn vacuum_works() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    let database = folder.engine().open(folder.target(&name)).await.unwrap();
    let mut session = session(&*database).await;
    let statements = ["CREATE TABLE t (x)", "INSERT INTO t VALUES (zeroblob(1000000))", "DELETE FROM t", "VACUUM"];
    session.run_journaled(&step("1", &statements)).await.unwrap();
    assert!(fs::metadata(folder.path(&name)).unwrap().len() < 100_000);
}
