//! Runs migrations, each on one transaction with its history row, or statement by statement with a journal.

mod history;
mod journal;
mod session;
mod transaction;
mod words;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use self::session::PostgresSession;
use super::{
    connect::{Dialer, operation_name},
    database::Leases,
    failure, pooler,
};
use crate::{
    engine::{Migrate, MigrationSession},
    model::{
        OperationId, Result,
        connection::PoolerMode,
        migration::{Dialect, HistoryEntry, MigrationLimits},
    },
};

/// The migrations of one database.
pub(super) struct PostgresMigrate {
    dialer: Dialer,
    leases: Arc<Leases>,
    pooler: Option<PoolerMode>,
}

impl PostgresMigrate {
    pub(super) fn new(dialer: Dialer, leases: Arc<Leases>, pooler: Option<PoolerMode>) -> Self {
        Self { dialer, leases, pooler }
    }
}

#[async_trait]
impl Migrate for PostgresMigrate {
    fn dialect(&self) -> Dialect {
        Dialect::Postgresql
    }

    fn transactional_ddl(&self) -> bool {
        true
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>> {
        pooler::refuse(self.pooler)?;
        let mut transaction = self.leases.begin().await?;
        // Where a database has no schema public, the table stands in the first schema of the user's own search path.
        transaction.execute("SET LOCAL search_path TO DEFAULT".to_owned()).await?;
        let entries = read_history(transaction.connection()).await;
        let entries = entries.map_err(|error| transaction.failure(error))?;
        transaction.commit().await?;
        Ok(entries)
    }

    async fn begin_run(
        &self,
        operation: &OperationId,
        limits: &MigrationLimits,
        cancellation: CancellationToken,
    ) -> Result<Box<dyn MigrationSession>> {
        pooler::refuse(self.pooler)?;
        let dialer = self.dialer.for_operation(operation);
        let connection = dialer.dial().await?;
        let session = PostgresSession::begin(self.dialer.clone(), connection, limits.clone(), cancellation).await?;
        Ok(Box::new(session))
    }

    async fn end_run(&self, operation: &OperationId) -> Result<()> {
        self.dialer.end_sessions(&operation_name(operation)).await
    }
}

async fn read_history(connection: &mut PgConnection) -> Result<Vec<HistoryEntry>, sqlx::Error> {
    match history::find_table(connection).await? {
        Some(table) => history::read(connection, &table).await,
        None => Ok(Vec::new()),
    }
}
