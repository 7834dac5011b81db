//! Tables that are on one side or on both.

use std::collections::{HashMap, HashSet};

use super::{
    super::{Change, ColumnAttribute, Renames, TableChange},
    key,
};
use crate::model::schema::{
    ObjectName,
    definition::{
        ColumnDefinition, ForeignKeyDefinition, IndexDefinition, KeyDefinition, SchemaDefinition, TableDefinition,
        folded,
    },
};

pub(super) fn tables(
    source: &SchemaDefinition,
    target: &SchemaDefinition,
    renames: &Renames,
    order_counts: bool,
    changes: &mut Vec<Change>,
) {
    let old: HashMap<String, &TableDefinition> =
        source.tables.iter().map(|table| (key(&table.schema, &table.name), table)).collect();
    let new: HashSet<String> = target.tables.iter().map(|table| key(&table.schema, &table.name)).collect();
    let goes = |table: &&TableDefinition| !new.contains(&key(&table.schema, &table.name));
    changes.extend(source.tables.iter().filter(goes).cloned().map(|table| Change::DropTable(Box::new(table))));
    let renamed = Renamed::of(renames);
    for table in &target.tables {
        let Some(before) = old.get(&key(&table.schema, &table.name)) else {
            changes.push(Change::CreateTable(Box::new(table.clone())));
            continue;
        };
        let mut altered = Vec::new();
        renamed.tell(table, &mut altered);
        between(before, table, order_counts, &mut altered);
        let name = table.object_name();
        changes.extend(altered.into_iter().map(|change| Change::AlterTable { table: name.clone(), change }));
    }
}

/// The renames by the new name of their table.
struct Renamed<'a> {
    tables: HashMap<String, &'a ObjectName>,
    columns: HashMap<String, Vec<(&'a String, &'a String)>>,
}

impl<'a> Renamed<'a> {
    fn of(renames: &'a Renames) -> Self {
        let tables =
            renames.tables.iter().map(|rename| (key(&rename.to.schema, &rename.to.name), &rename.from)).collect();
        let now: HashMap<String, &ObjectName> =
            renames.tables.iter().map(|rename| (key(&rename.from.schema, &rename.from.name), &rename.to)).collect();
        let mut columns: HashMap<String, Vec<_>> = HashMap::new();
        for rename in &renames.columns {
            let table = key(&rename.table.schema, &rename.table.name);
            let table = now.get(&table).map_or(table, |to| key(&to.schema, &to.name));
            columns.entry(table).or_default().push((&rename.from, &rename.to));
        }
        Self { tables, columns }
    }

    fn tell(&self, table: &TableDefinition, changes: &mut Vec<TableChange>) {
        let name = key(&table.schema, &table.name);
        changes.extend(self.tables.get(&name).map(|from| TableChange::Rename { from: (*from).clone() }));
        let columns = self.columns.get(&name).into_iter().flatten();
        changes
            .extend(columns.map(|(from, to)| TableChange::RenameColumn { from: (*from).clone(), to: (*to).clone() }));
    }
}

fn between(before: &TableDefinition, after: &TableDefinition, order_counts: bool, changes: &mut Vec<TableChange>) {
    if before.comment != after.comment {
        changes.push(TableChange::Comment { from: before.comment.clone(), to: after.comment.clone() });
    }
    columns(before, after, order_counts, changes);
    let (gone, new) = differing(before.primary_key.as_slice(), after.primary_key.as_slice(), key_identity);
    changes.extend(gone.into_iter().cloned().map(TableChange::DropPrimaryKey));
    changes.extend(new.into_iter().cloned().map(TableChange::AddPrimaryKey));
    let (gone, new) = differing(&before.unique_constraints, &after.unique_constraints, key_identity);
    changes.extend(gone.into_iter().cloned().map(TableChange::DropUnique));
    changes.extend(new.into_iter().cloned().map(TableChange::AddUnique));
    let (gone, new) = differing(&before.foreign_keys, &after.foreign_keys, foreign_key_identity);
    changes.extend(gone.into_iter().cloned().map(TableChange::DropForeignKey));
    changes.extend(new.into_iter().cloned().map(TableChange::AddForeignKey));
    let (gone, new) = differing(&before.checks, &after.checks, Clone::clone);
    changes.extend(gone.into_iter().cloned().map(TableChange::DropCheck));
    changes.extend(new.into_iter().cloned().map(TableChange::AddCheck));
    indexes(before, after, changes);
}

fn columns(before: &TableDefinition, after: &TableDefinition, order_counts: bool, changes: &mut Vec<TableChange>) {
    let old: HashMap<String, &ColumnDefinition> =
        before.columns.iter().map(|column| (folded(&column.name), column)).collect();
    let new: HashSet<String> = after.columns.iter().map(|column| folded(&column.name)).collect();
    let goes = |column: &&ColumnDefinition| !new.contains(&folded(&column.name));
    changes.extend(before.columns.iter().filter(goes).cloned().map(Box::new).map(TableChange::DropColumn));
    let moved = if order_counts { moved(before, after) } else { HashSet::new() };
    let mut last: Option<&String> = None;
    for column in &after.columns {
        let name = folded(&column.name);
        match old.get(&name) {
            None => changes.push(TableChange::AddColumn { column: Box::new(column.clone()), after: last.cloned() }),
            Some(before) => {
                if !ColumnAttribute::between(before, column).is_empty() {
                    let (from, to) = (Box::new((*before).clone()), Box::new(column.clone()));
                    changes.push(TableChange::AlterColumn { from, to });
                }
                if moved.contains(&name) {
                    changes.push(TableChange::MoveColumn { column: column.name.clone(), after: last.cloned() });
                }
            }
        }
        last = Some(&column.name);
    }
}

/// The fewest columns that have to move for those of both sides to stand in the order of the new side: all but those of the longest
/// run that is in order.
fn moved(before: &TableDefinition, after: &TableDefinition) -> HashSet<String> {
    let places: HashMap<String, usize> =
        before.columns.iter().enumerate().map(|(place, column)| (folded(&column.name), place)).collect();
    let common: Vec<(String, usize)> = after
        .columns
        .iter()
        .filter_map(|column| {
            let name = folded(&column.name);
            places.get(&name).copied().map(|place| (name, place))
        })
        .collect();
    // The last element of the best run of each length, and for each element the one before it in its run.
    let mut ends: Vec<usize> = Vec::new();
    let mut before_each: Vec<Option<usize>> = vec![None; common.len()];
    for (at, (_, place)) in common.iter().enumerate() {
        let length = ends.partition_point(|end| common[*end].1 < *place);
        before_each[at] = length.checked_sub(1).map(|shorter| ends[shorter]);
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut staying = HashSet::new();
    let mut next = ends.last().copied();
    while let Some(at) = next {
        staying.insert(at);
        next = before_each[at];
    }
    let moves = common.into_iter().enumerate().filter(|(at, _)| !staying.contains(at));
    moves.map(|(_, (name, _))| name).collect()
}

fn indexes(before: &TableDefinition, after: &TableDefinition, changes: &mut Vec<TableChange>) {
    let (gone, new) = differing(&before.indexes, &after.indexes, index_identity);
    changes.extend(gone.into_iter().cloned().map(TableChange::DropIndex));
    let is_new: HashSet<IndexDefinition> = new.iter().map(|index| index_identity(index)).collect();
    changes.extend(new.into_iter().cloned().map(TableChange::AddIndex));
    let comments: HashMap<IndexDefinition, &String> =
        before.indexes.iter().map(|index| (index_identity(index), &index.comment)).collect();
    for index in &after.indexes {
        let identity = index_identity(index);
        match comments.get(&identity) {
            Some(from) if **from != index.comment && !is_new.contains(&identity) => {
                changes.push(TableChange::CommentIndex { index: index.clone(), from: (*from).clone() });
            }
            _ => {}
        }
    }
}

/// What is only on the first side, and what only on the second.
fn differing<'a, T, I: Eq + std::hash::Hash>(
    before: &'a [T],
    after: &'a [T],
    identity: impl Fn(&T) -> I,
) -> (Vec<&'a T>, Vec<&'a T>) {
    let old: HashSet<I> = before.iter().map(&identity).collect();
    let new: HashSet<I> = after.iter().map(&identity).collect();
    let gone = before.iter().filter(|part| !new.contains(&identity(part))).collect();
    (gone, after.iter().filter(|part| !old.contains(&identity(part))).collect())
}

fn all_folded(names: &[String]) -> Vec<String> {
    names.iter().map(|name| folded(name)).collect()
}

fn key_identity(key: &KeyDefinition) -> (String, Vec<String>) {
    (key.name.clone(), all_folded(&key.columns))
}

fn foreign_key_identity(foreign: &ForeignKeyDefinition) -> ForeignKeyDefinition {
    ForeignKeyDefinition {
        columns: all_folded(&foreign.columns),
        referenced_schema: folded(&foreign.referenced_schema),
        referenced_table: folded(&foreign.referenced_table),
        referenced_columns: all_folded(&foreign.referenced_columns),
        ..foreign.clone()
    }
}

/// An index without its comment.
fn index_identity(index: &IndexDefinition) -> IndexDefinition {
    let mut identity = IndexDefinition { comment: String::new(), ..index.clone() };
    identity.columns.iter_mut().for_each(|part| part.column = folded(&part.column));
    identity
}
