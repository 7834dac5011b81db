//! What is questionable in a whole database, as a stream.

use std::{collections::VecDeque, time::Duration};

use super::{
    SchemaService, TableEvent, TableStream,
    lint::{LintSelection, Linter},
};
use crate::{
    model::{
        CallContext, ConnectionId, Result, Timestamp,
        schema::{LintFinding, LintSeverity, Skipped, TableFilter},
    },
    service::databases::Reader,
};

/// How many findings there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LintCounts {
    /// Of severity error.
    pub errors: u64,
    /// Of severity warning.
    pub warnings: u64,
    /// Of severity info.
    pub infos: u64,
}

impl LintCounts {
    fn add(&mut self, severity: LintSeverity) {
        match severity {
            LintSeverity::Error => self.errors += 1,
            LintSeverity::Warning => self.warnings += 1,
            LintSeverity::Info => self.infos += 1,
        }
    }
}

/// What a stream of findings tells.
#[derive(Debug, Clone, PartialEq)]
pub enum LintEvent {
    /// The next finding.
    Finding(Box<LintFinding>),
    /// The end of a complete stream.
    Summary {
        /// Tables and views that were looked at.
        tables: u64,
        /// Rules that held.
        rules: usize,
        /// Findings.
        counts: LintCounts,
        /// What could not be read, so that nothing is said of it.
        skipped: Vec<Skipped>,
        /// When reading began.
        time: Timestamp,
        /// How long it took.
        duration: Duration,
    },
}

impl SchemaService {
    /// What is questionable in the tables that match, table by table, as fast as the reader takes it.
    pub async fn lint_schema(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        filter: TableFilter,
        selection: LintSelection,
    ) -> Result<LintStream> {
        let Reader { lease, .. } = self.reader(context, connection).await?;
        let dialect = lease.require_dialect()?;
        let tables = self.stream_tables(context, connection, filter).await?;
        let rules = selection.count();
        let linter = Some(Linter::new(selection, dialect));
        Ok(LintStream { tables, linter, ready: VecDeque::new(), counts: LintCounts::default(), rules })
    }
}

/// The findings of one stream. Dropping it lets the task that reads the tables end at its next one.
pub struct LintStream {
    tables: TableStream,
    /// Absent after the last table.
    linter: Option<Linter>,
    ready: VecDeque<LintEvent>,
    counts: LintCounts,
    rules: usize,
}

impl LintStream {
    /// The replica that is read from; absent: the connection itself.
    pub fn served_by(&self) -> Option<&ConnectionId> {
        self.tables.served_by()
    }

    /// The next event; none after the summary or an error.
    pub async fn next(&mut self) -> Option<Result<LintEvent>> {
        while self.ready.is_empty() {
            match self.tables.next().await? {
                Ok(TableEvent::Table(table)) => {
                    let found = self.linter.as_mut().map(|linter| linter.table(&table)).unwrap_or_default();
                    self.tell(found);
                }
                Ok(TableEvent::Summary { tables, skipped, time, duration }) => {
                    let found = self.linter.take().map(Linter::finish).unwrap_or_default();
                    self.tell(found);
                    let (rules, counts) = (self.rules, self.counts);
                    self.ready.push_back(LintEvent::Summary { tables, rules, counts, skipped, time, duration });
                }
                Err(error) => return Some(Err(error)),
            }
        }
        self.ready.pop_front().map(Ok)
    }

    fn tell(&mut self, found: Vec<LintFinding>) {
        for finding in found {
            self.counts.add(finding.rule.severity);
            self.ready.push_back(LintEvent::Finding(Box::new(finding)));
        }
    }
}
