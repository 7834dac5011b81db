//! How many digits of a second a time keeps: another number of them is another type.

use dbkeeper::grpc::{client::Client, proto::v1};

use super::{all_told, connection, database, difference, run_scripts, sql, yaml};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{mariadb::MariadbServer, postgres::PostgresServer, server::TestServer},
};

async fn generated(client: &Client, id: &str) -> v1::GenerateDdlResponse {
    let source = Some(v1::SchemaSource { source: Some(connection(id)) });
    let request = v1::GenerateDdlRequest { source, ..Default::default() };
    client.schemas().generate_ddl(request).await.unwrap().into_inner()
}

/// Changes a database to other digits and back; answers what was told.
async fn changed(client: &Client, fixture: &impl Fixture, name: &str, id: &str, target: &str) -> Vec<String> {
    let before = generated(client, id).await.yaml;
    assert_eq!(difference(client, connection(id), yaml(&before)).await.changes, []);
    let found = difference(client, connection(id), yaml(target)).await;
    run_scripts(fixture, name, &found.up).await;
    assert_eq!(difference(client, connection(id), yaml(target)).await.changes, []);
    run_scripts(fixture, name, &found.down).await;
    assert_eq!(difference(client, connection(id), yaml(&before)).await.changes, []);
    all_told(&found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_keeps_as_many_as_it_is_told() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), MariadbFixture::new());
    let before = "CREATE TABLE t (a datetime NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(), b datetime(6) NOT NULL, \
                  c timestamp(3) NOT NULL DEFAULT current_timestamp(3), d time NOT NULL);
                  INSERT INTO t (b, d) VALUES ('2001-02-03 04:05:06.789', '01:02:03');";
    let name = database(&client, &fixture, "seconds", before).await;
    let told = generated(&client, "seconds").await.yaml;
    for form in ["type: timestamp(0)", "type: timestamp\n", "type: timestamp_tz(3)", "type: time(0)"] {
        assert!(told.contains(form), "{form}: {told}");
    }
    let target = "
tables:
  - name: t
    columns:
      - {name: a, type: timestamp, default: current_timestamp, touched_on_update: true}
      - {name: b, type: timestamp(0)}
      - {name: c, type: timestamp_tz(6), default: current_timestamp}
      - {name: d, type: time(0)}
";
    assert_eq!(
        changed(&client, &fixture, &name, "seconds", target).await,
        [
            "alter column t.a (type): writes, every row",
            "alter column t.b (type): writes, every row; values of the column t.b lose digits of their seconds",
            "alter column t.c (type): writes, every row",
        ]
    );
    assert_eq!(MariadbServer::shared().sql(&name, "SELECT b FROM t"), "2001-02-03 04:05:06.000000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_as_many_as_it_is_told() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), PostgresFixture::new());
    let before = "CREATE TABLE t (a timestamp(3) NOT NULL, b timestamptz NOT NULL, c time(0) NOT NULL); \
                  INSERT INTO t VALUES ('2001-02-03 04:05:06.789', '2001-02-03 04:05:06.789Z', '01:02:03');";
    let name = database(&client, &fixture, "seconds", before).await;
    let target = "tables: [{name: t, columns: [{name: a, type: timestamp}, {name: b, type: timestamp_tz(0)}, {name: c, type: time(3)}]}]";
    assert_eq!(
        changed(&client, &fixture, &name, "seconds", target).await,
        [
            "alter column t.a (type): all",
            "alter column t.b (type): all, every row; values of the column t.b lose digits of their seconds",
            "alter column t.c (type): all",
        ]
    );
    assert_eq!(PostgresServer::shared().psql(&name, "SELECT a FROM t"), "2001-02-03 04:05:06.789");
}

/// A definition takes them as text and as a message, and no more than there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_says_them() {
    let server = TestServer::start().await;
    let client = server.client();
    let column = |found: v1::NeutralType, digits: u32| v1::ColumnDefinition {
        name: "a".to_owned(),
        r#type: Some(v1::ColumnType {
            r#type: Some(v1::column_type::Type::Neutral(v1::NeutralColumnType {
                r#type: found.into(),
                second_digits: Some(digits),
                ..Default::default()
            })),
        }),
        ..Default::default()
    };
    let ask = |column: v1::ColumnDefinition| {
        let table = v1::TableDefinition { name: "t".to_owned(), columns: vec![column], ..Default::default() };
        let definition = v1::SchemaDefinition { tables: vec![table], ..Default::default() };
        let source = Some(v1::SchemaSource { source: Some(v1::schema_source::Source::Definition(definition)) });
        let request = v1::GenerateDdlRequest { source, engine: v1::Engine::Mysql.into(), standard_columns: None };
        let client = client.clone();
        async move { client.schemas().generate_ddl(request).await.map(tonic::Response::into_inner) }
    };
    let found = ask(column(v1::NeutralType::Timestamp, 0)).await.unwrap();
    assert!(found.statements[0].sql.contains("a datetime NOT NULL"), "{found:#?}");
    assert!(found.yaml.contains("timestamp(0)"), "{}", found.yaml);
    let field = "source.definition.tables[0].columns[0].type.neutral.second_digits";
    for (column, words) in [
        (column(v1::NeutralType::TimeTz, 7), "must be at most 6"),
        (column(v1::NeutralType::Date, 0), "is for times and timestamps alone"),
    ] {
        let status = ask(column).await.unwrap_err();
        crate::rpc::answer::assert_field(&status, field, words);
    }
    let both = sql(v1::Engine::Mysql, "CREATE TABLE t (a datetime(3))");
    let told = difference(
        &client,
        both,
        yaml("tables: [{name: t, columns: [{name: a, type: timestamp(3), nullable: true}]}]"),
    )
    .await;
    assert_eq!(told.changes, []);
}
