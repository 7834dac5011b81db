//! From one engine to another: what neutral types say is carried over, and the scripts make it.

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, schema_source::Source},
};

use super::{ask, connection, database, run_scripts, side};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{server::TestServer, sqlite::SqliteFolder},
    rpc::support::{register, settings},
};

/// Declared as people declare tables of SQLite.
const SHOP: &str = "CREATE TABLE artist (id INTEGER PRIMARY KEY, name NVARCHAR(120) NOT NULL, born DATE, fee NUMERIC(10,2) DEFAULT 9.50);
    CREATE TABLE album (
        id INTEGER PRIMARY KEY,
        artist_id INTEGER NOT NULL CONSTRAINT fk_album_artist REFERENCES artist (id) ON DELETE CASCADE,
        rating INTEGER CONSTRAINT ck_rating CHECK (rating > 0),
        sold DOUBLE
    );
    CREATE INDEX idx_album_artist ON album (artist_id);
    CREATE UNIQUE INDEX uq_album ON album (artist_id, rating);";

async fn compared(client: &Client, source: &str, target: &str, engine: v1::Engine) -> v1::DiffSchemasResponse {
    let request = v1::DiffSchemasRequest {
        source: side(connection(source)),
        target: side(connection(target)),
        engine: engine.into(),
        renames: None,
    };
    ask(client, request).await.unwrap()
}

/// An empty database of another engine becomes like one of SQLite, and then nothing is left to change.
async fn a_file_becomes_a_database_of_a_server(fixture: &impl Fixture) {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    database(&client, &folder, "file", SHOP).await;
    let name = fixture.create_database().await;
    register(&client, "server", settings(&fixture.target(&name))).await;
    let engine = settings(&fixture.target(&name)).engine();
    let found = compared(&client, "server", "file", engine).await;
    assert_eq!(found.engine(), engine);
    let made: Vec<&str> = found.changes.iter().map(|change| change.name.as_str()).collect();
    assert_eq!(made, ["album", "artist"]);
    run_scripts(fixture, &name, &found.up).await;
    let rest = compared(&client, "server", "file", engine).await;
    assert_eq!(rest.changes, [], "{:#?}", found.up);
    fixture
        .run(
            &name,
            "INSERT INTO artist (id, name, born) VALUES (1, 'AC/DC', '1973-11-01');
             INSERT INTO album (id, artist_id, rating, sold) VALUES (10, 1, 5, 50.5);",
        )
        .await;
    run_scripts(fixture, &name, &found.down).await;
    let empty = Source::Definition(v1::SchemaDefinition::default());
    let request =
        v1::DiffSchemasRequest { source: side(connection("server")), target: side(empty), ..Default::default() };
    assert_eq!(ask(&client, request).await.unwrap().changes, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_becomes_a_database_of_postgres() {
    a_file_becomes_a_database_of_a_server(&PostgresFixture::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_becomes_a_database_of_mariadb() {
    a_file_becomes_a_database_of_a_server(&MariadbFixture::new()).await;
}
