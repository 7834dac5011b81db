//! Columns, constraints, indexes, triggers and view queries of a list of relations, one query each, put together by oid.

use std::collections::HashMap;

use sqlx::{
    Row,
    postgres::{PgRow, types::Oid},
};

use super::relations::Relation;
use crate::{
    engine::postgres::database::ReadTransaction,
    model::{
        Result,
        schema::{
            CheckConstraint, Column, ForeignKey, Generation, Index, IndexPart, IndexTerm, KeyConstraint,
            ReferentialAction, Table, Trigger,
        },
    },
};

const COLUMNS: &str = include_str!("columns.sql");
const CONSTRAINTS: &str = include_str!("constraints.sql");
const INDEXES: &str = include_str!("indexes.sql");
const TRIGGERS: &str = include_str!("triggers.sql");
const VIEWS: &str = include_str!("views.sql");
/// Bit of `indoption` that says descending.
const DESCENDING: i16 = 1;

/// Adds what a row tells to its table.
type AddRow = fn(&mut Draft, &PgRow);

/// A table that is being put together. Catalogs name columns by number, and numbers have gaps.
struct Draft {
    table: Table,
    column_names: HashMap<i16, String>,
}

/// Reads the details of all relations and returns the tables in the same order.
pub(super) async fn read_details(
    transaction: &mut ReadTransaction<'_>,
    relations: Vec<Relation>,
) -> Result<Vec<Table>> {
    let oids: Vec<Oid> = relations.iter().map(|relation| relation.oid).collect();
    let mut drafts: HashMap<Oid, Draft> = relations
        .into_iter()
        .map(|relation| (relation.oid, Draft { table: relation.into_table(), column_names: HashMap::new() }))
        .collect();
    let steps: [(&'static str, AddRow); 5] = [
        (COLUMNS, Draft::add_column),
        (CONSTRAINTS, Draft::add_constraint),
        (INDEXES, Draft::add_index),
        (TRIGGERS, Draft::add_trigger),
        (VIEWS, Draft::add_view),
    ];
    for (sql, add) in steps {
        let rows = sqlx::query(sql)
            .persistent(transaction.keeps_statements())
            .bind(&oids)
            .fetch_all(transaction.connection())
            .await;
        for row in rows.map_err(|error| transaction.failure(error))? {
            if let Some(draft) = drafts.get_mut(&row.get(0)) {
                add(draft, &row);
            }
        }
    }
    Ok(oids.iter().filter_map(|oid| drafts.remove(oid)).map(|draft| draft.table).collect())
}

impl Draft {
    fn add_column(&mut self, row: &PgRow) {
        let name: String = row.get(2);
        self.column_names.insert(row.get(1), name.clone());
        let expression: Option<String> = row.get(7);
        let generated = match row.get(6) {
            "s" => Some(Generation::Stored),
            "v" => Some(Generation::Virtual),
            _ => None,
        };
        let identity = match row.get(5) {
            "a" => Generation::IdentityAlways,
            "d" => Generation::IdentityByDefault,
            _ => Generation::None,
        };
        let (default_expression, generation_expression) = match generated {
            Some(_) => (None, expression.unwrap_or_default()),
            None => (expression, String::new()),
        };
        self.table.columns.push(Column {
            name,
            position: i32::try_from(self.table.columns.len() + 1).unwrap_or(i32::MAX),
            data_type: row.get(3),
            nullable: !row.get::<bool, _>(4),
            default_expression,
            generation: generated.unwrap_or(identity),
            generation_expression,
            collation: row.get::<Option<String>, _>(8).unwrap_or_default(),
            comment: row.get::<Option<String>, _>(9).unwrap_or_default(),
            ..Column::default()
        });
    }

    fn add_constraint(&mut self, row: &PgRow) {
        let name: String = row.get(2);
        let numbers: Option<Vec<i16>> = row.get(3);
        let columns = self.names(&numbers.unwrap_or_default());
        match row.get(1) {
            "p" => self.table.primary_key = Some(KeyConstraint { name, columns, ..KeyConstraint::default() }),
            "u" => self.table.unique_constraints.push(KeyConstraint { name, columns, ..KeyConstraint::default() }),
            "f" => self.table.foreign_keys.push(ForeignKey {
                name,
                columns,
                referenced_schema: row.get::<Option<String>, _>(8).unwrap_or_default(),
                referenced_table: row.get::<Option<String>, _>(9).unwrap_or_default(),
                referenced_columns: row.get::<Option<Vec<String>>, _>(10).unwrap_or_default(),
                on_update: referential_action(row.get(6)),
                on_delete: referential_action(row.get(7)),
                deferrable: row.get(5),
                validated: row.get(4),
                enforced: true,
                ..ForeignKey::default()
            }),
            _ => self.table.checks.push(CheckConstraint {
                name,
                expression: row.get::<Option<String>, _>(11).unwrap_or_default(),
                validated: row.get(4),
                enforced: true,
                ..CheckConstraint::default()
            }),
        }
    }

    fn add_index(&mut self, row: &PgRow) {
        let key_count = usize::try_from(row.get::<i16, _>(6)).unwrap_or(0);
        let numbers: Vec<i16> = row.get(7);
        let options: Vec<i16> = row.get(8);
        let printed: Option<Vec<String>> = row.get(9);
        let (keys, included) = numbers.split_at(key_count.min(numbers.len()));
        let part = |(position, number): (usize, &i16)| {
            let term = match self.column_names.get(number) {
                Some(name) => IndexTerm::Column(name.clone()),
                None => {
                    let text = printed.as_ref().and_then(|texts| texts.get(position));
                    IndexTerm::Expression(text.cloned().unwrap_or_default())
                }
            };
            let descending = options.get(position).is_some_and(|option| option & DESCENDING != 0);
            IndexPart { descending, ..IndexPart::plain(term) }
        };
        let size_bytes: i64 = row.get(11);
        let index = Index {
            name: row.get(1),
            method: row.get(2),
            unique: row.get(3),
            primary: row.get(4),
            parts: keys.iter().enumerate().map(part).collect(),
            included_columns: self.names(included),
            predicate: row.get::<Option<String>, _>(10).unwrap_or_default(),
            valid: row.get(5),
            ready: true,
            visible: true,
            size_bytes,
            ..Index::default()
        };
        self.table.index_size_bytes += size_bytes.max(0);
        self.table.indexes.push(index);
    }

    fn add_trigger(&mut self, row: &PgRow) {
        self.table.triggers.push(Trigger { name: row.get(1), definition: row.get(2), ..Trigger::default() });
    }

    fn add_view(&mut self, row: &PgRow) {
        self.table.view_definition = row.get::<Option<String>, _>(1).unwrap_or_default();
    }

    fn names(&self, numbers: &[i16]) -> Vec<String> {
        numbers.iter().filter_map(|number| self.column_names.get(number).cloned()).collect()
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
