//! What a script must not take with it without a word.

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, schema_source::Source},
};
use tonic::Code;

use super::{
    super::{
        answer::{assert_refused, assert_says},
        support::{apply, ended, file, migration_set},
    },
    ask, connection, database, difference, make, run_scripts, side, sql, yaml,
};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{server::TestServer, sqlite::SqliteFolder},
};

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

/// A computed column with another expression is dropped and added, and with it goes what stands on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_on_a_computed_column_is_not_lost_with_it() {
    let server = TestServer::start().await;
    let client = server.client();
    let table = |factor: u8| {
        format!("CREATE TABLE t (a integer, b integer, twice integer GENERATED ALWAYS AS (a * {factor}) STORED);")
    };
    for (id, more, words) in [
        ("expression", "CREATE INDEX by_half ON t ((twice / 2));", "index t.by_half"),
        ("predicate", "CREATE INDEX by_b ON t USING hash (b) WHERE twice > 1;", "index t.by_b"),
        ("stored", "CREATE INDEX by_a ON t (a) INCLUDE (twice);", "index t.by_a"),
        ("distinct", "ALTER TABLE t ADD CONSTRAINT u EXCLUDE USING btree (twice WITH =);", "exclusion t.u"),
        ("filled", "CREATE INDEX by_twice ON t (twice) WITH (fillfactor = 50);", "option of index t.by_twice"),
        ("waiting", "ALTER TABLE t ADD UNIQUE (twice) DEFERRABLE;", "option of unique constraint t (twice)"),
    ] {
        database(&client, &PostgresFixture::new(), id, &format!("{}{more}", table(2))).await;
        let plain = match id {
            "filled" => "CREATE INDEX by_twice ON t (twice);",
            "waiting" => "ALTER TABLE t ADD CONSTRAINT t_twice_key UNIQUE (twice);",
            _ => "",
        };
        assert_lost(&client, id, sql(v1::Engine::Postgresql, &format!("{}{plain}", table(3))), words).await;
    }
    // What stands on other columns alone is not in the way.
    let more = "CREATE INDEX by_other ON t ((b / 2));";
    let name = database(&client, &PostgresFixture::new(), "other", &format!("{}{more}", table(2))).await;
    let target = || sql(v1::Engine::Postgresql, &table(3));
    let found = difference(&client, connection("other"), target()).await;
    run_scripts(&PostgresFixture::new(), &name, &found.up).await;
    assert_eq!(difference(&client, connection("other"), target()).await.changes, []);
}

/// A foreign key that goes for a moment, because its columns get another type, comes again as a definition says it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_and_a_type_are_not_made_again_with_less() {
    let server = TestServer::start().await;
    let client = server.client();
    let key = "CREATE TABLE p (id integer PRIMARY KEY);
        CREATE TABLE c (p_id integer CONSTRAINT fk_c_p REFERENCES p (id) MATCH FULL);";
    database(&client, &PostgresFixture::new(), "key", key).await;
    let target = key.replace("integer", "bigint").replace(" MATCH FULL", "");
    assert_lost(&client, "key", sql(v1::Engine::Postgresql, &target), "option of foreign key c (p_id)").await;
    let domain = "CREATE DOMAIN code AS integer DEFAULT 7; CREATE TABLE t (c code);";
    database(&client, &PostgresFixture::new(), "domain", domain).await;
    let target = domain.replace("integer DEFAULT 7", "bigint");
    assert_lost(&client, "domain", sql(v1::Engine::Postgresql, &target), "default of type code").await;
}

/// What only the target has is lost by the scripts that lead back to the source, and not by those that lead to the target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_would_lose_something_of_the_target_are_not_written() {
    let server = TestServer::start().await;
    let client = server.client();
    let table = "CREATE TABLE t (id bigint PRIMARY KEY);";
    let fixture = PostgresFixture::new();
    database(&client, &fixture, "plain", &format!("{table} CREATE VIEW v AS SELECT id FROM t;")).await;
    let barrier = format!("{table} CREATE VIEW v WITH (security_barrier) AS SELECT id + 1 AS id FROM t;");
    database(&client, &fixture, "barrier", &barrier).await;
    let found = difference(&client, connection("plain"), connection("barrier")).await;
    assert!(!found.up.is_empty() && found.down.is_empty(), "{found:#?}");
    let [reason] = found.down_refused.as_slice() else { panic!("{found:#?}") };
    assert!(reason.contains("option of view v") && reason.contains("security_invoker"), "{reason}");
}

/// MariaDB takes a column that is dropped out of the indexes that a definition does not know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_on_a_part_of_a_text_is_not_lost_with_its_column() {
    let server = TestServer::start().await;
    let client = server.client();
    let before = "CREATE TABLE t (a varchar(40), b varchar(80) AS (concat(a, a)) VIRTUAL, KEY part (b(10)));";
    database(&client, &MariadbFixture::new(), "part", before).await;
    let target = "CREATE TABLE t (a varchar(40), b varchar(80) AS (concat(a, a)) STORED);";
    assert_lost(&client, "part", sql(v1::Engine::Mysql, target), "index t.part").await;
    // So is what a column is besides, even where it gets another type.
    let before = "CREATE TABLE t (a int, b int INVISIBLE);";
    database(&client, &MariadbFixture::new(), "unseen", before).await;
    let target = sql(v1::Engine::Mysql, "CREATE TABLE t (a int, b bigint);");
    assert_lost(&client, "unseen", target, "option of column t.b").await;
}
