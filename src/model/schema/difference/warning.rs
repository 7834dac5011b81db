//! What a reader of a difference should look at.

use std::collections::HashMap;

use super::{Change, SchemaDifference, TableChange};
use crate::model::schema::{
    ObjectName,
    definition::{ColumnDefinition, TableDefinition, folded},
};

/// Something that goes and something that comes, which look like one thing under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A table and one with the same columns.
    TableLooksRenamed {
        /// What goes.
        from: ObjectName,
        /// What comes.
        to: ObjectName,
    },
    /// A column and one that is the same but for its name.
    ColumnLooksRenamed {
        /// The table as it is called in the source.
        table: ObjectName,
        /// What goes.
        from: String,
        /// What comes.
        to: String,
    },
}

impl SchemaDifference {
    /// Pairs of what goes and what comes for which a rename may be meant.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.renamed_tables();
        let mut dropped: HashMap<&ObjectName, Vec<&ColumnDefinition>> = HashMap::new();
        for change in &self.changes {
            if let Change::AlterTable { table, change: TableChange::DropColumn(column) } = change {
                dropped.entry(table).or_default().push(column);
            }
        }
        let former = self.former_names();
        for change in &self.changes {
            let Change::AlterTable { table, change: TableChange::AddColumn { column, .. } } = change else { continue };
            let Some(candidates) = dropped.get_mut(table) else { continue };
            let Some(place) = candidates.iter().position(|dropped| is_alike(dropped, column)) else { continue };
            let from = candidates.remove(place).name.clone();
            warnings.push(Warning::ColumnLooksRenamed {
                table: (*former.get(table).unwrap_or(&table)).clone(),
                from,
                to: column.name.clone(),
            });
        }
        warnings
    }

    fn renamed_tables(&self) -> Vec<Warning> {
        let mut dropped: HashMap<Vec<(String, String)>, Vec<ObjectName>> = HashMap::new();
        for change in &self.changes {
            if let Change::DropTable(table) = change {
                dropped.entry(shape(table)).or_default().push(table.object_name());
            }
        }
        let mut warnings = Vec::new();
        for change in &self.changes {
            let Change::CreateTable(table) = change else { continue };
            let Some(candidates) = dropped.get_mut(&shape(table)) else { continue };
            let Some(place) = candidates.iter().position(|from| from.schema == table.schema) else { continue };
            warnings.push(Warning::TableLooksRenamed { from: candidates.remove(place), to: table.object_name() });
        }
        warnings
    }
}

fn is_alike(dropped: &ColumnDefinition, added: &ColumnDefinition) -> bool {
    super::ColumnAttribute::between(dropped, added).is_empty()
}

fn shape(table: &TableDefinition) -> Vec<(String, String)> {
    table.columns.iter().map(|column| (folded(&column.name), column.column_type.to_string())).collect()
}
