//! The rules, and which of them hold.

use std::collections::BTreeSet;

use crate::model::{
    Error, Result,
    schema::{
        LintProfile, LintRule, LintSettings,
        LintSeverity::{Error as Wrong, Info, Warning},
    },
};

macro_rules! rules {
    ($($name:ident = $id:literal, $severity:expr, $default:literal, $explanation:literal;)*) => {
        $(pub(super) const $name: &LintRule =
            &LintRule { id: $id, severity: $severity, default: $default, explanation: $explanation };)*
        /// All rules, by what they are about.
        pub const RULES: &[&LintRule] = &[$($name),*];
    };
}

rules! {
    NO_PRIMARY_KEY = "table-without-primary-key", Wrong, true,
        "Without a primary key rows cannot be told apart, and logical replication refuses updates and deletes.";
    UNINDEXED_FOREIGN_KEY = "foreign-key-without-index", Warning, true,
        "A delete or a change of the key in the table pointed to reads all of this table, under a lock.";
    DUPLICATE_INDEX = "duplicate-index", Warning, true,
        "Two indexes on the same terms cost every write twice and serve no query better.";
    REDUNDANT_INDEX = "redundant-index", Warning, true,
        "A longer index begins with the same terms and serves the same queries.";
    NARROW_PRIMARY_KEY = "narrow-primary-key", Warning, true,
        "A key of 32 bits or less is used up by some two thousand million rows, deleted ones included, and then every insert fails.";
    ZONELESS_TIMESTAMP = "timestamp-without-time-zone", Warning, true,
        "It keeps what a clock showed and not which moment it was; sessions in other time zones read another one.";
    PADDED_TEXT = "padded-text", Warning, true,
        "char(n) is filled up with blanks, which take room and surprise comparisons; a varchar takes what it holds.";
    MONEY_TYPE = "money-type", Warning, true,
        "What money means depends on lc_monetary of the session, and it has no more digits than that says.";
    TEXTUAL_JSON = "json-as-text", Warning, true,
        "json is kept as the text that came and is parsed at each use; jsonb can be indexed and compared.";
    INEXACT_MONEY = "inexact-money", Warning, true,
        "A sum of money in a binary fraction is rounded: 0.1 and 0.2 are not 0.3.";
    KEY_COLLATIONS_DIFFER = "key-collation-mismatch", Warning, true,
        "The two sides of a key compare text by different rules, so that a join cannot use an index or fails.";
    OBSOLETE_STORAGE_ENGINE = "storage-engine-without-transactions", Wrong, true,
        "The storage engine knows neither transactions nor foreign keys and can lose rows in a crash.";
    NARROW_CHARACTER_SET = "three-byte-utf8", Warning, true,
        "utf8mb3 cannot hold characters beyond the first plane, such as emoji, and is going to be removed.";
    RESERVED_NAME = "reserved-name", Warning, true,
        "A name that is a reserved word has to be quoted in each statement.";
    NULLABLE_UNIQUE = "nullable-unique", Info, false,
        "NULLs are not equal to each other, so that a unique key lets any number of rows without a value in.";
    TABLE_NAME = "table-name", Info, false,
        "Names in snake_case need no quotes on any engine.";
    COLUMN_NAME = "column-name", Info, false,
        "Names in snake_case need no quotes on any engine.";
    INDEX_NAME = "index-name", Info, false,
        "An index that is called idx_<table>_<column> tells in a plan and in an error what it is.";
    FOREIGN_KEY_NAME = "foreign-key-name", Info, false,
        "A foreign key that is called fk_<table>_<referenced table> tells in an error what it is.";
    MISSING_TIMESTAMPS = "missing-standard-columns", Info, false,
        "created_at, updated_at and deleted_at tell when a row came, changed and went.";
}

/// The rules that hold in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintSelection(BTreeSet<&'static str>);

impl LintSelection {
    /// The rules of a profile with those that are switched on beside it and without those that are switched off.
    pub fn new(profile: LintProfile, enabled: &[String], disabled: &[String]) -> Result<Self> {
        let of_profile = RULES.iter().filter(|rule| rule.default || profile == LintProfile::Strict);
        let mut selection = Self(of_profile.map(|rule| rule.id).collect());
        selection.switch(enabled, disabled)?;
        Ok(selection)
    }

    fn switch(&mut self, enabled: &[String], disabled: &[String]) -> Result<()> {
        for (place, id) in enabled.iter().enumerate() {
            self.0.insert(known(id, "enabled_rules", place)?);
        }
        for (place, id) in disabled.iter().enumerate() {
            self.0.remove(known(id, "disabled_rules", place)?);
        }
        Ok(())
    }

    /// The rules that the settings of an account come to, with those that a call switches on and off beside.
    pub fn of_settings(settings: &LintSettings, enabled: &[String], disabled: &[String]) -> Result<Self> {
        // A rule that was there when the settings were made may be gone.
        let there = |ids: &[String]| -> Vec<String> {
            ids.iter().filter(|id| RULES.iter().any(|rule| rule.id == id.as_str())).cloned().collect()
        };
        let mut selection = Self::new(settings.profile, &there(&settings.enabled), &there(&settings.disabled))?;
        selection.switch(enabled, disabled)?;
        Ok(selection)
    }

    /// Lets a rule not hold; false where it did not.
    pub(in crate::service::schema) fn leave_out(&mut self, rule: &LintRule) -> bool {
        self.0.remove(rule.id)
    }

    /// True where the rule holds.
    pub fn has(&self, rule: &LintRule) -> bool {
        self.0.contains(rule.id)
    }

    /// How many hold.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// The id of a rule. INVALID_FIELD with all of them where there is none of that id.
pub(in crate::service::schema) fn known(id: &str, field: &str, place: usize) -> Result<&'static str> {
    RULES.iter().find(|rule| rule.id == id).map(|rule| rule.id).ok_or_else(|| {
        let ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
        Error::invalid_field(&format!("{field}[{place}]"), format!("is none of the rules: {}", ids.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_changed_by_switches_and_an_unknown_rule_is_told() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let plain = LintSelection::new(LintProfile::Default, &[], &[]).unwrap();
        assert!(plain.has(NO_PRIMARY_KEY) && !plain.has(TABLE_NAME));
        let strict = LintSelection::new(LintProfile::Strict, &[], &[]).unwrap();
        assert_eq!(strict.count(), RULES.len());
        let (on, off) = (names(&["table-name"]), names(&["table-without-primary-key"]));
        let changed = LintSelection::new(LintProfile::Default, &on, &off).unwrap();
        assert!(!changed.has(NO_PRIMARY_KEY) && changed.has(TABLE_NAME));
        assert_eq!(changed.count(), plain.count());
        let error = LintSelection::new(LintProfile::Default, &[], &names(&["money-type", "none"])).unwrap_err();
        assert!(error.message().contains("disabled_rules[1]"), "{}", error.message());
    }

    #[test]
    fn a_rule_that_is_gone_hinders_no_settings() {
        let gone = || vec!["gone".to_owned(), "money-type".to_owned()];
        let settings = LintSettings { enabled: gone(), disabled: gone(), ..LintSettings::default() };
        let selection = LintSelection::of_settings(&settings, &[], &[]).unwrap();
        assert!(!selection.has(MONEY_TYPE) && selection.has(NO_PRIMARY_KEY));
    }

    #[test]
    fn every_rule_has_an_id_of_its_own() {
        let ids: BTreeSet<_> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), RULES.len());
    }
}
