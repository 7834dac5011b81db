//! What is questionable in a schema.

use super::ObjectName;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LintSeverity {
    /// A matter of agreement, such as a name.
    Info,
    /// It costs something, or will.
    Warning,
    /// It makes something wrong or impossible.
    Error,
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LintRule {
    /// What it is called in settings and findings.
    pub id: &'static str,
    /// How much its findings matter.
    pub severity: LintSeverity,
    /// It holds in the profile `default`; all hold in `strict`.
    pub default: bool,
    /// Why it is a rule.
    pub explanation: &'static str,
}

/// The part of a table that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LintSubject {
    /// The table as a whole.
    Table,
    /// A column.
    Column(String),
    /// An index.
    Index(String),
    /// A foreign key; empty: it has no name.
    ForeignKey(String),
    /// A unique constraint.
    UniqueConstraint(String),
}

/// A figure or a fact behind a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What it is, such as `row_estimate`.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// Something questionable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintFinding {
    /// The rule.
    pub rule: &'static LintRule,
    /// The table.
    pub table: ObjectName,
    /// The part of it.
    pub subject: LintSubject,
    /// What is questionable about it, and what to do.
    pub message: String,
    /// What the finding rests on.
    pub evidence: Vec<Evidence>,
    /// Statements that mend it, in their order. Empty: the engine has none for it.
    pub fix: Vec<String>,
}
