//! Renames: what a caller says is the same thing under another name.
//!
//! Which thing became which is a decision and cannot be guessed: a column that goes and one that comes may have nothing to do with
//! each other, and taking them for one would carry the wrong values over.

use std::collections::{HashMap, HashSet};

use super::super::{
    ObjectName,
    definition::{ColumnType, SchemaDefinition, TableDefinition, TypeShape, folded, full_name, same},
};
use crate::model::{Error, Result};

/// A table or type with another name, in the same schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// Its name in the source.
    pub from: ObjectName,
    /// Its name in the target.
    pub to: ObjectName,
}

/// A column with another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenameColumn {
    /// Its table as it is called in the source.
    pub table: ObjectName,
    /// Its name in the source.
    pub from: String,
    /// Its name in the target.
    pub to: String,
}

/// What a caller says is the same thing under another name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renames {
    /// Types.
    pub types: Vec<Rename>,
    /// Tables.
    pub tables: Vec<Rename>,
    /// Columns.
    pub columns: Vec<RenameColumn>,
}

impl Renames {
    /// The same renames seen from the other side.
    pub fn swapped(&self) -> Self {
        let swap = |rename: &Rename| Rename { from: rename.to.clone(), to: rename.from.clone() };
        let column = |rename: &RenameColumn| RenameColumn {
            table: self.target_table(&rename.table),
            from: rename.to.clone(),
            to: rename.from.clone(),
        };
        Self {
            types: self.types.iter().map(swap).collect(),
            tables: self.tables.iter().map(swap).collect(),
            columns: self.columns.iter().map(column).collect(),
        }
    }

    /// Refuses renames of what is not there, of one thing to two or of two to one, with every field at fault.
    pub fn check(&self, source: &SchemaDefinition, target: &SchemaDefinition, field: &str) -> Result<()> {
        let mut check = Check { violations: Vec::new(), from: HashSet::new(), to: HashSet::new() };
        let type_names =
            |schema: &SchemaDefinition| schema.types.iter().map(|found| key(&found.schema, &found.name)).collect();
        let (have, get): (HashSet<String>, HashSet<String>) = (type_names(source), type_names(target));
        for (place, rename) in self.types.iter().enumerate() {
            check.whole("type", &format!("{field}.types[{place}]"), rename, &have, &get);
        }
        let table_names =
            |schema: &SchemaDefinition| schema.tables.iter().map(|found| key(&found.schema, &found.name)).collect();
        let (have, get): (HashSet<String>, HashSet<String>) = (table_names(source), table_names(target));
        for (place, rename) in self.tables.iter().enumerate() {
            check.whole("table", &format!("{field}.tables[{place}]"), rename, &have, &get);
        }
        for (place, rename) in self.columns.iter().enumerate() {
            check.column(
                &format!("{field}.columns[{place}]"),
                rename,
                source,
                target,
                &self.target_table(&rename.table),
            );
        }
        match check.violations.is_empty() {
            true => Ok(()),
            false => Err(Error::invalid_fields(check.violations)),
        }
    }

    /// The name that a table of the source has in the target.
    fn target_table(&self, table: &ObjectName) -> ObjectName {
        let renamed = self.tables.iter().find(|rename| is_name(&rename.from, table));
        renamed.map_or(table, |rename| &rename.to).clone()
    }

    /// The source with everything that is renamed under its new name, and the renames that were made: these, and those of what only
    /// the case of its name tells apart from the target's.
    pub(super) fn apply(&self, source: &SchemaDefinition, target: &SchemaDefinition) -> (SchemaDefinition, Self) {
        let made = self.with_cases(source, target);
        let names = NewNames::of(&made);
        let mut renamed = source.clone();
        for found in &mut renamed.types {
            if let Some(to) = names.types.get(&key(&found.schema, &found.name)) {
                (found.schema, found.name) = (to.schema.clone(), to.name.clone());
            }
            match &mut found.shape {
                TypeShape::Enum(_) => {}
                TypeShape::Domain { base, .. } => names.declared(base),
                TypeShape::Composite(fields) => {
                    fields.iter_mut().for_each(|field| names.declared(&mut field.column_type))
                }
            }
        }
        for table in &mut renamed.tables {
            names.table(table);
        }
        (renamed, made)
    }

    /// These renames, and one for whatever is the same but for the case of its name.
    fn with_cases(&self, source: &SchemaDefinition, target: &SchemaDefinition) -> Self {
        let mut made = self.clone();
        let targets: HashMap<String, ObjectName> = target
            .types
            .iter()
            .map(|found| {
                (key(&found.schema, &found.name), ObjectName { schema: found.schema.clone(), name: found.name.clone() })
            })
            .collect();
        made.types.extend(source.types.iter().filter_map(|found| {
            let from = ObjectName { schema: found.schema.clone(), name: found.name.clone() };
            case_of(from, &targets)
        }));
        let targets: HashMap<String, &TableDefinition> =
            target.tables.iter().map(|table| (key(&table.schema, &table.name), table)).collect();
        let names = targets.iter().map(|(key, table)| (key.clone(), table.object_name())).collect();
        made.tables.extend(source.tables.iter().filter_map(|table| case_of(table.object_name(), &names)));
        for table in &source.tables {
            let to = self.target_table(&table.object_name());
            let Some(other) = targets.get(&key(&to.schema, &to.name)) else { continue };
            let columns: HashMap<String, &str> =
                other.columns.iter().map(|column| (folded(&column.name), column.name.as_str())).collect();
            for column in &table.columns {
                match columns.get(&folded(&column.name)) {
                    Some(name) if *name != column.name => made.columns.push(RenameColumn {
                        table: table.object_name(),
                        from: column.name.clone(),
                        to: (*name).to_owned(),
                    }),
                    _ => {}
                }
            }
        }
        made
    }
}

fn case_of(from: ObjectName, targets: &HashMap<String, ObjectName>) -> Option<Rename> {
    let to = targets.get(&key(&from.schema, &from.name))?;
    // Schemas are not renamed: they are of no definition.
    (to.name != from.name)
        .then(|| Rename { to: ObjectName { schema: from.schema.clone(), name: to.name.clone() }, from })
}

fn key(schema: &str, name: &str) -> String {
    folded(&full_name(schema, name))
}

fn is_name(one: &ObjectName, other: &ObjectName) -> bool {
    same(&one.schema, &other.schema) && same(&one.name, &other.name)
}

/// What is wrong with renames.
struct Check {
    violations: Vec<(String, String)>,
    from: HashSet<String>,
    to: HashSet<String>,
}

impl Check {
    fn refuse(&mut self, field: String, description: String) {
        self.violations.push((field, description));
    }

    fn whole(&mut self, kind: &str, field: &str, rename: &Rename, have: &HashSet<String>, get: &HashSet<String>) {
        let (from, to) = (key(&rename.from.schema, &rename.from.name), key(&rename.to.schema, &rename.to.name));
        self.one(
            kind,
            field,
            ["", &from, &to],
            [have.contains(&from), get.contains(&from), have.contains(&to), get.contains(&to)],
        );
    }

    fn column(
        &mut self,
        field: &str,
        rename: &RenameColumn,
        source: &SchemaDefinition,
        target: &SchemaDefinition,
        target_table: &ObjectName,
    ) {
        let Some(before) = source.find_table(&rename.table.schema, &rename.table.name) else {
            let table = full_name(&rename.table.schema, &rename.table.name);
            return self.refuse(format!("{field}.table"), format!("the source has no table {table:?}"));
        };
        let Some(after) = target.find_table(&target_table.schema, &target_table.name) else {
            let table = full_name(&target_table.schema, &target_table.name);
            return self
                .refuse(format!("{field}.table"), format!("the target has no table {table:?}; rename the table, too"));
        };
        let is_in = |table: &TableDefinition, name: &str| table.column(name).is_some();
        let (from, to) = (rename.from.as_str(), rename.to.as_str());
        let table = key(&rename.table.schema, &rename.table.name);
        let known = [is_in(before, from), is_in(after, from), is_in(before, to), is_in(after, to)];
        self.one("column", field, [&table, &folded(from), &folded(to)], known);
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

/// New names by old ones.
struct NewNames<'a> {
    types: HashMap<String, &'a ObjectName>,
    tables: HashMap<String, &'a ObjectName>,
    columns: HashMap<String, HashMap<String, &'a str>>,
}

impl<'a> NewNames<'a> {
    fn of(renames: &'a Renames) -> Self {
        let whole = |renames: &'a [Rename]| {
            renames.iter().map(|rename| (key(&rename.from.schema, &rename.from.name), &rename.to)).collect()
        };
        let mut columns: HashMap<String, HashMap<String, &str>> = HashMap::new();
        for rename in &renames.columns {
            let of_table = columns.entry(key(&rename.table.schema, &rename.table.name)).or_default();
            of_table.insert(folded(&rename.from), &rename.to);
        }
        Self { types: whole(&renames.types), tables: whole(&renames.tables), columns }
    }

    fn declared(&self, column_type: &mut ColumnType) {
        let ColumnType::Declared(name) = column_type else { return };
        if let Some(to) = self.types.get(&key(&name.schema, &name.name)) {
            *name = (*to).clone();
        }
    }

    fn table(&self, table: &mut TableDefinition) {
        let none = HashMap::new();
        let own = self.columns.get(&key(&table.schema, &table.name)).unwrap_or(&none);
        let rename = |name: &mut String| {
            if let Some(to) = own.get(&folded(name)) {
                *name = (*to).to_owned();
            }
        };
        for column in &mut table.columns {
            rename(&mut column.name);
            self.declared(&mut column.column_type);
            if let Some(generated) = &mut column.generated {
                generated.expression = expression(&generated.expression, own);
            }
        }
        table
            .primary_key
            .iter_mut()
            .chain(&mut table.unique_constraints)
            .flat_map(|key| &mut key.columns)
            .for_each(rename);
        for foreign in &mut table.foreign_keys {
            foreign.columns.iter_mut().for_each(rename);
            let target = key(&foreign.referenced_schema, &foreign.referenced_table);
            if let Some(columns) = self.columns.get(&target) {
                for column in &mut foreign.referenced_columns {
                    if let Some(to) = columns.get(&folded(column)) {
                        *column = (*to).to_owned();
                    }
                }
            }
            if let Some(to) = self.tables.get(&target) {
                (foreign.referenced_schema, foreign.referenced_table) = (to.schema.clone(), to.name.clone());
            }
        }
        for check in &mut table.checks {
            check.expression = expression(&check.expression, own);
        }
        for index in &mut table.indexes {
            index.columns.iter_mut().for_each(|part| rename(&mut part.column));
            index.predicate = expression(&index.predicate, own);
        }
        if let Some(to) = self.tables.get(&key(&table.schema, &table.name)) {
            (table.schema, table.name) = (to.schema.clone(), to.name.clone());
        }
    }
}

/// An expression with the new names of columns, outside of strings. A word before a bracket is a function.
fn expression(text: &str, names: &HashMap<String, &str>) -> String {
    if names.is_empty() {
        return text.to_owned();
    }
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = first.is_alphabetic() || first == '_';
        let end = match first {
            '\'' | '"' | '`' => quoted_end(rest, first),
            _ if is_word => {
                rest.find(|part: char| !part.is_alphanumeric() && part != '_' && part != '$').unwrap_or(rest.len())
            }
            _ => first.len_utf8(),
        };
        let (part, after) = rest.split_at(end);
        let name = match first {
            '"' | '`' => {
                part.get(1..part.len() - 1).map(|name| name.replace(&format!("{first}{first}"), &first.to_string()))
            }
            _ if is_word && !after.trim_start().starts_with('(') => Some(part.to_owned()),
            _ => None,
        };
        match name.and_then(|name| names.get(&folded(&name))) {
            Some(to) => {
                let quote = if is_word { '"' } else { first };
                let is_plain = is_word
                    && to.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
                match is_plain {
                    true => written.push_str(to),
                    false => {
                        written.push_str(&format!("{quote}{}{quote}", to.replace(quote, &format!("{quote}{quote}"))))
                    }
                }
            }
            None => written.push_str(part),
        }
        rest = after;
    }
    written
}

/// Where a quoted part ends: behind the first quote that is not doubled.
fn quoted_end(text: &str, quote: char) -> usize {
    let mut end = 1;
    while let Some(found) = text[end..].find(quote) {
        end += found + 1;
        if !text[end..].starts_with(quote) {
            return end;
        }
        end += 1;
    }
    text.len()
}
