//! request_id of calls that made something.

use std::time::Duration;

use sqlx::{Executor, Row, Sqlite, Transaction};

use super::{Store, failed};
use crate::model::{AccountId, Error, Reason, RequestKey, Result, Timestamp};

/// How long a request_id is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// What an insert came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It is there now.
    New,
    /// An earlier call with the same request_id and body made this; nothing was inserted.
    Earlier(String),
}

impl Store {
    /// Name of what an earlier call with this key made. REQUEST_ID_REUSED where that call had another body.
    pub async fn earlier_request(&self, account: &AccountId, key: Option<&RequestKey>) -> Result<Option<String>> {
        let Some(key) = key else { return Ok(None) };
        earlier(self.writer(), account, key).await
    }
}

async fn earlier<'e>(
    executor: impl Executor<'e, Database = Sqlite>,
    account: &AccountId,
    key: &RequestKey,
) -> Result<Option<String>> {
    let row = sqlx::query(
        "SELECT digest, resource FROM requests
         WHERE account = $1 AND method = $2 AND request_id = $3 AND created >= $4",
    )
    .bind(account.as_str())
    .bind(key.method)
    .bind(&key.id)
    .bind(oldest_remembered())
    .fetch_optional(executor)
    .await
    .map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    if row.try_get::<Vec<u8>, _>("digest").map_err(failed)? != key.digest {
        return Err(reused(key));
    }
    row.try_get("resource").map(Some).map_err(failed)
}

fn oldest_remembered() -> i64 {
    let span = i64::try_from(REMEMBERED.as_micros()).unwrap_or(i64::MAX);
    Timestamp::now().as_micros().saturating_sub(span)
}

fn reused(key: &RequestKey) -> Error {
    Error::new(
        Reason::RequestIdReused,
        format!("request_id {:?} was used for another {} in the last 24 hours; take a new one", key.id, key.method),
    )
}

/// Notes, in the transaction that makes the resource, which call makes it. Where an earlier call with the same key
/// already did, its resource is returned and the transaction must be given up.
pub(super) async fn remember(
    transaction: &mut Transaction<'static, Sqlite>,
    account: &AccountId,
    key: Option<&RequestKey>,
    resource: &str,
) -> Result<Inserted> {
    let Some(key) = key else { return Ok(Inserted::New) };
    sqlx::query("DELETE FROM requests WHERE created < $1")
        .bind(oldest_remembered())
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    if let Some(resource) = earlier(&mut **transaction, account, key).await? {
        return Ok(Inserted::Earlier(resource));
    }
    sqlx::query(
        "INSERT INTO requests (account, method, request_id, digest, resource, created) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(account.as_str())
    .bind(key.method)
    .bind(&key.id)
    .bind(&key.digest[..])
    .bind(resource)
    .bind(Timestamp::now().as_micros())
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(Inserted::New)
}
