//! Runs migrations with a journal of each statement, because both products commit definitions by themselves.
//!
//! A statement that changes data runs in one transaction with its note in the history, so it happens exactly once. Before a
//! statement that changes definitions the history notes that it is begun, with a hash over all definitions; after a crash
//! the hash tells whether it took effect. That is right as long as nobody else changes definitions of this database
//! between the crash and the resumption, and for statements that change a definition at all: one that does not (such as
//! CREATE TABLE IF NOT EXISTS on a table that is there, or GRANT) runs again, which must not hurt. What is changed in
//! tables without transactions (MyISAM, Aria) may be changed twice.

mod history;
mod journal;
mod session;
mod statement;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use self::session::MysqlMigrationSession;
use super::{database::MysqlDatabase, named_lock::LockName};
use crate::{
    engine::{Migrate, MigrationSession},
    model::{
        OperationId, Result,
        migration::{Dialect, HistoryEntry, MigrationLimits},
    },
};

#[async_trait]
impl Migrate for MysqlDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    fn transactional_ddl(&self) -> bool {
        false
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>> {
        let mut lease = self.lease().await?;
        let entries = history::read(&mut lease, &self.settings().database).await;
        let entries = entries.map_err(|cause| self.failed(cause))?;
        lease.give_back().await;
        Ok(entries)
    }

    async fn begin_run(
        &self,
        operation: &OperationId,
        limits: &MigrationLimits,
        cancellation: CancellationToken,
    ) -> Result<Box<dyn MigrationSession>> {
        Ok(Box::new(MysqlMigrationSession::open(&self.connector, operation, limits, cancellation).await?))
    }

    async fn end_run(&self, operation: &OperationId) -> Result<()> {
        let (mut connection, _) = self.connector.dial().await?;
        for lock in [LockName::worker(operation), LockName::guard(operation)] {
            lock.end_holder(&mut connection).await.map_err(|cause| self.failed(cause))?;
        }
        let _ = sqlx::Connection::close(connection).await;
        Ok(())
    }
}
