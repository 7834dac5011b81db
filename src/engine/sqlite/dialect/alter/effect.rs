//! What others wait for while a file changes: SQLite has one lock for all of it, which lets others read until the transaction ends and
//! write when it has ended, <https://www.sqlite.org/lockingv3.html>.

use std::collections::HashMap;

use super::table::Way;
use crate::{
    engine::dialect::{
        Effect, TableLock,
        alter::{StayingTable, effect_on_rows},
    },
    model::schema::{
        NeutralType, ObjectName,
        definition::{ColumnDefinition, full_name},
        difference::{Change, SchemaDifference, TableChange},
    },
};

/// The effect of each change in its order.
pub(super) fn all(difference: &SchemaDifference, ways: &[(&StayingTable<'_, '_>, Way)]) -> Vec<Effect> {
    let ways: HashMap<ObjectName, Way> =
        ways.iter().map(|(table, way)| (table.after.table.object_name(), *way)).collect();
    let effect = |change: &Change| {
        let mut effect = effect_on_rows(change);
        effect.lock = TableLock::Writes;
        if let Change::AlterTable { table, change } = change {
            let is_anew = ways.get(table) == Some(&Way::Anew);
            effect.reads_every_row = reads_every_row(change, is_anew);
            on_rows(&full_name(&table.schema, &table.name), change, &mut effect);
        }
        effect
    };
    let mut effects: Vec<Effect> = difference.changes.iter().map(effect).collect();
    let long = effects.iter().filter(|effect| effect.reads_every_row).count();
    for effect in &mut effects {
        effect.lock_lasts = long > usize::from(effect.reads_every_row);
    }
    effects
}

fn reads_every_row(change: &TableChange, is_anew: bool) -> bool {
    match change {
        TableChange::Rename { .. } | TableChange::RenameColumn { .. } => false,
        TableChange::AddIndex(_) | TableChange::DropColumn(_) => true,
        _ => is_anew,
    }
}

/// What SQLite does with rows in its own way.
fn on_rows(table: &str, change: &TableChange, effect: &mut Effect) {
    match change {
        TableChange::AddColumn { column, .. } if is_required(column) => {
            effect.may_fail = format!(
                "fails where the table has rows, because {table}.{} takes no NULL and has no default",
                column.name
            );
        }
        // A STRICT table refuses what it would have to round, but for a whole number that REAL is too short for.
        TableChange::AlterColumn { to, .. }
            if to.generated.is_none() && !matches!(to.column_type.neutral(), Some(NeutralType::Float { .. })) =>
        {
            effect.data_loss.clear();
        }
        _ => {}
    }
}

/// True where a row must say a value.
fn is_required(column: &ColumnDefinition) -> bool {
    !column.nullable && column.default.is_none() && column.generated.is_none() && column.identity.is_none()
}
