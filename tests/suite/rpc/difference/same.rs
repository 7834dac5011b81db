//! What is the same has no difference: not with itself, not with its own definition, and not with a database that is made like it.

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, schema_source::Source},
};

use super::{
    super::support::{on_every_engine, register, settings},
    connection, difference, side,
};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{server::TestServer, sqlite::SqliteFolder},
};

async fn made(client: &Client, fixture: &impl Fixture, id: &str, sql: &str) {
    let database = fixture.create_database().await;
    fixture.run(&database, sql).await;
    register(client, id, settings(&fixture.target(&database))).await;
}

/// The definition of a database, as YAML and as the statements of its engine.
async fn generated(client: &Client, id: &str, engine: v1::Engine) -> v1::GenerateDdlResponse {
    let request =
        v1::GenerateDdlRequest { source: side(connection(id)), engine: engine.into(), standard_columns: None };
    client.schemas().generate_ddl(request).await.unwrap().into_inner()
}

#[track_caller]
fn assert_none(found: &v1::DiffSchemasResponse) {
    let changes: Vec<String> = found.changes.iter().map(super::told).collect();
    assert_eq!(changes, [] as [String; 0], "{:#?}", found.changes.first());
    assert_eq!((found.up.len(), found.down.len(), found.warnings.len()), (0, 0, 0));
    assert_eq!(super::unwritten(found), [] as [String; 0]);
}

async fn no_difference(client: &Client, fixture: &impl Fixture, sql: &str) {
    made(client, fixture, "one", sql).await;
    made(client, fixture, "other", sql).await;
    no_difference_between(client).await;
}

/// None between two that are made alike, nor between one of them and its own definition.
async fn no_difference_between(client: &Client) {
    assert_none(&difference(client, connection("one"), connection("one")).await);
    assert_none(&difference(client, connection("one"), connection("other")).await);
    let yaml = generated(client, "one", v1::Engine::Unspecified).await.yaml;
    assert_none(&difference(client, connection("one"), Source::Yaml(yaml.clone())).await);
    assert_none(&difference(client, Source::Yaml(yaml), connection("one")).await);
}

async fn a_sample_has_no_difference_with_itself(server: &TestServer, fixture: &impl Fixture) {
    no_difference(&server.client(), fixture, fixture.sample_sql()).await;
}

on_every_engine! {
    a_sample_has_no_difference_with_itself,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_everything_has_no_difference_with_itself_on_postgres() {
    let server = TestServer::start().await;
    let everything = include_str!("../../engine_postgres/everything.sql");
    no_difference(&server.client(), &PostgresFixture::new(), everything).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_everything_has_no_difference_with_itself_on_sqlite() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    no_difference(&server.client(), &folder, include_str!("../../engine_sqlite/discovery.sql")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_everything_has_no_difference_with_itself_on_mariadb() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), MariadbFixture::new());
    for id in ["one", "other"] {
        let database = crate::engine_mysql::discovery::fixture::create();
        register(&client, id, settings(&fixture.target(&database))).await;
    }
    no_difference_between(&client).await;
}
