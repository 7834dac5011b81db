//! Names of tables, columns, indexes and foreign keys.

use super::{Look, is_of_constraint, rules};
use crate::{
    engine::dialect::names::{foreign_key_name, index_name, snake_case},
    model::schema::{ForeignKey, Index, IndexTerm, LintSubject, SchemaChange},
};

/// Columns that every table is expected to have, and whether they may be NULL.
const STANDARD_COLUMNS: [(&str, bool); 3] = [("created_at", false), ("updated_at", false), ("deleted_at", true)];

pub(super) fn look(look: &mut Look<'_>) {
    let table = look.table;
    if look.holds(rules::INDEX_NAME) {
        table.indexes.iter().for_each(|index| index_of(look, index));
    }
    if look.holds(rules::FOREIGN_KEY_NAME) {
        table.foreign_keys.iter().for_each(|key| foreign_key(look, key));
    }
    if look.holds(rules::MISSING_TIMESTAMPS) {
        standard_columns(look);
    }
    // The statements of all others name columns and table as they are called now.
    for column in &table.columns {
        name(look, &column.name, &LintSubject::Column(column.name.clone()));
    }
    name(look, &table.name, &LintSubject::Table);
}

fn name(look: &mut Look<'_>, name: &str, subject: &LintSubject) {
    let to = snake_case(name);
    let (case, rename) = match subject {
        LintSubject::Column(column) => {
            (rules::COLUMN_NAME, SchemaChange::RenameColumn { column: column.clone(), to: to.clone() })
        }
        _ => (rules::TABLE_NAME, SchemaChange::RenameTable { to: to.clone() }),
    };
    if look.holds(rules::RESERVED_NAME) && look.dialect.is_some_and(|dialect| dialect.is_reserved(name)) {
        let message = format!("{name} is a reserved word; choose another name");
        look.find(rules::RESERVED_NAME, subject.clone(), message, Vec::new(), None);
    }
    if look.holds(case) && name != to && !to.is_empty() {
        let message = format!("{name:?} is not in snake_case; call it {to}");
        look.find(case, subject.clone(), message, Vec::new(), Some(&rename));
    }
}

fn index_of(look: &mut Look<'_>, index: &Index) {
    if index.primary || is_of_constraint(look.table, index) {
        return;
    }
    let columns: Option<Vec<String>> = index
        .parts
        .iter()
        .map(|part| match &part.term {
            IndexTerm::Column(column) => Some(column.clone()),
            IndexTerm::Expression(_) => None,
        })
        .collect();
    // How an expression is called is for its author to say.
    let Some(columns) = columns else { return };
    let to = index_name(&look.table.name, &columns, look.max_name_length());
    if index.name == to || look.table.indexes.iter().any(|other| other.name == to) {
        return;
    }
    let change = SchemaChange::RenameIndex { index: Box::new(index.clone()), to: to.clone() };
    let message = format!("the index {} should be called {to}", index.name);
    look.find(rules::INDEX_NAME, LintSubject::Index(index.name.clone()), message, Vec::new(), Some(&change));
}

fn foreign_key(look: &mut Look<'_>, key: &ForeignKey) {
    let limit = look.max_name_length();
    let to = foreign_key_name(&look.table.name, &key.referenced_table, limit);
    let mut same = look.table.foreign_keys.iter().filter(|other| other.referenced_table == key.referenced_table);
    // A second key to the same table needs a name of its own, and one without a name cannot be renamed.
    if key.name.is_empty() || key.name.starts_with(&to) || same.next().is_some_and(|first| first.name != key.name) {
        return;
    }
    let change = SchemaChange::RenameForeignKey { name: key.name.clone(), to: to.clone() };
    let message = format!("the foreign key {} should be called {to}", key.name);
    let (subject, columns) = (LintSubject::ForeignKey(key.name.clone()), key.columns.clone());
    look.find_on(rules::FOREIGN_KEY_NAME, subject, columns, message, Vec::new(), Some(&change));
}

fn standard_columns(look: &mut Look<'_>) {
    for (name, optional) in STANDARD_COLUMNS {
        if look.table.columns.iter().any(|column| snake_case(&column.name) == name) {
            continue;
        }
        let change = SchemaChange::AddTimestamp { column: name.to_owned(), optional };
        let message = format!("the table has no column {name}; add it");
        let columns = vec![name.to_owned()];
        look.find_on(rules::MISSING_TIMESTAMPS, LintSubject::Table, columns, message, Vec::new(), Some(&change));
    }
}
