//! Indexes of a table. Pragmas tell all but expressions and conditions, which the text does.

use super::{
    super::super::{
        catalog::{Details, IndexRow, Relation, key},
        ddl::{self, IndexText, TableText},
    },
    by_name, of,
};
use crate::model::schema::{Index, IndexPart, IndexTerm, KeyConstraint};

/// What values are compared by where nothing else is said.
const DEFAULT_COLLATION: &str = "BINARY";

pub(super) fn indexes(
    relation: &Relation,
    details: &Details,
    text: &TableText,
    constraints: &[&KeyConstraint],
) -> Vec<Index> {
    let definitions = of(&details.definitions, relation);
    let written = by_name(text);
    let sizes = details.sizes.as_ref().map(|sizes| sizes.get(&key(&relation.name)));
    let size = |index: &str| match sizes {
        None => -1,
        Some(found) => found.and_then(|found| found.indexes.get(index)).copied().unwrap_or(0),
    };
    let own_collation = |column: &str| match written.get(&key(column)) {
        Some(written) if !written.collation.is_empty() => written.collation.as_str(),
        _ => DEFAULT_COLLATION,
    };
    let build = |parts: &[IndexRow]| {
        let name = parts[0].index.clone();
        let definition = definitions.iter().find(|definition| definition.kind == "index" && definition.name == name);
        let text = definition.map(|definition| ddl::index(&definition.sql)).unwrap_or_default();
        let part = |(place, row): (usize, &IndexRow)| {
            let own = row.column.as_deref().map_or(DEFAULT_COLLATION, own_collation);
            let differs = !row.collation.eq_ignore_ascii_case(own);
            let collation = if differs { row.collation.clone() } else { String::new() };
            IndexPart { descending: row.descending, collation, ..IndexPart::plain(term(row, &text, place)) }
        };
        let constraint = constraints.iter().find(|constraint| constraint.index == name);
        Index {
            method: "btree".to_owned(),
            unique: parts[0].unique,
            primary: parts[0].origin == "pk",
            parts: parts.iter().enumerate().map(part).collect(),
            predicate: text.predicate.clone(),
            valid: true,
            ready: true,
            visible: true,
            size_bytes: size(&name),
            definition: definition.map(|definition| definition.sql.clone()).unwrap_or_default(),
            constraint: constraint.map(|constraint| constraint.name.clone()).unwrap_or_default(),
            name,
            ..Index::default()
        }
    };
    of(&details.indexes, relation).chunk_by(|one, next| one.index == next.index).map(build).collect()
}

fn term(row: &IndexRow, text: &IndexText, place: usize) -> IndexTerm {
    match &row.column {
        Some(column) => IndexTerm::Column(column.clone()),
        None => IndexTerm::Expression(text.terms.get(place).cloned().unwrap_or_default()),
    }
}
