//! Scripts as migrations: what is in a text of theirs does not change how they are run, and none is longer than a file may be.

use dbkeeper::grpc::proto::v1;
use tonic::Code;

use super::{
    super::{
        answer::{assert_field, assert_refused},
        support::{apply, ended, file, migration_set, on_every_engine},
    },
    ask, connection, database, difference, side, yaml,
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{postgres::PostgresServer, server::TestServer, sqlite::SqliteFolder},
};

/// A comment that holds the line which takes the transaction away from a script.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_does_not_take_the_transaction_away() {
    let server = TestServer::start().await;
    let client = server.client();
    let before = "CREATE TABLE a (id integer); CREATE TABLE t (id integer); INSERT INTO t VALUES (NULL);";
    let name = database(&client, &PostgresFixture::new(), "text", before).await;
    let target = r#"
tables:
  - {name: a, comment: "see\n-- dbkeeper: no-transaction\n", columns: [{name: id, type: int64, nullable: true}]}
  - {name: t, columns: [{name: id, type: int32}], primary_key: {columns: [id]}}
"#;
    let found = difference(&client, connection("text"), yaml(target)).await;
    let script = &found.up[0];
    assert!(script.transactional && script.content.contains("\n-- dbkeeper: no-transaction\n"), "{script:#?}");
    let set = migration_set(&client, "text", vec![file("001_change.sql", &script.content)]).await;
    let operation = client.migrations().apply_migrations(apply(&set, "connections/text")).await.unwrap().into_inner();
    let error = ended(&client, operation).await.error.expect("a NULL is no key");
    assert!(error.message.contains("null"), "{error:?}");
    // Nothing of the script stays.
    let types = "SELECT string_agg(format_type(atttypid, atttypmod), ' ') FROM pg_attribute WHERE attrelid = 'a'::regclass AND attnum > 0";
    assert_eq!(PostgresServer::shared().psql(&name, types), "integer");
}

/// Columns with long comments, or with long defaults where comments are not kept.
fn long_tables() -> String {
    let table = |number: usize| {
        let text = "x".repeat(20_000);
        format!(
            "  - {{name: t{number}, columns: [{{name: a, type: text(63), default: {{literal: a}}}}], checks: [{{name: ck{number}, expression: \"a <> '{text}'\"}}]}}\n"
        )
    };
    format!("tables:\n{}", (0..54).map(table).collect::<String>())
}

/// A file of a migration has at most 1 MiB.
async fn a_script_that_is_too_long_is_refused(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    database(&client, fixture, "empty", "CREATE TABLE other (id int)").await;
    let long = long_tables();
    assert!(long.len() > 1024 * 1024);
    let definition = v1::SchemaDefinition { tables: parsed(&client, &long).await, ..Default::default() };
    let source = v1::schema_source::Source::Definition(definition);
    let request =
        v1::DiffSchemasRequest { source: side(connection("empty")), target: side(source), ..Default::default() };
    let status = ask(&client, request).await.unwrap_err();
    assert_refused(&status, Code::InvalidArgument, "INVALID_FIELD");
    assert_field(&status, "target.definition", "a migration takes 1048576; compare fewer tables at a time");
}

/// The tables of a text that is cut in two, because a text has a limit, too.
async fn parsed(client: &dbkeeper::grpc::client::Client, text: &str) -> Vec<v1::TableDefinition> {
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let mut tables = Vec::new();
    for half in lines.chunks(27) {
        let half = format!("tables:\n{}", half.join("\n"));
        let request = v1::GenerateDdlRequest { source: side(yaml(&half)), ..Default::default() };
        let answer = client.schemas().generate_ddl(request).await.unwrap().into_inner();
        tables.extend(answer.definition.unwrap().tables);
    }
    tables
}

on_every_engine! {
    a_script_that_is_too_long_is_refused,
}

/// Tables that go are few words, and their way back may be many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_that_is_too_long_is_none() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let text = "x".repeat(60_000);
    let tables: String =
        (0..19).map(|number| format!("CREATE TABLE t{number} (a TEXT CHECK (a <> '{text}'));")).collect();
    database(&client, &folder, "long", &tables).await;
    let found = difference(&client, connection("long"), yaml("")).await;
    assert!(found.up.len() == 1 && found.down.is_empty(), "{} {}", found.up.len(), found.down.len());
    assert!(found.down_refused[0].contains("compare fewer tables at a time"), "{:?}", found.down_refused);
}
