//! GetDdl: what it writes makes, on an empty database, what discovery tells the same of.

mod of_mariadb;
mod of_postgres;
mod of_sqlite;

use std::collections::BTreeMap;

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, get_ddl_request::Subject, get_ddl_response::Event, table::Details},
};
use tonic::{Code, Status};

use super::{
    answer::{assert_field, assert_refused, assert_says},
    support::{on_every_engine, register, register_sample, settings},
};
use crate::{
    conformance::Fixture,
    harness::server::{TestServer, in_time},
};

/// The statements of a database and the summary behind them.
async fn ddl(client: &Client, request: v1::GetDdlRequest) -> Result<(Vec<v1::DdlStatement>, v1::DdlSummary), Status> {
    let mut stream = client.schemas().get_ddl(request).await?.into_inner();
    let mut statements = Vec::new();
    let mut sequence = 0;
    while let Some(message) = in_time(stream.message()).await? {
        sequence += 1;
        assert_eq!(message.sequence, sequence);
        match message.event.expect("an event") {
            Event::Statement(statement) => {
                assert!(statement.sql.ends_with(';') && statement.kind != 0, "{statement:?}");
                statements.push(statement);
            }
            Event::Summary(summary) => {
                assert!(in_time(stream.message()).await?.is_none(), "the summary is the end");
                assert_counted(&statements, &summary);
                return Ok((statements, summary));
            }
        }
    }
    panic!("the stream ended without a summary");
}

fn assert_counted(statements: &[v1::DdlStatement], summary: &v1::DdlSummary) {
    assert_eq!(usize::try_from(summary.statement_count), Ok(statements.len()));
    let mut counts = BTreeMap::new();
    statements.iter().for_each(|statement| *counts.entry(statement.kind).or_default() += 1_i64);
    let told: BTreeMap<i32, i64> = summary.counts.iter().map(|count| (count.kind, count.count)).collect();
    assert_eq!(told, counts);
    assert!(summary.discovery_time.is_some() && summary.discovery_duration.is_some());
}

fn of(connection: &str) -> v1::GetDdlRequest {
    v1::GetDdlRequest { connection: connection.to_owned(), ..Default::default() }
}

fn of_table(connection: &str, schema: &str, table: &str) -> v1::GetDdlRequest {
    let subject = Some(Subject::Table(table.to_owned()));
    v1::GetDdlRequest { schema: schema.to_owned(), subject, ..of(connection) }
}

fn of_object(connection: &str, object: v1::DdlObject) -> v1::GetDdlRequest {
    v1::GetDdlRequest { subject: Some(Subject::Object(object)), ..of(connection) }
}

fn object(kind: v1::ObjectKind, name: &str) -> v1::DdlObject {
    v1::DdlObject { kind: kind.into(), name: name.to_owned(), ..Default::default() }
}

fn texts(statements: &[v1::DdlStatement]) -> Vec<&str> {
    statements.iter().map(|statement| statement.sql.as_str()).collect()
}

/// Everything that discovery tells of a registered database, by what it is of: without sizes, estimates, last numbers and privileges,
/// and with `database` instead of its name.
async fn discovered(client: &Client, connection: &str, database: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut tell = |key: String, text: String| {
        let [key, text] = [key, text].map(|text| text.replace(database, "database"));
        assert_eq!(found.insert(key, text), None, "each is told once");
    };
    let request = v1::StreamTablesRequest { connection: connection.to_owned(), ..Default::default() };
    let mut stream = client.schemas().stream_tables(request).await.unwrap().into_inner();
    while let Some(message) = in_time(stream.message()).await.unwrap() {
        match message.event.unwrap() {
            v1::stream_tables_response::Event::Table(mut table) => {
                forget_figures(&mut table);
                tell(format!("table {}.{}", table.schema, table.name), format!("{table:#?}"));
            }
            v1::stream_tables_response::Event::Summary(summary) => {
                tell("summary".to_owned(), format!("{} {:?}", summary.table_count, summary.skipped));
            }
        }
    }
    let mut request =
        v1::ListSchemaObjectsRequest { connection: connection.to_owned(), page_size: 1000, ..Default::default() };
    loop {
        let page = client.schemas().list_schema_objects(request.clone()).await.unwrap().into_inner();
        for mut object in page.objects {
            if let Some(v1::schema_object::Details::Sequence(sequence)) = &mut object.details {
                sequence.options.iter_mut().for_each(|options| options.last_value = None);
            }
            object.grants.clear();
            if let Some(v1::schema_object::Details::Namespace(schema)) = &mut object.details {
                schema.default_privileges.clear();
            }
            let v1::SchemaObject { schema, name, table, signature, .. } = &object;
            tell(format!("{:?} {schema}.{name} {table} {signature}", object.kind()), format!("{object:#?}"));
        }
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

fn forget_figures(table: &mut v1::Table) {
    table.connection.clear();
    // Privileges are not asked for.
    table.grants.clear();
    (table.row_estimate, table.data_size_bytes, table.index_size_bytes) = (0, 0, 0);
    table.indexes.iter_mut().for_each(|index| index.size_bytes = 0);
    table
        .columns
        .iter_mut()
        .filter_map(|column| column.sequence.as_mut())
        .for_each(|options| options.last_value = None);
    if let Some(Details::Mysql(details)) = &mut table.details {
        details.auto_increment = None;
        details.sequence.iter_mut().for_each(|options| options.last_value = None);
        let partitions = details.partitioning.iter_mut().flat_map(|partitioning| &mut partitioning.partitions);
        for partition in partitions {
            (partition.row_estimate, partition.data_size_bytes) = (0, 0);
            for part in &mut partition.subpartitions {
                (part.row_estimate, part.data_size_bytes) = (0, 0);
            }
        }
    }
}

fn assert_same(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) {
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (key, text) in one {
        let rebuilt = &other[key];
        if text != rebuilt {
            let lines = text.lines().zip(rebuilt.lines()).filter(|(one, other)| one != other);
            let lines: Vec<_> = lines.map(|(one, other)| format!("  {one}\n  rebuilt {other}")).collect();
            panic!("{key} is another after it was made again:\n{}", lines.join("\n"));
        }
    }
}

/// Writes the statements of a database, runs them on an empty one, and compares what discovery tells of both. Returns the statements and the
/// name of the second.
async fn rebuild(
    client: &Client,
    fixture: &impl Fixture,
    database: &str,
    skipped: &[&str],
) -> (Vec<v1::DdlStatement>, String) {
    register(client, "source", settings(&fixture.target(database))).await;
    // Who runs the statements is not who made the source.
    let with_owners = |connection: &str| v1::GetDdlRequest { include_owners: true, ..of(connection) };
    let (statements, summary) = ddl(client, with_owners("connections/source")).await.unwrap();
    let subjects: Vec<&str> = summary.skipped.iter().map(|skipped| skipped.subject.as_str()).collect();
    assert_eq!(subjects, skipped, "{:?}", summary.skipped);
    let copy = fixture.create_database().await;
    fixture.run_each(&copy, &texts(&statements)).await;
    register(client, "copy", settings(&fixture.target(&copy))).await;
    let source = discovered(client, "connections/source", database).await;
    assert_same(&source, &discovered(client, "connections/copy", &copy).await);
    let (again, _) = ddl(client, with_owners("connections/copy")).await.unwrap();
    let renamed: Vec<String> = texts(&again).iter().map(|sql| sql.replace(&copy, database)).collect();
    assert_eq!(renamed, texts(&statements), "the copy is written as its source is");
    (statements, copy)
}

on_every_engine!(a_sample_is_made_again, one_thing_alone_is_written, what_is_not_there_is_told);

async fn a_sample_is_made_again(server: &TestServer, fixture: &impl Fixture) {
    let database = fixture.create_database().await;
    fixture.run(&database, fixture.sample_sql()).await;
    let client = server.client();
    Box::pin(rebuild(&client, fixture, &database, &[])).await;
}

async fn one_thing_alone_is_written(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    register_sample(&client, fixture, "shop").await;
    let (statements, _) = ddl(&client, of_table("connections/shop", "", "orders")).await.unwrap();
    let made: Vec<_> = statements.iter().map(|statement| (statement.kind(), statement.name.as_str())).collect();
    let is_of_orders = |statement: &v1::DdlStatement| statement.name == "orders" || statement.table == "orders";
    let is_setting = |statement: &v1::DdlStatement| statement.kind() == v1::DdlKind::Setting;
    assert!(statements.iter().all(|statement| is_of_orders(statement) || is_setting(statement)), "{made:?}");
    assert!(made.contains(&(v1::DdlKind::Table, "orders")), "{made:?}");
    assert!(made.contains(&(v1::DdlKind::Trigger, "orders_audit")), "{made:?}");
    let all = texts(&statements).concat();
    assert!(all.contains("orders_by_customer") && all.contains("orders_total_positive"), "{all}");
    assert!(all.contains("orders_customer") && !all.contains("order_lines"), "{all}");

    let audit = || object(v1::ObjectKind::Trigger, "orders_audit");
    let (alone, _) = ddl(&client, of_object("connections/shop", audit())).await.unwrap();
    let trigger = |statements: &[v1::DdlStatement]| {
        let triggers = statements.iter().filter(|statement| statement.kind() == v1::DdlKind::Trigger);
        triggers.cloned().collect::<Vec<_>>()
    };
    assert_eq!(trigger(&alone), trigger(&statements));
    assert!(
        alone.iter().all(|statement| statement.kind() == v1::DdlKind::Trigger || is_setting(statement)),
        "{alone:?}"
    );
    let elsewhere = v1::DdlObject { table: "customers".to_owned(), ..audit() };
    let error = ddl(&client, of_object("connections/shop", elsewhere)).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "OBJECT_NOT_FOUND");
    let (view, _) = ddl(&client, of_table("connections/shop", "", "order_totals")).await.unwrap();
    let made = view.iter().filter(|statement| !is_setting(statement)).map(|statement| statement.kind());
    assert_eq!(made.collect::<Vec<_>>(), [v1::DdlKind::View], "{view:?}");
}

async fn what_is_not_there_is_told(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    register_sample(&client, fixture, "shop").await;
    let refused = |request: v1::GetDdlRequest| async { ddl(&client, request).await.unwrap_err() };
    let error = refused(of_table("connections/shop", "", "no_such_table")).await;
    assert_refused(&error, Code::NotFound, "TABLE_NOT_FOUND");
    assert_says(&error, "no_such_table");
    let error = refused(of_table("connections/shop", "no_such_schema", "orders")).await;
    assert_refused(&error, Code::NotFound, "TABLE_NOT_FOUND");
    let error = refused(of_object("connections/shop", object(v1::ObjectKind::Function, "no_such_thing"))).await;
    assert_refused(&error, Code::NotFound, "OBJECT_NOT_FOUND");
    assert_says(&error, "no_such_thing");
    let schema = v1::GetDdlRequest { schema: "no_such_schema".to_owned(), ..of("connections/shop") };
    let error = refused(schema).await;
    assert_refused(&error, Code::NotFound, "OBJECT_NOT_FOUND");
    assert_says(&error, "no_such_schema");

    let error = refused(of_object("connections/shop", object(v1::ObjectKind::Unspecified, "x"))).await;
    assert_field(&error, "object.kind", "OBJECT_KIND_UNSPECIFIED");
    let error = refused(of_object("connections/shop", object(v1::ObjectKind::Function, ""))).await;
    assert_field(&error, "object.name", "1 to 255");
    let misplaced = v1::DdlObject { table: "orders".to_owned(), ..object(v1::ObjectKind::Function, "x") };
    let error = refused(of_object("connections/shop", misplaced)).await;
    assert_field(&error, "object.table", "must be empty");
    let error = refused(of_table("connections/none", "", "orders")).await;
    assert_refused(&error, Code::NotFound, "CONNECTION_NOT_FOUND");
}
