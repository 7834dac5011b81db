//! Tables and columns whose names are made to break out of their quotes, on live servers of every engine: what is asked for is
//! what is answered, what they spell is never run, and what GetDdl writes of them makes them again and nothing else.

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, get_ddl_response::Event, sample_value::Value},
};
use tonic::Code;

use super::{
    super::{
        answer::assert_refused,
        support::{on_every_engine, register, settings},
    },
    count,
};
use crate::{conformance::Fixture, harness::server::TestServer};

/// Tables in full. Each is asked for by its name and column, by a name that is not there, and with a column that is not there:
/// ten thousand identifiers an engine.
const TABLES: u32 = 2_500;
/// Tables of one database.
const BATCH: u32 = 125;
/// Longest name in bytes before its number; MariaDB makes a file of each, in which most of these characters take five.
const LONGEST: usize = 34;
const PIECES: [&str; 28] = [
    "\"",
    "'",
    "`",
    "\"\"",
    "''",
    "``",
    ";",
    "--",
    "-- ",
    "/*",
    "*/",
    "#",
    "\\",
    "\\'",
    "\\\"",
    "$$",
    "$1",
    "?",
    ":a",
    "%s",
    "%",
    "{}",
    "\n",
    "\t",
    "é",
    "表",
    "DROP TABLE canary",
    "UNION SELECT v FROM canary",
];
const ENDS: [&str; 5] =
    ["\";DROP TABLE canary;--", "`;DROP TABLE canary;-- ", "';DELETE FROM canary;--", ") FROM canary;--", "]"];

/// Names that differ from run to run of the number, and never between runs of the test.
struct Names(u64);

impl Names {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn next(&mut self, number: u32) -> String {
        let mut name = String::new();
        for _ in 0..=self.below(6) {
            let piece = PIECES[self.below(PIECES.len())];
            if name.len() + piece.len() <= LONGEST {
                name.push_str(piece);
            }
        }
        let end = ENDS[self.below(ENDS.len())];
        if name.len() + end.len() <= LONGEST {
            name.push_str(end);
        }
        // No two are the same, and none ends in a space, which MariaDB has not.
        format!("{name}{number}")
    }
}

/// The test's own quoting, which it shares with nobody.
fn quoted(engine: v1::Engine, name: &str) -> String {
    let mark = if engine == v1::Engine::Mysql { "`" } else { "\"" };
    format!("{mark}{}{mark}", name.replace(mark, &mark.repeat(2)))
}

fn sample(connection: &str, table: &str, column: &str) -> v1::SampleRowsRequest {
    v1::SampleRowsRequest {
        connection: connection.to_owned(),
        table: table.to_owned(),
        columns: vec![column.to_owned()],
        masking: v1::Masking::None.into(),
        ..Default::default()
    }
}

async fn table_names(client: &Client, connection: &str) -> Vec<String> {
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListTablesRequest {
            connection: connection.to_owned(),
            page_size: 1000,
            page_token,
            ..Default::default()
        };
        let page = client.schemas().list_tables(request).await.unwrap().into_inner();
        names.extend(page.tables.into_iter().map(|table| table.name));
        if page.next_page_token.is_empty() {
            names.sort();
            return names;
        }
        page_token = page.next_page_token;
    }
}

async fn statements(client: &Client, connection: &str) -> Vec<String> {
    let request = v1::GetDdlRequest { connection: connection.to_owned(), ..Default::default() };
    let mut stream = client.schemas().get_ddl(request).await.unwrap().into_inner();
    let mut statements = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        if let Some(Event::Statement(statement)) = message.event {
            statements.push(statement.sql);
        }
    }
    statements
}

async fn value(client: &Client, request: v1::SampleRowsRequest) -> Option<String> {
    let name = format!("{:?} {:?}", request.table, request.columns);
    let answer = client.schemas().sample_rows(request).await.expect(&name).into_inner();
    assert_eq!((answer.columns.len(), answer.rows.len()), (1, 1), "{name}");
    match answer.rows[0].values[0].value.clone() {
        Some(Value::Text(text)) => Some(text),
        other => panic!("{name}: {other:?}"),
    }
}

async fn hostile_names_are_names(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let mut names = Names(7);
    let mut number = 0;
    let all = count(TABLES);
    while number < all {
        let database = fixture.create_database().await;
        let registered = settings(&fixture.target(&database));
        let engine = registered.engine();
        let mut made =
            vec!["CREATE TABLE canary (v VARCHAR(20))".to_owned(), "INSERT INTO canary VALUES ('alive')".to_owned()];
        let mut tables = Vec::new();
        for _ in 0..BATCH.min(all - number) {
            number += 1;
            let (table, column) = (names.next(number), names.next(number));
            let quoted_table = quoted(engine, &table);
            made.push(format!("CREATE TABLE {quoted_table} ({} VARCHAR(20))", quoted(engine, &column)));
            made.push(format!("INSERT INTO {quoted_table} VALUES ('row {number}')"));
            tables.push((table, column, format!("row {number}")));
        }
        fixture.run_each(&database, &made.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let connection = register(&client, &format!("c{number}"), registered.clone()).await.name;

        for (table, column, row) in &tables {
            assert_eq!(value(&client, sample(&connection, table, column)).await.as_ref(), Some(row));
            let absent = format!("{table}x");
            let error = client.schemas().sample_rows(sample(&connection, &absent, column)).await.expect_err(&absent);
            assert_refused(&error, Code::NotFound, "TABLE_NOT_FOUND");
            let absent = format!("{column}x");
            let error = client.schemas().sample_rows(sample(&connection, table, &absent)).await.expect_err(&absent);
            assert_refused(&error, Code::NotFound, "COLUMN_NOT_FOUND");
        }
        let mut expected: Vec<String> = tables.iter().map(|(table, ..)| table.clone()).collect();
        expected.push("canary".to_owned());
        expected.sort();
        assert_eq!(table_names(&client, &connection).await, expected);
        assert_eq!(value(&client, sample(&connection, "canary", "v")).await.as_deref(), Some("alive"));

        // What is written of them makes the same names elsewhere.
        let copy = fixture.create_database().await;
        let ddl = statements(&client, &connection).await;
        fixture.run_each(&copy, &ddl.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let copied = register(&client, &format!("copy{number}"), settings(&fixture.target(&copy))).await.name;
        assert_eq!(table_names(&client, &copied).await, expected);
    }
}

on_every_engine!(hostile_names_are_names);
