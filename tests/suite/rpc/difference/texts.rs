//! What a definition has no place for, and two databases differ in, is told and not written.

use dbkeeper::grpc::client::Client;

use super::{assert_no_script, connection, database, difference, run_scripts, unwritten};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    harness::{postgres::PostgresServer, server::TestServer, sqlite::SqliteFolder},
};

/// Compares two databases in both directions: no script, and this is told. Two that are made alike differ in nothing.
async fn told(client: &Client, fixture: &impl Fixture, id: &str, [before, after]: [&str; 2], lines: &[&str]) {
    let (one, twin, other) = (format!("{id}-one"), format!("{id}-twin"), format!("{id}-other"));
    database(client, fixture, &one, before).await;
    database(client, fixture, &twin, before).await;
    database(client, fixture, &other, after).await;
    assert_eq!(unwritten(&difference(client, connection(&one), connection(&twin)).await), [] as [String; 0], "{id}");
    let there = difference(client, connection(&one), connection(&other)).await;
    assert_no_script(&there);
    assert_eq!(unwritten(&there), lines, "{id}");
    let back = difference(client, connection(&other), connection(&one)).await;
    assert_no_script(&back);
    let turned = |line: &&str| match line.split_once(' ') {
        Some(("add", rest)) => format!("drop {rest}"),
        Some(("drop", rest)) => format!("add {rest}"),
        _ => (*line).to_owned(),
    };
    let mut turned: Vec<String> = lines.iter().map(turned).collect();
    turned.sort();
    assert_eq!(unwritten(&back), turned, "{id}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_text_that_differs_is_told_on_postgres() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), PostgresFixture::new());
    let reader = format!("reader_{}", fixture.unused_database());
    PostgresServer::shared().psql("postgres", &format!("CREATE ROLE {reader}"));
    let table = "CREATE TABLE t (id integer PRIMARY KEY, a text, at tsrange);";
    let function = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';";
    let trigger =
        |when: &str| format!("{table} {function} CREATE TRIGGER seen {when} ON t FOR EACH ROW EXECUTE FUNCTION f();");
    let policy = |using: &str| format!("{table} CREATE POLICY own ON t USING ({using});");
    let partition = |to: u8| {
        format!(
            "CREATE TABLE p (id integer) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO ({to});"
        )
    };
    for (id, before, after, lines) in [
        ("trigger", trigger("AFTER INSERT"), trigger("AFTER UPDATE"), &["alter trigger t.seen: text differs"][..]),
        ("routine", function.to_owned(), function.replace("NEW", "NULL"), &["alter function f: text differs"]),
        (
            "overloaded",
            function.to_owned(),
            format!("{function} CREATE FUNCTION f(x integer) RETURNS integer LANGUAGE sql AS 'SELECT x';"),
            &["alter function f: text differs"],
        ),
        (
            "expression",
            format!("{table} CREATE INDEX by_a ON t (lower(a));"),
            format!("{table} CREATE INDEX by_a ON t (upper(a));"),
            &["alter index t.by_a: text differs"],
        ),
        (
            "gin",
            format!("{table} CREATE INDEX by_at ON t USING gist (at);"),
            format!("{table} CREATE INDEX by_other ON t USING gist (at);"),
            &["add index t.by_other: text differs", "drop index t.by_at: text differs"],
        ),
        ("policy", policy("id > 1"), policy("id > 2"), &["alter policy t.own: text differs"]),
        (
            "security",
            table.to_owned(),
            format!("{table} ALTER TABLE t ENABLE ROW LEVEL SECURITY;"),
            &["alter options of t: text differs"],
        ),
        ("partition", partition(5), partition(9), &["alter table p1: text differs"]),
        (
            "privilege",
            format!("{table} GRANT SELECT ON t TO {reader};"),
            format!("{table} GRANT SELECT, DELETE ON t TO {reader};"),
            &["alter privileges on table t: text differs"],
        ),
        (
            "granted",
            table.to_owned(),
            format!("{table} GRANT SELECT ON t TO {reader};"),
            &["add privileges on table t: text differs"],
        ),
        (
            "range",
            "CREATE TYPE span AS RANGE (subtype = integer);".to_owned(),
            "CREATE TYPE span AS RANGE (subtype = bigint);".to_owned(),
            &["alter range type span: text differs"],
        ),
    ] {
        told(&client, &fixture, id, [&before, &after], lines).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_text_that_differs_is_told_on_mariadb() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), MariadbFixture::new());
    let table = "CREATE TABLE t (id int, a varchar(40));";
    for (id, before, after, lines) in [
        (
            "trigger",
            format!("{table} CREATE TRIGGER seen BEFORE INSERT ON t FOR EACH ROW SET NEW.id = 1;"),
            format!("{table} CREATE TRIGGER seen BEFORE INSERT ON t FOR EACH ROW SET NEW.id = 2;"),
            &["alter trigger t.seen: text differs"][..],
        ),
        (
            "routine",
            "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1;".to_owned(),
            "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 2;".to_owned(),
            &["alter function f: text differs"],
        ),
        (
            "event",
            "CREATE EVENT e ON SCHEDULE AT '2035-05-05 05:05:05' DISABLE DO DO 1;".to_owned(),
            "CREATE EVENT e ON SCHEDULE AT '2035-05-05 05:05:05' DISABLE DO DO 2;".to_owned(),
            &["alter event e: text differs"],
        ),
        (
            "prefix",
            format!("{table} CREATE INDEX by_a ON t (a(3));"),
            format!("{table} CREATE INDEX by_a ON t (a(4));"),
            &["alter index t.by_a: text differs"],
        ),
        (
            "partition",
            "CREATE TABLE p (id int) PARTITION BY HASH (id) PARTITIONS 2;".to_owned(),
            "CREATE TABLE p (id int) PARTITION BY HASH (id) PARTITIONS 3;".to_owned(),
            &["alter table p: text differs"],
        ),
        ("storage", table.to_owned(), table.replace(';', " ENGINE=Aria;"), &["alter options of t: text differs"]),
    ] {
        told(&client, &fixture, id, [&before, &after], lines).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_text_that_differs_is_told_on_sqlite() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);";
    let trigger = |number: u8| {
        format!("{table} CREATE TRIGGER seen AFTER INSERT ON t BEGIN UPDATE t SET a = {number} WHERE id = NEW.id; END;")
    };
    for (id, before, after, lines) in [
        ("trigger", trigger(1), trigger(2), &["alter trigger t.seen: text differs"][..]),
        (
            "expression",
            format!("{table} CREATE INDEX by_a ON t (lower(a));"),
            format!("{table} CREATE INDEX by_a ON t (upper(a));"),
            &["alter index t.by_a: text differs"],
        ),
        (
            "words",
            "CREATE VIRTUAL TABLE w USING fts5 (body);".to_owned(),
            "CREATE VIRTUAL TABLE w USING fts5 (body, tokenize = 'porter');".to_owned(),
            &["alter virtual table w: text differs"],
        ),
        (
            "counted",
            table.to_owned(),
            table.replace("PRIMARY KEY", "PRIMARY KEY AUTOINCREMENT"),
            &["alter options of t: text differs"],
        ),
    ] {
        told(&client, &folder, id, [&before, &after], lines).await;
    }
}

/// What goes with its table is no difference of its own; what a new table would have is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_with_a_table_is_not_told_again() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let with = "CREATE TABLE t (a INT); CREATE TRIGGER seen AFTER INSERT ON t BEGIN DELETE FROM t; END;";
    let name = database(&client, &folder, "with", with).await;
    database(&client, &folder, "empty", "CREATE TABLE kept (a INT)").await;
    let found = difference(&client, connection("with"), connection("empty")).await;
    assert_eq!(unwritten(&found), [] as [String; 0]);
    run_scripts(&folder, &name, &found.up).await;
    run_scripts(&folder, &name, &found.down).await;
    let found = difference(&client, connection("empty"), connection("with")).await;
    assert_eq!(unwritten(&found), [] as [String; 0], "the trigger went with its table");
    Fixture::run(&folder, &name, "CREATE TRIGGER seen AFTER INSERT ON t BEGIN DELETE FROM t; END;").await;
    let found = difference(&client, connection("empty"), connection("with")).await;
    assert_eq!(unwritten(&found), ["add trigger t.seen: text differs"]);
}
