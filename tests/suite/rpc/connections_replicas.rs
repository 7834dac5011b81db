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
    harness::{mariadb::MariadbServer, postgres::PostgresServer, server::TestServer, sqlite::SqliteFolder},
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

/// A server and one that copies from it.
trait Pair {
    /// A connection to a database of the primary.
    fn primary(&self, database: &str) -> v1::Connection;
    /// The same on the replica.
    fn replica(&self, database: &str) -> v1::Connection;
    /// Makes a database on the primary, and waits for it on the replica.
    async fn create_database(&self) -> String;
    /// Runs SQL on the primary.
    fn run(&self, database: &str, sql: &str);
    /// The replica goes on receiving and applies nothing.
    fn hold(&self);
    /// Ends that.
    fn go_on(&self);
    /// The replica copies no more.
    fn stop(&self);
    /// Ends that.
    fn start(&self);
}

struct PostgresPair {
    primary: &'static PostgresServer,
    standby: &'static PostgresServer,
    /// How the standby finds its primary.
    way: String,
}

impl PostgresPair {
    fn new() -> Self {
        let (primary, standby) = PostgresServer::replicated();
        let way = standby.psql("postgres", "SELECT current_setting('primary_conninfo')");
        Self { primary, standby, way }
    }

    fn copy_from(&self, way: &str) {
        self.standby.psql("postgres", &format!("ALTER SYSTEM SET primary_conninfo = '{}'", way.replace('\'', "''")));
        self.standby.psql("postgres", "SELECT pg_reload_conf()");
    }
}

impl Pair for PostgresPair {
    fn primary(&self, database: &str) -> v1::Connection {
        on(self.primary, database)
    }

    fn replica(&self, database: &str) -> v1::Connection {
        on(self.standby, database)
    }

    async fn create_database(&self) -> String {
        let database = self.primary.create_database();
        let sql = format!("SELECT 1 FROM pg_database WHERE datname = '{database}'");
        until(async || self.standby.psql("postgres", &sql) == "1").await;
        database
    }

    fn run(&self, database: &str, sql: &str) {
        self.primary.psql(database, sql);
    }

    fn hold(&self) {
        self.standby.psql("postgres", "SELECT pg_wal_replay_pause()");
    }

    fn go_on(&self) {
        self.standby.psql("postgres", "SELECT pg_wal_replay_resume()");
    }

    fn stop(&self) {
        self.copy_from("");
    }

    fn start(&self) {
        self.copy_from(&self.way);
    }
}

struct MariadbPair {
    primary: &'static MariadbServer,
    replica: &'static MariadbServer,
}

impl MariadbPair {
    fn new() -> Self {
        let (primary, replica) = MariadbServer::replicated();
        Self { primary, replica }
    }
}

impl Pair for MariadbPair {
    fn primary(&self, database: &str) -> v1::Connection {
        settings(&self.primary.target(database))
    }

    fn replica(&self, database: &str) -> v1::Connection {
        settings(&self.replica.target(database))
    }

    async fn create_database(&self) -> String {
        let database = self.primary.create_database();
        let sql = format!("SELECT 1 FROM information_schema.schemata WHERE schema_name = '{database}'");
        until(async || self.replica.sql("mysql", &sql) == "1").await;
        database
    }

    fn run(&self, database: &str, sql: &str) {
        self.primary.sql(database, sql);
    }

    fn hold(&self) {
        self.replica.sql("mysql", "STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 3600; START SLAVE");
    }

    fn go_on(&self) {
        self.replica.sql("mysql", "STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 0; START SLAVE");
    }

    fn stop(&self) {
        self.replica.sql("mysql", "STOP SLAVE SQL_THREAD");
    }

    fn start(&self) {
        self.replica.sql("mysql", "START SLAVE SQL_THREAD");
    }
}

/// Reads go to the replica while it keeps up, else to the primary, and every answer says which served.
async fn check_reads(pair: &impl Pair) {
    let database = pair.create_database().await;
    pair.run(&database, "CREATE TABLE before_it (id int)");
    let server = TestServer::start().await;
    let client = server.client();
    register(&client, "copy", pair.replica(&database)).await;
    let shop = v1::Connection { replicas: replicas(&["connections/copy"], 2000), ..pair.primary(&database) };
    let shop = register(&client, "shop", shop).await.name;
    let (by_copy, by_primary) = ("connections/copy".to_owned(), String::new());
    until(async || listed(&client, &shop).await == (by_copy.clone(), vec!["before_it".to_owned()])).await;

    // Every read of the schema says who served it; what needs the primary goes there.
    let request = v1::GetDatabaseRequest { connection: shop.clone(), ..Default::default() };
    assert_eq!(client.schemas().get_database(request).await.unwrap().into_inner().served_by, by_copy);
    let request = v1::GetTableRequest { connection: shop.clone(), table: "before_it".to_owned(), ..Default::default() };
    assert_eq!(client.schemas().get_table(request).await.unwrap().into_inner().served_by, by_copy);
    assert_eq!(streamed(&client, &shop).await, by_copy);
    let request = v1::GetCapabilitiesRequest { connection: shop.clone() };
    let capabilities = client.connections().get_capabilities(request).await.unwrap().into_inner().capabilities;
    let told = format!("{capabilities:?}");
    assert!(!told.contains("standby") && !told.contains("read_only") && !told.contains("read-only"), "{told}");

    pair.hold();
    pair.run(&database, "CREATE TABLE after_it (id int)");
    let both = vec!["after_it".to_owned(), "before_it".to_owned()];
    until(async || listed(&client, &shop).await == (by_primary.clone(), both.clone())).await;
    // How it was held may show before how far it is behind.
    until(async || worth(&client, &shop).await.fault.contains("behind, 2s are allowed")).await;
    assert!(!worth(&client, &shop).await.serves);
    pair.go_on();
    until(async || listed(&client, &shop).await == (by_copy.clone(), both.clone())).await;
    until(async || worth(&client, &shop).await.serves).await;

    pair.stop();
    until(async || listed(&client, &shop).await == (by_primary.clone(), both.clone())).await;
    let stopped = worth(&client, &shop).await;
    assert!(!stopped.serves && !stopped.fault.is_empty(), "{stopped:?}");
    pair.start();
    until(async || listed(&client, &shop).await == (by_copy.clone(), both.clone())).await;
}

/// Which replica served a stream of tables.
async fn streamed(client: &Client, connection: &str) -> String {
    let request = v1::StreamTablesRequest { connection: connection.to_owned(), ..Default::default() };
    let mut tables = client.schemas().stream_tables(request).await.unwrap().into_inner();
    let mut served_by = None;
    while let Some(message) = tables.message().await.unwrap() {
        if let Some(v1::stream_tables_response::Event::Summary(last)) = message.event {
            served_by = Some(last.served_by);
        }
    }
    served_by.expect("a stream ends with its summary")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_to_a_postgresql_replica_as_long_as_it_keeps_up() {
    let pair = PostgresPair::new();
    check_reads(&pair).await;
    check_definitions(&pair).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_to_a_mariadb_replica_as_long_as_it_keeps_up() {
    let pair = MariadbPair::new();
    check_reads(&pair).await;
    check_definitions(&pair).await;
}

/// A definition is of the connection itself: what a change is written for must not be what a replica has not heard of yet.
async fn check_definitions(pair: &impl Pair) {
    let server = TestServer::start().await;
    let client = server.client();
    let database = pair.create_database().await;
    pair.run(&database, "CREATE TABLE first (id int PRIMARY KEY)");
    register(&client, "copy", pair.replica(&database)).await;
    let shop = v1::Connection { replicas: replicas(&["connections/copy"], 60_000), ..pair.primary(&database) };
    register(&client, "shop", shop).await;
    until(async || {
        listed(&client, "connections/shop").await == ("connections/copy".to_owned(), vec!["first".to_owned()])
    })
    .await;
    pair.hold();
    pair.run(&database, "CREATE TABLE second (id int PRIMARY KEY)");
    let source = || {
        let connection = v1::ConnectionSource { connection: "connections/shop".to_owned(), ..Default::default() };
        Some(v1::SchemaSource { source: Some(v1::schema_source::Source::Connection(connection)) })
    };
    let request = v1::GenerateDdlRequest { source: source(), ..Default::default() };
    let generated = client.schemas().generate_ddl(request).await;
    let target = Some(v1::SchemaSource { source: Some(v1::schema_source::Source::Yaml(String::new())) });
    let request = v1::DiffSchemasRequest { source: source(), target, ..Default::default() };
    let difference = client.schemas().diff_schemas(request).await;
    pair.go_on();
    let definition = generated.unwrap().into_inner().definition.unwrap();
    let names: Vec<&str> = definition.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    let changes = difference.unwrap().into_inner().changes;
    let names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_replica_of_this_server_serves_nothing_and_is_told() {
    let server = TestServer::start().await;
    let client = server.client();
    let (_, standby) = PostgresServer::replicated();
    let (_, replica) = MariadbServer::replicated();
    register(&client, "stranger", settings(&PostgresFixture::new().target("postgres"))).await;
    register(&client, "foreign", on(standby, "postgres")).await;
    register(&client, "maria", settings(&MariadbFixture::new().target("mysql"))).await;
    register(&client, "copying", settings(&replica.target("mysql"))).await;
    let dead = v1::Connection { port: 1, ..on(standby, "postgres") };
    register(&client, "dead", dead).await;
    let postgres = settings(&PostgresFixture::new().target("postgres"));
    let maria = settings(&MariadbFixture::new().target("mysql"));
    for (id, connection, replica, fault) in [
        ("one", &postgres, "connections/stranger", "is no replica: it takes writes of its own"),
        ("two", &postgres, "connections/foreign", "does not copy from connections/two"),
        ("three", &maria, "connections/maria", "is no replica: it takes writes of its own"),
        ("four", &postgres, "connections/dead", "cannot be reached"),
        ("five", &maria, "connections/copying", "does not copy from connections/five"),
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
