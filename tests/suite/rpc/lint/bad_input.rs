//! What LintSchema refuses, with the field and what to do.

use dbkeeper::grpc::proto::v1::{self, schema_source::Source};
use tonic::Code;
use tonic_types::StatusExt;

use super::{connection, first_error, look_at, side, sql, yaml};
use crate::{
    conformance::Fixture,
    harness::{server::TestServer, sqlite::SqliteFolder},
    rpc::{
        answer::{assert_field, assert_refused},
        support::{register, settings},
    },
};

const NOTHING: &str = "tables: []";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_looked_at_is_given_once() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let database = folder.create_database();
    register(&client, "shop", settings(&Fixture::target(&folder, &database))).await;
    let shop = || "connections/shop".to_owned();
    let given = || look_at(yaml(NOTHING));
    let mysql: i32 = v1::Engine::Mysql.into();
    for (request, field, cure) in [
        (v1::LintSchemaRequest::default(), "connection", "or give a schema as `source`"),
        (v1::LintSchemaRequest { base: side(yaml(NOTHING)), ..Default::default() }, "connection", "is required"),
        (v1::LintSchemaRequest { connection: shop(), ..given() }, "source", "look at one of the two"),
        (v1::LintSchemaRequest { schema: "main".to_owned(), ..given() }, "schema", "is of `connection` alone"),
        (
            v1::LintSchemaRequest { name_pattern: "a%".to_owned(), ..given() },
            "name_pattern",
            "is of `connection` alone",
        ),
        (
            v1::LintSchemaRequest { source: Some(v1::SchemaSource::default()), ..Default::default() },
            "source",
            "is required",
        ),
        (v1::LintSchemaRequest { base: Some(v1::SchemaSource::default()), ..given() }, "base", "is required"),
        (
            v1::LintSchemaRequest { connection: shop(), engine: mysql, ..Default::default() },
            "engine",
            "the database is of sqlite",
        ),
        (v1::LintSchemaRequest { engine: mysql, ..look_at(connection("shop")) }, "engine", "leave it unspecified"),
        (v1::LintSchemaRequest { engine: 99, ..given() }, "engine", "99"),
        (
            v1::LintSchemaRequest { enabled_rules: vec!["no-such-rule".to_owned()], ..given() },
            "enabled_rules[0]",
            "table-without-primary-key",
        ),
    ] {
        let status = first_error(&client, request.clone()).await;
        assert_refused(&status, Code::InvalidArgument, "INVALID_FIELD");
        assert_field(&status, field, cure);
    }
    // An engine that the database is of may be named.
    let named = v1::LintSchemaRequest { engine: v1::Engine::Sqlite.into(), ..look_at(connection("shop")) };
    super::lint(&client, named).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_cannot_be_is_refused_with_its_place() {
    let server = TestServer::start_on(&SqliteFolder::new()).await;
    let client = server.client();
    let table = "tables: [{name: a, columns: [{name: id, type: int64}], primary_key: {columns: [id]}";
    let twice = yaml(&format!("{table}}}, {{name: A, columns: [{{name: x, type: int64}}]}}]"));
    let nowhere = yaml(&format!("{table}, foreign_keys: [{{columns: [id], referenced_table: nowhere}}]}}]"));
    let broken = sql(v1::Engine::Postgresql, "CREATE TABLE a (id int);\nCREATE TABLE b (id int,,);");
    let large = yaml(&" ".repeat(1024 * 1024 + 1));
    for (source, field, cure) in [
        (&twice, "yaml.tables[1].name", "the same name where case does not count"),
        (&nowhere, "yaml.tables[0].foreign_keys[0].referenced_table", "there is no table \"nowhere\""),
        (&broken, "sql.text", "line 2, column 24"),
        (&large, "yaml", "must be at most 1048576 bytes"),
    ] {
        let as_base = v1::LintSchemaRequest { base: side(source.clone()), ..look_at(yaml(NOTHING)) };
        for (request, path) in [(look_at(source.clone()), "source"), (as_base, "base")] {
            let status = first_error(&client, request).await;
            assert_refused(&status, Code::InvalidArgument, "INVALID_FIELD");
            assert_field(&status, &format!("{path}.{field}"), cure);
            if field == "sql.text" {
                let metadata = status.get_details_error_info().unwrap().metadata;
                assert_eq!((metadata["line"].as_str(), metadata["column"].as_str()), ("2", "24"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_somebody_else_is_not_there() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let (client, stranger) = (server.client(), server.client_with(&server.second_account().await));
    let database = folder.create_database();
    register(&client, "shop", settings(&Fixture::target(&folder, &database))).await;
    let backup = Source::Backup("connections/shop/backups/none".to_owned());
    for (source, reason) in [(connection("shop"), "CONNECTION_NOT_FOUND"), (backup, "BACKUP_NOT_FOUND")] {
        let as_base = v1::LintSchemaRequest { base: side(source.clone()), ..look_at(yaml(NOTHING)) };
        for request in [look_at(source), as_base] {
            assert_refused(&first_error(&stranger, request).await, Code::NotFound, reason);
        }
    }
}

/// What nobody reads any more is not looked at to its end, and holds up no server that stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_ends_the_look_at_a_definition() {
    let server = TestServer::start_on(&SqliteFolder::new()).await;
    let column = |number: usize| v1::ColumnDefinition {
        name: format!("theColumn{number}"),
        r#type: Some(v1::ColumnType {
            r#type: Some(v1::column_type::Type::Neutral(v1::NeutralColumnType {
                r#type: v1::NeutralType::Int64.into(),
                ..Default::default()
            })),
        }),
        ..Default::default()
    };
    let table = |number: usize| v1::TableDefinition {
        name: format!("t{number}"),
        columns: (0..20).map(column).collect(),
        ..Default::default()
    };
    let tables = (0..1_500).map(table).collect();
    let definition = Source::Definition(v1::SchemaDefinition { tables, ..Default::default() });
    let mut stream = server.client().schemas().lint_schema(look_at(definition)).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    drop(stream);
    server.stop().await;
}
