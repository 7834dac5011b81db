//! Renames: what a caller says is the same thing under another name.
//!
//! Which thing became which is a decision and cannot be guessed: a column that goes and one that comes may have nothing to do with
//! each other, and taking them for one would carry the wrong values over.

mod resolve;

use std::collections::{HashMap, HashSet};

use super::super::{
    ObjectName,
    definition::{ColumnType, SchemaDefinition, TableDefinition, TypeDefinition, TypeShape, folded, full_name},
};

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
        let tables = self.target_tables();
        let swap = |rename: &Rename| Rename { from: rename.to.clone(), to: rename.from.clone() };
        let column = |rename: &RenameColumn| RenameColumn {
            table: tables.get(&key(&rename.table.schema, &rename.table.name)).map_or(&rename.table, |to| *to).clone(),
            from: rename.to.clone(),
            to: rename.from.clone(),
        };
        Self {
            types: self.types.iter().map(swap).collect(),
            tables: self.tables.iter().map(swap).collect(),
            columns: self.columns.iter().map(column).collect(),
        }
    }

    /// The names that renamed tables have in the target, by the key of the name that they have in the source.
    fn target_tables(&self) -> HashMap<String, &ObjectName> {
        self.tables.iter().map(|rename| (key(&rename.from.schema, &rename.from.name), &rename.to)).collect()
    }

    /// The source with everything that is renamed under its new name, and the renames that were made: these, and those of what only
    /// the case of its name tells apart from the target's.
    pub fn apply(&self, source: &SchemaDefinition, target: &SchemaDefinition) -> (SchemaDefinition, Self) {
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
        let keys = |renames: &[Rename]| -> HashSet<String> {
            renames.iter().map(|rename| key(&rename.from.schema, &rename.from.name)).collect()
        };
        let hinted = keys(&self.types);
        let targets = target.types.iter().map(type_name).map(|name| (key(&name.schema, &name.name), name)).collect();
        made.types.extend(source.types.iter().filter_map(|found| case_of(type_name(found), &targets, &hinted)));
        let hinted = keys(&self.tables);
        let targets: HashMap<String, &TableDefinition> =
            target.tables.iter().map(|table| (key(&table.schema, &table.name), table)).collect();
        let names = targets.iter().map(|(key, table)| (key.clone(), table.object_name())).collect();
        made.tables.extend(source.tables.iter().filter_map(|table| case_of(table.object_name(), &names, &hinted)));
        let hinted: HashSet<(String, String)> = self
            .columns
            .iter()
            .map(|rename| (key(&rename.table.schema, &rename.table.name), folded(&rename.from)))
            .collect();
        let renamed = self.target_tables();
        for table in &source.tables {
            let own = key(&table.schema, &table.name);
            let to = renamed.get(&own).map_or_else(|| own.clone(), |to| key(&to.schema, &to.name));
            let Some(other) = targets.get(&to) else { continue };
            let columns: HashMap<String, &str> =
                other.columns.iter().map(|column| (folded(&column.name), column.name.as_str())).collect();
            for column in &table.columns {
                let name = folded(&column.name);
                match columns.get(&name) {
                    Some(to) if *to != column.name && !hinted.contains(&(own.clone(), name.clone())) => {
                        made.columns.push(RenameColumn {
                            table: table.object_name(),
                            from: column.name.clone(),
                            to: (*to).to_owned(),
                        });
                    }
                    _ => {}
                }
            }
        }
        made
    }
}

/// The rename of what only the case of its name tells apart, unless there is a hint for it.
fn case_of(from: ObjectName, targets: &HashMap<String, ObjectName>, hinted: &HashSet<String>) -> Option<Rename> {
    let own = key(&from.schema, &from.name);
    let to = targets.get(&own)?;
    // Schemas are not renamed: they are of no definition.
    (to.name != from.name && !hinted.contains(&own))
        .then(|| Rename { to: ObjectName { schema: from.schema.clone(), name: to.name.clone() }, from })
}

fn type_name(found: &TypeDefinition) -> ObjectName {
    ObjectName { schema: found.schema.clone(), name: found.name.clone() }
}

fn key(schema: &str, name: &str) -> String {
    folded(&full_name(schema, name))
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
