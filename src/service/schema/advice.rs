//! Recommends indexes: reads what was counted, looks at every table, reads the statements, and has the planner try what they lack.
//!
//! A table is looked at as it comes by and then forgotten, unless a statement names it or its texts may be searched.

mod draft;
mod import;
mod rules;
mod statements;
mod table;
mod text;
mod trial;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

pub use self::rules::{
    ADVICE_RULES, AdviceRequest, AdviceSelection, DEFAULT_RECOMMENDATIONS, MAX_OWN_STATEMENTS, MAX_RECOMMENDATIONS,
    MAX_STATEMENT_SIZE, MAX_WINDOW,
};
use self::{
    draft::Draft,
    statements::{Resolver, Statements},
    table::{Counted, TableLook, Unused, index_scans},
    text::TextLook,
};
use super::{MAX_ANSWER_SIZE, SchemaService};
use crate::{
    engine::{Advise, Dialect, Inspect},
    model::{
        CallContext, ConnectionId, Result, Timestamp, name,
        schema::{Advice, AdviceSource, ObjectName, Skipped, Table, TableDetails, TableUse, Usage, approximate_size},
    },
};

/// Most statements whose plans are told with a recommendation.
const MAX_PLANS: usize = 5;
/// Most tables that are kept beyond their look.
const MAX_KEPT: usize = 1000;
/// Most tables that are told for being read as a whole.
const MAX_SCANNED: usize = 50;
/// Most recommendations that are kept until the best of them are told.
const MAX_DRAFTS: usize = 10_000;
/// Tables that wait for their look.
const BUFFER: usize = 16;
/// What an unused index comes to at least: as many bytes, or one part in 200 of the database.
const UNUSED_BYTES: i64 = 10 * 1024 * 1024;
const UNUSED_PART: i64 = 200;

impl SchemaService {
    /// What is recommended, cut to what an answer holds, and how much there is in all. Read from the connection itself: every
    /// server counts alone.
    pub async fn recommend_indexes(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        request: &AdviceRequest,
    ) -> Result<(Advice, usize)> {
        let mut advice = self.advise(context, connection, request).await?;
        let total = advice.recommendations.len();
        advice.recommendations.truncate(request.limit as usize);
        let mut size = 0;
        let fits = advice.recommendations.iter().take_while(|recommendation| {
            size += approximate_size(recommendation);
            size <= MAX_ANSWER_SIZE
        });
        let fits = fits.count().max(1);
        advice.recommendations.truncate(fits);
        Ok((advice, total))
    }

    /// All that is recommended.
    async fn advise(
        &self,
        context: &CallContext,
        connection: &ConnectionId,
        request: &AdviceRequest,
    ) -> Result<Advice> {
        let lease = self.databases.database(context.account(), connection).await?;
        let work = async {
            let (time, began) = (Timestamp::now(), Instant::now());
            let mut adviser = Adviser {
                request,
                dialect: lease.require_dialect()?,
                advise: lease.require_advise()?,
                inspect: lease.require_inspect()?,
                sources: Vec::new(),
                time,
            };
            let usage = adviser.advise.usage().await?;
            let unused = Box::pin(adviser.unused(&usage, self, context, connection)).await?;
            Box::pin(adviser.run(usage, unused, began)).await
        };
        lease.run(Box::pin(work)).await
    }
}

/// One run.
struct Adviser<'a> {
    request: &'a AdviceRequest,
    dialect: &'static dyn Dialect,
    advise: &'a dyn Advise,
    inspect: &'a dyn Inspect,
    sources: Vec<AdviceSource>,
    time: Timestamp,
}

/// What one pass over the tables found.
#[derive(Default)]
struct Looked {
    drafts: Vec<Draft>,
    kept: HashMap<ObjectName, Table>,
    /// Tables that a full-text table of SQLite stands for.
    searched: BTreeSet<String>,
    scanned: Vec<(TableUse, i64)>,
    /// Tables that were not looked at, because there was enough to recommend.
    unseen: usize,
    /// Tables of which no statement is regarded, because there were enough of them.
    unkept: usize,
    skipped: Vec<Skipped>,
}

impl Adviser<'_> {
    async fn run(mut self, mut usage: Usage, unused: Option<Unused>, began: Instant) -> Result<Advice> {
        let counted = Counted::of(&usage);
        self.sources.append(&mut usage.sources);
        let statements = self.statements(usage.statements)?;
        let mut looked = self.look(&counted, unused.as_ref(), &statements).await?;
        for (count, what) in [
            (looked.unseen, "were not looked at: there was enough to recommend before"),
            (looked.unkept, "were not regarded for statements and searches: there were enough before"),
        ] {
            if count > 0 {
                let detail = format!("{count} tables {what}");
                self.sources.push(AdviceSource::missing("tables", detail, "ask for fewer tables with `name_pattern`"));
            }
        }
        self.leave_to_builders(&mut looked.drafts).await?;
        let resolver = Resolver { dialect: self.dialect, tables: &looked.kept };
        let (searches, candidates) = (resolver.searches(&statements.read), self.candidates(&resolver, &statements));
        leave_to_callers(&mut looked.drafts, &resolver.own_lookups(&statements.read));
        let lengths = self.lengths(&looked).await?;
        let text = TextLook {
            request: self.request,
            dialect: self.dialect,
            advise: self.advise,
            counted: &counted,
            statements: &statements.read,
            searches: &searches,
            lengths: &lengths,
        };
        if self.request.rules.has(rules::FULL_TEXT) {
            let unsearched = looked.kept.values().filter(|table| !looked.searched.contains(&table.name));
            looked.drafts.extend(unsearched.filter_map(|table| text.look(table)));
        }
        let tried = self.try_candidates(candidates, &looked.kept, &statements.read, &counted).await?;
        let mut drafts = looked.drafts;
        drafts.extend(tried);
        draft::sort(&mut drafts);
        let mut drafts = draft::fold_prefixes(drafts);
        self.settle_names(&mut drafts).await?;
        for draft in &mut drafts {
            draft.estimate_size((self.dialect, self.advise), &lengths);
        }
        looked.scanned.sort_by_key(|(used, rows)| (std::cmp::Reverse(*rows), used.table.clone()));
        looked.scanned.truncate(MAX_SCANNED);
        let finished = drafts.into_iter().map(|draft| {
            let used = counted.tables.get(&draft.table.name);
            draft.finish(used)
        });
        Ok(Advice {
            recommendations: finished.collect(),
            sources: self.sources,
            since: usage.since,
            statements: statements.counted,
            unread_statements: statements.unread,
            scanned_tables: looked.scanned,
            skipped: looked.skipped,
            time: self.time,
            duration: began.elapsed(),
        })
    }

    fn statements(&mut self, counted: Vec<crate::model::schema::StatementUse>) -> Result<Statements> {
        let own = &self.request.statements;
        self.sources.push(match own.len() {
            0 => AdviceSource::missing("own-statements", "the request gives none", "give some in `statements`"),
            count => AdviceSource::used("own-statements", format!("{count} of the request")),
        });
        Statements::read(self.dialect, own, counted)
    }

    /// An index of which the build began after the builds were read is not unfinished.
    async fn leave_to_builders(&self, drafts: &mut Vec<Draft>) -> Result<()> {
        if drafts.iter().any(|draft| draft.rule.id == rules::INVALID_INDEX.id) {
            let building = self.advise.usage().await?.building;
            drafts.retain(|draft| draft.rule.id != rules::INVALID_INDEX.id || !building.contains(&draft.table.name));
        }
        Ok(())
    }

    /// Nothing that is recommended takes a name that something has, whether it was looked at or not.
    async fn settle_names(&mut self, drafts: &mut Vec<Draft>) -> Result<()> {
        let mut taken = self.advise.taken_names(&draft::wanted_names(drafts)).await?;
        if !taken.is_empty() {
            taken.extend(self.advise.taken_names(&draft::other_names(&taken, self.dialect)).await?);
        }
        for taken in draft::settle_names(drafts, taken, self.dialect) {
            let detail =
                format!("{taken} is there already, so that no full-text search that takes the name is recommended");
            self.sources.push(AdviceSource::missing("names", detail, ""));
        }
        Ok(())
    }

    fn candidates(&self, resolver: &Resolver<'_>, statements: &Statements) -> Vec<statements::Candidate> {
        match self.request.rules.has(rules::MISSING_INDEX) {
            true => resolver.candidates(self.request, &statements.read),
            false => Vec::new(),
        }
    }

    /// Reads every table that is asked for, and looks at it.
    async fn look(&self, counted: &Counted, unused: Option<&Unused>, statements: &Statements) -> Result<Looked> {
        let (sender, mut tables) = mpsc::channel(BUFFER);
        let filter = &self.request.filter;
        let reading = self.inspect.stream_tables(filter, sender);
        let looking = async {
            let rules =
                TableLook { request: self.request, dialect: self.dialect, advise: self.advise, counted, unused };
            let mut looked = Looked::default();
            while let Some(table) = tables.recv().await {
                if looked.drafts.len() < MAX_DRAFTS {
                    rules.look(&table, &mut looked.drafts);
                } else {
                    looked.unseen += 1;
                }
                looked.searched.extend(content_table(&table));
                let name = draft::name_of(&table);
                if let Some(used) = counted.tables.get(&name).filter(|used| used.is_mostly_scanned())
                    && table.row_estimate >= self.request.min_rows
                {
                    looked.scanned.push((used.clone(), table.row_estimate));
                }
                let is_wanted = !table::is_own(&table)
                    && (statements.mentions(&table.name) || text::is_suspect(&table, self.request, self.dialect));
                if is_wanted && looked.kept.len() < MAX_KEPT {
                    looked.kept.insert(name, table);
                } else if is_wanted {
                    looked.unkept += 1;
                }
            }
            looked
        };
        let (skipped, mut looked) = tokio::join!(reading, looking);
        looked.skipped = skipped?;
        Ok(looked)
    }

    async fn lengths(&self, looked: &Looked) -> Result<crate::engine::advise::ColumnLengths> {
        let of_drafts = looked.drafts.iter().map(|draft| &draft.table.name);
        let tables: BTreeSet<&ObjectName> = looked.kept.keys().chain(of_drafts).collect();
        let tables: Vec<ObjectName> = tables.into_iter().cloned().collect();
        if tables.is_empty() { Ok(HashMap::new()) } else { self.advise.column_lengths(&tables).await }
    }

    /// What says that nobody uses an index; absent where that is not known for long enough, or not of every replica.
    async fn unused(
        &mut self,
        usage: &Usage,
        service: &SchemaService,
        context: &CallContext,
        connection: &ConnectionId,
    ) -> Result<Option<Unused>> {
        if !self.request.rules.has(rules::UNUSED_INDEX) || usage.indexes.is_empty() {
            return Ok(None);
        }
        if !self.is_long_enough(usage.since, &name::connection(connection)) {
            return Ok(None);
        }
        let mut scans = Vec::new();
        for replica in service.databases.replicas(context.account(), connection).await? {
            let counted = async {
                let lease = service.databases.database(context.account(), &replica).await?;
                lease.run(lease.require_advise()?.index_use()).await
            };
            let (counted, replica) = (counted.await, name::connection(&replica));
            match counted {
                Ok((since, _)) if !self.is_long_enough(since, &replica) => return Ok(None),
                Ok((_, counted)) => {
                    self.sources.push(AdviceSource::used("replica", replica.clone()));
                    scans.push((replica, index_scans(&counted)));
                }
                Err(error) => {
                    let detail = format!("{replica}: {}; no index is called unused without its word", error.message());
                    self.sources.push(AdviceSource::missing("replica", detail, "mend or remove the replica"));
                    return Ok(None);
                }
            }
        }
        let database_bytes = self.inspect.database().await?.size_bytes;
        let by_size = if database_bytes >= 0 { UNUSED_BYTES.min(database_bytes / UNUSED_PART) } else { UNUSED_BYTES };
        let min_bytes = self.request.min_unused_bytes.unwrap_or(by_size);
        Ok(Some(Unused { min_bytes, database_bytes, replicas: scans }))
    }

    /// Statistics have been collected for as long as is asked for; otherwise that is told.
    fn is_long_enough(&mut self, since: Option<Timestamp>, server: &str) -> bool {
        let window = since.map(|since| since.until(self.time)).unwrap_or_default();
        if window >= self.request.min_window {
            return true;
        }
        let (known, wanted) = (whole_seconds(window), whole_seconds(self.request.min_window));
        let detail = format!(
            "statistics of {server} were collected for {known} and not for {wanted}, so that no index is called unused"
        );
        self.sources.push(AdviceSource::missing("window", detail, "wait, or give a shorter `min_window`"));
        false
    }
}

/// An index that a statement of the caller needs is not unused, though nobody ran the statement yet. That of an expression may be one.
fn leave_to_callers(drafts: &mut Vec<Draft>, lookups: &HashMap<ObjectName, BTreeSet<String>>) {
    drafts.retain(|draft| {
        let is_needed = |columns: &BTreeSet<String>| draft.columns.first().is_none_or(|first| columns.contains(first));
        draft.rule.id != rules::UNUSED_INDEX.id || !lookups.get(&draft.table.name).is_some_and(is_needed)
    });
}

fn whole_seconds(span: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(span.as_secs()))
}

/// The table that a full-text table of SQLite has its texts in.
fn content_table(table: &Table) -> Option<String> {
    let Some(TableDetails::Sqlite(details)) = &table.details else { return None };
    let module = details.module.as_ref().filter(|module| module.name.to_lowercase().starts_with("fts"))?;
    module.arguments.iter().find_map(|argument| {
        let (name, value) = argument.split_once('=')?;
        let value = value.trim().trim_matches(['\'', '"', '`', '[', ']']);
        (name.trim() == "content").then(|| value.to_owned())
    })
}
