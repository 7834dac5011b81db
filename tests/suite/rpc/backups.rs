//! Backups that cannot be taken, read or restored: told, and nothing lost or half published.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use dbkeeper::grpc::{client::Client, proto::v1};
use futures::TryStreamExt;
use tempfile::TempDir;
use tonic::{Code, Status};

use super::{
    answer::{assert_refused, assert_says},
    support::{back_up, ended, failed, on_every_engine, register, register_sample, settings, succeeded},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        server::{TestServer, in_time},
        sqlite::SqliteFolder,
    },
};

const CONNECTION: &str = "connections/shop";

on_every_engine!(
    a_database_with_tables_is_not_restored_into,
    a_damaged_backup_is_told_and_restores_nothing,
    backups_and_restores_are_checked_and_repeated_by_their_request_id,
);

fn restore(backup: &str, target: &str) -> v1::RestoreBackupRequest {
    v1::RestoreBackupRequest {
        name: backup.to_owned(),
        connection: CONNECTION.to_owned(),
        target_database: target.to_owned(),
        ..Default::default()
    }
}

async fn verify(client: &Client, backup: &str) -> v1::Operation {
    let request = v1::VerifyBackupRequest { name: backup.to_owned(), level: v1::VerifyLevel::Content.into() };
    client.backups().verify_backup(request).await.unwrap().into_inner()
}

async fn get(client: &Client, backup: &str) -> v1::Backup {
    let request = v1::GetBackupRequest { name: backup.to_owned() };
    client.backups().get_backup(request).await.unwrap().into_inner()
}

async fn list(client: &Client) -> Vec<v1::Backup> {
    client.backups().list_backups(v1::ListBackupsRequest::default()).await.unwrap().into_inner().backups
}

async fn download(client: &Client, backup: &str) -> Result<Vec<v1::DownloadBackupResponse>, Status> {
    let request = v1::DownloadBackupRequest { name: backup.to_owned() };
    let stream = client.backups().download_backup(request).await?.into_inner();
    in_time(stream.try_collect()).await
}

async fn a_database_with_tables_is_not_restored_into(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let database = register_sample(&client, fixture, "shop").await;
    let backup = back_up(&client, CONNECTION, "first").await;
    let before = fixture.checksums(&database).await;
    // Without a target it is the database of the connection, which is full.
    for target in ["", database.as_str()] {
        let error = client.backups().restore_backup(restore(&backup, target)).await.unwrap_err();
        assert_refused(&error, Code::FailedPrecondition, "TARGET_NOT_EMPTY");
        assert_says(&error, "empty");
    }
    assert_eq!(fixture.checksums(&database).await, before);
}

/// Every file below a folder that is longer than a header.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

async fn a_damaged_backup_is_told_and_restores_nothing(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    register_sample(&client, fixture, "shop").await;
    let backup = back_up(&client, CONNECTION, "first").await;
    let packs: Vec<PathBuf> =
        files(&server.backup_directory()).into_iter().filter(|path| path.to_string_lossy().contains("packs")).collect();
    let pack = packs.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).expect("a pack was written");
    let whole = fs::read(pack).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 3] ^= 0x10;
    let cases = [
        (&flipped[..], true),
        (&whole[..whole.len() / 2], true),
        (&[], true),
        // The end of a pack is its table, which reading the backup does not need: what is restored is whole.
        (&whole[..whole.len() - 1], false),
    ];
    for (damaged, is_lost) in cases {
        fs::write(pack, damaged).unwrap();
        let error = failed(&client, verify(&client, &backup).await, "BACKUP_CORRUPT").await;
        assert_eq!(error.code, i32::from(Code::DataLoss));
        assert!(error.message.contains("another"), "{:?} does not say what to do", error.message);
        let told = get(&client, &backup).await;
        assert_eq!(told.state(), v1::BackupState::Corrupt);
        assert_eq!(told.error.unwrap().reason, "BACKUP_CORRUPT");
        if !is_lost {
            continue;
        }
        let target = fixture.unused_database();
        let restored = client.backups().restore_backup(restore(&backup, &target)).await.unwrap().into_inner();
        failed(&client, restored, "BACKUP_CORRUPT").await;
        let check = v1::RestoreBackupRequest { validate_only: true, ..restore(&backup, &target) };
        client.backups().restore_backup(check).await.expect("the target is as empty as before");
        assert_refused(&download(&client, &backup).await.unwrap_err(), Code::DataLoss, "BACKUP_CORRUPT");
    }
    // With the file put back the backup is what it was: nothing was thrown away.
    fs::write(pack, &whole).unwrap();
    succeeded(&client, verify(&client, &backup).await).await;
    assert_eq!(get(&client, &backup).await.state(), v1::BackupState::Complete);
    let restored = client.backups().restore_backup(restore(&backup, &fixture.unused_database())).await.unwrap();
    succeeded(&client, restored.into_inner()).await;
}

async fn backups_and_restores_are_checked_and_repeated_by_their_request_id(
    server: &TestServer,
    fixture: &impl Fixture,
) {
    let client = server.client();
    register_sample(&client, fixture, "shop").await;
    let create = v1::CreateBackupRequest {
        connection: CONNECTION.to_owned(),
        backup_id: "first".to_owned(),
        validate_only: true,
        ..Default::default()
    };
    let checked = client.backups().create_backup(create.clone()).await.unwrap().into_inner();
    assert!(checked.name.is_empty());
    assert!(list(&client).await.is_empty());

    let create = v1::CreateBackupRequest { validate_only: false, request_id: "backup-once".to_owned(), ..create };
    let first = client.backups().create_backup(create.clone()).await.unwrap().into_inner();
    let first = succeeded(&client, first).await;
    assert_eq!(client.backups().create_backup(create.clone()).await.unwrap().into_inner(), first);
    let other = v1::CreateBackupRequest { backup_id: "second".to_owned(), ..create.clone() };
    let error = client.backups().create_backup(other).await.unwrap_err();
    assert_refused(&error, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let taken = v1::CreateBackupRequest { request_id: String::new(), ..create };
    let error = client.backups().create_backup(taken).await.unwrap_err();
    assert_refused(&error, Code::AlreadyExists, "BACKUP_EXISTS");

    let backup = format!("{CONNECTION}/backups/first");
    let target = fixture.unused_database();
    let check = v1::RestoreBackupRequest { validate_only: true, ..restore(&backup, &target) };
    assert!(client.backups().restore_backup(check).await.unwrap().into_inner().name.is_empty());
    let once = v1::RestoreBackupRequest { request_id: "restore-once".to_owned(), ..restore(&backup, &target) };
    let restored = client.backups().restore_backup(once.clone()).await.unwrap().into_inner();
    let restored = succeeded(&client, restored).await;
    let again = client.backups().restore_backup(once.clone()).await.unwrap().into_inner();
    assert_eq!(again, restored);
    let other = v1::RestoreBackupRequest { target_database: fixture.unused_database(), ..once };
    let error = client.backups().restore_backup(other).await.unwrap_err();
    assert_refused(&error, Code::AlreadyExists, "REQUEST_ID_REUSED");

    let delete = |validate_only| v1::DeleteBackupRequest { name: backup.clone(), validate_only };
    client.backups().delete_backup(delete(true)).await.unwrap();
    assert_eq!(list(&client).await.len(), 1);
    client.backups().delete_backup(delete(false)).await.unwrap();
    assert!(list(&client).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_goes_to_its_own_engine_alone() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    register_sample(&client, &folder, "shop").await;
    let backup = back_up(&client, CONNECTION, "first").await;
    register(&client, "other", settings(&PostgresFixture::new().target("postgres"))).await;
    let elsewhere = v1::RestoreBackupRequest { connection: "connections/other".to_owned(), ..restore(&backup, "x") };
    let error = client.backups().restore_backup(elsewhere).await.unwrap_err();
    assert_refused(&error, Code::InvalidArgument, "ENGINE_MISMATCH");
    assert_says(&error, "same engine");
}

/// A small file system that is full soon. It is mounted as root, or through the sudo that `make test` needs anyway.
pub(super) struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    pub(super) fn new(size: &str) -> Self {
        let folder = TempDir::new().unwrap();
        run(&["mount", "-t", "tmpfs", "-o", &format!("size={size},mode=0777"), "tmpfs"], folder.path());
        Self { folder }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(&["umount", "--lazy"], self.folder.path());
    }
}

fn run(arguments: &[&str], folder: &Path) {
    let root = rustix::process::geteuid().is_root();
    let words: Vec<&str> = if root { arguments.to_vec() } else { [&["sudo", "-n"], arguments].concat() };
    let output = Command::new(words[0]).args(&words[1..]).arg(folder).output().expect("the program starts");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_the_backup_and_keeps_the_earlier_one() {
    // Room for one pack and no second one.
    let disk = SmallDisk::new("40m");
    let folder = SqliteFolder::new();
    let server = TestServer::start_with(|config| {
        config.sqlite.root = folder.root().to_owned();
        config.backup.directory = disk.path().join("backups");
    })
    .await;
    let client = server.client();
    let database = register_sample(&client, &folder, "shop").await;
    let first = back_up(&client, CONNECTION, "first").await;
    let kept = files(&server.backup_directory());
    let big = "CREATE TABLE big (body BLOB);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 48)
         INSERT INTO big SELECT randomblob(1048576) FROM n;";
    folder.run(&database, big).await;

    let request = v1::CreateBackupRequest {
        connection: CONNECTION.to_owned(),
        backup_id: "second".to_owned(),
        ..Default::default()
    };
    let operation = client.backups().create_backup(request.clone()).await.unwrap().into_inner();
    let error = failed(&client, operation, "STORAGE_FULL").await;
    assert_eq!(error.code, i32::from(Code::ResourceExhausted));
    assert!(error.message.contains("free") || error.message.contains("space"), "{error:?}");
    let second = format!("{CONNECTION}/backups/second");
    assert_eq!(get(&client, &second).await.state(), v1::BackupState::Failed);
    assert_eq!(files(&server.backup_directory()), kept, "what was written is taken away");
    succeeded(&client, verify(&client, &first).await).await;

    // With room again the next backup is taken.
    folder.run(&database, "DROP TABLE big; VACUUM;").await;
    let delete = v1::DeleteBackupRequest { name: second, validate_only: false };
    client.backups().delete_backup(delete).await.unwrap();
    let operation = client.backups().create_backup(request).await.unwrap().into_inner();
    let operation = ended(&client, operation).await;
    assert_eq!(operation.state(), v1::OperationState::Succeeded, "{:?}", operation.error);
}
