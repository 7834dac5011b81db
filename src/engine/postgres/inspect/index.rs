//! Indexes and what they index.

use std::collections::{BTreeSet, HashMap};

use sqlx::{
    Row,
    postgres::{PgRow, types::Oid},
};

use super::{
    catalog::{object_name, parameters, text},
    details::Draft,
};
use crate::model::schema::{Index, IndexPart, IndexTerm, NullsOrder, ObjectName, OperatorClass};

/// Bits of `indoption`.
const DESCENDING: i16 = 1;
const NULLS_FIRST: i16 = 2;

/// Operator classes by their numbers.
pub(super) struct OperatorClasses(HashMap<Oid, OperatorClass>);

impl OperatorClasses {
    pub(super) fn new(rows: &[PgRow]) -> Self {
        let class = |row: &PgRow| OperatorClass {
            name: ObjectName { schema: row.get("schema"), name: row.get("name") },
            default: row.get("is_default"),
            parameters: Vec::new(),
        };
        Self(rows.iter().map(|row| (row.get("oid"), class(row))).collect())
    }
}

/// Whether the row of an index tells all of its parts.
pub(super) fn is_plain(row: &PgRow) -> bool {
    row.get("plain")
}

/// The indexes whose parts have to be asked for.
pub(super) fn not_plain(rows: &[PgRow]) -> Vec<Oid> {
    rows.iter().filter(|row| !is_plain(row)).map(|row| row.get("oid")).collect()
}

/// The operator classes of the others, each once.
pub(super) fn classes_of_plain(rows: &[PgRow]) -> Vec<Oid> {
    let classes = rows.iter().filter(|row| is_plain(row)).flat_map(|row| row.get::<Vec<Oid>, _>("classes"));
    let classes: BTreeSet<u32> = classes.map(|class| class.0).collect();
    classes.into_iter().map(Oid).collect()
}

impl Draft {
    pub(super) fn add_index(&mut self, row: &PgRow) {
        let size_bytes: i64 = row.get("size");
        self.table.index_size_bytes += size_bytes.max(0);
        self.index_places.insert(row.get("oid"), self.table.indexes.len());
        self.table.indexes.push(Index {
            name: row.get("name"),
            method: row.get("method"),
            unique: row.get("unique"),
            primary: row.get("primary"),
            predicate: text(row, "predicate"),
            valid: row.get("valid"),
            size_bytes,
            ready: row.get("ready"),
            visible: true,
            nulls_not_distinct: row.get("nulls_not_distinct"),
            storage_parameters: parameters(row.get("storage_parameters")),
            comment: text(row, "comment"),
            constraint: text(row, "constraint_name"),
            tablespace: text(row, "tablespace"),
            clustered: row.get("clustered"),
            partition_of: object_name(row, "parent_schema", "parent_name"),
            definition: text(row, "definition"),
            ..Index::default()
        });
    }

    /// What a plain index indexes. Its key has as many parts as it has operator classes; what follows is carried beside it.
    pub(super) fn add_plain_parts(&mut self, row: &PgRow, classes: &OperatorClasses) {
        let place = self.index_places.get(&row.get("oid"));
        let Some(index) = place.and_then(|place| self.table.indexes.get_mut(*place)) else { return };
        let columns: Vec<i16> = row.get("columns");
        let mut names = columns.iter().map(|number| self.column_names.get(number).cloned().unwrap_or_default());
        let key = row.get::<Vec<Oid>, _>("classes").into_iter().zip(row.get::<Vec<i16>, _>("options"));
        for ((class, option), name) in key.zip(names.by_ref()) {
            index.parts.push(IndexPart {
                descending: option & DESCENDING != 0,
                operator_class: classes.0.get(&class).cloned(),
                nulls: if option & NULLS_FIRST != 0 { NullsOrder::First } else { NullsOrder::Last },
                ..IndexPart::plain(IndexTerm::Column(name))
            });
        }
        index.included_columns.extend(names);
    }

    pub(super) fn add_index_part(&mut self, row: &PgRow) {
        let column = self.column_names.get(&row.get("column"));
        let place = self.index_places.get(&row.get("index"));
        let Some(index) = place.and_then(|place| self.table.indexes.get_mut(*place)) else { return };
        if !row.get::<bool, _>("key") {
            index.included_columns.extend(column.cloned());
            return;
        }
        let term = match column {
            Some(name) => IndexTerm::Column(name.clone()),
            None => IndexTerm::Expression(text(row, "expression")),
        };
        index.parts.push(part(row, term));
    }
}

fn part(row: &PgRow, term: IndexTerm) -> IndexPart {
    let option: Option<i16> = row.get("option");
    let class_name: Option<String> = row.get("class_name");
    IndexPart {
        descending: option.is_some_and(|option| option & DESCENDING != 0),
        collation: text(row, "collation"),
        operator_class: class_name.map(|name| OperatorClass {
            name: ObjectName { schema: text(row, "class_schema"), name },
            default: row.get("class_default"),
            parameters: parameters(row.get("class_parameters")),
        }),
        nulls: match option {
            None => NullsOrder::Untold,
            Some(option) if option & NULLS_FIRST != 0 => NullsOrder::First,
            Some(_) => NullsOrder::Last,
        },
        ..IndexPart::plain(term)
    }
}
