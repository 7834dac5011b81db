//! The versions of the master key. The keys themselves are never here.

use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, failed, sealed::references, unreadable};
use crate::model::{
    Result, Timestamp,
    vault::{MasterKeyState, MasterKeyVersion},
};

/// The bytes by which a sealed record names the version of its key.
pub(super) fn mark(version: u32) -> Vec<u8> {
    version.to_be_bytes().to_vec()
}

impl Store {
    /// Every version that there was, the oldest first. Empty: no key was ever used.
    pub async fn master_keys(&self) -> Result<Vec<MasterKeyVersion>> {
        sqlx::query("SELECT version, state, key_check, created, retired FROM master_keys ORDER BY version")
            .fetch_all(self.writer())
            .await
            .map_err(failed)?
            .iter()
            .map(read)
            .collect()
    }

    /// Makes a version the current one; the one before is read from now on. A version that is there already keeps its
    /// check value.
    pub async fn make_master_key_current(&self, version: u32, key_check: &[u8]) -> Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE master_keys SET state = 'reading' WHERE state = 'current' AND version <> $1")
            .bind(i64::from(version))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        sqlx::query(
            "INSERT INTO master_keys (version, mark, state, key_check, created) VALUES ($1, $2, 'current', $3, $4)
             ON CONFLICT (version) DO UPDATE SET state = 'current', retired = NULL",
        )
        .bind(i64::from(version))
        .bind(mark(version))
        .bind(key_check)
        .bind(Timestamp::now().as_micros())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Retires a version that is not current, where no record is sealed with it any more. False: there are such records. From
    /// then on the store refuses records that are sealed with it, so that a slow writer cannot bring one back.
    pub async fn retire_master_key(&self, version: u32) -> Result<bool> {
        let mut transaction = self.begin().await?;
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(references("= $1")))
            .bind(mark(version))
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        if left > 0 {
            return Ok(false);
        }
        sqlx::query("UPDATE master_keys SET state = 'retired', retired = $1 WHERE version = $2 AND state = 'reading'")
            .bind(Timestamp::now().as_micros())
            .bind(i64::from(version))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }
}

fn read(row: &SqliteRow) -> Result<MasterKeyVersion> {
    let unknown = || unreadable("master key version", "a column has a value that it cannot have");
    let number = |column: &str| row.try_get::<i64, _>(column).map_err(failed);
    let state: String = row.try_get("state").map_err(failed)?;
    let key_check: Vec<u8> = row.try_get("key_check").map_err(failed)?;
    Ok(MasterKeyVersion {
        version: u32::try_from(number("version")?).map_err(|_| unknown())?,
        state: MasterKeyState::parse(&state).ok_or_else(unknown)?,
        key_check: key_check.try_into().map_err(|_| unknown())?,
        created: Timestamp::from_micros(number("created")?),
        retired: row.try_get::<Option<i64>, _>("retired").map_err(failed)?.map(Timestamp::from_micros),
    })
}
