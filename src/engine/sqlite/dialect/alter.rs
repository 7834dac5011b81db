//! The change of a schema in the statements of SQLite.
//!
//! A table is changed in place where SQLite can do that; otherwise it is made anew under another name, filled, and put in the place of
//! the old one: <https://www.sqlite.org/lang_altertable.html#otheralter>. Dropping a table deletes its rows, which would take those of
//! other tables with them or fail, so that foreign keys are not enforced meanwhile; `PRAGMA foreign_keys` leads the script, because it
//! does nothing inside of a transaction. Whoever runs the script looks at `PRAGMA foreign_key_check` before the transaction ends, as
//! the runner of migrations does.

mod effect;
mod table;

use std::collections::HashSet;

use self::table::Way;
use super::{
    SqliteDialect,
    create::{self, Declaration},
};
use crate::{
    engine::{
        Dialect as _,
        dialect::{
            AlterScript, Altered, Kept, Made, Remade,
            alter::StayingTable,
            create::{
                Draft,
                order::{self, Names},
            },
        },
    },
    model::schema::{
        definition::{SchemaDefinition, folded, same},
        difference::{Change, SchemaDifference},
    },
};

pub(super) fn alter(difference: &SchemaDifference, kept: Kept<'_>) -> Altered {
    let mut draft = Draft::new(&SqliteDialect, &difference.target);
    draft.refuse_schemas();
    let planned = draft.tables();
    let staying = StayingTable::all(difference, &planned);
    let ways: Vec<(&StayingTable<'_, '_>, Way)> =
        staying.iter().map(|table| (table, Way::of(table))).filter(|(_, way)| *way != Way::Nothing).collect();
    let is_any_anew = ways.iter().any(|(_, way)| *way == Way::Anew);
    let drops_tables = difference.changes.iter().any(|change| matches!(change, Change::DropTable(_)));
    if is_any_anew || drops_tables {
        draft.make(Made::Table, "foreign_keys", "PRAGMA foreign_keys = OFF;".to_owned());
    }
    let views = views_in_the_way(difference);
    drop_views(&mut draft, difference, &views);
    ways.iter().for_each(|(table, way)| table::drop_parts(&mut draft, table, *way));
    drop_tables(&mut draft, difference);
    let mut names = FreeNames::of(difference);
    staying.iter().for_each(|table| rename_table(&mut draft, table, &mut names));
    ways.iter().for_each(|(table, _)| table::rename_columns(&mut draft, table));
    for (table, _) in ways.iter().filter(|(_, way)| *way == Way::InPlace) {
        table::change_in_place(&mut draft, table, kept);
    }
    if is_any_anew {
        // The new table takes the old one's name, and whatever names that one means it still.
        draft.make(Made::Table, "legacy_alter_table", "PRAGMA legacy_alter_table = ON;".to_owned());
        let anew: Vec<&StayingTable<'_, '_>> =
            ways.iter().filter(|(_, way)| *way == Way::Anew).map(|(table, _)| *table).collect();
        refuse_lost_parts(&mut draft, &anew, &mut names);
        for table in anew {
            let name = names.take(&table.after.table.name);
            table::make_anew(&mut draft, table, &name, kept);
        }
        draft.make(Made::Table, "legacy_alter_table", "PRAGMA legacy_alter_table = OFF;".to_owned());
    }
    let new: HashSet<String> = created_tables(difference);
    for table in planned.iter().filter(|table| new.contains(&folded(&table.table.full_name()))) {
        create::create_table(&mut draft, table, &Declaration::coming(table.table, kept));
    }
    for table in planned.iter().filter(|table| new.contains(&folded(&table.table.full_name()))) {
        create::create_indexes(&mut draft, table);
        create::create_triggers(&mut draft, table);
    }
    ways.iter().for_each(|(table, way)| table::create_parts(&mut draft, table, *way));
    create_views(&mut draft, difference, &views);
    let written = draft.finish();
    let statements: Vec<String> = written.statements.into_iter().map(|statement| statement.sql).collect();
    let script = AlterScript { title: "change the schema", statements, transactional: true };
    Altered {
        scripts: if script.statements.is_empty() { Vec::new() } else { vec![script] },
        effects: effect::all(difference, &ways),
        remade: remade(difference, &ways, &views),
        unsupported: written.unsupported,
        more_unsupported: written.more_unsupported,
        is_too_large: written.is_too_large,
    }
}

fn remade(
    difference: &SchemaDifference,
    ways: &[(&StayingTable<'_, '_>, Way)],
    views: &HashSet<String>,
) -> Vec<Remade> {
    let anew = ways.iter().filter(|(_, way)| *way == Way::Anew);
    let names = |table: &StayingTable<'_, '_>| [table.former.name.clone(), table.after.table.name.clone()];
    let tables = anew.flat_map(|(table, _)| names(table).map(Remade::Table));
    let target = difference.target.views.iter().map(|view| view.name.as_str());
    let views = target.filter(|name| views.contains(&folded(name))).map(|name| Remade::Part(format!("view {name}")));
    tables.chain(views).collect()
}

/// Folded names of the views that go or change, and of those that read them.
fn views_in_the_way(difference: &SchemaDifference) -> HashSet<String> {
    let mut names: HashSet<String> = difference
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::DropView(view) | Change::ReplaceView { from: view, .. } => Some(folded(&view.name)),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        return names;
    }
    let mut sought: Names = names.iter().cloned().collect();
    for (_, view) in order::views(&difference.source) {
        if sought.is_any_in(&folded(&view.query)) {
            sought.extend([folded(&view.name)]);
            names.insert(folded(&view.name));
        }
    }
    names
}

/// Before the tables, because SQLite looks at every view when it renames something, and finds one broken that reads what is gone.
fn drop_views(draft: &mut Draft<'_>, difference: &SchemaDifference, in_the_way: &HashSet<String>) {
    if in_the_way.is_empty() {
        return;
    }
    for (_, view) in order::views(&difference.source).into_iter().rev() {
        if in_the_way.contains(&folded(&view.name)) {
            draft.make(Made::View, &view.name, format!("DROP VIEW {};", SqliteDialect.quoted(&view.name)));
        }
    }
}

fn create_views(draft: &mut Draft<'_>, difference: &SchemaDifference, in_the_way: &HashSet<String>) {
    let new: HashSet<String> = difference
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::CreateView(view) => Some(folded(&view.name)),
            _ => None,
        })
        .collect();
    if new.is_empty() && in_the_way.is_empty() {
        return;
    }
    for (place, view) in order::views(&difference.target) {
        let name = folded(&view.name);
        if new.contains(&name) || in_the_way.contains(&name) {
            create::create_view(draft, place, view);
        }
    }
}

fn drop_tables(draft: &mut Draft<'_>, difference: &SchemaDifference) {
    for change in &difference.changes {
        let Change::DropTable(table) = change else { continue };
        draft.make(Made::Table, &table.name, format!("DROP TABLE {};", SqliteDialect.quoted(&table.name)));
    }
}

/// What points to the table is renamed with it. A name of which only the case changes is taken, by the table itself.
fn rename_table(draft: &mut Draft<'_>, table: &StayingTable<'_, '_>, names: &mut FreeNames) {
    let (from, to) = (&table.former.name, &table.after.table.name);
    if from == to {
        return;
    }
    let mut rename = |from: &str, to: &str| {
        let sql = format!("ALTER TABLE {} RENAME TO {};", SqliteDialect.quoted(from), SqliteDialect.quoted(to));
        draft.make(Made::Table, to, sql);
    };
    if same(from, to) {
        let between = names.take(to);
        rename(from, &between);
        rename(&between, to);
    } else {
        rename(from, to);
    }
}

/// Triggers and indexes go with their table. Those that a definition has are made again; of any other it says nothing, so that the
/// script fails where there is one.
fn refuse_lost_parts(draft: &mut Draft<'_>, anew: &[&StayingTable<'_, '_>], names: &mut FreeNames) {
    let (mut tables, mut known) = (Vec::new(), Vec::new());
    for table in anew {
        tables.push(SqliteDialect.string(&table.after.table.name));
        let indexes = table.before.indexes.iter().map(|index| index.name.clone());
        known
            .extend(table::touching_triggers(table).into_iter().chain(indexes).map(|name| SqliteDialect.string(&name)));
    }
    let lost = SqliteDialect.quoted(&names.take("lost_part"));
    let rule = SqliteDialect
        .quoted("a trigger or index would be lost with its table: drop it before, and make it again afterwards");
    let statements = [
        format!("CREATE TEMP TABLE {lost} (name TEXT CONSTRAINT {rule} CHECK (name IS NULL));"),
        format!(
            "INSERT INTO {lost} SELECT name FROM main.sqlite_schema WHERE type IN ('trigger', 'index')\n    AND sql IS NOT NULL AND tbl_name COLLATE NOCASE IN \
             ({}) AND name COLLATE NOCASE NOT IN ({});",
            tables.join(", "),
            known.join(", ")
        ),
        format!("DROP TABLE temp.{lost};"),
    ];
    statements.into_iter().for_each(|sql| draft.make(Made::Table, "lost_part", sql));
}

fn created_tables(difference: &SchemaDifference) -> HashSet<String> {
    let created = difference.changes.iter().filter_map(|change| match change {
        Change::CreateTable(table) => Some(folded(&table.full_name())),
        _ => None,
    });
    created.collect()
}

/// Names that nothing has, before or after.
struct FreeNames(HashSet<String>);

impl FreeNames {
    fn of(difference: &SchemaDifference) -> Self {
        let names = |schema: &SchemaDefinition| -> Vec<String> {
            let tables = schema.tables.iter().map(|table| folded(&table.name));
            let views = schema.views.iter().map(|view| folded(&view.name));
            let indexes = schema.tables.iter().flat_map(|table| &table.indexes).map(|index| folded(&index.name));
            tables.chain(views).chain(indexes).collect()
        };
        Self(names(&difference.source).into_iter().chain(names(&difference.target)).collect())
    }

    /// The name that a table has until it takes that of another.
    fn take(&mut self, table: &str) -> String {
        let mut name = format!("{table}_new");
        while !self.0.insert(folded(&name)) {
            name += "_new";
        }
        name
    }
}
