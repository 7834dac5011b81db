//! From one engine to another: what neutral types say is carried over, and the scripts make it.

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, schema_source::Source},
};

use super::{super::answer::assert_refused, ask, connection, database, run_scripts, side, unwritten};
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
        ..Default::default()
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

/// A database with what its engine alone has, beside what all have.
const OF_POSTGRES: &str = "CREATE TYPE pair AS (x integer, y integer);
    CREATE TABLE artist (id integer PRIMARY KEY, name varchar(120) NOT NULL, home inet, born date, note text COLLATE \"C\");
    CREATE TABLE album (
        id integer PRIMARY KEY,
        artist_id integer NOT NULL CONSTRAINT fk_album REFERENCES artist (id) DEFERRABLE INITIALLY DEFERRED,
        title varchar(80) CONSTRAINT ck_title CHECK (title ~ '^[A-Z]')
    );
    CREATE TABLE placed (id integer PRIMARY KEY, at pair);
    CREATE INDEX by_home ON artist (home);
    CREATE INDEX by_born ON artist (born);
    CREATE VIEW homes AS SELECT home FROM artist;";
const OF_MARIADB: &str = "CREATE TABLE artist (id integer PRIMARY KEY, name varchar(120) NOT NULL, kinds set('a','b'), born date,
        note varchar(40) COLLATE utf8mb4_bin, KEY by_born (born), KEY by_kinds (kinds), FULLTEXT KEY by_note (note));
    CREATE TABLE album (id integer PRIMARY KEY, artist_id integer NOT NULL, title varchar(80), released year,
        CONSTRAINT ck_title CHECK (title REGEXP '^[A-Z]'), CONSTRAINT fk_album FOREIGN KEY (artist_id) REFERENCES artist (id));
    CREATE VIEW kinds AS SELECT kinds FROM artist;";
const OF_SQLITE: &str = "CREATE TABLE artist (id INTEGER PRIMARY KEY, name NVARCHAR(120) NOT NULL, anything ODDITY, born DATE, note TEXT COLLATE NOCASE);
    CREATE TABLE album (id INTEGER PRIMARY KEY, artist_id INTEGER NOT NULL CONSTRAINT fk_album REFERENCES artist (id) DEFERRABLE INITIALLY DEFERRED,
        title VARCHAR(80) CONSTRAINT ck_title CHECK (title GLOB '[A-Z]*'));
    CREATE INDEX by_anything ON artist (anything);
    CREATE INDEX by_born ON artist (born);
    CREATE INDEX by_high ON album (artist_id) WHERE artist_id > 10;
    CREATE VIEW everything AS SELECT anything FROM artist;";

async fn left_out(
    client: &Client,
    source: &str,
    target: &str,
    leave_out_unsupported: bool,
) -> Result<v1::DiffSchemasResponse, tonic::Status> {
    let request = v1::DiffSchemasRequest {
        source: side(connection(source)),
        target: side(connection(target)),
        leave_out_unsupported,
        ..Default::default()
    };
    ask(client, request).await
}

/// An empty database becomes like one of another engine but for what is returned, and empty again.
async fn becomes_but_for(client: &Client, fixture: &impl Fixture, source: &str, target: &str) -> Vec<String> {
    let name = fixture.create_database().await;
    let id = format!("{source}-from-{target}");
    register(client, &id, settings(&fixture.target(&name))).await;
    let status = left_out(client, &id, target, false).await.unwrap_err();
    assert_refused(&status, tonic::Code::FailedPrecondition, "DEFINITION_UNSUPPORTED");
    let found = left_out(client, &id, target, true).await.unwrap();
    let but_for = unwritten(&found);
    assert_eq!(found.engine(), settings(&fixture.target(&name)).engine());
    run_scripts(fixture, &name, &found.up).await;
    let rest = left_out(client, &id, target, true).await.unwrap();
    assert_eq!((rest.changes.as_slice(), rest.up.len()), (&[][..], 0), "{id}: {:#?}", found.up);
    assert_eq!(unwritten(&rest), but_for, "{id}");
    run_scripts(fixture, &name, &found.down).await;
    let empty = Source::Definition(v1::SchemaDefinition::default());
    let request = v1::DiffSchemasRequest { source: side(connection(&id)), target: side(empty), ..Default::default() };
    assert_eq!(ask(client, request).await.unwrap().changes, [], "{id}");
    but_for
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_engine_lacks_is_left_out_and_told_in_every_direction() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let (postgres, mariadb) = (PostgresFixture::new(), MariadbFixture::new());
    database(&client, &postgres, "postgres", OF_POSTGRES).await;
    database(&client, &mariadb, "mariadb", OF_MARIADB).await;
    database(&client, &folder, "sqlite", OF_SQLITE).await;
    let found = [
        becomes_but_for(&client, &mariadb, "mariadb", "postgres").await,
        becomes_but_for(&client, &folder, "sqlite", "postgres").await,
        becomes_but_for(&client, &postgres, "postgres", "mariadb").await,
        becomes_but_for(&client, &folder, "sqlite", "mariadb").await,
        becomes_but_for(&client, &postgres, "postgres", "sqlite").await,
        becomes_but_for(&client, &mariadb, "mariadb", "sqlite").await,
    ];
    let (check, collation) =
        ("add check album.ck_title: unsupported", "add collation of column artist.note: unsupported");
    let foreign_key = "add foreign key album.fk_album: unsupported";
    let of_postgres = [
        "add column artist.home: unsupported",
        "add column placed.at: unsupported",
        "add index artist.by_home: depends",
        "add view homes: unsupported",
    ];
    let of_mariadb = [
        "add column album.released: unsupported",
        "add column artist.kinds: unsupported",
        "add index artist.by_kinds: depends",
        "add view kinds: unsupported",
    ];
    let of_sqlite = [
        "add column artist.anything: unsupported",
        "add index artist.by_anything: depends",
        "add view everything: unsupported",
    ];
    let lines = |of: &[&str], more: &[&str]| -> Vec<String> {
        let mut lines: Vec<String> =
            [check, collation].iter().chain(of).chain(more).map(|line| (*line).to_owned()).collect();
        lines.sort();
        lines
    };
    assert_eq!(
        found,
        [
            lines(&of_postgres, &[foreign_key]),
            lines(&of_postgres, &[]),
            lines(&of_mariadb, &[]),
            lines(&of_mariadb, &["add index artist.by_note: unsupported"]),
            lines(&of_sqlite, &[]),
            lines(&of_sqlite, &[foreign_key, "add index album.by_high: unsupported"]),
        ]
    );
}
