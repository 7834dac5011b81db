//! Keys and the tables that they stand between.

use dbkeeper::grpc::proto::v1;

use super::{Rows, assert_rows, change, revert};
use crate::{harness::server::TestServer, rpc::support::on_both_engines};

on_both_engines! {
    keys_change,
    tables_come_and_go_in_circles,
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
