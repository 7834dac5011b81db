//! A refresh of the statuses: who may ask for it, and whom it leaves alone.

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::{Code, Status};

use super::{
    answer::{assert_refused, assert_says},
    support::{issue, key_of, register, settings, test_settings},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{gateway::Gateway, postgres::PostgresServer, server::TestServer},
};

async fn statuses(client: &Client, refresh: bool) -> Result<Vec<v1::ConnectionStatus>, Status> {
    let request = v1::ListConnectionStatusesRequest { refresh, ..Default::default() };
    client.connections().list_connection_statuses(request).await.map(|answer| answer.into_inner().statuses)
}

/// A PostgreSQL database behind a gateway of its own, which counts who knocks.
async fn behind_gateway() -> (Gateway, v1::Connection) {
    let gateway = Gateway::start(PostgresServer::shared().port()).await;
    let target = PostgresFixture::new().target("postgres");
    let connection = v1::Connection { host: "127.0.0.1".to_owned(), port: gateway.port().into(), ..settings(&target) };
    (gateway, connection)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_only_look_has_nothing_tested() {
    let server = TestServer::start().await;
    let admin = server.client();
    let (gateway, connection) = behind_gateway().await;
    register(&admin, "shop", connection).await;
    let (_, viewer) = issue(&admin, "accounts/default", key_of(v1::Role::Viewer, false)).await;
    let viewer = server.client_with(&viewer);
    assert_eq!(statuses(&viewer, false).await.unwrap().len(), 1);
    let error = statuses(&viewer, true).await.unwrap_err();
    assert_refused(&error, Code::PermissionDenied, "PERMISSION_MISSING");
    assert_says(&error, "OPERATE");
    assert_eq!(gateway.taken(), 0, "the database was asked");

    let (_, operator) = issue(&admin, "accounts/default", key_of(v1::Role::Operator, false)).await;
    let told = statuses(&server.client_with(&operator), true).await.unwrap();
    assert_eq!(told[0].state(), v1::ConnectionState::Online);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_refused_the_password_is_left_alone() {
    let server = TestServer::start().await;
    let client = server.client();
    let ((wrong, connection), (well, good)) = (behind_gateway().await, behind_gateway().await);
    let connection = v1::Connection { password: "not-the-password".to_owned(), ..connection };
    register(&client, "wrong", connection).await;
    register(&client, "well", good.clone()).await;
    for _ in 0..3 {
        let told = statuses(&client, true).await.unwrap();
        let states: Vec<_> = told.iter().map(v1::ConnectionStatus::state).collect();
        assert_eq!(states, [v1::ConnectionState::Online, v1::ConnectionState::Refused]);
        let error = told[1].health.as_ref().and_then(|health| health.error.as_ref()).expect("why");
        assert_eq!(error.reason, "CREDENTIALS_REJECTED");
    }
    assert!(well.taken() >= 3, "{} looks at what is well", well.taken());
    // Whether one look is one connection is for the driver; what is told is that the later ones came to nothing.
    let first = wrong.taken();
    assert!(first > 0);
    statuses(&client, true).await.unwrap();
    assert_eq!(wrong.taken(), first, "the wrong password was tried again");
    // A test is a wish of somebody, and recorded.
    let target = Some(v1::test_connection_request::Target::Name("connections/wrong".to_owned()));
    client.connections().test_connection(v1::TestConnectionRequest { target }).await.unwrap();
    assert!(wrong.taken() > first);
    assert!(test_settings(&client, good).await.unwrap().connected);
}
