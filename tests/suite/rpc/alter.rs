//! What the scripts of DiffSchemas do to MariaDB and SQLite: the schema becomes the other and back again, and rows stay.

mod of_mariadb;
mod of_sqlite;

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, schema_source::Source},
};

use super::support::{apply, ended, file, migration_set, on_both_engines, register, settings};
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

on_both_engines! {
    columns_change_and_rows_stay,
    keys_change,
    computed_columns_change,
    views_follow_their_tables,
    tables_come_and_go_in_circles,
    hard_names_are_quoted,
    the_schema_of_a_definition_is_no_change,
    a_null_is_told_and_refused,
}

const SHOP_BEFORE: &str = "
tables:
  - name: item
    columns:
      - {name: id, type: int64, identity: by_default}
      - {name: title, type: text(40)}
      - {name: price, type: 'decimal(10,2)', nullable: true}
      - {name: stock, type: int32, default: {literal: '1'}}
      - {name: gone, type: text(10), nullable: true}
      - {name: state, type: declared:state}
    primary_key: {columns: [id]}
    checks: [{name: ck_item_stock, expression: stock >= 0}]
types:
  - {name: state, shape: {enum: [new, old]}}
";
const SHOP_AFTER: &str = "
tables:
  - name: item
    columns:
      - {name: id, type: int64, identity: by_default}
      - {name: price, type: 'decimal(12,2)', default: {literal: '9.50'}, nullable: true}
      - {name: name, type: text(40)}
      - {name: stock, type: int64, default: {literal: '2'}}
      - {name: state, type: declared:state, nullable: true}
      - {name: is_live, type: boolean, default: {literal: 'true'}}
      - {name: note, type: text(20), nullable: true}
      - {name: changed_at, type: timestamp, default: current_timestamp, touched_on_update: true}
    primary_key: {columns: [id]}
    checks: [{name: ck_item_stock, expression: stock >= 0}]
    indexes: [{name: idx_item_name, columns: [{column: name, descending: true}]}]
types:
  - {name: state, shape: {enum: [new, used, old]}}
";

async fn columns_change_and_rows_stay(server: &TestServer, fixture: &impl Rows) {
    let rows = "INSERT INTO item (id, title, price, stock, gone, state) VALUES (7, 'a', 1.25, 3, 'x', 'new');
                INSERT INTO item (id, title, price, stock, gone, state) VALUES (90, 'b', NULL, 0, NULL, 'old');";
    let renames = hints(&[], &[("item", "title", "name")]);
    let changed = change(server, fixture, [SHOP_BEFORE, SHOP_AFTER], rows, renames).await;
    let expected = "SELECT count(*) FROM item WHERE (id = 7 AND name = 'a' AND price = 1.25 AND stock = 3 AND state = 'new' \
                    AND is_live = 1 AND note IS NULL) OR (id = 90 AND name = 'b' AND price IS NULL AND state = 'old')";
    assert_rows(fixture, &changed.database, expected, 2).await;
    fixture.run(&changed.database, "INSERT INTO item (name, state) VALUES ('c', 'used')").await;
    assert_rows(fixture, &changed.database, "SELECT count(*) FROM item WHERE id = 91 AND stock = 2 AND price = 9.5", 1)
        .await;
    fixture.run(&changed.database, "DELETE FROM item WHERE state = 'used'").await;

    use v1::{ChangeAction as A, ChangedKind as K, ColumnAttribute as C};
    let gone = changed.of(A::Drop, K::Column, "gone");
    assert!(gone.data_loss.contains("item.gone") && gone.to.is_none(), "{gone:?}");
    let renamed = changed.of(A::Rename, K::Column, "name");
    assert_eq!(renamed.data_loss, "");
    let Some(v1::changed_part::Part::Name(from)) = renamed.from.as_ref().and_then(|part| part.part.as_ref()) else {
        panic!("{renamed:?}")
    };
    assert_eq!(from, "title");
    let state = changed.of(A::Alter, K::Column, "state");
    assert!(state.attributes().any(|attribute| attribute == C::Nullable), "{state:?}");
    assert_eq!(state.data_loss, "");
    let note = changed.of(A::Add, K::Column, "note");
    assert_eq!((note.table.as_str(), note.may_fail.as_str()), ("item", ""));
    assert!(changed.answer.changes.iter().all(|change| change.table_size.is_some() && change.lock != 0));
    assert!(changed.answer.changes.iter().any(|change| change.action() == A::Move));
    let [script] = changed.answer.up.as_slice() else { panic!("{:#?}", changed.answer.up) };
    let is_transactional = settings(&fixture.target("any")).engine() == v1::Engine::Sqlite;
    assert_eq!(script.transactional, is_transactional);
    assert_eq!(script.content.contains("-- dbkeeper: no-transaction"), !is_transactional);
    revert(server, fixture, &changed).await;
    let expected =
        "SELECT count(*) FROM item WHERE (id = 7 AND title = 'a' AND gone IS NULL) OR (id = 90 AND title = 'b')";
    assert_rows(fixture, &changed.database, expected, 2).await;
}

async fn assert_rows(fixture: &impl Rows, database: &str, count: &str, expected: usize) {
    assert_eq!(fixture.rows(database, count).await, [expected.to_string()], "{count}");
}

const KEYS_BEFORE: &str = "
tables:
  - name: artist
    columns:
      - {name: id, type: int64}
      - {name: code, type: text(8)}
      - {name: name, type: text(40), nullable: true}
    primary_key: {columns: [id]}
    unique_constraints: [{name: uq_artist_code, columns: [code]}]
  - name: album
    columns:
      - {name: id, type: int64}
      - {name: artist_id, type: int64, nullable: true}
      - {name: artist_code, type: text(8), nullable: true}
      - {name: year, type: int32, nullable: true}
    primary_key: {columns: [id]}
    foreign_keys:
      - {name: fk_album_artist, columns: [artist_id], referenced_table: artist, referenced_columns: [id], on_delete: cascade}
      - {name: fk_album_code, columns: [artist_code], referenced_table: artist, referenced_columns: [code]}
    indexes:
      - {name: idx_album_artist, columns: [{column: artist_id}, {column: year}]}
      - {name: idx_album_year, columns: [{column: year}]}
  - name: track
    columns:
      - {name: id, type: int64}
      - {name: album_id, type: int64}
      - {name: artist_id, type: int64, nullable: true}
    primary_key: {columns: [id]}
    foreign_keys:
      - {name: fk_track_album, columns: [album_id], referenced_table: album, referenced_columns: [id], on_delete: cascade}
      - {name: fk_track_artist, columns: [artist_id], referenced_table: artist, referenced_columns: [id]}
";
/// Keys move to other columns, one loses the index that it stands on, a key's columns get another type at both ends.
const KEYS_AFTER: &str = "
tables:
  - name: artist
    columns:
      - {name: id, type: int64}
      - {name: code, type: text(90)}
      - {name: name, type: text(40)}
    primary_key: {columns: [id]}
    unique_constraints: [{name: uq_artist_code_2, columns: [code]}]
    indexes: [{name: uq_artist_name, columns: [{column: name}], unique: true}]
  - name: album
    columns:
      - {name: id, type: int64}
      - {name: artist_id, type: int64, nullable: true}
      - {name: artist_code, type: text(90), nullable: true}
      - {name: year, type: int32, nullable: true}
      - {name: parent_id, type: int64, nullable: true}
    primary_key: {columns: [id]}
    foreign_keys:
      - {name: fk_album_artist, columns: [artist_id], referenced_table: artist, referenced_columns: [id], on_delete: cascade}
      - {name: fk_album_code, columns: [artist_code], referenced_table: artist, referenced_columns: [code]}
      - {name: fk_album_album, columns: [parent_id], referenced_table: album, referenced_columns: [id], on_delete: set_null}
    checks: [{name: ck_album_year, expression: year > 1900}]
    indexes:
      - {name: idx_album_year, columns: [{column: year, descending: true}]}
  - name: track
    columns:
      - {name: id, type: int64}
      - {name: album_id, type: int64}
      - {name: artist_id, type: int64, nullable: true}
    primary_key: {columns: [album_id, id]}
    foreign_keys:
      - {name: fk_track_album, columns: [album_id], referenced_table: album, referenced_columns: [id]}
";

async fn keys_change(server: &TestServer, fixture: &impl Rows) {
    let rows = "INSERT INTO artist (id, code, name) VALUES (1, 'a', 'A'), (2, 'b', 'B');
                INSERT INTO album (id, artist_id, artist_code, year) VALUES (10, 1, 'a', 1970), (11, 2, 'b', NULL);
                INSERT INTO track (id, album_id, artist_id) VALUES (100, 10, 1), (101, 11, 2);";
    let none = v1::RenameHints::default();
    let changed = change(server, fixture, [KEYS_BEFORE, KEYS_AFTER], rows, none).await;
    for (table, count) in [("artist", 2), ("album", 2), ("track", 2)] {
        assert_rows(fixture, &changed.database, &format!("SELECT count(*) FROM {table}"), count).await;
    }
    use v1::{ChangeAction as A, ChangedKind as K};
    let added = changed.of(A::Add, K::ForeignKey, "fk_album_album");
    assert_eq!((added.table.as_str(), added.lock()), ("album", v1::ChangeLock::Writes));
    assert!(added.may_fail.contains("points to none of album") && added.from.is_none(), "{added:?}");
    let added = changed.of(A::Add, K::Check, "ck_album_year");
    assert!(added.may_fail.contains("year > 1900"), "{added:?}");
    let added = changed.of(A::Add, K::UniqueConstraint, "uq_artist_code_2");
    assert!(added.may_fail.contains("same code") && added.reads_every_row, "{added:?}");
    let key: Vec<_> = changed.answer.changes.iter().filter(|change| change.kind() == K::PrimaryKey).collect();
    assert_eq!(key.len(), 2, "{key:#?}");
    let required = changed.of(A::Alter, K::Column, "name");
    assert!(required.may_fail.contains("NULL in artist.name"), "{required:?}");
    revert(server, fixture, &changed).await;
    for (table, count) in [("artist", 2), ("album", 2), ("track", 2)] {
        assert_rows(fixture, &changed.database, &format!("SELECT count(*) FROM {table}"), count).await;
    }
}

const COMPUTED_BEFORE: &str = "
tables:
  - name: box
    columns:
      - {name: id, type: int64}
      - {name: width, type: int64, nullable: true}
      - {name: area, type: int64, nullable: true, generated: {expression: width * 2}}
      - {name: volume, type: int64, nullable: true, generated: {expression: width * 3, stored: true}}
      - {name: plain, type: int64, nullable: true}
      - {name: weight, type: int64, nullable: true, generated: {expression: width + 1, stored: true}}
    primary_key: {columns: [id]}
    indexes: [{name: idx_box_area, columns: [{column: area}]}]
";
const COMPUTED_AFTER: &str = "
tables:
  - name: box
    columns:
      - {name: id, type: int64}
      - {name: breadth, type: int64, nullable: true}
      - {name: area, type: int64, nullable: true, generated: {expression: breadth * 2, stored: true}}
      - {name: volume, type: int64, nullable: true, generated: {expression: breadth * 4}}
      - {name: plain, type: int64, nullable: true, generated: {expression: breadth + 7, stored: true}}
      - {name: weight, type: int64, nullable: true}
    primary_key: {columns: [id]}
    indexes: [{name: idx_box_area, columns: [{column: area}]}]
";

async fn computed_columns_change(server: &TestServer, fixture: &impl Rows) {
    let rows = "INSERT INTO box (id, width, plain) VALUES (1, 5, 50);";
    let renames = hints(&[], &[("box", "width", "breadth")]);
    let changed = change(server, fixture, [COMPUTED_BEFORE, COMPUTED_AFTER], rows, renames).await;
    let expected =
        "SELECT count(*) FROM box WHERE breadth = 5 AND area = 10 AND volume = 20 AND plain = 12 AND weight = 6";
    assert_rows(fixture, &changed.database, expected, 1).await;
    let plain = changed.of(v1::ChangeAction::Alter, v1::ChangedKind::Column, "plain");
    assert!(plain.data_loss.contains("box.plain"), "{plain:?}");
    assert_eq!(changed.of(v1::ChangeAction::Alter, v1::ChangedKind::Column, "weight").data_loss, "");
    revert(server, fixture, &changed).await;
    let expected = "SELECT count(*) FROM box WHERE width = 5 AND area = 10 AND volume = 15 AND weight = 6";
    assert_rows(fixture, &changed.database, expected, 1).await;
}

const VIEWS_BEFORE: &str = "
tables:
  - name: sale
    columns: [{name: id, type: int64}, {name: amount, type: int64, nullable: true}, {name: old, type: int64, nullable: true}]
    primary_key: {columns: [id]}
  - name: shop
    columns: [{name: id, type: int64}]
    primary_key: {columns: [id]}
views:
  - {name: a_over, query: SELECT id FROM z_base WHERE amount > 1}
  - {name: counted, query: SELECT count(*) AS n FROM z_base}
  - {name: z_base, query: 'SELECT id, amount FROM sale'}
  - {name: untouched, query: SELECT id FROM shop}
  - {name: gone, query: SELECT old FROM sale}
";
const VIEWS_AFTER: &str = "
tables:
  - name: sold
    columns: [{name: id, type: int64}, {name: total, type: float64, nullable: true}]
    primary_key: {columns: [id]}
  - name: shop
    columns: [{name: id, type: int64}, {name: place, type: int64, nullable: true}]
    primary_key: {columns: [id]}
    checks: [{name: ck_shop_place, expression: place > 0}]
views:
  - {name: a_over, query: SELECT id FROM z_base WHERE total > 1}
  - {name: counted, query: SELECT count(*) AS n FROM z_base}
  - {name: z_base, query: 'SELECT id, total FROM sold'}
  - {name: untouched, query: SELECT id FROM shop}
  - {name: new, query: SELECT place FROM shop}
";

async fn views_follow_their_tables(server: &TestServer, fixture: &impl Rows) {
    let rows = "INSERT INTO sale (id, amount) VALUES (1, 1), (2, 2); INSERT INTO shop VALUES (4);";
    let renames = hints(&[("sale", "sold")], &[("sale", "amount", "total")]);
    let changed = change(server, fixture, [VIEWS_BEFORE, VIEWS_AFTER], rows, renames).await;
    assert_rows(fixture, &changed.database, "SELECT id FROM a_over", 2).await;
    assert_rows(fixture, &changed.database, "SELECT id FROM untouched", 4).await;
    assert_rows(fixture, &changed.database, "SELECT count(*) FROM new", 1).await;
    assert_rows(fixture, &changed.database, "SELECT n FROM counted", 2).await;
    use v1::{ChangeAction as A, ChangedKind as K};
    for (action, name) in [(A::Alter, "a_over"), (A::Alter, "z_base"), (A::Drop, "gone"), (A::Add, "new")] {
        changed.of(action, K::View, name);
    }
    changed.of(A::Rename, K::Table, "sold");
    assert!(!changed.up().iter().any(|sql| sql.contains("untouched")), "{:#?}", changed.up());
    revert(server, fixture, &changed).await;
    assert_rows(fixture, &changed.database, "SELECT id FROM a_over", 2).await;
}

const CIRCLE_BEFORE: &str = "
tables:
  - name: stays
    columns: [{name: id, type: int64}, {name: a_id, type: int64, nullable: true}]
    primary_key: {columns: [id]}
    foreign_keys: [{name: fk_stays_a, columns: [a_id], referenced_table: a, referenced_columns: [id], on_delete: cascade}]
  - name: a
    columns: [{name: id, type: int64}, {name: b_id, type: int64, nullable: true}]
    primary_key: {columns: [id]}
    foreign_keys: [{name: fk_a_b, columns: [b_id], referenced_table: b, referenced_columns: [id]}]
  - name: b
    columns: [{name: id, type: int64}, {name: a_id, type: int64, nullable: true}]
    primary_key: {columns: [id]}
    foreign_keys:
      - {name: fk_b_a, columns: [a_id], referenced_table: a, referenced_columns: [id]}
      - {name: fk_b_b, columns: [a_id], referenced_table: b, referenced_columns: [id]}
";
const CIRCLE_AFTER: &str = "
tables:
  - name: stays
    columns: [{name: id, type: int64}, {name: a_id, type: int64, nullable: true}, {name: x_id, type: int64, nullable: true}]
    primary_key: {columns: [id]}
    foreign_keys: [{name: fk_stays_x, columns: [x_id], referenced_table: x, referenced_columns: [id]}]
  - name: x
    columns: [{name: id, type: int64}, {name: y_id, type: int64, nullable: true}]
    primary_key: {columns: [id]}
    foreign_keys: [{name: fk_x_y, columns: [y_id], referenced_table: y, referenced_columns: [id]}]
  - name: y
    columns: [{name: id, type: int64}, {name: x_id, type: int64, nullable: true}, {name: stays_id, type: int64, nullable: true}]
    primary_key: {columns: [id]}
    foreign_keys:
      - {name: fk_y_x, columns: [x_id], referenced_table: x, referenced_columns: [id]}
      - {name: fk_y_stays, columns: [stays_id], referenced_table: stays, referenced_columns: [id]}
";

async fn tables_come_and_go_in_circles(server: &TestServer, fixture: &impl Rows) {
    let rows = "INSERT INTO a (id) VALUES (1); INSERT INTO stays (id, a_id) VALUES (5, 1);";
    let none = v1::RenameHints::default();
    let changed = change(server, fixture, [CIRCLE_BEFORE, CIRCLE_AFTER], rows, none).await;
    assert_rows(fixture, &changed.database, "SELECT count(*) FROM stays WHERE id = 5 AND a_id = 1", 1).await;
    let gone = changed.of(v1::ChangeAction::Drop, v1::ChangedKind::Table, "a");
    assert!(gone.data_loss.contains("all rows of the table a"), "{gone:?}");
    // What `a_id` points to has gone, and does not come back with its table.
    fixture.run(&changed.database, "UPDATE stays SET a_id = NULL").await;
    revert(server, fixture, &changed).await;
}

const HARD_BEFORE: &str = r#"
tables:
  - name: 'a "b" `c` ü日'
    comment: it's
    columns:
      - {name: "it's; --", type: text(20), nullable: true, default: {literal: "it's \\ \"x\""}}
      - {name: Select, type: int64}
      - {name: from, type: int64, nullable: true}
    primary_key: {columns: [Select]}
    checks: [{name: 'check "1"', expression: '"from" > 0'}]
    indexes: [{name: 'index "1"', columns: [{column: "it's; --"}]}]
  - name: order
    columns: [{name: group, type: int64}, {name: to, type: int64, nullable: true}]
    primary_key: {columns: [group]}
    foreign_keys: [{name: "table", columns: [to], referenced_table: 'a "b" `c` ü日', referenced_columns: [Select]}]
"#;
const HARD_AFTER: &str = r#"
tables:
  - name: 'a "b" `c` ü日'
    columns:
      - {name: "Index", type: int64}
      - {name: "it's; --", type: text(30), nullable: true, default: {literal: "it's \\ \"y\""}}
      - {name: 'where `x` "y"', type: int64, nullable: true}
      - {name: "null", type: int64, default: {literal: "3"}}
    primary_key: {columns: ["Index"]}
    checks: [{name: 'check "1"', expression: '"where `x` ""y""" > 0'}]
    indexes: [{name: 'index "1"', columns: [{column: "it's; --"}, {column: "null"}]}]
  - name: Group
    columns: [{name: group, type: int64}, {name: to, type: int64, nullable: true}]
    primary_key: {columns: [group]}
    foreign_keys: [{name: "table", columns: [to], referenced_table: 'a "b" `c` ü日', referenced_columns: ["Index"]}]
"#;

async fn hard_names_are_quoted(server: &TestServer, fixture: &impl Rows) {
    let table = "a \"b\" `c` ü日";
    let renames = hints(&[("order", "Group")], &[(table, "Select", "Index"), (table, "from", "where `x` \"y\"")]);
    let changed = change(server, fixture, [HARD_BEFORE, HARD_AFTER], "", renames).await;
    revert(server, fixture, &changed).await;
}

/// A database that was made of a definition does not differ from it, whatever the engine makes of its types.
async fn the_schema_of_a_definition_is_no_change(server: &TestServer, fixture: &impl Rows) {
    let client = server.client();
    let declared = "
types:
  - {name: colour, shape: {enum: [red, \"it's\"]}}
  - {name: percent, shape: {domain: {base: int16, required: true, checks: [{expression: VALUE >= 0}, {expression: VALUE <= 100}]}}}
tables:
  - name: paint
    columns:
      - {name: id, type: int64}
      - {name: colour, type: declared:colour, nullable: true}
      - {name: share, type: declared:percent, nullable: true}
      - {name: made, type: date, default: current_timestamp}
      - {name: token, type: uuid, default: new_uuid}
      - {name: raw, type: json_text, nullable: true}
    primary_key: {columns: [id]}
    checks: [{expression: id > 0}]
    indexes: [{columns: [{column: made}], unique: true}, {columns: [{column: token}]}]
";
    for (id, schema) in [("shop", include_str!("definition/shop.yaml")), ("paint", declared)] {
        make(&client, fixture, id, schema).await;
        for (source, target) in [(connection(id), yaml(schema)), (yaml(schema), connection(id))] {
            let answer = diff(&client, source, target, v1::RenameHints::default()).await;
            assert_eq!(answer.changes, [], "{id}");
            assert_eq!((answer.up, answer.down), (Vec::new(), Vec::new()));
        }
    }
}

/// Nobody invents a value for a NULL.
async fn a_null_is_told_and_refused(server: &TestServer, fixture: &impl Rows) {
    let client = server.client();
    let schema = |nullable: bool| {
        format!("tables: [{{name: note, columns: [{{name: body, type: text(20), nullable: {nullable}}}]}}]")
    };
    let database = make(&client, fixture, "is", &schema(true)).await;
    fixture.run(&database, "INSERT INTO note VALUES ('a'), (NULL)").await;
    let answer = diff(&client, connection("is"), yaml(&schema(false)), v1::RenameHints::default()).await;
    let [change] = answer.changes.as_slice() else { panic!("{answer:#?}") };
    assert!(change.may_fail.contains("NULL in note.body") && change.data_loss.is_empty(), "{change:?}");
    let set = migration_set(&client, "set", vec![file("1_required.up.sql", &answer.up[0].content)]).await;
    let operation = client.migrations().apply_migrations(apply(&set, "connections/is")).await.unwrap().into_inner();
    let error = ended(&client, operation).await.error.expect("the NULL is refused");
    assert!(error.message.contains("NULL") || error.message.contains("truncated"), "{error:?}");
    assert_rows(fixture, &database, "SELECT count(*) FROM note", 2).await;
}
