//! Keys, foreign keys, checks and exclusions. What is in the index of one is taken from there when the indexes are known.

use sqlx::{
    Row,
    postgres::{PgRow, types::Oid},
};

use super::{catalog::text, details::Draft};
use crate::model::schema::{
    CheckConstraint, ExclusionConstraint, ExclusionElement, ForeignKey, Index, IndexPart, KeyConstraint, MatchType,
    ReferentialAction,
};

/// An exclusion whose index is not read yet.
pub(super) struct PendingExclusion {
    index: Oid,
    operators: Vec<String>,
    constraint: ExclusionConstraint,
}

impl Draft {
    pub(super) fn add_constraint(&mut self, row: &PgRow) {
        let columns: Option<Vec<i16>> = row.get("columns");
        let columns = self.names(&columns.unwrap_or_default());
        match row.get("kind") {
            "p" => self.table.primary_key = Some(key(row, columns)),
            "u" => self.table.unique_constraints.push(key(row, columns)),
            "f" => {
                let key = self.foreign_key(row, columns);
                self.table.foreign_keys.push(key);
            }
            "x" => self.exclusions.push(exclusion(row)),
            _ => self.table.checks.push(check(row)),
        }
    }

    fn foreign_key(&self, row: &PgRow, columns: Vec<String>) -> ForeignKey {
        let on_delete_columns: Option<Vec<i16>> = row.get("on_delete_columns");
        ForeignKey {
            name: row.get("name"),
            columns,
            referenced_schema: text(row, "referenced_schema"),
            referenced_table: text(row, "referenced_table"),
            referenced_columns: row.get::<Option<_>, _>("referenced_columns").unwrap_or_default(),
            on_update: referential_action(row.get("on_update")),
            on_delete: referential_action(row.get("on_delete")),
            deferrable: row.get("deferrable"),
            validated: row.get("validated"),
            initially_deferred: row.get("deferred"),
            match_type: match row.get("match_type") {
                "f" => MatchType::Full,
                "p" => MatchType::Partial,
                _ => MatchType::Simple,
            },
            on_delete_columns: self.names(&on_delete_columns.unwrap_or_default()),
            enforced: row.get("enforced"),
            comment: text(row, "comment"),
            period: row.get("period"),
        }
    }

    /// Takes over from the indexes of keys what only they have.
    pub(super) fn name_indexes_of_keys(&mut self) {
        let indexes = &self.table.indexes;
        let keys = self.table.primary_key.iter_mut().chain(&mut self.table.unique_constraints);
        for key in keys {
            let Some(index) = indexes.iter().find(|index| index.constraint == key.name) else { continue };
            key.index.clone_from(&index.name);
            key.included_columns.clone_from(&index.included_columns);
            key.nulls_not_distinct = index.nulls_not_distinct;
        }
    }

    pub(super) fn finish_exclusions(&mut self) -> Vec<ExclusionConstraint> {
        let finish = |pending: PendingExclusion| {
            let index = self.index_places.get(&pending.index).and_then(|place| self.table.indexes.get(*place));
            finished(pending, index)
        };
        std::mem::take(&mut self.exclusions).into_iter().map(finish).collect()
    }
}

fn key(row: &PgRow, columns: Vec<String>) -> KeyConstraint {
    KeyConstraint {
        name: row.get("name"),
        columns,
        deferrable: row.get("deferrable"),
        initially_deferred: row.get("deferred"),
        comment: text(row, "comment"),
        without_overlaps: row.get("period"),
        ..KeyConstraint::default()
    }
}

fn check(row: &PgRow) -> CheckConstraint {
    CheckConstraint {
        name: row.get("name"),
        expression: text(row, "expression"),
        validated: row.get("validated"),
        no_inherit: row.get("no_inherit"),
        enforced: row.get("enforced"),
        comment: text(row, "comment"),
        column: String::new(),
    }
}

fn exclusion(row: &PgRow) -> PendingExclusion {
    PendingExclusion {
        index: row.get::<Option<Oid>, _>("index").unwrap_or_default(),
        operators: row.get::<Option<_>, _>("operators").unwrap_or_default(),
        constraint: ExclusionConstraint {
            name: row.get("name"),
            deferrable: row.get("deferrable"),
            initially_deferred: row.get("deferred"),
            comment: text(row, "comment"),
            ..ExclusionConstraint::default()
        },
    }
}

fn finished(pending: PendingExclusion, index: Option<&Index>) -> ExclusionConstraint {
    let Some(index) = index else { return pending.constraint };
    let element = |(part, operator): (&IndexPart, String)| ExclusionElement {
        term: part.term.clone(),
        operator,
        operator_class: part.operator_class.clone(),
        collation: part.collation.clone(),
        descending: part.descending,
        nulls: part.nulls,
    };
    ExclusionConstraint {
        method: index.method.clone(),
        elements: index.parts.iter().zip(pending.operators).map(element).collect(),
        included_columns: index.included_columns.clone(),
        predicate: index.predicate.clone(),
        ..pending.constraint
    }
}

fn referential_action(letter: &str) -> ReferentialAction {
    match letter {
        "r" => ReferentialAction::Restrict,
        "c" => ReferentialAction::Cascade,
        "n" => ReferentialAction::SetNull,
        "d" => ReferentialAction::SetDefault,
        _ => ReferentialAction::NoAction,
    }
}
