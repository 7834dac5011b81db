use dbkeeper::{
    engine::{
        Database,
        dump::{DumpReader, RestoreTarget},
        sqlite::sweep_scratch,
    },
    model::{OperationId, Reason},
};
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use crate::harness::sqlite::SqliteFolder;

async fn dump(database: &dyn Database) -> Vec<u8> {
    let dump = database.dump().unwrap();
    let mut running = dump.start_dump(&OperationId::generate(), CancellationToken::new()).await.unwrap();
    let mut bytes = Vec::new();
    running.take_reader().read_to_end(&mut bytes).await.unwrap();
    running.finish().await.unwrap();
    bytes
}

fn reader(bytes: Vec<u8>) -> DumpReader {
    Box::new(std::io::Cursor::new(bytes))
}

#[tokio::test]
async fn a_database_that_is_written_to_is_dumped_as_of_one_moment() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder.run(&name, "PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)").await;
    let mut writer = folder.connect(&name).await;
    sqlx::raw_sql("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)").execute(&mut writer).await.unwrap();
    let database = folder.engine().open(folder.target(&name)).await.unwrap();
    let bytes = dump(&*database).await;
    std::fs::write(folder.path("copy.db"), &bytes).unwrap();
    assert_eq!(folder.column("copy.db", "SELECT CAST(x AS TEXT) FROM t").await, ["1"]);
    assert_eq!(bytes.len() % 4096, 0);
    assert!(folder.files().iter().all(|file| !file.contains("scratch")), "{:?}", folder.files());
}

#[tokio::test]
async fn a_restore_over_an_empty_database_in_use_by_its_own_pool_is_seen_by_it() {
    let folder = SqliteFolder::new();
    let source = folder.create_database();
    folder.run(&source, "CREATE TABLE t (x); INSERT INTO t VALUES (1)").await;
    let bytes = dump(&*folder.engine().open(folder.target(&source)).await.unwrap()).await;
    for prepare in ["SELECT 1", "PRAGMA journal_mode = WAL; CREATE TABLE gone (x); DROP TABLE gone"] {
        let target = folder.create_database();
        folder.run(&target, prepare).await;
        let database = folder.engine().open(folder.target(&target)).await.unwrap();
        assert_eq!(database.inspect().unwrap().database().await.unwrap().table_count, 0);
        let dump = database.dump().unwrap();
        assert_eq!(dump.check_restore(&target).await.unwrap(), RestoreTarget::Empty);
        let operation = OperationId::generate();
        dump.restore(&operation, &target, RestoreTarget::Empty, reader(bytes.clone()), CancellationToken::new())
            .await
            .unwrap();
        assert_eq!(database.inspect().unwrap().database().await.unwrap().table_count, 1);
        assert_eq!(dump.count_rows(&target).await.unwrap()[0].rows, 1);
    }
}

#[tokio::test]
async fn a_damaged_dump_leaves_nothing_behind() {
    let folder = SqliteFolder::new();
    let source = folder.create_database();
    folder
        .run(&source, "CREATE TABLE t (x); CREATE INDEX i ON t (x);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i * 7919 FROM n")
        .await;
    let database = folder.engine().open(folder.target(&source)).await.unwrap();
    let good = dump(&*database).await;
    let mut flipped = good.clone();
    flipped[3 * 4096 + 5] ^= 0xff;
    let cut = good[..good.len() / 2].to_vec();
    let engine = database.dump().unwrap();
    engine.decode(reader(good.clone())).await.unwrap();
    for bad in [flipped, cut, b"PK\x03\x04 something else that is long enough".to_vec()] {
        assert_eq!(engine.decode(reader(bad.clone())).await.unwrap_err().reason(), Reason::BackupCorrupt);
        let restored = engine
            .restore(
                &OperationId::generate(),
                "new/target.db",
                RestoreTarget::New,
                reader(bad),
                CancellationToken::new(),
            )
            .await;
        assert_eq!(restored.unwrap_err().reason(), Reason::BackupCorrupt);
        assert!(!folder.path("new/target.db").exists());
    }
    assert_eq!(std::fs::read_dir(folder.path("new")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_restore_never_writes_over_a_file_that_appeared() {
    let folder = SqliteFolder::new();
    let source = folder.create_database();
    folder.run(&source, "CREATE TABLE t (x)").await;
    let database = folder.engine().open(folder.target(&source)).await.unwrap();
    let bytes = dump(&*database).await;
    let restored = database
        .dump()
        .unwrap()
        .restore(&OperationId::generate(), &source, RestoreTarget::New, reader(bytes), CancellationToken::new())
        .await;
    assert_eq!(restored.unwrap_err().reason(), Reason::TargetNotEmpty);
    assert_eq!(folder.files(), [source]);
}

#[tokio::test]
async fn what_a_killed_restore_left_is_found_by_its_operation() {
    let folder = SqliteFolder::new();
    let source = folder.create_database();
    let database = folder.engine().open(folder.target(&source)).await.unwrap();
    let operation = OperationId::generate();
    let left = folder.path(&format!("target.db-dbkeeper-restore-{operation}"));
    std::fs::write(&left, "half").unwrap();
    let dump = database.dump().unwrap();
    assert!(!dump.discard_restore(&OperationId::generate(), "target.db").await.unwrap());
    assert!(dump.discard_restore(&operation, "target.db").await.unwrap());
    assert!(!left.exists());
    assert!(!dump.discard_restore(&operation, "no/such/folder.db").await.unwrap());
}

#[tokio::test]
async fn the_sweep_takes_scratch_files_and_nothing_else() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("sqlite-scratch-o-1"), "").unwrap();
    std::fs::write(scratch.path().join("other"), "").unwrap();
    assert_eq!(sweep_scratch(scratch.path()).unwrap(), 1);
    assert!(scratch.path().join("other").exists());
}
