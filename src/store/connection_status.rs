//! What was last seen of the registered databases.

use sqlx::{Row, Sqlite, Transaction};

use super::{
    Store,
    connection_transition::{self, Change},
    failed, to_stored, unreadable,
};
use crate::model::{
    AccountId, ConnectionId, Result, Timestamp,
    connection::{ConnectionHealth, ConnectionState},
};

/// What a look at a database found.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusRecord {
    /// When the database that was looked at was registered: another one may have its id by now.
    pub registered: Timestamp,
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

impl Store {
    /// Notes what a look at a database found, and the change of its state where it is one. Nothing is noted where its
    /// settings have changed since.
    pub async fn record_status(&self, account: &AccountId, id: &ConnectionId, status: &StatusRecord) -> Result<()> {
        let health = serde_json::to_string(&status.health).map_err(|cause| unreadable("status", cause))?;
        let mut transaction = self.begin().await?;
        let Some(current) = current(&mut transaction, account, id).await? else { return Ok(()) };
        let (revision, previous) = (to_stored(status.revision), current.state);
        if current.revision != revision || current.created != status.registered.as_micros() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO connection_statuses
                 (account, connection, revision, state, health, server_version, last_tested, last_test, last_failure)
             VALUES ($5, $6, $7, $1, $2, $3, $4, $8, $9)
             ON CONFLICT (account, connection) DO UPDATE
             SET last_tested = CASE WHEN connection_statuses.revision = excluded.revision
                                    THEN COALESCE(excluded.last_tested, connection_statuses.last_tested)
                                    ELSE excluded.last_tested END,
                 last_test = CASE WHEN connection_statuses.revision = excluded.revision
                                  THEN COALESCE(excluded.last_test, connection_statuses.last_test)
                                  ELSE excluded.last_test END,
                 last_failure = CASE WHEN connection_statuses.revision = excluded.revision
                                     THEN COALESCE(excluded.last_failure, connection_statuses.last_failure)
                                     ELSE excluded.last_failure END,
                 server_version = CASE WHEN excluded.server_version = '' THEN connection_statuses.server_version
                                       ELSE excluded.server_version END,
                 revision = excluded.revision, state = excluded.state, health = excluded.health",
        )
        .bind(status.state.as_str())
        .bind(&health)
        .bind(&status.server_version)
        .bind(status.tested.map(Timestamp::as_micros))
        .bind(account.as_str())
        .bind(id.as_str())
        .bind(revision)
        .bind(status.tested.is_some().then_some(&health))
        .bind(status.health.failure.is_some().then_some(&health))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if previous != status.state {
            let failure = status.health.failure.as_ref().filter(|_| status.state != ConnectionState::Online);
            let change = Change { previous: Some(previous), state: Some(status.state), failure };
            connection_transition::append(&mut transaction, account, id, change).await?;
        }
        transaction.commit().await.map_err(failed)?;
        self.connections.remove(account, id);
        self.tell_change();
        Ok(())
    }

    /// The last test that somebody asked for, and the last look that failed, since the settings last changed.
    pub async fn last_looks(
        &self,
        account: &AccountId,
        id: &ConnectionId,
    ) -> Result<(Option<ConnectionHealth>, Option<ConnectionHealth>)> {
        let row = sqlx::query(
            "SELECT s.last_test, s.last_failure FROM connection_statuses s
             JOIN connections c ON c.account = s.account AND c.id = s.connection AND c.revision = s.revision
             WHERE s.account = $1 AND s.connection = $2",
        )
        .bind(account.as_str())
        .bind(id.as_str())
        .fetch_optional(self.reader())
        .await
        .map_err(failed)?;
        let Some(row) = row else { return Ok((None, None)) };
        let look = |column| -> Result<Option<ConnectionHealth>> {
            let text: Option<String> = row.try_get(column).map_err(failed)?;
            text.map(|text| serde_json::from_str(&text)).transpose().map_err(|cause| unreadable("status", cause))
        };
        Ok((look("last_test")?, look("last_failure")?))
    }
}

/// A registered database as it is in the middle of a change.
pub(super) struct Current {
    pub(super) revision: i64,
    pub(super) created: i64,
    pub(super) state: ConnectionState,
}

/// A registered database; absent where there is none.
pub(super) async fn current(
    transaction: &mut Transaction<'static, Sqlite>,
    account: &AccountId,
    id: &ConnectionId,
) -> Result<Option<Current>> {
    let row: Option<(i64, i64, Option<String>)> = sqlx::query_as(
        "SELECT c.revision, c.created, s.state FROM connections c
         LEFT JOIN connection_statuses s
                ON s.account = c.account AND s.connection = c.id AND s.revision = c.revision
         WHERE c.account = $1 AND c.id = $2",
    )
    .bind(account.as_str())
    .bind(id.as_str())
    .fetch_optional(&mut **transaction)
    .await
    .map_err(failed)?;
    let found = |(revision, created, state): (i64, i64, Option<String>)| Current {
        revision,
        created,
        state: ConnectionState::parse(&state.unwrap_or_default()),
    };
    Ok(row.map(found))
}
