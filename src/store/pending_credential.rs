//! Credentials that are about to be set on a database, stored before the database is told.

use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, connection::etag_mismatch, failed, from_stored, is_duplicate, request::remember, to_stored};
use crate::model::{AccountId, ConnectionId, Detail, Error, OperationId, Reason, RequestKey, Result, Timestamp, name};

/// The method whose request_id is kept with the intent.
const METHOD: &str = "RotateCredentials";

/// Credentials that may or may not be those of the database already.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingCredential {
    /// Whose connection it is.
    pub account: AccountId,
    /// Which connection.
    pub connection: ConnectionId,
    /// Version of the credentials once they hold; the connection still has the one before.
    pub credential_revision: u64,
    /// The new password, sealed for that version.
    pub sealed_password: Vec<u8>,
    /// The private key that the connection has, sealed for that version.
    pub sealed_client_key: Option<Vec<u8>>,
    /// The call that wants it.
    pub request: Option<RequestKey>,
}

impl Store {
    /// Stores an intent. DATABASE_BUSY where the connection has one already or an operation is open on it, ETAG_MISMATCH
    /// where its credentials are no longer those that the intent follows.
    pub async fn insert_pending_credential(&self, pending: &PendingCredential) -> Result<()> {
        self.check_no_open_operation(&pending.account, &pending.connection).await?;
        let inserted = sqlx::query(
            "INSERT INTO pending_credentials (account, connection, credential_revision, sealed_password,
                                              sealed_client_key, request_id, request_digest, created)
             SELECT account, id, $1, $2, $3, $4, $5, $6 FROM connections
             WHERE account = $7 AND id = $8 AND credential_revision = $9
               AND NOT EXISTS (SELECT 1 FROM operations WHERE account = $7 AND connection = $8
                               AND state IN ('queued', 'running'))",
        )
        .bind(to_stored(pending.credential_revision))
        .bind(&pending.sealed_password)
        .bind(&pending.sealed_client_key)
        .bind(pending.request.as_ref().map(|request| request.id.as_str()))
        .bind(pending.request.as_ref().map(|request| &request.digest[..]))
        .bind(Timestamp::now().as_micros())
        .bind(pending.account.as_str())
        .bind(pending.connection.as_str())
        .bind(to_stored(pending.credential_revision - 1))
        .execute(self.writer())
        .await;
        match inserted {
            Ok(done) if done.rows_affected() == 1 => Ok(()),
            // An operation may have begun since it was asked for.
            Ok(_) => {
                self.check_no_open_operation(&pending.account, &pending.connection).await?;
                Err(etag_mismatch(&pending.connection))
            }
            Err(cause) if is_duplicate(&cause) => Err(busy(&pending.connection)),
            Err(cause) => Err(failed(cause)),
        }
    }

    /// The intent of a connection, where it has one.
    pub async fn pending_credential(
        &self,
        account: &AccountId,
        connection: &ConnectionId,
    ) -> Result<Option<PendingCredential>> {
        let row = sqlx::query("SELECT * FROM pending_credentials WHERE account = $1 AND connection = $2")
            .bind(account.as_str())
            .bind(connection.as_str())
            .fetch_optional(self.reader())
            .await
            .map_err(failed)?;
        row.as_ref().map(read).transpose().map_err(failed)
    }

    /// The connections that have an intent.
    pub async fn connections_with_pending_credentials(&self) -> Result<Vec<(AccountId, ConnectionId)>> {
        let rows = sqlx::query("SELECT account, connection FROM pending_credentials ORDER BY created")
            .fetch_all(self.reader())
            .await
            .map_err(failed)?;
        let place = |row: &SqliteRow| {
            let (account, connection) = (row.try_get("account")?, row.try_get("connection")?);
            Ok((AccountId::from_stored(account), ConnectionId::from_stored(connection)))
        };
        rows.iter().map(place).collect::<Result<_, sqlx::Error>>().map_err(failed)
    }

    /// Makes an intent the credentials of its connection, and remembers the call that wanted it.
    pub async fn commit_pending_credential(&self, pending: &PendingCredential) -> Result<()> {
        let (account, connection) = (&pending.account, &pending.connection);
        let mut transaction = self.begin().await?;
        // The records are taken from the row: they may have been sealed anew, for another master key, since they were read.
        let changed = sqlx::query(
            "UPDATE connections
             SET sealed_password = p.sealed_password, sealed_client_key = p.sealed_client_key, revision = revision + 1,
                 credential_revision = p.credential_revision, updated = $1
             FROM pending_credentials p
             WHERE p.account = connections.account AND p.connection = connections.id
               AND connections.account = $2 AND connections.id = $3
               AND p.credential_revision = $4 AND connections.credential_revision = $5",
        )
        .bind(Timestamp::now().as_micros())
        .bind(account.as_str())
        .bind(connection.as_str())
        .bind(to_stored(pending.credential_revision))
        .bind(to_stored(pending.credential_revision - 1))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?
        .rows_affected();
        if changed != 1 {
            return Err(etag_mismatch(connection));
        }
        delete(&mut transaction, pending).await?;
        // The same call may have come twice at once; both wanted this. Where another call took the id meanwhile, the database has
        // the new password all the same, and that must not be forgotten for the sake of the id.
        let connection_name = name::connection(connection);
        match remember(&mut transaction, account, pending.request.as_ref(), &connection_name).await {
            Err(error) if error.reason() != Reason::RequestIdReused => return Err(error),
            _ => {}
        }
        transaction.commit().await.map_err(failed)?;
        self.forget_cached_connection(account, connection);
        Ok(())
    }

    /// Forgets an intent that will not be carried out.
    pub async fn abandon_pending_credential(&self, pending: &PendingCredential) -> Result<()> {
        let mut transaction = self.begin().await?;
        delete(&mut transaction, pending).await?;
        transaction.commit().await.map_err(failed)
    }

    /// DATABASE_BUSY while an operation is queued or running on a connection.
    pub async fn check_no_open_operation(&self, account: &AccountId, connection: &ConnectionId) -> Result<()> {
        let open: Option<String> = sqlx::query_scalar(
            "SELECT id FROM operations WHERE account = $1 AND connection = $2 AND state IN ('queued', 'running') LIMIT 1",
        )
        .bind(account.as_str())
        .bind(connection.as_str())
        .fetch_optional(self.reader())
        .await
        .map_err(failed)?;
        let Some(operation) = open.map(OperationId::from_stored) else { return Ok(()) };
        let operation = name::operation(&operation);
        let text = format!("{operation} works on {}; wait for it or cancel it", name::connection(connection));
        Err(Error::new(Reason::DatabaseBusy, text).with(Detail::Resource { kind: "operation", name: operation }))
    }
}

/// DATABASE_BUSY while a connection has an intent.
pub(super) async fn check_settled(
    transaction: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    account: &AccountId,
    connection: &ConnectionId,
) -> Result<()> {
    let pending = sqlx::query("SELECT 1 FROM pending_credentials WHERE account = $1 AND connection = $2")
        .bind(account.as_str())
        .bind(connection.as_str())
        .fetch_optional(&mut **transaction)
        .await
        .map_err(failed)?;
    if pending.is_some() { Err(busy(connection)) } else { Ok(()) }
}

async fn delete(transaction: &mut sqlx::Transaction<'static, sqlx::Sqlite>, pending: &PendingCredential) -> Result<()> {
    sqlx::query("DELETE FROM pending_credentials WHERE account = $1 AND connection = $2 AND credential_revision = $3")
        .bind(pending.account.as_str())
        .bind(pending.connection.as_str())
        .bind(to_stored(pending.credential_revision))
        .execute(&mut **transaction)
        .await
        .map(drop)
        .map_err(failed)
}

/// DATABASE_BUSY: the credentials of the connection are being changed.
pub fn busy(connection: &ConnectionId) -> Error {
    let name = name::connection(connection);
    let text = format!(
        "the credentials of {name} are being changed; wait until that has ended; should it not end, call TestConnection, \
         or give the password that holds with UpdateConnection"
    );
    Error::new(Reason::DatabaseBusy, text).with(Detail::Resource { kind: "connection", name })
}

fn read(row: &SqliteRow) -> Result<PendingCredential, sqlx::Error> {
    let id: Option<String> = row.try_get("request_id")?;
    let digest: Option<Vec<u8>> = row.try_get("request_digest")?;
    let digest = digest.and_then(|digest| digest.try_into().ok());
    Ok(PendingCredential {
        account: AccountId::from_stored(row.try_get("account")?),
        connection: ConnectionId::from_stored(row.try_get("connection")?),
        credential_revision: from_stored(row.try_get("credential_revision")?),
        sealed_password: row.try_get("sealed_password")?,
        sealed_client_key: row.try_get("sealed_client_key")?,
        request: id.zip(digest).map(|(id, digest)| RequestKey { method: METHOD, id, digest }),
    })
}
