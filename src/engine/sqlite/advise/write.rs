//! The statements of what is recommended.

use crate::{
    engine::{
        Dialect,
        advise::{FullTextSearch, TwoWay},
        dialect::names::snake_case,
        sqlite::dialect::SqliteDialect,
    },
    model::schema::{ColumnDetails, SqliteColumn, Table, TableDetails},
};

/// Bytes of a page of most files, and of what stands before its cells.
const PAGE: f64 = 4096.0;
const HEADER: f64 = 8.0;
/// Pointer to a cell, lengths of its payload and header, and a type for each of two values, which most indexes have.
const CELL: f64 = 2.0 + 2.0 + 2.0;
/// The number of the row that each entry ends with, at most.
const ROWID: f64 = 8.0;

/// A full-text table that reads its texts in the table itself, and three triggers that keep it. It holds on to the numbers of the
/// rows, which stay only where a column has them.
pub(super) fn full_text(table: &Table, columns: &[String]) -> Option<FullTextSearch> {
    let is_rowid = |details: &ColumnDetails| matches!(details, ColumnDetails::Sqlite(SqliteColumn { rowid: true, .. }));
    let key = table.columns.iter().find(|column| column.details.as_ref().is_some_and(is_rowid))?;
    match &table.details {
        Some(TableDetails::Sqlite(details)) if !details.without_rowid => {}
        _ => return None,
    }
    let quoted = |name: &str| SqliteDialect.quoted(name);
    let name = format!("{}_fts", snake_case(&table.name));
    let (search, on, row) = (quoted(&name), quoted(&table.name), quoted(&key.name));
    let names: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    let list = names.join(", ");
    let of = |version: &str| names.iter().map(|column| format!("{version}.{column}")).collect::<Vec<_>>().join(", ");
    let (new, old) = (of("new"), of("old"));
    let add = format!("INSERT INTO {search} (rowid, {list}) VALUES (new.{row}, {new});");
    let remove = format!("INSERT INTO {search} ({search}, rowid, {list}) VALUES ('delete', old.{row}, {old});");
    let trigger = |event: &str, ending: &str, body: &str| {
        let trigger = quoted(&format!("{name}_{ending}"));
        format!("CREATE TRIGGER {trigger} AFTER {event} ON {on} BEGIN\n    {body}\nEND;")
    };
    let (content, content_rowid) = (SqliteDialect.string(&table.name), SqliteDialect.string(&key.name));
    let up = vec![
        format!("CREATE VIRTUAL TABLE {search} USING fts5({list}, content={content}, content_rowid={content_rowid});"),
        format!("INSERT INTO {search} ({search}) VALUES ('rebuild');"),
        trigger("INSERT", "insert", &add),
        trigger("DELETE", "delete", &remove),
        trigger("UPDATE", "update", &format!("{remove}\n    {add}")),
    ];
    let mut down: Vec<String> = ["update", "delete", "insert"]
        .iter()
        .map(|ending| format!("DROP TRIGGER {};", quoted(&format!("{name}_{ending}"))))
        .collect();
    down.push(format!("DROP TABLE {search};"));
    let usage = format!("{row} IN (SELECT rowid FROM {search} WHERE {search} MATCH ?)");
    // With what FTS5 keeps its words in.
    let parts = ["insert", "delete", "update", "data", "idx", "docsize", "config"];
    let takes = parts.iter().map(|part| format!("{name}_{part}")).chain([name.clone()]).collect();
    let caveat =
        "a row that INSERT OR REPLACE takes away leaves its words behind where PRAGMA recursive_triggers is off";
    Some(FullTextSearch { name, takes, statements: TwoWay { up, down }, usage, caveat })
}

/// Leaves of an index at their fullest, with numbers at their longest.
pub(super) fn index_bytes(rows: i64, key: f64) -> i64 {
    let entries = ((PAGE - HEADER) / (CELL + key + ROWID)).floor().max(1.0);
    ((rows as f64 / entries).ceil() * PAGE) as i64
}
