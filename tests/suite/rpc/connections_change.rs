//! Changing and deleting a registration: masks, etags, the password, and the pool that goes with it.

use dbkeeper::grpc::{client::Client, proto::v1};
use prost_types::FieldMask;
use tonic::{Code, Status};

use super::{
    answer::{assert_field, assert_refused, assert_says},
    support::{register, register_sample, settings, until},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        postgres::PostgresServer,
        server::{TestServer, in_time},
        sqlite::SqliteFolder,
    },
};

async fn update(client: &Client, connection: v1::Connection, paths: &[&str]) -> Result<v1::Connection, Status> {
    let update_mask = Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
    let request = v1::UpdateConnectionRequest { connection: Some(connection), update_mask, validate_only: false };
    client.connections().update_connection(request).await.map(tonic::Response::into_inner)
}

async fn get(client: &Client, name: &str) -> v1::Connection {
    let request = v1::GetConnectionRequest { name: name.to_owned(), ..Default::default() };
    client.connections().get_connection(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_mask_with_a_field_that_is_not_there_changes_nothing() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let shop = register(&client, "shop", settings(&folder.target(&folder.create_database()))).await;
    let changed = v1::Connection { display_name: "Changed".to_owned(), ..shop.clone() };
    for path in ["colour", "pool.colour", "name", "etag"] {
        let error = update(&client, changed.clone(), &["display_name", path]).await.unwrap_err();
        assert_refused(&error, Code::InvalidArgument, "UNKNOWN_FIELD");
        assert_field(&error, "update_mask", path);
    }
    assert_eq!(get(&client, &shop.name).await, shop);
    assert_eq!(update(&client, changed, &["display_name"]).await.unwrap().display_name, "Changed");
}

#[tokio::test]
async fn a_stale_etag_is_refused_by_update_and_delete() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let seen = register(&client, "shop", settings(&folder.target(&folder.create_database()))).await;
    let mine = v1::Connection { display_name: "Mine".to_owned(), ..seen.clone() };
    let mine = update(&client, mine, &["display_name"]).await.unwrap();
    assert_ne!(mine.etag, seen.etag);

    let theirs = v1::Connection { display_name: "Theirs".to_owned(), ..seen.clone() };
    let error = update(&client, theirs, &["display_name"]).await.unwrap_err();
    assert_refused(&error, Code::Aborted, "ETAG_MISMATCH");
    assert_says(&error, "again");
    let delete = |etag: String| v1::DeleteConnectionRequest {
        name: seen.name.clone(),
        etag,
        validate_only: false,
        ..Default::default()
    };
    let error = client.connections().delete_connection(delete(seen.etag.clone())).await.unwrap_err();
    assert_refused(&error, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(get(&client, &seen.name).await, mine);
    client.connections().delete_connection(delete(mine.etag)).await.unwrap();
}

#[tokio::test]
async fn a_password_is_asked_for_again_where_it_would_go_elsewhere() {
    let server = TestServer::start().await;
    let client = server.client();
    let shop = register(&client, "shop", settings(&PostgresFixture::new().target("postgres"))).await;
    let moves = [
        (v1::Connection { host: "127.0.0.1".to_owned(), ..shop.clone() }, "host"),
        (v1::Connection { port: shop.port + 1, ..shop.clone() }, "port"),
        (v1::Connection { username: "somebody".to_owned(), ..shop.clone() }, "username"),
    ];
    for (moved, path) in moves {
        let error = update(&client, moved, &[path]).await.unwrap_err();
        assert_field(&error, "connection.password", "must be given again");
        assert_says(&error, path);
    }
    assert_eq!(get(&client, &shop.name).await, shop);

    let password = PostgresServer::shared().password().to_owned();
    let moved = v1::Connection { host: "127.0.0.1".to_owned(), password, ..shop };
    let moved = update(&client, moved, &["host", "password"]).await.unwrap();
    assert_eq!(moved.host, "127.0.0.1");
    let target = Some(v1::test_connection_request::Target::Name(moved.name));
    let tested = client.connections().test_connection(v1::TestConnectionRequest { target }).await.unwrap().into_inner();
    assert!(tested.connected, "{tested:?}");
}

async fn pool(client: &Client, connection: &str) -> v1::PoolStats {
    let request = v1::GetPoolStatsRequest { connection: connection.to_owned() };
    client.connections().get_pool_stats(request).await.unwrap().into_inner()
}

/// Sessions that a test server has on a database, the one that counts aside.
fn sessions(database: &str) -> usize {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'");
    PostgresServer::shared().psql("postgres", &sql).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_is_closed_by_a_change_and_by_a_delete() {
    let server = TestServer::start().await;
    let client = server.client();
    let fixture = PostgresFixture::new();
    let database = register_sample(&client, &fixture, "shop").await;
    let name = "connections/shop".to_owned();
    assert!(!pool(&client, &name).await.open, "nothing has used it");
    let stream = v1::StreamMetricsRequest {
        connection: name.clone(),
        interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    let mut metrics = client.monitor().stream_metrics(stream).await.unwrap().into_inner();
    in_time(metrics.message()).await.unwrap().unwrap();
    let request = v1::GetDatabaseRequest { connection: name.clone() };
    client.schemas().get_database(request).await.unwrap();
    let opened = pool(&client, &name).await;
    assert!(opened.open && opened.size > 0, "{opened:?}");

    let pool_settings = v1::PoolSettings { max_connections: 3, ..Default::default() };
    let changed = v1::Connection { name: name.clone(), pool: Some(pool_settings), ..Default::default() };
    update(&client, changed, &["pool.max_connections"]).await.unwrap();
    // The stream goes on, on a pool with the new settings.
    until(async || {
        let sample = in_time(metrics.message()).await.unwrap().unwrap();
        let sampled = matches!(sample.event, Some(v1::stream_metrics_response::Event::Sample(_)));
        let stats = pool(&client, &name).await;
        sampled && stats.open && stats.max_connections == 3 && stats.open_time != opened.open_time
    })
    .await;

    let delete = v1::DeleteConnectionRequest { name: name.clone(), ..Default::default() };
    client.connections().delete_connection(delete).await.unwrap();
    let end = loop {
        match in_time(metrics.message()).await {
            Ok(message) => assert!(message.is_some(), "the stream ends without a word"),
            Err(status) => break status,
        }
    };
    assert_refused(&end, Code::NotFound, "CONNECTION_NOT_FOUND");
    until(async || sessions(&database) == 0).await;
}
