//! The rules that only the strict profile has, on each engine: what they find, and that their fixes mend it.

use std::collections::BTreeSet;

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, lint_schema_response::Event},
};

use super::support::{on_every_engine, register, settings};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::server::{TestServer, in_time},
};

on_every_engine!(what_is_only_a_matter_of_agreement_is_found_and_mended);

const CONNECTION: &str = "connections/shop";
/// Names in double quotes, of which MariaDB makes others.
const SCHEMA: &str = r#"
    CREATE TABLE "Customer" (
        id bigint PRIMARY KEY, "mailAddress" varchar(100), "Zip" varchar(10), CONSTRAINT once UNIQUE ("mailAddress")
    );
    CREATE INDEX "Idx_Customer_Zip" ON "Customer" ("Zip");
    CREATE TABLE "InvoiceLine" (
        "lineId" bigint PRIMARY KEY, code varchar(20) DEFAULT 'none', customer bigint,
        CONSTRAINT code_once UNIQUE (code),
        CONSTRAINT points FOREIGN KEY (customer) REFERENCES "Customer" (id)
    );
    CREATE INDEX "byCustomer" ON "InvoiceLine" (customer);
    INSERT INTO "Customer" VALUES (1, 'first@example.org', '8001');
    INSERT INTO "InvoiceLine" VALUES (1, 'first', 1);
"#;
const FOUND: [&str; 12] = [
    // Of these three only the case of letters changes.
    "table-name Customer",
    "column-name Customer Zip",
    "index-name Customer Idx_Customer_Zip",
    "column-name Customer mailAddress",
    "nullable-unique Customer once",
    "missing-standard-columns Customer",
    "table-name InvoiceLine",
    "column-name InvoiceLine lineId",
    "index-name InvoiceLine byCustomer",
    "foreign-key-name InvoiceLine points",
    "nullable-unique InvoiceLine code_once",
    "missing-standard-columns InvoiceLine",
];

async fn lint(client: &Client) -> Vec<v1::LintFinding> {
    let request = v1::LintSchemaRequest {
        connection: CONNECTION.to_owned(),
        profile: v1::LintProfile::Strict.into(),
        ..Default::default()
    };
    let mut stream = client.schemas().lint_schema(request).await.unwrap().into_inner();
    let mut findings = Vec::new();
    while let Some(message) = in_time(stream.message()).await.unwrap() {
        if let Some(Event::Finding(finding)) = message.event {
            findings.push(finding);
        }
    }
    findings
}

/// `rule table subject` of each.
fn told(findings: &[v1::LintFinding]) -> BTreeSet<String> {
    findings.iter().map(|found| format!("{} {} {}", found.rule, found.table, found.subject).trim().to_owned()).collect()
}

fn lines(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

async fn table(client: &Client, name: &str) -> v1::Table {
    let request =
        v1::GetTableRequest { connection: CONNECTION.to_owned(), table: name.to_owned(), ..Default::default() };
    client.schemas().get_table(request).await.expect("the table has its new name").into_inner()
}

fn column<'a>(table: &'a v1::Table, name: &str) -> &'a v1::Column {
    table.columns.iter().find(|column| column.name == name).unwrap_or_else(|| panic!("no column {name}: {table:?}"))
}

/// What an engine has no statement for.
fn left_on(engine: v1::Engine) -> BTreeSet<String> {
    match engine {
        v1::Engine::Postgresql => BTreeSet::new(),
        v1::Engine::Mysql => lines(&["foreign-key-name invoice_line points"]),
        _ => lines(&[
            "foreign-key-name invoice_line points",
            "nullable-unique customer once",
            "nullable-unique invoice_line code_once",
            "missing-standard-columns customer",
            "missing-standard-columns invoice_line",
        ]),
    }
}

async fn what_is_only_a_matter_of_agreement_is_found_and_mended(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let database = fixture.create_database().await;
    let registration = settings(&fixture.target(&database));
    let engine = registration.engine();
    let schema = if engine == v1::Engine::Mysql { SCHEMA.replace('"', "`") } else { SCHEMA.to_owned() };
    fixture.run(&database, &schema).await;
    register(&client, "shop", registration).await;

    let findings = lint(&client).await;
    assert_eq!(told(&findings), lines(&FOUND), "{findings:#?}");
    let count = |rule: &str| findings.iter().filter(|found| found.rule == rule).count();
    assert_eq!(count("missing-standard-columns"), 6, "three of each table");
    // In the order in which they are told.
    for finding in &findings {
        for statement in &finding.fix {
            fixture.run(&database, statement).await;
        }
    }

    let left = lint(&client).await;
    assert_eq!(told(&left), left_on(engine), "{left:#?}");
    assert!(left.iter().all(|finding| finding.fix.is_empty()), "a fix that does not mend: {left:#?}");
    let line = table(&client, "invoice_line").await;
    let names: Vec<_> = line.indexes.iter().map(|index| index.name.as_str()).collect();
    assert!(names.contains(&"idx_invoice_line_customer") && !names.contains(&"byCustomer"), "{names:?}");
    assert!(column(&line, "code").default_expression().contains("'none'"), "{line:?}");
    assert!(column(&line, "deleted_at").nullable, "{line:?}");
    if engine == v1::Engine::Sqlite {
        return;
    }
    assert!(!column(&line, "code").nullable && !column(&line, "created_at").nullable, "{line:?}");
    // The moment of a new row is given by itself.
    fixture.run(&database, "INSERT INTO invoice_line (line_id, code, customer) VALUES (2, 'second', 1)").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_key_gets_a_name_that_nothing_else_has() {
    let (server, fixture) = (TestServer::start().await, PostgresFixture::new());
    let client = server.client();
    let database = fixture.create_database().await;
    let (long, longer) = ("l".repeat(50), "r".repeat(50));
    let schema = format!(
        "CREATE TABLE author (id bigint PRIMARY KEY);
         CREATE TABLE book (
             id bigint PRIMARY KEY, editor bigint CONSTRAINT edits REFERENCES author,
             writer bigint CONSTRAINT writes REFERENCES author
         );
         CREATE TABLE named (id bigint PRIMARY KEY, writer bigint CONSTRAINT fk_named_author_writer REFERENCES author);
         CREATE TABLE {longer} (id bigint PRIMARY KEY);
         CREATE TABLE {long} (id bigint PRIMARY KEY, other bigint CONSTRAINT points REFERENCES {longer});"
    );
    fixture.run(&database, &schema).await;
    register(&client, "shop", settings(&fixture.target(&database))).await;
    let of_keys = async || {
        let mut findings = lint(&client).await;
        findings.retain(|found| found.rule == "foreign-key-name");
        findings
    };
    let findings = of_keys().await;
    // Of two keys to one table the first is told: the second needs more than the names of the tables.
    assert_eq!(told(&findings), lines(&["foreign-key-name book edits", &format!("foreign-key-name {long} points")]));
    let statements: Vec<&str> = findings.iter().flat_map(|found| &found.fix).map(String::as_str).collect();
    assert!(
        statements.contains(&"ALTER TABLE public.book RENAME CONSTRAINT edits TO fk_book_author;"),
        "{statements:?}"
    );
    fixture.run_each(&database, &statements).await;
    let left = of_keys().await;
    assert!(left.is_empty(), "{left:#?}");
    let key = &table(&client, &long).await.foreign_keys[0];
    assert!(key.name.starts_with("fk_lll") && key.name.len() <= 63, "{key:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_a_rule_keeps_its_name_and_its_nulls() {
    let (server, fixture) = (TestServer::start().await, PostgresFixture::new());
    let client = server.client();
    let database = fixture.create_database().await;
    let schema = "
        CREATE TABLE agreed (
            id bigint PRIMARY KEY, code text CONSTRAINT odd UNIQUE NULLS NOT DISTINCT, label text NOT NULL UNIQUE,
            created_at timestamptz, updated_at timestamptz, deleted_at timestamptz
        );
        CREATE INDEX by_expression ON agreed (lower(label));";
    fixture.run(&database, schema).await;
    register(&client, "shop", settings(&fixture.target(&database))).await;
    let findings = lint(&client).await;
    assert!(findings.is_empty(), "{findings:#?}");
}
