//! The statements that make a database again, as a stream.

use std::{collections::BTreeMap, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

use super::{SchemaService, not_found};
use crate::{
    model::{
        CallContext, ConnectionId, Detail, Error, Reason, Result, Timestamp, name,
        schema::{DdlKind, DdlObject, DdlSelection, DdlStatement, DdlSubject, Skipped},
    },
    service::databases::Reader,
};

/// Statements that wait for a slow reader of a stream.
const STREAM_BUFFER: usize = 64;

/// How many statements there were of each kind.
pub type DdlCounts = BTreeMap<DdlKind, u64>;

/// What a stream of statements tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DdlEvent {
    /// The next statement.
    Statement(DdlStatement),
    /// The end of a complete stream.
    Summary {
        /// Statements by kind.
        counts: DdlCounts,
        /// What could not be read or written.
        skipped: Vec<Skipped>,
        /// When reading began.
        time: Timestamp,
        /// How long it took.
        duration: Duration,
    },
}

impl SchemaService {
    /// The statements that make a database, or a part of it, again, as fast as the reader takes them. TABLE_NOT_FOUND or
    /// OBJECT_NOT_FOUND where there is nothing of the name.
    pub async fn get_ddl(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        selection: DdlSelection,
    ) -> Result<DdlStream> {
        let Reader { lease, served_by } = self.reader(context, connection).await?;
        lease.require_read_ddl()?;
        let (time, began) = (Timestamp::now(), Instant::now());
        let (sender, statements) = mpsc::channel(STREAM_BUFFER);
        let absent = absent(connection, &selection.subject);
        let reader = self.tasks.spawn(async move {
            let writer = lease.require_read_ddl()?;
            let written = lease.run(writer.stream_ddl(&selection, sender)).await?;
            written.ok_or(absent)
        });
        Ok(DdlStream { statements, reader: Some(reader), counts: DdlCounts::new(), served_by, time, began })
    }
}

/// The statements of one stream. Dropping it lets the task that reads them end.
pub struct DdlStream {
    statements: mpsc::Receiver<DdlStatement>,
    reader: Option<JoinHandle<Result<Vec<Skipped>>>>,
    counts: DdlCounts,
    served_by: Option<ConnectionId>,
    time: Timestamp,
    began: Instant,
}

impl DdlStream {
    /// The replica that is read from; absent: the connection itself.
    pub fn served_by(&self) -> Option<&ConnectionId> {
        self.served_by.as_ref()
    }

    /// The next event; none after the summary or an error.
    pub async fn next(&mut self) -> Option<Result<DdlEvent>> {
        if let Some(statement) = self.statements.recv().await {
            *self.counts.entry(statement.kind).or_default() += 1;
            return Some(Ok(DdlEvent::Statement(statement)));
        }
        let outcome = match self.reader.take()?.await {
            Ok(outcome) => outcome,
            Err(fault) => Err(Error::internal(fault)),
        };
        let (counts, time, duration) = (std::mem::take(&mut self.counts), self.time, self.began.elapsed());
        Some(outcome.map(|skipped| DdlEvent::Summary { counts, skipped, time, duration }))
    }
}

/// What is told where there is nothing of the name that was asked for.
fn absent(connection: &ConnectionId, subject: &DdlSubject) -> Error {
    match subject {
        DdlSubject::Table(table) => not_found(connection, table),
        DdlSubject::Object(object) => object_not_found(connection, object.kind.as_str(), full_name(object)),
        DdlSubject::Schema(schema) => object_not_found(connection, "SCHEMA", schema.clone()),
        DdlSubject::Database => Error::new(Reason::DatabaseUnknown, "the database is gone"),
    }
}

fn full_name(object: &DdlObject) -> String {
    let schema = object.name.schema.iter().map(|schema| format!("{}.", schema.as_str()));
    let signature = object.signature.iter().map(|signature| format!("({signature})"));
    let table = object.table.iter().map(|table| format!(" on {}", table.as_str()));
    let name = std::iter::once(object.name.name.as_str().to_owned());
    schema.chain(name).chain(signature).chain(table).collect()
}

fn object_not_found(connection: &ConnectionId, kind: &str, name: String) -> Error {
    let connection = name::connection(connection);
    let text = format!(
        "{connection} has no object {name:?} of the kind {kind}; names are compared exactly, and ListSchemaObjects tells which \
         there are"
    );
    Error::new(Reason::ObjectNotFound, text)
        .with(Detail::Resource { kind: "object", name })
        .with_metadata("connection", connection)
}
