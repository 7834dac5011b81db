//! The vault through its RPCs: rotation of the master key while the server works.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::Code;

use super::{
    answer::{assert_refused, assert_says},
    support::{apply, back_up, ended, file, migration_set, register, register_sample, settings, succeeded, until},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        server::TestServer,
        vault::{add_connections, open_every_record, versions_in_file, versions_in_use},
    },
};

pub(super) async fn status(client: &Client) -> v1::VaultStatus {
    client.vault().get_vault_status(v1::GetVaultStatusRequest {}).await.expect("a status").into_inner()
}

async fn rotate(client: &Client) -> Result<v1::Operation, tonic::Status> {
    let answer = client.vault().rotate_master_key(v1::RotateMasterKeyRequest::default()).await;
    answer.map(tonic::Response::into_inner)
}

async fn test(client: &Client, id: &str) -> v1::TestConnectionResponse {
    let target = Some(v1::test_connection_request::Target::Name(format!("connections/{id}")));
    let request = v1::TestConnectionRequest { target };
    client.connections().test_connection(request).await.expect("the test is made").into_inner()
}

fn versions(status: &v1::VaultStatus) -> Vec<(u32, v1::MasterKeyState, i64)> {
    status.versions.iter().map(|version| (version.version, version.state(), version.record_count)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_seals_everything_anew_while_the_server_works() {
    let server = TestServer::start().await;
    let client = server.client();
    register(&client, "shop", settings(&PostgresFixture::new().target("postgres"))).await;
    add_connections(server.store_file(), &server.key_file(), 1500).await;
    let before = status(&client).await;
    assert_eq!((before.sealed, before.current_version, before.source()), (false, 1, v1::MasterKeySource::File));
    let [(1, v1::MasterKeyState::Current, records)] = versions(&before)[..] else { panic!("{before:?}") };
    assert!(records > 1500, "{before:?}");

    let (stop, tests) = (AtomicBool::new(false), AtomicU32::new(0));
    let working = async {
        while !stop.load(Ordering::Relaxed) {
            let tested = test(&client, "shop").await;
            assert!(tested.connected, "{tested:?}");
            tests.fetch_add(1, Ordering::Relaxed);
        }
    };
    let rotating = async {
        until(async || tests.load(Ordering::Relaxed) > 0).await;
        let operation = rotate(&client).await.expect("it begins");
        assert_eq!((operation.kind(), operation.connection.as_str()), (v1::OperationKind::RotateMasterKey, ""));
        let operation = succeeded(&client, operation).await;
        stop.store(true, Ordering::Relaxed);
        operation
    };
    let ((), operation) = tokio::join!(working, rotating);
    let progress = operation.progress.clone().unwrap();
    assert_eq!(progress.unit(), v1::ProgressUnit::Records);
    assert_eq!((progress.done as i64, progress.total as i64), (records, records));
    let Some(v1::operation::Result::RotateMasterKeyResult(result)) = operation.result else { panic!("no result") };
    assert_eq!((result.key_version, result.record_count), (2, records));

    let after = status(&client).await;
    use v1::MasterKeyState::{Current, Retired};
    assert_eq!(versions(&after), [(1, Retired, 0), (2, Current, records)], "{after:?}");
    assert!(after.versions[0].retire_time.is_some() && !after.rotating && after.current_version == 2);
    assert_eq!(versions_in_file(&server.key_file()), ["2"]);
    assert_eq!(open_every_record(server.store_file(), &server.key_file()).await, usize::try_from(records).unwrap());

    // What is registered now is sealed with the new key, and a new start needs no other.
    register(&client, "later", settings(&PostgresFixture::new().target("postgres"))).await;
    let server = server.stop().await.start().await;
    for id in ["shop", "later"] {
        assert!(test(&server.client(), id).await.connected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_rotation_is_refused_while_one_waits_or_works() {
    let server = TestServer::start_with(|config| config.operations.max_running = 1).await;
    let (client, fixture) = (server.client(), PostgresFixture::new());
    register_sample(&client, &fixture, "shop").await;
    let slow = format!("{};", fixture.slow_statement());
    let set = migration_set(&client, "app", vec![file("1_slow.sql", &slow)]).await;
    let before = client.migrations().apply_migrations(apply(&set, "connections/shop")).await.unwrap().into_inner();

    // The only place is taken, so the rotation waits.
    let request = v1::RotateMasterKeyRequest { request_id: "once".to_owned(), validate_only: false };
    let waiting = client.vault().rotate_master_key(request.clone()).await.unwrap().into_inner();
    let again = client.vault().rotate_master_key(request).await.unwrap().into_inner();
    assert_eq!(again.name, waiting.name, "a repeated request is the same rotation");
    let seen = status(&client).await;
    assert!(seen.rotating && seen.rotation == waiting.name, "{seen:?}");
    for validate_only in [false, true] {
        let request = v1::RotateMasterKeyRequest { validate_only, ..Default::default() };
        let error = client.vault().rotate_master_key(request).await.unwrap_err();
        assert_refused(&error, Code::Aborted, "MASTER_KEY_ROTATED");
        assert_says(&error, "wait for its end");
    }

    for operation in [&waiting, &before] {
        let request = v1::CancelOperationRequest { name: operation.name.clone() };
        client.operations().cancel_operation(request).await.unwrap();
    }
    assert_eq!(ended(&client, waiting).await.state(), v1::OperationState::Cancelled);
    ended(&client, before).await;
    assert_eq!(versions_in_file(&server.key_file()), ["1"], "a rotation that never began brings in no key");
    let checked = v1::RotateMasterKeyRequest { validate_only: true, ..Default::default() };
    let checked = client.vault().rotate_master_key(checked).await.unwrap().into_inner();
    assert_eq!(checked.name, "");
    succeeded(&client, rotate(&client).await.unwrap()).await;
    assert_eq!(versions_in_use(server.store_file()).await, [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_lost_the_key_gets_no_new_one() {
    let server = TestServer::start().await;
    let (client, key_file) = (server.client(), server.key_file());
    let right = fs::read(&key_file).unwrap();
    let other = TestServer::start().await;
    fs::copy(other.key_file(), &key_file).unwrap();
    for refused in ["it does not hold the key", "it is empty", "cannot be read"] {
        let error = rotate(&client).await.unwrap_err();
        assert_refused(&error, Code::FailedPrecondition, "KEY_SOURCE_UNFIT");
        assert_says(&error, refused);
        match refused {
            "it does not hold the key" => fs::remove_file(&key_file).unwrap(),
            _ => fs::write(&key_file, "garbage").unwrap(),
        }
    }
    fs::write(&key_file, right).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    succeeded(&client, rotate(&client).await.unwrap()).await;
    assert_eq!(versions_in_file(&key_file), ["2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_record_keeps_its_version_and_is_named_until_it_is_mended() {
    let server = TestServer::start().await;
    let client = server.client();
    let registration = settings(&PostgresFixture::new().target("postgres"));
    for id in ["sound", "damaged"] {
        register(&client, id, registration.clone()).await;
    }
    damage(&server, "damaged").await;
    let operation = ended(&client, rotate(&client).await.unwrap()).await;
    assert_eq!(operation.state(), v1::OperationState::NeedsAttention, "{operation:?}");
    let error = operation.error.unwrap();
    assert_eq!(error.reason, "SEALED_RECORD_CORRUPT");
    assert!(error.message.contains("password of connections/damaged"), "{}", error.message);
    assert_eq!(versions_in_file(&server.key_file()), ["1", "2"], "the old key is still needed");
    assert!(test(&client, "sound").await.connected);

    let connection = v1::Connection {
        name: "connections/damaged".to_owned(),
        password: registration.password,
        ..Default::default()
    };
    let request = v1::UpdateConnectionRequest { connection: Some(connection), ..Default::default() };
    client.connections().update_connection(request).await.unwrap();
    let operation = succeeded(&client, rotate(&client).await.unwrap()).await;
    let Some(v1::operation::Result::RotateMasterKeyResult(result)) = operation.result else { panic!("no result") };
    assert_eq!(result.key_version, 2, "the unfinished rotation is finished, no further key is made");
    assert_eq!(versions_in_file(&server.key_file()), ["2"]);
}

/// Flips a bit of the sealed password of a connection.
async fn damage(server: &TestServer, id: &str) {
    use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
    let mut store = SqliteConnectOptions::new().filename(server.store_file()).connect().await.unwrap();
    let sql =
        "UPDATE connections SET sealed_password = CAST(substr(sealed_password, 1, 80) || x'00' AS BLOB) WHERE id = $1";
    sqlx::query(sql).bind(id).execute(&mut store).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_survive_the_loss_of_the_store() {
    let (server, fixture) = (TestServer::start().await, PostgresFixture::new());
    let client = server.client();
    let database = register_sample(&client, &fixture, "shop").await;
    let backup = back_up(&client, "connections/shop", "first").await;
    // The copy of the key in the storage is sealed anew as well.
    succeeded(&client, rotate(&client).await.unwrap()).await;

    let mut stopped = server.stop().await;
    let store = stopped.config().store.file.clone();
    fs::remove_file(&store).unwrap();
    fs::remove_file(stopped.config().admin_key_file()).unwrap();
    let server = stopped.start().await;
    let client = server.client();
    let listed = client.backups().list_backups(v1::ListBackupsRequest::default()).await.unwrap().into_inner().backups;
    let [found] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((&found.name, found.state()), (&backup, v1::BackupState::Complete), "{found:?}");
    assert_eq!(status(&client).await.current_version, 2, "the key keeps its number");

    register(&client, "shop", settings(&fixture.target(&database))).await;
    let restored = fixture.unused_database();
    let request = v1::RestoreBackupRequest {
        name: backup,
        connection: "connections/shop".to_owned(),
        target_database: restored.clone(),
        ..Default::default()
    };
    let operation = client.backups().restore_backup(request).await.unwrap().into_inner();
    let operation = succeeded(&client, operation).await;
    let Some(v1::operation::Result::RestoreBackupResult(result)) = operation.result else { panic!("no result") };
    assert!(result.table_count > 0 && result.row_count > 0, "{result:?}");
}
