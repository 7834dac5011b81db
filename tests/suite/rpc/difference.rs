//! DiffSchemas: what is told of each change, what is refused, and that the scripts are migrations.
//!
//! That the scripts do what they say is proved with random schemas in `schema_difference`.

mod across;
mod backups;
mod bad_input;
mod declared;
mod identity;
mod locks;
mod lost;
mod postgres;
mod same;
mod scripts;
mod seconds;
mod taken;
mod texts;
mod unread;

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, schema_source::Source},
};
use tonic::Status;

use super::support::{apply, ended, file, migration_set, register, settings};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::server::TestServer,
};

fn yaml(text: &str) -> Source {
    Source::Yaml(text.to_owned())
}

fn connection(id: &str) -> Source {
    Source::Connection(v1::ConnectionSource { connection: format!("connections/{id}"), ..Default::default() })
}

fn side(source: Source) -> Option<v1::SchemaSource> {
    Some(v1::SchemaSource { source: Some(source) })
}

async fn ask(client: &Client, request: v1::DiffSchemasRequest) -> Result<v1::DiffSchemasResponse, Status> {
    let answer = Box::pin(async move { client.schemas().diff_schemas(request).await }).await?;
    Ok(answer.into_inner())
}

async fn difference(client: &Client, source: Source, target: Source) -> v1::DiffSchemasResponse {
    let request = v1::DiffSchemasRequest { source: side(source), target: side(target), ..Default::default() };
    ask(client, request).await.unwrap()
}

fn sql(engine: v1::Engine, text: &str) -> Source {
    Source::Sql(v1::SqlSource { engine: engine.into(), text: text.to_owned() })
}

/// Makes a database by statements under an id, and returns its name.
async fn database(client: &Client, fixture: &impl Fixture, id: &str, sql: &str) -> String {
    let database = fixture.create_database().await;
    fixture.run(&database, sql).await;
    register(client, id, settings(&fixture.target(&database))).await;
    database
}

/// Runs scripts statement by statement with a driver that is not dbkeeper's.
async fn run_scripts(fixture: &impl Fixture, database: &str, scripts: &[v1::DifferenceScript]) {
    for script in scripts {
        let statements: Vec<&str> = script.statements.iter().map(String::as_str).collect();
        fixture.run_each(database, &statements).await;
    }
}

/// Makes a database of a definition under an id, and returns its name.
async fn make(client: &Client, fixture: &impl Fixture, id: &str, definition: &str) -> String {
    let request = v1::GenerateDdlRequest {
        source: side(yaml(definition)),
        engine: settings(&fixture.target("any")).engine,
        ..Default::default()
    };
    let generated = client.schemas().generate_ddl(request).await.unwrap().into_inner();
    let database = fixture.create_database().await;
    let statements: Vec<&str> = generated.statements.iter().map(|statement| statement.sql.as_str()).collect();
    fixture.run_each(&database, &statements).await;
    register(client, id, settings(&fixture.target(&database))).await;
    database
}

/// A change in a line: what, what others wait for, what is lost, and when it fails.
fn told(change: &v1::SchemaChange) -> String {
    let word = |text: &str, prefix: &str| text.trim_start_matches(prefix).to_lowercase().replace('_', " ");
    let action = word(change.action().as_str_name(), "CHANGE_ACTION_");
    let kind = word(change.kind().as_str_name(), "CHANGED_KIND_");
    let lock = word(change.lock().as_str_name(), "CHANGE_LOCK_");
    let name = match change.table.is_empty() || change.table == change.name {
        true => change.name.clone(),
        false => format!("{}.{}", change.table, change.name),
    };
    let attributes: Vec<String> =
        change.attributes().map(|attribute| word(attribute.as_str_name(), "COLUMN_ATTRIBUTE_")).collect();
    let parts = [
        (!attributes.is_empty(), format!(" ({})", attributes.join(", "))),
        (true, format!(": {lock}")),
        (change.reads_every_row, ", every row".to_owned()),
        (!change.data_loss.is_empty(), format!("; {}", change.data_loss)),
        (!change.may_fail.is_empty(), format!("; {}", change.may_fail)),
    ];
    let parts = parts.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text);
    format!("{action} {kind} {name}{}", parts.collect::<String>())
}

/// Differences that no script makes, each in a line: what would have become of it, and why it does not.
fn unwritten(answer: &v1::DiffSchemasResponse) -> Vec<String> {
    let line = |found: &v1::UnwrittenDifference| {
        assert!(!found.reason.is_empty(), "{found:?}");
        let action = found.action().as_str_name().trim_start_matches("CHANGE_ACTION_").to_lowercase();
        let cause = found.cause().as_str_name().trim_start_matches("UNWRITTEN_CAUSE_").to_lowercase();
        format!("{action} {}: {}", found.object, cause.replace('_', " "))
    };
    let mut lines: Vec<String> = answer.unwritten.iter().map(line).collect();
    lines.sort();
    lines
}

#[track_caller]
fn assert_no_script(answer: &v1::DiffSchemasResponse) {
    assert_eq!(all_told(answer), [] as [String; 0], "{:#?}", answer.up);
    assert_eq!((answer.up.len(), answer.down.len()), (0, 0));
}

fn all_told(answer: &v1::DiffSchemasResponse) -> Vec<String> {
    let mut lines: Vec<String> = answer.changes.iter().map(told).collect();
    lines.sort();
    lines
}

/// The scripts go through a migration set, as any migration does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_are_migrations() {
    let server = TestServer::start().await;
    let client = server.client();
    let before = "types: [{name: mood, shape: {enum: [bad]}}]\n\
                  tables: [{name: artist, columns: [{name: id, type: int64, identity: by_default}, {name: name, type: text, nullable: true}], primary_key: {columns: [id]}}]";
    let after = "types: [{name: mood, shape: {enum: [bad, good]}}]\n\
                 tables: [{name: artist, columns: [{name: id, type: int64, identity: by_default}, {name: name, type: text}, {name: mood, type: 'declared:mood', default: {literal: good}, nullable: true}, {name: updated_at, type: timestamp_tz, default: current_timestamp, touched_on_update: true}], primary_key: {columns: [id]}, indexes: [{columns: [{column: name}]}]}]";
    let database = make(&client, &PostgresFixture::new(), "music", before).await;
    PostgresFixture::new().run(&database, "INSERT INTO artist (name) VALUES ('AC/DC')").await;
    let found = difference(&client, connection("music"), yaml(after)).await;
    let is_plain: Vec<bool> = found.up.iter().map(|script| script.transactional).collect();
    assert_eq!(is_plain, [true, true, false, false, true], "{:#?}", found.up);
    let files = found.up.iter().enumerate();
    let files = files.map(|(number, script)| file(&format!("{number:03}_step.sql"), &script.content)).collect();
    let set = migration_set(&client, "steps", files).await;
    let operation = client.migrations().apply_migrations(apply(&set, "connections/music")).await.unwrap().into_inner();
    let operation = ended(&client, operation).await;
    assert_eq!(operation.state(), v1::OperationState::Succeeded, "{operation:?}");
    let again = difference(&client, connection("music"), yaml(after)).await;
    assert_eq!(again.changes, []);
    // The table that migrations are noted in is not of the schema, and is not dropped.
    let left_out: Vec<&str> = again.source_unmapped.iter().map(|found| found.object.as_str()).collect();
    assert_eq!(left_out, ["table dbkeeper_migrations"]);
}
