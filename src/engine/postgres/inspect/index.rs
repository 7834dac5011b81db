//! Indexes and what they index.

use sqlx::{Row, postgres::PgRow};

use super::{
    catalog::{object_name, parameters, text},
    details::Draft,
};
use crate::model::schema::{Index, IndexPart, IndexTerm, NullsOrder, ObjectName, OperatorClass};

/// Bits of `indoption`.
const DESCENDING: i16 = 1;
const NULLS_FIRST: i16 = 2;

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
