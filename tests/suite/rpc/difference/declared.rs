//! Tables of SQLite that are made anew keep the words that their columns are declared with, and take what they took.

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, schema_source::Source},
};

use super::{connection, database, difference, sql};
use crate::{
    conformance::Fixture,
    harness::{server::TestServer, sqlite::SqliteFolder},
};

const BEFORE: &str = "CREATE TABLE item (
    id INTEGER NOT NULL PRIMARY KEY,
    title NVARCHAR(160) NOT NULL,
    price NUMERIC(10,2) DEFAULT 0.99,
    made DATETIME DEFAULT CURRENT_TIMESTAMP,
    anything,
    odd \"my type\" DEFAULT \"word\",
    count INT,
    gone VARCHAR(7)
);
CREATE TABLE kept (a VARCHAR(3) NOT NULL) ;
INSERT INTO item (title, price, anything, count) VALUES ('a', 1.50, x'00', 'three'), (5, 'free', 1.5, 3);";

async fn column(folder: &SqliteFolder, database: &str, query: &str) -> Vec<String> {
    folder.column(database, query).await
}

const TYPES: &str = "SELECT name || ' ' || type || ' ' || ifnull(dflt_value, '-') FROM pragma_table_info('item')";
const STRICT: &str = "SELECT CAST(strict AS TEXT) FROM pragma_table_list WHERE name = 'item'";
const VALUES: &str = "SELECT typeof(title) || typeof(price) || typeof(anything) || typeof(count) FROM item ORDER BY id";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_made_anew_is_declared_as_it_was() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let name = database(&client, &folder, "declared", BEFORE).await;
    let (types, values) = (column(&folder, &name, TYPES).await, column(&folder, &name, VALUES).await);
    let mut target = definition(&client, "declared").await;
    target.tables.retain(|table| table.name == "item");
    let item = &mut target.tables[0];
    item.columns.retain(|column| column.name != "gone");
    let amount = item.columns.iter_mut().find(|column| column.name == "count").unwrap();
    (amount.name, amount.nullable) = ("amount".to_owned(), false);
    let value = Some(v1::default_value::Value::Literal("1".to_owned()));
    amount.default = Some(v1::DefaultValue { value });
    item.checks.push(v1::CheckDefinition { expression: "amount <> 9".to_owned(), ..Default::default() });
    let target = || Source::Definition(target.clone());
    let renames = v1::RenameHints {
        columns: vec![v1::RenamedColumn {
            table: "item".to_owned(),
            from: "count".to_owned(),
            to: "amount".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let request = v1::DiffSchemasRequest {
        source: super::side(connection("declared")),
        target: super::side(target()),
        renames: Some(renames),
        ..Default::default()
    };
    let found = super::ask(&client, request).await.unwrap();
    let statements = |scripts: &[v1::DifferenceScript]| scripts[0].statements.clone();
    assert!(statements(&found.up).iter().any(|sql| sql.contains("item_new")), "{found:#?}");
    run(&folder, &name, &statements(&found.up)).await;
    let mut expected = types.clone();
    expected.truncate(6);
    expected.push("amount INT 1".to_owned());
    assert_eq!(column(&folder, &name, TYPES).await, expected);
    assert_eq!(column(&folder, &name, STRICT).await, ["0"]);
    assert_eq!(column(&folder, &name, VALUES.replace("count", "amount").as_str()).await, values);
    let rest = difference(&client, connection("declared"), target()).await;
    assert_eq!(rest.changes, []);
    run(&folder, &name, &statements(&found.down)).await;
    assert_eq!(column(&folder, &name, TYPES).await, types);
    assert_eq!(column(&folder, &name, STRICT).await, ["0"]);
    assert_eq!(column(&folder, &name, VALUES).await, values);
    assert_eq!(column(&folder, &name, "SELECT type FROM pragma_table_info('kept')").await, ["VARCHAR(3)"]);
}

async fn definition(client: &Client, id: &str) -> v1::SchemaDefinition {
    let source = Some(v1::SchemaSource { source: Some(connection(id)) });
    let request = v1::GenerateDdlRequest { source, ..Default::default() };
    client.schemas().generate_ddl(request).await.unwrap().into_inner().definition.unwrap()
}

async fn run(folder: &SqliteFolder, database: &str, statements: &[String]) {
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    Fixture::run_each(folder, database, &statements).await;
}

/// A table is STRICT where it was, whatever its types.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_strict_where_it_was() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    for (id, rest, more, strict) in [("strict", " STRICT", ", c ANY", "1"), ("loose", "", "", "0")] {
        let before = format!("CREATE TABLE item (id INTEGER PRIMARY KEY, a INT, b TEXT{more}){rest}");
        let name = database(&client, &folder, id, &before).await;
        let types = column(&folder, &name, TYPES).await;
        let target = sql(v1::Engine::Sqlite, &before.replace("a INT", "a INT NOT NULL"));
        let found = difference(&client, connection(id), target).await;
        run(&folder, &name, &found.up[0].statements).await;
        assert_eq!(column(&folder, &name, STRICT).await, [strict]);
        assert_eq!(column(&folder, &name, TYPES).await, types);
        run(&folder, &name, &found.down[0].statements).await;
        assert_eq!(column(&folder, &name, STRICT).await, [strict]);
    }
}
