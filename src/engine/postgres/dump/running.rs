//! A dump that is being taken: pg_dump on an exported snapshot, and the rows counted in the same one.

use std::{
    future::Future,
    io,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFutureOwned},
    task::AbortOnDropHandle,
};

use super::{counts, tools};
use crate::{
    engine::{
        RunningDump,
        dump::{DumpReader, DumpReport},
        postgres::{
            connect::{Dialer, operation_name},
            failure,
        },
        tool::RunningTool,
    },
    model::{Error, OperationId, Result, backup::TableCount},
};

/// How long pg_dump waits for a lock on a table before it gives up, in milliseconds.
const LOCK_WAIT_MILLIS: u32 = 60_000;

/// A running pg_dump with the session whose snapshot it reads.
pub(super) struct PostgresDump {
    tool: RunningTool,
    /// Holds the snapshot open until the dump has ended.
    counting: AbortOnDropHandle<Result<(PgConnection, Vec<TableCount>), sqlx::Error>>,
    dialer: Dialer,
    cancellation: CancellationToken,
}

impl PostgresDump {
    pub(super) async fn start(
        dialer: &Dialer,
        program: PathBuf,
        operation: &OperationId,
        cancellation: CancellationToken,
    ) -> Result<Self> {
        let dialer = dialer.for_operation(operation);
        let mut connection = dialer.dial().await?;
        let snapshot = export_snapshot(&mut connection).await;
        let snapshot = snapshot.map_err(|error| failure::classify(error, &dialer.place))?;
        let tool = tools::connected(program, &dialer, &operation_name(operation))
            .await?
            .argument("--format=custom")
            .argument("--compress=0")
            .argument(format!("--lock-wait-timeout={LOCK_WAIT_MILLIS}"))
            .argument(format!("--snapshot={snapshot}"))
            .argument(tools::database_argument(&dialer.place.database))
            .start()?;
        let counting = tokio::spawn(async move {
            let counts = counts::count(&mut connection).await?;
            Ok((connection, counts))
        });
        Ok(Self { tool, counting: AbortOnDropHandle::new(counting), dialer, cancellation })
    }
}

async fn export_snapshot(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    counts::begin_snapshot(connection).await?;
    sqlx::query_scalar("SELECT pg_export_snapshot()").fetch_one(connection).await
}

#[async_trait]
impl RunningDump for PostgresDump {
    fn take_reader(&mut self) -> DumpReader {
        let cancelled = Box::pin(self.cancellation.clone().cancelled_owned());
        match self.tool.stdout.take() {
            Some(stdout) => Box::new(UntilCancelled { source: stdout, cancelled }),
            None => Box::new(tokio::io::empty()),
        }
    }

    async fn finish(self: Box<Self>) -> Result<DumpReport> {
        let Self { tool, counting, dialer, cancellation } = *self;
        if cancellation.is_cancelled() {
            tool.kill().await;
            return Err(Error::cancelled());
        }
        tool.finish().await?;
        let outcome = tokio::select! {
            outcome = counting => outcome.map_err(Error::internal)?,
            () = cancellation.cancelled() => return Err(Error::cancelled()),
        };
        let (connection, table_counts) = outcome.map_err(|error| failure::classify(error, &dialer.place))?;
        // The snapshot has served; the end of the session ends it in any case.
        let _ = connection.close().await;
        Ok(DumpReport { table_counts })
    }
}

/// Reads until the run is cancelled, and fails then: an end of file would look like a whole dump.
struct UntilCancelled<R> {
    source: R,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilCancelled<R> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.cancelled.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::other("cancelled")));
        }
        Pin::new(&mut this.source).poll_read(context, buffer)
    }
}
