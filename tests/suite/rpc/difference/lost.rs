//! What a script must not take with it without a word.

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, schema_source::Source},
};
use tonic::Code;

use super::{
    super::{
        answer::{assert_refused, assert_says},
        support::{apply, ended, file, migration_set, register, settings},
    },
    ask, connection, difference, make, side, yaml,
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{server::TestServer, sqlite::SqliteFolder},
};

fn sql(engine: v1::Engine, text: &str) -> Source {
    Source::Sql(v1::SqlSource { engine: engine.into(), text: text.to_owned() })
}

async fn database(client: &Client, fixture: &impl Fixture, id: &str, sql: &str) -> String {
    let database = fixture.create_database().await;
    fixture.run(&database, sql).await;
    register(client, id, settings(&fixture.target(&database))).await;
    database
}

/// What the refusal of the change says.
async fn assert_lost(client: &Client, id: &str, target: Source, words: &str) {
    let request = v1::DiffSchemasRequest { source: side(connection(id)), target: side(target), ..Default::default() };
    let status = ask(client, request).await.unwrap_err();
    assert_refused(&status, Code::FailedPrecondition, "DEFINITION_UNSUPPORTED");
    assert_says(&status, words);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_sqlite_is_not_made_anew_with_less_than_it_has() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    for (id, before, words) in [
        ("exact", "CREATE TABLE t (id INTEGER PRIMARY KEY, price DECIMAL(18,2), a INT)", "DECIMAL(18,2)"),
        (
            "unique",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, UNIQUE (a) ON CONFLICT REPLACE)",
            "unique constraint t (a)",
        ),
        ("counted", "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a INT)", "AUTOINCREMENT"),
    ] {
        database(&client, &folder, id, before).await;
        let target =
            before.replace("a INT", "a INT NOT NULL").replace(" ON CONFLICT REPLACE", "").replace(" AUTOINCREMENT", "");
        assert_lost(&client, id, sql(v1::Engine::Sqlite, &target), words).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_a_definition_does_not_know_stops_the_script() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let before = "CREATE TABLE t (a INT) STRICT; CREATE INDEX by_half ON t (a / 2)";
    database(&client, &folder, "half", before).await;
    let target = sql(v1::Engine::Sqlite, "CREATE TABLE t (a INT NOT NULL) STRICT");
    let found = difference(&client, connection("half"), target).await;
    let set = migration_set(&client, "half", vec![file("001_half.sql", &found.up[0].content)]).await;
    let operation = client.migrations().apply_migrations(apply(&set, "connections/half")).await.unwrap().into_inner();
    let operation = ended(&client, operation).await;
    assert!(operation.error.unwrap().message.contains("a trigger or index would be lost with its table"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_column_of_a_table_can_be_another() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let name = database(&client, &folder, "only", "CREATE TABLE t (a INT) STRICT").await;
    let target = || sql(v1::Engine::Sqlite, "CREATE TABLE t (b INT) STRICT");
    let found = difference(&client, connection("only"), target()).await;
    let statements: Vec<&str> = found.up[0].statements.iter().map(String::as_str).collect();
    Fixture::run_each(&folder, &name, &statements).await;
    assert_eq!(difference(&client, connection("only"), target()).await.changes, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_and_functions_that_say_more_are_not_made_anew() {
    let server = TestServer::start().await;
    let client = server.client();
    let before = "CREATE TABLE t (id bigint PRIMARY KEY, changed timestamptz);
        CREATE VIEW v WITH (security_barrier) AS SELECT id FROM t;
        CREATE FUNCTION touch_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'";
    database(&client, &PostgresFixture::new(), "more", before).await;
    let table = "tables: [{name: t, columns: [{name: id, type: int64}, {name: changed, type: timestamp_tz, nullable: true}], primary_key: {columns: [id]}}]";
    let other = format!("{table}\nviews: [{{name: v, query: 'SELECT id + 1 AS id FROM t'}}]");
    assert_lost(&client, "more", yaml(&other), "option of view v").await;
    let touched = table.replace("nullable: true", "nullable: true, touched_on_update: true");
    assert_lost(&client, "more", yaml(&touched), "function touch_changed").await;
}

/// The script itself fails where it would have to cut a value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_without_room_in_a_domain_fails_the_script() {
    let server = TestServer::start().await;
    let client = server.client();
    let fixture = PostgresFixture::new();
    let before = "types: [{name: code, shape: {domain: {base: text(3)}}}]\ntables: [{name: t, columns: [{name: a, type: text}]}]";
    let name = make(&client, &fixture, "code", before).await;
    fixture.run(&name, "INSERT INTO t VALUES ('abcdef')").await;
    let after = before.replace("type: text}", "type: 'declared:code'}");
    let found = difference(&client, connection("code"), yaml(&after)).await;
    let statements: String =
        found.up.iter().flat_map(|script| &script.statements).map(|sql| format!("{sql}\n")).collect();
    let cut = format!(
        "DO $do$ BEGIN {statements} RAISE EXCEPTION 'the value was cut'; EXCEPTION WHEN string_data_right_truncation THEN NULL; END $do$"
    );
    fixture.run(&name, &cut).await;
}
