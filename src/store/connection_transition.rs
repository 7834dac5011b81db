//! Changes of what is known of reaching the registered databases of an account, in the order in which they were stored.

use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{Store, failed, from_stored, to_stored, unreadable};
use crate::model::{
    AccountId, ConnectionId, Result, Timestamp,
    connection::{ConnectionFailure, ConnectionState, StateTransition},
};

/// Changes that are kept of each account.
pub const KEPT: u64 = 1000;

/// A change that is to be stored.
pub(super) struct Change<'a> {
    pub(super) previous: Option<ConnectionState>,
    pub(super) state: Option<ConnectionState>,
    pub(super) failure: Option<&'a ConnectionFailure>,
}

impl Store {
    /// Counts up whenever a registered database is added, changed, deleted, or what is known of it changes. Who waits on
    /// it reads what is new.
    pub fn connection_changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn tell_change(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Sequence of the last change of an account; 0 where there was none.
    pub async fn transition_sequence(&self, account: &AccountId) -> Result<u64> {
        let newest: i64 =
            sqlx::query_scalar("SELECT COALESCE(MAX(sequence), 0) FROM connection_transitions WHERE account = $1")
                .bind(account.as_str())
                .fetch_one(self.reader())
                .await
                .map_err(failed)?;
        Ok(from_stored(newest))
    }

    /// The changes of an account after a sequence that are kept, the oldest first.
    pub async fn transitions_after(&self, account: &AccountId, sequence: u64) -> Result<Vec<StateTransition>> {
        sqlx::query(
            "SELECT sequence, connection, previous, state, failure, time FROM connection_transitions
             WHERE account = $1 AND sequence > $2 ORDER BY sequence",
        )
        .bind(account.as_str())
        .bind(to_stored(sequence))
        .fetch_all(self.reader())
        .await
        .map_err(failed)?
        .iter()
        .map(read)
        .collect()
    }
}

/// Stores a change in the transaction that makes it, and forgets the oldest.
pub(super) async fn append(
    transaction: &mut Transaction<'static, Sqlite>,
    account: &AccountId,
    connection: &ConnectionId,
    change: Change<'_>,
) -> Result<()> {
    let failure = change.failure.map(serde_json::to_string).transpose();
    let failure = failure.map_err(|cause| unreadable("failure", cause))?;
    let sequence: i64 = sqlx::query_scalar(
        "INSERT INTO connection_transitions (account, sequence, connection, previous, state, failure, time)
         SELECT $1, COALESCE(MAX(sequence), 0) + 1, $2, $3, $4, $5, $6
         FROM connection_transitions WHERE account = $1
         RETURNING sequence",
    )
    .bind(account.as_str())
    .bind(connection.as_str())
    .bind(change.previous.map(ConnectionState::as_str))
    .bind(change.state.map(ConnectionState::as_str))
    .bind(failure)
    .bind(Timestamp::now().as_micros())
    .fetch_one(&mut **transaction)
    .await
    .map_err(failed)?;
    sqlx::query("DELETE FROM connection_transitions WHERE account = $1 AND sequence <= $2")
        .bind(account.as_str())
        .bind(sequence.saturating_sub(to_stored(KEPT)))
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<StateTransition> {
    let failure: Option<String> = row.try_get("failure").map_err(failed)?;
    let failure = failure.map(|failure| serde_json::from_str(&failure)).transpose();
    let failure = failure.map_err(|cause| unreadable("failure", cause))?;
    let state = |column| -> Result<Option<ConnectionState>> {
        let text: Option<String> = row.try_get(column).map_err(failed)?;
        Ok(text.as_deref().map(ConnectionState::parse))
    };
    Ok(StateTransition {
        sequence: from_stored(row.try_get("sequence").map_err(failed)?),
        connection: ConnectionId::from_stored(row.try_get("connection").map_err(failed)?),
        previous: state("previous")?,
        state: state("state")?,
        failure,
        time: Timestamp::from_micros(row.try_get("time").map_err(failed)?),
    })
}
