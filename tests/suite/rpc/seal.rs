//! A server with a wrong master key, or none: it starts, says so, answers nothing, and harms nothing.

use std::{fs, os::unix::fs::PermissionsExt};

use dbkeeper::grpc::proto::v1;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::{
    answer::{assert_refused, assert_says},
    support::{register, settings},
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
