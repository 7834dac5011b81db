//! What hangs on something that is left as the source has it: it is left so, too, until the target holds together.

use std::collections::{HashMap, HashSet};

use super::{
    element::{Element, TablePart, key, table_key},
    held::{Held, Why},
};
use crate::{
    engine::dialect::mentions,
    model::{
        Error, Reason, Result,
        schema::definition::{
            ColumnType, ForeignKeyDefinition, KeyDefinition, PartKind, SchemaDefinition, TableDefinition, folded,
            full_name,
        },
    },
};

/// Something of the target that needs what is not there.
struct Problem {
    /// What can be left as the source has it for that, the least first.
    ways: Vec<Element>,
    /// What is needed.
    needs: String,
}

impl Held<'_> {
    /// Leaves as they are all things that hang on what is. Refuses where that comes to no end.
    pub(super) fn settle(&mut self, field: &str) -> Result<()> {
        while !self.is_empty() {
            let problems = self.problems();
            if problems.is_empty() {
                return Ok(());
            }
            let mut is_stuck = true;
            for Problem { ways, needs } in &problems {
                let why = Why::depends(format!("it goes with {needs}, which stays as it is"));
                let way = ways.iter().find(|way| !self.has(way)).cloned();
                if let Some(way) = way {
                    self.hold(way, &why);
                    is_stuck = false;
                }
            }
            if is_stuck {
                let needs: Vec<&str> = problems.iter().map(|problem| problem.needs.as_str()).take(10).collect();
                let message = format!(
                    "{field} cannot be compared without what could not be read or written: {} would be missing; compare fewer tables",
                    needs.join(", ")
                );
                return Err(Error::new(Reason::DefinitionUnsupported, message));
            }
        }
        Ok(())
    }

    fn problems(&self) -> Vec<Problem> {
        let tables: HashMap<String, &TableDefinition> =
            self.target.tables.iter().map(|table| (table_key(table), table)).collect();
        let types: HashSet<String> = self.target.types.iter().map(|found| key(&found.schema, &found.name)).collect();
        let mut problems = Vec::new();
        for (name, table) in &tables {
            self.of_columns(name, table, &types, &mut problems);
            self.of_parts(name, table, &mut problems);
            self.of_texts(name, table, &mut problems);
            of_foreign_keys(name, table, &tables, &mut problems);
        }
        for found in &self.target.types {
            let own = Element::Whole(key(&found.schema, &found.name));
            let parts = found.parts().into_iter();
            problems.extend(
                parts
                    .filter_map(|part| undeclared(part, &types))
                    .map(|(needed, needs)| Problem { ways: vec![own.clone(), Element::Whole(needed)], needs }),
            );
        }
        self.of_views(&mut problems);
        problems
    }

    fn of_columns(&self, name: &str, table: &TableDefinition, types: &HashSet<String>, problems: &mut Vec<Problem>) {
        if table.columns.is_empty() {
            let needs = format!("the columns of {}", table.full_name());
            problems.push(Problem { ways: vec![Element::Whole(name.to_owned())], needs });
        }
        for column in &table.columns {
            let Some((needed, needs)) = undeclared(&column.column_type, types) else { continue };
            let own = Element::Column { table: name.to_owned(), column: folded(&column.name) };
            let ways = vec![own, Element::Whole(needed), Element::Whole(name.to_owned())];
            problems.push(Problem { ways, needs });
        }
    }

    /// Keys and indexes whose columns are not there.
    fn of_parts(&self, name: &str, table: &TableDefinition, problems: &mut Vec<Problem>) {
        let columns: HashSet<String> = table.columns.iter().map(|column| folded(&column.name)).collect();
        let mut look = |kind: PartKind, identity: String, names: &[String]| {
            for missing in names.iter().map(|name| folded(name)).filter(|name| !columns.contains(name)) {
                let needs = format!("the column {}.{missing}", table.full_name());
                let part = Element::Part { table: name.to_owned(), kind, identity: identity.clone() };
                let column = Element::Column { table: name.to_owned(), column: missing };
                problems.push(Problem { ways: vec![part, column, Element::Whole(name.to_owned())], needs });
            }
        };
        if let Some(key) = &table.primary_key {
            look(PartKind::PrimaryKey, String::new(), &key.columns);
        }
        KeyDefinition::all(table).iter().for_each(|key| look(PartKind::Unique, key.identity(), &key.columns));
        ForeignKeyDefinition::all(table)
            .iter()
            .for_each(|key| look(PartKind::ForeignKey, key.identity(), &key.columns));
        table.indexes.iter().for_each(|index| look(PartKind::Index, index.identity(), &index.column_names()));
    }

    /// Expressions that name a column which does not come.
    fn of_texts(&self, name: &str, table: &TableDefinition, problems: &mut Vec<Problem>) {
        let Some(missing) = self.missing_columns.get(name) else { return };
        let mut look = |own: Element, text: &str| {
            let text = folded(text);
            if let Some(column) = missing.iter().find(|column| mentions(&text, column))
                && !self.has(&own)
            {
                let needs = format!("the column {}.{column}", table.full_name());
                problems.push(Problem { ways: vec![own], needs });
            }
        };
        let part = |kind, identity| Element::Part { table: name.to_owned(), kind, identity };
        table.checks.iter().for_each(|check| look(part(PartKind::Check, check.identity()), &check.expression));
        table.indexes.iter().for_each(|index| look(part(PartKind::Index, index.identity()), &index.predicate));
        for column in &table.columns {
            let own = Element::Column { table: name.to_owned(), column: folded(&column.name) };
            column.generated.iter().for_each(|generated| look(own.clone(), &generated.expression));
        }
    }

    /// Views that read what does not come, and what views that stay read.
    fn of_views(&self, problems: &mut Vec<Problem>) {
        let going = self.going();
        for view in &self.target.views {
            let own = Element::Whole(key(&view.schema, &view.name));
            let query = folded(&view.query);
            if self.has(&own) {
                let read = going.iter().filter(|(_, name)| mentions(&query, name));
                problems.extend(read.filter(|(whole, _)| !self.has(&Element::Whole(whole.clone()))).map(
                    |(whole, _)| Problem {
                        ways: vec![Element::Whole(whole.clone())],
                        needs: format!("the view {}", full_name(&view.schema, &view.name)),
                    },
                ));
                continue;
            }
            let missing = self.missing.iter().find(|name| mentions(&query, name)).cloned();
            let of_table = || {
                self.missing_columns.iter().find_map(|(table, columns)| {
                    let reads = mentions(&query, table.rsplit('.').next().unwrap_or(table));
                    let column = columns.iter().find(|column| mentions(&query, column)).filter(|_| reads)?;
                    Some(format!("{table}.{column}"))
                })
            };
            if let Some(needs) = missing.or_else(of_table) {
                problems.push(Problem { ways: vec![own], needs });
            }
        }
    }

    /// What the source has and the target has not: with its schema, and without.
    fn going(&self) -> Vec<(String, String)> {
        let stays: HashSet<String> = names(&self.target).into_iter().map(|(whole, _)| whole).collect();
        names(self.source).into_iter().filter(|(whole, _)| !stays.contains(whole)).collect()
    }
}

/// Tables and views.
fn names(definition: &SchemaDefinition) -> Vec<(String, String)> {
    let tables = definition.tables.iter().map(|table| (table_key(table), folded(&table.name)));
    tables.chain(definition.views.iter().map(|view| (key(&view.schema, &view.name), folded(&view.name)))).collect()
}

/// A type that is declared and not there, and what to call it.
fn undeclared(found: &ColumnType, types: &HashSet<String>) -> Option<(String, String)> {
    let ColumnType::Declared(name) = found else { return None };
    let needed = key(&name.schema, &name.name);
    let needs = format!("the type {}", full_name(&name.schema, &name.name));
    (!types.contains(&needed)).then_some((needed, needs))
}

/// Foreign keys to tables that are not there, or to what is no key of theirs.
fn of_foreign_keys(
    name: &str,
    table: &TableDefinition,
    tables: &HashMap<String, &TableDefinition>,
    problems: &mut Vec<Problem>,
) {
    for foreign in &table.foreign_keys {
        let referenced = key(&foreign.referenced_schema, &foreign.referenced_table);
        let is_closed = tables.get(&referenced).is_some_and(|found| match foreign.referenced_columns.as_slice() {
            [] => found.key_columns().len() == foreign.columns.len(),
            columns => found.is_key(columns),
        });
        if is_closed {
            continue;
        }
        let own = Element::Part { table: name.to_owned(), kind: PartKind::ForeignKey, identity: foreign.identity() };
        let needs = format!("the table {}", full_name(&foreign.referenced_schema, &foreign.referenced_table));
        let ways = vec![own, Element::Whole(referenced), Element::Whole(name.to_owned())];
        problems.push(Problem { ways, needs });
    }
}
