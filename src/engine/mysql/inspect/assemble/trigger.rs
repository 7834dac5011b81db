//! Triggers.

use sqlx::mysql::MySqlRow;

use super::super::catalog::{integer, text};
use crate::model::schema::{Trigger, TriggerEvent, TriggerLevel, TriggerTiming};

/// A trigger from its row, which begins with its table.
pub(in crate::engine::mysql::inspect) fn trigger(row: &MySqlRow) -> Trigger {
    let quoted = |text: String| format!("`{}`", text.replace('`', "``"));
    let (name, timing, events, body) = (text(row, 1), text(row, 2), text(row, 3), text(row, 4));
    let definition = format!(
        "CREATE TRIGGER {} {timing} {events} ON {} FOR EACH ROW {body}",
        quoted(name.clone()),
        quoted(text(row, 0)),
    );
    Trigger {
        name,
        definition,
        timing: match timing.as_str() {
            "BEFORE" => TriggerTiming::Before,
            "AFTER" => TriggerTiming::After,
            _ => TriggerTiming::Untold,
        },
        events: events.split(',').filter_map(event).collect(),
        level: TriggerLevel::Row,
        body,
        definer: text(row, 6),
        sql_mode: text(row, 7),
        action_order: i32::try_from(integer(row, 5)).unwrap_or(0),
        ..Trigger::default()
    }
}

fn event(word: &str) -> Option<TriggerEvent> {
    match word.trim() {
        "INSERT" => Some(TriggerEvent::Insert),
        "UPDATE" => Some(TriggerEvent::Update),
        "DELETE" => Some(TriggerEvent::Delete),
        _ => None,
    }
}
