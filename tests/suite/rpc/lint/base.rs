//! What a change makes worse: findings that a schema has and the one before it has not.

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, schema_source::Source},
};

use super::{connection, engine_of, expected, lint, look_at, make, side, sql, told, yaml};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{server::TestServer, sqlite::SqliteFolder},
    rpc::support::{back_up, on_every_engine, register, register_sample, settings},
};

/// A schema with findings of its own.
const BEFORE: &str = "
tables:
  - name: author
    columns: [{name: id, type: int32}, {name: name, type: text(40)}]
    primary_key: {columns: [id]}
  - name: book
    columns: [{name: price, type: float64, nullable: true}, {name: title, type: text(40)}]
    indexes: [{name: a, columns: [{column: title}]}]
";
/// The same after a change for the worse: a key that no index serves, a second index on the same column, a sum of money in a binary
/// fraction, and a table without a key.
const AFTER: &str = "
tables:
  - name: author
    columns: [{name: id, type: int32}, {name: name, type: text(40)}, {name: fee, type: float64, nullable: true}]
    primary_key: {columns: [id]}
  - name: book
    columns: [{name: price, type: float64, nullable: true}, {name: title, type: text(40)}]
    indexes: [{name: a, columns: [{column: title}]}, {name: b, columns: [{column: title}]}]
  - name: note
    columns: [{name: author_id, type: int32}, {name: body, type: text}]
    foreign_keys: [{columns: [author_id], referenced_table: author}]
";

async fn worse(client: &Client, source: Source, base: Source) -> (Vec<v1::LintFinding>, v1::LintSchemaSummary) {
    let request = v1::LintSchemaRequest {
        base: side(base),
        profile: v1::LintProfile::Default.into(),
        enabled_rules: vec!["missing-standard-columns".to_owned(), "foreign-key-name".to_owned()],
        ..look_at(source)
    };
    lint(client, request).await
}

/// Whether a side is a live database or a definition, the same is told of the change.
async fn what_a_change_makes_worse_is_told(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let engine = engine_of(fixture);
    let before = make(&client, fixture, "before", yaml(BEFORE)).await;
    make(&client, fixture, "after", yaml(AFTER)).await;
    let (had, _) = worse(&client, connection("before"), yaml("tables: []")).await;
    let mut wanted = vec![
        "inexact-money author fee",
        "duplicate-index book b",
        "table-without-primary-key note",
        "missing-standard-columns note",
    ];
    if engine != v1::Engine::Mysql {
        wanted.push("foreign-key-without-index note fk_note_author");
    }
    let sides = |id: &str, text: &str| [connection(id), yaml(text)];
    for source in sides("after", AFTER) {
        for base in sides("before", BEFORE) {
            let (found, summary) = worse(&client, source.clone(), base.clone()).await;
            // One that is of no engine, against one that is of none, is judged by its own types.
            let is_neutral = matches!((&source, &base), (Source::Yaml(_), Source::Yaml(_)));
            let mut wanted = expected(&wanted);
            if is_neutral {
                wanted.insert("foreign-key-without-index note fk_note_author".to_owned());
            }
            assert_eq!(told(&found), wanted, "{source:?} {base:?}: {found:#?}");
            let known = usize::try_from(summary.known_count).unwrap();
            assert!(if is_neutral { known >= had.len() } else { known == had.len() }, "{known} of {had:#?}");
            let told = summary.error_count + summary.warning_count + summary.info_count;
            assert_eq!(usize::try_from(told), Ok(found.len()), "{summary:?}");
            assert_eq!(summary.engine(), if is_neutral { v1::Engine::Unspecified } else { engine });
            assert!(summary.base_skipped.is_empty(), "{summary:?}");
        }
    }
    // Nothing is worse than itself, nor better than what is worse.
    for source in sides("before", BEFORE) {
        for base in sides("before", BEFORE).into_iter().chain(sides("after", AFTER)) {
            let (found, _) = worse(&client, source.clone(), base).await;
            assert_eq!(found, []);
        }
    }
    // Figures change, and the finding stays what it was.
    fixture.run(&before, "INSERT INTO book (price, title) VALUES (1, 'a'), (2, 'b'), (3, 'c')").await;
    let (found, summary) = worse(&client, connection("before"), yaml(BEFORE)).await;
    assert_eq!((found, usize::try_from(summary.known_count)), (vec![], Ok(had.len())));
}

/// A database is no worse than the backup that was taken of it, whatever a definition has no place for.
async fn nothing_is_worse_than_a_backup_of_itself(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let database = register_sample(&client, fixture, "shop").await;
    let backup = back_up(&client, "connections/shop", "first").await;
    let ask = |base: Source| v1::LintSchemaRequest { base: side(base), ..look_at(connection("shop")) };
    let (found, summary) = lint(&client, ask(Source::Backup(backup.clone()))).await;
    assert_eq!(found, [], "{summary:#?}");
    assert!(summary.known_count > 10 && !summary.base_skipped.is_empty(), "{summary:#?}");
    let (found, summary) = lint(&client, ask(connection("shop"))).await;
    assert_eq!(found, []);
    assert!(summary.known_count > 10, "{summary:#?}");
    fixture.run(&database, "CREATE TABLE came_later (id int)").await;
    let (found, _) = lint(&client, ask(Source::Backup(backup))).await;
    let wanted = ["table-without-primary-key came_later", "missing-standard-columns came_later"];
    assert_eq!(told(&found), expected(&wanted), "{found:#?}");
}

on_every_engine! {
    what_a_change_makes_worse_is_told,
    nothing_is_worse_than_a_backup_of_itself,
}

/// SQL that leaves names out is compared to a database that its server gave names to.
async fn keys_are_known_by_their_columns(server: &TestServer, fixture: &impl Fixture, text: &str, more: &str) {
    let client = server.client();
    let database = fixture.create_database().await;
    fixture.run(&database, text).await;
    register(&client, "shop", settings(&fixture.target(&database))).await;
    let source = |text: &str| sql(engine_of(fixture), text);
    let ask = async |source: Source| {
        let rules = ["nullable-unique".to_owned()].to_vec();
        let profile = v1::LintProfile::Default.into();
        let base = side(connection("shop"));
        lint(&client, v1::LintSchemaRequest { base, profile, enabled_rules: rules, ..look_at(source) }).await
    };
    let (found, summary) = ask(source(text)).await;
    assert_eq!((found, summary.known_count), (vec![], 3), "{summary:?}");
    let (found, _) = ask(source(&format!("{text}{more}"))).await;
    let mut columns: Vec<_> = found.iter().map(|found| (found.rule.as_str(), found.columns.join(","))).collect();
    columns.sort_unstable();
    let wanted = [("foreign-key-without-index", "other_id".to_owned()), ("nullable-unique", "other_id".to_owned())];
    assert_eq!(columns, wanted, "{found:#?}");
}

/// Keys without a name, a change that adds such keys, and three findings before it.
const UNNAMED: &str = "
    CREATE TABLE author (id bigint PRIMARY KEY);
    CREATE TABLE book (id bigint PRIMARY KEY, isbn varchar(20), author_id bigint REFERENCES author (id), UNIQUE (isbn, author_id));";
const MORE_UNNAMED: &str = "
    CREATE TABLE shelf (id bigint PRIMARY KEY, a bigint NOT NULL, other_id bigint REFERENCES author (id), UNIQUE (a, other_id));";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_without_a_name_are_known_on_postgresql() {
    let server = TestServer::start().await;
    keys_are_known_by_their_columns(&server, &PostgresFixture::new(), UNNAMED, MORE_UNNAMED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_without_a_name_are_known_on_sqlite() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    keys_are_known_by_their_columns(&server, &folder, UNNAMED, MORE_UNNAMED).await;
}

/// Without an engine names are compared as they are written; what differs in case alone is the same, and any other name is new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_name_is_another_thing_and_another_case_is_not() {
    let server = TestServer::start_on(&SqliteFolder::new()).await;
    let client = server.client();
    let table = |name: &str| yaml(&format!("tables: [{{name: {name}, columns: [{{name: price, type: float64}}]}}]"));
    let ask = async |source: Source, base: Source| {
        let request = v1::LintSchemaRequest { profile: v1::LintProfile::Default.into(), ..look_at(source) };
        lint(&client, v1::LintSchemaRequest { base: side(base), ..request }).await
    };
    let (found, summary) = ask(table("Album"), table("album")).await;
    assert_eq!((found, summary.known_count), (vec![], 2));
    let (found, summary) = ask(table("record"), table("album")).await;
    let wanted = ["table-without-primary-key record", "inexact-money record price"];
    assert_eq!((told(&found), summary.known_count), (expected(&wanted), 0));
}

/// Of two tables of a live database whose names differ in case alone, the one that came is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_differs_in_case_from_another_is_new() {
    let server = TestServer::start().await;
    let client = server.client();
    let fixture = PostgresFixture::new();
    let database = fixture.create_database().await;
    fixture.run(&database, "CREATE TABLE track (id text); CREATE TABLE \"Track\" (id text)").await;
    register(&client, "shop", settings(&fixture.target(&database))).await;
    let request = v1::LintSchemaRequest {
        base: side(yaml("tables: [{name: track, columns: [{name: id, type: text}]}]")),
        profile: v1::LintProfile::Default.into(),
        ..look_at(connection("shop"))
    };
    let (found, summary) = lint(&client, request).await;
    assert_eq!((told(&found), summary.known_count), (expected(&["table-without-primary-key Track"]), 1));
}

/// A rule that one side cannot be held against is skipped for both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_base_does_not_say_is_no_change() {
    let server = TestServer::start().await;
    let client = server.client();
    let fixture = MariadbFixture::new();
    let database = fixture.create_database().await;
    let tables = "
        CREATE TABLE old (id bigint PRIMARY KEY, body text) ENGINE = MyISAM CHARACTER SET utf8mb3;
        CREATE TABLE kept (id varchar(9) COLLATE utf8mb4_bin PRIMARY KEY) CHARACTER SET utf8mb4;
        CREATE TABLE pointing (id varchar(9) PRIMARY KEY) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
        ALTER TABLE pointing ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES kept (id);";
    fixture.run(&database, tables).await;
    register(&client, "shop", settings(&fixture.target(&database))).await;
    let base = "
        CREATE TABLE old (id bigint PRIMARY KEY, body text);
        CREATE TABLE kept (id varchar(9) COLLATE utf8mb4_bin PRIMARY KEY);
        CREATE TABLE pointing (id varchar(9) PRIMARY KEY, CONSTRAINT k FOREIGN KEY (id) REFERENCES kept (id));";
    let request = v1::LintSchemaRequest {
        base: side(sql(v1::Engine::Mysql, base)),
        profile: v1::LintProfile::Default.into(),
        ..look_at(connection("shop"))
    };
    let (found, summary) = lint(&client, request.clone()).await;
    assert_eq!(found, []);
    let skipped: Vec<&str> = summary.skipped_rules.iter().map(|skipped| skipped.rule.as_str()).collect();
    assert_eq!(skipped, ["storage-engine-without-transactions", "three-byte-utf8"]);
    let open: Vec<&str> = summary.base_skipped.iter().map(|skipped| skipped.subject.as_str()).collect();
    assert_eq!(open, ["key-collation-mismatch of foreign key pointing (id)"]);
    // Two live databases tell all of it.
    let empty = fixture.create_database().await;
    register(&client, "empty", settings(&fixture.target(&empty))).await;
    let (found, summary) = lint(&client, v1::LintSchemaRequest { base: side(connection("empty")), ..request }).await;
    assert_eq!(told(&found), expected(&["storage-engine-without-transactions old", "three-byte-utf8 old"]));
    assert!(summary.skipped_rules.is_empty() && summary.base_skipped.is_empty(), "{summary:?}");
}

/// A base of another engine counts by what a definition says of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_moves_to_another_engine_is_compared() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    make(&client, &folder, "file", yaml(BEFORE)).await;
    let postgres = PostgresFixture::new();
    make(&client, &postgres, "server", yaml(AFTER)).await;
    let (found, summary) = worse(&client, connection("server"), connection("file")).await;
    let wanted = [
        "inexact-money author fee",
        "duplicate-index book b",
        "table-without-primary-key note",
        "missing-standard-columns note",
        "foreign-key-without-index note fk_note_author",
        // A number of a file has 64 bits, whatever it was meant to have.
        "narrow-primary-key author id",
    ];
    assert_eq!((told(&found), summary.engine()), (expected(&wanted), v1::Engine::Postgresql), "{found:#?}");
}
