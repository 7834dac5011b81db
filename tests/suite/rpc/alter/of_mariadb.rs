//! Databases of MariaDB: one statement a table, foreign keys with the indexes that the server makes for them, and what waits.

use dbkeeper::grpc::{client::Client, proto::v1};
use secrecy::ExposeSecret as _;
use sqlx::{
    AssertSqlSafe, Connection as _, MySqlConnection,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use super::{Rows as _, change, connection, diff, make, revert, statements};
use crate::{
    conformance::mariadb::MariadbFixture,
    harness::{mariadb::MariadbServer, server::TestServer},
};

async fn open(database: &str) -> MySqlConnection {
    let server = MariadbServer::shared();
    let (settings, password) = (server.settings(database), server.target(database).credentials.password);
    let options = MySqlConnectOptions::new().host("localhost").port(settings.port).username(&settings.username);
    let options = options.password(password.expose_secret()).database(database).ssl_mode(MySqlSslMode::Disabled);
    MySqlConnection::connect_with(&options).await.expect("the database is reached")
}

fn indexes(database: &str, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = '{database}' \
         AND table_name = '{table}'"
    );
    let mut names: Vec<String> = MariadbServer::shared().sql(database, &sql).lines().map(str::to_owned).collect();
    names.sort();
    names
}

const WIDE_BEFORE: &str = "
types:
  - {name: state, shape: {enum: [new, \"it's\"]}}
tables:
  - name: wide
    comment: as it was
    columns:
      - {name: id, type: int64, identity: by_default}
      - {name: other, type: int64}
      - {name: title, type: text(20), comment: a title}
      - {name: state, type: declared:state}
      - {name: body, type: text, nullable: true}
      - {name: amount, type: 'decimal(10,2)', default: {literal: '1.5'}}
    primary_key: {columns: [id]}
    indexes: [{name: ft_wide_title, columns: [{column: title}], full_text: true}]
";
const WIDE_AFTER: &str = "
types:
  - {name: state, shape: {enum: [new, used, \"it's\"]}}
tables:
  - name: wide
    comment: \"it's \\\\ new\"
    columns:
      - {name: other, type: int64, identity: by_default}
      - {name: id, type: int64}
      - {name: title, type: text(20), comment: \"another; title\", collation: utf8mb4_bin}
      - {name: state, type: declared:state, default: {literal: used}}
      - {name: body, type: text, nullable: true}
      - {name: amount, type: 'decimal(10,1)', nullable: true}
      - {name: token, type: uuid, default: new_uuid}
      - {name: data, type: json, nullable: true}
    primary_key: {columns: [other]}
    unique_constraints: [{name: uq_wide_id, columns: [id]}]
    indexes:
      - {name: ft_wide_body, columns: [{column: body}], full_text: true}
      - {name: ft_wide_title, columns: [{column: title}], full_text: true}
      - {name: idx_wide_state, columns: [{column: state, descending: true}], comment: by state}
";

/// The server may copy the table for each statement, so that there is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_of_a_table_is_one_statement() {
    let (server, fixture) = (TestServer::start().await, MariadbFixture::new());
    let rows = "INSERT INTO wide (id, other, title, state, body, amount) VALUES (3, 30, 't', 'it''s', 'b', 2.5);";
    let none = v1::RenameHints::default();
    let changed = change(&server, &fixture, [WIDE_BEFORE, WIDE_AFTER], rows, none).await;
    let [only] = changed.up()[..] else { panic!("{:#?}", changed.up()) };
    assert!(only.starts_with("ALTER TABLE wide\n"), "{only}");
    let found = "SELECT count(*) FROM wide WHERE id = 3 AND other = 30 AND state = 'it''s' AND amount = 2.5 AND length(token) = 36";
    assert_eq!(fixture.rows(&changed.database, found).await, ["1"]);
    fixture.rows(&changed.database, "INSERT INTO wide (id, title, state) VALUES (4, 'u', 'used')").await;
    assert_eq!(fixture.rows(&changed.database, "SELECT other FROM wide WHERE id = 4").await, ["31"]);
    fixture.rows(&changed.database, "DELETE FROM wide WHERE id = 4").await;
    let amount = changed.of(v1::ChangeAction::Alter, v1::ChangedKind::Column, "amount");
    assert!(amount.data_loss.contains("digits behind the point"), "{amount:?}");
    revert(&server, &fixture, &changed).await;
}

/// Two keys share one index, which the server has made and which is called like one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_of_a_foreign_key_goes_with_it() {
    let (server, fixture) = (TestServer::start().await, MariadbFixture::new());
    let schema = |keys: &str, rest: &str| {
        format!(
            "
tables:
  - name: p
    columns: [{{name: id, type: int64}}, {{name: n, type: int64}}]
    primary_key: {{columns: [id]}}
    unique_constraints: [{{name: uq_p_n, columns: [n]}}]
  - name: c
    columns: [{{name: id, type: int64}}, {{name: p_id, type: int64, nullable: true}}, {{name: x, type: int64, nullable: true}}]
    primary_key: {{columns: [id]}}
    foreign_keys: [{keys}]
    {rest}
"
        )
    };
    let key = |name: &str, column: &str| {
        format!("{{name: {name}, columns: [p_id], referenced_table: p, referenced_columns: [{column}]}}")
    };
    let (one, other) = (key("fk_one", "id"), key("fk_other", "n"));
    let both = format!("{one}, {other}");
    let index = "indexes: [{name: idx_c_p, columns: [{column: p_id}, {column: x}]}]";
    for (place, (before, after, left)) in [
        (schema(&both, ""), schema(&one, ""), vec!["PRIMARY", "fk_one"]),
        (schema(&both, ""), schema(&other, ""), vec!["PRIMARY", "fk_other"]),
        (schema(&both, ""), schema("", ""), vec!["PRIMARY"]),
        (schema(&one, ""), schema("", index), vec!["PRIMARY", "idx_c_p"]),
        (schema(&one, index), schema(&one, ""), vec!["PRIMARY", "fk_one"]),
        (schema(&one, index), schema("", ""), vec!["PRIMARY"]),
        (schema(&key("fk_one", "id"), ""), schema(&key("fk_one", "n"), ""), vec!["PRIMARY", "fk_one"]),
    ]
    .into_iter()
    .enumerate()
    {
        let (is, to_be) = (format!("is-{place}"), format!("to-be-{place}"));
        let client = server.client();
        let database = make(&client, &fixture, &is, &before).await;
        make(&client, &fixture, &to_be, &after).await;
        let answer = diff(&client, connection(&is), connection(&to_be), v1::RenameHints::default()).await;
        crate::conformance::Fixture::run_each(&fixture, &database, &statements(&answer.up)).await;
        let rest = diff(&client, connection(&is), connection(&to_be), v1::RenameHints::default()).await;
        assert_eq!(rest.changes, [], "{place}: {:#?}", answer.up);
        assert_eq!(indexes(&database, "c"), left, "{place}: {:#?}", answer.up);
        crate::conformance::Fixture::run_each(&fixture, &database, &statements(&answer.down)).await;
        let back = diff(&client, connection(&is), super::yaml(&before), v1::RenameHints::default()).await;
        assert_eq!(back.changes, [], "{place}: {:#?}", answer.down);
    }
}

/// MariaDB keeps the check of a domain with its column, where it goes when the column is said again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_of_a_column_stays() {
    let (server, fixture) = (TestServer::start().await, MariadbFixture::new());
    let before = "
types:
  - {name: positive, shape: {domain: {base: int32, checks: [{expression: VALUE > 0}, {expression: VALUE < 1000}]}}}
tables:
  - name: t
    columns:
      - {name: a, type: declared:positive, nullable: true}
      - {name: b, type: declared:positive, nullable: true}
      - {name: c, type: declared:positive, nullable: true}
      - {name: d, type: declared:positive, nullable: true}
";
    let after = "
types:
  - {name: positive, shape: {domain: {base: int32, checks: [{expression: VALUE > 0}, {expression: VALUE < 1000}]}}}
  - {name: other, shape: {domain: {base: int32, checks: [{expression: VALUE > 5}]}}}
tables:
  - name: t
    columns:
      - {name: a, type: declared:positive, nullable: true, default: {literal: '7'}}
      - {name: b, type: int32, nullable: true}
      - {name: c, type: declared:other, nullable: true}
      - {name: e, type: declared:positive, nullable: true}
";
    let renames = super::hints(&[], &[("t", "d", "e")]);
    let changed = change(&server, &fixture, [before, after], "INSERT INTO t VALUES (1, 2, 6, 4)", renames).await;
    let mut connection = open(&changed.database).await;
    for (column, value, is_taken) in
        [("a", 0, false), ("a", 1000, false), ("b", 0, true), ("c", 5, false), ("e", 0, false)]
    {
        let sql = format!("UPDATE t SET {column} = {value}");
        let run = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
        assert_eq!(run.is_ok(), is_taken, "{column} = {value}: {run:?}");
    }
    fixture.rows(&changed.database, "UPDATE t SET b = 1").await;
    revert(&server, &fixture, &changed).await;
}

/// Two schemas of one table that differ in one thing.
fn pairs() -> Vec<[String; 2]> {
    let table = |columns: &str, rest: &str| {
        let id = "{name: id, type: int64}, {name: a, type: int64}";
        format!("tables: [{{name: t, columns: [{id}, {columns}], {rest}}}]")
    };
    let b = |rest: &str| format!("{{name: b, nullable: true, {rest}}}");
    let key = "primary_key: {columns: [id]}";
    let with = |column: &str| table(&b(column), key);
    let column = |rest: &str| table(&format!("{}, {{name: c, {rest}}}", b("type: int64")), key);
    let part = |rest: &str| table(&b("type: text(20)"), &format!("{key}, {rest}"));
    let plain = || with("type: int64");
    let text = || with("type: text(20)");
    vec![
        [plain(), with("type: int64, default: {literal: '4'}")],
        [plain(), with("type: int64, comment: x")],
        [plain(), with("type: int32")],
        [with("type: int32"), plain()],
        [plain(), table("{name: b, type: int64}", key)],
        [text(), with("type: text(63)")],
        [with("type: text(40)"), with("type: text(64)")],
        [with("type: text(64)"), with("type: text(65)")],
        [text(), with("type: text(20), collation: utf8mb4_bin")],
        [with("type: \"mysql:enum('x')\""), with("type: \"mysql:enum('x', 'y')\"")],
        [with("type: \"mysql:enum('x')\""), with("type: \"mysql:enum('y', 'x')\"")],
        [with("type: timestamp"), with("type: timestamp, touched_on_update: true")],
        [plain(), column("type: int64, nullable: true")],
        [plain(), column("type: int64, default: {literal: '3'}")],
        [plain(), column("type: timestamp, default: current_timestamp")],
        [plain(), column("type: uuid, default: new_uuid")],
        [plain(), column("type: int64, nullable: true, generated: {expression: a + 1}")],
        [plain(), column("type: int64, nullable: true, generated: {expression: a + 1, stored: true}")],
        [column("type: int64"), plain()],
        [part("comment: x"), part("comment: y")],
        [text(), part("indexes: [{name: i, columns: [{column: b}]}]")],
        [text(), part("indexes: [{name: i, columns: [{column: b}], unique: true, comment: x}]")],
        [text(), part("indexes: [{name: i, columns: [{column: b}], full_text: true}]")],
        [part("indexes: [{name: i, columns: [{column: b}]}]"), text()],
        [text(), part("unique_constraints: [{name: u, columns: [b]}]")],
        [text(), part("checks: [{name: k, expression: a > 0}]")],
        [part("checks: [{name: k, expression: a > 0}]"), text()],
        [text(), part("foreign_keys: [{name: f, columns: [a], referenced_table: t, referenced_columns: [id]}]")],
        [part("foreign_keys: [{name: f, columns: [a], referenced_table: t, referenced_columns: [id]}]"), text()],
        [table(&b("type: int64"), ""), plain()],
        [plain(), table(&b("type: int64"), "")],
        [plain(), table(&b("type: int64"), "primary_key: {columns: [a]}")],
    ]
}

async fn waits(client: &Client, fixture: &MariadbFixture, place: usize, [from, to]: [&str; 2]) {
    let id = format!("pair-{place}");
    let database = make(client, fixture, &id, from).await;
    let answer = diff(client, connection(&id), super::yaml(to), v1::RenameHints::default()).await;
    let [statement] = statements(&answer.up)[..] else { panic!("{answer:#?}") };
    let waits_for_nothing = answer.changes.iter().all(|change| change.lock() == v1::ChangeLock::None);
    let sql = format!("{},\n    LOCK = NONE;", statement.strip_suffix(';').unwrap());
    let mut connection = open(&database).await;
    let run = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut connection).await;
    // More may be said than this server needs: MySQL copies where MariaDB does not.
    assert!(run.is_ok() || !waits_for_nothing, "{sql} {run:?} {:#?}", answer.changes);
    connection.close().await.expect("the connection is closed");
}

/// What is said to wait for nothing is taken with LOCK = NONE.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_told_as_the_server_has_it() {
    let (server, fixture) = (TestServer::start().await, MariadbFixture::new());
    let client = server.client();
    for (place, [from, to]) in pairs().iter().enumerate() {
        waits(&client, &fixture, place, [from, to]).await;
    }
}

/// Of several changes that are one statement each waits as the strictest, and a change of another table does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_one_statement_wait_as_the_strictest_of_them() {
    let (server, fixture) = (TestServer::start().await, MariadbFixture::new());
    let client = server.client();
    let schema = |rest: &str, of_other: &str| {
        let columns = "columns: [{name: id, type: int64}, {name: a, type: int64, nullable: true}]";
        format!(
            "tables: [{{name: other, {columns}, primary_key: {{columns: [id]}}{of_other}}}, \
             {{name: t, {columns}, primary_key: {{columns: [id]}}{rest}}}]"
        )
    };
    let index = |table: &str| format!("indexes: [{{name: by_{table}, columns: [{{column: a}}]}}]");
    let before = schema("", "");
    let of_t = format!(", comment: few, {}, checks: [{{name: k, expression: a > 0}}]", index("t"));
    let after = schema(&of_t, &format!(", {}", index("other")));
    let database = make(&client, &fixture, "parts", &before).await;
    let answer = diff(&client, connection("parts"), super::yaml(&after), v1::RenameHints::default()).await;
    let line = |change: &v1::SchemaChange| {
        let (table, kind, lock) = (&change.table, change.kind().as_str_name(), change.lock().as_str_name());
        let long = if change.reads_every_row { " long" } else { "" };
        format!("{table} {kind} {lock}{long}{}", if change.lock_lasts { " lasts" } else { "" })
    };
    let mut lines: Vec<String> = answer.changes.iter().map(line).collect();
    lines.sort();
    let wanted = [
        "other CHANGED_KIND_INDEX CHANGE_LOCK_NONE long",
        "t CHANGED_KIND_CHECK CHANGE_LOCK_WRITES long lasts",
        "t CHANGED_KIND_INDEX CHANGE_LOCK_WRITES long lasts",
        "t CHANGED_KIND_TABLE CHANGE_LOCK_WRITES lasts",
    ];
    assert_eq!(lines, wanted);
    let mut session = open(&database).await;
    for statement in statements(&answer.up) {
        let sql = format!("{},\n    LOCK = NONE;", statement.strip_suffix(';').unwrap());
        let run = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut session).await;
        assert_eq!(run.is_ok(), statement.starts_with("ALTER TABLE other"), "{sql} {run:?}");
    }
    session.close().await.expect("the connection is closed");
}
