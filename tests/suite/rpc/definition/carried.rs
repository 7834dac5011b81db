//! From one engine to another, and what only one of them has.

use dbkeeper::grpc::proto::v1;

use super::{
    super::support::{register, settings},
    POSTGRES, SHOP, assert_same, connection, exported, folded, generate, make, read, script, yaml,
};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{server::TestServer, sqlite::SqliteFolder},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_database_is_carried_to_mariadb_and_sqlite() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    make(&client, &PostgresFixture::new(), "source", yaml(SHOP)).await;
    let definition = read(&client, SHOP).await;

    make(&client, &MariadbFixture::new(), "mariadb", connection("source")).await;
    assert_same(&exported(&client, "mariadb").await, &folded(definition.clone(), v1::Engine::Mysql));
    make(&client, &folder, "sqlite", connection("source")).await;
    assert_same(&exported(&client, "sqlite").await, &folded(definition, v1::Engine::Sqlite));
}

/// Everything that PostgreSQL has comes back; a view comes back in the words of the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_postgresql_alone_has_comes_back() {
    let server = TestServer::start().await;
    let client = server.client();
    let fixture = PostgresFixture::new();
    make(&client, &fixture, "first", yaml(POSTGRES)).await;
    let mut first = exported(&client, "first").await;
    make(&client, &fixture, "second", connection("first")).await;
    assert_eq!(exported(&client, "second").await, first);

    let mut given = read(&client, POSTGRES).await;
    for view in first.views.iter_mut().chain(&mut given.views) {
        view.query.clear();
        view.engine = v1::Engine::Unspecified.into();
    }
    let sort = |definition: &mut v1::SchemaDefinition| {
        definition.types.sort_by_key(|found| (found.schema.clone(), found.name.clone()))
    };
    sort(&mut first);
    sort(&mut given);
    assert_eq!(first.views, given.views);
    assert_same(&first, &given);
}

/// What has no place in a definition is told, object by object.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_place_in_a_definition_is_told() {
    let server = TestServer::start().await;
    let client = server.client();
    let fixture = PostgresFixture::new();
    let database = fixture.create_database().await;
    let sql = "CREATE TABLE a (id int PRIMARY KEY, x text, span int4range, EXCLUDE USING gist (span WITH &&));
        CREATE UNIQUE INDEX by_lower ON a (lower(x));
        CREATE INDEX by_hash ON a USING hash (x);
        CREATE TABLE p (id int) PARTITION BY LIST (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
        CREATE MATERIALIZED VIEW m AS SELECT 1 AS x;
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();
        CREATE TABLE \"A\" (id int);
        CREATE TABLE r (p_id int, a_id int REFERENCES a ON DELETE CASCADE DEFERRABLE);";
    fixture.run(&database, sql).await;
    register(&client, "odd", settings(&fixture.target(&database))).await;
    let answer = generate(&client, connection("odd"), v1::Engine::Postgresql).await.unwrap();
    let mut told: Vec<&str> = answer.unmapped.iter().map(|found| found.object.as_str()).collect();
    told.sort_unstable();
    let expected = [
        "exclusion a.a_span_excl",
        "foreign key r (a_id)",
        "function f",
        "index a.by_hash",
        "index a.by_lower",
        "materialised view m",
        "option of foreign key r (a_id)",
        "partitioned table p",
        "table a",
        "table p1",
        "trigger a.t",
    ];
    assert_eq!(told, expected, "{:#?}", answer.unmapped);
    assert!(answer.unmapped.iter().all(|found| found.reason.len() > 10), "{:#?}", answer.unmapped);
    let names: Vec<String> = answer.definition.clone().unwrap().tables.into_iter().map(|table| table.name).collect();
    assert_eq!(names, ["A", "r"]);
    let other = fixture.create_database().await;
    fixture.run(&other, &script(&answer)).await;
}
