//! What the scripts of DiffSchemas do to MariaDB and SQLite: the schema becomes the other and back again, and rows stay.

mod columns;
mod keys;
mod names;
mod of_mariadb;
mod of_sqlite;
mod views;

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, schema_source::Source},
};

use super::support::{register, settings};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture},
    harness::{mariadb::MariadbServer, server::TestServer, sqlite::SqliteFolder},
};

/// An engine whose rows are read with a client that is not dbkeeper's.
trait Rows: Fixture {
    /// The first column of what a query answers.
    async fn rows(&self, database: &str, query: &str) -> Vec<String>;
}

impl Rows for SqliteFolder {
    async fn rows(&self, database: &str, query: &str) -> Vec<String> {
        let text = format!("SELECT CAST(x AS TEXT) FROM (WITH found(x) AS ({query}) SELECT x FROM found)");
        self.column(database, &text).await
    }
}

impl Rows for MariadbFixture {
    async fn rows(&self, database: &str, query: &str) -> Vec<String> {
        MariadbServer::shared().sql(database, query).lines().map(str::to_owned).collect()
    }
}

fn yaml(text: &str) -> Source {
    Source::Yaml(text.to_owned())
}

fn connection(id: &str) -> Source {
    Source::Connection(v1::ConnectionSource { connection: format!("connections/{id}"), ..Default::default() })
}

/// `table.from to`, and for a table `from to`.
fn hints(tables: &[(&str, &str)], columns: &[(&str, &str, &str)]) -> v1::RenameHints {
    let table = |(from, to): &(&str, &str)| v1::RenamedObject {
        schema: String::new(),
        from: (*from).to_owned(),
        to: (*to).to_owned(),
    };
    let column = |(table, from, to): &(&str, &str, &str)| v1::RenamedColumn {
        schema: String::new(),
        table: (*table).to_owned(),
        from: (*from).to_owned(),
        to: (*to).to_owned(),
    };
    v1::RenameHints {
        types: Vec::new(),
        tables: tables.iter().map(table).collect(),
        columns: columns.iter().map(column).collect(),
    }
}

async fn diff(client: &Client, source: Source, target: Source, renames: v1::RenameHints) -> v1::DiffSchemasResponse {
    let side = |source| Some(v1::SchemaSource { source: Some(source) });
    let request = v1::DiffSchemasRequest {
        source: side(source),
        target: side(target),
        renames: Some(renames),
        ..Default::default()
    };
    let answer = Box::pin(async move { client.schemas().diff_schemas(request).await }).await;
    answer.expect("the schemas are compared").into_inner()
}

/// A database that is made of a definition and registered; returns its name.
async fn make(client: &Client, fixture: &impl Fixture, id: &str, schema: &str) -> String {
    let engine = settings(&fixture.target("any")).engine;
    let source = Some(v1::SchemaSource { source: Some(yaml(schema)) });
    let request = v1::GenerateDdlRequest { source, engine, standard_columns: None };
    let answer = Box::pin(async move { client.schemas().generate_ddl(request).await }).await;
    let statements = answer.expect("the definition is written").into_inner().statements;
    let database = fixture.create_database().await;
    let statements: Vec<&str> = statements.iter().map(|statement| statement.sql.as_str()).collect();
    fixture.run_each(&database, &statements).await;
    register(client, id, settings(&fixture.target(&database))).await;
    database
}

fn statements(scripts: &[v1::DifferenceScript]) -> Vec<&str> {
    scripts.iter().flat_map(|script| &script.statements).map(String::as_str).collect()
}

/// A database before and after a change.
struct Changed {
    /// Its name.
    database: String,
    /// What was answered.
    answer: v1::DiffSchemasResponse,
}

impl Changed {
    /// The one change of something.
    #[track_caller]
    fn of(&self, action: v1::ChangeAction, kind: v1::ChangedKind, name: &str) -> &v1::SchemaChange {
        let found: Vec<&v1::SchemaChange> = self
            .answer
            .changes
            .iter()
            .filter(|change| (change.action(), change.kind(), change.name.as_str()) == (action, kind, name))
            .collect();
        let [change] = found.as_slice() else {
            panic!("{action:?} {kind:?} {name}: {found:#?} of {:#?}", self.answer.changes)
        };
        change
    }

    fn up(&self) -> Vec<&str> {
        statements(&self.answer.up)
    }
}

/// Brings a database with rows from one schema to another; it then is as one that was made of the other.
async fn change(
    server: &TestServer,
    fixture: &impl Fixture,
    [from, to]: [&str; 2],
    rows: &str,
    renames: v1::RenameHints,
) -> Changed {
    let client = server.client();
    let database = make(&client, fixture, "is", from).await;
    make(&client, fixture, "was", from).await;
    make(&client, fixture, "is-to-be", to).await;
    if !rows.is_empty() {
        fixture.run(&database, rows).await;
    }
    let answer = diff(&client, connection("is"), connection("is-to-be"), renames.clone()).await;
    assert_ne!(answer.changes, [], "nothing changes");
    fixture.run_each(&database, &statements(&answer.up)).await;
    let rest = diff(&client, connection("is"), connection("is-to-be"), v1::RenameHints::default()).await;
    assert_eq!(rest.changes, [], "{:#?}", statements(&answer.up));
    let rest = diff(&client, connection("is"), yaml(to), v1::RenameHints::default()).await;
    let rest: Vec<_> = rest.changes.iter().filter(|change| change.kind() != v1::ChangedKind::View).collect();
    assert!(rest.is_empty(), "the definition: {rest:#?}");
    Changed { database, answer }
}

/// Brings a changed database back; it then is as it was.
async fn revert(server: &TestServer, fixture: &impl Fixture, changed: &Changed) {
    let client = server.client();
    let down = statements(&changed.answer.down);
    fixture.run_each(&changed.database, &down).await;
    let rest = diff(&client, connection("is"), connection("was"), v1::RenameHints::default()).await;
    assert_eq!(rest.changes, [], "{down:#?}");
}

async fn assert_rows(fixture: &impl Rows, database: &str, count: &str, expected: usize) {
    assert_eq!(fixture.rows(database, count).await, [expected.to_string()], "{count}");
}
