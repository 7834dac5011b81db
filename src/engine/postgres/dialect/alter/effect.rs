//! What each change does beside what it is for: which locks it takes and how long, what is lost, and when it fails.
//!
//! Locks by <https://www.postgresql.org/docs/current/explicit-locking.html> and the notes of ALTER TABLE.

use std::collections::HashMap;

use super::{
    cast::{self, Carried},
    column::is_required_at_once,
    staying::Staying,
    types::{Plan, TypePlans},
};
use crate::{
    engine::dialect::{Effect, TableLock},
    model::schema::{
        ObjectName,
        definition::{ColumnDefinition, DefaultValue, TypeDefinition, TypeShape, full_name},
        difference::{Change, ColumnAttribute, SchemaDifference, TableChange},
    },
};

pub(super) fn all(difference: &SchemaDifference, staying: &[Staying<'_, '_>], types: &TypePlans<'_>) -> Vec<Effect> {
    let tables: HashMap<ObjectName, &Staying<'_, '_>> =
        staying.iter().map(|table| (table.new.object_name(), table)).collect();
    let effect = |change: &Change| match change {
        Change::AlterType { from, to } => of_type(from, to, types.plan(to)),
        Change::DropTable(table) => Effect {
            lock: TableLock::Everything,
            data_loss: format!("all rows of the table {} are lost", table.full_name()),
            ..Effect::default()
        },
        Change::AlterTable { table, change } => {
            tables.get(table).map(|table| of_table(table, change)).unwrap_or_default()
        }
        _ => Effect::default(),
    };
    difference.changes.iter().map(effect).collect()
}

/// Others wait for a moment, however many rows there are.
fn moment() -> Effect {
    Effect { lock: TableLock::Everything, ..Effect::default() }
}

/// The rows are looked at while others go on.
fn beside() -> Effect {
    Effect { reads_every_row: true, ..Effect::default() }
}

fn of_type(from: &TypeDefinition, to: &TypeDefinition, plan: Option<Plan>) -> Effect {
    match plan {
        Some(Plan::Replace) => Effect {
            lock: TableLock::Everything,
            reads_every_row: true,
            may_fail: no_form(from, to),
            ..Effect::default()
        },
        // ALTER DOMAIN looks at the columns of the domain under a lock that lets reads through.
        Some(Plan::InPlace) => Effect {
            lock: TableLock::Writes,
            reads_every_row: true,
            may_fail: format!("fails where a value does not meet the conditions of the domain {}", to.name),
            ..Effect::default()
        },
        Some(Plan::AddLabels | Plan::Comment) | None => Effect::default(),
    }
}

/// Which values have no form in the type that is made anew.
fn no_form(from: &TypeDefinition, to: &TypeDefinition) -> String {
    let name = full_name(&to.schema, &to.name);
    match (&from.shape, &to.shape) {
        (TypeShape::Enum(from), TypeShape::Enum(to)) => {
            let gone: Vec<String> =
                from.iter().filter(|label| !to.contains(label)).map(|label| format!("{label:?}")).collect();
            match gone.is_empty() {
                true => String::new(),
                false => format!("fails where a row holds a label that goes from the type {name}: {}", gone.join(", ")),
            }
        }
        _ => format!("fails where a value has no form in the new type {name}"),
    }
}

fn of_table(table: &Staying<'_, '_>, change: &TableChange) -> Effect {
    match change {
        TableChange::Rename { .. } | TableChange::RenameColumn { .. } => moment(),
        TableChange::Comment { .. } | TableChange::CommentIndex { .. } | TableChange::MoveColumn { .. } => {
            Effect::default()
        }
        TableChange::AddColumn { column, .. } => added(table, column),
        TableChange::DropColumn(column) => Effect {
            data_loss: match column.generated {
                Some(_) => String::new(),
                None => format!("the values of the column {} are lost", told(table, &column.name)),
            },
            ..moment()
        },
        TableChange::AlterColumn { from, to } => altered(table, from, to),
        TableChange::DropPrimaryKey(_)
        | TableChange::DropUnique(_)
        | TableChange::DropForeignKey(_)
        | TableChange::DropCheck(_) => moment(),
        TableChange::DropIndex(index) => {
            if table.goes_early(index, &std::collections::HashSet::new()) {
                moment()
            } else {
                Effect::default()
            }
        }
        TableChange::AddPrimaryKey(key) => Effect {
            may_fail: format!("fails where two rows have the same {}, or one has NULL there", key.columns.join(", ")),
            ..beside()
        },
        TableChange::AddUnique(key) => {
            Effect { may_fail: format!("fails where two rows have the same {}", key.columns.join(", ")), ..beside() }
        }
        TableChange::AddForeignKey(key) => Effect {
            may_fail: format!(
                "fails where a row points to none of {}",
                full_name(&key.referenced_schema, &key.referenced_table)
            ),
            ..beside()
        },
        TableChange::AddCheck(check) => {
            Effect { may_fail: format!("fails where a row does not meet {}", check.expression), ..beside() }
        }
        TableChange::AddIndex(index) => Effect {
            may_fail: match index.unique {
                true => format!("fails where two rows have the same {}", index.column_names().join(", ")),
                false => String::new(),
            },
            ..beside()
        },
    }
}

fn told(table: &Staying<'_, '_>, column: &str) -> String {
    format!("{}.{column}", table.new.full_name())
}

/// A column whose value differs from row to row is written into every row; a constant is kept in the catalog.
fn added(table: &Staying<'_, '_>, column: &ColumnDefinition) -> Effect {
    let differs = matches!(column.default, Some(DefaultValue::NewUuid | DefaultValue::Expression { .. }));
    let has_value = column.default.is_some() || column.identity.is_some() || column.generated.is_some();
    Effect {
        reads_every_row: differs || column.identity.is_some() || column.generated.is_some(),
        may_fail: match !column.nullable && !has_value {
            true => format!(
                "fails where the table has rows, because {} takes no NULL and has no default",
                told(table, &column.name)
            ),
            false => String::new(),
        },
        ..moment()
    }
}

fn altered(table: &Staying<'_, '_>, from: &ColumnDefinition, to: &ColumnDefinition) -> Effect {
    let changed = ColumnAttribute::between(from, to);
    let name = told(table, &to.name);
    if table.is_recreated(&to.name) {
        let data_loss = match from.generated {
            Some(_) => String::new(),
            None => format!("the values of the column {name} are lost, because they are computed from now on"),
        };
        return Effect { reads_every_row: true, data_loss, ..moment() };
    }
    let mut effect = Effect::default();
    // A comment lets everything through.
    if changed.iter().any(|attribute| *attribute != ColumnAttribute::Comment) {
        effect.lock = TableLock::Everything;
    }
    if table.is_retyped(&to.name) {
        retyped(&name, from, to, &mut effect);
    }
    if from.nullable && !to.nullable {
        // Behind a validated check the rows are not looked at again.
        effect.reads_every_row = true;
        if effect.may_fail.is_empty() {
            effect.may_fail = format!("fails where a row has NULL in {name}");
        } else {
            effect.may_fail += ", or where it is NULL";
        }
        let only_required = changed == [ColumnAttribute::Nullable] && !is_required_at_once(table, from, to);
        if only_required {
            effect.lock = TableLock::Nothing;
        }
    }
    effect
}

fn retyped(name: &str, from: &ColumnDefinition, to: &ColumnDefinition, effect: &mut Effect) {
    effect.reads_every_row = !cast::is_stored_alike(&from.column_type, &to.column_type);
    match cast::carried(&from.column_type, &to.column_type) {
        Carried::Kept => {}
        Carried::Cut(what) => effect.data_loss = format!("values of the column {name} lose {what}"),
        Carried::Refused => {
            effect.may_fail = format!("fails where a value of {name} has no room or no form in {}", to.column_type);
        }
    }
}
