//! A dump that is being taken: the tool's output with our own first line, followed as it streams by.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use async_trait::async_trait;
use tokio::{
    io::{AsyncRead, AsyncReadExt, ReadBuf},
    process::ChildStdout,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::scan::Scanner;
use crate::{
    engine::{
        DumpReport, RunningDump,
        dump::DumpReader,
        mysql::{connect::Connector, error, fingerprint::fingerprint},
        tool::RunningTool,
    },
    model::{Error, Reason, Result, backup::TableCount},
};

/// A dump of one database.
pub(super) struct MysqlDump {
    connector: Connector,
    tool: RunningTool,
    /// All definitions as they were before the tool began.
    definitions: String,
    reader: Option<DumpReader>,
    scanner: Arc<Mutex<Scanner>>,
    cancellation: CancellationToken,
}

impl MysqlDump {
    pub(super) fn new(
        connector: Connector,
        mut tool: RunningTool,
        definitions: String,
        first_line: String,
        cancellation: CancellationToken,
    ) -> Result<Self> {
        let output = tool.stdout.take().ok_or_else(|| Error::internal("the tool has no output"))?;
        let scanner = Arc::new(Mutex::new(Scanner::new()));
        let scanned = ScannedOutput {
            output,
            scanner: Arc::clone(&scanner),
            cancelled: Box::pin(cancellation.clone().cancelled_owned()),
        };
        let reader: DumpReader = Box::new(io::Cursor::new(first_line.into_bytes()).chain(scanned));
        Ok(Self { connector, tool, definitions, reader: Some(reader), scanner, cancellation })
    }
}

#[async_trait]
impl RunningDump for MysqlDump {
    fn take_reader(&mut self) -> DumpReader {
        // Asked for twice it is empty, and an empty dump never passes for a whole one.
        self.reader.take().unwrap_or_else(|| Box::new(tokio::io::empty()))
    }

    async fn finish(self: Box<Self>) -> Result<DumpReport> {
        if self.cancellation.is_cancelled() {
            self.tool.kill().await;
            return Err(Error::cancelled());
        }
        self.tool.finish().await?;
        let counted = self.scanner.lock().unwrap_or_else(PoisonError::into_inner).finish();
        let rows = counted.map_err(|flaw| {
            Error::new(Reason::ToolFailed, format!("the dump is not whole: {}; take it again", flaw.as_str()))
        })?;
        if read_definitions(&self.connector).await? != self.definitions {
            return Err(Error::new(
                Reason::ToolFailed,
                "definitions of the database changed while it was dumped, so that the dump may miss rows; \
                 take it again when no migration runs",
            ));
        }
        let table_counts =
            rows.into_iter().map(|(table, rows)| TableCount { schema: String::new(), table, rows }).collect();
        Ok(DumpReport { table_counts })
    }
}

/// The hash over all definitions, on a session of its own.
pub(super) async fn read_definitions(connector: &Connector) -> Result<String> {
    let (mut connection, server) = connector.dial().await?;
    let found = fingerprint(&mut connection, &server, &connector.settings.database).await;
    let _ = sqlx::Connection::close(connection).await;
    found.map_err(|cause| error::while_using(cause, &connector.settings))
}

/// The tool's output; what is read of it goes past the scanner.
struct ScannedOutput {
    output: ChildStdout,
    scanner: Arc<Mutex<Scanner>>,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl AsyncRead for ScannedOutput {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.cancelled.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::other(Error::cancelled())));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.output).poll_read(cx, buffer);
        self.scanner.lock().unwrap_or_else(PoisonError::into_inner).rewrite(&mut buffer.filled_mut()[before..]);
        outcome
    }
}
