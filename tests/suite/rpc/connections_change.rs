//! Changing and deleting a registration: masks, etags, the password, and the pool that goes with it.

use dbkeeper::grpc::{client::Client, proto::v1};
use prost_types::FieldMask;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{
    answer::{assert_field, assert_refused, assert_says},
    support::{apply, ended, file, migration_set, register, register_sample, settings, until},
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
    assert_eq!(error.get_details_resource_info().unwrap().resource_name, seen.name);
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
        (v1::Connection { tls: tls(v1::TlsMode::Required, ""), ..shop.clone() }, "tls.mode"),
        (v1::Connection { tls: tls(v1::TlsMode::VerifyCa, CA), ..shop.clone() }, "tls.ca_pem"),
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_what_people_call_it_disturbs_no_work() {
    let fixture = PostgresFixture::new();
    let database = fixture.create_database().await;
    let server = TestServer::start().await;
    let client = server.client();
    let shop = register(&client, "shop", settings(&fixture.target(&database))).await;
    let wait = "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_tables WHERE tablename = 'renamed') LOOP \
                PERFORM pg_sleep(0.05); END LOOP; END $$;";
    let set = migration_set(&client, "app", vec![file("1_wait.sql", wait)]).await;
    let run = client.migrations().apply_migrations(apply(&set, &shop.name)).await.unwrap().into_inner();
    until(async || fixture.runs_slow_statement(&database).await).await;
    let labels = [("team".to_owned(), "shop".to_owned())].into();
    let renamed = v1::Connection { display_name: "New name".to_owned(), labels, ..shop };
    update(&client, renamed, &["display_name", "labels"]).await.unwrap();
    PostgresServer::shared().psql(&database, "CREATE TABLE renamed ()");
    let run = ended(&client, run).await;
    assert_eq!(run.state(), v1::OperationState::Succeeded, "{:?}", run.error);
}

const CA: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

fn tls(mode: v1::TlsMode, ca_pem: &str) -> Option<v1::TlsSettings> {
    Some(v1::TlsSettings { mode: mode.into(), ca_pem: ca_pem.to_owned(), ..Default::default() })
}

#[tokio::test]
async fn a_password_that_the_mask_does_not_name_is_kept() {
    let server = TestServer::start().await;
    let client = server.client();
    let shop = register(&client, "shop", settings(&PostgresFixture::new().target("postgres"))).await;
    let works = async || {
        let target = Some(v1::test_connection_request::Target::Name(shop.name.clone()));
        let request = v1::TestConnectionRequest { target };
        client.connections().test_connection(request).await.unwrap().into_inner().connected
    };
    // What a caller has read has no password in it; sent back, with any mask, it takes none away.
    for (mask, name) in [(&["display_name"][..], "One"), (&["*"], "Two"), (&[], "Three")] {
        let changed = v1::Connection { display_name: name.to_owned(), etag: String::new(), ..shop.clone() };
        let changed = update(&client, changed, mask).await.unwrap();
        assert!(changed.display_name == name && changed.password_set && changed.password.is_empty());
        assert!(works().await, "{mask:?}");
    }
    // One that is given beside a mask that does not name it is not taken.
    let other = v1::Connection { password: "wrong".to_owned(), display_name: "Four".to_owned(), ..shop.clone() };
    let other = v1::Connection { etag: String::new(), ..other };
    update(&client, other.clone(), &["display_name"]).await.unwrap();
    assert!(works().await);
    update(&client, other, &["password"]).await.unwrap();
    assert!(!works().await);
}

#[tokio::test]
async fn an_etag_that_is_none_and_a_token_of_another_list_are_refused() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    for id in ["a", "b"] {
        register(&client, id, settings(&folder.target(&folder.create_database()))).await;
    }
    let changed = v1::Connection { name: "connections/a".to_owned(), etag: "latest".to_owned(), ..Default::default() };
    let error = update(&client, changed, &["display_name"]).await.unwrap_err();
    assert_refused(&error, Code::Aborted, "ETAG_MISMATCH");
    let list = |page_token: &str| v1::ListConnectionStatusesRequest {
        page_size: 1,
        page_token: page_token.to_owned(),
        ..Default::default()
    };
    let first = client.connections().list_connection_statuses(list("")).await.unwrap().into_inner();
    assert_eq!((first.statuses[0].connection.as_str(), first.total_size), ("connections/a", 2));
    let second =
        client.connections().list_connection_statuses(list(&first.next_page_token)).await.unwrap().into_inner();
    assert_eq!((second.statuses[0].connection.as_str(), second.next_page_token.as_str()), ("connections/b", ""));
    let page_token = first.next_page_token;
    let request = v1::ListConnectionsRequest { page_size: 1, page_token, ..Default::default() };
    let error = client.connections().list_connections(request).await.unwrap_err();
    assert_refused(&error, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
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
    let request = v1::GetDatabaseRequest { connection: name.clone(), ..Default::default() };
    client.schemas().get_database(request.clone()).await.unwrap();
    assert!(pool(&client, &name).await.open);
    let sized = |max_connections| v1::Connection {
        name: name.clone(),
        pool: Some(v1::PoolSettings { max_connections, ..Default::default() }),
        ..Default::default()
    };
    update(&client, sized(2), &["pool.max_connections"]).await.unwrap();
    assert!(!pool(&client, &name).await.open, "the sessions of the old settings stay open");

    let stream = v1::StreamMetricsRequest {
        connection: name.clone(),
        interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    let mut metrics = client.monitor().stream_metrics(stream).await.unwrap().into_inner();
    in_time(metrics.message()).await.unwrap().unwrap();
    let request = v1::GetDatabaseRequest { connection: name.clone(), ..Default::default() };
    client.schemas().get_database(request).await.unwrap();
    let opened = pool(&client, &name).await;
    assert!(opened.open && opened.size > 0, "{opened:?}");

    update(&client, sized(3), &["pool.max_connections"]).await.unwrap();
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
