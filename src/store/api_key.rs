//! API keys, their secrets as digests only.

use sqlx::Row;

use super::{Store, failed};
use crate::model::{AccountId, Result, Timestamp};

/// A stored API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Public id, the part of the key that is looked up.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// What people call it.
    pub display_name: String,
    /// Role by name.
    pub role: String,
    /// HMAC of the secret part.
    pub digest: Vec<u8>,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

impl Store {
    /// Stores a key.
    pub async fn insert_api_key(&self, key: &ApiKeyRecord) -> Result<()> {
        sqlx::query(
            "INSERT INTO api_keys (id, account, display_name, role, digest, created, expires, revoked)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&key.id)
        .bind(key.account.as_str())
        .bind(&key.display_name)
        .bind(&key.role)
        .bind(&key.digest)
        .bind(Timestamp::now().as_micros())
        .bind(key.expires.map(Timestamp::as_micros))
        .bind(key.revoked.map(Timestamp::as_micros))
        .execute(self.writer())
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// A key by its public id.
    pub async fn api_key(&self, id: &str) -> Result<Option<ApiKeyRecord>> {
        let row =
            sqlx::query("SELECT id, account, display_name, role, digest, expires, revoked FROM api_keys WHERE id = $1")
                .bind(id)
                .fetch_optional(self.reader())
                .await
                .map_err(failed)?;
        row.map(|row| {
            Ok(ApiKeyRecord {
                id: row.try_get("id")?,
                account: AccountId::from_stored(row.try_get("account")?),
                display_name: row.try_get("display_name")?,
                role: row.try_get("role")?,
                digest: row.try_get("digest")?,
                expires: row.try_get::<Option<i64>, _>("expires")?.map(Timestamp::from_micros),
                revoked: row.try_get::<Option<i64>, _>("revoked")?.map(Timestamp::from_micros),
            })
        })
        .transpose()
        .map_err(failed)
    }

    /// True where there is any key that is not revoked.
    pub async fn has_api_keys(&self) -> Result<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM api_keys WHERE revoked IS NULL)")
            .fetch_one(self.writer())
            .await
            .map_err(failed)
    }
}
