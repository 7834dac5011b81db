//! Named locks of the server: who works on a database, found again after a crash.
//!
//! Neither product shows a name of the client's choice in its list of sessions everywhere, but both tell which session
//! holds a named lock, and both free it only after the session's last statement has ended and its transaction is rolled
//! back. So every session of an operation holds a lock named after it: whoever recovers the operation finds the session
//! by the lock, kills it, and knows by the lock's end that nothing of it takes effect any more.
//!
//! Named locks are local to one server: on a multi-primary cluster all runs must be sent to the same node.

use std::time::Duration;

use sqlx::MySqlConnection;

use super::row;
use crate::model::OperationId;

/// How often it is looked whether a killed session is gone.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Name of a lock. The servers allow 64 characters, so what it is for is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LockName(String);

impl LockName {
    /// One run of migrations on a database at a time.
    pub(super) fn run(database: &str) -> Self {
        Self::of("run", database)
    }

    /// The session that runs the statements of a migration on a database.
    pub(super) fn statements(database: &str) -> Self {
        Self::of("statements", database)
    }

    /// The session that guards a run of an operation.
    pub(super) fn guard(operation: &OperationId) -> Self {
        Self::of("guard", operation.as_str())
    }

    /// The session that works for an operation.
    pub(super) fn worker(operation: &OperationId) -> Self {
        Self::of("worker", operation.as_str())
    }

    fn of(purpose: &str, subject: &str) -> Self {
        let hash = blake3::hash(subject.as_bytes()).to_hex();
        Self(format!("dbkeeper:{purpose}:{}", &hash[..32]))
    }

    /// The name; letters, digits and colons only, so that it needs no escape.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Tries to take the lock, without waiting. It stays with the session.
    pub(super) async fn try_take(&self, connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
        let answer = sqlx::query("SELECT GET_LOCK(?, 0)").bind(&self.0).fetch_one(connection).await?;
        // NULL: the server could not tell, which is as good as no.
        Ok(row::number(&answer, 0)? == 1)
    }

    /// Frees the lock; false where this session did not hold it, as behind a proxy that changes sessions.
    pub(super) async fn release(&self, connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
        let answer = sqlx::query("SELECT RELEASE_LOCK(?)").bind(&self.0).fetch_one(connection).await?;
        Ok(row::number(&answer, 0)? == 1)
    }

    /// The session that holds the lock.
    pub(super) async fn holder(&self, connection: &mut MySqlConnection) -> Result<Option<u64>, sqlx::Error> {
        let answer =
            sqlx::query("SELECT CAST(IS_USED_LOCK(?) AS UNSIGNED)").bind(&self.0).fetch_one(connection).await?;
        Ok(Some(row::unsigned(&answer, 0)?).filter(|session| *session != 0))
    }

    /// Kills the session that holds the lock and waits until it is gone.
    pub(super) async fn end_holder(&self, connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        while let Some(session) = self.holder(connection).await? {
            kill(connection, "CONNECTION", session).await?;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }
}

/// Ends a statement (`QUERY`) or a whole session (`CONNECTION`). One that is gone already is no error.
pub(super) async fn kill(connection: &mut MySqlConnection, what: &str, session: u64) -> Result<(), sqlx::Error> {
    match sqlx::raw_sql(sqlx::AssertSqlSafe(format!("KILL {what} {session}"))).execute(connection).await {
        Err(error) if super::error::vendor_code(&error) == Some(1094) => Ok(()),
        outcome => outcome.map(drop),
    }
}
