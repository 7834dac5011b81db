//! What others wait for while a table changes.
//!
//! As MariaDB 10.11 answers to `LOCK = NONE`, and as <https://mariadb.com/kb/en/innodb-online-ddl-overview/> and
//! <https://dev.mysql.com/doc/refman/8.0/en/innodb-online-ddl-operations.html> say: what only the catalog knows is changed at once,
//! what is built beside the table lets writes go on, and what copies the table lets them wait. Every change waits for a moment until
//! nobody is in the table.

use std::collections::{HashMap, HashSet};

use super::table::is_made_anew;
use crate::{
    engine::dialect::{
        Effect, TableLock,
        alter::{StayingTable, effect_on_rows},
    },
    model::schema::{
        NeutralType, ObjectName,
        definition::{ColumnDefinition, ColumnType, DefaultValue, full_name},
        difference::{Change, ColumnAttribute, SchemaDifference, TableChange},
    },
};

/// Most characters of a `varchar` whose length takes one byte: a character of utf8mb4 takes four.
const SHORT_VARCHAR: u32 = 63;

/// The effect of each change in its order.
pub(super) fn all(difference: &SchemaDifference, staying: &[StayingTable<'_, '_>]) -> Vec<Effect> {
    let keyed = staying.iter().filter(|table| table.after.table.primary_key.is_some());
    let keyed: HashSet<ObjectName> = keyed.map(|table| table.after.table.object_name()).collect();
    let mut effects: Vec<Effect> = difference.changes.iter().map(|change| effect(change, &keyed)).collect();
    share_statements(&difference.changes, &mut effects);
    effects
}

/// What changes of a table is one statement: others wait for each of its parts as for the strictest, and until all are made.
fn share_statements(changes: &[Change], effects: &mut [Effect]) {
    let mut statements: HashMap<&ObjectName, Vec<usize>> = HashMap::new();
    for (place, change) in changes.iter().enumerate() {
        if let Change::AlterTable { table, change } = change
            && is_said_with_others(change)
        {
            statements.entry(table).or_default().push(place);
        }
    }
    for places in statements.into_values() {
        let lock = places.iter().map(|place| effects[*place].lock).max().unwrap_or_default();
        let long = places.iter().filter(|place| effects[**place].reads_every_row).count();
        for place in places {
            let effect = &mut effects[place];
            effect.lock = lock;
            effect.lock_lasts = lock > TableLock::Nothing && long > usize::from(effect.reads_every_row);
        }
    }
}

/// Another name and foreign keys have statements of their own.
fn is_said_with_others(change: &TableChange) -> bool {
    !matches!(change, TableChange::Rename { .. } | TableChange::AddForeignKey(_) | TableChange::DropForeignKey(_))
}

/// `keyed` are the tables that have a primary key afterwards.
fn effect(change: &Change, keyed: &HashSet<ObjectName>) -> Effect {
    let mut effect = effect_on_rows(change);
    match change {
        Change::DropTable(_) => effect.lock = TableLock::Everything,
        Change::AlterTable { table, change } => {
            (effect.lock, effect.reads_every_row) = lock(change, keyed.contains(table));
            of_column(&full_name(&table.schema, &table.name), change, &mut effect);
        }
        _ => {}
    }
    effect
}

/// What others wait for, and whether every row is looked at.
fn lock(change: &TableChange, keeps_key: bool) -> (TableLock, bool) {
    let copied = (TableLock::Writes, true);
    let built = (TableLock::Nothing, true);
    let at_once = (TableLock::Nothing, false);
    match change {
        TableChange::Rename { .. }
        | TableChange::Comment { .. }
        | TableChange::RenameColumn { .. }
        | TableChange::DropForeignKey(_)
        | TableChange::DropCheck(_)
        | TableChange::DropUnique(_)
        | TableChange::DropIndex(_) => at_once,
        TableChange::AddColumn { column, .. } => match is_filled_in(column) {
            true => copied,
            false => at_once,
        },
        // At once from MariaDB 10.4 and MySQL 8.0.29 on, and built before.
        TableChange::DropColumn(_) | TableChange::MoveColumn { .. } => built,
        TableChange::AlterColumn { from, to } => column_lock(from, to),
        TableChange::AddPrimaryKey(_) => built,
        TableChange::DropPrimaryKey(_) if keeps_key => built,
        TableChange::DropPrimaryKey(_) | TableChange::AddForeignKey(_) | TableChange::AddCheck(_) => copied,
        TableChange::AddUnique(_) => built,
        TableChange::AddIndex(index) | TableChange::CommentIndex { index, .. } => match index.full_text {
            true => copied,
            false => built,
        },
    }
}

/// True where a new column has another value in each row.
fn is_filled_in(column: &ColumnDefinition) -> bool {
    column.identity.is_some()
        || column.generated.as_ref().is_some_and(|generated| generated.stored)
        || matches!(column.default, Some(DefaultValue::NewUuid | DefaultValue::Expression { .. }))
}

fn column_lock(from: &ColumnDefinition, to: &ColumnDefinition) -> (TableLock, bool) {
    let at_once = |attribute: &ColumnAttribute| {
        matches!(attribute, ColumnAttribute::Default | ColumnAttribute::Comment | ColumnAttribute::TouchedOnUpdate)
            || (*attribute == ColumnAttribute::Type && is_widened(&from.column_type, &to.column_type))
    };
    let rest: Vec<ColumnAttribute> =
        ColumnAttribute::between(from, to).into_iter().filter(|attribute| !at_once(attribute)).collect();
    let stays_stored = !is_made_anew(from, to) && from.generated.is_none() && to.generated.is_none();
    match rest.as_slice() {
        [] => (TableLock::Nothing, false),
        [ColumnAttribute::Nullable] if stays_stored => (TableLock::Nothing, true),
        _ => (TableLock::Writes, true),
    }
}

/// True where only the catalog changes: a text that may be longer and whose length takes as many bytes, or further labels behind those
/// that are there.
fn is_widened(from: &ColumnType, to: &ColumnType) -> bool {
    match (from, to) {
        (
            ColumnType::Neutral(NeutralType::Text { length: Some(before) }),
            ColumnType::Neutral(NeutralType::Text { length: Some(after) }),
        ) => before <= after && (*before > SHORT_VARCHAR || *after <= SHORT_VARCHAR),
        (ColumnType::Native { text: before, .. }, ColumnType::Native { text: after, .. }) => {
            before.starts_with("enum(")
                && before.strip_suffix(')').is_some_and(|labels| after.starts_with(&format!("{labels},")))
        }
        _ => false,
    }
}

/// What this server does with rows in its own way.
fn of_column(table: &str, change: &TableChange, effect: &mut Effect) {
    match change {
        TableChange::AlterColumn { from, to } if is_made_anew(from, to) && to.generated.is_none() => {
            effect.data_loss = format!("the values of the column {table}.{}, which were computed, are lost", to.name);
        }
        TableChange::AddColumn { column, .. } if is_json(column) && is_required(column) => {
            effect.may_fail = format!(
                "fails where the table has rows, because {table}.{} takes no NULL and has no default",
                column.name
            );
        }
        TableChange::AddColumn { column, .. } if is_required(column) => {
            effect.may_fail = format!(
                "gives rows that are there the zero of the type in {table}.{}, and fails where the SQL mode does not let a date be zero; \
                 give it a default",
                column.name
            );
        }
        _ => {}
    }
}

fn is_json(column: &ColumnDefinition) -> bool {
    matches!(column.column_type, ColumnType::Neutral(NeutralType::Json { .. }))
}

/// True where a row must say a value.
fn is_required(column: &ColumnDefinition) -> bool {
    !column.nullable && column.default.is_none() && column.generated.is_none() && column.identity.is_none()
}
