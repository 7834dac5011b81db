//! What the server knows of itself.

use super::{Store, failed};
use crate::model::Result;

/// Name of the store's own random id, to which the check value of the master key is bound.
pub const STORE_ID: &str = "store_id";
/// Name of the check value of the master key, in a store from before the key had versions.
pub const KEY_CHECK: &str = "key_check";

impl Store {
    /// The value of a setting.
    pub async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT value FROM settings WHERE name = $1")
            .bind(name)
            .fetch_optional(self.reader())
            .await
            .map_err(failed)
    }

    /// Sets a setting that has no value yet, and returns the value that it has then.
    pub async fn set_setting_once(&self, name: &str, value: &[u8]) -> Result<Vec<u8>> {
        sqlx::query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .bind(value)
            .execute(self.writer())
            .await
            .map_err(failed)?;
        sqlx::query_scalar("SELECT value FROM settings WHERE name = $1")
            .bind(name)
            .fetch_one(self.writer())
            .await
            .map_err(failed)
    }
}
