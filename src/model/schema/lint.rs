//! What is questionable in a schema.

use super::ObjectName;
use crate::model::Timestamp;

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

/// The rules to begin with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LintProfile {
    /// Those that hardly anybody disagrees with.
    #[default]
    Default,
    /// All.
    Strict,
}

impl LintProfile {
    /// The text that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Strict => "strict",
        }
    }

    /// Reads the text that `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Default, Self::Strict].into_iter().find(|profile| profile.as_str() == text)
    }
}

/// Which rules hold for an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LintSettings {
    /// The rules to begin with.
    pub profile: LintProfile,
    /// Rules that hold beside them, by id, in order.
    pub enabled: Vec<String>,
    /// Rules that do not hold, by id, in order.
    pub disabled: Vec<String>,
    /// When they were last changed; absent: never.
    pub updated: Option<Timestamp>,
    /// Version of the settings; 0 until they are changed.
    pub revision: u64,
}

/// What is to change of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LintSettingsChange {
    /// The new rules to begin with.
    pub profile: Option<LintProfile>,
    /// The new rules that hold beside them.
    pub enabled: Option<Vec<String>>,
    /// The new rules that do not hold.
    pub disabled: Option<Vec<String>>,
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

/// A rule that could not be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedRule {
    /// The rule.
    pub rule: &'static LintRule,
    /// Why, in a sentence.
    pub reason: &'static str,
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
    /// The columns that it is about, where the subject does not say it: those of a foreign key, the one of a unique constraint that may
    /// be NULL, the one that is missing.
    pub columns: Vec<String>,
    /// What is questionable about it, and what to do.
    pub message: String,
    /// What the finding rests on.
    pub evidence: Vec<Evidence>,
    /// Statements that mend it, in their order. Empty: the engine has none for it.
    pub fix: Vec<String>,
}
