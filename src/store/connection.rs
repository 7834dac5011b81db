//! Registered databases and what was last seen of them.

use std::sync::Arc;

use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    Store,
    connection_dependents::{dependents, in_use},
    connection_status,
    connection_transition::{self, Change},
    failed, from_stored, is_duplicate,
    request::{Inserted, remember},
    to_stored, unreadable,
};
use crate::model::{
    AccountId, ConnectionId, Detail, Error, Reason, RequestKey, Result, Timestamp,
    connection::{Connection, ConnectionHealth, ConnectionSettings, ConnectionState},
    name,
};

/// A registered database with its sealed secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionRecord {
    /// Whose it is.
    pub account: AccountId,
    /// What may be handed out.
    pub connection: Connection,
    /// Sealed password.
    pub sealed_password: Option<Vec<u8>>,
    /// Sealed private key of the client certificate.
    pub sealed_client_key: Option<Vec<u8>>,
}

const COLUMNS: &str = "SELECT c.account, c.id, c.settings, c.sealed_password, c.sealed_client_key, c.revision,
            c.credential_revision, c.created, c.updated, s.state, s.health, s.server_version, s.last_tested
     FROM connections c
     LEFT JOIN connection_statuses s
            ON s.account = c.account AND s.connection = c.id AND s.revision = c.revision";

impl Store {
    /// Registers a database. CONNECTION_EXISTS where its id is taken.
    pub async fn insert_connection(&self, record: &ConnectionRecord, request: Option<&RequestKey>) -> Result<Inserted> {
        let connection = &record.connection;
        let mut transaction = self.begin().await?;
        let resource = name::connection(&connection.id);
        let earlier = remember(&mut transaction, &record.account, request, &resource).await?;
        if earlier != Inserted::New {
            return Ok(earlier);
        }
        sqlx::query(
            "INSERT INTO connections (account, id, engine, display_name, settings, sealed_password, sealed_client_key,
                                      revision, credential_revision, created, updated)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(record.account.as_str())
        .bind(connection.id.as_str())
        .bind(connection.settings.engine.as_str())
        .bind(&connection.settings.display_name)
        .bind(settings_json(&connection.settings)?)
        .bind(&record.sealed_password)
        .bind(&record.sealed_client_key)
        .bind(to_stored(connection.revision))
        .bind(to_stored(connection.credential_revision))
        .bind(connection.created.as_micros())
        .bind(connection.updated.as_micros())
        .execute(&mut *transaction)
        .await
        .map_err(|cause| if is_duplicate(&cause) { exists(&connection.id) } else { failed(cause) })?;
        let change = Change { previous: None, state: Some(ConnectionState::Untested), failure: None };
        connection_transition::append(&mut transaction, &record.account, &connection.id, change).await?;
        transaction.commit().await.map_err(failed)?;
        self.tell_change();
        Ok(Inserted::New)
    }

    /// One registered database. CONNECTION_NOT_FOUND where the account has none of that id.
    pub async fn connection(&self, account: &AccountId, id: &ConnectionId) -> Result<Arc<ConnectionRecord>> {
        let generation = match self.connections.get(account, id) {
            Ok(record) => return Ok(record),
            Err(generation) => generation,
        };
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE c.account = $1 AND c.id = $2")))
            .bind(account.as_str())
            .bind(id.as_str())
            .fetch_optional(self.reader())
            .await
            .map_err(failed)?;
        let record = Arc::new(row.as_ref().map(read).transpose()?.ok_or_else(|| not_found(id))?);
        self.connections.insert(generation, record.clone());
        Ok(record)
    }

    /// Every registered database of an account, by id. A platform has hundreds of them, not millions, so that filters
    /// and orders are applied in memory by the service.
    pub async fn connections(&self, account: &AccountId) -> Result<Vec<ConnectionRecord>> {
        sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE c.account = $1 ORDER BY c.id")))
            .bind(account.as_str())
            .fetch_all(self.reader())
            .await
            .map_err(failed)?
            .iter()
            .map(read)
            .collect()
    }

    /// Replaces the settings and secrets of a registered database. ETAG_MISMATCH where its revision is no longer
    /// `expected`. What is known of reaching it is kept where nothing changed that it depends on.
    pub async fn update_connection(&self, record: &ConnectionRecord, expected: u64) -> Result<()> {
        let (account, connection) = (&record.account, &record.connection);
        let mut transaction = self.begin().await?;
        let current = connection_status::current(&mut transaction, account, &connection.id).await?;
        let state = current.ok_or_else(|| not_found(&connection.id))?.state;
        let same_place = reaches_the_same(&mut transaction, record).await?;
        let changed = sqlx::query(
            "UPDATE connections
             SET display_name = $1, settings = $2, sealed_password = $3, sealed_client_key = $4,
                 revision = $5, credential_revision = $6, updated = $7
             WHERE account = $8 AND id = $9 AND revision = $10",
        )
        .bind(&connection.settings.display_name)
        .bind(settings_json(&connection.settings)?)
        .bind(&record.sealed_password)
        .bind(&record.sealed_client_key)
        .bind(to_stored(connection.revision))
        .bind(to_stored(connection.credential_revision))
        .bind(connection.updated.as_micros())
        .bind(account.as_str())
        .bind(connection.id.as_str())
        .bind(to_stored(expected))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?
        .rows_affected();
        if changed != 1 {
            return Err(etag_mismatch(&connection.id));
        }
        if same_place {
            sqlx::query(
                "UPDATE connection_statuses SET revision = $1 WHERE account = $2 AND connection = $3 AND revision = $4",
            )
            .bind(to_stored(connection.revision))
            .bind(account.as_str())
            .bind(connection.id.as_str())
            .bind(to_stored(expected))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        } else if state != ConnectionState::Untested {
            let change = Change { previous: Some(state), state: Some(ConnectionState::Untested), failure: None };
            connection_transition::append(&mut transaction, account, &connection.id, change).await?;
        }
        transaction.commit().await.map_err(failed)?;
        self.connections.remove(account, &connection.id);
        self.tell_change();
        Ok(())
    }

    /// Forgets a registered database. CONNECTION_IN_USE while an operation is open on it or a backup of it exists.
    pub async fn delete_connection(&self, account: &AccountId, id: &ConnectionId, expected: Option<u64>) -> Result<()> {
        let mut transaction = self.begin().await?;
        check_deletable(&mut transaction, account, id, expected).await?;
        if let Some(current) = connection_status::current(&mut transaction, account, id).await? {
            let change = Change { previous: Some(current.state), state: None, failure: None };
            connection_transition::append(&mut transaction, account, id, change).await?;
        }
        sqlx::query("DELETE FROM connections WHERE account = $1 AND id = $2")
            .bind(account.as_str())
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        self.connections.remove(account, id);
        self.tell_change();
        Ok(())
    }

    /// Which databases are registered, of all accounts, with the revisions of their settings.
    pub async fn registered(&self) -> Result<Vec<(AccountId, ConnectionId, u64)>> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as("SELECT account, id, revision FROM connections")
            .fetch_all(self.reader())
            .await
            .map_err(failed)?;
        let key = |(account, id, revision)| {
            (AccountId::from_stored(account), ConnectionId::from_stored(id), from_stored(revision))
        };
        Ok(rows.into_iter().map(key).collect())
    }

    /// Makes the checks of [`Store::delete_connection`] and deletes nothing.
    pub async fn check_delete_connection(
        &self,
        account: &AccountId,
        id: &ConnectionId,
        expected: Option<u64>,
    ) -> Result<()> {
        let mut transaction = self.begin().await?;
        check_deletable(&mut transaction, account, id, expected).await
    }
}

/// Whether a changed record leads to the same database with the same credentials as the one that is stored.
async fn reaches_the_same(transaction: &mut Transaction<'static, Sqlite>, record: &ConnectionRecord) -> Result<bool> {
    let (settings, credentials): (String, i64) =
        sqlx::query_as("SELECT settings, credential_revision FROM connections WHERE account = $1 AND id = $2")
            .bind(record.account.as_str())
            .bind(record.connection.id.as_str())
            .fetch_one(&mut **transaction)
            .await
            .map_err(failed)?;
    let stored: ConnectionSettings =
        serde_json::from_str(&settings).map_err(|cause| unreadable("connection", cause))?;
    let same_credentials = to_stored(record.connection.credential_revision) == credentials;
    Ok(same_credentials && stored.reaches_the_same(&record.connection.settings))
}

impl Store {
    /// Takes a connection out of the cache after a write of another file.
    pub(super) fn forget_cached_connection(&self, account: &AccountId, id: &ConnectionId) {
        self.connections.remove(account, id);
    }
}

async fn check_deletable(
    transaction: &mut Transaction<'static, Sqlite>,
    account: &AccountId,
    id: &ConnectionId,
    expected: Option<u64>,
) -> Result<()> {
    let revision: Option<i64> = sqlx::query_scalar("SELECT revision FROM connections WHERE account = $1 AND id = $2")
        .bind(account.as_str())
        .bind(id.as_str())
        .fetch_optional(&mut **transaction)
        .await
        .map_err(failed)?;
    let revision = revision.ok_or_else(|| not_found(id))?;
    if expected.is_some_and(|expected| to_stored(expected) != revision) {
        return Err(etag_mismatch(id));
    }
    let dependents = dependents(transaction, account, id).await?;
    if dependents.is_empty() { Ok(()) } else { Err(in_use(id, &dependents)) }
}

/// CONNECTION_NOT_FOUND for an id.
pub fn not_found(id: &ConnectionId) -> Error {
    Error::not_found(Reason::ConnectionNotFound, "connection", name::connection(id))
}

/// The id is taken.
pub fn exists(id: &ConnectionId) -> Error {
    Error::new(
        Reason::ConnectionExists,
        format!("{} exists; take another connection_id or leave it empty", name::connection(id)),
    )
    .with(Detail::Resource { kind: "connection", name: name::connection(id) })
}

/// ETAG_MISMATCH for an id.
pub fn etag_mismatch(id: &ConnectionId) -> Error {
    Error::etag_mismatch("connection", name::connection(id))
}

fn settings_json(settings: &ConnectionSettings) -> Result<String> {
    serde_json::to_string(settings).map_err(|cause| unreadable("connection", cause))
}

fn read(row: &SqliteRow) -> Result<ConnectionRecord> {
    let settings: String = row.try_get("settings").map_err(failed)?;
    let settings = serde_json::from_str(&settings).map_err(|cause| unreadable("connection", cause))?;
    let health: Option<String> = row.try_get("health").map_err(failed)?;
    let health = health.map(|health| serde_json::from_str(&health)).transpose();
    let health = health.map_err(|cause| unreadable("status", cause))?;
    read_with(row, settings, health).map_err(failed)
}

fn read_with(
    row: &SqliteRow,
    settings: ConnectionSettings,
    health: Option<ConnectionHealth>,
) -> Result<ConnectionRecord, sqlx::Error> {
    let sealed_password: Option<Vec<u8>> = row.try_get("sealed_password")?;
    let sealed_client_key: Option<Vec<u8>> = row.try_get("sealed_client_key")?;
    let connection = Connection {
        id: ConnectionId::from_stored(row.try_get("id")?),
        settings,
        password_set: sealed_password.is_some(),
        client_key_set: sealed_client_key.is_some(),
        state: ConnectionState::parse(row.try_get::<Option<&str>, _>("state")?.unwrap_or_default()),
        health,
        server_version: row.try_get::<Option<String>, _>("server_version")?.unwrap_or_default(),
        created: Timestamp::from_micros(row.try_get("created")?),
        updated: Timestamp::from_micros(row.try_get("updated")?),
        last_tested: row.try_get::<Option<i64>, _>("last_tested")?.map(Timestamp::from_micros),
        revision: from_stored(row.try_get("revision")?),
        credential_revision: from_stored(row.try_get("credential_revision")?),
    };
    let account = AccountId::from_stored(row.try_get("account")?);
    Ok(ConnectionRecord { account, connection, sealed_password, sealed_client_key })
}
