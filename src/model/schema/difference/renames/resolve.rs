//! Renames as a caller writes them, brought to the names that the two schemas have.

use std::collections::{HashMap, HashSet};

use super::{Rename, RenameColumn, Renames, key, type_name};
use crate::model::{
    Error, Result,
    schema::{
        ObjectName,
        definition::{MAX_VIOLATIONS, SchemaDefinition, TableDefinition, folded, full_name},
    },
};

/// Most renames of a request.
const MAX_RENAMES: usize = 5_000;

impl Renames {
    /// These renames in the spelling of the schemas, whose default schema has no name. Refuses renames of what is not there, of one
    /// thing to two or of two to one, and to the name that it has, with every field at fault.
    pub fn resolved(
        &self,
        source: &SchemaDefinition,
        target: &SchemaDefinition,
        default_schema: Option<&str>,
        field: &str,
    ) -> Result<Self> {
        let count = self.types.len() + self.tables.len() + self.columns.len();
        if count > MAX_RENAMES {
            return Err(Error::invalid_field(
                field,
                format!("must be at most {MAX_RENAMES} in all; there are {count}"),
            ));
        }
        let mut resolve = Resolve { default_schema, violations: Vec::new(), from: HashSet::new(), to: HashSet::new() };
        let types = resolve.all("type", &format!("{field}.types"), &self.types, &types(source), &types(target));
        let have: HashMap<String, ObjectName> = names(&tables(source));
        let tables_to = resolve.all("table", &format!("{field}.tables"), &self.tables, &have, &names(&tables(target)));
        let columns = resolve.columns(&format!("{field}.columns"), self, &tables(source), &tables(target));
        if resolve.violations.is_empty() {
            return Ok(Self { types, tables: tables_to, columns });
        }
        resolve.violations.truncate(MAX_VIOLATIONS);
        Err(Error::invalid_fields(resolve.violations))
    }
}

fn types(schema: &SchemaDefinition) -> HashMap<String, ObjectName> {
    schema.types.iter().map(|found| (key(&found.schema, &found.name), type_name(found))).collect()
}

fn tables(schema: &SchemaDefinition) -> HashMap<String, &TableDefinition> {
    schema.tables.iter().map(|table| (key(&table.schema, &table.name), table)).collect()
}

fn names(tables: &HashMap<String, &TableDefinition>) -> HashMap<String, ObjectName> {
    tables.iter().map(|(key, table)| (key.clone(), table.object_name())).collect()
}

/// The columns of the tables that renames are of, by the keys of the tables and their folded names.
type Columns<'a> = HashMap<String, HashMap<String, &'a str>>;

fn columns_of<'a, 'c>(
    known: &'c mut Columns<'a>,
    name: &str,
    tables: &HashMap<String, &'a TableDefinition>,
) -> Option<&'c HashMap<String, &'a str>> {
    if !known.contains_key(name) {
        let columns = tables.get(name)?.columns.iter();
        known.insert(name.to_owned(), columns.map(|column| (folded(&column.name), column.name.as_str())).collect());
    }
    known.get(name)
}

/// What is wrong with renames.
struct Resolve<'a> {
    default_schema: Option<&'a str>,
    violations: Vec<(String, String)>,
    from: HashSet<String>,
    to: HashSet<String>,
}

impl Resolve<'_> {
    fn refuse(&mut self, field: String, description: String) {
        self.violations.push((field, description));
    }

    /// The key of a name that a caller gives: the default schema has no name in a definition.
    fn key(&self, name: &ObjectName) -> String {
        let is_default = self.default_schema.is_some_and(|schema| folded(&name.schema) == schema);
        key(if is_default { "" } else { &name.schema }, &name.name)
    }

    fn all(
        &mut self,
        kind: &str,
        field: &str,
        renames: &[Rename],
        have: &HashMap<String, ObjectName>,
        get: &HashMap<String, ObjectName>,
    ) -> Vec<Rename> {
        let mut resolved = Vec::with_capacity(renames.len());
        for (place, rename) in renames.iter().enumerate() {
            let (from, to) = (self.key(&rename.from), self.key(&rename.to));
            let known =
                [have.contains_key(&from), get.contains_key(&from), have.contains_key(&to), get.contains_key(&to)];
            let field = format!("{field}[{place}]");
            self.one(kind, &field, ["", &from, &to], known);
            let (Some(before), Some(after)) = (have.get(&from), get.get(&to)) else { continue };
            if before == after {
                self.refuse_same(&field, &after.name);
            }
            resolved.push(Rename { from: before.clone(), to: after.clone() });
        }
        resolved
    }

    fn columns(
        &mut self,
        field: &str,
        renames: &Renames,
        source: &HashMap<String, &TableDefinition>,
        target: &HashMap<String, &TableDefinition>,
    ) -> Vec<RenameColumn> {
        let renamed: HashMap<String, String> =
            renames.tables.iter().map(|rename| (self.key(&rename.from), self.key(&rename.to))).collect();
        let (mut have, mut get) = (Columns::new(), Columns::new());
        let mut resolved = Vec::with_capacity(renames.columns.len());
        for (place, rename) in renames.columns.iter().enumerate() {
            let field = format!("{field}[{place}]");
            let table = self.key(&rename.table);
            let target_table = renamed.get(&table).unwrap_or(&table);
            let (Some(own), Some(before)) = (source.get(&table), columns_of(&mut have, &table, source)) else {
                let name = full_name(&rename.table.schema, &rename.table.name);
                self.refuse(format!("{field}.table"), format!("the source has no table {name:?}"));
                continue;
            };
            let Some(after) = columns_of(&mut get, target_table, target) else {
                let description = format!("the target has no table {target_table:?}; rename the table, too");
                self.refuse(format!("{field}.table"), description);
                continue;
            };
            let (from, to) = (folded(&rename.from), folded(&rename.to));
            let known = [
                before.contains_key(&from),
                after.contains_key(&from),
                before.contains_key(&to),
                after.contains_key(&to),
            ];
            self.one("column", &field, [&table, &from, &to], known);
            let (Some(old), Some(new)) = (before.get(&from), after.get(&to)) else { continue };
            if old == new {
                self.refuse_same(&field, new);
            }
            let (from, to) = ((*old).to_owned(), (*new).to_owned());
            resolved.push(RenameColumn { table: own.object_name(), from, to });
        }
        resolved
    }

    fn refuse_same(&mut self, field: &str, name: &str) {
        self.refuse(format!("{field}.to"), format!("{name:?} is the name that it has; leave the hint away"));
    }

    /// `known`: `from` in the source and in the target, `to` in the source and in the target.
    fn one(&mut self, kind: &str, field: &str, [scope, from, to]: [&str; 3], known: [bool; 4]) {
        let [from_in_source, from_in_target, to_in_source, to_in_target] = known;
        if !from_in_source {
            self.refuse(format!("{field}.from"), format!("the source has no {kind} {from:?}"));
        }
        if !to_in_target {
            self.refuse(format!("{field}.to"), format!("the target has no {kind} {to:?}"));
        }
        if from != to && from_in_target {
            self.refuse(format!("{field}.from"), format!("the target has a {kind} {from:?}, too; it keeps its name"));
        }
        if from != to && to_in_source {
            self.refuse(format!("{field}.to"), format!("the source has a {kind} {to:?}, too; it keeps its name"));
        }
        if !self.from.insert(format!("{kind} {scope} {from}")) {
            self.refuse(format!("{field}.from"), format!("the {kind} {from:?} is renamed twice"));
        }
        if !self.to.insert(format!("{kind} {scope} {to}")) {
            self.refuse(format!("{field}.to"), format!("two are renamed to the {kind} {to:?}"));
        }
    }
}
