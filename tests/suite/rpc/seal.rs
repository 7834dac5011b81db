//! A server with a wrong master key, or none: it starts, says so, answers nothing, and harms nothing.

use std::{fs, net::IpAddr, os::unix::fs::PermissionsExt};

use dbkeeper::{
    grpc::{client::Client, proto::v1},
    model::{Reason, RequestId, audit::AuditedCall, vault::SealReason},
    service::{
        audit::operators_account,
        vault::{self, SealedVault},
    },
    store::Store,
    vault::{KeySource, KeyTrouble, MasterKeys},
};
use tonic::{Code, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::{
    answer::{assert_refused, assert_says},
    support::{register, settings, until},
    vault::status,
    wire::{call, methods, short_name},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::server::{StoppedServer, TestServer},
};

/// The files of the store; their bytes are what must not change.
fn store_bytes(server: &mut StoppedServer) -> Vec<u8> {
    fs::read(&server.config().store.file).unwrap()
}

async fn health(server: &TestServer) -> ServingStatus {
    let channel = Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap().into_inner();
    answer.status()
}

async fn assert_sealed(server: &TestServer) {
    assert_eq!(health(server).await, ServingStatus::NotServing);
    let channel = Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
    let key = server.admin_key();
    for method in methods() {
        if ["VaultService.GetVaultStatus", "VaultService.Unseal"].contains(&short_name(&method).as_str()) {
            continue;
        }
        let error = call(&channel, &method, Some(&key), Vec::new()).await.expect_err(&short_name(&method));
        assert_refused(&error, Code::FailedPrecondition, "VAULT_SEALED");
        assert_says(&error, "master key");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_master_key_seals_the_server_until_the_right_one_is_back() {
    let server = TestServer::start().await;
    let target = PostgresFixture::new().target("postgres");
    register(&server.client(), "shop", settings(&target)).await;
    let other = TestServer::start().await;
    let mut other = other.stop().await;
    let wrong = fs::read(&other.config().vault.key_file).unwrap();

    let mut stopped = server.stop().await;
    let key_file = stopped.config().vault.key_file.clone();
    let right = fs::read(&key_file).unwrap();
    let before = store_bytes(&mut stopped);
    fs::write(&key_file, &wrong).unwrap();
    let server = stopped.start().await;
    assert_sealed(&server).await;
    let mut stopped = server.stop().await;
    assert_eq!(store_bytes(&mut stopped), before, "a sealed server wrote to its store");
    assert_eq!(fs::read(&key_file).unwrap(), wrong, "the key file is the operator's");

    // Without the file, no new key is made over records that it could not open.
    fs::remove_file(&key_file).unwrap();
    let server = stopped.start().await;
    assert_sealed(&server).await;
    let mut stopped = server.stop().await;
    assert!(!key_file.exists());
    assert_eq!(store_bytes(&mut stopped), before);

    fs::write(&key_file, &right).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    let server = stopped.start().await;
    let test = Some(v1::test_connection_request::Target::Name("connections/shop".to_owned()));
    let request = v1::TestConnectionRequest { target: test };
    let tested = server.client().connections().test_connection(request).await.unwrap().into_inner();
    assert!(tested.connected, "{tested:?}");
    assert_eq!(health(&server).await, ServingStatus::Serving);
}

/// A client that shows no key.
fn nobody(server: &TestServer) -> Client {
    Client::new(&server.url(), None).unwrap()
}

async fn unseal(client: &Client, master_key: &str) -> Result<v1::VaultStatus, Status> {
    let request = v1::UnsealRequest { master_key: master_key.to_owned() };
    client.vault().unseal(request).await.map(tonic::Response::into_inner)
}

/// Tries until the pause after a wrong key has passed.
async fn unsealed(client: &Client, master_key: &str) -> v1::VaultStatus {
    let mut status = None;
    until(async || match unseal(client, master_key).await {
        Ok(open) => {
            status = Some(open);
            true
        }
        Err(error) => {
            assert_refused(&error, Code::ResourceExhausted, "TOO_MANY_REQUESTS");
            false
        }
    })
    .await;
    status.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unseal_opens_a_server_without_a_new_start() {
    let server = TestServer::start().await;
    register(&server.client(), "shop", settings(&PostgresFixture::new().target("postgres"))).await;
    let mut stopped = server.stop().await;
    let key_file = stopped.config().vault.key_file.clone();
    let right = fs::read_to_string(&key_file).unwrap();
    fs::remove_file(&key_file).unwrap();

    let server = stopped.start().await;
    assert_sealed(&server).await;
    let client = nobody(&server);
    let told = status(&client).await;
    assert_eq!((told.sealed, told.seal_reason()), (true, v1::SealReason::KeyMissing));
    assert!(told.seal_message.contains("Unseal"), "{told:?}");
    let nothing_else = v1::VaultStatus {
        sealed: true,
        seal_reason: told.seal_reason,
        seal_message: told.seal_message.clone(),
        ..Default::default()
    };
    assert_eq!(told, nothing_else, "a stranger is told no more than that");

    let error = unseal(&client, "hunter2 is no key").await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "MASTER_KEY_WRONG");
    assert!(!error.message().contains("hunter2"));
    // Each wrong key doubles the pause; after a few, the next call comes within it on a loaded machine as well.
    let mut wrong = 1;
    until(async || {
        let error = unseal(&client, "hunter2 is no key").await.unwrap_err();
        wrong += u32::from(error.code() == Code::FailedPrecondition);
        wrong == 3
    })
    .await;
    // The right key has to wait as well: the pause is the address's.
    let error = unseal(&client, &right).await.unwrap_err();
    assert_refused(&error, Code::ResourceExhausted, "TOO_MANY_REQUESTS");
    assert_sealed(&server).await;

    let open = unsealed(&client, &right).await;
    assert_eq!((open.sealed, open.current_version, open.versions.len()), (false, 1, 1), "{open:?}");
    assert_eq!(health(&server).await, ServingStatus::Serving);
    let test = Some(v1::test_connection_request::Target::Name("connections/shop".to_owned()));
    let request = v1::TestConnectionRequest { target: test };
    assert!(server.client().connections().test_connection(request).await.unwrap().into_inner().connected);
    assert!(!key_file.exists(), "the key stays in memory");

    // From now on callers are asked who they are, on connections from before as well.
    let error = client.vault().get_vault_status(v1::GetVaultStatusRequest {}).await.unwrap_err();
    assert_refused(&error, Code::Unauthenticated, "CREDENTIALS_MISSING");
    let admin = server.client();
    assert!(!unseal(&admin, &right).await.unwrap().sealed, "a repeated Unseal is answered with how the vault stands");
    let error = unseal(&admin, "dbkeeper-master-key:1:1:AAAA").await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "MASTER_KEY_WRONG");
    let error = admin.vault().rotate_master_key(v1::RotateMasterKeyRequest::default()).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "KEY_SOURCE_UNFIT");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_file_that_others_can_read_or_that_is_garbage_seals_the_server() {
    let mut stopped = TestServer::start().await.stop().await;
    let key_file = stopped.config().vault.key_file.clone();
    let right = fs::read_to_string(&key_file).unwrap();
    let set = |mode| fs::set_permissions(&key_file, fs::Permissions::from_mode(mode)).unwrap();

    set(0o640);
    let server = stopped.start().await;
    assert_sealed(&server).await;
    let told = status(&nobody(&server)).await;
    assert_eq!(told.seal_reason(), v1::SealReason::KeyExposed);
    assert!(told.seal_message.contains("chmod 600"), "{told:?}");
    assert!(!told.seal_message.contains('/'), "a path of the server: {told:?}");
    let stopped = server.stop().await;

    set(0o600);
    fs::write(&key_file, b"\xff\x00 garbage").unwrap();
    let server = stopped.start().await;
    assert_sealed(&server).await;
    assert_eq!(status(&nobody(&server)).await.seal_reason(), v1::SealReason::KeyMalformed);
    assert!(!unsealed(&nobody(&server), &right).await.sealed);
    let stopped = server.stop().await;
    assert_eq!(fs::read(&key_file).unwrap(), b"\xff\x00 garbage", "the file is the operator's");

    fs::write(&key_file, &right).unwrap();
    let server = stopped.start().await;
    assert_eq!(health(&server).await, ServingStatus::Serving);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_wrong_keys_change_no_byte() {
    let server = TestServer::start().await;
    register(&server.client(), "shop", settings(&PostgresFixture::new().target("postgres"))).await;
    let mut stopped = server.stop().await;
    let before = store_bytes(&mut stopped);
    let (store_file, key_file) = (stopped.config().store.file.clone(), stopped.config().vault.key_file.clone());
    let wrong = KeySource::File(key_file.with_extension("wrong"));
    let store = Store::open(&store_file).await.unwrap();
    let trouble = KeyTrouble::unfit(SealReason::KeyWrong, &wrong);
    let (sealed, mut opened) = SealedVault::new(store.clone(), wrong.clone(), trouble);
    for number in 0..100_u8 {
        let keys = MasterKeys::generate().unwrap();
        wrong.write(&keys).await.unwrap();
        assert_eq!(vault::open(&store, &wrong).await.unwrap().err().unwrap().reason, SealReason::KeyWrong);
        assert!(!sealed.look_again().await.unwrap());
        let peer = IpAddr::from([127, 0, 0, number]);
        let nobody = String::new;
        let call = AuditedCall::new(operators_account(), nobody(), nobody(), nobody(), &RequestId::generate());
        let error = sealed.unseal(Some(keys), Some(peer), call).await.err().unwrap();
        assert_eq!(error.reason(), Reason::MasterKeyWrong);
    }
    assert!(opened.try_recv().is_err());
    store.close().await;
    assert_eq!(store_bytes(&mut stopped), before);
    assert!(vault::open(&Store::open(&store_file).await.unwrap(), &KeySource::File(key_file)).await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_was_moved_does_not_open() {
    let server = TestServer::start().await;
    let client = server.client();
    for id in ["one", "other"] {
        register(&client, id, settings(&PostgresFixture::new().target("postgres"))).await;
    }
    server.second_account().await;
    let mut stopped = server.stop().await;
    let store = stopped.config().store.file.clone();
    let sound = fs::read(&store).unwrap();
    let sealed_of_other = "(SELECT sealed_password FROM connections WHERE id = 'other')";
    let moves = [
        ("another row", format!("UPDATE connections SET sealed_password = {sealed_of_other} WHERE id = 'one'")),
        ("another version", "UPDATE connections SET credential_revision = 2 WHERE id = 'one'".to_owned()),
        (
            "another field",
            "UPDATE connections SET sealed_client_key = sealed_password, \
             settings = json_set(settings, '$.tls.client_cert_pem', 'x', '$.tls.mode', 'required') WHERE id = 'one'"
                .to_owned(),
        ),
        (
            "another name",
            "UPDATE connections SET id = 'gone' WHERE id = 'one'; \
             UPDATE connections SET id = 'one' WHERE id = 'other'"
                .to_owned(),
        ),
    ];
    for (place, sql) in moves {
        alter(&store, &sql).await;
        let server = stopped.start().await;
        let test = Some(v1::test_connection_request::Target::Name("connections/one".to_owned()));
        let request = v1::TestConnectionRequest { target: test };
        let error = server.client().connections().test_connection(request).await.expect_err(place);
        assert_refused(&error, Code::DataLoss, "SEALED_RECORD_CORRUPT");
        stopped = server.stop().await;
        fs::write(&store, &sound).unwrap();
    }
    // The same in the hands of another account.
    alter(&store, "UPDATE connections SET account = 'stranger' WHERE id = 'one'").await;
    let server = stopped.start().await;
    let stranger = server.client_with(&server.second_account().await);
    let test = Some(v1::test_connection_request::Target::Name("connections/one".to_owned()));
    let request = v1::TestConnectionRequest { target: test };
    let error = stranger.connections().test_connection(request).await.unwrap_err();
    assert_refused(&error, Code::DataLoss, "SEALED_RECORD_CORRUPT");
}

/// Changes the store by hand.
async fn alter(store: &std::path::Path, sql: &str) {
    use sqlx::{ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions};
    let mut store = SqliteConnectOptions::new().filename(store).connect().await.unwrap();
    store.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
    store.close().await.unwrap();
}
