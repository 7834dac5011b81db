//! Unseal, of which the log cannot know before the key is there.

use std::fs;

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::{Code, Status};
use v1::AuditEventKind::{Intent, LeftOut, Outcome};

use super::{Intruder, assert_refused, call, events, short, until, verify};
use crate::harness::server::TestServer;

/// A server that was started without its key, and the key.
async fn sealed() -> (TestServer, String) {
    let server = TestServer::start().await;
    call(&server.client(), "before").await;
    let stopped = server.stop().await;
    let key_file = stopped.data_directory().join("master.key");
    let key = fs::read_to_string(&key_file).unwrap();
    fs::remove_file(key_file).unwrap();
    (stopped.start().await, key)
}

async fn unseal(server: &TestServer, master_key: &str) -> Result<v1::VaultStatus, Status> {
    let nobody = Client::new(&server.url(), None).unwrap();
    let request = v1::UnsealRequest { master_key: master_key.to_owned() };
    nobody.vault().unseal(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stands_in_the_log_with_the_wrong_keys_before_it() {
    let (server, key) = sealed().await;
    let error = unseal(&server, "canary-not-a-key").await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "MASTER_KEY_WRONG");
    // The address has to wait after a wrong key.
    until(async || unseal(&server, &key).await.is_ok()).await;

    let client = server.client();
    let told = events(&client).await;
    let expected = [
        (Intent, "DeleteConnection", "NOT_FOUND"),
        (Outcome, "DeleteConnection", "NOT_FOUND"),
        (LeftOut, "", ""),
        (Intent, "Unseal", "OK"),
        (Outcome, "Unseal", "OK"),
    ];
    assert_eq!(told.iter().map(short).collect::<Vec<_>>(), expected, "{told:?}");
    assert_eq!((told[2].left_out, told[2].actor.as_str()), (1, "server"));
    for event in &told[3..] {
        assert_eq!((event.actor.as_str(), event.address.as_str()), ("", "127.0.0.1"), "{event:?}");
        assert_eq!(event.method, "dbkeeper.v1.VaultService/Unseal");
        assert_eq!(event.request_id, told[3].request_id);
    }
    assert!(!told[3].request_id.is_empty() && told[4].intent_sequence == 4);
    assert!(!format!("{told:?}").contains("canary"), "{told:?}");
    assert!(verify(&client, None).await.intact);

    // From now on it is recorded as any other call.
    client.vault().unseal(v1::UnsealRequest { master_key: key }).await.unwrap();
    let told = events(&client).await;
    assert_eq!(told.iter().map(short).collect::<Vec<_>>()[5..], [(Intent, "Unseal", "OK"), (Outcome, "Unseal", "OK")]);
    assert!(told[5].actor.starts_with("key/"), "{:?}", told[5]);
    assert!(verify(&client, None).await.intact);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_is_not_opened_without_a_record() {
    let (server, key) = sealed().await;
    let mut intruder = Intruder::of(&server).await;
    intruder.run(super::ends::REFUSE_ALL).await.unwrap();
    let error = unseal(&server, &key).await.unwrap_err();
    assert_refused(&error, Code::Unavailable, "AUDIT_UNAVAILABLE");
    let error =
        server.client().connections().list_connections(v1::ListConnectionsRequest::default()).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "VAULT_SEALED");

    intruder.run("DROP TRIGGER full").await.unwrap();
    unseal(&server, &key).await.expect("the right key made nobody wait");
    let told = events(&server.client()).await;
    assert_eq!(told.iter().map(short).collect::<Vec<_>>()[2..], [(Intent, "Unseal", "OK"), (Outcome, "Unseal", "OK")]);
    assert!(verify(&server.client(), None).await.intact);
}
