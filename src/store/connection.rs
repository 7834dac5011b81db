//! Registered databases and what was last seen of them.

use std::sync::Arc;

use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    Store, failed, from_stored, is_duplicate,
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

/// What a look at a database found.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusRecord {
    /// Revision of the settings that were looked at.
    pub revision: u64,
    /// What is known of reaching it.
    pub state: ConnectionState,
    /// The look.
    pub health: ConnectionHealth,
    /// Version that its server reported; empty keeps the last one known.
    pub server_version: String,
    /// When it was tested, where the look was a test that somebody asked for.
    pub tested: Option<Timestamp>,
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
        transaction.commit().await.map_err(failed)?;
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

    /// Replaces the settings and secrets of a registered database. ETAG_MISMATCH where its revision is no longer `expected`.
    pub async fn update_connection(&self, record: &ConnectionRecord, expected: u64) -> Result<()> {
        let connection = &record.connection;
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
        .bind(record.account.as_str())
        .bind(connection.id.as_str())
        .bind(to_stored(expected))
        .execute(self.writer())
        .await
        .map_err(failed)?
        .rows_affected();
        self.connections.remove(&record.account, &connection.id);
        if changed == 1 {
            return Ok(());
        }
        self.connection(&record.account, &connection.id).await?;
        Err(etag_mismatch(&connection.id))
    }

    /// Forgets a registered database. CONNECTION_IN_USE while an operation is open on it or a backup of it exists.
    pub async fn delete_connection(&self, account: &AccountId, id: &ConnectionId, expected: Option<u64>) -> Result<()> {
        let mut transaction = self.begin().await?;
        check_deletable(&mut transaction, account, id, expected).await?;
        sqlx::query("DELETE FROM connections WHERE account = $1 AND id = $2")
            .bind(account.as_str())
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        self.connections.remove(account, id);
        Ok(())
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

    /// Notes what a look at a database found. Nothing is noted where its settings have changed since.
    pub async fn record_status(&self, account: &AccountId, id: &ConnectionId, status: &StatusRecord) -> Result<()> {
        let health = serde_json::to_string(&status.health).map_err(|cause| unreadable("status", cause))?;
        sqlx::query(
            "INSERT INTO connection_statuses (account, connection, revision, state, health, server_version, last_tested)
             SELECT account, id, revision, $1, $2, $3, $4 FROM connections
             WHERE account = $5 AND id = $6 AND revision = $7
             ON CONFLICT (account, connection) DO UPDATE
             SET last_tested = CASE WHEN connection_statuses.revision = excluded.revision
                                    THEN COALESCE(excluded.last_tested, connection_statuses.last_tested)
                                    ELSE excluded.last_tested END,
                 server_version = CASE WHEN excluded.server_version = '' THEN connection_statuses.server_version
                                       ELSE excluded.server_version END,
                 revision = excluded.revision, state = excluded.state, health = excluded.health",
        )
        .bind(status.state.as_str())
        .bind(health)
        .bind(&status.server_version)
        .bind(status.tested.map(Timestamp::as_micros))
        .bind(account.as_str())
        .bind(id.as_str())
        .bind(to_stored(status.revision))
        .execute(self.writer())
        .await
        .map_err(failed)?;
        self.connections.remove(account, id);
        Ok(())
    }
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
    let operation: Option<String> = sqlx::query_scalar(
        "SELECT id FROM operations WHERE account = $1 AND connection = $2 AND state IN ('queued', 'running') LIMIT 1",
    )
    .bind(account.as_str())
    .bind(id.as_str())
    .fetch_optional(&mut **transaction)
    .await
    .map_err(failed)?;
    if let Some(operation) = operation {
        let text = format!("operations/{operation} works on it; wait for it or cancel it, then delete");
        return Err(in_use(id, format!("operations/{operation}"), text));
    }
    let backup: Option<String> =
        sqlx::query_scalar("SELECT id FROM backups WHERE account = $1 AND connection = $2 LIMIT 1")
            .bind(account.as_str())
            .bind(id.as_str())
            .fetch_optional(&mut **transaction)
            .await
            .map_err(failed)?;
    if let Some(backup) = backup {
        let backup = format!("{}/backups/{backup}", name::connection(id));
        let text = format!("{backup} is of it; delete its backups first, so that none is left that nobody can restore");
        return Err(in_use(id, backup, text));
    }
    Ok(())
}

fn in_use(id: &ConnectionId, subject: String, description: String) -> Error {
    Error::new(Reason::ConnectionInUse, format!("{} cannot be deleted: {description}", name::connection(id)))
        .with(Detail::Precondition { kind: "DEPENDENT", subject, description })
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
    Error::new(
        Reason::EtagMismatch,
        format!("{} has changed since it was read; read it again and repeat the change", name::connection(id)),
    )
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
