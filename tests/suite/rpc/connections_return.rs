//! Databases that go and come back in other ways than a server that is switched off: a file, and a server behind a pooler.

use std::{fs, time::Duration};

use dbkeeper::grpc::{client::Client, proto::v1};
use v1::ConnectionState::{Offline, Online};

use super::support::{register, settings, until};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        gateway::{Gateway, Mode},
        pgbouncer::PgBouncer,
        postgres::PostgresServer,
        server::TestServer,
        sqlite::SqliteFolder,
    },
};

/// No turn of the interval comes while a test runs: what is noticed is noticed by the looks at what is down.
const A_DAY: Duration = Duration::from_secs(24 * 3600);

async fn state(client: &Client, name: &str) -> v1::ConnectionState {
    let request = v1::GetConnectionRequest { name: name.to_owned(), ..Default::default() };
    client.connections().get_connection(request).await.unwrap().into_inner().state()
}

/// Why a database cannot be used; it must not be one that can.
async fn fault(client: &Client, name: &str) -> v1::ConnectionError {
    let target = Some(v1::test_connection_request::Target::Name(name.to_owned()));
    let answer = client.connections().test_connection(v1::TestConnectionRequest { target }).await.unwrap();
    answer.into_inner().error.expect("it cannot be used")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_comes_back_is_not_left_to_the_interval() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_with(|config| {
        config.health.interval = A_DAY;
        config.sqlite.root = folder.root().to_owned();
    })
    .await;
    let client = server.client();
    let database = folder.create_database();
    let shop = register(&client, "shop", settings(&folder.target(&database))).await.name;
    until(async || state(&client, &shop).await == Online).await;
    let (here, away) = (folder.path(&database), folder.path("away"));
    fs::rename(&here, &away).unwrap();
    until(async || {
        assert_eq!(fault(&client, &shop).await.reason, "DATABASE_UNKNOWN");
        state(&client, &shop).await == Offline
    })
    .await;
    fs::rename(&away, &here).unwrap();
    until(async || state(&client, &shop).await == Online).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_a_pooler_that_comes_back_is_not_left_to_the_interval() {
    let gateway = Gateway::start(PostgresServer::shared().port()).await;
    let pooler = PgBouncer::in_front_of(gateway.port());
    let server = TestServer::start_with(|config| config.health.interval = A_DAY).await;
    let client = server.client();
    let target = PostgresFixture::new().target("postgres");
    let connection = v1::Connection { host: "127.0.0.1".to_owned(), port: pooler.port().into(), ..settings(&target) };
    let shop = register(&client, "shop", connection).await.name;
    until(async || state(&client, &shop).await == Online).await;
    gateway.turn(Mode::Closed);
    until(async || {
        let fault = fault(&client, &shop).await;
        assert_eq!(fault.reason, "DATABASE_UNREACHABLE", "{fault:?}");
        // As the pooler words it, with the state of its protocol that it gives to everything.
        assert_eq!(fault.sql_state, "08P01", "{fault:?}");
        state(&client, &shop).await == Offline
    })
    .await;
    gateway.turn(Mode::Open);
    until(async || state(&client, &shop).await == Online).await;
}
