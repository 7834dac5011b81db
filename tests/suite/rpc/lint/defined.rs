//! A schema that is no live database: what is found is what is found in a database that is made of it, and the fixes mend that.

use std::collections::BTreeSet;

use dbkeeper::grpc::proto::v1::{self, schema_source::Source};

use super::{connection, engine_of, expected, lint, look_at, make, side, sql, told, yaml};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{server::TestServer, sqlite::SqliteFolder},
    rpc::support::{back_up, on_every_engine, register, settings},
};

/// Something for each rule that a definition can break on every engine.
const DEFECTS: &str = include_str!("defined.yaml");
/// What each engine carries.
const SHOP: &str = include_str!("../definition/shop.yaml");

/// Indexes for searches by words, which a file has not, one of them twice.
const WORDS: &str = "
tables:
  - name: note
    columns: [{name: id, type: int64}, {name: body, type: text}, {name: title, type: text(90)}]
    primary_key: {columns: [id]}
    indexes:
      - {name: words, columns: [{column: body}, {column: title}], full_text: true}
      - {name: words_again, columns: [{column: body}, {column: title}], full_text: true}
      - {name: titles, columns: [{column: title}], full_text: true}
";

/// All of each finding but figures, schemas and statements.
fn parts(findings: &[v1::LintFinding]) -> BTreeSet<String> {
    let part = |found: &v1::LintFinding| {
        let (kind, has_fix) = (found.subject_kind().as_str_name(), !found.fix.is_empty());
        format!("{} {} {kind} {} {:?} fix: {has_fix}", found.rule, found.table, found.subject, found.columns)
    };
    let parts: BTreeSet<String> = findings.iter().map(part).collect();
    assert_eq!(parts.len(), findings.len(), "a finding is told twice: {findings:#?}");
    parts
}

fn skipped(summary: &v1::LintSchemaSummary) -> Vec<&str> {
    assert!(summary.skipped_rules.iter().all(|skipped| skipped.reason.len() > 20), "{summary:?}");
    summary.skipped_rules.iter().map(|skipped| skipped.rule.as_str()).collect()
}

/// What a definition says of a schema is what a database that is made of it says.
async fn a_definition_is_seen_as_the_database_that_is_made_of_it(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let engine = engine_of(fixture);
    for (id, text, least) in [("defects", DEFECTS, 20), ("shop", SHOP, 10), ("words", WORDS, 4)] {
        if engine == v1::Engine::Sqlite && text == WORDS {
            continue;
        }
        make(&client, fixture, id, yaml(text)).await;
        let request = v1::LintSchemaRequest { engine: engine.into(), ..look_at(yaml(text)) };
        let (of_definition, summary) = lint(&client, request).await;
        let (of_database, live) = lint(&client, look_at(connection(id))).await;
        assert_eq!(parts(&of_definition), parts(&of_database));
        assert!(of_definition.len() >= least, "{of_definition:#?}");
        let of_mysql = ["storage-engine-without-transactions", "three-byte-utf8"];
        let left_out: &[&str] = if engine == v1::Engine::Mysql { &of_mysql } else { &[] };
        assert_eq!(skipped(&summary), left_out);
        assert_eq!(usize::try_from(live.rule_count - summary.rule_count), Ok(left_out.len()));
        assert_eq!((summary.engine(), live.engine()), (engine, engine));
        assert!(summary.skipped.is_empty() && live.skipped_rules.is_empty(), "{summary:?}");
        let figures = of_definition.iter().flat_map(|found| &found.evidence);
        let mut figures = figures.filter(|evidence| matches!(evidence.name.as_str(), "row_estimate" | "size_bytes"));
        assert!(figures.all(|evidence| evidence.value == "-1"), "a figure that nobody can know");
    }
}

on_every_engine! {
    a_definition_is_seen_as_the_database_that_is_made_of_it,
}

/// Looks at SQL, makes a database of it, runs every fix there, and expects what is left.
async fn finds_and_mends(server: &TestServer, fixture: &impl Fixture, text: &str, found: &[&str], left: &[&str]) {
    let client = server.client();
    let source = || sql(engine_of(fixture), text);
    let database = make(&client, fixture, "shop", source()).await;
    let defaults = || v1::LintSchemaRequest { profile: v1::LintProfile::Default.into(), ..look_at(source()) };
    let (findings, summary) = lint(&client, defaults()).await;
    assert_eq!(told(&findings), expected(found), "{findings:#?}");
    assert_eq!(summary.table_count, i64::try_from(text.matches("CREATE TABLE").count()).unwrap());
    for statement in findings.iter().flat_map(|finding| &finding.fix) {
        fixture.run(&database, statement).await;
    }
    let live = v1::LintSchemaRequest { profile: v1::LintProfile::Default.into(), ..look_at(connection("shop")) };
    let (findings, _) = lint(&client, live).await;
    assert_eq!(told(&findings), expected(left), "{findings:#?}");
    assert!(findings.iter().all(|finding| finding.fix.is_empty()), "a fix that does not mend: {findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fixes_of_sql_of_postgresql_mend_a_database_of_it() {
    let text = "
        CREATE TABLE author (id integer PRIMARY KEY, name character(40) NOT NULL, born timestamp);
        CREATE TABLE \"Book\" (
            isbn text COLLATE \"C\", price double precision DEFAULT 1.5, content json, cost money, \"order\" bigint,
            author_id integer REFERENCES author, CONSTRAINT once UNIQUE (isbn)
        );
        CREATE INDEX a ON \"Book\" (price, isbn);
        CREATE INDEX b ON \"Book\" (price, isbn);
        CREATE INDEX c ON \"Book\" (\"order\");
        CREATE INDEX d ON \"Book\" (\"order\", price);
        CREATE TABLE review (id bigint PRIMARY KEY, isbn text REFERENCES \"Book\" (isbn));
        CREATE INDEX idx_review_isbn ON review (isbn);";
    let found = [
        "narrow-primary-key author id",
        "padded-text author name",
        "timestamp-without-time-zone author born",
        "table-without-primary-key Book",
        "inexact-money Book price",
        "json-as-text Book content",
        "money-type Book cost",
        "reserved-name Book order",
        "foreign-key-without-index Book fk_book_author",
        "duplicate-index Book b",
        "redundant-index Book c",
        "key-collation-mismatch review fk_review_book",
    ];
    let left = ["reserved-name Book order", "key-collation-mismatch review fk_review_book"];
    let server = TestServer::start().await;
    finds_and_mends(&server, &PostgresFixture::new(), text, &found, &left).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fixes_of_sql_of_mariadb_mend_a_database_of_it() {
    let text = "
        CREATE TABLE author (
            id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
            name char(40) COLLATE utf8mb4_bin NOT NULL DEFAULT 'it''s' COMMENT 'as on the cover',
            price float DEFAULT 2.5
        );
        CREATE TABLE book (
            isbn varchar(20) NOT NULL, `order` bigint, author_id int unsigned, KEY a (isbn, `order`), KEY b (isbn, `order`),
            KEY c (`order`), KEY d (`order`, isbn), FOREIGN KEY (author_id) REFERENCES reader (id)
        ) ENGINE = InnoDB;
        CREATE TABLE reader (id int unsigned NOT NULL, since datetime(3) NOT NULL, PRIMARY KEY (id, since), UNIQUE KEY once (id));";
    let found = [
        "narrow-primary-key author id",
        "padded-text author name",
        "inexact-money author price",
        "table-without-primary-key book",
        "reserved-name book order",
        "duplicate-index book b",
        "redundant-index book c",
    ];
    let server = TestServer::start().await;
    let fixture = MariadbFixture::new();
    finds_and_mends(&server, &fixture, text, &found, &["reserved-name book order"]).await;
    // Changing a type says the rest of the column again.
    let request = v1::GenerateDdlRequest { source: side(connection("shop")), ..Default::default() };
    let live = server.client().schemas().generate_ddl(request).await.unwrap().into_inner().definition.unwrap();
    let author = live.tables.iter().find(|table| table.name == "author").expect("it is there");
    let [id, name, price] = author.columns.as_slice() else { panic!("{author:#?}") };
    assert_eq!(id.identity(), v1::ColumnIdentity::ByDefault);
    assert_eq!(
        (name.comment.as_str(), name.collation.as_str(), name.nullable),
        ("as on the cover", "utf8mb4_bin", false)
    );
    let default = |column: &v1::ColumnDefinition| column.default.clone().and_then(|default| default.value);
    assert_eq!(default(name), Some(v1::default_value::Value::Literal("it's".to_owned())));
    assert_eq!(default(price), Some(v1::default_value::Value::Literal("2.5000".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fixes_of_sql_of_sqlite_mend_a_database_of_it() {
    let text = "
        CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE \"Book\" (isbn TEXT UNIQUE, price FLOAT, author_id INTEGER REFERENCES author (id), \"order\" INT);
        CREATE INDEX a ON \"Book\" (price, isbn);
        CREATE INDEX b ON \"Book\" (price, isbn);
        CREATE INDEX c ON \"Book\" (isbn);
        CREATE INDEX d ON \"Book\" (isbn, \"order\");";
    let found = [
        "table-without-primary-key Book",
        "inexact-money Book price",
        "reserved-name Book order",
        "foreign-key-without-index Book fk_book_author",
        "duplicate-index Book b",
        "duplicate-index Book c",
    ];
    let left = ["table-without-primary-key Book", "inexact-money Book price", "reserved-name Book order"];
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    finds_and_mends(&server, &folder, text, &found, &left).await;
}

/// MariaDB keeps the check of a column as a part of it, which goes where the column is said again without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fix_keeps_the_check_of_a_column_on_mariadb() {
    let (server, fixture) = (TestServer::start().await, MariadbFixture::new());
    let client = server.client();
    let text = "
        types: [{name: short, shape: {domain: {base: char(3), checks: [{expression: \"VALUE <> ''\"}]}}}]
        tables: [{name: a, columns: [{name: id, type: int64}, {name: Held, type: 'declared:short'}], primary_key: {columns: [id]}}]";
    let database = make(&client, &fixture, "shop", yaml(text)).await;
    let checks = async || {
        let request = v1::GetTableRequest {
            connection: "connections/shop".to_owned(),
            table: "a".to_owned(),
            ..Default::default()
        };
        client.schemas().get_table(request).await.unwrap().into_inner().checks
    };
    let before = checks().await;
    assert_eq!(before.len(), 1, "{before:#?}");
    let ask = async |source: Source| {
        let (engine, profile) = (v1::Engine::Mysql.into(), v1::LintProfile::Default.into());
        let (findings, _) = lint(&client, v1::LintSchemaRequest { engine, profile, ..look_at(source) }).await;
        assert_eq!(told(&findings), expected(&["padded-text a Held"]), "{findings:#?}");
        findings.into_iter().flat_map(|found| found.fix).collect::<Vec<String>>()
    };
    for source in [yaml(text), connection("shop")] {
        for statement in ask(source).await {
            fixture.run(&database, &statement).await;
        }
        assert_eq!(checks().await, before);
        fixture.run(&database, "ALTER TABLE a MODIFY COLUMN `Held` char(3) NOT NULL CHECK (`Held` <> '')").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_of_no_engine_is_judged_by_its_own_types_and_gets_no_statements() {
    let server = TestServer::start_on(&SqliteFolder::new()).await;
    let client = server.client();
    let (findings, summary) = lint(&client, look_at(yaml(DEFECTS))).await;
    let mut found = told(&findings);
    found.retain(|found| !found.starts_with("missing-standard-columns"));
    let wanted = [
        "narrow-primary-key author id",
        "padded-text author name",
        "column-name author penName",
        "nullable-unique author uq_author_pen_name",
        "duplicate-index author by_pen_name",
        "table-without-primary-key Book",
        "table-name Book",
        "inexact-money Book price",
        "foreign-key-without-index Book fk_book_author",
        "foreign-key-without-index Book fk_book_author_2",
        "duplicate-index Book b",
        "redundant-index Book c",
        "index-name author by_pen_name",
        "index-name Book a",
        "index-name Book b",
        "index-name Book c",
        "index-name Book d",
        "redundant-index review idx_review_isbn",
        "index-name review words",
        "foreign-key-name review to_book",
    ];
    assert_eq!(found, expected(&wanted), "{findings:#?}");
    assert!(findings.iter().all(|found| found.fix.is_empty()), "SQL of an engine that nobody named: {findings:#?}");
    assert_eq!(summary.engine(), v1::Engine::Unspecified);
    let of_engines =
        ["reserved-name", "storage-engine-without-transactions", "three-byte-utf8", "timestamp-without-time-zone"];
    assert_eq!(skipped(&summary), of_engines);
    assert_eq!((summary.rule_count, summary.table_count), (16, 3), "{summary:?}");
    // A rule that does not hold anyway is not skipped.
    let request = v1::LintSchemaRequest { disabled_rules: vec!["reserved-name".to_owned()], ..look_at(yaml(DEFECTS)) };
    assert_eq!(skipped(&lint(&client, request).await.1), &of_engines[1..]);
    // Named, the engine makes statements and rules of its own.
    let engine = v1::Engine::Postgresql.into();
    let (findings, summary) = lint(&client, v1::LintSchemaRequest { engine, ..look_at(yaml(DEFECTS)) }).await;
    let found = told(&findings);
    assert!(found.contains("timestamp-without-time-zone author born") && found.contains("reserved-name Book order"));
    assert!(summary.skipped_rules.is_empty(), "{summary:?}");
    let fix = findings.iter().find(|found| found.rule == "narrow-primary-key").expect("it was found").fix.clone();
    assert_eq!(fix, ["ALTER TABLE author ALTER COLUMN id TYPE bigint USING id::bigint;"]);
}

/// A definition that names one collation and leaves the other to a database does not say whether they differ.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collation_that_a_definition_leaves_open_is_told_and_not_guessed() {
    let server = TestServer::start_on(&SqliteFolder::new()).await;
    let client = server.client();
    let text = |one: &str, other: &str| {
        format!(
            "CREATE TABLE a (id varchar(9) {one} NOT NULL PRIMARY KEY);\n\
             CREATE TABLE b (id varchar(9) {other} NOT NULL PRIMARY KEY, CONSTRAINT k FOREIGN KEY (id) REFERENCES a (id));"
        )
    };
    let look = async |one: &str, other: &str| {
        let request = v1::LintSchemaRequest {
            profile: v1::LintProfile::Default.into(),
            ..look_at(sql(v1::Engine::Mysql, &text(one, other)))
        };
        let (findings, summary) = lint(&client, request).await;
        let skipped: Vec<String> = summary.skipped.into_iter().map(|skipped| skipped.subject).collect();
        (told(&findings), skipped)
    };
    let (binary, general) = ("COLLATE utf8mb4_bin", "COLLATE utf8mb4_general_ci");
    let nothing = || (BTreeSet::new(), Vec::new());
    assert_eq!(look("", "").await, nothing());
    assert_eq!(look(binary, binary).await, nothing());
    assert_eq!(look(binary, general).await, (expected(&["key-collation-mismatch b k"]), Vec::new()));
    let open = vec!["key-collation-mismatch of foreign key b (id)".to_owned()];
    assert_eq!(look(binary, "").await, (BTreeSet::new(), open.clone()));
    assert_eq!(look("", general).await, (BTreeSet::new(), open));
}

/// A backup tells what a definition of it has no place for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_backup_does_not_tell_is_skipped() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let database = Fixture::create_database(&folder).await;
    let tables = "CREATE TABLE a (b TEXT); CREATE INDEX lower1 ON a (lower(b)); CREATE INDEX lower2 ON a (lower(b));";
    Fixture::run(&folder, &database, tables).await;
    register(&client, "shop", settings(&Fixture::target(&folder, &database))).await;
    let backup = back_up(&client, "connections/shop", "first").await;
    let request =
        v1::LintSchemaRequest { profile: v1::LintProfile::Default.into(), ..look_at(Source::Backup(backup.clone())) };
    let (findings, summary) = lint(&client, request.clone()).await;
    assert_eq!(told(&findings), expected(&["table-without-primary-key a"]));
    let skipped: Vec<&str> = summary.skipped.iter().map(|skipped| skipped.subject.as_str()).collect();
    assert_eq!((skipped, summary.engine()), (vec!["index a.lower1", "index a.lower2"], v1::Engine::Sqlite));
    // The database tells more, of which nobody knows whether it is new.
    let live = v1::LintSchemaRequest { source: side(connection("shop")), ..request };
    let (findings, _) = lint(&client, live.clone()).await;
    assert_eq!(told(&findings), expected(&["table-without-primary-key a", "duplicate-index a lower2"]));
    let compared = v1::LintSchemaRequest { base: side(Source::Backup(backup)), ..live };
    let (findings, compared) = lint(&client, compared).await;
    assert_eq!((findings, compared.known_count), (vec![], 1));
    assert_eq!(compared.base_skipped, summary.skipped);
}
