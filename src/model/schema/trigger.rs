//! Triggers.

use super::ObjectName;

/// When a trigger fires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TriggerTiming {
    /// Not told.
    #[default]
    Untold,
    /// Before the change.
    Before,
    /// After the change.
    After,
    /// In its place.
    InsteadOf,
}

/// What a trigger fires on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerEvent {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// TRUNCATE.
    Truncate,
}

/// How often a trigger fires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TriggerLevel {
    /// Not told.
    #[default]
    Untold,
    /// Once a row.
    Row,
    /// Once a statement.
    Statement,
}

/// Whether a trigger or rule fires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FiringState {
    /// The engine cannot switch it off.
    #[default]
    Untold,
    /// On an ordinary session.
    Enabled,
    /// Never.
    Disabled,
    /// Only in a session that applies replicated changes.
    Replica,
    /// Always.
    Always,
}

/// A trigger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trigger {
    /// Name.
    pub name: String,
    /// Definition as the engine writes it.
    pub definition: String,
    /// When it fires.
    pub timing: TriggerTiming,
    /// What it fires on.
    pub events: Vec<TriggerEvent>,
    /// Columns whose update it fires on; empty: any.
    pub columns: Vec<String>,
    /// How often it fires.
    pub level: TriggerLevel,
    /// Condition as the engine writes it; empty: none.
    pub condition: String,
    /// Whether it fires.
    pub state: FiringState,
    /// The function that it calls.
    pub function: Option<ObjectName>,
    /// Arguments of the function.
    pub arguments: Vec<String>,
    /// Its body where it has one of its own.
    pub body: String,
    /// Comment.
    pub comment: String,
    /// It is a constraint trigger.
    pub constraint: bool,
    /// It can wait for the end of the transaction.
    pub deferrable: bool,
    /// It does so without being told.
    pub initially_deferred: bool,
    /// Name of the rows before the change; empty: none.
    pub old_table: String,
    /// Name of the rows after the change; empty: none.
    pub new_table: String,
    /// Account that made it.
    pub definer: String,
    /// SQL mode that it was made with.
    pub sql_mode: String,
    /// Place among the triggers of the same time and event, from 1; 0: not told.
    pub action_order: i32,
}
