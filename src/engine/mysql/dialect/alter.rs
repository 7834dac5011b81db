//! The change of a schema in the statements of MySQL 8.0 and MariaDB 10.6 and newer.
//!
//! Neither can take a definition back, so that this is one script that is no transaction. What changes of a table is said in one
//! statement, because the server may copy the table for each. Foreign keys that are in the way of a change go before and come after
//! all of them. What only MariaDB reads, and needs where the server has made something by itself, stands in `/*M! ... */`.

mod effect;
mod keys;
mod table;

use std::collections::HashSet;

use self::keys::ForeignKeys;
use super::{MysqlDialect, create};
use crate::{
    engine::{
        Dialect as _,
        dialect::{
            AlterScript, Altered, Made, Remade,
            alter::StayingTable,
            create::{Draft, PlannedTable, order},
        },
    },
    model::schema::{
        definition::folded,
        difference::{Change, SchemaDifference},
    },
};

pub(super) fn alter(difference: &SchemaDifference) -> Altered {
    let mut draft = Draft::new(&MysqlDialect, &difference.target);
    draft.refuse_schemas();
    let planned = draft.tables();
    let staying = StayingTable::all(difference, &planned);
    let keys = ForeignKeys::of(difference, &staying);
    drop_views(&mut draft, difference);
    keys.drop(&mut draft, difference);
    drop_tables(&mut draft, difference);
    rename_tables(&mut draft, &staying);
    for (place, table) in staying.iter().enumerate() {
        table::alter(&mut draft, table, &keys.left_without_index(place));
    }
    create_tables(&mut draft, difference, &planned);
    keys.add(&mut draft);
    create_views(&mut draft, difference);
    let written = draft.finish();
    let statements: Vec<String> = written.statements.into_iter().map(|statement| statement.sql).collect();
    let script = AlterScript { title: "change the schema", statements, transactional: false };
    Altered {
        scripts: if script.statements.is_empty() { Vec::new() } else { vec![script] },
        effects: effect::all(difference, &staying),
        remade: remade(difference, &staying),
        unsupported: written.unsupported,
        more_unsupported: written.more_unsupported,
        is_too_large: written.is_too_large,
    }
}

/// Views with another query, and columns that are said again whole.
fn remade(difference: &SchemaDifference, staying: &[StayingTable<'_, '_>]) -> Vec<Remade> {
    let views = difference.changes.iter().filter_map(|change| match change {
        Change::ReplaceView { to: view, .. } => Some(Remade::Part(format!("view {}", view.name))),
        _ => None,
    });
    views.chain(staying.iter().flat_map(table::remade)).collect()
}

/// The server looks at what a view reads when it is made, so that one with another query goes before the tables change.
fn drop_views(draft: &mut Draft<'_>, difference: &SchemaDifference) {
    for change in &difference.changes {
        let (Change::DropView(view) | Change::ReplaceView { from: view, .. }) = change else { continue };
        draft.make(Made::View, &view.name, format!("DROP VIEW {};", MysqlDialect.quoted(&view.name)));
    }
}

fn create_views(draft: &mut Draft<'_>, difference: &SchemaDifference) {
    let made: HashSet<String> = difference
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::CreateView(view) | Change::ReplaceView { to: view, .. } => Some(folded(&view.name)),
            _ => None,
        })
        .collect();
    if made.is_empty() {
        return;
    }
    for (place, view) in order::views(&difference.target) {
        if made.contains(&folded(&view.name)) {
            create::create_view(draft, place, view);
        }
    }
}

/// Those that point to others go first.
fn drop_tables(draft: &mut Draft<'_>, difference: &SchemaDifference) {
    for table in keys::dropped_tables(difference) {
        draft.make(Made::Table, &table.name, format!("DROP TABLE {};", MysqlDialect.quoted(&table.name)));
    }
}

fn rename_tables(draft: &mut Draft<'_>, staying: &[StayingTable<'_, '_>]) {
    for table in staying.iter().filter(|table| table.former.name != table.after.table.name) {
        let sql = format!("RENAME TABLE {} TO {};", MysqlDialect.qualified(&table.former), table.after.name);
        draft.make(Made::Table, &table.after.table.name, sql);
    }
}

fn create_tables(draft: &mut Draft<'_>, difference: &SchemaDifference, planned: &[PlannedTable<'_>]) {
    let new: HashSet<String> = difference
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::CreateTable(table) => Some(folded(&table.full_name())),
            _ => None,
        })
        .collect();
    let new: Vec<&PlannedTable<'_>> =
        planned.iter().filter(|table| new.contains(&folded(&table.table.full_name()))).collect();
    new.iter().for_each(|table| create::create_table(draft, table));
    new.iter().for_each(|table| create::create_early_keys(draft, table));
    new.iter().for_each(|table| create::create_indexes(draft, table));
}
