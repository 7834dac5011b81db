//! What is SQLite's own: paths, settings, statements that are refused, rebuilds of tables, files that stay or go.

mod confinement;
mod discovery;
mod metrics;
mod migrations;
mod restores;
mod schema;

use dbkeeper::model::{Detail, Error, Reason, connection::TlsMode};

use crate::harness::sqlite::SqliteFolder;

fn fields(error: &Error) -> Vec<&str> {
    let details = error.details().iter();
    details
        .filter_map(|detail| match detail {
            Detail::Field { field, .. } => Some(field.as_str()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn settings_at_fault_are_told_together() {
    let folder = SqliteFolder::new();
    let mut settings = folder.settings("../x.db");
    settings.host = "localhost".to_owned();
    settings.port = 1;
    settings.username = "root".to_owned();
    settings.tls.mode = TlsMode::Required;
    let error = folder.engine().check_settings(&folder.target("x").account, &settings).unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidField);
    assert_eq!(fields(&error), ["host", "port", "username", "tls.mode", "database"]);
    folder.engine().check_settings(&folder.target("x").account, &folder.settings("x.db")).unwrap();
}

#[tokio::test]
async fn a_path_that_climbs_is_refused_at_the_door() {
    let folder = SqliteFolder::new();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path("link")).unwrap();
    std::fs::write(outside.path().join("x.db"), "").unwrap();
    for path in ["../other/x.db", "/etc/passwd", "a/../../x.db", "link/x.db", "a.db-wal"] {
        let error = folder.engine().probe(&folder.target(path)).await.unwrap_err();
        assert_eq!((error.reason(), fields(&error)), (Reason::InvalidField, vec!["database"]), "{path}");
        let error = folder.engine().open(folder.target(path)).await.err().unwrap();
        assert_eq!(error.reason(), Reason::InvalidField, "{path}");
    }
}

#[tokio::test]
async fn a_missing_file_is_not_made() {
    let folder = SqliteFolder::new();
    let error = folder.engine().open(folder.target("missing.db")).await.err().unwrap();
    assert_eq!(error.reason(), Reason::DatabaseUnknown);
    assert!(folder.files().is_empty());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told() {
    let folder = SqliteFolder::new();
    std::fs::write(folder.path("text.db"), "this is a text and no database, long enough to be read".repeat(100))
        .unwrap();
    let error = folder.engine().probe(&folder.target("text.db")).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DatabaseUnknown, "{error}");
    assert!(error.message().contains("no SQLite database"), "{error}");
}

#[tokio::test]
async fn a_password_is_refused() {
    let folder = SqliteFolder::new();
    let mut target = folder.target(&folder.create_database());
    target.credentials.password = "secret".into();
    let error = folder.engine().probe(&target).await.unwrap_err();
    assert_eq!(fields(&error), ["password"]);
}

#[tokio::test]
async fn opening_changes_no_byte_of_the_file() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder.run(&name, "PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)").await;
    let before = std::fs::read(folder.path(&name)).unwrap();
    let database = folder.engine().open(folder.target(&name)).await.unwrap();
    database.inspect().unwrap().database().await.unwrap();
    database.close().await;
    assert_eq!(std::fs::read(folder.path(&name)).unwrap(), before);
    assert_eq!(folder.files(), [name]);
}
