//! Columns that every table is expected to have.

use super::{ColumnDefinition, ColumnType, DefaultValue, SchemaDefinition, TableDefinition};
use crate::model::schema::NeutralType;

/// Which standard columns are added to tables that lack them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StandardColumns {
    /// `created_at`: when the row was made.
    pub created_at: bool,
    /// `updated_at`: when it was last changed.
    pub updated_at: bool,
    /// `deleted_at`: when it was marked as deleted, or NULL.
    pub deleted_at: bool,
}

impl StandardColumns {
    /// Adds them behind the columns of each table. A column of the name that is there stays as it is.
    pub fn add_to(self, definition: &mut SchemaDefinition) {
        for table in &mut definition.tables {
            let columns = [
                (self.created_at, column("created_at", true, false)),
                (self.updated_at, column("updated_at", true, true)),
                (self.deleted_at, column("deleted_at", false, false)),
            ];
            columns.into_iter().filter(|(wanted, _)| *wanted).for_each(|(_, column)| add(table, column));
        }
    }
}

fn add(table: &mut TableDefinition, column: ColumnDefinition) {
    if table.column(&column.name).is_none() {
        table.columns.push(column);
    }
}

fn column(name: &str, required: bool, touched_on_update: bool) -> ColumnDefinition {
    ColumnDefinition {
        name: name.to_owned(),
        column_type: ColumnType::Neutral(NeutralType::timestamp(true)),
        nullable: !required,
        default: required.then_some(DefaultValue::CurrentTimestamp),
        touched_on_update,
        ..ColumnDefinition::default()
    }
}
