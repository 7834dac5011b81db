//! Looking at databases in the background, and watching how they are.

use std::time::{Duration, Instant};

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::{Code, Streaming};
use v1::{
    ConnectionState::{Offline, Online, Refused, Unspecified, Untested},
    watch_connection_statuses_response::Event,
};

use super::{
    answer::assert_refused,
    support::{register, settings, until},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        gateway::{Gateway, Mode},
        postgres::PostgresServer,
        server::{TestServer, in_time},
        sqlite::SqliteFolder,
    },
};

type Watch = Streaming<v1::WatchConnectionStatusesResponse>;

/// A server that looks at each database at an interval.
async fn looking(interval: Duration) -> TestServer {
    TestServer::start_with(|config| {
        config.health.interval = interval;
        config.pools.connect_timeout = Duration::from_secs(2);
    })
    .await
}

/// A PostgreSQL database behind a gateway.
async fn behind(gateway: &Gateway) -> v1::Connection {
    let target = PostgresFixture::new().target("postgres");
    v1::Connection { host: "127.0.0.1".to_owned(), port: gateway.port().into(), ..settings(&target) }
}

async fn gateway() -> Gateway {
    Gateway::start(PostgresServer::shared().port()).await
}

async fn watch(client: &Client, connection: &str, after_sequence: Option<u64>) -> Watch {
    let request = v1::WatchConnectionStatusesRequest { connection: connection.to_owned(), after_sequence };
    client.connections().watch_connection_statuses(request).await.unwrap().into_inner()
}

/// The next message.
async fn next(watch: &mut Watch) -> (u64, Event) {
    let message = in_time(watch.message()).await.unwrap().expect("the stream goes on");
    (message.sequence, message.event.expect("an event"))
}

/// The next message, which must be a change.
async fn change(watch: &mut Watch) -> (v1::ConnectionState, v1::ConnectionState, Option<v1::ConnectionError>) {
    match next(watch).await {
        (_, Event::Transition(change)) => (change.previous_state(), change.state(), change.error),
        other => panic!("no change: {other:?}"),
    }
}

async fn get(client: &Client, name: &str) -> v1::Connection {
    let request = v1::GetConnectionRequest { name: name.to_owned(), ..Default::default() };
    client.connections().get_connection(request).await.unwrap().into_inner()
}

async fn test(client: &Client, name: &str) -> v1::TestConnectionResponse {
    let target = Some(v1::test_connection_request::Target::Name(name.to_owned()));
    client.connections().test_connection(v1::TestConnectionRequest { target }).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_and_comes_back_is_noticed() {
    let server = looking(Duration::from_secs(1)).await;
    let client = server.client();
    let gateway = gateway().await;
    let mut changes = watch(&client, "", Some(0)).await;
    assert_eq!(next(&mut changes).await, (0, Event::Begin(v1::ConnectionStatusesBegin {})));
    let shop = register(&client, "shop", behind(&gateway).await).await.name;
    assert_eq!(change(&mut changes).await, (Unspecified, Untested, None));
    assert_eq!(change(&mut changes).await, (Untested, Online, None));
    let seen = get(&client, &shop).await;
    assert!(seen.state() == Online && !seen.server_version.is_empty() && seen.last_test_time.is_none(), "{seen:?}");

    for (mode, reason) in [(Mode::Closed, "DATABASE_UNREACHABLE"), (Mode::Silent, "CONNECT_TIMEOUT")] {
        gateway.turn(mode);
        let (before, after, error) = change(&mut changes).await;
        assert_eq!((before, after, error.unwrap().reason.as_str()), (Online, Offline, reason));
        gateway.turn(Mode::Open);
        let began = Instant::now();
        assert_eq!(change(&mut changes).await, (Offline, Online, None));
        println!("the return from {mode:?} was noticed after {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_return_of_a_database_is_not_left_to_the_interval() {
    let server = looking(Duration::from_secs(24 * 3600)).await;
    let client = server.client();
    let gateway = gateway().await;
    let shop = register(&client, "shop", behind(&gateway).await).await.name;
    until(async || get(&client, &shop).await.state() == Online).await;
    gateway.turn(Mode::Closed);
    // The one failed look of somebody is followed by one of our own, though a day is left to the next turn.
    until(async || !test(&client, &shop).await.connected && get(&client, &shop).await.state() == Offline).await;
    // It stays down for longer than one look: it is looked at again and again.
    let looked = async || get(&client, &shop).await.health.unwrap().check_time;
    for _ in 0..3 {
        let last = looked().await;
        until(async || looked().await != last).await;
    }
    gateway.turn(Mode::Open);
    until(async || get(&client, &shop).await.state() == Online).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failed_look_shows_and_changes_no_state() {
    // Without looks of the server's own, which would change the state meanwhile.
    let server = looking(Duration::ZERO).await;
    let client = server.client();
    let gateway = gateway().await;
    let shop = register(&client, "shop", behind(&gateway).await).await.name;
    assert!(test(&client, &shop).await.connected);
    gateway.turn(Mode::Closed);
    for _ in 0..3 {
        // Callers that fail in one moment are one failure.
        let began = Instant::now();
        let together = futures::future::join_all((0..5).map(|_| test(&client, &shop))).await;
        assert!(together.iter().all(|answer| !answer.connected));
        if began.elapsed() < Duration::from_millis(900) {
            let seen = get(&client, &shop).await;
            assert_eq!(seen.state(), Online);
            assert_eq!(seen.health.unwrap().error.unwrap().reason, "DATABASE_UNREACHABLE");
            break;
        }
        // The machine was so slow that it may have been two moments: once more.
        gateway.turn(Mode::Open);
        until(async || test(&client, &shop).await.connected).await;
        gateway.turn(Mode::Closed);
    }
    until(async || !test(&client, &shop).await.connected && get(&client, &shop).await.state() == Offline).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_logs_in() {
    let server = looking(Duration::from_secs(1)).await;
    let client = server.client();
    let gateway = gateway().await;
    let wrong = v1::Connection { password: "wrong".to_owned(), ..behind(&gateway).await };
    let shop = register(&client, "shop", wrong).await.name;
    until(async || get(&client, &shop).await.state() == Refused).await;
    assert_eq!(get(&client, &shop).await.health.unwrap().error.unwrap().reason, "CREDENTIALS_REJECTED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_callers_and_the_looks_dial_a_host_five_at_a_time() {
    let server = looking(Duration::from_secs(1)).await;
    let gateway = gateway().await;
    gateway.turn(Mode::Hangup(Duration::from_millis(20)));
    let client = server.client();
    let mut names = Vec::new();
    for number in 0..20 {
        names.push(register(&client, &format!("c{number}"), behind(&gateway).await).await.name);
    }
    // More streams than one HTTP/2 connection takes.
    let clients: Vec<Client> = (0..4).map(|_| server.client()).collect();
    let callers = (0..500).map(|number| {
        let (client, name) = (&clients[number % clients.len()], &names[number % names.len()]);
        async move { test(client, name).await.connected }
    });
    let connected = in_time(futures::future::join_all(callers)).await;
    assert!(connected.iter().all(|connected| !connected));
    until(async || gateway.taken() > 505).await;
    assert_eq!(gateway.most_at_once(), 5, "of {}", gateway.taken());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_holds_up_no_other() {
    let server = TestServer::start_with(|config| {
        config.health.interval = Duration::from_secs(1);
        config.health.max_parallel = 3;
    })
    .await;
    let client = server.client();
    let (hanging, well) = (gateway().await, gateway().await);
    hanging.turn(Mode::Silent);
    for number in 0..30 {
        register(&client, &format!("hanging{number}"), behind(&hanging).await).await;
    }
    let shop = register(&client, "well", behind(&well).await).await.name;
    until(async || get(&client, &shop).await.state() == Online).await;
    // A look that was given up may still be closing when the next one begins.
    assert!(hanging.most_at_once() <= 4, "{} looks at one host", hanging.most_at_once());
}

/// A server with a SQLite database that changes its state with its file.
async fn with_file(folder: &SqliteFolder) -> (TestServer, Client, String) {
    let server = TestServer::start_on(folder).await;
    let client = server.client();
    let shop = register(&client, "shop", settings(&folder.target(&folder.create_database()))).await.name;
    (server, client, shop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_goes_on_where_it_stopped_and_over_a_restart() {
    let folder = SqliteFolder::new();
    let (server, client, shop) = with_file(&folder).await;
    let request = v1::ListConnectionStatusesRequest::default();
    let listed = client.connections().list_connection_statuses(request).await.unwrap().into_inner();
    assert_eq!((listed.statuses[0].state(), listed.sequence), (Untested, 1));
    assert!(test(&client, &shop).await.connected);

    let stopped = server.stop().await;
    let server = stopped.start().await;
    let client = server.client();
    let mut changes = watch(&client, "", Some(listed.sequence)).await;
    assert_eq!(next(&mut changes).await.0, 1);
    assert_eq!(change(&mut changes).await, (Untested, Online, None));

    // What does not concern the way to a database keeps what is known of it.
    let labels = [("team".to_owned(), "crm".to_owned())].into();
    let renamed = v1::Connection { name: shop.clone(), display_name: "New".to_owned(), labels, ..Default::default() };
    let request = v1::UpdateConnectionRequest { connection: Some(renamed), ..Default::default() };
    assert_eq!(client.connections().update_connection(request).await.unwrap().into_inner().state(), Online);
    let other = v1::Connection { name: shop.clone(), database: folder.create_database(), ..Default::default() };
    let request = v1::UpdateConnectionRequest { connection: Some(other), ..Default::default() };
    assert_eq!(client.connections().update_connection(request).await.unwrap().into_inner().state(), Untested);
    assert_eq!(change(&mut changes).await, (Online, Untested, None));

    let mut of_another_store = watch(&client, "", Some(1000)).await;
    assert_eq!(next(&mut of_another_store).await, (3, Event::Begin(v1::ConnectionStatusesBegin {})));
    assert_eq!(next(&mut of_another_store).await, (3, Event::Gap(v1::ConnectionStatusesGap { missed: 0 })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_watchers_are_told_the_same_and_one_of_one_ends_with_it() {
    let folder = SqliteFolder::new();
    let (server, client, shop) = with_file(&folder).await;
    let mut watchers = Vec::new();
    for number in 0..200 {
        let name = if number % 2 == 0 { "" } else { shop.as_str() };
        let mut watcher = watch(&client, name, None).await;
        assert_eq!(next(&mut watcher).await.0, 1);
        watchers.push(watcher);
    }
    assert!(test(&client, &shop).await.connected);
    let request = v1::DeleteConnectionRequest { name: shop.clone(), ..Default::default() };
    client.connections().delete_connection(request).await.unwrap();
    for (number, watcher) in watchers.iter_mut().enumerate() {
        assert_eq!(change(watcher).await, (Untested, Online, None));
        assert_eq!(change(watcher).await, (Online, Unspecified, None));
        if number % 2 == 1 {
            let error = in_time(watcher.message()).await.unwrap_err();
            assert_refused(&error, Code::NotFound, "CONNECTION_NOT_FOUND");
        }
    }
    server.stop().await;
    let error = in_time(watchers[0].message()).await.unwrap_err();
    assert_refused(&error, Code::Unavailable, "SHUTTING_DOWN");
}
