//! GenerateDdl: what is generated is applied to a real database, exported again, and is what it was.

mod bad_input;
mod carried;
mod types;

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, schema_source::Source},
};
use tonic::Status;

use super::support::{on_every_engine, register, settings};
use crate::{
    conformance::Fixture,
    harness::{server::TestServer, sqlite::SqliteFolder},
};

/// What every engine can express, in the order in which a database tells it, named by the conventions.
const SHOP: &str = include_str!("definition/shop.yaml");
/// What PostgreSQL has beside that.
const POSTGRES: &str = include_str!("definition/postgres.yaml");

async fn generate(client: &Client, source: Source, engine: v1::Engine) -> Result<v1::GenerateDdlResponse, Status> {
    let source = Some(v1::SchemaSource { source: Some(source) });
    let request = v1::GenerateDdlRequest { source, engine: engine.into(), standard_columns: None };
    let answer = Box::pin(async move { client.schemas().generate_ddl(request).await }).await?;
    Ok(answer.into_inner())
}

fn yaml(text: &str) -> Source {
    Source::Yaml(text.to_owned())
}

fn connection(id: &str) -> Source {
    let connection = format!("connections/{id}");
    Source::Connection(v1::ConnectionSource { connection, ..Default::default() })
}

fn engine_of(fixture: &impl Fixture) -> v1::Engine {
    settings(&fixture.target("any")).engine()
}

fn script(answer: &v1::GenerateDdlResponse) -> String {
    let statements: Vec<&str> = answer.statements.iter().map(|statement| statement.sql.as_str()).collect();
    assert!(statements.iter().all(|sql| sql.ends_with(';')), "{statements:#?}");
    statements.join("\n")
}

/// Makes a database of a schema under an id, and returns its name.
async fn make(client: &Client, fixture: &impl Fixture, id: &str, source: Source) -> String {
    let answer = generate(client, source, engine_of(fixture)).await.unwrap();
    let database = fixture.create_database().await;
    fixture.run(&database, &script(&answer)).await;
    register(client, id, settings(&fixture.target(&database))).await;
    database
}

/// The definition of a registered database, of which nothing is left out.
async fn exported(client: &Client, id: &str) -> v1::SchemaDefinition {
    let answer = generate(client, connection(id), v1::Engine::Unspecified).await.unwrap();
    assert_eq!(answer.unmapped, [], "{}", answer.yaml);
    assert_eq!(answer.statements, []);
    answer.definition.unwrap()
}

async fn read(client: &Client, text: &str) -> v1::SchemaDefinition {
    generate(client, yaml(text), v1::Engine::Unspecified).await.unwrap().definition.unwrap()
}

/// What an engine makes of a definition, as docs/types.md says.
fn folded(mut definition: v1::SchemaDefinition, engine: v1::Engine) -> v1::SchemaDefinition {
    for table in &mut definition.tables {
        for column in &mut table.columns {
            types::fold(column, &mut table.checks, engine);
        }
        let before_names = |check: &v1::CheckDefinition| (check.name.clone(), check.expression.clone());
        table.checks.sort_by_key(before_names);
        for key in table.foreign_keys.iter_mut().filter(|_| engine == v1::Engine::Mysql) {
            let restrict = v1::ReferentialAction::Restrict;
            for action in
                [&mut key.on_update, &mut key.on_delete].into_iter().filter(|action| **action == i32::from(restrict))
            {
                *action = v1::ReferentialAction::NoAction.into();
            }
        }
        if engine == v1::Engine::Sqlite {
            table.comment.clear();
            table.indexes.iter_mut().for_each(|index| index.comment.clear());
        }
    }
    definition
}

fn without_check_names(mut definition: v1::SchemaDefinition) -> v1::SchemaDefinition {
    for table in &mut definition.tables {
        table.checks.iter_mut().for_each(|check| check.name.clear());
        table.checks.sort_by_key(|check| check.expression.clone());
    }
    definition
}

#[track_caller]
fn assert_same(found: &v1::SchemaDefinition, expected: &v1::SchemaDefinition) {
    assert_eq!(found.types, expected.types);
    let names = |definition: &v1::SchemaDefinition| -> Vec<String> {
        definition.tables.iter().map(|table| table.name.clone()).collect()
    };
    assert_eq!(names(found), names(expected));
    for (found, expected) in found.tables.iter().zip(&expected.tables) {
        for (found, expected) in found.columns.iter().zip(&expected.columns) {
            assert_eq!(found, expected);
        }
        assert_eq!(found, expected);
    }
}

async fn comes_back_as_it_was(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let engine = engine_of(fixture);
    make(&client, fixture, "first", yaml(SHOP)).await;
    let first = exported(&client, "first").await;
    assert_same(&first, &folded(read(&client, SHOP).await, engine));
    // What was folded once is not folded again. Checks that SQLite has without a name get one.
    make(&client, fixture, "second", connection("first")).await;
    assert_same(&without_check_names(exported(&client, "second").await), &without_check_names(first));
}

/// A definition without names gets those of the conventions.
async fn names_are_made_by_the_conventions(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let named = generate(&client, yaml(SHOP), engine_of(fixture)).await.unwrap();
    let mut definition = named.definition.clone().unwrap();
    for table in &mut definition.tables {
        table.unique_constraints.iter_mut().for_each(|key| key.name.clear());
        table.foreign_keys.iter_mut().for_each(|key| key.name.clear());
        table.checks.iter_mut().for_each(|check| check.name.clear());
        table.indexes.iter_mut().for_each(|index| index.name.clear());
    }
    let made = generate(&client, Source::Definition(definition), engine_of(fixture)).await.unwrap();
    assert_eq!(script(&made), script(&named));
}

/// The statements of an engine, read as its SQL, are the definition again.
async fn statements_are_read_as_the_definition(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let engine = engine_of(fixture);
    let mut expected = folded(read(&client, SHOP).await, engine);
    let answer = generate(&client, yaml(SHOP), engine).await.unwrap();
    let is_read = |statement: &&v1::CreateStatement| {
        !matches!(statement.kind(), v1::CreatedKind::Function | v1::CreatedKind::Trigger)
    };
    let text: Vec<&str> = answer.statements.iter().filter(is_read).map(|statement| statement.sql.as_str()).collect();
    let sql = v1::SqlSource { engine: engine.into(), text: text.join("\n") };
    let mut found = generate(&client, Source::Sql(sql), v1::Engine::Unspecified).await.unwrap().definition.unwrap();
    found = folded(found, engine);
    found.tables.sort_by_key(|table| table.name.clone());
    for table in &mut found.tables {
        table.checks.sort_by_key(|check| (check.name.clone(), check.expression.clone()));
        table.foreign_keys.sort_by_key(|key| key.name.clone());
    }
    // A trigger is no part of what is read.
    if engine != v1::Engine::Mysql {
        let columns = expected.tables.iter_mut().flat_map(|table| &mut table.columns);
        columns.for_each(|column| column.touched_on_update = false);
    }
    assert_same(&found, &expected);
}

/// Names that only quotes make names.
async fn hard_names_are_quoted(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let text = r#"
tables:
  - name: 'a "b" `c` ü日'
    columns:
      - {name: "it's; --", type: text(20), nullable: true, default: {literal: "it's \\ \"x\""}, comment: "it's \\ fine"}
      - {name: Select, type: int64, nullable: true}
    checks:
      - {name: 'check "1"', expression: "\"Select\" > 0"}
    indexes:
      - {name: 'index "1"', columns: [{column: "it's; --"}]}
  - name: order
    columns:
      - {name: group, type: int64}
    primary_key: {columns: [group]}
    foreign_keys:
      - {name: "table", columns: [group], referenced_table: order, referenced_columns: [group]}
"#;
    let definition = read(&client, text).await;
    make(&client, fixture, "hard", yaml(text)).await;
    let found = exported(&client, "hard").await;
    assert_same(&found, &folded(definition, engine_of(fixture)));
}

/// `updated_at` takes the moment of a change, and `created_at` stays.
async fn a_change_of_a_row_is_noted(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let text = "tables: [{name: note, columns: [{name: id, type: int64}, {name: body, type: text(20)}], primary_key: {columns: [id]}}]";
    let request = v1::GenerateDdlRequest {
        source: Some(v1::SchemaSource { source: Some(yaml(text)) }),
        engine: engine_of(fixture).into(),
        standard_columns: Some(v1::StandardColumns { created_at: true, updated_at: true, deleted_at: true }),
    };
    let answer = client.schemas().generate_ddl(request).await.unwrap().into_inner();
    let database = fixture.create_database().await;
    fixture.run(&database, &script(&answer)).await;
    let rows = "INSERT INTO note (id, body, created_at, updated_at) VALUES (1, 'a', '2001-02-03 04:05:06', '2001-02-03 04:05:06');
                INSERT INTO note (id, body) VALUES (2, 'b');";
    fixture.run(&database, rows).await;
    fixture.run(&database, "UPDATE note SET body = 'c' WHERE id = 1").await;
    register(&client, "notes", settings(&fixture.target(&database))).await;
    let request = v1::SampleRowsRequest {
        connection: "connections/notes".to_owned(),
        table: "note".to_owned(),
        columns: ["id", "created_at", "updated_at", "deleted_at"].map(str::to_owned).to_vec(),
        ..Default::default()
    };
    let mut rows = client.schemas().sample_rows(request).await.unwrap().into_inner().rows;
    rows.sort_by_key(|row| format!("{:?}", row.values[0]));
    let value = |row: usize, column: usize| format!("{:?}", rows[row].values[column].value);
    assert!(value(0, 1).contains("2001-02-03"), "created_at changed: {}", value(0, 1));
    assert!(
        value(0, 2).contains("-") && !value(0, 2).contains("2001-02-03"),
        "updated_at did not change: {}",
        value(0, 2)
    );
    for column in [1, 2] {
        assert!(value(1, column).contains("20"), "a new row has no time: {}", value(1, column));
    }
    assert!(value(0, 3).contains("Null(true)"), "{}", value(0, 3));
}

on_every_engine! {
    comes_back_as_it_was,
    names_are_made_by_the_conventions,
    statements_are_read_as_the_definition,
    hard_names_are_quoted,
    a_change_of_a_row_is_noted,
}

#[tokio::test]
async fn yaml_is_written_as_it_is_read() {
    let server = TestServer::start_on(&SqliteFolder::new()).await;
    let client = server.client();
    for text in [SHOP, POSTGRES] {
        let first = generate(&client, yaml(text), v1::Engine::Unspecified).await.unwrap();
        let second = generate(&client, yaml(&first.yaml), v1::Engine::Unspecified).await.unwrap();
        assert_eq!((&second.definition, &second.yaml), (&first.definition, &first.yaml));
        let given = Source::Definition(first.definition.clone().unwrap());
        let third = generate(&client, given, v1::Engine::Unspecified).await.unwrap();
        assert_eq!(third, first);
    }
}
