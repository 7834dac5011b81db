//! A table that stays, changed by one statement.

use crate::{
    engine::{
        Dialect as _,
        dialect::{
            Made, Remade,
            alter::StayingTable,
            create::{Draft, order::mentions},
        },
        mysql::dialect::{MysqlDialect, alter::keys::added_index, create},
    },
    model::schema::{
        definition::{
            CheckDefinition, ColumnDefinition, ForeignKeyDefinition, IndexDefinition, KeyDefinition, folded, same,
        },
        difference::TableChange,
    },
};

/// Writes what changes of a table beside its name and its foreign keys. The keys given need an index in place of one that goes.
pub(super) fn alter(draft: &mut Draft<'_>, table: &StayingTable<'_, '_>, without_index: &[&ForeignKeyDefinition]) {
    if table.changes.is_empty() {
        return;
    }
    let plan = Plan::of(table);
    let mut clauses = plan.dropping();
    plan.columns(draft, &mut clauses);
    plan.adding(draft, &mut clauses);
    clauses.extend(without_index.iter().map(|key| added_index(table, key, false)));
    if !clauses.is_empty() {
        let sql = format!("ALTER TABLE {}\n    {};", table.after.name, clauses.join(",\n    "));
        draft.make(Made::Table, table.after.table.full_name(), sql);
    }
}

/// The columns that are said again whole, under each name that they have.
pub(super) fn remade(table: &StayingTable<'_, '_>) -> Vec<Remade> {
    let plan = Plan::of(table);
    let mut remade = Vec::new();
    if table.changes.is_empty() {
        return remade;
    }
    let after = table.after.table;
    for column in after.columns.iter().filter(|column| table.before.column(&column.name).is_some()) {
        let names = [(&table.former.name, table.former_column(&column.name)), (&after.name, column.name.as_str())];
        let keeps_type =
            table.altered_column(&column.name).is_none_or(|(from, to)| from.column_type.is_same(&to.column_type));
        remade.extend(names.into_iter().filter_map(|(table, name)| match () {
            () if plan.is_anew(&column.name) => Some(Remade::Column { table: table.clone(), column: name.to_owned() }),
            () if !plan.is_said_again(column) => None,
            () if keeps_type => Some(Remade::Retold(format!("column {table}.{name}"))),
            () => Some(Remade::Part(format!("column {table}.{name}"))),
        }));
    }
    remade
}

/// True where a column cannot become the other in place: what is computed when it is read is nowhere.
/// <https://mariadb.com/kb/en/generated-columns/>
pub(super) fn is_made_anew(from: &ColumnDefinition, to: &ColumnDefinition) -> bool {
    let is_virtual = |column: &ColumnDefinition| column.generated.as_ref().is_some_and(|generated| !generated.stored);
    is_virtual(from) != is_virtual(to)
}

/// What becomes of a table.
struct Plan<'t, 'a, 'p> {
    table: &'t StayingTable<'a, 'p>,
    /// Columns that go and come again, under their new names.
    anew: Vec<&'a ColumnDefinition>,
}

impl<'t, 'a, 'p> Plan<'t, 'a, 'p> {
    fn of(table: &'t StayingTable<'a, 'p>) -> Self {
        let anew = table.changes.iter().filter_map(|change| match change {
            TableChange::AlterColumn { from, to } if is_made_anew(from, to) => Some(&**to),
            _ => None,
        });
        Self { table, anew: anew.collect() }
    }

    fn is_anew(&self, name: &str) -> bool {
        self.anew.iter().any(|column| same(&column.name, name))
    }

    fn is_on_anew(&self, columns: &[String]) -> bool {
        columns.iter().any(|column| self.is_anew(column))
    }

    /// What goes, keys and checks before columns.
    fn dropping(&self) -> Vec<String> {
        let before = self.table.before;
        let mut clauses: Vec<String> =
            before.checks.iter().filter(|check| self.goes(check)).map(|check| self.drop_check(check)).collect();
        let drop_index = |name: &str| format!("DROP INDEX {}", MysqlDialect.quoted(name));
        for change in &self.table.changes {
            match change {
                TableChange::DropPrimaryKey(_) => clauses.push("DROP PRIMARY KEY".to_owned()),
                TableChange::DropUnique(key) => clauses.push(drop_index(&key.name)),
                TableChange::DropIndex(index) | TableChange::CommentIndex { index, .. } => {
                    clauses.push(drop_index(&index.name));
                }
                TableChange::DropColumn(column) => {
                    clauses.push(format!("DROP COLUMN {}", MysqlDialect.quoted(&column.name)));
                }
                _ => {}
            }
        }
        clauses.extend(self.remade_keys().map(|key| drop_index(&key.name)));
        clauses.extend(self.remade_indexes().map(|index| drop_index(&index.name)));
        let anew = self.anew.iter().map(|column| self.table.former_column(&column.name));
        clauses.extend(anew.map(|column| format!("DROP COLUMN {}", MysqlDialect.quoted(column))));
        clauses
    }

    /// Unique constraints that stay, over a column that is made anew.
    fn remade_keys(&self) -> impl Iterator<Item = &'a KeyDefinition> {
        let goes = |key: &KeyDefinition| {
            self.table.changes.iter().any(|change| matches!(change, TableChange::DropUnique(gone) if gone == key))
        };
        let keys = self.table.before.unique_constraints.iter();
        keys.filter(move |key| self.is_on_anew(&key.columns) && !goes(key))
    }

    /// Indexes that stay, over a column that is made anew.
    fn remade_indexes(&self) -> impl Iterator<Item = &'a IndexDefinition> {
        let goes = |index: &IndexDefinition| {
            self.table.changes.iter().any(|change| match change {
                TableChange::DropIndex(gone) => gone == index,
                TableChange::CommentIndex { index: told, .. } => told.name == index.name,
                _ => false,
            })
        };
        let indexes = self.table.before.indexes.iter();
        indexes.filter(move |index| self.is_on_anew(&index.column_names()) && !goes(index))
    }

    /// True where a check goes, if only to come again.
    fn goes(&self, check: &CheckDefinition) -> bool {
        let text = folded(&check.expression);
        self.table.drops_check(check)
            || self.anew.iter().any(|column| mentions(&text, &folded(&column.name)))
            || self.column_of(check).is_some_and(|column| self.is_said_again(column))
    }

    /// MariaDB keeps a check that was written with a column as a part of it, and calls it like the column. It goes when the column is
    /// said again without it; one of the table goes by its name.
    fn drop_check(&self, check: &CheckDefinition) -> String {
        let name = MysqlDialect.quoted(&check.name);
        let is_named_like_column =
            self.table.before.columns.iter().any(|column| same(self.table.former_column(&column.name), &check.name));
        match is_named_like_column {
            true => format!("DROP CONSTRAINT /*M! IF EXISTS */ {name}"),
            false => format!("DROP CONSTRAINT {name}"),
        }
    }

    /// The column, as it is to be, that a check may be a part of.
    fn column_of(&self, check: &CheckDefinition) -> Option<&'a ColumnDefinition> {
        let columns = &self.table.after.table.columns;
        columns.iter().find(|column| same(self.table.former_column(&column.name), &check.name))
    }

    /// True where the whole of a column is said, whatever changes of it.
    fn is_said_again(&self, column: &ColumnDefinition) -> bool {
        let is_checked = |check: &CheckDefinition| same(self.table.former_column(&column.name), &check.name);
        let checks = &self.table.before.checks;
        self.table.altered_column(&column.name).is_some()
            || self.table.changes.iter().any(|change| match change {
                TableChange::MoveColumn { column: moved, .. } => same(moved, &column.name),
                TableChange::RenameColumn { to, .. } => same(to, &column.name) && checks.iter().any(is_checked),
                TableChange::DropCheck(check) => is_checked(check),
                _ => false,
            })
    }

    /// Columns in the order that they are to have, so that each finds the one that it goes behind.
    fn columns(&self, draft: &mut Draft<'_>, clauses: &mut Vec<String>) {
        let after = self.table.after;
        for (place, column) in after.table.columns.iter().enumerate() {
            let is_new =
                self.table.changes.iter().any(
                    |change| matches!(change, TableChange::AddColumn { column: new, .. } if new.name == column.name),
                );
            let is_moved =
                self.table.changes.iter().any(
                    |change| matches!(change, TableChange::MoveColumn { column: moved, .. } if *moved == column.name),
                );
            let position = match place.checked_sub(1).map(|before| &after.table.columns[before]) {
                None => " FIRST".to_owned(),
                Some(before) => format!(" AFTER {}", MysqlDialect.quoted(&before.name)),
            };
            let former = self.table.former_column(&column.name);
            let (name, old) = (MysqlDialect.quoted(&column.name), MysqlDialect.quoted(former));
            if is_new || self.is_anew(&column.name) {
                let line = create::column_line(draft, after, place);
                clauses.extend(line.map(|line| format!("ADD COLUMN {line}{position}")));
            } else if self.is_said_again(column) {
                let position = if is_moved { position } else { String::new() };
                let words =
                    if former == column.name { "MODIFY COLUMN".to_owned() } else { format!("CHANGE COLUMN {old}") };
                let line = create::column_line(draft, after, place);
                clauses.extend(line.map(|line| format!("{words} {line}{position}")));
            } else if former != column.name {
                clauses.push(format!("RENAME COLUMN {old} TO {name}"));
            }
        }
    }

    /// What comes: keys, indexes, checks, and the comment of the table.
    fn adding(&self, draft: &mut Draft<'_>, clauses: &mut Vec<String>) {
        let after = self.table.after;
        let changes = &self.table.changes;
        if changes.iter().any(|change| matches!(change, TableChange::AddPrimaryKey(_))) {
            clauses.extend(create::primary_key(draft, after).map(|key| format!("ADD {key}")));
        }
        let remade: Vec<&str> = self.remade_keys().map(|key| key.name.as_str()).collect();
        for (name, key) in &after.unique {
            let is_new =
                changes.iter().any(|change| matches!(change, TableChange::AddUnique(new) if new.name == *name));
            if is_new || remade.contains(&name.as_str()) {
                clauses.push(format!("ADD {}", create::unique_key(after.table, name, key)));
            }
        }
        let remade: Vec<&str> = self.remade_indexes().map(|index| index.name.as_str()).collect();
        for (place, (name, index)) in after.indexes.iter().enumerate() {
            let is_new = changes.iter().any(|change| match change {
                TableChange::AddIndex(new) | TableChange::CommentIndex { index: new, .. } => new.name == *name,
                _ => false,
            });
            if is_new || remade.contains(&name.as_str()) {
                let (kind, terms) = (create::index_kind(index), create::index_terms(draft, after, place));
                clauses.push(format!("ADD {kind}INDEX {} {terms}", MysqlDialect.quoted(name)));
            }
        }
        self.checks(draft, clauses);
        for change in changes {
            if let TableChange::Comment { to, .. } = change {
                clauses.push(format!("COMMENT = {}", MysqlDialect.string(to)));
            }
        }
    }

    /// New checks, and those that only went to come again.
    fn checks(&self, draft: &mut Draft<'_>, clauses: &mut Vec<String>) {
        let before = &self.table.before.checks;
        let stays = |rule: &CheckDefinition| before.iter().any(|check| check == rule && !self.goes(check));
        for (place, (_, rule)) in self.table.after.checks.iter().enumerate() {
            if !stays(rule) {
                clauses.extend(draft.check(self.table.after, place).map(|check| format!("ADD {check}")));
            }
        }
    }
}
