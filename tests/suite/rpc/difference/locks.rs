//! What others wait for on PostgreSQL where one transaction changes several tables, seen in the locks that the server holds.

use dbkeeper::grpc::proto::v1;

use super::{connection, database, difference, run_scripts, yaml};
use crate::{
    conformance::{Fixture as _, postgres::PostgresFixture},
    harness::{postgres::PostgresServer, server::TestServer, sqlite::SqliteFolder},
};

/// `action name: lock`, with `held` where it lasts.
fn locks(answer: &v1::DiffSchemasResponse) -> Vec<String> {
    let line = |change: &v1::SchemaChange| {
        let (name, held) = (&change.name, if change.lock_lasts { ", held" } else { "" });
        format!("{}.{name}: {:?}{held}", change.table, change.lock())
    };
    let mut lines: Vec<String> = answer.changes.iter().map(line).collect();
    lines.sort();
    lines
}

const BEFORE: &str = "CREATE TABLE large (a integer); CREATE TABLE small (a integer, b integer, c integer); INSERT INTO large VALUES (1);";

fn target(large: &str) -> v1::schema_source::Source {
    yaml(&format!(
        "
tables:
  - {{name: large, columns: [{{name: a, type: {large}, nullable: true}}]}}
  - name: small
    comment: of few
    columns: [{{name: a, type: int32}}, {{name: b, type: int32, nullable: true, default: {{literal: '1'}}}}]
    checks: [{{name: ck_small, expression: b > 0}}]
    indexes: [{{name: by_b, columns: [{{column: b}}]}}]
"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_lasts_as_long_as_its_transaction() {
    let server = TestServer::start().await;
    let (client, psql) = (server.client(), PostgresServer::shared());
    let name = database(&client, &PostgresFixture::new(), "two", BEFORE).await;
    let alone = difference(&client, connection("two"), target("int32")).await;
    assert_eq!(
        locks(&alone),
        [
            "small.a: None",
            "small.b: All",
            "small.by_b: None",
            "small.c: All",
            "small.ck_small: None",
            "small.small: None"
        ]
    );
    let found = difference(&client, connection("two"), target("int64")).await;
    assert_eq!(
        locks(&found),
        [
            "large.a: All",
            "small.a: All, held",
            "small.b: All, held",
            "small.by_b: None",
            "small.c: All, held",
            "small.ck_small: All, held",
            "small.small: None",
        ]
    );
    // The server holds that lock until the script ends.
    let script = found.up.iter().find(|script| script.title == "change tables").unwrap();
    let check = script.statements.iter().position(|sql| sql.contains("ck_small")).unwrap();
    let held = "SELECT string_agg(DISTINCT mode, ' ') FROM pg_locks WHERE relation = 'small'::regclass AND pid = pg_backend_pid() \
                AND mode = 'AccessExclusiveLock'";
    let text = format!("BEGIN; {} {held}; ROLLBACK;", script.statements[check]);
    assert!(psql.psql(&name, &text).contains("AccessExclusiveLock"));
}

/// No value changes with its collation, and every index on it is built anew before others come in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_collation_is_another_order() {
    let server = TestServer::start().await;
    let (client, fixture, psql) = (server.client(), PostgresFixture::new(), PostgresServer::shared());
    let before = "CREATE TABLE t (a text); CREATE INDEX by_a ON t (a);";
    let name = database(&client, &fixture, "order", before).await;
    let file = "SELECT relfilenode FROM pg_class WHERE relname = 'by_a'";
    let was = psql.psql(&name, file);
    let target = "tables: [{name: t, columns: [{name: a, type: text, nullable: true, collation: C}], indexes: [{name: by_a, columns: [{column: a}]}]}]";
    let found = difference(&client, connection("order"), yaml(target)).await;
    let [change] = found.changes.as_slice() else { panic!("{found:#?}") };
    assert_eq!((change.lock(), change.reads_every_row), (v1::ChangeLock::All, true));
    run_scripts(&fixture, &name, &found.up).await;
    assert_ne!(psql.psql(&name, file), was);
}

/// A type that is stored alike needs no look at the rows, unless something is computed from the column.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_computed_from_a_column_is_written_with_it() {
    let server = TestServer::start().await;
    let (client, fixture, psql) = (server.client(), PostgresFixture::new(), PostgresServer::shared());
    for (id, computed, is_written) in
        [("plain", "", false), ("computed", ", b text GENERATED ALWAYS AS (a || 'x') STORED", true)]
    {
        let before = format!("CREATE TABLE t (a varchar(10){computed}); INSERT INTO t VALUES ('a');");
        let name = database(&client, &fixture, id, &before).await;
        let file = "SELECT relfilenode FROM pg_class WHERE relname = 't'";
        let was = psql.psql(&name, file);
        let target = super::sql(
            v1::Engine::Postgresql,
            &before.replace("varchar(10)", "varchar(20)").replace("INSERT INTO t VALUES ('a');", ""),
        );
        let found = difference(&client, connection(id), target).await;
        let change = found.changes.iter().find(|change| change.name == "a").unwrap();
        assert_eq!(change.reads_every_row, is_written, "{found:#?}");
        run_scripts(&fixture, &name, &found.up).await;
        assert_eq!(psql.psql(&name, file) != was, is_written);
        assert_eq!(psql.psql(&name, "SELECT a FROM t"), "a");
        fixture.run(&name, "DROP TABLE t").await;
    }
}

/// SQLite has one lock for all, which a table that is made anew holds for those that are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_has_one_lock() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let before = "CREATE TABLE large (a INT) STRICT; CREATE TABLE small (a INT) STRICT;";
    database(&client, &folder, "file", before).await;
    let small = before.replace("small (a INT)", "small (a INT, b INT)");
    let found = difference(&client, connection("file"), super::sql(v1::Engine::Sqlite, &small)).await;
    assert_eq!(locks(&found), ["small.b: Writes"]);
    let both = small.replace("large (a INT)", "large (a INT NOT NULL)");
    let found = difference(&client, connection("file"), super::sql(v1::Engine::Sqlite, &both)).await;
    assert_eq!(locks(&found), ["large.a: Writes", "small.b: Writes, held"]);
}
