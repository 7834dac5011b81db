//! Columns.

use sqlx::{Row, postgres::PgRow};

use super::{
    catalog::{foreign_options, parameters},
    details::Draft,
};
use crate::model::schema::{Column, ColumnDetails, ColumnStorage, Generation, ObjectName, PostgresColumn};

/// Place of the word that somebody granted or revoked a privilege on the column.
pub(super) const COLUMN_HAS_GRANTS: usize = 19;

impl Draft {
    /// There are many columns, so that they are read by place and not by name. Comments come later.
    pub(super) fn add_column(&mut self, row: &PgRow) {
        let name: String = row.get(2);
        self.column_names.insert(row.get(1), name.clone());
        let expression: Option<String> = row.get(7);
        let generation = generation(row.get(5), row.get(6));
        let (default_expression, generation_expression) = match generation {
            Generation::Stored | Generation::Virtual => (None, expression.unwrap_or_default()),
            _ => (expression, String::new()),
        };
        self.table.columns.push(Column {
            name,
            position: i32::try_from(self.table.columns.len() + 1).unwrap_or(i32::MAX),
            data_type: row.get(3),
            nullable: !row.get::<bool, _>(4),
            default_expression,
            generation,
            generation_expression,
            collation: row.get::<Option<String>, _>(8).unwrap_or_default(),
            details: Some(ColumnDetails::Postgres(Box::new(details(row)))),
            ..Column::default()
        });
    }
}

fn details(row: &PgRow) -> PostgresColumn {
    let type_schema: Option<String> = row.get(12);
    PostgresColumn {
        storage: match row.get(9) {
            "p" => ColumnStorage::Plain,
            "e" => ColumnStorage::External,
            "x" => ColumnStorage::Extended,
            "m" => ColumnStorage::Main,
            _ => ColumnStorage::Untold,
        },
        compression: match row.get(10) {
            "p" => "pglz".to_owned(),
            "l" => "lz4".to_owned(),
            _ => String::new(),
        },
        statistics_target: row.get(11),
        user_type: type_schema.map(|schema| ObjectName { schema, name: row.get(13) }),
        array_dimensions: row.get(14),
        inherited_from: row.get(15),
        local: row.get(16),
        options: parameters(row.get(17)),
        foreign_options: foreign_options(row.get(18)),
        not_null_constraint: row.get::<Option<String>, _>(20).unwrap_or_default(),
    }
}

fn generation(identity: &str, generated: &str) -> Generation {
    match (identity, generated) {
        (_, "s") => Generation::Stored,
        (_, "v") => Generation::Virtual,
        ("a", _) => Generation::IdentityAlways,
        ("d", _) => Generation::IdentityByDefault,
        _ => Generation::None,
    }
}
