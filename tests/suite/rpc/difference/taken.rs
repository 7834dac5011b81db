//! What one side has as something that a definition has no place for is neither dropped nor made under that name.

use dbkeeper::grpc::{client::Client, proto::v1};

use super::{assert_no_script, connection, database, difference, run_scripts, sql, unwritten};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{postgres::PostgresServer, server::TestServer, sqlite::SqliteFolder},
};

/// Compares a plain database with its twin in both directions. Nothing is written, and these lines are told of what would have gone.
async fn nothing_is_written(client: &Client, fixture: &impl Fixture, id: &str, plain: &str, twin: &str, told: &[&str]) {
    let (one, other) = (format!("{id}-plain"), format!("{id}-twin"));
    database(client, fixture, &one, plain).await;
    database(client, fixture, &other, twin).await;
    for (source, target, action) in [(&one, &other, "drop"), (&other, &one, "add")] {
        let found = difference(client, connection(source), connection(target)).await;
        assert_no_script(&found);
        let told: Vec<String> = told.iter().map(|object| format!("{action} {object}: not comparable")).collect();
        let expected: Vec<String> =
            unwritten(&found).into_iter().filter(|line| line.ends_with("not comparable")).collect();
        assert_eq!(expected, told, "{id}");
        assert!(found.unwritten.iter().all(|found| found.remedy.is_empty()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_of_another_kind_is_left_as_it_is_on_postgres() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), PostgresFixture::new());
    let child =
        "CREATE TABLE part (id integer, day date, CONSTRAINT fk_part FOREIGN KEY (id, day) REFERENCES sale (id, day));";
    let columns = "id integer, day date, PRIMARY KEY (id, day)";
    let parent = "CREATE TABLE p (id integer PRIMARY KEY, a integer, UNIQUE (id, a));";
    let key = "CONSTRAINT fk_c FOREIGN KEY (p_id, a) REFERENCES p (id, a)";
    for (id, plain, twin, told) in [
        (
            "partitioned",
            format!("CREATE TABLE sale ({columns}); {child}"),
            format!("CREATE TABLE sale ({columns}) PARTITION BY RANGE (day); {child}"),
            &["foreign key part.fk_part", "table sale"][..],
        ),
        (
            "inherited",
            "CREATE TABLE base (id integer); CREATE TABLE kind (id integer, a integer);".to_owned(),
            "CREATE TABLE base (id integer); CREATE TABLE kind (a integer) INHERITS (base);".to_owned(),
            &["table kind"],
        ),
        (
            "materialised",
            "CREATE TABLE t (id integer); CREATE VIEW seen AS SELECT id FROM t;".to_owned(),
            "CREATE TABLE t (id integer); CREATE MATERIALIZED VIEW seen AS SELECT id FROM t;".to_owned(),
            &["view seen"],
        ),
        (
            "gin",
            "CREATE TABLE t (id integer, a integer[]); CREATE INDEX by_a ON t (a);".to_owned(),
            "CREATE TABLE t (id integer, a integer[]); CREATE INDEX by_a ON t USING gin (a);".to_owned(),
            &["index t.by_a"],
        ),
        (
            "expression",
            "CREATE TABLE t (a text); CREATE INDEX by_a ON t (a);".to_owned(),
            "CREATE TABLE t (a text); CREATE INDEX by_a ON t (lower(a));".to_owned(),
            &["index t.by_a"],
        ),
        (
            "columns",
            format!("{parent} CREATE TABLE c (p_id integer, a integer, {key} ON DELETE SET NULL);"),
            format!("{parent} CREATE TABLE c (p_id integer, a integer, {key} ON DELETE SET NULL (a));"),
            &["foreign key c.fk_c"],
        ),
        (
            "renamed",
            format!("{parent} CREATE TABLE c (p_id integer, a integer, {key} ON DELETE SET NULL);"),
            format!("{parent} CREATE TABLE c (p_id integer, a integer, {key} ON DELETE SET NULL (a));")
                .replace("fk_c", "fk_other"),
            &["foreign key c.fk_c"],
        ),
        (
            "range",
            "CREATE TYPE span AS ENUM ('short', 'long');".to_owned(),
            "CREATE TYPE span AS RANGE (subtype = integer);".to_owned(),
            &["type span"],
        ),
    ] {
        nothing_is_written(&client, &fixture, id, &plain, &twin, told).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_of_another_kind_is_left_as_it_is_on_mariadb() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), MariadbFixture::new());
    let partitioned = "CREATE TABLE t (id int, a varchar(40)) PARTITION BY HASH (id) PARTITIONS 2;";
    let plain = "CREATE TABLE t (id int, a varchar(40));";
    nothing_is_written(&client, &fixture, "partitioned", plain, partitioned, &["table t"]).await;
    let [plain, prefix] = ["a", "a(3)"].map(|on| format!("CREATE TABLE t (a varchar(40), KEY by_a ({on}));"));
    nothing_is_written(&client, &fixture, "prefix", &plain, &prefix, &["index t.by_a"]).await;
    let (plain, sequence) = ("CREATE TABLE s (a int);", "CREATE SEQUENCE s;");
    nothing_is_written(&client, &fixture, "sequence", plain, sequence, &["table s"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_of_another_kind_is_left_as_it_is_on_sqlite() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let (plain, words) = ("CREATE TABLE words (body TEXT);", "CREATE VIRTUAL TABLE words USING fts5 (body);");
    nothing_is_written(&client, &folder, "words", plain, words, &["table words"]).await;
    let [plain, half] =
        ["a", "a / 2"].map(|on| format!("CREATE TABLE t (a INT) STRICT; CREATE INDEX by_a ON t ({on});"));
    nothing_is_written(&client, &folder, "half", &plain, &half, &["index t.by_a"]).await;
}

/// A table of SQLite that is made anew keeps the index whose twin the target has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_stays_when_its_table_is_made_anew() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let plain = "CREATE TABLE t (a INT, b INT) STRICT; CREATE INDEX by_a ON t (a);";
    let name = database(&client, &folder, "plain", plain).await;
    database(
        &client,
        &folder,
        "twin",
        "CREATE TABLE t (a INT, b INT NOT NULL) STRICT; CREATE INDEX by_a ON t (a / 2);",
    )
    .await;
    let found = difference(&client, connection("plain"), connection("twin")).await;
    assert!(found.unwritten.iter().any(|found| found.object == "index t.by_a"), "{:?}", found.unwritten);
    run_scripts(&folder, &name, &found.up).await;
    let index = "SELECT sql FROM sqlite_schema WHERE type = 'index'";
    assert_eq!(folder.column(&name, index).await, ["CREATE INDEX by_a ON t (a)"]);
}

/// What a table that stays points to stays with it, though the target has it no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_needed_by_what_stays_is_not_dropped() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), PostgresFixture::new());
    let before = "CREATE TYPE mood AS ENUM ('calm'); CREATE TABLE artist (id integer PRIMARY KEY);
        CREATE TABLE album (id integer, artist_id integer CONSTRAINT fk_album REFERENCES artist (id), mood mood);
        CREATE TABLE gone (id integer); CREATE VIEW seen AS SELECT id FROM gone;";
    let name = database(&client, &fixture, "before", before).await;
    let after =
        "CREATE TABLE album (id integer) PARTITION BY RANGE (id); CREATE MATERIALIZED VIEW seen AS SELECT 1 AS id;";
    database(&client, &fixture, "after", after).await;
    let found = difference(&client, connection("before"), connection("after")).await;
    assert_no_script(&found);
    let needed = [
        "drop table album: not comparable",
        "drop table artist: depends",
        "drop table gone: depends",
        "drop type mood: depends",
        "drop view seen: not comparable",
    ];
    let lines: Vec<String> = unwritten(&found).into_iter().filter(|line| line.starts_with("drop")).collect();
    assert_eq!(lines, needed);
    // What hangs on something that does not come does not come either.
    let target = sql(
        v1::Engine::Postgresql,
        "CREATE TABLE album (id integer PRIMARY KEY); CREATE TABLE track (id integer, album_id integer REFERENCES album (id));
         CREATE VIEW titles AS SELECT id FROM album; CREATE VIEW tracks AS SELECT id FROM track;",
    );
    let found = difference(&client, connection("after"), target).await;
    let added: Vec<String> = unwritten(&found).into_iter().filter(|line| line.starts_with("add")).collect();
    assert_eq!(
        added,
        [
            "add foreign key track.fk_track_album: depends",
            "add table album: not comparable",
            "add view titles: depends"
        ]
    );
    let names: Vec<&str> = found.changes.iter().map(|change| change.name.as_str()).collect();
    assert_eq!(names, ["track", "tracks"]);
    assert_eq!(PostgresServer::shared().psql(&name, "SELECT count(*) FROM artist"), "0");
}
