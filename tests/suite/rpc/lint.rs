//! LintSchema: on each engine the defects that were made are found and no others, and the fixes mend what they say.

mod bad_input;
mod base;
mod defined;

use std::collections::BTreeSet;

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, lint_schema_response::Event, schema_source::Source},
};
use tonic::Code;

use super::{
    answer::{assert_field, assert_refused},
    support::{register, settings},
};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{
        server::{TestServer, in_time},
        sqlite::SqliteFolder,
    },
};

async fn lint(client: &Client, request: v1::LintSchemaRequest) -> (Vec<v1::LintFinding>, v1::LintSchemaSummary) {
    let mut stream = client.schemas().lint_schema(request).await.unwrap().into_inner();
    let mut findings = Vec::new();
    let mut sequence = 0;
    while let Some(message) = in_time(stream.message()).await.unwrap() {
        sequence += 1;
        assert_eq!(message.sequence, sequence);
        match message.event.expect("an event") {
            Event::Finding(finding) => findings.push(finding),
            Event::Summary(summary) => {
                assert!(in_time(stream.message()).await.unwrap().is_none(), "the summary is the end");
                return (findings, summary);
            }
        }
    }
    panic!("the stream ended without a summary");
}

fn request(profile: v1::LintProfile) -> v1::LintSchemaRequest {
    let connection = "connections/shop".to_owned();
    v1::LintSchemaRequest { connection, profile: profile.into(), ..Default::default() }
}

fn yaml(text: &str) -> Source {
    Source::Yaml(text.to_owned())
}

fn sql(engine: v1::Engine, text: &str) -> Source {
    Source::Sql(v1::SqlSource { engine: engine.into(), text: text.to_owned() })
}

fn connection(id: &str) -> Source {
    Source::Connection(v1::ConnectionSource { connection: format!("connections/{id}"), ..Default::default() })
}

fn side(source: Source) -> Option<v1::SchemaSource> {
    Some(v1::SchemaSource { source: Some(source) })
}

/// A look at a schema in any of its forms, by all rules.
fn look_at(source: Source) -> v1::LintSchemaRequest {
    v1::LintSchemaRequest { source: side(source), profile: v1::LintProfile::Strict.into(), ..Default::default() }
}

fn engine_of(fixture: &impl Fixture) -> v1::Engine {
    settings(&fixture.target("any")).engine()
}

/// Makes a database of what GenerateDdl writes for a source, under an id, and returns its name.
async fn make(client: &Client, fixture: &impl Fixture, id: &str, source: Source) -> String {
    let request =
        v1::GenerateDdlRequest { source: side(source), engine: engine_of(fixture).into(), ..Default::default() };
    let generated = client.schemas().generate_ddl(request).await.unwrap().into_inner();
    let database = fixture.create_database().await;
    let statements: Vec<&str> = generated.statements.iter().map(|statement| statement.sql.as_str()).collect();
    fixture.run_each(&database, &statements).await;
    register(client, id, settings(&fixture.target(&database))).await;
    database
}

/// `rule table subject` of each.
fn told(findings: &[v1::LintFinding]) -> BTreeSet<String> {
    findings.iter().map(|found| format!("{} {} {}", found.rule, found.table, found.subject).trim().to_owned()).collect()
}

fn expected(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// Makes the defects, expects them, runs every fix, and expects what is left.
async fn finds_and_mends(server: &TestServer, fixture: &impl Fixture, defects: &str, found: &[&str], left: &[&str]) {
    let client = server.client();
    let database = fixture.create_database().await;
    fixture.run(&database, defects).await;
    register(&client, "shop", settings(&fixture.target(&database))).await;

    let (findings, summary) = lint(&client, request(v1::LintProfile::Default)).await;
    assert_eq!(told(&findings), expected(found), "{findings:#?}");
    assert!(summary.skipped.is_empty(), "{summary:?}");
    let counted = summary.error_count + summary.warning_count + summary.info_count;
    assert_eq!(usize::try_from(counted), Ok(findings.len()));
    for finding in &findings {
        assert!(!finding.message.is_empty() && !finding.explanation.is_empty(), "{finding:?}");
        for statement in &finding.fix {
            fixture.run(&database, statement).await;
        }
    }
    let (findings, _) = lint(&client, request(v1::LintProfile::Default)).await;
    assert_eq!(told(&findings), expected(left), "{findings:#?}");
    assert!(findings.iter().all(|finding| finding.fix.is_empty()), "a fix that does not mend: {findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defects_of_a_postgresql_schema_are_found_and_mended() {
    let defects = "
        CREATE TABLE author (id integer PRIMARY KEY, name character(40), born timestamp);
        CREATE TABLE \"Book\" (
            isbn text COLLATE \"C\", price double precision, content json, cost money, \"order\" bigint,
            author_id integer REFERENCES author, CONSTRAINT once UNIQUE (isbn)
        );
        CREATE INDEX a ON \"Book\" (price, isbn);
        CREATE INDEX b ON \"Book\" (price, isbn);
        CREATE INDEX c ON \"Book\" (\"order\");
        CREATE INDEX d ON \"Book\" (\"order\", price);
        CREATE TABLE review (id bigint PRIMARY KEY, isbn text REFERENCES \"Book\" (isbn));
        CREATE INDEX idx_review_isbn ON review (isbn);
        CREATE VIEW known AS SELECT isbn FROM \"Book\";";
    let found = [
        "narrow-primary-key author id",
        "padded-text author name",
        "timestamp-without-time-zone author born",
        "table-without-primary-key Book",
        "inexact-money Book price",
        "json-as-text Book content",
        "money-type Book cost",
        "reserved-name Book order",
        "foreign-key-without-index Book Book_author_id_fkey",
        "duplicate-index Book b",
        "redundant-index Book c",
        "key-collation-mismatch review review_isbn_fkey",
    ];
    let left = ["reserved-name Book order", "key-collation-mismatch review review_isbn_fkey"];
    let server = TestServer::start().await;
    finds_and_mends(&server, &PostgresFixture::new(), defects, &found, &left).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defects_of_a_mariadb_schema_are_found_and_mended() {
    let defects = "
        CREATE TABLE author (id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, name char(40) NOT NULL DEFAULT 'it''s' COMMENT 'as on the cover');
        CREATE TABLE book (isbn varchar(20), price float, `order` bigint, KEY a (isbn, price), KEY b (isbn, price), KEY c (`order`),
                           KEY d (`order`, isbn)) ENGINE = MyISAM CHARACTER SET utf8mb3;";
    let found = [
        "narrow-primary-key author id",
        "padded-text author name",
        "table-without-primary-key book",
        "inexact-money book price",
        "reserved-name book order",
        "storage-engine-without-transactions book",
        "three-byte-utf8 book",
        "duplicate-index book b",
        "redundant-index book c",
    ];
    let server = TestServer::start().await;
    finds_and_mends(&server, &MariadbFixture::new(), defects, &found, &["reserved-name book order"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defects_of_an_sqlite_schema_are_found_and_mended() {
    let defects = "
        CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE \"Book\" (isbn TEXT, price REAL, author_id INTEGER REFERENCES author (id), \"order\" INT);
        CREATE INDEX a ON \"Book\" (price, isbn);
        CREATE INDEX b ON \"Book\" (price, isbn);
        CREATE INDEX c ON \"Book\" (isbn);
        CREATE INDEX d ON \"Book\" (isbn, \"order\");";
    let found = [
        "table-without-primary-key Book",
        "inexact-money Book price",
        "reserved-name Book order",
        "foreign-key-without-index Book",
        "duplicate-index Book b",
        "redundant-index Book c",
    ];
    let left = ["table-without-primary-key Book", "inexact-money Book price", "reserved-name Book order"];
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    finds_and_mends(&server, &folder, defects, &found, &left).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_switches_and_filters_choose_what_is_told() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let database = folder.create_database();
    let schema = "
        CREATE TABLE \"InvoiceLine\" (\"lineId\" INTEGER PRIMARY KEY, code TEXT UNIQUE, created_at TEXT);
        CREATE INDEX \"byCode\" ON \"InvoiceLine\" (created_at);
        CREATE TABLE unkeyed (a INT);";
    folder.run(&database, schema).await;
    register(&client, "shop", settings(&Fixture::target(&folder, &database))).await;

    let strict = v1::LintSchemaRequest { name_pattern: "Inv%".to_owned(), ..request(v1::LintProfile::Strict) };
    let (findings, summary) = lint(&client, strict.clone()).await;
    let wanted = [
        "table-name InvoiceLine",
        "column-name InvoiceLine lineId",
        "index-name InvoiceLine byCode",
        "nullable-unique InvoiceLine",
        "missing-standard-columns InvoiceLine",
    ];
    assert_eq!(told(&findings), expected(&wanted), "{findings:#?}");
    assert_eq!((summary.table_count, summary.warning_count, summary.info_count), (1, 0, 6), "{summary:?}");
    let fix = |rule: &str| findings.iter().find(|found| found.rule == rule).expect("it was found").fix.clone();
    assert_eq!(fix("table-name"), ["ALTER TABLE \"InvoiceLine\" RENAME TO invoice_line;"]);
    assert_eq!(fix("column-name"), ["ALTER TABLE \"InvoiceLine\" RENAME COLUMN \"lineId\" TO line_id;"]);
    let index = fix("index-name");
    assert_eq!(index[0], "CREATE INDEX idx_invoice_line_created_at ON \"InvoiceLine\" (created_at);");
    for statement in index.iter().chain(&fix("column-name")).chain(&fix("table-name")) {
        folder.run(&database, statement).await;
    }

    let switched = v1::LintSchemaRequest {
        enabled_rules: vec!["missing-standard-columns".to_owned()],
        disabled_rules: vec!["table-without-primary-key".to_owned()],
        ..request(v1::LintProfile::Unspecified)
    };
    let (findings, _) = lint(&client, switched).await;
    let wanted = ["missing-standard-columns invoice_line", "missing-standard-columns unkeyed"];
    assert_eq!(told(&findings), expected(&wanted), "{findings:#?}");

    let unknown = v1::LintSchemaRequest { disabled_rules: vec!["no-such-rule".to_owned()], ..strict.clone() };
    assert_field(&first_error(&client, unknown).await, "disabled_rules[0]", "table-without-primary-key");
    let pattern = v1::LintSchemaRequest { name_pattern: "a\\".to_owned(), ..strict.clone() };
    assert_field(&first_error(&client, pattern).await, "name_pattern", "backslash");
    let nowhere = v1::LintSchemaRequest { connection: "connections/nowhere".to_owned(), ..strict };
    assert_refused(&first_error(&client, nowhere).await, Code::NotFound, "CONNECTION_NOT_FOUND");
}

#[tokio::test]
async fn what_an_account_has_set_holds_where_a_call_names_no_profile() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let (client, stranger) = (server.client(), server.client_with(&server.second_account().await));
    let database = folder.create_database();
    folder.run(&database, "CREATE TABLE \"Unkeyed\" (\"theValue\" INT)").await;
    register(&client, "shop", settings(&Fixture::target(&folder, &database))).await;
    let get = async |client: &Client| {
        client.schemas().get_lint_settings(v1::GetLintSettingsRequest {}).await.unwrap().into_inner()
    };
    let update = async |settings: v1::LintSettings, paths: &[&str], validate_only: bool| {
        let update_mask = (!paths.is_empty())
            .then(|| prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
        let request = v1::UpdateLintSettingsRequest { lint_settings: Some(settings), update_mask, validate_only };
        client.schemas().update_lint_settings(request).await.map(tonic::Response::into_inner)
    };
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let unset = get(&client).await;
    assert_eq!((unset.profile(), unset.name.as_str()), (v1::LintProfile::Default, "lintSettings"));
    assert!(unset.update_time.is_none() && unset.enabled_rules.is_empty() && unset.disabled_rules.is_empty());

    let wanted = v1::LintSettings {
        profile: v1::LintProfile::Strict.into(),
        disabled_rules: ids(&["table-without-primary-key", "missing-standard-columns"]),
        etag: unset.etag.clone(),
        ..Default::default()
    };
    let tried = update(wanted.clone(), &[], true).await.unwrap();
    assert_eq!(tried.profile(), v1::LintProfile::Strict);
    assert_eq!(get(&client).await, unset, "a rehearsal was stored");
    let set = update(wanted.clone(), &[], false).await.unwrap();
    assert_eq!(set.disabled_rules, ids(&["missing-standard-columns", "table-without-primary-key"]));
    assert!(set.update_time.is_some() && set.etag != unset.etag, "{set:?}");
    assert_eq!(get(&client).await, set);
    assert_eq!(get(&stranger).await, unset, "another account has settings of its own");

    let names = expected(&["table-name Unkeyed", "column-name Unkeyed theValue"]);
    let (findings, _) = lint(&client, request(v1::LintProfile::Unspecified)).await;
    assert_eq!(told(&findings), names, "{findings:#?}");
    let switched = v1::LintSchemaRequest {
        disabled_rules: ids(&["column-name"]),
        enabled_rules: ids(&["table-without-primary-key"]),
        ..request(v1::LintProfile::Unspecified)
    };
    let (findings, _) = lint(&client, switched).await;
    assert_eq!(told(&findings), expected(&["table-name Unkeyed", "table-without-primary-key Unkeyed"]));
    let (findings, _) = lint(&client, request(v1::LintProfile::Default)).await;
    assert_eq!(told(&findings), expected(&["table-without-primary-key Unkeyed"]), "a profile leaves the settings out");

    let late = update(wanted, &[], false).await.unwrap_err();
    assert_refused(&late, Code::Aborted, "ETAG_MISMATCH");
    let off = |rules: &[&str]| v1::LintSettings { disabled_rules: ids(rules), ..Default::default() };
    let unknown = update(off(&["money-type", "no-such-rule"]), &[], false).await.unwrap_err();
    assert_field(&unknown, "lint_settings.disabled_rules[1]", "table-without-primary-key");
    let twice = update(off(&["money-type", "money-type"]), &[], false).await.unwrap_err();
    assert_field(&twice, "lint_settings.disabled_rules[1]", "again");
    let path = update(off(&[]), &["rules"], false).await.unwrap_err();
    assert_refused(&path, Code::InvalidArgument, "UNKNOWN_FIELD");
    assert_eq!(get(&client).await, set, "what was refused was stored");
    let emptied = update(v1::LintSettings::default(), &["profile", "disabled_rules"], false).await.unwrap();
    assert_eq!((emptied.profile(), emptied.disabled_rules.len()), (v1::LintProfile::Default, 0));
}

async fn first_error(client: &Client, request: v1::LintSchemaRequest) -> tonic::Status {
    match client.schemas().lint_schema(request).await {
        Err(status) => status,
        Ok(stream) => in_time(stream.into_inner().message()).await.expect_err("the request is refused"),
    }
}
