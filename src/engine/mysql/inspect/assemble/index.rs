//! Indexes.

use std::collections::BTreeMap;

use sqlx::mysql::MySqlRow;

use super::super::catalog::{integer, text};
use crate::{
    engine::mysql::row,
    model::schema::{Index, IndexPart, IndexTerm},
};

/// The indexes of a table by name; `parser` gives the parser of one that has its own.
pub(super) fn indexes(rows: &[MySqlRow], mut parser: impl FnMut(&str) -> Option<String>) -> Vec<Index> {
    let mut parts: BTreeMap<String, Vec<&MySqlRow>> = BTreeMap::new();
    for part in rows {
        parts.entry(text(part, 1)).or_default().push(part);
    }
    let index = |(name, parts): (String, Vec<&MySqlRow>)| {
        let parser = parser(&name).unwrap_or_default();
        index(name, parts).map(|index| Index { parser, ..index })
    };
    parts.into_iter().filter_map(index).collect()
}

fn index(name: String, mut parts: Vec<&MySqlRow>) -> Option<Index> {
    parts.sort_by_key(|part| integer(part, 2));
    let first = parts.first()?;
    let unique = integer(first, 3) == 0;
    // ALTER TABLE ... DISABLE KEYS of MyISAM: neither kept nor used.
    let disabled = text(first, 11).contains("disabled");
    Some(Index {
        primary: name == "PRIMARY",
        constraint: if unique { name.clone() } else { String::new() },
        name,
        method: text(first, 4).to_ascii_lowercase(),
        unique,
        parts: parts.iter().map(|part| index_part(part)).collect(),
        valid: !disabled,
        ready: !disabled,
        visible: text(first, 9) != "YES",
        size_bytes: -1,
        comment: text(first, 10),
        ..Index::default()
    })
}

fn index_part(part: &MySqlRow) -> IndexPart {
    let term = match row::optional_text(part, 5).ok().flatten() {
        Some(column) => IndexTerm::Column(column),
        None => IndexTerm::Expression(text(part, 8)),
    };
    // A spatial index holds the 32 bytes of a rectangle, which nobody wrote as a length.
    let is_spatial = text(part, 4) == "SPATIAL";
    let prefix_length = if is_spatial { 0 } else { u32::try_from(integer(part, 7)).unwrap_or(0) };
    IndexPart { descending: text(part, 6) == "D", prefix_length, ..IndexPart::plain(term) }
}
