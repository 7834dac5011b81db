//! Dumps and restores with the tools of MariaDB.

use std::{io::Cursor, sync::Arc};

use dbkeeper::{
    engine::{Database, DumpReport, dump::RestoreTarget},
    model::{OperationId, Reason},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::{fixture, open};
use crate::harness::{mariadb::MariadbServer, server::in_time};

async fn take(database: &Arc<dyn Database>) -> (Vec<u8>, DumpReport) {
    let dump = database.require_dump().unwrap();
    let mut running = dump.start_dump(&OperationId::generate(), CancellationToken::new()).await.unwrap();
    let mut bytes = Vec::new();
    running.take_reader().read_to_end(&mut bytes).await.unwrap();
    (bytes, running.finish().await.unwrap())
}

async fn restore(
    database: &Arc<dyn Database>,
    operation: &OperationId,
    name: &str,
    bytes: &[u8],
) -> dbkeeper::model::Result<()> {
    let dump = database.require_dump().unwrap();
    let target = dump.check_restore(name).await?;
    dump.restore(operation, name, target, Box::new(Cursor::new(bytes.to_vec())), CancellationToken::new()).await
}

fn exists(name: &str) -> bool {
    let sql = format!("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{name}'");
    MariadbServer::shared().sql("mysql", &sql) == "1"
}

#[tokio::test]
async fn a_dump_is_restored_into_a_new_and_into_an_empty_database() {
    let server = MariadbServer::shared();
    let name = fixture::create();
    let database = open(&name).await;
    let dump = database.require_dump().unwrap();
    assert!(dump.plan_dump().await.unwrap().tool.contains("mariadb-dump 1"));
    let (bytes, report) = take(&database).await;
    assert_eq!(report.table_counts, dump.count_rows(&name).await.unwrap());
    dump.decode(Box::new(Cursor::new(bytes.clone()))).await.unwrap();
    assert_eq!(take(&database).await.0, bytes, "the same database gives the same bytes");

    let (new, empty) = (server.fresh_name(), server.create_database());
    assert_eq!(dump.check_restore(&new).await.unwrap(), RestoreTarget::New);
    assert_eq!(dump.check_restore(&empty).await.unwrap(), RestoreTarget::Empty);
    for target in [&new, &empty] {
        restore(&database, &OperationId::generate(), target, &bytes).await.unwrap();
        assert_eq!(fixture::describe(target), fixture::describe(&name));
        assert_eq!(dump.count_rows(target).await.unwrap(), report.table_counts);
        let error = dump.check_restore(target).await.unwrap_err();
        assert_eq!(error.reason(), Reason::TargetNotEmpty, "{error}");
    }
}

#[tokio::test]
async fn a_restore_that_fails_leaves_nothing() {
    let server = MariadbServer::shared();
    let database = open(&fixture::create()).await;
    let (bytes, _) = take(&database).await;
    let dump = database.require_dump().unwrap();

    let cut = &bytes[..bytes.len() / 2];
    let error = dump.decode(Box::new(Cursor::new(cut.to_vec()))).await.unwrap_err();
    assert_eq!(error.reason(), Reason::BackupCorrupt, "{error}");

    let (new, empty) = (server.fresh_name(), server.create_database());
    let mut broken = bytes.clone();
    broken.splice(bytes.len() - 30..bytes.len() - 30, *b"\nBROKEN SQL;\n");
    for (damaged, reason) in [(cut, Reason::BackupCorrupt), (broken.as_slice(), Reason::ToolFailed)] {
        for target in [&new, &empty] {
            let error = restore(&database, &OperationId::generate(), target, damaged).await.unwrap_err();
            assert_eq!(error.reason(), reason, "{error}");
        }
        assert!(!exists(&new));
        assert_eq!(dump.check_restore(&empty).await.unwrap(), RestoreTarget::Empty);
        assert_eq!(server.sql(&empty, "SHOW TABLES; SHOW PROCEDURE STATUS WHERE Db = DATABASE(); SHOW EVENTS"), "");
    }
}

#[tokio::test]
async fn what_a_killed_restore_left_is_discarded_by_its_operation_only() {
    let server = MariadbServer::shared();
    let database = open(&fixture::create()).await;
    let (bytes, _) = take(&database).await;
    let dump = database.require_dump().unwrap();
    let target = server.fresh_name();
    let mark = "operation=o-dead made_database=true";
    server.sql("mysql", &format!("CREATE DATABASE {target}; CREATE TABLE {target}.half (a INT);"));
    server.sql(&target, &format!("CREATE TABLE dbkeeper_restore (a INT) COMMENT 'dbkeeper restores {mark}'"));

    assert!(!dump.discard_restore(&OperationId::generate(), &target).await.unwrap());
    assert!(exists(&target));
    assert_eq!(
        dump.check_restore(&target).await.unwrap(),
        RestoreTarget::Empty,
        "a dead restore's rest does not count"
    );
    restore(&database, &OperationId::generate(), &target, &bytes).await.unwrap();
    assert!(!server.sql(&target, "SHOW TABLES").contains("half"));

    let dead = OperationId::parse("o-dead", "operation").unwrap();
    server.sql(&target, &format!("CREATE TABLE dbkeeper_restore (a INT) COMMENT 'dbkeeper restores {mark}'"));
    assert!(dump.discard_restore(&dead, &target).await.unwrap());
    assert!(!exists(&target));
}

#[tokio::test]
async fn a_restore_that_is_cancelled_takes_away_what_it_made() {
    let database = open(&fixture::create()).await;
    let (bytes, _) = take(&database).await;
    let target = MariadbServer::shared().fresh_name();
    let cancellation = CancellationToken::new();
    // The input stops in the middle, so that the restore waits until it is cancelled.
    let (mut writer, reader) = tokio::io::duplex(1 << 20);
    let (cancel, name) = (cancellation.clone(), target.clone());
    let feed = tokio::spawn(async move {
        writer.write_all(&bytes[..bytes.len() / 2]).await.unwrap();
        in_time(async {
            while !exists(&name) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        cancel.cancel();
        writer
    });
    let dump = database.require_dump().unwrap();
    let outcome =
        dump.restore(&OperationId::generate(), &target, RestoreTarget::New, Box::new(reader), cancellation).await;
    assert_eq!(outcome.unwrap_err().reason(), Reason::Cancelled);
    assert!(!exists(&target));
    feed.await.unwrap();
}

#[tokio::test]
async fn definitions_that_change_during_a_dump_spoil_it() {
    let name = fixture::create();
    let database = open(&name).await;
    let dump = database.require_dump().unwrap();
    let mut running = dump.start_dump(&OperationId::generate(), CancellationToken::new()).await.unwrap();
    let mut bytes = Vec::new();
    running.take_reader().read_to_end(&mut bytes).await.unwrap();
    MariadbServer::shared().sql(&name, "ALTER TABLE empty_one ADD x INT");
    let error = running.finish().await.unwrap_err();
    assert_eq!(error.reason(), Reason::ToolFailed);
    assert!(error.message().contains("definitions"), "{error}");
}

#[tokio::test]
async fn a_dump_cannot_make_the_client_run_programs() {
    let database = open(&fixture::create()).await;
    let (bytes, _) = take(&database).await;
    let folder = tempfile::tempdir().unwrap();
    let proof = folder.path().join("proof");
    let mut hostile = format!("system touch {0}\n\\! touch {0}\n", proof.display()).into_bytes();
    hostile.extend_from_slice(&bytes);
    let target = MariadbServer::shared().fresh_name();
    let _ = restore(&database, &OperationId::generate(), &target, &hostile).await.unwrap_err();
    assert!(!proof.exists());
    assert!(!exists(&target));
}
