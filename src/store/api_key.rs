//! API keys, their secrets as digests only.

use std::{collections::HashMap, net::IpAddr};

use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    Store, failed, from_stored,
    request::{Inserted, remember},
    to_stored, unreadable,
};
use crate::model::{
    AccountId, ApiKeyId, Error, Grant, Permissions, Reason, RequestKey, Result, Role, Timestamp,
    api_key::{AddressRange, ApiKey, KeyUse},
    name,
    page::{Page, PageRequest},
};

const COLUMNS: &str = "SELECT id, account, display_name, role, may_restore, scopes, ranges, creator, created, updated,
    revision, expires, revoked, previous_until, last_used, last_address, digest, previous_digest FROM api_keys";

/// A key with the digests that its secret is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The key.
    pub key: ApiKey,
    /// HMAC of its secret.
    pub digest: Vec<u8>,
    /// HMAC of the secret before the last rotation, good until `key.previous_until`.
    pub previous_digest: Option<Vec<u8>>,
}

impl StoredKey {
    /// True where the secret of this digest is the key's, be it for a while only.
    pub fn takes(&self, digest: &[u8]) -> bool {
        self.digest == digest || self.previous_digest.as_deref() == Some(digest)
    }

    /// When the secret of a digest ends: with the key, or before it where it was replaced. `now` where it is the key's no more.
    pub fn end_of(&self, digest: &[u8], now: Timestamp) -> Option<Timestamp> {
        let replaced = if self.digest == digest {
            None
        } else if self.takes(digest) {
            self.key.previous_until
        } else {
            Some(now)
        };
        [self.key.expires, self.key.revoked, replaced].into_iter().flatten().min()
    }
}

/// What a change of a key must keep to.
#[derive(Debug, Clone, Copy)]
pub struct KeyChange<'a> {
    /// The revision that the caller has seen.
    pub expected: Option<u64>,
    /// Refuse to leave the account without a key that manages it. Where the caller's address is known and the key manages it
    /// from there, another that does so from there must stay.
    pub keep_admin: Option<Option<IpAddr>>,
    /// Make the checks only.
    pub dry: bool,
    /// The caller's account and its request_id, where a repeat must be told.
    pub request: Option<(&'a AccountId, &'a RequestKey)>,
}

impl Store {
    /// Stores a key. The request belongs to `caller`, which makes it. ACCOUNT_NOT_FOUND where there is no such account.
    pub async fn insert_api_key(
        &self,
        stored: &StoredKey,
        caller: &AccountId,
        request: Option<&RequestKey>,
    ) -> Result<Inserted> {
        let StoredKey { key, digest, .. } = stored;
        let mut transaction = self.begin().await?;
        let earlier = remember(&mut transaction, caller, request, &name::api_key(&key.account, &key.id)).await?;
        if earlier != Inserted::New {
            return Ok(earlier);
        }
        sqlx::query(
            "INSERT INTO api_keys (id, account, display_name, role, may_restore, scopes, ranges, creator, digest, created,
                                   updated, revision, expires)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(key.id.as_str())
        .bind(key.account.as_str())
        .bind(&key.display_name)
        .bind(key.grant.role.as_str())
        .bind(i64::from(key.grant.restore))
        .bind(key.scopes.map(|scopes| i64::from(scopes.bits())))
        .bind(ranges_text(key)?)
        .bind(&key.creator)
        .bind(digest)
        .bind(key.created.as_micros())
        .bind(key.updated.as_micros())
        .bind(to_stored(key.revision))
        .bind(key.expires.map(Timestamp::as_micros))
        .execute(&mut *transaction)
        .await
        .map_err(|cause| {
            let orphan = cause.as_database_error().is_some_and(|error| error.is_foreign_key_violation());
            if orphan { account_not_found(&key.account) } else { failed(cause) }
        })?;
        transaction.commit().await.map_err(failed)?;
        Ok(Inserted::New)
    }

    /// A key by its public id, whosever it is: for telling who calls.
    pub async fn stored_key(&self, id: &ApiKeyId) -> Result<Option<StoredKey>> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1")))
            .bind(id.as_str())
            .fetch_optional(self.reader())
            .await
            .map_err(failed)?;
        row.as_ref().map(read).transpose()
    }

    /// A key of an account. API_KEY_NOT_FOUND where it has none of that id.
    pub async fn api_key(&self, account: &AccountId, id: &ApiKeyId) -> Result<ApiKey> {
        let stored = self.stored_key(id).await?.filter(|stored| stored.key.account == *account);
        stored.map(|stored| stored.key).ok_or_else(|| not_found(account, id))
    }

    /// A page of the keys of an account, by id.
    pub async fn api_key_page(&self, account: &AccountId, page: &PageRequest, revoked: bool) -> Result<Page<ApiKey>> {
        let after = page.after.as_ref().and_then(|key| key.first()).map_or("", String::as_str);
        let which = if revoked { "" } else { " AND revoked IS NULL" };
        let statement = format!("{COLUMNS} WHERE account = $1 AND id > $2{which} ORDER BY id LIMIT $3");
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(account.as_str())
            .bind(after)
            .bind(i64::from(page.size) + 1)
            .fetch_all(self.reader())
            .await
            .map_err(failed)?;
        let keys = rows.iter().map(|row| read(row).map(|stored| stored.key)).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(keys, page.size, |key| vec![key.id.to_string()]))
    }

    /// Changes a key under the rules of `rules`, in one transaction. Absent where an earlier call with the same request
    /// did it. API_KEY_NOT_FOUND, ETAG_MISMATCH, LAST_ADMIN_KEY, or the error of `change`.
    pub async fn change_api_key(
        &self,
        account: &AccountId,
        id: &ApiKeyId,
        rules: KeyChange<'_>,
        change: impl FnOnce(&mut StoredKey) -> Result<()>,
    ) -> Result<Option<StoredKey>> {
        let mut transaction = self.begin().await?;
        if let Some((caller, request)) = rules.request {
            let earlier = remember(&mut transaction, caller, Some(request), &name::api_key(account, id)).await?;
            if earlier != Inserted::New {
                return Ok(None);
            }
        }
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE account = $1 AND id = $2")))
            .bind(account.as_str())
            .bind(id.as_str())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        let mut stored = row.as_ref().map(read).transpose()?.ok_or_else(|| not_found(account, id))?;
        if rules.expected.is_some_and(|expected| expected != stored.key.revision) {
            return Err(Error::etag_mismatch("API key", name::api_key(account, id)));
        }
        let now = Timestamp::now();
        let before = stored.key.clone();
        change(&mut stored)?;
        if let Some(address) = rules.keep_admin {
            let from = address.filter(|address| before.allows(*address));
            let manages = |key: &ApiKey| key.administers(now) && from.is_none_or(|address| key.allows(address));
            if manages(&before) && !manages(&stored.key) {
                check_administered(&mut transaction, (account, id), from, manages).await?;
            }
        }
        if rules.dry {
            return Ok(Some(stored));
        }
        stored.key.revision += 1;
        stored.key.updated = now;
        write(&mut transaction, &stored).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(Some(stored))
    }

    /// Notes when and from where keys were used last.
    pub async fn record_key_uses(&self, uses: &HashMap<ApiKeyId, KeyUse>) -> Result<()> {
        let mut transaction = self.begin().await?;
        for (id, used) in uses {
            sqlx::query("UPDATE api_keys SET last_used = $1, last_address = $2 WHERE id = $3")
                .bind(used.time.as_micros())
                .bind(used.address.to_string())
                .bind(id.as_str())
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// True where there is any key that is not revoked.
    pub async fn has_api_keys(&self) -> Result<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM api_keys WHERE revoked IS NULL)")
            .fetch_one(self.writer())
            .await
            .map_err(failed)
    }
}

async fn write(transaction: &mut Transaction<'static, Sqlite>, stored: &StoredKey) -> Result<()> {
    let StoredKey { key, digest, previous_digest } = stored;
    sqlx::query(
        "UPDATE api_keys SET display_name = $1, scopes = $2, ranges = $3, updated = $4, revision = $5, expires = $6,
             revoked = $7, previous_until = $8, digest = $9, previous_digest = $10
         WHERE id = $11",
    )
    .bind(&key.display_name)
    .bind(key.scopes.map(|scopes| i64::from(scopes.bits())))
    .bind(ranges_text(key)?)
    .bind(key.updated.as_micros())
    .bind(to_stored(key.revision))
    .bind(key.expires.map(Timestamp::as_micros))
    .bind(key.revoked.map(Timestamp::as_micros))
    .bind(key.previous_until.map(Timestamp::as_micros))
    .bind(digest)
    .bind(previous_digest)
    .bind(key.id.as_str())
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(())
}

/// Refuses where no other key than the one that leaves manages the account.
async fn check_administered(
    transaction: &mut Transaction<'static, Sqlite>,
    (account, leaving): (&AccountId, &ApiKeyId),
    from: Option<IpAddr>,
    manages: impl Fn(&ApiKey) -> bool,
) -> Result<()> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE account = $1 AND id <> $2 AND revoked IS NULL AND role = $3"
    )))
    .bind(account.as_str())
    .bind(leaving.as_str())
    .bind(Role::Admin.as_str())
    .fetch_all(&mut **transaction)
    .await
    .map_err(failed)?;
    for row in &rows {
        if manages(&read(row)?.key) {
            return Ok(());
        }
    }
    let account = name::account(account);
    let text = match from {
        Some(address) => format!(
            "no other key manages {account} from {address}, where this call comes from; make another with the role admin \
             first, without cidrs or with ones that hold this address"
        ),
        None => format!("no other key manages {account}; make another with the role admin first"),
    };
    Err(Error::new(Reason::LastAdminKey, text))
}

fn ranges_text(key: &ApiKey) -> Result<String> {
    let ranges: Vec<String> = key.ranges.iter().map(ToString::to_string).collect();
    serde_json::to_string(&ranges).map_err(Error::internal)
}

fn read(row: &SqliteRow) -> Result<StoredKey> {
    let columns = read_columns(row).map_err(failed)?;
    let (role, ranges, last_used, last_address, mut stored) = columns;
    let damaged = |what: &'static str| unreadable("API key", what);
    stored.key.grant.role = Role::parse(&role).ok_or_else(|| damaged("its role"))?;
    let ranges: Vec<String> = serde_json::from_str(&ranges).map_err(|cause| unreadable("API key", cause))?;
    stored.key.ranges = ranges.iter().map(|text| AddressRange::parse(text, "ranges")).collect::<Result<_>>()?;
    let address = last_address.and_then(|text| text.parse::<IpAddr>().ok());
    stored.key.last_use = last_used.zip(address).map(|(time, address)| KeyUse { time, address });
    Ok(stored)
}

type Columns = (String, String, Option<Timestamp>, Option<String>, StoredKey);

/// The columns as they are; what has to be parsed is returned beside the key.
fn read_columns(row: &SqliteRow) -> sqlx::Result<Columns> {
    let moment = |name: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(name)?.map(Timestamp::from_micros));
    let scopes = row.try_get::<Option<i64>, _>("scopes")?;
    let key = ApiKey {
        id: ApiKeyId::from_stored(row.try_get("id")?),
        account: AccountId::from_stored(row.try_get("account")?),
        display_name: row.try_get("display_name")?,
        grant: Grant { role: Role::Viewer, restore: row.try_get::<i64, _>("may_restore")? != 0 },
        scopes: scopes.map(|bits| Permissions::from_bits(u8::try_from(bits).unwrap_or_default())),
        ranges: Vec::new(),
        creator: row.try_get("creator")?,
        created: Timestamp::from_micros(row.try_get("created")?),
        updated: Timestamp::from_micros(row.try_get("updated")?),
        revision: from_stored(row.try_get("revision")?),
        expires: moment("expires")?,
        revoked: moment("revoked")?,
        previous_until: moment("previous_until")?,
        last_use: None,
    };
    let stored = StoredKey { key, digest: row.try_get("digest")?, previous_digest: row.try_get("previous_digest")? };
    Ok((row.try_get("role")?, row.try_get("ranges")?, moment("last_used")?, row.try_get("last_address")?, stored))
}

fn not_found(account: &AccountId, id: &ApiKeyId) -> Error {
    Error::not_found(Reason::ApiKeyNotFound, "API key", name::api_key(account, id))
}

fn account_not_found(id: &AccountId) -> Error {
    Error::not_found(Reason::AccountNotFound, "account", name::account(id))
}
