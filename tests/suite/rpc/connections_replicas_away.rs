//! Replicas that say nothing, are down, or copy from a server that copies itself.

use std::time::{Duration, Instant};

use dbkeeper::{
    engine::{Credentials, Target},
    grpc::{client::Client, proto::v1},
    model::AccountId,
};

use super::support::{register, settings, until};
use crate::harness::{
    gateway::{Gateway, Mode},
    mariadb::MariadbServer,
    postgres::PostgresServer,
    server::TestServer,
};

/// How long an answer is believed, and a little more.
const STALE: Duration = Duration::from_millis(1200);

fn on(server: &PostgresServer, port: u16) -> v1::Connection {
    let mut target = Target {
        account: AccountId::from_stored("default".to_owned()),
        connection: None,
        settings: server.settings("postgres"),
        credentials: Credentials { password: server.password().into(), client_key_pem: None },
    };
    target.settings.host = "127.0.0.1".to_owned();
    target.settings.port = port;
    settings(&target)
}

fn with_replicas(connection: v1::Connection, names: &[&str]) -> v1::Connection {
    let connections = names.iter().map(|name| (*name).to_owned()).collect();
    let max_lag = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    v1::Connection { replicas: Some(v1::ReplicaSettings { connections, max_lag }), ..connection }
}

/// Which replica served a read; empty: the connection itself.
async fn served_by(client: &Client, connection: &str) -> String {
    let request = v1::GetDatabaseRequest { connection: connection.to_owned(), ..Default::default() };
    client.schemas().get_database(request).await.unwrap().into_inner().served_by
}

async fn acquired(client: &Client, connection: &str) -> u64 {
    let request = v1::GetPoolStatsRequest { connection: connection.to_owned() };
    client.connections().get_pool_stats(request).await.unwrap().into_inner().acquired
}

/// A look of the kind that the background would take.
async fn is_well(client: &Client) -> bool {
    let target = Some(v1::test_connection_request::Target::Name("connections/copy".to_owned()));
    client.connections().test_connection(v1::TestConnectionRequest { target }).await.unwrap().into_inner().connected
}

/// A connection whose only replica is behind a gateway.
async fn with_one(client: &Client) -> (String, Gateway) {
    let (primary, standby) = PostgresServer::replicated();
    let gateway = Gateway::start(standby.port()).await;
    register(client, "copy", on(standby, gateway.port())).await;
    let shop = register(client, "shop", with_replicas(on(primary, primary.port()), &["connections/copy"])).await;
    (shop.name, gateway)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_replica_is_asked_once_and_waited_for_by_nobody_after_that() {
    let server = TestServer::start().await;
    let client = server.client();
    let (shop, gateway) = with_one(&client).await;
    gateway.turn(Mode::Silent);
    let began = Instant::now();
    let mut reads = 0;
    while began.elapsed() < Duration::from_secs(5) {
        assert_eq!(served_by(&client, &shop).await, "");
        reads += 1;
    }
    // The first question is still under way; a read of old would have broken it off and asked again.
    assert_eq!((gateway.taken(), gateway.open_now()), (1, 1), "after {reads} reads");
    gateway.turn(Mode::Open);
    until(async || is_well(&client).await && served_by(&client, &shop).await == "connections/copy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_asked_at_one_time() {
    let server = TestServer::start().await;
    let client = server.client();
    let (primary, standby) = PostgresServer::replicated();
    let gateways = [Gateway::start(standby.port()).await, Gateway::start(standby.port()).await];
    for (name, gateway) in ["one", "two"].iter().zip(&gateways) {
        gateway.turn(Mode::Silent);
        register(&client, name, on(standby, gateway.port())).await;
    }
    let shop = with_replicas(on(primary, primary.port()), &["connections/one", "connections/two"]);
    let shop = register(&client, "shop", shop).await.name;
    let read = tokio::spawn(async move { served_by(&client, &shop).await });
    // Neither has answered, and the read waits for both.
    until(async || gateways.iter().all(|gateway| gateway.open_now() == 1)).await;
    assert_eq!(read.await.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_down_is_left_alone() {
    let server = TestServer::start().await;
    let client = server.client();
    let (shop, gateway) = with_one(&client).await;
    gateway.turn(Mode::Closed);
    assert!(!is_well(&client).await);
    // Whoever wants to know has it asked all the same, and it is on record that it says nothing good.
    let request = v1::GetConnectionRequest { name: shop.clone(), view: v1::ConnectionView::Full.into() };
    let shown = client.connections().get_connection(request).await.unwrap().into_inner();
    let fault = shown.details.unwrap().replicas.remove(0).fault;
    assert!(fault.contains("cannot be reached"), "{fault}");
    gateway.turn(Mode::Silent);
    for _ in 0..3 {
        tokio::time::sleep(STALE).await;
        assert_eq!(served_by(&client, &shop).await, "");
    }
    assert_eq!(gateway.taken(), 0, "it is left to the health checks to find out that it is back");
    gateway.turn(Mode::Open);
    until(async || is_well(&client).await && served_by(&client, &shop).await == "connections/copy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_come_together_ask_a_replica_once() {
    let server = TestServer::start().await;
    let client = server.client();
    let (shop, gateway) = with_one(&client).await;
    until(async || served_by(&client, &shop).await == "connections/copy").await;
    let mut questions = u64::MAX;
    for _ in 0..5 {
        tokio::time::sleep(STALE).await;
        let before = acquired(&client, "connections/copy").await;
        let began = Instant::now();
        let reads = futures::future::join_all((0..50).map(|_| served_by(&client, &shop))).await;
        let leases = acquired(&client, "connections/copy").await - before;
        let own = reads.iter().filter(|by| !by.is_empty()).count() as u64;
        // A machine that took longer than an answer is believed had to ask again.
        if began.elapsed() < Duration::from_secs(1) {
            questions = leases - own;
            break;
        }
    }
    assert_eq!(questions, 1);
    assert!(gateway.taken() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_copies_from_another_has_replicas_all_the_same() {
    let start = |id: u32| MariadbServer::with_settings(&["--log-bin=binlog", &format!("--server-id={id}")]);
    let (primary, replica) = (start(301), start(302));
    // Each copies from the other: the primary, too, is one that copies.
    for (one, other) in [(&primary, &replica), (&replica, &primary)] {
        one.sql(
            "mysql",
            "CREATE USER copier IDENTIFIED BY 'copier'; GRANT REPLICATION SLAVE ON *.* TO copier; RESET MASTER",
        );
        other.sql(
            "mysql",
            &format!(
                "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'copier', \
                 MASTER_PASSWORD = 'copier'",
                one.port()
            ),
        );
    }
    for each in [&primary, &replica] {
        each.sql("mysql", "START SLAVE");
    }
    let server = TestServer::start().await;
    let client = server.client();
    register(&client, "copy", settings(&replica.target("mysql"))).await;
    let shop = with_replicas(settings(&primary.target("mysql")), &["connections/copy"]);
    let shop = register(&client, "shop", shop).await.name;
    until(async || served_by(&client, &shop).await == "connections/copy").await;
}
