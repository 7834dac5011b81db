//! Accounts: whose resources are whose.

use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    Store, failed, from_stored,
    request::{Inserted, remember},
    to_stored,
};
use crate::model::{
    AccountId, ConnectionId, Detail, Error, Reason, RequestKey, Result, Timestamp,
    api_key::Account,
    name,
    page::{Page, PageRequest},
};

const COLUMNS: &str = "SELECT id, display_name, created, updated, revision FROM accounts";

const BACKUPS: &str = "SELECT COUNT(*) FROM backups WHERE account = $1 AND state <> 'failed'";
const UNENDED_OPERATIONS: &str =
    "SELECT COUNT(*) FROM operations WHERE account = $1 AND state IN ('queued', 'running')";

/// What goes with an account, the tables that name it before the one that they refer to.
const BELONGINGS: [&str; 11] = [
    "DELETE FROM operation_logs WHERE account = $1",
    "DELETE FROM operations WHERE account = $1",
    "DELETE FROM backups WHERE account = $1",
    "DELETE FROM migration_sets WHERE account = $1",
    "DELETE FROM lint_settings WHERE account = $1",
    "DELETE FROM connection_transitions WHERE account = $1",
    "DELETE FROM connection_statuses WHERE account = $1",
    "DELETE FROM connections WHERE account = $1",
    "DELETE FROM requests WHERE account = $1",
    "DELETE FROM api_keys WHERE account = $1",
    "DELETE FROM accounts WHERE id = $1",
];

impl Store {
    /// Makes an account where it is missing.
    pub async fn ensure_account(&self, id: &AccountId, display_name: &str) -> Result<()> {
        let now = Timestamp::now().as_micros();
        sqlx::query(
            "INSERT INTO accounts (id, display_name, created, updated) VALUES ($1, $2, $3, $3) ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(display_name)
        .bind(now)
        .execute(self.writer())
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// ACCOUNT_EXISTS where an id is taken, or was that of an account that is no more: its audit log goes on, and its folder of
    /// SQLite databases may still be there, and both would be the new account's.
    pub async fn check_account_free(&self, id: &AccountId) -> Result<()> {
        let mut transaction = self.begin().await?;
        check_free(&mut transaction, id).await
    }

    /// Makes an account. ACCOUNT_EXISTS where its id is taken or was in use. The request belongs to `caller`, which makes it.
    pub async fn insert_account(
        &self,
        caller: &AccountId,
        account: &Account,
        request: Option<&RequestKey>,
    ) -> Result<Inserted> {
        let mut transaction = self.begin().await?;
        let earlier = remember(&mut transaction, caller, request, &name::account(&account.id)).await?;
        if earlier != Inserted::New {
            return Ok(earlier);
        }
        check_free(&mut transaction, &account.id).await?;
        sqlx::query("INSERT INTO accounts (id, display_name, created, updated, revision) VALUES ($1, $2, $3, $4, $5)")
            .bind(account.id.as_str())
            .bind(&account.display_name)
            .bind(account.created.as_micros())
            .bind(account.updated.as_micros())
            .bind(to_stored(account.revision))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(Inserted::New)
    }

    /// One account. ACCOUNT_NOT_FOUND where there is none of that id.
    pub async fn account(&self, id: &AccountId) -> Result<Account> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1")))
            .bind(id.as_str())
            .fetch_optional(self.reader())
            .await
            .map_err(failed)?;
        row.as_ref().map(read).transpose().map_err(failed)?.ok_or_else(|| not_found(id))
    }

    /// A page of all accounts, by id.
    pub async fn account_page(&self, page: &PageRequest) -> Result<Page<Account>> {
        let after = page.after.as_ref().and_then(|key| key.first()).map_or("", String::as_str);
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id > $1 ORDER BY id LIMIT $2")))
            .bind(after)
            .bind(i64::from(page.size) + 1)
            .fetch_all(self.reader())
            .await
            .map_err(failed)?;
        let accounts = rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        Ok(Page::cut(accounts, page.size, |account| vec![account.id.to_string()]))
    }

    /// Gives an account another name. ETAG_MISMATCH where its revision is not the expected one. With `dry`, only the
    /// checks are made.
    pub async fn rename_account(
        &self,
        id: &AccountId,
        display_name: &str,
        expected: Option<u64>,
        dry: bool,
    ) -> Result<Account> {
        let mut transaction = self.begin().await?;
        let mut account = locked(&mut transaction, id, expected).await?;
        account.display_name = display_name.to_owned();
        if dry {
            return Ok(account);
        }
        account.revision += 1;
        account.updated = Timestamp::now();
        sqlx::query("UPDATE accounts SET display_name = $1, updated = $2, revision = $3 WHERE id = $4")
            .bind(&account.display_name)
            .bind(account.updated.as_micros())
            .bind(to_stored(account.revision))
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(account)
    }

    /// Deletes an account with its keys, migration sets and ended operations, and with `force` its connections, which are
    /// returned. ACCOUNT_IN_USE while it has connections and `force` is not given, backups that can be restored, or
    /// operations that have not ended.
    pub async fn delete_account(
        &self,
        id: &AccountId,
        expected: Option<u64>,
        force: bool,
        dry: bool,
    ) -> Result<Vec<ConnectionId>> {
        let mut transaction = self.begin().await?;
        locked(&mut transaction, id, expected).await?;
        let connections = connections_of(&mut transaction, id).await?;
        let backups = count(&mut transaction, BACKUPS, id).await?;
        let running = count(&mut transaction, UNENDED_OPERATIONS, id).await?;
        check_unused(id, connections.len(), backups, running, force)?;
        if dry {
            return Ok(connections);
        }
        for statement in BELONGINGS {
            sqlx::query(statement).bind(id.as_str()).execute(&mut *transaction).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        for connection in &connections {
            self.connections.remove(id, connection);
        }
        Ok(connections)
    }
}

async fn check_free(transaction: &mut Transaction<'static, Sqlite>, id: &AccountId) -> Result<()> {
    if count(transaction, "SELECT COUNT(*) FROM accounts WHERE id = $1", id).await? > 0 {
        return Err(exists(id));
    }
    if count(transaction, "SELECT COUNT(*) FROM audit_heads WHERE account = $1", id).await? > 0 {
        return Err(was_in_use(id));
    }
    Ok(())
}

fn check_unused(id: &AccountId, connections: usize, backups: i64, running: i64, force: bool) -> Result<()> {
    let mut faults = Vec::new();
    if connections > 0 && !force {
        faults.push(format!("it has {connections} connections; delete them, or call with force"));
    }
    if backups > 0 {
        faults.push(format!("it has {backups} backups; delete them with a key of the account"));
    }
    if running > 0 {
        faults.push(format!("{running} of its operations have not ended; cancel them or wait"));
    }
    if faults.is_empty() {
        return Ok(());
    }
    let subject = name::account(id);
    let error = Error::new(Reason::AccountInUse, format!("{subject} cannot be deleted: {}", faults.join("; ")));
    Err(faults.into_iter().fold(error, |error, description| {
        error.with(Detail::Precondition { kind: "ACCOUNT_IN_USE", subject: subject.clone(), description })
    }))
}

async fn locked(
    transaction: &mut Transaction<'static, Sqlite>,
    id: &AccountId,
    expected: Option<u64>,
) -> Result<Account> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1")))
        .bind(id.as_str())
        .fetch_optional(&mut **transaction)
        .await
        .map_err(failed)?;
    let account = row.as_ref().map(read).transpose().map_err(failed)?.ok_or_else(|| not_found(id))?;
    if expected.is_some_and(|expected| expected != account.revision) {
        return Err(Error::etag_mismatch("account", name::account(id)));
    }
    Ok(account)
}

async fn connections_of(transaction: &mut Transaction<'static, Sqlite>, id: &AccountId) -> Result<Vec<ConnectionId>> {
    let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM connections WHERE account = $1 ORDER BY id")
        .bind(id.as_str())
        .fetch_all(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(ids.into_iter().map(ConnectionId::from_stored).collect())
}

async fn count(transaction: &mut Transaction<'static, Sqlite>, statement: &'static str, id: &AccountId) -> Result<i64> {
    sqlx::query_scalar(statement).bind(id.as_str()).fetch_one(&mut **transaction).await.map_err(failed)
}

fn read(row: &SqliteRow) -> sqlx::Result<Account> {
    Ok(Account {
        id: AccountId::from_stored(row.try_get("id")?),
        display_name: row.try_get("display_name")?,
        created: Timestamp::from_micros(row.try_get("created")?),
        updated: Timestamp::from_micros(row.try_get("updated")?),
        revision: from_stored(row.try_get("revision")?),
    })
}

fn not_found(id: &AccountId) -> Error {
    Error::not_found(Reason::AccountNotFound, "account", name::account(id))
}

fn was_in_use(id: &AccountId) -> Error {
    let text = format!(
        "{} was deleted, and its audit log stays: a new account of this id would take it over, and the folder of its SQLite \
         databases; take another id",
        name::account(id)
    );
    Error::new(Reason::AccountExists, text).with(Detail::Resource { kind: "account", name: name::account(id) })
}

fn exists(id: &AccountId) -> Error {
    Error::new(Reason::AccountExists, format!("{} exists; take another id", name::account(id)))
        .with(Detail::Resource { kind: "account", name: name::account(id) })
}
