//! The findings of one schema, table by table.

use std::time::Duration;

use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

use super::side::Side;
use crate::{
    engine::{
        Dialect,
        dialect::{named, neutral_table},
    },
    model::{
        CallContext, ConnectionId, Error, Result, Timestamp,
        connection::EngineKind,
        schema::{LintFinding, Skipped, definition::Unmapped},
    },
    service::schema::{
        LintSelection, SchemaService, TableEvent, TableStream,
        definition::ReadSchema,
        lint::{DefaultCollation, Linter},
    },
};

/// Tables whose findings wait for a slow reader.
const TABLE_BUFFER: usize = 16;

/// What is told of a schema.
pub(super) enum Looked {
    /// The findings of the next table, or of keys between tables.
    Found(Vec<LintFinding>),
    /// The end.
    Ended(Ended),
}

/// The end of the findings of a schema.
pub(super) struct Ended {
    /// Tables that were looked at.
    pub(super) tables: u64,
    /// What nothing is said of.
    pub(super) skipped: Vec<Skipped>,
    /// When reading began.
    pub(super) time: Timestamp,
    /// How long it took.
    pub(super) duration: Duration,
}

/// The findings of one schema. Dropping it ends the work at the next table.
pub(super) struct Findings {
    dialect: Option<&'static dyn Dialect>,
    tables: Tables,
}

enum Tables {
    /// Of a live database.
    Live {
        tables: TableStream,
        /// Absent after the last table.
        linter: Option<Linter>,
        /// The end, behind the last findings.
        ended: Option<Ended>,
    },
    /// Of a definition.
    Defined {
        found: mpsc::Receiver<Vec<LintFinding>>,
        worker: Option<JoinHandle<Result<Told>>>,
        time: Timestamp,
        began: Instant,
    },
}

/// What is told at the end of a definition.
struct Told {
    tables: u64,
    skipped: Vec<Skipped>,
}

impl SchemaService {
    /// Looks at a schema by rules.
    pub(super) async fn findings(
        &self,
        context: &CallContext,
        side: Side,
        selection: LintSelection,
        dialect: Option<&'static dyn Dialect>,
    ) -> Result<Findings> {
        let linter = Linter::new(selection, dialect);
        let tables = match side {
            Side::Live { connection, filter, .. } => {
                let tables = self.stream_tables(context, &connection, filter).await?;
                Tables::Live { tables, linter: Some(linter), ended: None }
            }
            Side::Defined { schema, time, began } => {
                let (sender, found) = mpsc::channel(TABLE_BUFFER);
                let look = move || look_at(*schema, dialect, linter, &sender);
                // A large definition is worked on for a while.
                let worker = Some(self.tasks.spawn_blocking(look));
                Tables::Defined { found, worker, time, began }
            }
        };
        Ok(Findings { dialect, tables })
    }
}

impl Findings {
    /// Whose words the findings are told in.
    pub(super) fn dialect(&self) -> Option<&'static dyn Dialect> {
        self.dialect
    }

    /// The replica that is read from; absent: the connection itself, or no live database.
    pub(super) fn served_by(&self) -> Option<&ConnectionId> {
        match &self.tables {
            Tables::Live { tables, .. } => tables.served_by(),
            Tables::Defined { .. } => None,
        }
    }

    /// What is told next; nothing after the end or an error.
    pub(super) async fn next(&mut self) -> Option<Result<Looked>> {
        match &mut self.tables {
            Tables::Live { ended: ended @ Some(_), .. } => ended.take().map(|ended| Ok(Looked::Ended(ended))),
            Tables::Live { tables, linter, ended } => match tables.next().await? {
                Ok(TableEvent::Table(table)) => Some(Ok(Looked::Found(linter.as_mut()?.table(&table)))),
                Ok(TableEvent::Summary { tables, mut skipped, time, duration }) => {
                    let (found, open) = linter.take()?.finish(DefaultCollation::Distinct);
                    skipped.extend(open);
                    *ended = Some(Ended { tables, skipped, time, duration });
                    Some(Ok(Looked::Found(found)))
                }
                Err(error) => Some(Err(error)),
            },
            Tables::Defined { found, worker, time, began } => {
                if let Some(found) = found.recv().await {
                    return Some(Ok(Looked::Found(found)));
                }
                let told = worker.take()?.await.unwrap_or_else(|fault| Err(Error::internal(fault)));
                let (time, duration) = (*time, began.elapsed());
                Some(told.map(|Told { tables, skipped }| Looked::Ended(Ended { tables, skipped, time, duration })))
            }
        }
    }
}

/// Looks at a definition. It ends early where nobody takes the findings any more.
fn look_at(
    schema: ReadSchema,
    dialect: Option<&'static dyn Dialect>,
    mut linter: Linter,
    sender: &mpsc::Sender<Vec<LintFinding>>,
) -> Result<Told> {
    let ReadSchema { definition, unmapped, field, .. } = schema;
    definition.check(&field)?;
    let definition = match dialect {
        Some(dialect) => dialect.settled(&definition),
        None => named(definition),
    };
    let mut tables = 0;
    for table in &definition.tables {
        let table = match dialect {
            Some(dialect) => dialect.discovered(&definition, table),
            None => neutral_table(&definition, table),
        };
        tables += 1;
        if sender.blocking_send(linter.table(&table)).is_err() {
            return Err(Error::cancelled());
        }
    }
    let (found, open) = linter.finish(default_collation(dialect));
    sender.blocking_send(found).map_err(|_| Error::cancelled())?;
    Ok(Told { tables, skipped: unmapped.into_iter().map(skipped).chain(open).collect() })
}

/// MySQL and MariaDB give each text a collation of a character set, and a definition does not say which the database has.
fn default_collation(dialect: Option<&'static dyn Dialect>) -> DefaultCollation {
    match dialect.map(Dialect::engine) {
        Some(EngineKind::Postgresql | EngineKind::Sqlite) => DefaultCollation::Distinct,
        Some(EngineKind::Mysql) | None => DefaultCollation::Unknown,
    }
}

fn skipped(unmapped: Unmapped) -> Skipped {
    Skipped { subject: unmapped.object, reason: unmapped.reason, remedy: unmapped.remedy, ..Skipped::default() }
}
