//! What a rotation left open is brought to its end later, and the audit log says so.

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::Code;
use v1::{AuditCompletion, AuditEventKind};

use super::{
    answer::assert_refused,
    rotation::postgres_user,
    support::{register, until},
};
use crate::harness::{pgbouncer::PgBouncer, server::TestServer};

const OLD: &str = "the-old-password-1";
const NEW: &str = "a-new-password-2";
const METHOD: &str = "dbkeeper.server/SettleCredentials";

/// What the log tells of settlements, the oldest first.
async fn settlements(client: &Client) -> Vec<v1::AuditEvent> {
    let request = v1::ListAuditEventsRequest { page_size: 1000, method: METHOD.to_owned(), ..Default::default() };
    let mut events = client.access().list_audit_events(request).await.unwrap().into_inner().audit_events;
    events.reverse();
    events
}

/// A rotation that the database has heard of and the pooler in front of it has not: it stays open.
async fn left_open(client: &Client, pooler: &PgBouncer, user: &v1::Connection) -> v1::Connection {
    let through = v1::Connection { port: pooler.port().into(), ..user.clone() };
    let made = register(client, "pooled", through).await;
    let request =
        v1::RotateCredentialsRequest { name: made.name.clone(), new_password: NEW.to_owned(), ..Default::default() };
    let error = client.connections().rotate_credentials(request).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "CREDENTIALS_REJECTED");
    made
}

async fn etag(client: &Client, name: &str) -> String {
    let request = v1::GetConnectionRequest { name: name.to_owned(), ..Default::default() };
    client.connections().get_connection(request).await.unwrap().into_inner().etag
}

/// The last settlement is told whole: who, what, and how it ended, under the id of the call that it was done for.
fn assert_told(events: &[v1::AuditEvent], name: &str) {
    let [.., intent, outcome] = events else { panic!("no settlement is told: {events:?}") };
    assert_eq!((intent.kind(), outcome.kind()), (AuditEventKind::Intent, AuditEventKind::Outcome), "{events:?}");
    assert_eq!((intent.completion(), intent.outcome_sequence), (AuditCompletion::Ended, outcome.sequence));
    assert_eq!((outcome.code.as_str(), outcome.reason.as_str()), ("OK", ""), "{events:?}");
    for event in [intent, outcome] {
        assert_eq!((event.actor.as_str(), event.resources.as_slice()), ("server", &[name.to_owned()][..]));
        assert_eq!(event.request_id, intent.request_id);
    }
    assert!(!format!("{events:?}").contains(NEW));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_that_settles_a_rotation_leaves_a_record_of_it() {
    let user = postgres_user();
    let pooler = PgBouncer::of_user(&user.username, OLD);
    let server = TestServer::start().await;
    let client = server.client();
    let made = left_open(&client, &pooler, &user).await;
    pooler.set_user(&user.username, OLD, NEW);
    until(async || {
        let target = Some(v1::test_connection_request::Target::Name(made.name.clone()));
        client.connections().test_connection(v1::TestConnectionRequest { target }).await.unwrap();
        etag(&client, &made.name).await != made.etag
    })
    .await;
    // It may have been the background that was faster; its outcome is written a moment behind the new etag.
    until(async || settlements(&client).await.last().is_some_and(|event| event.code == "OK")).await;
    assert_told(&settlements(&client).await, &made.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_the_server_settles_by_itself_is_recorded_too() {
    let user = postgres_user();
    let pooler = PgBouncer::of_user(&user.username, OLD);
    let server = TestServer::start().await;
    let client = server.client();
    let made = left_open(&client, &pooler, &user).await;
    // While the pooler refuses the new password, each try that told the database is recorded with what came of it.
    until(async || settlements(&client).await.iter().any(|event| event.reason == "CREDENTIALS_REJECTED")).await;
    pooler.set_user(&user.username, OLD, NEW);
    until(async || etag(&client, &made.name).await != made.etag).await;
    until(async || settlements(&client).await.last().is_some_and(|event| event.code == "OK")).await;
    assert_told(&settlements(&client).await, &made.name);
}
