//! A target in which some things are left as the source has them, so that no script meets them.
//!
//! What is left is taken over into the target before the two are compared: a script that makes something anew has it in mind then, and
//! the way back starts from where the way there ends.

use std::collections::{HashMap, HashSet};

use super::element::{ColumnOption, Element, TablePart, Whole, table_key};
use crate::model::schema::{
    definition::{
        CheckDefinition, ColumnDefinition, ForeignKeyDefinition, IndexDefinition, KeyDefinition, PartKind,
        SchemaDefinition, TableDefinition, folded, same,
    },
    difference::{Unwritten, UnwrittenAction, UnwrittenCause},
};

/// Why something is left as it is.
#[derive(Debug, Clone)]
pub(super) struct Why {
    pub(super) cause: UnwrittenCause,
    pub(super) reason: String,
    pub(super) remedy: String,
}

impl Why {
    /// It hangs on something that is left as it is.
    pub(super) fn depends(reason: String) -> Self {
        Self { cause: UnwrittenCause::Depends, reason, remedy: String::new() }
    }
}

/// The target, while things of it are left as the source has them.
pub(super) struct Held<'a> {
    /// The source under the names that it has in the target.
    pub(super) source: &'a SchemaDefinition,
    /// The target.
    pub(super) target: SchemaDefinition,
    held: HashSet<Element>,
    /// Columns that the target had, and which do not come, by their tables.
    pub(super) missing_columns: HashMap<String, Vec<String>>,
    /// Tables, views and types that the target had, and which do not come: their names without a schema.
    pub(super) missing: Vec<String>,
    told: Vec<(Element, Unwritten)>,
}

impl<'a> Held<'a> {
    pub(super) fn new(source: &'a SchemaDefinition, target: SchemaDefinition) -> Self {
        Self {
            source,
            target,
            held: HashSet::new(),
            missing_columns: HashMap::new(),
            missing: Vec::new(),
            told: Vec::new(),
        }
    }

    /// True where something is left as it is already.
    pub(super) fn has(&self, element: &Element) -> bool {
        self.held.contains(element)
    }

    /// True where nothing is left as it is.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What is told, without the parts of what is left as a whole.
    pub(super) fn told(self) -> Vec<Unwritten> {
        let wholes: HashSet<&str> = self
            .told
            .iter()
            .filter_map(|(element, _)| match element {
                Element::Whole(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let is_told = |element: &Element| matches!(element, Element::Whole(_)) || !wholes.contains(element.whole());
        self.told.iter().filter(|(element, _)| is_told(element)).map(|(_, told)| told.clone()).collect()
    }

    /// Leaves something as the source has it. False where that was done before, or takes no difference away.
    pub(super) fn hold(&mut self, element: Element, why: &Why) -> bool {
        if !self.held.insert(element.clone()) {
            return false;
        }
        let taken = match &element {
            Element::Whole(name) => self.hold_whole(name),
            Element::Column { table, column } => self.hold_column(table, column),
            Element::Option { table, column, option } => self.hold_option(table, column, *option),
            Element::KeyName(table) => self.hold_key_name(table),
            Element::Part { table, kind, identity } => self.hold_part(table, *kind, identity),
        };
        let Some((action, object)) = taken else { return false };
        let Why { cause, reason, remedy } = why.clone();
        self.told.push((element, Unwritten { cause, action, object, reason, remedy }));
        true
    }

    fn hold_whole(&mut self, name: &str) -> Option<(UnwrittenAction, String)> {
        let after = Whole::take(&mut self.target, name);
        let before = Whole::find(self.source, name);
        if let Some(before) = before.clone() {
            before.put(&mut self.target);
        }
        let action = action(before.as_ref(), after.as_ref())?;
        if action == UnwrittenAction::Add {
            self.missing.push(name.rsplit('.').next().unwrap_or(name).to_owned());
        }
        Some((action, before.or(after)?.words()))
    }

    fn tables(&mut self, name: &str) -> Option<(Option<&'a TableDefinition>, &mut TableDefinition)> {
        let before = self.source.tables.iter().find(|table| table_key(table) == name);
        Some((before, self.target.tables.iter_mut().find(|table| table_key(table) == name)?))
    }

    fn hold_column(&mut self, table: &str, column: &str) -> Option<(UnwrittenAction, String)> {
        let (of_source, after) = self.tables(table)?;
        let before = of_source.and_then(|found| found.column(column));
        let place = after.columns.iter().position(|found| same(&found.name, column));
        let was = place.map(|place| after.columns[place].clone());
        match (before, place) {
            (Some(before), Some(place)) => after.columns[place] = before.clone(),
            (Some(before), None) => {
                // Behind what it stands behind, because the order may count.
                let others = of_source.map_or(&[][..], |found| &found.columns);
                let own = others.iter().position(|found| same(&found.name, column)).unwrap_or_default();
                let is_there =
                    |found: &ColumnDefinition| after.columns.iter().position(|one| same(&one.name, &found.name));
                let place = others[..own].iter().rev().find_map(is_there).map_or(0, |place| place + 1);
                after.columns.insert(place, before.clone());
            }
            (None, Some(place)) => {
                after.columns.remove(place);
            }
            (None, None) => return None,
        }
        let action = action(before, was.as_ref())?;
        let name = &before.or(was.as_ref())?.name;
        let object = format!("column {}.{name}", after.full_name());
        if action == UnwrittenAction::Add {
            self.missing_columns.entry(table.to_owned()).or_default().push(folded(column));
        }
        Some((action, object))
    }

    fn hold_option(&mut self, table: &str, column: &str, option: ColumnOption) -> Option<(UnwrittenAction, String)> {
        let (before, after) = self.tables(table)?;
        let before = before.and_then(|before| before.column(column)).cloned().unwrap_or_default();
        let object = format!("{} of column {}.{column}", option.as_str(), after.full_name());
        let found = after.columns.iter_mut().find(|found| same(&found.name, column))?;
        let was = found.clone();
        match option {
            ColumnOption::Default => found.default = before.default,
            ColumnOption::Identity => found.identity = before.identity,
            ColumnOption::TouchedOnUpdate => found.touched_on_update = before.touched_on_update,
            ColumnOption::Collation => found.collation = before.collation,
            ColumnOption::Comment => found.comment = before.comment,
        }
        let has = |column: &ColumnDefinition| match option {
            ColumnOption::Default => column.default.is_some(),
            ColumnOption::Identity => column.identity.is_some(),
            ColumnOption::TouchedOnUpdate => column.touched_on_update,
            ColumnOption::Collation => !column.collation.is_empty(),
            ColumnOption::Comment => !column.comment.is_empty(),
        };
        let action = match (has(found), has(&was)) {
            _ if *found == was => return None,
            (false, _) => UnwrittenAction::Add,
            (true, false) => UnwrittenAction::Drop,
            (true, true) => UnwrittenAction::Alter,
        };
        Some((action, object))
    }

    fn hold_key_name(&mut self, table: &str) -> Option<(UnwrittenAction, String)> {
        let (before, after) = self.tables(table)?;
        let before = before.and_then(|before| before.primary_key.as_ref()).map_or("", |key| &key.name);
        let object = format!("name of the primary key of {}", after.full_name());
        let key = after.primary_key.as_mut()?;
        let was = std::mem::replace(&mut key.name, before.to_owned());
        (was != before).then_some((UnwrittenAction::Alter, object))
    }

    fn hold_part(&mut self, table: &str, kind: PartKind, identity: &str) -> Option<(UnwrittenAction, String)> {
        let (before, after) = self.tables(table)?;
        let (action, words) = match kind {
            PartKind::PrimaryKey => {
                let before = before.and_then(|before| before.primary_key.clone());
                let was = std::mem::replace(&mut after.primary_key, before.clone());
                (action(before.as_ref(), was.as_ref())?, String::new())
            }
            PartKind::Unique => keep::<KeyDefinition>(before, after, identity)?,
            PartKind::ForeignKey => keep::<ForeignKeyDefinition>(before, after, identity)?,
            PartKind::Check => keep::<CheckDefinition>(before, after, identity)?,
            PartKind::Index => keep::<IndexDefinition>(before, after, identity)?,
            PartKind::Exclusion => return None,
        };
        Some((action, format!("{} {}{words}", kind.as_str(), after.full_name())))
    }
}

/// The parts of an identity as the source has them; several where one without a name stands on the same columns.
fn keep<T: TablePart>(
    before: Option<&TableDefinition>,
    after: &mut TableDefinition,
    identity: &str,
) -> Option<(UnwrittenAction, String)> {
    let is_meant = |part: &&T| part.identity() == identity;
    let had: Vec<T> = before.map(T::all).into_iter().flatten().filter(is_meant).cloned().collect();
    let parts = T::all_mut(after);
    let was: Vec<T> = parts.iter().filter(is_meant).cloned().collect();
    parts.retain(|part| part.identity() != identity);
    parts.extend(had.iter().cloned());
    let words = had.first().or(was.first())?.words();
    let some = |parts: Vec<T>| (!parts.is_empty()).then_some(parts);
    Some((action(some(had).as_ref(), some(was).as_ref())?, words))
}

/// What would have become of something; absent where nothing would.
fn action<T: PartialEq>(before: Option<&T>, after: Option<&T>) -> Option<UnwrittenAction> {
    match (before, after) {
        (Some(_), None) => Some(UnwrittenAction::Drop),
        (None, Some(_)) => Some(UnwrittenAction::Add),
        (Some(before), Some(after)) if before != after => Some(UnwrittenAction::Alter),
        _ => None,
    }
}
