//! Which rules of LintSchema hold for an account.

use super::lint::known;
use crate::{
    model::{
        CallContext, Error, Result,
        schema::{LintSettings, LintSettingsChange},
    },
    store::Store,
};

/// Reads and changes the settings.
pub struct LintSettingsService {
    store: Store,
}

impl LintSettingsService {
    /// A service over the store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// What the caller's account has set; the default where it never did.
    pub async fn get(&self, context: &CallContext) -> Result<LintSettings> {
        self.store.lint_settings(context.account()).await
    }

    /// Changes it. INVALID_FIELD for an unknown rule and for one that is named twice; ETAG_MISMATCH where the revision is not
    /// the expected one.
    pub async fn change(
        &self,
        context: &CallContext,
        change: LintSettingsChange,
        expected: Option<u64>,
        validate_only: bool,
    ) -> Result<LintSettings> {
        let change = LintSettingsChange {
            enabled: change.enabled.map(|ids| checked(ids, "lint_settings.enabled_rules")).transpose()?,
            disabled: change.disabled.map(|ids| checked(ids, "lint_settings.disabled_rules")).transpose()?,
            ..change
        };
        self.store.change_lint_settings(context.account(), change, expected, validate_only).await
    }
}

/// Rules in the order of their ids.
fn checked(mut ids: Vec<String>, field: &str) -> Result<Vec<String>> {
    for (place, id) in ids.iter().enumerate() {
        known(id, field, place)?;
        if ids.iter().take(place).any(|earlier| earlier == id) {
            return Err(Error::invalid_field(&format!("{field}[{place}]"), format!("names the rule {id} again")));
        }
    }
    ids.sort_unstable();
    Ok(ids)
}
