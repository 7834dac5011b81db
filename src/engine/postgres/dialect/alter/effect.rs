//! What each change does beside what it is for: which locks it takes and how long, what is lost, and when it fails.
//!
//! Locks by <https://www.postgresql.org/docs/current/explicit-locking.html> and the notes of ALTER TABLE.

use std::collections::{HashMap, HashSet};

use super::{
    cast,
    column::is_required_at_once,
    staying::Staying,
    types::{Plan, TypePlans},
};
use crate::{
    engine::dialect::{
        Effect, TableLock,
        alter::{effect_on_rows, lost},
    },
    model::schema::{
        NeutralType, ObjectName,
        definition::{ColumnDefinition, ColumnType, DefaultValue, TypeDefinition, TypeField, TypeShape, full_name},
        difference::{Change, ColumnAttribute, SchemaDifference, TableChange},
    },
};

/// The effect of each change in its order; `taken` are folded names that something gets in the change.
pub(super) fn all(
    difference: &SchemaDifference,
    staying: &[Staying<'_, '_>],
    types: &TypePlans<'_>,
    taken: &HashSet<String>,
) -> Vec<Effect> {
    let tables: HashMap<ObjectName, &Staying<'_, '_>> =
        staying.iter().map(|table| (table.new.object_name(), table)).collect();
    let effect = |change: &Change| match change {
        Change::AlterType { from, to } => of_type(from, to, types),
        Change::DropTable(_) | Change::DropView(_) | Change::ReplaceView { .. } => moment(effect_on_rows(change)),
        Change::AlterTable { table, change: of_one } => {
            let on_rows = effect_on_rows(change);
            tables.get(table).map(|table| of_table(table, of_one, on_rows, taken)).unwrap_or_default()
        }
        _ => Effect::default(),
    };
    let mut effects: Vec<Effect> = difference.changes.iter().map(effect).collect();
    hold_locks(&difference.changes, &mut effects);
    effects
}

/// What the transaction that changes tables has locked stays so until it ends, which is long where it reads or writes rows.
fn hold_locks(changes: &[Change], effects: &mut [Effect]) {
    let is_long = |effect: &Effect| effect.reads_every_row && effect.lock > TableLock::Nothing;
    let long = effects.iter().filter(|effect| is_long(effect)).count();
    for (change, effect) in changes.iter().zip(effects) {
        if long <= usize::from(is_long(effect)) {
            continue;
        }
        effect.lock = effect.lock.max(lock_of_a_moment(change));
        effect.lock_lasts = effect.lock > TableLock::Nothing;
    }
}

/// The lock of what is added without a look at the rows, which is nothing where it is given back at once.
fn lock_of_a_moment(change: &Change) -> TableLock {
    match change {
        Change::AlterTable { change: TableChange::AddCheck(_), .. } => TableLock::Everything,
        Change::AlterTable { change: TableChange::AlterColumn { from, to }, .. } if from.nullable && !to.nullable => {
            TableLock::Everything
        }
        _ => TableLock::Nothing,
    }
}

/// Others wait; for a moment, unless every row is read.
fn moment(effect: Effect) -> Effect {
    Effect { lock: TableLock::Everything, ..effect }
}

fn of_type(from: &TypeDefinition, to: &TypeDefinition, types: &TypePlans<'_>) -> Effect {
    match types.plan(to) {
        Some(Plan::Replace) => Effect {
            lock: TableLock::Everything,
            reads_every_row: true,
            may_fail: no_form(from, to),
            data_loss: lost_of_type(from, to, types),
            lock_lasts: false,
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

/// What values lose without a word when they are carried over to the type that is made anew.
fn lost_of_type(from: &TypeDefinition, to: &TypeDefinition, types: &TypePlans<'_>) -> String {
    let name = full_name(&to.schema, &to.name);
    match (&from.shape, &to.shape) {
        (TypeShape::Domain { base, .. }, TypeShape::Domain { base: other, .. }) => match lost(base, other) {
            Some(what) => format!("values of the domain {name} lose {what}"),
            None => String::new(),
        },
        (TypeShape::Composite(from), TypeShape::Composite(to)) => {
            let mut told = Vec::new();
            for field in from {
                match to.iter().find(|new| new.name == field.name) {
                    None => told.push(format!("the values of the field {name}.{} are lost", field.name)),
                    Some(new)
                        if new.column_type.is_same(&field.column_type) && !types.is_replaced(&new.column_type) => {}
                    Some(new) => told
                        .extend(cut(new, types).map(|what| format!("values of the field {name}.{} {what}", new.name))),
                }
            }
            told.join("; ")
        }
        _ => String::new(),
    }
}

/// What becomes of a value of a field that is carried over by its text, with a cast that is written out.
fn cut(field: &TypeField, types: &TypePlans<'_>) -> Option<String> {
    let text = ColumnType::Neutral(NeutralType::Text { length: None });
    match &field.column_type {
        whole if *whole == text => None,
        ColumnType::Native { .. } => Some("are cut to what has room".to_owned()),
        whole if types.is_text(whole) => Some("are cut to what has room".to_owned()),
        other => lost(&text, other).map(|what| format!("lose {what}")),
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

fn of_table(table: &Staying<'_, '_>, change: &TableChange, on_rows: Effect, taken: &HashSet<String>) -> Effect {
    match change {
        TableChange::Comment { .. } | TableChange::CommentIndex { .. } | TableChange::MoveColumn { .. } => on_rows,
        TableChange::Rename { .. }
        | TableChange::RenameColumn { .. }
        | TableChange::DropColumn(_)
        | TableChange::DropPrimaryKey(_)
        | TableChange::DropUnique(_)
        | TableChange::DropForeignKey(_)
        | TableChange::DropCheck(_) => moment(on_rows),
        TableChange::DropIndex(index) if table.goes_early(index, taken) => moment(on_rows),
        TableChange::DropIndex(_) => on_rows,
        TableChange::AddColumn { column, .. } => added(table, column),
        TableChange::AlterColumn { from, to } => altered(table, from, to, on_rows),
        // The rows are looked at while others go on.
        TableChange::AddPrimaryKey(_)
        | TableChange::AddUnique(_)
        | TableChange::AddForeignKey(_)
        | TableChange::AddCheck(_)
        | TableChange::AddIndex(_) => Effect { reads_every_row: true, ..on_rows },
    }
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
                format_args!("{}.{}", table.new.full_name(), column.name)
            ),
            false => String::new(),
        },
        ..moment(Effect::default())
    }
}

/// True for types such as `bit(4)` and `character varying(20)[]`, which cut what is cast to them.
fn is_cut(column_type: &ColumnType) -> bool {
    matches!(column_type, ColumnType::Native { text, .. } if text.contains('('))
}

fn altered(table: &Staying<'_, '_>, from: &ColumnDefinition, to: &ColumnDefinition, on_rows: Effect) -> Effect {
    if table.is_recreated(&to.name) {
        return Effect { reads_every_row: true, ..moment(on_rows) };
    }
    let changed = ColumnAttribute::between(from, to);
    let is_required = from.nullable && !to.nullable;
    // A comment lets everything through, and so does the look behind which a column is made NOT NULL.
    let is_beside = changed == [ColumnAttribute::Comment]
        || (changed == [ColumnAttribute::Nullable] && is_required && !is_required_at_once(table, from, to));
    let mut on_rows = on_rows;
    if table.is_retyped(&to.name) && on_rows.data_loss.is_empty() && is_cut(&to.column_type) {
        let (name, room) = (table.new.full_name(), &to.column_type);
        on_rows.data_loss = format!("values of the column {name}.{} are cut to what {room} has room for", to.name);
    }
    // Another collation is another order, in which indexes are built anew; what is computed from the column is written anew.
    let stays_stored = cast::is_stored_alike(&from.column_type, &to.column_type)
        && !changed.contains(&ColumnAttribute::Collation)
        && !table.is_computed_from(&to.name);
    let is_written = table.is_retyped(&to.name) && !stays_stored;
    let effect = Effect { reads_every_row: is_required || is_written, ..on_rows };
    if is_beside { effect } else { moment(effect) }
}
