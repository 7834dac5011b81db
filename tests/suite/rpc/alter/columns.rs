//! Columns come, go and change, and rows stay.

use dbkeeper::grpc::proto::v1;

use super::{Rows, assert_rows, change, connection, diff, hints, make, revert, yaml};
use crate::{
    harness::server::TestServer,
    rpc::support::{apply, ended, file, migration_set, on_both_engines, settings},
};

on_both_engines! {
    columns_change_and_rows_stay,
    computed_columns_change,
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
