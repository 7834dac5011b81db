//! What is refused, with its place.

use dbkeeper::grpc::proto::v1::{self, schema_source::Source};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{
    super::answer::{assert_field, assert_refused},
    generate, yaml,
};
use crate::harness::{server::TestServer, sqlite::SqliteFolder};

async fn server() -> TestServer {
    TestServer::start_on(&SqliteFolder::new()).await
}

fn sql(engine: v1::Engine, text: &str) -> Source {
    Source::Sql(v1::SqlSource { engine: engine.into(), text: text.to_owned() })
}

async fn refused(server: &TestServer, source: Source, engine: v1::Engine) -> Status {
    generate(&server.client(), source, engine).await.unwrap_err()
}

#[tokio::test]
async fn a_definition_that_cannot_be_is_refused_with_its_field() {
    let server = server().await;
    let table = "tables: [{name: a, columns: [{name: id, type: int64}, {name: x, type: int64, nullable: true}], primary_key: {columns: [id]}";
    for (text, field, words) in [
        ("types: [{name: a, shape: {composite: [{name: x, type: 'declared:b'}]}}, {name: b, shape: {domain: {base: 'declared:a'}}}]".to_owned(),
         "types[0]", "the type is made of itself: a -> b -> a"),
        (format!("{table}, foreign_keys: [{{columns: [x], referenced_table: nowhere}}]}}]"),
         "tables[0].foreign_keys[0].referenced_table", "there is no table \"nowhere\""),
        (format!("{table}, foreign_keys: [{{columns: [x], referenced_table: a, referenced_columns: [x]}}]}}]"),
         "tables[0].foreign_keys[0].referenced_columns", "(x) is no key of a"),
        (format!("{table}, foreign_keys: [{{columns: [id, x], referenced_table: a}}]}}]"),
         "tables[0].foreign_keys[0].referenced_columns", "a primary key of 1 columns, this key has 2"),
        (format!("{table}}}, {{name: A, columns: [{{name: y, type: int64}}]}}]"),
         "tables[1].name", "\"A\" and \"a\" are the same name where case does not count"),
        (format!("{table}, indexes: [{{columns: [{{column: z}}]}}]}}]"),
         "tables[0].indexes[0].columns[0]", "a has no column \"z\""),
        ("tables: [{name: a, columns: [{name: x, type: 'declared:mood'}]}]".to_owned(),
         "tables[0].columns[0].type", "unknown type \"mood\""),
        ("tables: [{name: a, columns: [{name: x, type: int64, default: {literal: ten}}]}]".to_owned(),
         "tables[0].columns[0].default.literal", "must be a whole number"),
        ("tables: [{name: a, columns: [{name: x, type: int64, nullable: true}], primary_key: {columns: [x]}}]".to_owned(),
         "tables[0].primary_key.columns", "is nullable"),
        ("tables: [{name: a, columns: []}]".to_owned(), "tables[0].columns", "must be 1 to 1600 columns"),
        ("tables: [{name: a, columns: [{name: x, type: text}, {name: X, type: text}]}]".to_owned(),
         "tables[0].columns[1].name", "the same name where case does not count"),
        ("views: [{name: a, query: ' '}]".to_owned(), "views[0].query", "is required"),
    ] {
        let status = refused(&server, yaml(&text), v1::Engine::Unspecified).await;
        assert_refused(&status, Code::InvalidArgument, "INVALID_FIELD");
        assert_field(&status, &format!("source.yaml.{field}"), words);
    }
}

#[tokio::test]
async fn a_text_that_cannot_be_read_is_refused_with_line_and_column() {
    let server = server().await;
    let run = format!("CREATE VIEW a AS SELECT 1{}", " + 1".repeat(5_000));
    let brackets = format!("CREATE VIEW a AS SELECT (1){}", "+(1)".repeat(260_000));
    let queries = format!("CREATE VIEW a AS SELECT 1, 2{}", " UNION SELECT 1, 2".repeat(58_000));
    let nested = format!("CREATE VIEW a AS SELECT {}1{}", "(".repeat(500), ")".repeat(500));
    use v1::Engine::{Mysql, Postgresql, Sqlite};
    for (source, place, words) in [
        (
            yaml("tables:\n  - name: a\n    columns:\n      - {name: x, type: int33}\n"),
            Some((4, 25)),
            "unknown type \"int33\"",
        ),
        (yaml("tables:\n  - name: a\n    colums: []\n"), Some((3, 5)), "colums"),
        (yaml("tables: [\n"), Some((1, 9)), "unclosed bracket"),
        (
            sql(Postgresql, "CREATE TABLE a (id int);\nCREATE TABLE b (id int,,);"),
            Some((2, 24)),
            "Expected: column name or constraint definition",
        ),
        (sql(Postgresql, "CREATE TABLE a (x text DEFAULT 'open"), Some((1, 32)), "Unterminated string literal"),
        (sql(Sqlite, "CREATE TABLE a (x int);\nCREATE TABLE b (y int\n"), Some((2, 22)), "found: EOF"),
        (sql(Mysql, "\n\n  DROP TABLE a;"), Some((3, 3)), "DROP TABLE a ... does not make a part of a definition"),
        (sql(Sqlite, "CREATE TABLE a (x int) CREATE TABLE b (y int)"), Some((1, 24)), "expected a semicolon"),
        (sql(Sqlite, "CREATE TABLE a AS SELECT 1"), Some((1, 1)), "AS SELECT has no place in a definition"),
        (
            sql(Postgresql, "CREATE TABLE a (x int);\nCREATE INDEX i ON a (lower(x))"),
            Some((2, 1)),
            "is on the expression lower(x)",
        ),
        (sql(Postgresql, "ALTER TABLE a ADD COLUMN x int"), Some((1, 1)), "there is no table \"a\""),
        (sql(Postgresql, &run), None, "more than 2500 words belong together"),
        (sql(Postgresql, &brackets), None, "more than 2500 words belong together"),
        (sql(Sqlite, &queries), None, "more than 2500 words belong together"),
        (sql(Postgresql, &nested), None, "nested too deeply"),
    ] {
        let field = if matches!(source, Source::Yaml(_)) { "source.yaml" } else { "source.sql.text" };
        let status = refused(&server, source, v1::Engine::Unspecified).await;
        assert_refused(&status, Code::InvalidArgument, "INVALID_FIELD");
        assert_field(&status, field, words);
        let metadata = status.get_details_error_info().unwrap().metadata;
        if let Some((line, column)) = place {
            assert_eq!(
                (metadata["line"].as_str(), metadata["column"].as_str()),
                (line.to_string().as_str(), column.to_string().as_str()),
                "{status:?}"
            );
            assert_field(&status, field, &format!("line {line}, column {column}"));
        }
    }
}

#[tokio::test]
async fn a_source_that_is_too_large_or_missing_is_refused() {
    let server = server().await;
    let large = " ".repeat(1024 * 1024 + 1);
    for (source, field) in [(yaml(&large), "source.yaml"), (sql(v1::Engine::Sqlite, &large), "source.sql.text")] {
        assert_field(&refused(&server, source, v1::Engine::Unspecified).await, field, "must be at most 1048576 bytes");
    }
    let status = refused(&server, sql(v1::Engine::Unspecified, ""), v1::Engine::Unspecified).await;
    assert_field(&status, "source.sql.engine", "must be ENGINE_");
    let status = server.client().schemas().generate_ddl(v1::GenerateDdlRequest::default()).await.unwrap_err();
    assert_field(&status, "source", "is required");
    // A sum that is as deep as may be is read; its views make an answer that is too large.
    let deep = format!("CREATE VIEW a AS SELECT 1{}", " + 1".repeat(1_200));
    let read = generate(&server.client(), sql(v1::Engine::Postgresql, &deep), v1::Engine::Unspecified).await.unwrap();
    assert_eq!(read.definition.unwrap().views.len(), 1);
    let view = |place: usize| v1::ViewDefinition {
        name: format!("v{place}"),
        query: "x".repeat(64 * 1024),
        ..Default::default()
    };
    let views = (0..40).map(view).collect();
    let definition = Source::Definition(v1::SchemaDefinition { views, ..Default::default() });
    assert_field(&refused(&server, definition, v1::Engine::Unspecified).await, "source", "choose fewer tables");
}

#[tokio::test]
async fn what_an_engine_cannot_express_is_named_all_at_once() {
    let server = server().await;
    let text = "
types: [{name: place, comment: Where, shape: {composite: [{name: x, type: int64}]}}]
tables:
  - name: a
    columns:
      - {name: id, type: int64, identity: always}
      - {name: at, type: 'declared:place', nullable: true}
      - {name: ip, type: 'postgresql:inet', nullable: true}
      - {name: big, type: uint64, nullable: true}
      - {name: total, type: decimal, nullable: true}
      - {name: body, type: text, nullable: true}
      - {name: hour, type: time_tz, nullable: true}
    primary_key: {columns: [id]}
    checks: [{expression: 'body ~ 1', engine: postgresql}]
    foreign_keys: [{columns: [id], referenced_table: a, deferred: true}]
    indexes:
      - {columns: [{column: body}], predicate: id > 1}
      - {columns: [{column: body}], full_text: true}
  - {schema: other, name: b, columns: [{name: x, type: int64}]}
views: [{name: c, query: SELECT 1, engine: postgresql, comment: One}]
";
    let told = |status: &Status| -> Vec<String> {
        assert_refused(status, Code::FailedPrecondition, "DEFINITION_UNSUPPORTED");
        let violations = status.get_details_precondition_failure().unwrap().violations;
        violations
            .into_iter()
            .map(|found| format!("{}: {}", found.subject.trim_start_matches("source.yaml."), found.description))
            .collect()
    };
    let mysql = told(&refused(&server, yaml(text), v1::Engine::Mysql).await);
    assert_eq!(mysql, MYSQL, "{mysql:#?}");
    let sqlite = told(&refused(&server, yaml(text), v1::Engine::Sqlite).await);
    assert_eq!(sqlite, SQLITE, "{sqlite:#?}");
    assert!(generate(&server.client(), yaml(text), v1::Engine::Postgresql).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collation_of_another_engine_is_named() {
    let server = server().await;
    let text = "
tables:
  - name: a
    columns:
      - {name: x, type: text, collation: utf8mb3_general_ci}
      - {name: y, type: text, collation: NOCASE}
      - {name: z, type: text, collation: C}
";
    let engines =
        [(v1::Engine::Postgresql, ["x", "y"]), (v1::Engine::Mysql, ["y", "z"]), (v1::Engine::Sqlite, ["x", "z"])];
    for (engine, foreign) in engines {
        let status = refused(&server, yaml(text), engine).await;
        assert_refused(&status, Code::FailedPrecondition, "DEFINITION_UNSUPPORTED");
        let violations = status.get_details_precondition_failure().unwrap().violations;
        let named = violations.iter().map(|found| found.description.clone()).collect::<Vec<_>>();
        let expected = foreign.map(|column| format!("column a.{column} has the collation"));
        assert_eq!(named.len(), expected.len(), "{engine:?}: {named:?}");
        assert!(named.iter().zip(&expected).all(|(told, start)| told.starts_with(start)), "{engine:?}: {named:?}");
    }
}

const MYSQL: [&str; 13] = [
    "tables[1].schema: other.b is in a schema, which the engine does not have inside of a database; leave it empty",
    "types[0].comment: type place has a comment, and the engine has no types to keep it",
    "tables[0].columns[0].identity: column a.id is an identity that only the database gives; use by_default",
    "tables[0].columns[1].type: column a.at has the composite type place",
    "tables[0].columns[2].type: column a.ip has the type inet, which only postgresql has",
    "tables[0].columns[4].type: column a.total has the type decimal without digits; say how many, as decimal(20,6)",
    "tables[0].columns[5].type: column a.body is in a key or an index, for which a text or bytes need a length; say it, as text(190)",
    "tables[0].columns[6].type: column a.hour has the type time_tz; a time of day has no zone here",
    "tables[0].foreign_keys[0].deferred: foreign key fk_a_a waits for the end of the transaction, which no key does here",
    "tables[0].checks[0].expression: check a.ck_a_1 is written in the SQL of postgresql",
    "tables[0].indexes[0].predicate: index idx_a_body has a predicate; an index is over all rows here",
    "views[0].comment: view c has a comment, which views do not keep here",
    "views[0].query: view c is written in the SQL of postgresql",
];
const SQLITE: [&str; 9] = [
    "tables[1].schema: other.b is in a schema, which the engine does not have inside of a database; leave it empty",
    "types[0].comment: type place has a comment, and the engine has no types to keep it",
    "tables[0].columns[0].identity: column a.id is an identity that only the database gives; use by_default",
    "tables[0].columns[1].type: column a.at has the composite type place",
    "tables[0].columns[2].type: column a.ip has the type inet, which only postgresql has",
    "tables[0].columns[3].type: column a.big has the type uint64; the largest number of SQLite has 63 bits",
    "tables[0].checks[0].expression: check a.ck_a_1 is written in the SQL of postgresql",
    "tables[0].indexes[1]: index idx_a_body_2 is a full-text index; SQLite has full-text tables (FTS5) in place of them",
    "views[0].query: view c is written in the SQL of postgresql",
];
