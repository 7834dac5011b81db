//! The rules, and the request that chooses among them.

use std::{collections::BTreeSet, time::Duration};

use crate::model::{
    Error, Result,
    schema::{AdviceRule, TableFilter},
};

macro_rules! rules {
    ($($name:ident = $id:literal, $rank:literal;)*) => {
        $(pub(super) const $name: &AdviceRule = &AdviceRule { id: $id, rank: $rank };)*
        /// All rules, in the order of an answer.
        pub const ADVICE_RULES: &[&AdviceRule] = &[$($name),*];
    };
}

rules! {
    SEQUENCE_EXHAUSTION = "sequence-exhaustion", 1;
    INVALID_INDEX = "invalid-index", 2;
    MISSING_INDEX = "missing-index", 3;
    UNINDEXED_FOREIGN_KEY = "foreign-key-without-index", 4;
    FULL_TEXT = "full-text-search", 5;
    DUPLICATE_INDEX = "duplicate-index", 6;
    REDUNDANT_INDEX = "redundant-index", 7;
    UNUSED_INDEX = "unused-index", 8;
}

/// Most statements of a caller.
pub const MAX_OWN_STATEMENTS: usize = 50;
/// Most bytes of one of them.
pub const MAX_STATEMENT_SIZE: usize = 16 * 1024;
/// Most recommendations of an answer.
pub const MAX_RECOMMENDATIONS: u32 = 200;
/// Recommendations of an answer where nobody says how many.
pub const DEFAULT_RECOMMENDATIONS: u32 = 50;
/// Longest window that can be asked for.
pub const MAX_WINDOW: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct AdviceRequest {
    /// Which tables.
    pub filter: TableFilter,
    /// The rules that hold.
    pub rules: AdviceSelection,
    /// Statements of the caller's own.
    pub statements: Vec<String>,
    /// Fewest rows of a table that an index is recommended for because of statements.
    pub min_rows: i64,
    /// Fewest bytes of an unused index; absent: by the size of the database.
    pub min_unused_bytes: Option<i64>,
    /// How long statistics must have been collected before an index counts as unused.
    pub min_window: Duration,
    /// Shortest average length of a column that is searched by words.
    pub min_text_length: u32,
    /// Most recommendations of the answer.
    pub limit: u32,
}

impl Default for AdviceRequest {
    fn default() -> Self {
        Self {
            filter: TableFilter::default(),
            rules: AdviceSelection::default(),
            statements: Vec::new(),
            min_rows: 10_000,
            min_unused_bytes: None,
            min_window: Duration::from_secs(7 * 24 * 60 * 60),
            min_text_length: 100,
            limit: DEFAULT_RECOMMENDATIONS,
        }
    }
}

/// Which rules hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdviceSelection {
    off: BTreeSet<&'static str>,
}

impl AdviceSelection {
    /// All but these. INVALID_FIELD for one that there is not.
    pub fn without(disabled: &[String]) -> Result<Self> {
        let mut off = BTreeSet::new();
        for (place, id) in disabled.iter().enumerate() {
            let rule = ADVICE_RULES.iter().find(|rule| rule.id == id);
            let rule = rule.ok_or_else(|| {
                let ids: Vec<_> = ADVICE_RULES.iter().map(|rule| rule.id).collect();
                Error::invalid_field(
                    &format!("disabled_rules[{place}]"),
                    format!("is none of the rules: {}", ids.join(", ")),
                )
            })?;
            off.insert(rule.id);
        }
        Ok(Self { off })
    }

    pub(super) fn has(&self, rule: &AdviceRule) -> bool {
        !self.off.contains(rule.id)
    }
}
