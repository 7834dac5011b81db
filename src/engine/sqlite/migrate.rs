//! Migrations of a file: each on a connection of its own, under a lock that every dbkeeper respects.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{
    SqliteDatabase,
    error::{from_io, from_sqlx},
    history,
    path::DatabasePath,
    run_lock,
    session::SqliteSession,
};
use crate::{
    engine::{Migrate, MigrationSession},
    model::{
        Error, OperationId, Reason, Result,
        migration::{Dialect, HistoryEntry, MigrationLimits},
    },
};

/// What the lock file is called beside the database.
pub(super) const LOCK_FILE: &str = "lock";
/// Longest wait for the connection of a run that was dropped.
const END_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two looks at the lock of such a run.
const END_PAUSE: Duration = Duration::from_millis(20);

#[async_trait]
impl Migrate for SqliteDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn transactional_ddl(&self) -> bool {
        true
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>> {
        let mut lease = self.pool.lease("cannot read the history of migrations").await?;
        let entries = history::read(&mut lease).await;
        let entries = entries.map_err(|error| from_sqlx(error, "cannot read the history of migrations"))?;
        lease.give_back().await;
        Ok(entries)
    }

    async fn begin_run(
        &self,
        operation: &OperationId,
        limits: &MigrationLimits,
        cancellation: CancellationToken,
    ) -> Result<Box<dyn MigrationSession>> {
        let place = self.path()?;
        place.find()?;
        Ok(Box::new(SqliteSession::new(place, operation.clone(), limits.clone(), &cancellation)))
    }

    /// A killed server's locks and transactions end with it. What can be left is a connection of this very process that
    /// still rolls back, which holds the run's lock until it is gone, and a journal that the next reader rolls back.
    async fn end_run(&self, operation: &OperationId) -> Result<()> {
        let lock_file = self.path()?.find()?.side_file(LOCK_FILE);
        let ended = async {
            loop {
                let holder = run_lock::holder(&lock_file)
                    .map_err(|cause| from_io(cause, "cannot look at the lock of the last run"))?;
                if holder.as_deref() != Some(operation.as_str()) {
                    return Ok(());
                }
                tokio::time::sleep(END_PAUSE).await;
            }
        };
        tokio::time::timeout(END_TIMEOUT, ended).await.unwrap_or_else(|_| {
            Err(Error::new(Reason::DatabaseBusy, "the last run on this database has not ended yet; try again"))
        })?;
        self.history().await.map(drop)
    }
}

impl SqliteDatabase {
    /// The path of this database, to be looked up anew.
    pub(super) fn path(&self) -> Result<DatabasePath> {
        DatabasePath::parse_field(&self.options.sqlite_root, &self.account, &self.settings.database)
    }
}
