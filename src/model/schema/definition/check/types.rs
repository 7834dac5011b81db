//! Declared types.

use std::collections::{BTreeSet, HashMap};

use super::{
    super::{
        ColumnType, TypeDefinition, TypeShape, folded,
        limits::{MAX_LABELS, MAX_NESTING},
        same,
    },
    Check, column,
};
use crate::model::schema::definition::full_name;

pub(super) fn look(check: &mut Check<'_>, field: &str) {
    look_at_parts(check, field);
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

/// Refuses types that are made of themselves, and types that are made of others too many times over.
fn look_at_parts(check: &mut Check<'_>, field: &str) {
    let types = &check.definition.types;
    let name = |found: &TypeDefinition| full_name(&found.schema, &found.name);
    let places: HashMap<String, usize> =
        types.iter().enumerate().map(|(place, found)| (folded(&name(found)), place)).collect();
    let part = |part: &ColumnType| match part {
        ColumnType::Declared(name) => places.get(&folded(&full_name(&name.schema, &name.name))).copied(),
        _ => None,
    };
    let parts: Vec<Vec<usize>> =
        types.iter().map(|found| found.parts().into_iter().filter_map(part).collect()).collect();
    // How many types are on the longest way down from each that was walked, itself with them.
    let mut heights: Vec<Option<usize>> = vec![None; types.len()];
    for start in 0..types.len() {
        // The way from the start to where the walk is, each with the part that is next.
        let mut way: Vec<(usize, usize)> = if heights[start].is_some() { Vec::new() } else { vec![(start, 0)] };
        while let Some((place, next)) = way.pop() {
            let Some(part) = parts[place].get(next).copied() else {
                let below = parts[place].iter().filter_map(|part| heights[*part]).max();
                heights[place] = Some(1 + below.unwrap_or_default());
                continue;
            };
            way.push((place, next + 1));
            if let Some(begin) = way.iter().position(|(before, _)| *before == part) {
                let circle = way[begin..].iter().map(|(place, _)| *place).chain([part]);
                let circle: Vec<String> = circle.map(|place| name(&types[place])).collect();
                let description = format!("the type is made of itself: {}; break the cycle", circle.join(" -> "));
                check.refuse(format!("{field}.types[{part}]"), description);
            } else if way.len() + heights[part].unwrap_or(1) > MAX_NESTING {
                let description =
                    format!("is made of types that are made of others more than {MAX_NESTING} times over");
                return check.refuse(format!("{field}.types[{start}]"), description);
            } else if heights[part].is_none() {
                way.push((part, 0));
            }
        }
    }
}

/// The type that stands for a name in the end: a domain over a domain is what the inner one is over.
pub(super) fn resolved<'a>(check: &Check<'a>, column_type: &'a ColumnType) -> &'a ColumnType {
    let mut current = column_type;
    // A cycle is told elsewhere; here it must only end.
    for _ in 0..MAX_NESTING {
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
