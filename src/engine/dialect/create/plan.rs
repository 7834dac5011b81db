//! Tables in the order in which they are made, with a name for everything.

use super::{Draft, order};
use crate::{
    engine::dialect::names,
    model::schema::definition::{
        CheckDefinition, ForeignKeyDefinition, IndexDefinition, KeyDefinition, TableDefinition, full_name, same,
    },
};

/// A table that is made next.
#[derive(Clone)]
pub(in crate::engine) struct PlannedTable<'a> {
    /// Its place in the definition.
    pub(in crate::engine) place: usize,
    /// Path of its field in the definition.
    pub(in crate::engine) field: String,
    /// The table.
    pub(in crate::engine) table: &'a TableDefinition,
    /// Its name as it stands in a statement.
    pub(in crate::engine) name: String,
    /// Unique constraints with their names.
    pub(in crate::engine) unique: Vec<(String, &'a KeyDefinition)>,
    /// Foreign keys.
    pub(in crate::engine) foreign_keys: Vec<PlannedKey<'a>>,
    /// Checks with their names.
    pub(in crate::engine) checks: Vec<(String, &'a CheckDefinition)>,
    /// Indexes with their names.
    pub(in crate::engine) indexes: Vec<(String, &'a IndexDefinition)>,
}

/// A foreign key of a table that is made next.
#[derive(Clone)]
pub(in crate::engine) struct PlannedKey<'a> {
    /// Its name.
    pub(in crate::engine) name: String,
    /// The key.
    pub(in crate::engine) key: &'a ForeignKeyDefinition,
    /// Name of the table pointed to as it stands in a statement.
    pub(in crate::engine) referenced: String,
    /// Columns pointed to.
    pub(in crate::engine) referenced_columns: Vec<String>,
    /// The table pointed to is made later, because tables point to each other.
    pub(in crate::engine) is_early: bool,
}

impl<'a> Draft<'a> {
    /// The tables in their order. Names that are longer than the engine takes are noted.
    pub(in crate::engine) fn tables(&mut self) -> Vec<PlannedTable<'a>> {
        self.note_names();
        let definition = self.definition;
        let order = order::tables(definition);
        let mut planned = Vec::with_capacity(order.len());
        for (turn, place) in order.iter().enumerate() {
            let table = &definition.tables[*place];
            let made = |key: &ForeignKeyDefinition| {
                let is_target = |place: &usize| {
                    let other = &definition.tables[*place];
                    same(&other.schema, &key.referenced_schema) && same(&other.name, &key.referenced_table)
                };
                order[..=turn].iter().any(is_target)
            };
            let foreign_keys = table.foreign_keys.iter().map(|key| self.key(table, key, !made(key))).collect();
            planned.push(PlannedTable {
                place: *place,
                field: format!("tables[{place}]"),
                table,
                name: self.dialect.qualified(&table.object_name()),
                unique: table.unique_constraints.iter().map(|key| (self.unique(table, key), key)).collect(),
                foreign_keys,
                checks: table
                    .checks
                    .iter()
                    .enumerate()
                    .map(|(at, rule)| (self.check_name(table, at, rule), rule))
                    .collect(),
                indexes: table.indexes.iter().map(|index| (self.index(table, index), index)).collect(),
            });
        }
        planned
    }

    /// Notes each name that was given. Two indexes of one name are two to some engines only.
    fn note_names(&mut self) {
        let definition = self.definition;
        let limit = self.dialect.max_name_length();
        let mut names: Vec<(String, &str)> = Vec::new();
        let types = definition.types.iter().enumerate();
        names.extend(types.map(|(place, found)| (format!("types[{place}].name"), found.name.as_str())));
        let views = definition.views.iter().enumerate();
        names.extend(views.map(|(place, found)| (format!("views[{place}].name"), found.name.as_str())));
        for (place, table) in definition.tables.iter().enumerate() {
            let path = format!("tables[{place}]");
            let mut add = |part: String, name: &'a str| names.push((format!("{path}{part}.name"), name));
            add(String::new(), &table.name);
            table.columns.iter().enumerate().for_each(|(at, found)| add(format!(".columns[{at}]"), &found.name));
            let unique = table.unique_constraints.iter().enumerate();
            unique.for_each(|(at, found)| add(format!(".unique_constraints[{at}]"), &found.name));
            table
                .foreign_keys
                .iter()
                .enumerate()
                .for_each(|(at, found)| add(format!(".foreign_keys[{at}]"), &found.name));
            table.checks.iter().enumerate().for_each(|(at, found)| add(format!(".checks[{at}]"), &found.name));
            table.indexes.iter().enumerate().for_each(|(at, found)| add(format!(".indexes[{at}]"), &found.name));
        }
        for (field, name) in names {
            if self.dialect.name_length(name) > limit {
                self.refuse(&field, &format!("the name {name:?}"), format!("is longer than {limit}"));
            }
            if !self.dialect.takes_name(name) {
                let lack = "ends in a blank or has a character beyond U+FFFF, which names do not take here";
                self.refuse(&field, &format!("the name {name:?}"), lack);
            }
            // A column may be called like an index.
            if !name.is_empty() && !field.contains(".columns[") {
                self.names.note(name);
            }
        }
        if self.dialect.shares_index_names() {
            self.refuse_shared_index_names();
        }
    }

    fn refuse_shared_index_names(&mut self) {
        let definition = self.definition;
        let mut taken = names::TakenNames::default();
        let tables = definition.tables.iter().map(|table| full_name(&table.schema, &table.name));
        let views = definition.views.iter().map(|view| full_name(&view.schema, &view.name));
        tables.chain(views).for_each(|name| {
            taken.note(&name);
        });
        for (place, table) in definition.tables.iter().enumerate() {
            for (at, index) in table.indexes.iter().enumerate().filter(|(_, index)| !index.name.is_empty()) {
                if !taken.note(&full_name(&table.schema, &index.name)) {
                    let field = format!("tables[{place}].indexes[{at}].name");
                    let object = format!("index {}.{}", table.full_name(), index.name);
                    self.refuse(
                        &field,
                        &object,
                        "has the name of a table, a view or another index, which share their names",
                    );
                }
            }
        }
    }

    fn unique(&mut self, table: &TableDefinition, key: &KeyDefinition) -> String {
        let limit = self.dialect.max_name_length();
        self.given_or(&key.name, || names::unique_name(&table.name, &key.columns, limit))
    }

    fn check_name(&mut self, table: &TableDefinition, place: usize, check: &CheckDefinition) -> String {
        let limit = self.dialect.max_name_length();
        self.given_or(&check.name, || names::check_name(&table.name, place + 1, limit))
    }

    fn index(&mut self, table: &TableDefinition, index: &IndexDefinition) -> String {
        let limit = self.dialect.max_name_length();
        self.given_or(&index.name, || names::index_name(&table.name, &index.column_names(), limit))
    }

    fn key(&mut self, table: &TableDefinition, key: &'a ForeignKeyDefinition, is_early: bool) -> PlannedKey<'a> {
        let limit = self.dialect.max_name_length();
        let name = self.given_or(&key.name, || names::foreign_key_name(&table.name, &key.referenced_table, limit));
        let referenced = self.definition.find_table(&key.referenced_schema, &key.referenced_table);
        let referenced_columns = match (key.referenced_columns.as_slice(), referenced) {
            (columns, None) => columns.to_vec(),
            ([], Some(referenced)) => referenced.own_names(referenced.key_columns()),
            (columns, Some(referenced)) => referenced.own_names(columns),
        };
        // The name as the table itself was given it, whatever the case that the key writes it in.
        let target = referenced.map(TableDefinition::object_name).unwrap_or_default();
        PlannedKey { name, key, referenced: self.dialect.qualified(&target), referenced_columns, is_early }
    }

    fn given_or(&mut self, given: &str, make: impl FnOnce() -> String) -> String {
        if given.is_empty() { self.names.take(make(), self.dialect.max_name_length()) } else { given.to_owned() }
    }
}
