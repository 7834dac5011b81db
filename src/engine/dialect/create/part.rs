//! Parts of statements that all engines write alike.

use super::{Draft, PlannedKey, PlannedTable};
use crate::{
    engine::Dialect,
    model::schema::{
        ReferentialAction,
        definition::{ColumnDefinition, IndexDefinition, TableDefinition},
    },
};

/// How a message names a column.
pub(in crate::engine) fn column_object(table: &PlannedTable<'_>, column: &ColumnDefinition) -> String {
    format!("column {}.{}", table.table.full_name(), column.name)
}

/// Columns of a table in their order, each as the table itself was given its name.
pub(in crate::engine) fn columns(dialect: &dyn Dialect, table: &TableDefinition, names: &[String]) -> String {
    let own = names.iter().map(|name| table.column(name).map_or(name.as_str(), |column| column.name.as_str()));
    own.map(|name| dialect.quoted(name)).collect::<Vec<_>>().join(", ")
}

/// The columns of an index with their directions.
pub(in crate::engine) fn terms(dialect: &dyn Dialect, table: &TableDefinition, index: &IndexDefinition) -> String {
    let terms = index.columns.iter().map(|part| {
        let column = columns(dialect, table, std::slice::from_ref(&part.column));
        format!("{column}{}", if part.descending { " DESC" } else { "" })
    });
    terms.collect::<Vec<_>>().join(", ")
}

/// What stands before a constraint that has a name.
pub(in crate::engine) fn constraint(dialect: &dyn Dialect, name: &str) -> String {
    if name.is_empty() { String::new() } else { format!("CONSTRAINT {} ", dialect.quoted(name)) }
}

/// A primary key or a unique constraint as a part of its table; `kind` is which of them.
pub(in crate::engine) fn key(
    dialect: &dyn Dialect,
    table: &TableDefinition,
    kind: &str,
    name: &str,
    names: &[String],
) -> String {
    format!("{}{kind} ({})", constraint(dialect, name), columns(dialect, table, names))
}

/// A foreign key as a part of its table.
pub(in crate::engine) fn foreign_key(dialect: &dyn Dialect, table: &TableDefinition, key: &PlannedKey<'_>) -> String {
    let referenced: Vec<String> = key.referenced_columns.iter().map(|column| dialect.quoted(column)).collect();
    format!(
        "{}FOREIGN KEY ({}) REFERENCES {} ({}){}",
        constraint(dialect, &key.name),
        columns(dialect, table, &key.key.columns),
        key.referenced,
        referenced.join(", "),
        actions(key)
    )
}

/// ` ON UPDATE ... ON DELETE ...` of a foreign key, as the standard has it.
fn actions(key: &PlannedKey<'_>) -> String {
    let action = |event: &str, action: ReferentialAction| match action {
        ReferentialAction::NoAction => String::new(),
        ReferentialAction::Restrict => format!(" {event} RESTRICT"),
        ReferentialAction::Cascade => format!(" {event} CASCADE"),
        ReferentialAction::SetNull => format!(" {event} SET NULL"),
        ReferentialAction::SetDefault => format!(" {event} SET DEFAULT"),
    };
    let deferred = if key.key.deferred { " DEFERRABLE INITIALLY DEFERRED" } else { "" };
    format!("{}{}{deferred}", action("ON UPDATE", key.key.on_update), action("ON DELETE", key.key.on_delete))
}

impl Draft<'_> {
    /// The checks of a table as parts of it, without those that are of another engine.
    pub(in crate::engine) fn checks(&mut self, planned: &PlannedTable<'_>) -> Vec<String> {
        (0..planned.checks.len()).filter_map(|place| self.check(planned, place)).collect()
    }

    /// A check of a table as a part of it; absent where it is of another engine.
    pub(in crate::engine) fn check(&mut self, planned: &PlannedTable<'_>, place: usize) -> Option<String> {
        let (name, rule) = &planned.checks[place];
        let field = format!("{}.checks[{place}].expression", planned.field);
        let object = format!("check {}.{name}", planned.table.full_name());
        let text = self.sql(&field, &object, rule.sql())?;
        Some(format!("{}CHECK ({text})", constraint(self.dialect, name)))
    }

    /// The condition of an index on a line of its own, empty for all rows; absent where it is of another engine.
    pub(in crate::engine) fn predicate(&mut self, field: &str, name: &str, index: &IndexDefinition) -> Option<String> {
        let Some(sql) = index.sql() else { return Some(String::new()) };
        let text = self.sql(&format!("{field}.predicate"), &format!("index {name}"), sql)?;
        Some(format!("\n    WHERE {text}"))
    }
}
