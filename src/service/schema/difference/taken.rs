//! Names that a side has something under which is in no definition, for it could not be read or has no place there. That the other
//! side alone has something of the name in its definition is no reason to drop or to make it.

use std::collections::{HashMap, HashSet};

use super::{
    super::definition::ReadSchema,
    element::{Element, TablePart, identity, key, table_key},
    held::{Held, Why},
};
use crate::model::schema::{
    definition::{
        CheckDefinition, ForeignKeyDefinition, IndexDefinition, KeyDefinition, PartKind, SchemaDefinition,
        TableDefinition, Unmapped, UnmappedName, folded,
    },
    difference::{Renames, UnwrittenCause},
};

/// Leaves as they are all things that one side's definition has, and of which the other side has the name alone.
pub(super) fn hold(held: &mut Held<'_>, [source, target]: [&ReadSchema; 2], renames: &Renames) {
    let renamed: HashMap<String, String> = renames
        .tables
        .iter()
        .map(|rename| (key(&rename.from.schema, &rename.from.name), key(&rename.to.schema, &rename.to.name)))
        .collect();
    let (of_source, of_target) = (
        Taken::of("source", source, |name| renamed.get(&name).cloned().unwrap_or(name)),
        Taken::of("target", target, |name| name),
    );
    let mut found = of_target.missing_in(held.source, &held.target);
    found.extend(of_source.missing_in(&held.target, held.source));
    for (element, why) in found {
        held.hold(element, &why);
    }
}

/// The names that a side has and its definition has not.
struct Taken<'a> {
    side: &'static str,
    wholes: HashMap<String, &'a Unmapped>,
    /// There may be others, whose names nobody tells.
    any: Option<&'a Unmapped>,
    /// Parts by their tables.
    parts: HashMap<String, Vec<(&'a Unmapped, TakenPart<'a>)>>,
}

struct TakenPart<'a> {
    kind: PartKind,
    name: &'a str,
    columns: &'a [String],
}

impl<'a> Taken<'a> {
    fn of(side: &'static str, read: &'a ReadSchema, renamed: impl Fn(String) -> String) -> Self {
        let mut taken = Self { side, wholes: HashMap::new(), any: None, parts: HashMap::new() };
        for found in &read.unmapped {
            match &found.name {
                None => {}
                Some(UnmappedName::InSchema(name)) => {
                    taken.wholes.insert(key(&name.schema, &name.name), found);
                }
                Some(UnmappedName::AnyRelation) => taken.any = Some(found),
                Some(UnmappedName::Part { table, kind, name, columns }) => {
                    let part = TakenPart { kind: *kind, name, columns };
                    taken.parts.entry(renamed(key(&table.schema, &table.name))).or_default().push((found, part));
                }
            }
        }
        taken
    }

    /// What a definition has that the other one, which is of this side, has under its name alone.
    fn missing_in(&self, has: &SchemaDefinition, lacks: &SchemaDefinition) -> Vec<(Element, Why)> {
        let mut found = Vec::new();
        if self.wholes.is_empty() && self.any.is_none() && self.parts.is_empty() {
            return found;
        }
        let known: HashSet<String> = names(lacks).map(|(name, _)| name).collect();
        for (name, is_relation) in names(has).filter(|(name, _)| !known.contains(name)) {
            let unmapped = self.wholes.get(&name).copied();
            if let Some(unmapped) = unmapped.or(self.any.filter(|_| is_relation)) {
                found.push((Element::Whole(name), self.why(unmapped)));
            }
        }
        let tables: HashMap<String, &TableDefinition> =
            lacks.tables.iter().map(|table| (table_key(table), table)).collect();
        for table in &has.tables {
            let name = table_key(table);
            let (Some(parts), Some(other)) = (self.parts.get(&name), tables.get(&name)) else { continue };
            for (unmapped, part) in parts {
                let elements = [
                    part.same::<KeyDefinition>(PartKind::Unique, table, other),
                    part.same::<ForeignKeyDefinition>(PartKind::ForeignKey, table, other),
                    part.same::<CheckDefinition>(PartKind::Check, table, other),
                    part.same::<IndexDefinition>(PartKind::Index, table, other),
                ];
                let elements = elements.into_iter().flatten();
                let element = |(kind, identity)| Element::Part { table: name.clone(), kind, identity };
                found.extend(elements.map(|part| (element(part), self.why(unmapped))));
            }
        }
        found
    }

    fn why(&self, unmapped: &Unmapped) -> Why {
        let Unmapped { object, reason, remedy, unread, name } = unmapped;
        let side = self.side;
        let (cause, told) = match (unread, name) {
            (_, Some(UnmappedName::AnyRelation)) => (UnwrittenCause::Unread, "may have it, and it could not be read"),
            (true, _) => (UnwrittenCause::Unread, "has something of this name, which could not be read"),
            (false, _) => (UnwrittenCause::NotComparable, "has something of this name, which is not compared"),
        };
        Why { cause, reason: format!("the {side} {told}: {object}: {reason}"), remedy: remedy.clone() }
    }
}

impl TakenPart<'_> {
    /// The parts of a table, none of them of the other, that are called so, or are the same key under another name.
    fn same<T: TablePart>(
        &self,
        kind: PartKind,
        table: &TableDefinition,
        other: &TableDefinition,
    ) -> Vec<(PartKind, String)> {
        let known: HashSet<String> = T::all(other).iter().map(TablePart::identity).collect();
        let (name, on_columns) = (folded(self.name), identity("", self.columns));
        let is_same = |part: &&T| {
            let identity = part.identity();
            let is_called_so = !name.is_empty() && identity == name;
            let is_same_key = self.kind == kind && !self.columns.is_empty() && part.columns_identity() == on_columns;
            (is_called_so || is_same_key) && !known.contains(&identity)
        };
        T::all(table).iter().filter(is_same).map(|part| (kind, part.identity())).collect()
    }
}

/// Types, tables and views, and whether they are one of the last two.
fn names(definition: &SchemaDefinition) -> impl Iterator<Item = (String, bool)> {
    let types = definition.types.iter().map(|found| (key(&found.schema, &found.name), false));
    let tables = definition.tables.iter().map(|table| (table_key(table), true));
    let views = definition.views.iter().map(|view| (key(&view.schema, &view.name), true));
    types.chain(tables).chain(views)
}
