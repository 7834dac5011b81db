//! Backups as they are listed. The manifests in the backup storage are the truth; this is found again from them.

use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, failed, from_stored, is_duplicate, to_stored, unreadable};
use crate::model::{
    AccountId, BackupId, ConnectionId, Detail, Error, OperationId, Reason, Result, Timestamp,
    backup::{Backup, BackupFormat, BackupState},
    connection::EngineKind,
    name::BackupName,
    operation::OperationError,
    page::{Page, PageRequest},
};

const COLUMNS: &str =
    "SELECT account, connection, id, state, engine, format, database, server_version, tool, created, ended,
            plain_size, stored_size, chunk_count, new_chunk_count, table_count, row_count, verified, operation, error
     FROM backups";

impl Store {
    /// Stores a new backup. BACKUP_EXISTS where its id is taken.
    pub async fn insert_backup(&self, account: &AccountId, backup: &Backup) -> Result<()> {
        let inserted = sqlx::query(
            "INSERT INTO backups (account, connection, id, operation, created, engine, state, format, database, server_version,
                                  tool, ended, plain_size, stored_size, chunk_count, new_chunk_count, table_count, row_count,
                                  verified, error)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
        )
        .bind(account.as_str())
        .bind(backup.name.connection.as_str())
        .bind(backup.name.backup.as_str())
        .bind(backup.operation.as_str())
        .bind(backup.created.as_micros())
        .bind(backup.engine.as_str())
        .bind(backup.state.as_str())
        .bind(backup.format.as_str())
        .bind(&backup.database)
        .bind(&backup.server_version)
        .bind(&backup.tool)
        .bind(backup.ended.map(Timestamp::as_micros))
        .bind(to_stored(backup.plain_size))
        .bind(to_stored(backup.stored_size))
        .bind(to_stored(backup.chunk_count))
        .bind(to_stored(backup.new_chunk_count))
        .bind(to_stored(backup.table_count))
        .bind(to_stored(backup.row_count))
        .bind(backup.verified.map(Timestamp::as_micros))
        .bind(error_json(backup)?)
        .execute(self.writer())
        .await;
        match inserted {
            Ok(_) => Ok(()),
            Err(cause) if is_duplicate(&cause) => Err(exists(&backup.name)),
            Err(cause) => Err(failed(cause)),
        }
    }

    /// Writes how a backup stands. BACKUP_NOT_FOUND where it was deleted meanwhile.
    pub async fn update_backup(&self, account: &AccountId, backup: &Backup) -> Result<()> {
        let changed = sqlx::query(
            "UPDATE backups
             SET state = $1, format = $2, database = $3, server_version = $4, tool = $5, ended = $6, plain_size = $7,
                 stored_size = $8, chunk_count = $9, new_chunk_count = $10, table_count = $11, row_count = $12,
                 verified = $13, error = $14
             WHERE account = $15 AND connection = $16 AND id = $17",
        )
        .bind(backup.state.as_str())
        .bind(backup.format.as_str())
        .bind(&backup.database)
        .bind(&backup.server_version)
        .bind(&backup.tool)
        .bind(backup.ended.map(Timestamp::as_micros))
        .bind(to_stored(backup.plain_size))
        .bind(to_stored(backup.stored_size))
        .bind(to_stored(backup.chunk_count))
        .bind(to_stored(backup.new_chunk_count))
        .bind(to_stored(backup.table_count))
        .bind(to_stored(backup.row_count))
        .bind(backup.verified.map(Timestamp::as_micros))
        .bind(error_json(backup)?)
        .bind(account.as_str())
        .bind(backup.name.connection.as_str())
        .bind(backup.name.backup.as_str())
        .execute(self.writer())
        .await
        .map_err(failed)?
        .rows_affected();
        if changed == 1 { Ok(()) } else { Err(not_found(&backup.name)) }
    }

    /// How many backups of a database are complete, how many there are, and the newest complete one.
    pub async fn backup_counts(
        &self,
        account: &AccountId,
        connection: &ConnectionId,
    ) -> Result<(u64, u64, Option<(BackupName, Timestamp)>)> {
        let (complete, total): (i64, i64) = sqlx::query_as(
            "SELECT COALESCE(SUM(CASE WHEN state = $3 THEN 1 ELSE 0 END), 0), COUNT(*)
             FROM backups WHERE account = $1 AND connection = $2",
        )
        .bind(account.as_str())
        .bind(connection.as_str())
        .bind(BackupState::Complete.as_str())
        .fetch_one(self.reader())
        .await
        .map_err(failed)?;
        let last: Option<(String, i64)> = sqlx::query_as(
            "SELECT id, COALESCE(ended, created) AS complete FROM backups
             WHERE account = $1 AND connection = $2 AND state = $3 ORDER BY complete DESC, id DESC LIMIT 1",
        )
        .bind(account.as_str())
        .bind(connection.as_str())
        .bind(BackupState::Complete.as_str())
        .fetch_optional(self.reader())
        .await
        .map_err(failed)?;
        let last = last.map(|(id, complete)| {
            let name = BackupName { connection: connection.clone(), backup: BackupId::from_stored(id) };
            (name, Timestamp::from_micros(complete))
        });
        Ok((from_stored(complete), from_stored(total), last))
    }

    /// One backup. BACKUP_NOT_FOUND where the account has none of that name.
    pub async fn backup(&self, account: &AccountId, name: &BackupName) -> Result<Backup> {
        let row =
            sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE account = $1 AND connection = $2 AND id = $3")))
                .bind(account.as_str())
                .bind(name.connection.as_str())
                .bind(name.backup.as_str())
                .fetch_optional(self.writer())
                .await
                .map_err(failed)?;
        row.as_ref().map(read).transpose()?.ok_or_else(|| not_found(name))
    }

    /// A page of backups of a database, or of all, the newest first. The sort key is (created, connection, id).
    pub async fn backups(
        &self,
        account: &AccountId,
        connection: Option<&ConnectionId>,
        page: &PageRequest,
    ) -> Result<Page<Backup>> {
        let after = page.after.as_deref().unwrap_or_default();
        let after_created: i64 = after.first().and_then(|created| created.parse().ok()).unwrap_or(i64::MAX);
        let after_connection = after.get(1).map(String::as_str).unwrap_or_default();
        let after_id = after.get(2).map(String::as_str).unwrap_or_default();
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{COLUMNS}
             WHERE account = $1
               AND ($2 IS NULL OR connection = $2)
               AND (created < $3 OR (created = $3 AND (connection < $4 OR (connection = $4 AND id < $5))))
             ORDER BY created DESC, connection DESC, id DESC
             LIMIT $6"
        )))
        .bind(account.as_str())
        .bind(connection.map(ConnectionId::as_str))
        .bind(after_created)
        .bind(after_connection)
        .bind(after_id)
        .bind(i64::from(page.size) + 1)
        .fetch_all(self.reader())
        .await
        .map_err(failed)?;
        let backups = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(backups, page.size, |backup| {
            let BackupName { connection, backup: id } = &backup.name;
            vec![backup.created.as_micros().to_string(), connection.to_string(), id.to_string()]
        }))
    }

    /// Backups of all accounts that are being taken and whose operation is not: a crash or a full disk came between the two.
    pub async fn backups_without_operation(&self) -> Result<Vec<(AccountId, Backup)>> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{COLUMNS}
             WHERE state = 'creating'
               AND NOT EXISTS (SELECT 1 FROM operations
                               WHERE operations.account = backups.account AND operations.id = backups.operation
                                 AND operations.state IN ('queued', 'running'))"
        )))
        .fetch_all(self.writer())
        .await
        .map_err(failed)?;
        let account = |row: &SqliteRow| row.try_get("account").map(AccountId::from_stored).map_err(failed);
        rows.iter().map(|row| Ok((account(row)?, read(row)?))).collect()
    }

    /// Forgets a backup. False: there was none.
    pub async fn delete_backup(&self, account: &AccountId, name: &BackupName) -> Result<bool> {
        let deleted = sqlx::query("DELETE FROM backups WHERE account = $1 AND connection = $2 AND id = $3")
            .bind(account.as_str())
            .bind(name.connection.as_str())
            .bind(name.backup.as_str())
            .execute(self.writer())
            .await
            .map_err(failed)?;
        Ok(deleted.rows_affected() == 1)
    }
}

/// BACKUP_NOT_FOUND for a name.
pub fn not_found(name: &BackupName) -> Error {
    Error::not_found(Reason::BackupNotFound, "backup", name.to_string())
}

/// BACKUP_EXISTS for a name.
pub fn exists(name: &BackupName) -> Error {
    Error::new(Reason::BackupExists, format!("{name} exists; take another backup_id or leave it empty"))
        .with(Detail::Resource { kind: "backup", name: name.to_string() })
}

fn error_json(backup: &Backup) -> Result<Option<String>> {
    backup.error.as_ref().map(serde_json::to_string).transpose().map_err(|cause| unreadable("backup", cause))
}

fn read(row: &SqliteRow) -> Result<Backup> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(failed);
    let number = |column: &str| row.try_get::<i64, _>(column).map_err(failed);
    let moment = |column: &str| {
        row.try_get::<Option<i64>, _>(column).map(|micros| micros.map(Timestamp::from_micros)).map_err(failed)
    };
    let unknown = |text: &str| unreadable("backup", text.to_owned());
    let (state, engine, format) = (text("state")?, text("engine")?, text("format")?);
    let error: Option<String> = row.try_get("error").map_err(failed)?;
    let error: Option<OperationError> =
        error.map(|error| serde_json::from_str(&error)).transpose().map_err(|cause| unreadable("backup", cause))?;
    Ok(Backup {
        name: BackupName {
            connection: ConnectionId::from_stored(text("connection")?),
            backup: BackupId::from_stored(text("id")?),
        },
        state: BackupState::parse(&state).ok_or_else(|| unknown(&state))?,
        engine: EngineKind::parse(&engine).ok_or_else(|| unknown(&engine))?,
        format: BackupFormat::parse(&format).ok_or_else(|| unknown(&format))?,
        database: text("database")?,
        server_version: text("server_version")?,
        tool: text("tool")?,
        created: Timestamp::from_micros(number("created")?),
        ended: moment("ended")?,
        plain_size: from_stored(number("plain_size")?),
        stored_size: from_stored(number("stored_size")?),
        chunk_count: from_stored(number("chunk_count")?),
        new_chunk_count: from_stored(number("new_chunk_count")?),
        table_count: from_stored(number("table_count")?),
        row_count: from_stored(number("row_count")?),
        verified: moment("verified")?,
        operation: OperationId::from_stored(text("operation")?),
        error,
    })
}
