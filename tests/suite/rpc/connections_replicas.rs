//! Replicas: which reads go to them, when, and what stands in the way.

use dbkeeper::{
    engine::{Credentials, Target},
    grpc::{client::Client, proto::v1},
    model::AccountId,
};
use tonic::Code;
use tonic_types::StatusExt;

use super::{
    answer::{assert_field, assert_refused},
    support::{register, settings, until},
};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{postgres::PostgresServer, server::TestServer, sqlite::SqliteFolder},
};

/// A database of a server of its own.
fn on(server: &PostgresServer, database: &str) -> v1::Connection {
    settings(&Target {
        account: AccountId::from_stored("default".to_owned()),
        connection: None,
        settings: server.settings(database),
        credentials: Credentials { password: server.password().into(), client_key_pem: None },
    })
}

fn replicas(names: &[&str], max_lag_millis: i32) -> Option<v1::ReplicaSettings> {
    Some(v1::ReplicaSettings {
        connections: names.iter().map(|name| (*name).to_owned()).collect(),
        max_lag: Some(prost_types::Duration {
            seconds: i64::from(max_lag_millis / 1000),
            nanos: max_lag_millis % 1000 * 1_000_000,
        }),
    })
}

/// Which replica served a list of tables, and the names in it.
async fn listed(client: &Client, connection: &str) -> (String, Vec<String>) {
    let request = v1::ListTablesRequest { connection: connection.to_owned(), page_size: 1000, ..Default::default() };
    let page = client.schemas().list_tables(request).await.unwrap().into_inner();
    (page.served_by, page.tables.into_iter().map(|table| table.name).collect())
}

/// What is told of the only replica of a connection.
async fn worth(client: &Client, name: &str) -> v1::ReplicaStatus {
    let request = v1::GetConnectionRequest { name: name.to_owned(), view: v1::ConnectionView::Full.into() };
    let shown = client.connections().get_connection(request).await.unwrap().into_inner();
    shown.details.unwrap().replicas.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_to_a_replica_as_long_as_it_keeps_up() {
    let (primary, standby) = PostgresServer::replicated();
    let database = primary.create_database();
    primary.psql(&database, "CREATE TABLE before (id int)");
    until(async || standby.psql("postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{database}'")) == "1")
        .await;
    let server = TestServer::start().await;
    let client = server.client();
    register(&client, "copy", on(standby, &database)).await;
    let shop = v1::Connection { replicas: replicas(&["connections/copy"], 2000), ..on(primary, &database) };
    let shop = register(&client, "shop", shop).await.name;
    until(async || listed(&client, &shop).await == ("connections/copy".to_owned(), vec!["before".to_owned()])).await;

    // Every read of the schema says who served it; what needs the primary goes there.
    let request = v1::GetDatabaseRequest { connection: shop.clone() };
    assert_eq!(client.schemas().get_database(request).await.unwrap().into_inner().served_by, "connections/copy");
    let request = v1::GetTableRequest { connection: shop.clone(), table: "before".to_owned(), ..Default::default() };
    assert_eq!(client.schemas().get_table(request).await.unwrap().into_inner().served_by, "connections/copy");
    let request = v1::StreamTablesRequest { connection: shop.clone(), ..Default::default() };
    let mut tables = client.schemas().stream_tables(request).await.unwrap().into_inner();
    let mut summary = None;
    while let Some(message) = tables.message().await.unwrap() {
        if let Some(v1::stream_tables_response::Event::Summary(last)) = message.event {
            summary = Some(last);
        }
    }
    assert_eq!(summary.unwrap().served_by, "connections/copy");
    let request = v1::GetCapabilitiesRequest { connection: shop.clone() };
    let capabilities = client.connections().get_capabilities(request).await.unwrap().into_inner().capabilities;
    assert!(capabilities.iter().all(|capability| !capability.missing.contains("standby")), "{capabilities:?}");

    standby.psql("postgres", "SELECT pg_wal_replay_pause()");
    primary.psql(&database, "CREATE TABLE after (id int)");
    let both = vec!["after".to_owned(), "before".to_owned()];
    until(async || listed(&client, &shop).await == (String::new(), both.clone())).await;
    let behind = worth(&client, &shop).await;
    assert!(!behind.serves && behind.fault.contains("behind, 2s are allowed"), "{behind:?}");

    standby.psql("postgres", "SELECT pg_wal_replay_resume()");
    until(async || listed(&client, &shop).await == ("connections/copy".to_owned(), both.clone())).await;
    until(async || worth(&client, &shop).await.serves).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_replica_of_this_server_serves_nothing_and_is_told() {
    let server = TestServer::start().await;
    let client = server.client();
    let (_, standby) = PostgresServer::replicated();
    register(&client, "stranger", settings(&PostgresFixture::new().target("postgres"))).await;
    register(&client, "foreign", on(standby, "postgres")).await;
    register(&client, "maria", settings(&MariadbFixture::new().target("mysql"))).await;
    let dead = v1::Connection { port: 1, ..on(standby, "postgres") };
    register(&client, "dead", dead).await;
    let postgres = settings(&PostgresFixture::new().target("postgres"));
    let maria = settings(&MariadbFixture::new().target("mysql"));
    for (id, connection, replica, fault) in [
        ("one", &postgres, "connections/stranger", "is no replica: it takes writes of its own"),
        ("two", &postgres, "connections/foreign", "does not copy from connections/two"),
        ("three", &maria, "connections/maria", "is no replica: it takes writes of its own"),
        ("four", &postgres, "connections/dead", "cannot be reached"),
    ] {
        let connection = v1::Connection { replicas: replicas(&[replica], 10_000), ..connection.clone() };
        let name = register(&client, id, connection).await.name;
        assert_eq!(listed(&client, &name).await.0, "", "{id}");
        let worth = worth(&client, &name).await;
        assert!(!worth.serves && worth.connection == replica && worth.fault.contains(fault), "{worth:?}");
    }
}

#[tokio::test]
async fn replicas_are_other_connections_of_the_same_engine() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let postgres = settings(&PostgresFixture::new().target("postgres"));
    register(&client, "file", settings(&folder.target(&folder.create_database()))).await;
    register(&client, "copy", postgres.clone()).await;
    let chained = v1::Connection { replicas: replicas(&["connections/copy"], 1000), ..postgres.clone() };
    register(&client, "chained", chained).await;
    let create = |names: &[&str], lag| v1::CreateConnectionRequest {
        connection_id: "shop".to_owned(),
        connection: Some(v1::Connection { replicas: replicas(names, lag), ..postgres.clone() }),
        ..Default::default()
    };
    let nine: Vec<String> = (0..9).map(|number| format!("connections/c{number}")).collect();
    let nine: Vec<&str> = nine.iter().map(String::as_str).collect();
    for (names, lag, field, cure) in [
        (&["connections/absent"][..], 0, "replicas.connections[0]", "does not exist"),
        (&["connections/copy", "connections/shop"], 0, "replicas.connections[1]", "is the connection itself"),
        (&["connections/file"], 0, "replicas.connections[0]", "is of another engine"),
        (&["connections/chained"], 0, "replicas.connections[0]", "has replicas of its own"),
        (&["connections/copy", "connections/copy"], 0, "replicas.connections", "twice"),
        (&["copy"], 0, "replicas.connections[0]", "connections/{id}"),
        (&nine, 0, "replicas.connections", "8 at most"),
        (&["connections/copy"], 99, "replicas.max_lag", "100ms to 1day"),
    ] {
        let error = client.connections().create_connection(create(names, lag)).await.unwrap_err();
        assert_field(&error, &format!("connection.{field}"), cure);
    }
    let file = settings(&folder.target(&folder.create_database()));
    let file = v1::Connection { replicas: replicas(&["connections/file"], 0), ..file };
    let request = v1::CreateConnectionRequest { connection: Some(file), ..Default::default() };
    let error = client.connections().create_connection(request).await.unwrap_err();
    assert_field(&error, "connection.replicas.connections", "SQLite");

    let made = client.connections().create_connection(create(&["connections/copy"], 0)).await.unwrap().into_inner();
    assert_eq!(made.replicas.unwrap().max_lag.unwrap().seconds, 10);
    // A replica that somebody reads from is not deleted in passing.
    let delete =
        |force| v1::DeleteConnectionRequest { name: "connections/copy".to_owned(), force, ..Default::default() };
    let error = client.connections().delete_connection(delete(false)).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "CONNECTION_IN_USE");
    let named: Vec<String> =
        error.get_details_precondition_failure().unwrap().violations.into_iter().map(|each| each.subject).collect();
    assert_eq!(named, ["connections/chained", "connections/shop"]);
    client.connections().delete_connection(delete(true)).await.unwrap();
    let request = v1::GetConnectionRequest { name: "connections/shop".to_owned(), ..Default::default() };
    let shop = client.connections().get_connection(request).await.unwrap().into_inner();
    assert!(shop.replicas.unwrap().connections.is_empty() && shop.etag != made.etag);
}
