//! Types that change. What cannot be changed in place is made anew under its name, and the columns are carried over.

use std::collections::{HashMap, HashSet};

use super::Alter;
use crate::{
    engine::{
        Dialect as _,
        dialect::{
            create::order::{self, Names},
            names,
        },
        postgres::dialect::{
            PostgresDialect,
            create::{self, comment_text},
        },
    },
    model::{
        connection::EngineKind,
        schema::{
            NeutralType, ObjectName,
            definition::{
                CheckDefinition, ColumnType, SchemaDefinition, TypeDefinition, TypeField, TypeShape, folded, full_name,
            },
            difference::{Change, SchemaDifference},
        },
    },
};

/// How each type that changes is changed.
pub(super) struct TypePlans<'a> {
    difference: &'a SchemaDifference,
    /// By the folded name that it has in the end.
    plans: HashMap<String, Plan>,
    /// As they are, by the folded name that they have in the end.
    old: HashMap<String, &'a TypeDefinition>,
    /// The names that renamed types had, by those that they have in the end.
    former: HashMap<&'a ObjectName, &'a ObjectName>,
    /// Folded names of the types that are made anew.
    replaced: Names,
}

/// How a type is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Labels are added to it.
    AddLabels,
    /// Conditions of a domain are changed in place.
    InPlace,
    /// Only its comment changes.
    Comment,
    /// It is made anew.
    Replace,
}

impl<'a> TypePlans<'a> {
    pub(super) fn of(difference: &'a SchemaDifference) -> Self {
        let old: HashMap<String, &TypeDefinition> =
            difference.renamed.types.iter().map(|found| (key(&found.schema, &found.name), found)).collect();
        let parts = parts(&difference.renamed).union(&parts(&difference.target)).cloned().collect();
        let mut plans: HashMap<String, Plan> = difference
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::AlterType { from, to } => Some((key(&to.schema, &to.name), plan(from, to, &parts))),
                _ => None,
            })
            .collect();
        // What is made of a type that is made anew has to be made anew with it; parts come first in the order.
        for (_, found) in order::types(&difference.target) {
            let name = key(&found.schema, &found.name);
            let is_replaced =
                |part: &&ColumnType| declared(part).is_some_and(|part| plans.get(&part) == Some(&Plan::Replace));
            if old.contains_key(&name) && found.parts().iter().any(is_replaced) {
                plans.insert(name, Plan::Replace);
            }
        }
        let is_replaced = |found: &&TypeDefinition| plans.get(&key(&found.schema, &found.name)) == Some(&Plan::Replace);
        let replaced = difference.target.types.iter().filter(is_replaced).map(|found| folded(&found.name)).collect();
        let former = difference.changes.iter().filter_map(|change| match change {
            Change::RenameType { from, to } => Some((to, from)),
            _ => None,
        });
        let former = former.collect();
        Self { difference, plans, old, former, replaced }
    }

    pub(super) fn plan(&self, found: &TypeDefinition) -> Option<Plan> {
        self.plans.get(&key(&found.schema, &found.name)).copied()
    }

    /// True where a column of the type has to be carried over to a type that is made anew.
    pub(super) fn is_replaced(&self, column_type: &ColumnType) -> bool {
        match column_type {
            ColumnType::Declared(name) => self.plans.get(&key(&name.schema, &name.name)) == Some(&Plan::Replace),
            // An array of a type is told as text.
            ColumnType::Native { engine: EngineKind::Postgresql, text } => self.replaced.is_any_in(&folded(text)),
            _ => false,
        }
    }

    /// The types that are made anew as they are to be.
    pub(super) fn replaced(&self) -> impl Iterator<Item = &'a TypeDefinition> {
        let types = self.difference.target.types.iter();
        types.filter(|found| self.plan(found) == Some(Plan::Replace))
    }

    /// True where a type of a definition stands for text, so that text is assigned to it. A cast that is written out would cut what
    /// has no room, and the assignment fails.
    pub(super) fn is_text(&self, column_type: &ColumnType) -> bool {
        let mut current = column_type;
        for _ in 0..=self.difference.target.types.len() {
            match current {
                ColumnType::Neutral(NeutralType::Text { .. } | NeutralType::PaddedText { .. }) => return true,
                ColumnType::Declared(name) => match self.difference.target.find_type(name).map(|found| &found.shape) {
                    Some(TypeShape::Domain { base, .. }) => current = base,
                    _ => return false,
                },
                _ => return false,
            }
        }
        false
    }

    /// The definition of a type before the change, under its new name.
    pub(super) fn old(&self, name: &ObjectName) -> Option<&'a TypeDefinition> {
        self.old.get(&key(&name.schema, &name.name)).copied()
    }

    /// Folded names of types that views must not stand on.
    pub(super) fn disturbed_names(&self) -> Names {
        self.replaced().map(|found| folded(&self.former(found).name)).collect()
    }

    /// The name before the change.
    pub(super) fn former(&self, found: &TypeDefinition) -> ObjectName {
        let name = ObjectName { schema: found.schema.clone(), name: found.name.clone() };
        self.former.get(&name).map_or(name, |former| (*former).clone())
    }
}

fn key(schema: &str, name: &str) -> String {
    folded(&full_name(schema, name))
}

fn declared(column_type: &ColumnType) -> Option<String> {
    match column_type {
        ColumnType::Declared(name) => Some(key(&name.schema, &name.name)),
        _ => None,
    }
}

/// Folded names of types that others are made of.
fn parts(definition: &SchemaDefinition) -> HashSet<String> {
    definition.types.iter().flat_map(TypeDefinition::parts).filter_map(declared).collect()
}

fn plan(from: &TypeDefinition, to: &TypeDefinition, parts: &HashSet<String>) -> Plan {
    match (&from.shape, &to.shape) {
        _ if from.shape == to.shape => Plan::Comment,
        (TypeShape::Enum(from), TypeShape::Enum(to)) if is_within(from, to) => Plan::AddLabels,
        // The server checks the values of columns, and refuses where a column holds them as a part.
        (TypeShape::Domain { base, .. }, TypeShape::Domain { base: other, .. })
            if base.is_same(other) && !parts.contains(&key(&to.schema, &to.name)) =>
        {
            Plan::InPlace
        }
        _ => Plan::Replace,
    }
}

/// True where all labels are kept in their order.
fn is_within(from: &[String], to: &[String]) -> bool {
    let mut rest = to.iter();
    from.iter().all(|label| rest.any(|other| other == label))
}

impl Alter<'_> {
    /// Before all else, and under the names that the types have then.
    pub(super) fn add_labels(&mut self) {
        for change in &self.difference.changes {
            let Change::AlterType { from, to } = change else { continue };
            if self.types.plan(to) != Some(Plan::AddLabels) {
                continue;
            }
            let (TypeShape::Enum(had), TypeShape::Enum(labels)) = (&from.shape, &to.shape) else { continue };
            let name = PostgresDialect.qualified(&self.types.former(to));
            let mut last: Option<&String> = None;
            for label in labels {
                if !had.contains(label) {
                    let place = match (last, had.first()) {
                        (Some(last), _) => format!(" AFTER {}", PostgresDialect.string(last)),
                        (None, Some(first)) => format!(" BEFORE {}", PostgresDialect.string(first)),
                        (None, None) => String::new(),
                    };
                    let label = PostgresDialect.string(label);
                    self.scripts.labels.push(format!("ALTER TYPE {name} ADD VALUE {label}{place};"));
                }
                last = Some(label);
            }
        }
    }

    /// Makes new types and changes those that are there; those that are made anew keep their old form beside it until the columns
    /// are carried over.
    pub(super) fn change_types(&mut self) {
        let new: HashSet<String> = self
            .difference
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::CreateType(found) => Some(key(&found.schema, &found.name)),
                _ => None,
            })
            .collect();
        let replaced: Vec<&TypeDefinition> = self.types.replaced().collect();
        for found in replaced {
            let name = ObjectName { schema: found.schema.clone(), name: found.name.clone() };
            let aside = PostgresDialect.quoted(&aside(&name).name);
            let kind = self.types.old(&name).map_or("TYPE", kind);
            let name = PostgresDialect.qualified(&name);
            self.scripts.tables.push(format!("ALTER {kind} {name} RENAME TO {aside};"));
        }
        for (place, found) in order::types(&self.difference.target) {
            let is_new = new.contains(&key(&found.schema, &found.name));
            if is_new || self.types.plan(found) == Some(Plan::Replace) {
                create::create_type(&mut self.draft, place, found);
            }
        }
        let written = self.draft.take();
        self.scripts.tables.extend(written);
        for change in &self.difference.changes {
            let Change::AlterType { from, to } = change else { continue };
            let plan = self.types.plan(to);
            if plan == Some(Plan::InPlace) {
                self.change_domain(from, to);
            }
            if plan != Some(Plan::Replace) && from.comment != to.comment {
                let name = ObjectName { schema: to.schema.clone(), name: to.name.clone() };
                self.scripts.tables.push(comment_text(kind(to), &PostgresDialect.qualified(&name), &to.comment));
            }
        }
    }

    fn change_domain(&mut self, from: &TypeDefinition, to: &TypeDefinition) {
        let (TypeShape::Domain { required: was_required, checks: had, .. }, TypeShape::Domain { required, checks, .. }) =
            (&from.shape, &to.shape)
        else {
            return;
        };
        let name = PostgresDialect.qualified(&ObjectName { schema: to.schema.clone(), name: to.name.clone() });
        let goes = |check: &&CheckDefinition| !checks.contains(check);
        for check in had.iter().filter(goes) {
            let check = PostgresDialect.quoted(&check.name);
            self.scripts.tables.push(format!("ALTER DOMAIN {name} DROP CONSTRAINT {check};"));
        }
        if was_required != required {
            let rule = if *required { "SET" } else { "DROP" };
            self.scripts.tables.push(format!("ALTER DOMAIN {name} {rule} NOT NULL;"));
        }
        let place = self.difference.target.types.iter().position(|found| found == to).unwrap_or_default();
        for (at, check) in checks.iter().enumerate().filter(|(_, check)| !had.contains(check)) {
            let field = format!("types[{place}].domain.checks[{at}].expression");
            let Some(text) = create::domain_check(&mut self.draft, &field, to, check) else { continue };
            self.scripts.tables.push(format!("ALTER DOMAIN {name} ADD {text};"));
        }
    }

    /// Types that go, and the old forms of those that were made anew: what others are made of goes last.
    pub(super) fn drop_types(&mut self) {
        let going: HashSet<String> = self
            .difference
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::DropType(found) => Some(key(&found.schema, &found.name)),
                _ => None,
            })
            .collect();
        for (_, found) in order::types(&self.difference.renamed).into_iter().rev() {
            let name = ObjectName { schema: found.schema.clone(), name: found.name.clone() };
            let dropped = if going.contains(&key(&found.schema, &found.name)) {
                name
            } else if self.types.plan(found) == Some(Plan::Replace) {
                aside(&name)
            } else {
                continue;
            };
            self.scripts.tables.push(format!("DROP {} {};", kind(found), PostgresDialect.qualified(&dropped)));
        }
    }

    /// An expression that carries a value of a type over to the type that is made anew, by its text: a label that is no more fails.
    pub(super) fn carried(&mut self, value: &str, column_type: &ColumnType, written: &str) -> String {
        let through_text = format!("{value}::text::{written}");
        let ColumnType::Declared(name) = column_type else { return through_text };
        let fields = match (
            self.types.old(name).map(|old| &old.shape),
            self.draft.definition.find_type(name).map(|new| &new.shape),
        ) {
            (Some(TypeShape::Composite(old)), Some(TypeShape::Composite(new))) => (old, new),
            _ => return through_text,
        };
        let (old, new) = fields;
        let parts: Vec<String> = new.iter().map(|field| self.carried_field(value, field, old)).collect();
        // A value of nothing but NULLs is another one than no value.
        format!("CASE WHEN {value} IS NOT DISTINCT FROM NULL THEN NULL ELSE ROW({})::{written} END", parts.join(", "))
    }

    fn carried_field(&mut self, value: &str, field: &TypeField, old: &[TypeField]) -> String {
        let Some(before) = old.iter().find(|before| before.name == field.name) else { return "NULL".to_owned() };
        let value = format!("({value}).{}", PostgresDialect.quoted(&before.name));
        match create::type_of(&mut self.draft, "types", &field.name, &field.column_type) {
            Some((written, _)) => self.carried(&value, &field.column_type, &written),
            None => "NULL".to_owned(),
        }
    }
}

/// What the old form of a type is called while its new form is made.
fn aside(name: &ObjectName) -> ObjectName {
    let aside = names::name_aside(&name.name, PostgresDialect.max_name_length());
    ObjectName { schema: name.schema.clone(), name: aside }
}

fn kind(found: &TypeDefinition) -> &'static str {
    match found.shape {
        TypeShape::Domain { .. } => "DOMAIN",
        TypeShape::Enum(_) | TypeShape::Composite(_) => "TYPE",
    }
}
