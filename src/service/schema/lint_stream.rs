//! What is questionable in a whole schema, and what a change of it makes worse, as a stream.

mod findings;
mod side;

use std::{collections::VecDeque, time::Duration};

use self::{
    findings::{Ended, Findings, Looked},
    side::Side,
};
use super::{
    SchemaService, SchemaSource,
    lint::{Baseline, Known, LintSelection, untold},
};
use crate::{
    engine::Engines,
    model::{
        CallContext, ConnectionId, Error, Result, Timestamp,
        connection::EngineKind,
        schema::{LintFinding, LintSeverity, Skipped, SkippedRule},
    },
};

/// What is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct LintRequest {
    /// The schema.
    pub source: SchemaSource,
    /// The schema as it was, whose findings are not told; absent: all are told.
    pub base: Option<SchemaSource>,
    /// The engine whose rules hold; absent: that of the schema, else that of the schema as it was.
    pub engine: Option<EngineKind>,
    /// The rules.
    pub selection: LintSelection,
}

/// How many findings there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LintCounts {
    /// Of severity error.
    pub errors: u64,
    /// Of severity warning.
    pub warnings: u64,
    /// Of severity info.
    pub infos: u64,
    /// Of any severity, which are not told because the schema had them before.
    pub known: u64,
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

/// The end of a complete stream.
#[derive(Debug, Clone, PartialEq)]
pub struct LintSummary {
    /// The engine whose rules held; absent: none was known.
    pub engine: Option<EngineKind>,
    /// Tables that were looked at, with the views of a live database.
    pub tables: u64,
    /// Rules that held.
    pub rules: usize,
    /// Rules that would have held, and what was given is not enough for.
    pub skipped_rules: Vec<SkippedRule>,
    /// Findings.
    pub counts: LintCounts,
    /// What could not be read or is not told, so that nothing is said of it.
    pub skipped: Vec<Skipped>,
    /// The same of the schema as it was.
    pub base_skipped: Vec<Skipped>,
    /// When reading began.
    pub time: Timestamp,
    /// How long it took.
    pub duration: Duration,
}

/// What a stream of findings tells.
#[derive(Debug, Clone, PartialEq)]
pub enum LintEvent {
    /// The next finding.
    Finding(Box<LintFinding>),
    /// The end of a complete stream.
    Summary(Box<LintSummary>),
}

impl SchemaService {
    /// What is questionable in the tables of a schema, table by table, as fast as the reader takes it.
    pub async fn lint_schema(&self, context: &CallContext, request: LintRequest) -> Result<LintStream> {
        let LintRequest { source, base, engine, mut selection } = request;
        let source = self.side(context, source, "source").await?;
        let base = match base {
            Some(base) => Some(self.side(context, base, "base").await?),
            None => None,
        };
        let engine = engine_of(engine, &source, base.as_ref())?;
        let dialect = engine.map(Engines::dialect).transpose()?;
        // The rules of two engines cannot be compared, but what a definition says of a schema can.
        let base = match base {
            Some(base) if base.engine() != engine => Some(self.defined(context, base).await?),
            base => base,
        };
        let is_live = source.is_live() && base.as_ref().is_none_or(Side::is_live);
        let skipped_rules = if is_live { Vec::new() } else { untold(&mut selection, engine) };
        let base = match base {
            Some(base) => Some(Base::read(self.findings(context, base, selection.clone(), dialect).await?).await?),
            None => None,
        };
        let rules = selection.count();
        let findings = self.findings(context, source, selection, dialect).await?;
        let counts = LintCounts::default();
        let (ready, held) = (VecDeque::new(), Vec::new());
        Ok(LintStream { findings, base, engine, rules, skipped_rules, counts, ready, held })
    }
}

fn engine_of(asked: Option<EngineKind>, source: &Side, base: Option<&Side>) -> Result<Option<EngineKind>> {
    let own = source.engine();
    match (asked, own) {
        (Some(asked), Some(own)) if source.is_live() && asked != own => Err(Error::invalid_field(
            "engine",
            format!("is {}, and the database is of {}; leave it unspecified", asked.as_str(), own.as_str()),
        )),
        _ => Ok(asked.or(own).or(base.and_then(Side::engine))),
    }
}

/// The schema as it was.
struct Base {
    findings: Baseline,
    skipped: Vec<Skipped>,
}

impl Base {
    async fn read(mut findings: Findings) -> Result<Self> {
        let mut known = Baseline::default();
        while let Some(looked) = findings.next().await {
            match looked? {
                Looked::Found(found) => {
                    found.iter().try_for_each(|finding| known.add(finding, findings.dialect()))?;
                }
                Looked::Ended(Ended { skipped, .. }) => {
                    known.leave_open(&skipped);
                    return Ok(Self { findings: known, skipped });
                }
            }
        }
        Err(Error::internal("the findings of the base ended without a summary"))
    }
}

/// The findings of one stream. Dropping it lets the task that reads the tables end at its next one.
pub struct LintStream {
    findings: Findings,
    base: Option<Base>,
    engine: Option<EngineKind>,
    rules: usize,
    skipped_rules: Vec<SkippedRule>,
    counts: LintCounts,
    ready: VecDeque<LintEvent>,
    /// Findings of which it shows at the end whether they are new.
    held: Vec<LintFinding>,
}

impl LintStream {
    /// The replica that is read from; absent: the connection itself, or no live database.
    pub fn served_by(&self) -> Option<&ConnectionId> {
        self.findings.served_by()
    }

    /// The next event; none after the summary or an error.
    pub async fn next(&mut self) -> Option<Result<LintEvent>> {
        while self.ready.is_empty() {
            match self.findings.next().await? {
                Ok(Looked::Found(found)) => found.into_iter().for_each(|finding| self.look(finding)),
                Ok(Looked::Ended(ended)) => self.end(ended),
                Err(error) => return Some(Err(error)),
            }
        }
        self.ready.pop_front().map(Ok)
    }

    /// Tells a finding unless the schema had it before.
    fn look(&mut self, finding: LintFinding) {
        let dialect = self.findings.dialect();
        match self.base.as_mut().map_or(Known::No, |base| base.findings.take(&finding, dialect)) {
            Known::No => self.tell(finding),
            Known::Yes => self.counts.known += 1,
            Known::ByFoldedName => self.held.push(finding),
            Known::Open => {}
        }
    }

    fn tell(&mut self, finding: LintFinding) {
        self.counts.add(finding.rule.severity);
        self.ready.push_back(LintEvent::Finding(Box::new(finding)));
    }

    fn end(&mut self, ended: Ended) {
        self.look_at_held();
        let Ended { tables, skipped, time, duration } = ended;
        let base_skipped = self.base.take().map(|base| base.skipped).unwrap_or_default();
        self.ready.push_back(LintEvent::Summary(Box::new(LintSummary {
            engine: self.engine,
            tables,
            rules: self.rules,
            skipped_rules: std::mem::take(&mut self.skipped_rules),
            counts: self.counts,
            skipped,
            base_skipped,
            time,
            duration,
        })));
    }

    fn look_at_held(&mut self) {
        let dialect = self.findings.dialect();
        for finding in std::mem::take(&mut self.held) {
            match self.base.as_mut().is_some_and(|base| base.findings.take_folded(&finding, dialect)) {
                true => self.counts.known += 1,
                false => self.tell(finding),
            }
        }
    }
}
