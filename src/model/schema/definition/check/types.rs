//! Declared types.

use std::collections::BTreeSet;

use super::{
    super::{ColumnType, TypeDefinition, TypeShape, limits::MAX_LABELS, same},
    Check, column,
};
use crate::model::schema::definition::full_name;

pub(super) fn look(check: &mut Check<'_>, field: &str) {
    for (place, found) in check.definition.types.iter().enumerate() {
        let path = format!("{field}.types[{place}]");
        check.text(&format!("{path}.comment"), &found.comment);
        match &found.shape {
            TypeShape::Enum(labels) => labels_of(check, &format!("{path}.enum.labels"), labels),
            TypeShape::Domain { base, checks, .. } => {
                column::look_at_type(check, &format!("{path}.domain.base"), base);
                let names = checks.iter().enumerate();
                let names =
                    names.map(|(place, rule)| (format!("{path}.domain.checks[{place}].name"), rule.name.as_str()));
                check.distinct(names.collect::<Vec<_>>().into_iter());
                for (place, rule) in checks.iter().enumerate() {
                    check.sql(&format!("{path}.domain.checks[{place}].expression"), &rule.expression);
                }
            }
            TypeShape::Composite(fields) => {
                let path = format!("{path}.composite.fields");
                if fields.is_empty() {
                    check.refuse(path.clone(), "must hold at least one field");
                }
                let names = fields.iter().enumerate();
                let names = names.map(|(place, part)| (format!("{path}[{place}].name"), part.name.as_str()));
                check.distinct(names.collect::<Vec<_>>().into_iter());
                for (place, part) in fields.iter().enumerate() {
                    check.name(&format!("{path}[{place}].name"), &part.name);
                    column::look_at_type(check, &format!("{path}[{place}].type"), &part.column_type);
                }
            }
        }
        if let Some(cycle) = cycle(check, found) {
            check.refuse(path, format!("the type is made of itself: {cycle}; break the cycle"));
        }
    }
}

fn labels_of(check: &mut Check<'_>, field: &str, labels: &[String]) {
    if labels.is_empty() || labels.len() > MAX_LABELS {
        check.refuse(field.to_owned(), format!("must be 1 to {MAX_LABELS} labels"));
    }
    let mut seen = BTreeSet::new();
    for (place, label) in labels.iter().enumerate() {
        check.name(&format!("{field}[{place}]"), label);
        if !seen.insert(label) {
            check.refuse(format!("{field}[{place}]"), format!("the label {label:?} is there twice"));
        }
    }
}

/// The way from a type over others back to it, such as `a -> b -> a`; absent where there is none.
fn cycle(check: &Check<'_>, start: &TypeDefinition) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start]];
    while let Some(way) = ways.pop() {
        for part in way.last()?.parts() {
            let ColumnType::Declared(name) = part else { continue };
            let Some(next) = check.definition.find_type(name) else { continue };
            if std::ptr::eq(next, start) {
                let names = way.iter().copied().chain([next]).map(|found| full_name(&found.schema, &found.name));
                return Some(names.collect::<Vec<_>>().join(" -> "));
            }
            if seen.insert(std::ptr::from_ref(next)) {
                ways.push(way.iter().copied().chain([next]).collect());
            }
        }
    }
    None
}

/// The type that stands for a name in the end: a domain over a domain is what the inner one is over.
pub(super) fn resolved<'a>(check: &Check<'a>, column_type: &'a ColumnType) -> &'a ColumnType {
    let mut current = column_type;
    // A cycle is told elsewhere; here it must only end.
    for _ in 0..check.definition.types.len() {
        let ColumnType::Declared(name) = current else { break };
        match check.definition.find_type(name).map(|found| &found.shape) {
            Some(TypeShape::Domain { base, .. }) => current = base,
            _ => break,
        }
    }
    current
}

/// The labels of a type that is an enumeration in the end.
pub(super) fn labels<'a>(check: &Check<'a>, column_type: &'a ColumnType) -> Option<&'a [String]> {
    let ColumnType::Declared(name) = resolved(check, column_type) else { return None };
    let found =
        check.definition.types.iter().find(|found| same(&found.schema, &name.schema) && same(&found.name, &name.name));
    match &found?.shape {
        TypeShape::Enum(labels) => Some(labels),
        _ => None,
    }
}
