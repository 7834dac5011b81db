//! Keys that the server made for itself, sealed.

use super::{Store, failed};
use crate::model::{Result, Timestamp};

impl Store {
    /// A sealed key of the server.
    pub async fn server_key(&self, name: &str) -> Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT sealed FROM server_keys WHERE name = $1")
            .bind(name)
            .fetch_optional(self.writer())
            .await
            .map_err(failed)
    }

    /// Stores a sealed key where there is none yet.
    pub async fn add_server_key(&self, name: &str, sealed: &[u8]) -> Result<()> {
        sqlx::query(
            "INSERT INTO server_keys (name, sealed, created) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(sealed)
        .bind(Timestamp::now().as_micros())
        .execute(self.writer())
        .await
        .map_err(failed)?;
        Ok(())
    }
}
