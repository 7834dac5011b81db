//! Foreign keys that are away while tables change.
//!
//! The server refuses to change a column that is in a foreign key, at either end, and to drop the index that a key stands on:
//! <https://dev.mysql.com/doc/refman/8.0/en/create-table-foreign-keys.html>. A key that has no index is given one of the key's
//! name, which stays when the key goes.

use std::collections::HashSet;

use crate::{
    engine::{
        Dialect as _,
        dialect::{
            Made,
            alter::StayingTable,
            create::{Draft, PlannedKey, foreign_key, order},
        },
        mysql::dialect::{MysqlDialect, create},
    },
    model::schema::{
        definition::{ForeignKeyDefinition, KeyDefinition, SchemaDefinition, TableDefinition, folded, full_name, same},
        difference::{Change, ColumnAttribute, SchemaDifference, TableChange},
    },
};

/// The foreign keys of tables that stay.
pub(super) struct ForeignKeys<'a, 'p, 's> {
    tables: Vec<TableKeys<'a, 'p, 's>>,
}

/// Those of one table.
struct TableKeys<'a, 'p, 's> {
    table: &'s StayingTable<'a, 'p>,
    /// Those that go.
    gone: Vec<&'a ForeignKeyDefinition>,
    /// Those that are the same afterwards and cannot be there meanwhile.
    away: Vec<&'a ForeignKeyDefinition>,
}

impl<'a, 'p, 's> ForeignKeys<'a, 'p, 's> {
    pub(super) fn of(difference: &SchemaDifference, staying: &'s [StayingTable<'a, 'p>]) -> Self {
        let disturbed = Disturbed::of(difference);
        let of_table = |table: &'s StayingTable<'a, 'p>| {
            let goes = |key: &ForeignKeyDefinition| {
                table.changes.iter().any(|change| matches!(change, TableChange::DropForeignKey(gone) if gone == key))
            };
            let (gone, stays): (Vec<_>, Vec<_>) = table.before.foreign_keys.iter().partition(|key| goes(key));
            let away = stays.into_iter().filter(|key| disturbed.has(table.before, key)).collect();
            TableKeys { table, gone, away }
        };
        Self { tables: staying.iter().map(of_table).collect() }
    }

    /// Drops keys of tables that are still called as they were. Tables that go and point to each other in a circle go only without
    /// their keys.
    pub(super) fn drop(&self, draft: &mut Draft<'_>, difference: &SchemaDifference) {
        for keys in &self.tables {
            let clauses = keys.dropping();
            if !clauses.is_empty() {
                let table = MysqlDialect.qualified(&keys.table.former);
                let sql = format!("ALTER TABLE {table}\n    {};", clauses.join(",\n    "));
                draft.make(Made::ForeignKey, &keys.table.former.name, sql);
            }
        }
        let dropped = dropped_tables(difference);
        for (place, table) in dropped.iter().enumerate() {
            let is_gone = |key: &&ForeignKeyDefinition| {
                dropped[..place].iter().any(|gone| same(&gone.name, &key.referenced_table))
            };
            for key in table.foreign_keys.iter().filter(is_gone) {
                let (table, key) = (MysqlDialect.quoted(&table.name), MysqlDialect.quoted(&key.name));
                draft.make(Made::ForeignKey, &key, format!("ALTER TABLE {table} DROP FOREIGN KEY {key};"));
            }
        }
    }

    /// Adds new keys and those that were away.
    pub(super) fn add(&self, draft: &mut Draft<'_>) {
        for keys in &self.tables {
            let after = keys.table.after;
            let mut clauses = Vec::new();
            for (place, key) in after.foreign_keys.iter().enumerate() {
                if keys.comes(key) {
                    create::check_key(draft, after, place, key);
                    clauses.push(format!("ADD {}", foreign_key(&MysqlDialect, after.table, key)));
                }
            }
            if !clauses.is_empty() {
                let sql = format!("ALTER TABLE {}\n    {};", after.name, clauses.join(",\n    "));
                draft.make(Made::ForeignKey, &after.table.name, sql);
            }
        }
    }

    /// The keys that stay all the while, and stood on an index that goes, of the table at this place among those that stay.
    pub(super) fn left_without_index(&self, place: usize) -> Vec<&'a ForeignKeyDefinition> {
        let Some(keys) = self.tables.get(place) else { return Vec::new() };
        let table = keys.table;
        let stays = keys.staying().filter(|key| !keys.away.contains(key));
        stays.filter(|key| has_index(table.before, key) && !has_index(table.after.table, key)).collect()
    }
}

impl<'a> TableKeys<'a, '_, '_> {
    /// Those that are there before and after.
    fn staying(&self) -> impl Iterator<Item = &'a ForeignKeyDefinition> {
        self.table.before.foreign_keys.iter().filter(|key| !self.gone.contains(key))
    }

    fn comes(&self, key: &PlannedKey<'_>) -> bool {
        let is_new = |change: &TableChange| matches!(change, TableChange::AddForeignKey(new) if new.name == key.name);
        self.away.iter().any(|away| away.name == key.name) || self.table.changes.iter().any(|change| is_new(change))
    }

    fn dropping(&self) -> Vec<String> {
        let keys = self.gone.iter().chain(&self.away);
        let mut clauses: Vec<String> =
            keys.map(|key| format!("DROP FOREIGN KEY {}", MysqlDialect.quoted(&key.name))).collect();
        for key in &self.gone {
            clauses.extend(self.without_index_of(key));
        }
        clauses
    }

    /// Takes away the index that the server made for a key, and gives one to a key that shared it.
    fn without_index_of(&self, key: &ForeignKeyDefinition) -> Vec<String> {
        if has_index(self.table.before, key) || self.is_made_again(key) {
            return Vec::new();
        }
        let mut clauses = vec![format!("DROP INDEX /*M! IF EXISTS */ {}", MysqlDialect.quoted(&key.name))];
        let shares = |other: &&ForeignKeyDefinition| {
            begins(&other.columns, &key.columns) || begins(&key.columns, &other.columns)
        };
        let sharing = self.staying().filter(shares).filter(|other| !has_index(self.table.before, other));
        clauses.extend(sharing.map(|other| added_index(self.table, other, true)));
        clauses
    }

    /// True where a key of the same name over the same columns takes the place, and the index.
    fn is_made_again(&self, key: &ForeignKeyDefinition) -> bool {
        self.table.changes.iter().any(|change| match change {
            TableChange::AddForeignKey(new) => new.name == key.name && is_same_columns(&new.columns, &key.columns),
            _ => false,
        })
    }
}

/// The index that the server would make for a key by itself; `is_early` while columns have their former names.
pub(super) fn added_index(table: &StayingTable<'_, '_>, key: &ForeignKeyDefinition, is_early: bool) -> String {
    let name = |column: &String| MysqlDialect.quoted(if is_early { table.former_column(column) } else { column });
    let columns: Vec<String> = key.columns.iter().map(name).collect();
    format!("ADD INDEX /*M! IF NOT EXISTS */ {} ({})", MysqlDialect.quoted(&key.name), columns.join(", "))
}

/// True where a key stands on an index of the definition: one that begins with its columns.
fn has_index(table: &TableDefinition, key: &ForeignKeyDefinition) -> bool {
    let of_key = |found: &KeyDefinition| begins(&found.columns, &key.columns);
    begins(table.key_columns(), &key.columns)
        || table.unique_constraints.iter().any(of_key)
        || table.indexes.iter().any(|index| !index.full_text && begins(&index.column_names(), &key.columns))
}

fn begins(whole: &[String], part: &[String]) -> bool {
    whole.len() >= part.len() && whole.iter().zip(part).all(|(one, other)| same(one, other))
}

fn is_same_columns(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && begins(one, other)
}

/// The tables that go, those that point to others first, as far as there is no circle.
pub(super) fn dropped_tables(difference: &SchemaDifference) -> Vec<&TableDefinition> {
    let found: Vec<&TableDefinition> = difference
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::DropTable(table) => Some(&**table),
            _ => None,
        })
        .collect();
    let gone = found.iter().map(|table| (*table).clone()).collect();
    let alone = SchemaDefinition { tables: gone, ..SchemaDefinition::default() };
    order::tables(&alone).into_iter().rev().map(|place| found[place]).collect()
}

/// What changes of columns and keys so that no foreign key may stand on it.
struct Disturbed {
    /// Folded names of tables and columns.
    columns: HashSet<(String, String)>,
    /// Folded names of tables, and of the columns of a key of them, sorted.
    keys: HashSet<(String, Vec<String>)>,
}

impl Disturbed {
    fn of(difference: &SchemaDifference) -> Self {
        let copied = copied_tables(difference);
        let mut disturbed = Self { columns: HashSet::new(), keys: HashSet::new() };
        for change in &difference.changes {
            let Change::AlterTable { table, change } = change else { continue };
            let table = folded(&full_name(&table.schema, &table.name));
            match change {
                TableChange::AlterColumn { from, to } => {
                    let attributes = ColumnAttribute::between(from, to);
                    let harmless =
                        [ColumnAttribute::Default, ColumnAttribute::Comment, ColumnAttribute::TouchedOnUpdate];
                    if !attributes.iter().all(|attribute| harmless.contains(attribute)) {
                        disturbed.columns.insert((table, folded(&to.name)));
                    }
                }
                TableChange::RenameColumn { to, .. } if copied.contains(&table) => {
                    disturbed.columns.insert((table, folded(to)));
                }
                TableChange::DropPrimaryKey(key) | TableChange::DropUnique(key) => {
                    disturbed.keys.insert((table, sorted(&key.columns)));
                }
                TableChange::DropIndex(index) => {
                    disturbed.keys.insert((table, sorted(&index.column_names())));
                }
                _ => {}
            }
        }
        disturbed
    }

    fn has(&self, table: &TableDefinition, key: &ForeignKeyDefinition) -> bool {
        let own = folded(&table.full_name());
        let target = folded(&full_name(&key.referenced_schema, &key.referenced_table));
        let has_column = |table: &String, name: &String| self.columns.contains(&(table.clone(), folded(name)));
        key.columns.iter().any(|column| has_column(&own, column))
            || key.referenced_columns.iter().any(|column| has_column(&target, column))
            || self.keys.contains(&(target, sorted(&key.referenced_columns)))
    }
}

/// Folded names of tables of which more changes than names and foreign keys. The server renames a column that is in a foreign key at
/// once, and refuses to where it has to copy the table.
fn copied_tables(difference: &SchemaDifference) -> HashSet<String> {
    let copied = difference.changes.iter().filter_map(|change| match change {
        Change::AlterTable {
            change:
                TableChange::Rename { .. }
                | TableChange::RenameColumn { .. }
                | TableChange::AddForeignKey(_)
                | TableChange::DropForeignKey(_),
            ..
        } => None,
        Change::AlterTable { table, .. } => Some(folded(&full_name(&table.schema, &table.name))),
        _ => None,
    });
    copied.collect()
}

fn sorted(columns: &[String]) -> Vec<String> {
    let mut columns: Vec<String> = columns.iter().map(|column| folded(column)).collect();
    columns.sort_unstable();
    columns
}
