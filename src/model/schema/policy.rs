//! Row security policies and rewrite rules.

use super::FiringState;

/// The command that a policy or rule is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Command {
    /// All of them.
    #[default]
    All,
    /// SELECT.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

/// A row security policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Name.
    pub name: String,
    /// What it is for.
    pub command: Command,
    /// One such policy that agrees is enough.
    pub permissive: bool,
    /// Roles; `PUBLIC` for all.
    pub roles: Vec<String>,
    /// Condition on rows that are there; empty: none.
    pub using_expression: String,
    /// Condition on rows that are written; empty: the one above.
    pub check_expression: String,
    /// Comment.
    pub comment: String,
}

/// A rewrite rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Name.
    pub name: String,
    /// What it is for.
    pub command: Command,
    /// It takes the command's place.
    pub instead: bool,
    /// Whether it is applied.
    pub state: FiringState,
    /// Definition as the engine writes it.
    pub definition: String,
    /// Comment.
    pub comment: String,
}
