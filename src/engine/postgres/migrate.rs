//! Runs migrations, each on one transaction with its history row, or statement by statement with a journal.

mod history;
mod journal;
mod session;
mod transaction;
mod words;

use async_trait::async_trait;
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use self::session::PostgresSession;
use super::{
    connect::{Dialer, operation_name},
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
    pooler: Option<PoolerMode>,
}

impl PostgresMigrate {
    pub(super) fn new(dialer: Dialer, pooler: Option<PoolerMode>) -> Self {
        Self { dialer, pooler }
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
        let mut connection = self.dialer.dial().await?;
        let entries = read_history(&mut connection).await;
        // The entries are read; a failed good-bye changes nothing about them.
        let _ = connection.close().await;
        entries.map_err(|error| failure::classify(error, &self.dialer.place))
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
