//! Long-running work. Every change after the claim checks the fence of the claim.

use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Store, failed, from_stored, is_duplicate, pending_credential,
    request::{Inserted, remember},
    to_stored, unreadable,
};
use crate::model::{
    AccountId, ConnectionId, Error, OperationId, Reason, RequestKey, Result, Timestamp, name,
    operation::{Operation, OperationKind, OperationState},
    page::{Page, PageRequest},
};

/// An operation with what only the runner needs.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationRecord {
    /// Whose it is.
    pub account: AccountId,
    /// What may be handed out.
    pub operation: Operation,
    /// Database that it changes, so that nothing else changes it at the same time.
    pub exclusive_key: Option<String>,
    /// Counts the claims; a write with an older fence is refused.
    pub fence: u64,
}

/// A stored log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Sequence of the event.
    pub sequence: u64,
    /// When it was written.
    pub time: Timestamp,
    /// The line.
    pub text: String,
}

/// Which operations are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationFilter {
    /// Only on this database.
    pub connection: Option<ConnectionId>,
    /// Only of this kind.
    pub kind: Option<OperationKind>,
    /// Only in this state.
    pub state: Option<OperationState>,
}

const COLUMNS: &str = "SELECT account, id, state, connection, spec, exclusive_key, progress, sequence, fence,
            cancel_requested, requested_by, result, error, created, started, ended
     FROM operations";

impl Store {
    /// Stores a new operation. DATABASE_BUSY where another one changes the same database, or the credentials of the connection are
    /// being changed, which would end its sessions.
    pub async fn insert_operation(&self, record: &OperationRecord, request: Option<&RequestKey>) -> Result<Inserted> {
        let operation = &record.operation;
        let mut transaction = self.begin().await?;
        let resource = name::operation(&operation.id);
        let earlier = remember(&mut transaction, &record.account, request, &resource).await?;
        if earlier != Inserted::New {
            return Ok(earlier);
        }
        if let Some(connection) = &operation.connection {
            pending_credential::check_settled(&mut transaction, &record.account, connection).await?;
        }
        let inserted = sqlx::query(
            "INSERT INTO operations (account, id, kind, state, connection, spec, backup, exclusive_key, progress, sequence,
                                     fence, cancel_requested, requested_by, created)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13)",
        )
        .bind(record.account.as_str())
        .bind(operation.id.as_str())
        .bind(operation.spec.kind().as_str())
        .bind(operation.state.as_str())
        .bind(operation.connection.as_ref().map_or("", ConnectionId::as_str))
        .bind(json(&operation.spec)?)
        .bind(operation.spec.backup().map(ToString::to_string))
        .bind(&record.exclusive_key)
        .bind(json(&operation.progress)?)
        .bind(to_stored(operation.sequence))
        .bind(to_stored(record.fence))
        .bind(&operation.requested_by)
        .bind(operation.created.as_micros())
        .execute(&mut *transaction)
        .await;
        match inserted {
            Ok(_) => transaction.commit().await.map_err(failed).map(|()| Inserted::New),
            Err(cause) if is_duplicate(&cause) => {
                drop(transaction);
                Err(self.busy(record.exclusive_key.as_deref()).await?)
            }
            Err(cause) => Err(failed(cause)),
        }
    }

    async fn busy(&self, exclusive_key: Option<&str>) -> Result<Error> {
        let other: Option<String> =
            sqlx::query_scalar("SELECT id FROM operations WHERE exclusive_key = $1 AND state IN ('queued', 'running')")
                .bind(exclusive_key)
                .fetch_optional(self.writer())
                .await
                .map_err(failed)?;
        let other = other.map_or_else(|| "another operation".to_owned(), |id| format!("operations/{id}"));
        Ok(Error::new(
            Reason::DatabaseBusy,
            format!("{other} is changing this database; wait for it to end, then repeat the call"),
        )
        .with_metadata("operation", other))
    }

    /// One operation. OPERATION_NOT_FOUND where the account has none of that id.
    pub async fn operation(&self, account: &AccountId, id: &OperationId) -> Result<OperationRecord> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE account = $1 AND id = $2")))
            .bind(account.as_str())
            .bind(id.as_str())
            .fetch_optional(self.writer())
            .await
            .map_err(failed)?;
        row.as_ref()
            .map(read)
            .transpose()?
            .ok_or_else(|| Error::not_found(Reason::OperationNotFound, "operation", name::operation(id)))
    }

    /// A page of operations, the newest first. The sort key is (created, id).
    pub async fn operations(
        &self,
        account: &AccountId,
        filter: &OperationFilter,
        page: &PageRequest,
    ) -> Result<Page<OperationRecord>> {
        let after = page.after.as_deref().unwrap_or_default();
        let after_created: i64 = after.first().and_then(|created| created.parse().ok()).unwrap_or(i64::MAX);
        let after_id = after.get(1).map(String::as_str).unwrap_or_default();
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{COLUMNS}
             WHERE account = $1
               AND ($2 IS NULL OR connection = $2)
               AND ($3 IS NULL OR kind = $3)
               AND ($4 IS NULL OR state = $4)
               AND (created < $5 OR (created = $5 AND id < $6))
             ORDER BY created DESC, id DESC
             LIMIT $7"
        )))
        .bind(account.as_str())
        .bind(filter.connection.as_ref().map(ConnectionId::as_str))
        .bind(filter.kind.map(OperationKind::as_str))
        .bind(filter.state.map(OperationState::as_str))
        .bind(after_created)
        .bind(after_id)
        .bind(i64::from(page.size) + 1)
        .fetch_all(self.reader())
        .await
        .map_err(failed)?;
        let records = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(records, page.size, |record| {
            vec![record.operation.created.as_micros().to_string(), record.operation.id.to_string()]
        }))
    }

    /// Every operation that has not ended, of all accounts, the oldest first: what a start has to deal with.
    pub async fn open_operations(&self) -> Result<Vec<OperationRecord>> {
        sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE state IN ('queued', 'running') ORDER BY created, id")))
            .fetch_all(self.writer())
            .await
            .map_err(failed)?
            .iter()
            .map(read)
            .collect()
    }

    /// The operation that has not ended and holds an exclusive key, with its account.
    pub async fn operation_holding(&self, exclusive_key: &str) -> Result<Option<(AccountId, OperationId)>> {
        let row: Option<(String, String)> = sqlx::query_as(
            "SELECT account, id FROM operations WHERE exclusive_key = $1 AND state IN ('queued', 'running')",
        )
        .bind(exclusive_key)
        .fetch_optional(self.writer())
        .await
        .map_err(failed)?;
        Ok(row.map(|(account, id)| (AccountId::from_stored(account), OperationId::from_stored(id))))
    }

    /// Id of an operation that reads or writes a backup and has not ended.
    pub async fn operation_on_backup(&self, account: &AccountId, backup: &str) -> Result<Option<OperationId>> {
        let id: Option<String> = sqlx::query_scalar(
            "SELECT id FROM operations WHERE account = $1 AND backup = $2 AND state IN ('queued', 'running') LIMIT 1",
        )
        .bind(account.as_str())
        .bind(backup)
        .fetch_optional(self.writer())
        .await
        .map_err(failed)?;
        Ok(id.map(OperationId::from_stored))
    }

    /// Claims an operation, which runs from this moment on: its fence goes up by one, so that writes of an earlier claim are
    /// refused from now on. Returns the new fence.
    pub async fn claim_operation(&self, record: &OperationRecord, started: Timestamp) -> Result<u64> {
        let fence = record.fence + 1;
        let claimed = sqlx::query(
            "UPDATE operations SET fence = $1, state = 'running', started = COALESCE(started, $2)
             WHERE account = $3 AND id = $4 AND fence = $5 AND state IN ('queued', 'running')",
        )
        .bind(to_stored(fence))
        .bind(started.as_micros())
        .bind(record.account.as_str())
        .bind(record.operation.id.as_str())
        .bind(to_stored(record.fence))
        .execute(self.writer())
        .await
        .map_err(failed)?
        .rows_affected();
        if claimed == 1 { Ok(fence) } else { Err(fenced(&record.operation.id)) }
    }

    /// Writes how an operation stands, and the log lines since the last time, in one transaction.
    pub async fn checkpoint_operation(&self, record: &OperationRecord, logs: &[LogRecord]) -> Result<()> {
        let operation = &record.operation;
        let mut transaction = self.begin().await?;
        let changed = sqlx::query(
            "UPDATE operations
             SET state = $1, progress = $2, sequence = $3, result = $4, error = $5, started = $6, ended = $7
             WHERE account = $8 AND id = $9 AND fence = $10",
        )
        .bind(operation.state.as_str())
        .bind(json(&operation.progress)?)
        .bind(to_stored(operation.sequence))
        .bind(operation.result.as_ref().map(json).transpose()?)
        .bind(operation.error.as_ref().map(json).transpose()?)
        .bind(operation.started.map(Timestamp::as_micros))
        .bind(operation.ended.map(Timestamp::as_micros))
        .bind(record.account.as_str())
        .bind(operation.id.as_str())
        .bind(to_stored(record.fence))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?
        .rows_affected();
        if changed != 1 {
            return Err(fenced(&operation.id));
        }
        for log in logs {
            sqlx::query(
                "INSERT INTO operation_logs (account, operation, sequence, time, text) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(record.account.as_str())
            .bind(operation.id.as_str())
            .bind(to_stored(log.sequence))
            .bind(log.time.as_micros())
            .bind(&log.text)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Notes that somebody asked an operation to stop.
    pub async fn request_cancel(&self, account: &AccountId, id: &OperationId) -> Result<()> {
        sqlx::query(
            "UPDATE operations SET cancel_requested = 1
             WHERE account = $1 AND id = $2 AND state IN ('queued', 'running')",
        )
        .bind(account.as_str())
        .bind(id.as_str())
        .execute(self.writer())
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// Forgets operations that ended before a moment, with their log lines. Returns how many there were.
    pub async fn delete_ended_operations(&self, before: Timestamp) -> Result<u64> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "DELETE FROM operation_logs WHERE EXISTS (
                 SELECT 1 FROM operations o
                 WHERE o.account = operation_logs.account AND o.id = operation_logs.operation AND o.ended < $1)",
        )
        .bind(before.as_micros())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        let deleted = sqlx::query("DELETE FROM operations WHERE ended < $1")
            .bind(before.as_micros())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?
            .rows_affected();
        transaction.commit().await.map_err(failed)?;
        Ok(deleted)
    }

    /// Log lines after a sequence, the oldest first, at most `limit`.
    pub async fn operation_logs(
        &self,
        account: &AccountId,
        id: &OperationId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<LogRecord>> {
        let rows = sqlx::query(
            "SELECT sequence, time, text FROM operation_logs
             WHERE account = $1 AND operation = $2 AND sequence > $3
             ORDER BY sequence LIMIT $4",
        )
        .bind(account.as_str())
        .bind(id.as_str())
        .bind(to_stored(after))
        .bind(limit)
        .fetch_all(self.writer())
        .await
        .map_err(failed)?;
        let read_log = |row: &SqliteRow| -> Result<LogRecord, sqlx::Error> {
            Ok(LogRecord {
                sequence: from_stored(row.try_get("sequence")?),
                time: Timestamp::from_micros(row.try_get("time")?),
                text: row.try_get("text")?,
            })
        };
        rows.iter().map(read_log).collect::<Result<_, _>>().map_err(failed)
    }
}

fn fenced(id: &OperationId) -> Error {
    Error::new(Reason::Interrupted, format!("{} was taken over by another run", name::operation(id)))
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|cause| unreadable("operation", cause))
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|cause| unreadable("operation", cause))
}

fn read(row: &SqliteRow) -> Result<OperationRecord> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(failed);
    let optional = |column: &str| row.try_get::<Option<String>, _>(column).map_err(failed);
    let number = |column: &str| row.try_get::<i64, _>(column).map_err(failed);
    let moment = |column: &str| {
        row.try_get::<Option<i64>, _>(column).map(|micros| micros.map(Timestamp::from_micros)).map_err(failed)
    };
    let state = text("state")?;
    let operation = Operation {
        id: OperationId::from_stored(text("id")?),
        state: OperationState::parse(&state).ok_or_else(|| unreadable("operation", format!("state {state}")))?,
        // Empty: the work is on the server itself.
        connection: Some(text("connection")?).filter(|id| !id.is_empty()).map(ConnectionId::from_stored),
        spec: parse(&text("spec")?)?,
        progress: parse(&text("progress")?)?,
        created: Timestamp::from_micros(number("created")?),
        started: moment("started")?,
        ended: moment("ended")?,
        cancel_requested: number("cancel_requested")? != 0,
        sequence: from_stored(number("sequence")?),
        requested_by: text("requested_by")?,
        result: optional("result")?.map(|text| parse(&text)).transpose()?,
        error: optional("error")?.map(|text| parse(&text)).transpose()?,
    };
    Ok(OperationRecord {
        account: AccountId::from_stored(text("account")?),
        operation,
        exclusive_key: optional("exclusive_key")?,
        fence: from_stored(number("fence")?),
    })
}
