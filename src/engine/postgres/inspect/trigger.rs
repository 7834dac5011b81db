//! Triggers.

use sqlx::{Row, postgres::PgRow};

use super::{
    catalog::{object_name, text},
    sql_text::trigger_condition,
};
use crate::model::schema::{FiringState, Trigger, TriggerEvent, TriggerLevel, TriggerTiming};

/// Bits of `tgtype`.
const ROW: i16 = 1;
const BEFORE: i16 = 2;
const INSTEAD: i16 = 64;
const EVENTS: [(i16, TriggerEvent); 4] =
    [(4, TriggerEvent::Insert), (16, TriggerEvent::Update), (8, TriggerEvent::Delete), (32, TriggerEvent::Truncate)];

pub(super) fn read(row: &PgRow) -> Trigger {
    let kind: i16 = row.get("kind");
    let has = |bit: i16| kind & bit != 0;
    let definition = text(row, "definition");
    let condition = if row.get("conditional") { trigger_condition(&definition) } else { None };
    Trigger {
        name: row.get("name"),
        timing: match (has(INSTEAD), has(BEFORE)) {
            (true, _) => TriggerTiming::InsteadOf,
            (_, true) => TriggerTiming::Before,
            _ => TriggerTiming::After,
        },
        events: EVENTS.into_iter().filter(|(bit, _)| has(*bit)).map(|(_, event)| event).collect(),
        columns: row.get("columns"),
        level: if has(ROW) { TriggerLevel::Row } else { TriggerLevel::Statement },
        condition: condition.unwrap_or_default().to_owned(),
        definition,
        state: firing_state(row.get("state")),
        function: object_name(row, "function_schema", "function_name"),
        arguments: arguments(row),
        comment: text(row, "comment"),
        constraint: row.get("is_constraint"),
        deferrable: row.get("deferrable"),
        initially_deferred: row.get("deferred"),
        old_table: text(row, "old_table"),
        new_table: text(row, "new_table"),
        ..Trigger::default()
    }
}

/// The arguments follow each other, each with a NUL behind it.
fn arguments(row: &PgRow) -> Vec<String> {
    let count = usize::try_from(row.get::<i16, _>("argument_count")).unwrap_or(0);
    let bytes: &[u8] = row.get("arguments");
    let texts = bytes.split(|byte| *byte == 0).take(count);
    texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

/// Whether a trigger or a rule fires.
pub(super) fn firing_state(letter: &str) -> FiringState {
    match letter {
        "D" => FiringState::Disabled,
        "R" => FiringState::Replica,
        "A" => FiringState::Always,
        _ => FiringState::Enabled,
    }
}
