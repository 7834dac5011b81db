//! Accounts: whose resources are whose.

use super::{Store, failed};
use crate::model::{AccountId, Result, Timestamp};

impl Store {
    /// Makes an account where it is missing.
    pub async fn ensure_account(&self, id: &AccountId, display_name: &str) -> Result<()> {
        sqlx::query("INSERT INTO accounts (id, display_name, created) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING")
            .bind(id.as_str())
            .bind(display_name)
            .bind(Timestamp::now().as_micros())
            .execute(self.writer())
            .await
            .map_err(failed)?;
        Ok(())
    }
}
