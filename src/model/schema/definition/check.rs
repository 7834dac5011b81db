//! What must hold for a definition before an engine is asked to write it.

mod column;
mod table;
mod types;

use std::collections::HashMap;

use super::{
    SchemaDefinition, ViewDefinition, folded, full_name,
    limits::{MAX_EXPRESSION, MAX_TABLES, MAX_TYPES, MAX_VIOLATIONS},
};
use crate::model::{Error, Result};

impl SchemaDefinition {
    /// Refuses what no engine could write, with every field at fault. Paths of fields begin with `field`.
    pub fn check(&self, field: &str) -> Result<()> {
        let mut check = Check { definition: self, violations: Vec::new() };
        check.all(field);
        if check.violations.is_empty() {
            return Ok(());
        }
        check.violations.truncate(MAX_VIOLATIONS);
        Err(Error::invalid_fields(check.violations))
    }
}

/// A definition with what was found to be wrong with it.
struct Check<'a> {
    definition: &'a SchemaDefinition,
    violations: Vec<(String, String)>,
}

impl Check<'_> {
    fn all(&mut self, field: &str) {
        let definition = self.definition;
        let counts = [
            ("types", definition.types.len(), MAX_TYPES),
            ("tables", definition.tables.len(), MAX_TABLES),
            ("views", definition.views.len(), MAX_TABLES),
        ];
        for (part, count, most) in counts {
            if count > most {
                return self.refuse(format!("{field}.{part}"), format!("must be at most {most}; there are {count}"));
            }
        }
        self.relation_names(field);
        types::look(self, field);
        for (place, table) in definition.tables.iter().enumerate() {
            table::look(self, &format!("{field}.tables[{place}]"), table);
        }
        for (place, view) in definition.views.iter().enumerate() {
            self.view(&format!("{field}.views[{place}]"), view);
        }
    }

    /// Types, tables and views share their names, as they do in PostgreSQL.
    fn relation_names(&mut self, field: &str) {
        let definition = self.definition;
        let types = definition.types.iter().enumerate();
        let types = types.map(|(place, found)| (format!("{field}.types[{place}]"), &found.schema, &found.name));
        let tables = definition.tables.iter().enumerate();
        let tables = tables.map(|(place, found)| (format!("{field}.tables[{place}]"), &found.schema, &found.name));
        let views = definition.views.iter().enumerate();
        let views = views.map(|(place, found)| (format!("{field}.views[{place}]"), &found.schema, &found.name));
        let mut seen: HashMap<String, String> = HashMap::new();
        for (path, schema, name) in types.chain(tables).chain(views) {
            if !schema.is_empty() {
                self.name(&format!("{path}.schema"), schema);
            }
            self.name(&format!("{path}.name"), name);
            if let Some(first) = seen.insert(folded(&full_name(schema, name)), name.clone()) {
                let description = match &first == name {
                    true => format!("the name {name:?} is taken; types, tables and views share their names"),
                    false => format!("{name:?} and {first:?} are the same name where case does not count"),
                };
                self.refuse(format!("{path}.name"), description);
            }
        }
    }

    fn view(&mut self, path: &str, view: &ViewDefinition) {
        self.text(&format!("{path}.comment"), &view.comment);
        self.sql(&format!("{path}.query"), &view.query);
    }

    fn refuse(&mut self, field: String, description: impl Into<String>) {
        self.violations.push((field, description.into()));
    }

    fn name(&mut self, field: &str, name: &str) {
        let is_blank = name.trim().is_empty();
        if is_blank || name.chars().count() > 255 || name.contains('\0') {
            self.refuse(field.to_owned(), "must be 1 to 255 characters, not all blank, and hold no NUL");
        }
    }

    /// Names of one kind, of which no two are the same; an empty one is made later and cannot clash.
    fn distinct<'n>(&mut self, names: impl Iterator<Item = (String, &'n str)>) {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for (field, name) in names.filter(|(_, name)| !name.is_empty()) {
            match seen.insert(folded(name), name) {
                Some(first) if first == name => self.refuse(field, format!("the name {name:?} is taken")),
                Some(first) => {
                    self.refuse(field, format!("{name:?} and {first:?} are the same name where case does not count"));
                }
                None => {}
            }
        }
    }

    /// A piece of SQL that must be there.
    fn sql(&mut self, field: &str, text: &str) {
        if text.trim().is_empty() {
            self.refuse(field.to_owned(), "is required");
        }
        self.text(field, text);
    }

    fn text(&mut self, field: &str, text: &str) {
        if text.len() > MAX_EXPRESSION || text.contains('\0') {
            self.refuse(field.to_owned(), format!("must be at most {MAX_EXPRESSION} bytes and hold no NUL"));
        }
    }
}
