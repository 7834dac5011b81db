//! A whole database as a stream.

use std::time::Duration;

use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

use super::SchemaService;
use crate::{
    model::{
        CallContext, ConnectionId, Error, Result, Timestamp,
        schema::{Skipped, Table, TableFilter},
    },
    service::databases::Reader,
};

/// Tables that wait for a slow reader of a stream.
const STREAM_BUFFER: usize = 16;

/// What a stream of tables tells.
#[derive(Debug, Clone, PartialEq)]
pub enum TableEvent {
    /// The next table.
    Table(Box<Table>),
    /// The end of a complete stream.
    Summary {
        /// Tables that were told.
        tables: u64,
        /// What could not be read.
        skipped: Vec<Skipped>,
        /// When reading began.
        time: Timestamp,
        /// How long it took.
        duration: Duration,
    },
}

impl SchemaService {
    /// Every table that matches, by schema and name, as fast as the reader takes them.
    pub async fn stream_tables(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        filter: TableFilter,
    ) -> Result<TableStream> {
        let Reader { lease, served_by } = self.reader(context, connection).await?;
        lease.require_inspect()?;
        let (time, began) = (Timestamp::now(), Instant::now());
        let (sender, tables) = mpsc::channel(STREAM_BUFFER);
        let reader = self.tasks.spawn(async move {
            let inspect = lease.require_inspect()?;
            lease.run(inspect.stream_tables(&filter, sender)).await
        });
        Ok(TableStream { tables, reader: Some(reader), count: 0, served_by, time, began })
    }
}

/// The tables of one stream. Dropping it lets the task that reads them end at its next table.
pub struct TableStream {
    tables: mpsc::Receiver<Table>,
    reader: Option<JoinHandle<Result<Vec<Skipped>>>>,
    count: u64,
    served_by: Option<ConnectionId>,
    time: Timestamp,
    began: Instant,
}

impl TableStream {
    /// The replica that is read from; absent: the connection itself.
    pub fn served_by(&self) -> Option<&ConnectionId> {
        self.served_by.as_ref()
    }

    /// The next event; none after the summary or an error.
    pub async fn next(&mut self) -> Option<Result<TableEvent>> {
        if let Some(table) = self.tables.recv().await {
            self.count += 1;
            return Some(Ok(TableEvent::Table(Box::new(table))));
        }
        let outcome = match self.reader.take()?.await {
            Ok(outcome) => outcome,
            Err(fault) => Err(Error::internal(fault)),
        };
        let (tables, time, duration) = (self.count, self.time, self.began.elapsed());
        Some(outcome.map(|skipped| TableEvent::Summary { tables, skipped, time, duration }))
    }
}
