//! A table that stays: changed in place, or made anew.

use crate::{
    engine::{
        Dialect as _,
        dialect::{
            Kept, Made,
            alter::StayingTable,
            create::{Draft, PlannedTable, order::mentions},
        },
        sqlite::dialect::{
            SqliteDialect,
            create::{self, Declaration},
        },
    },
    model::schema::{
        NeutralType,
        definition::{ColumnDefinition, ColumnType, DefaultValue, TableDefinition, folded},
        difference::{ColumnAttribute, TableChange},
    },
};

/// How a table gets from what it is to what it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing of it changes.
    Nothing,
    /// By statements that change it.
    InPlace,
    /// By a new table that takes its place.
    Anew,
}

impl Way {
    pub(super) fn of(table: &StayingTable<'_, '_>) -> Self {
        if table.changes.is_empty() {
            return Self::Nothing;
        }
        let is_in_place = table.changes.iter().all(|change| match change {
            TableChange::Rename { .. }
            | TableChange::RenameColumn { .. }
            | TableChange::Comment { .. }
            | TableChange::AddIndex(_)
            | TableChange::DropIndex(_)
            | TableChange::CommentIndex { .. } => true,
            TableChange::AddColumn { column, .. } => is_at_end(table, column) && is_added_in_place(column),
            TableChange::DropColumn(column) => is_dropped_in_place(table.before, column),
            TableChange::AlterColumn { from, to } => {
                ColumnAttribute::between(from, to) == [ColumnAttribute::TouchedOnUpdate]
            }
            TableChange::MoveColumn { .. }
            | TableChange::AddPrimaryKey(_)
            | TableChange::DropPrimaryKey(_)
            | TableChange::AddUnique(_)
            | TableChange::DropUnique(_)
            | TableChange::AddForeignKey(_)
            | TableChange::DropForeignKey(_)
            | TableChange::AddCheck(_)
            | TableChange::DropCheck(_) => false,
        });
        if is_in_place { Self::InPlace } else { Self::Anew }
    }
}

/// True where only new columns stand behind a new column.
fn is_at_end(table: &StayingTable<'_, '_>, column: &ColumnDefinition) -> bool {
    let columns = &table.after.table.columns;
    let place = columns.iter().position(|found| found.name == column.name).unwrap_or_default();
    columns[place..].iter().all(|column| table.before.column(&column.name).is_none())
}

/// What ADD COLUMN takes: <https://www.sqlite.org/lang_altertable.html#alter_table_add_column>.
fn is_added_in_place(column: &ColumnDefinition) -> bool {
    let has_value = match &column.default {
        None => column.nullable,
        Some(DefaultValue::Literal(_)) => true,
        Some(_) => false,
    };
    let is_computed_when_read = column.generated.as_ref().is_none_or(|generated| !generated.stored && column.nullable);
    has_value && is_computed_when_read && column.identity.is_none() && create::is_strict(column)
}

/// True where nothing of the table's own text needs a column that goes.
fn is_dropped_in_place(before: &TableDefinition, column: &ColumnDefinition) -> bool {
    let name = folded(&column.name);
    let is_named = |text: &str| mentions(&folded(text), &name);
    let is_computed_by =
        |other: &ColumnDefinition| other.generated.as_ref().is_some_and(|generated| is_named(&generated.expression));
    !before.checks.iter().any(|check| is_named(&check.expression)) && !before.columns.iter().any(is_computed_by)
}

/// Drops triggers and indexes that go, or that are written otherwise afterwards. Those of a table that is made anew go with it.
pub(super) fn drop_parts(draft: &mut Draft<'_>, table: &StayingTable<'_, '_>, way: Way) {
    if way == Way::Anew {
        return;
    }
    for column in table.before.columns.iter().filter(|column| column.touched_on_update) {
        if !keeps_trigger(table, column) {
            let (name, _) = create::trigger(&table.former.name, table.former_column(&column.name));
            draft.make(Made::Trigger, &name, format!("DROP TRIGGER {};", SqliteDialect.quoted(&name)));
        }
    }
    for change in &table.changes {
        let TableChange::DropIndex(index) = change else { continue };
        draft.make(Made::Index, &index.name, format!("DROP INDEX {};", SqliteDialect.quoted(&index.name)));
    }
}

/// The triggers of a table that touch its columns, as they are called before.
pub(super) fn touching_triggers(table: &StayingTable<'_, '_>) -> Vec<String> {
    let touched = table.before.columns.iter().filter(|column| column.touched_on_update);
    touched.map(|column| create::trigger(&table.former.name, table.former_column(&column.name)).0).collect()
}

/// True where the trigger that touches a column is the same before and after.
fn keeps_trigger(table: &StayingTable<'_, '_>, column: &ColumnDefinition) -> bool {
    let after = table.after.table;
    let is_touched = |table: &TableDefinition| table.column(&column.name).is_some_and(|found| found.touched_on_update);
    is_touched(table.before)
        && is_touched(after)
        && table.former.name == after.name
        && table.former_column(&column.name) == column.name
        && create::rowid_name(table.before) == create::rowid_name(after)
}

/// Columns get their new names in place even where the table is made anew afterwards, because that renames them in the foreign keys
/// of other tables, too.
pub(super) fn rename_columns(draft: &mut Draft<'_>, table: &StayingTable<'_, '_>) {
    for (from, to) in table.renamed_columns() {
        let (from, to) = (SqliteDialect.quoted(from), SqliteDialect.quoted(to));
        let sql = format!("ALTER TABLE {} RENAME COLUMN {from} TO {to};", table.after.name);
        draft.make(Made::Table, &table.after.table.name, sql);
    }
}

/// Adds and drops columns, in this order, because a table keeps one column at least.
pub(super) fn change_in_place(draft: &mut Draft<'_>, table: &StayingTable<'_, '_>, kept: Kept<'_>) {
    let (name, declaration) = (&table.after.name, declaration(table, kept));
    for (place, column) in table.after.table.columns.iter().enumerate() {
        if table.before.column(&column.name).is_none()
            && let Some((line, _)) = create::column_line(draft, table.after, place, &declaration)
        {
            draft.make(Made::Table, &table.after.table.name, format!("ALTER TABLE {name} ADD COLUMN {line};"));
        }
    }
    for change in &table.changes {
        let TableChange::DropColumn(column) = change else { continue };
        let sql = format!("ALTER TABLE {name} DROP COLUMN {};", SqliteDialect.quoted(&column.name));
        draft.make(Made::Table, &table.after.table.name, sql);
    }
}

/// Makes a table under another name, fills it with the rows and puts it in the place of the one that was there.
pub(super) fn make_anew(draft: &mut Draft<'_>, table: &StayingTable<'_, '_>, name: &str, kept: Kept<'_>) {
    let new = PlannedTable { name: SqliteDialect.quoted(name), ..table.after.clone() };
    create::create_table(draft, &new, &declaration(table, kept));
    let (into, from) = carried(table.before, table.after.table);
    let (object, old) = (&table.after.table.name, &table.after.name);
    if !into.is_empty() {
        let (into, from) = (into.join(", "), from.join(", "));
        let sql = format!("INSERT INTO {} ({into})\n    SELECT {from} FROM {old};", new.name);
        draft.make(Made::Table, object, sql);
    }
    draft.make(Made::Table, object, format!("DROP TABLE {old};"));
    draft.make(Made::Table, object, format!("ALTER TABLE {} RENAME TO {old};", new.name));
}

/// What the table is declared as beside what its definition says.
fn declaration(table: &StayingTable<'_, '_>, kept: Kept<'_>) -> Declaration {
    let mut declaration = Declaration::new(kept.is_strict(table));
    for column in &table.after.table.columns {
        declaration.take(&column.name, kept.data_type(table, column), kept.default(table, column));
    }
    declaration
}

/// The columns that rows are carried over in, and what they are filled with. The number of a row stays what it is, where no column
/// is that number and a name for it is free.
fn carried(before: &TableDefinition, after: &TableDefinition) -> (Vec<String>, Vec<String>) {
    let (mut into, mut from) = (Vec::new(), Vec::new());
    let has_number = create::rowid_column(before).is_some() || create::rowid_column(after).is_some();
    let is_free = |name: &&str| before.column(name).is_none() && after.column(name).is_none();
    if let Some(rowid) = create::ROWID_NAMES.into_iter().find(is_free).filter(|_| !has_number) {
        into.push(rowid.to_owned());
        from.push(rowid.to_owned());
    }
    for column in after.columns.iter().filter(|column| column.generated.is_none()) {
        let Some(old) = before.column(&column.name) else { continue };
        into.push(SqliteDialect.quoted(&column.name));
        from.push(value(old, column));
    }
    (into, from)
}

/// The value of a column as another type takes it. SQLite makes text of numbers and numbers of text by itself where nothing is lost, and
/// refuses the rest; bytes it takes for nothing else.
fn value(old: &ColumnDefinition, new: &ColumnDefinition) -> String {
    let name = SqliteDialect.quoted(&new.name);
    let is_bytes = |column: &ColumnDefinition| column.column_type == ColumnType::Neutral(NeutralType::Bytes);
    match (is_bytes(old), is_bytes(new), new.column_type.neutral()) {
        (false, true, _) => format!("CAST({name} AS BLOB)"),
        (true, false, Some(_)) => format!("CAST({name} AS TEXT)"),
        _ => name,
    }
}

/// Makes indexes and triggers, all of them for a table that was made anew.
pub(super) fn create_parts(draft: &mut Draft<'_>, table: &StayingTable<'_, '_>, way: Way) {
    if way == Way::Anew {
        create::create_indexes(draft, table.after);
        return create::create_triggers(draft, table.after);
    }
    for (place, (name, _)) in table.after.indexes.iter().enumerate() {
        let is_new = |change: &&TableChange| matches!(change, TableChange::AddIndex(new) if new.name == *name);
        if table.changes.iter().any(is_new) {
            create::create_index(draft, table.after, place);
        }
    }
    for column in table.after.table.columns.iter().filter(|column| column.touched_on_update) {
        if !keeps_trigger(table, column) {
            create::create_trigger(draft, table.after, column);
        }
    }
}
