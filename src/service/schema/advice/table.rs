//! The rules that need one table and what was counted of it.

use std::{collections::HashMap, sync::Arc};

use super::{
    draft::{Draft, TableFacts, changed, figure},
    rules::{self, AdviceRequest},
};
use crate::{
    engine::{Advise, Dialect, advise::TwoWay, migrate::HISTORY_TABLE},
    model::{
        connection::EngineKind,
        schema::{
            FigureKind, Generation, Index, IndexUse, NeutralType, ObjectName, ReplicaIdentity, SchemaChange, Table,
            TableDetails, TableKind, TableUse, Usage,
        },
    },
    service::schema::lint::{Superfluous, is_covered, superfluous},
};

/// Scans of indexes by table and name.
pub(super) type IndexScans = HashMap<ObjectName, HashMap<String, i64>>;

/// What was counted, to be looked up.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) tables: HashMap<ObjectName, TableUse>,
    pub(super) indexes: IndexScans,
    pub(super) building: Vec<ObjectName>,
    /// Columns that foreign keys point to, by their table.
    pub(super) referenced: HashMap<ObjectName, Vec<Vec<String>>>,
    pub(super) table_source: String,
    pub(super) index_source: String,
    pub(super) statement_source: String,
    pub(super) column_source: String,
}

impl Counted {
    pub(super) fn of(usage: &Usage) -> Self {
        let source = |name: &str| {
            let found = usage.sources.iter().find(|source| source.name == name && source.used);
            found.map(|source| source.detail.clone()).unwrap_or_default()
        };
        Self {
            tables: usage.tables.iter().map(|used| (used.table.clone(), used.clone())).collect(),
            indexes: index_scans(&usage.indexes),
            building: usage.building.clone(),
            referenced: usage.referenced.iter().fold(HashMap::new(), |mut all, (table, columns)| {
                let of_table: &mut Vec<Vec<String>> = all.entry(table.clone()).or_default();
                of_table.push(columns.clone());
                all
            }),
            table_source: source("table-statistics"),
            index_source: source("index-statistics"),
            statement_source: source("statement-statistics"),
            column_source: source("column-statistics"),
        }
    }
}

pub(super) fn index_scans(indexes: &[IndexUse]) -> IndexScans {
    let mut scans = IndexScans::new();
    for used in indexes {
        scans.entry(used.table.clone()).or_default().insert(used.index.clone(), used.scans);
    }
    scans
}

/// What says that nobody uses an index.
#[derive(Debug)]
pub(super) struct Unused {
    pub(super) min_bytes: i64,
    pub(super) database_bytes: i64,
    /// Scans on each replica, by its name.
    pub(super) replicas: Vec<(String, IndexScans)>,
}

/// One table under the rules.
pub(super) struct TableLook<'a> {
    pub(super) request: &'a AdviceRequest,
    pub(super) dialect: &'a dyn Dialect,
    pub(super) advise: &'a dyn Advise,
    pub(super) counted: &'a Counted,
    /// Absent: nothing can be said about that.
    pub(super) unused: Option<&'a Unused>,
}

impl TableLook<'_> {
    pub(super) fn look(&self, table: &Table, drafts: &mut Vec<Draft>) {
        if !matches!(table.kind, TableKind::Table | TableKind::PartitionedTable) || is_own(table) {
            return;
        }
        let facts = TableFacts::of(table);
        self.sequences(table, &facts, drafts);
        self.invalid_indexes(table, &facts, drafts);
        self.foreign_keys(table, drafts);
        // What is told to go is gone for what is told next, and what serves in its place stays.
        let mut left = table.clone();
        let serving = self.superfluous_indexes(&mut left, &facts, drafts);
        self.unused_indexes(left, &facts, &serving, drafts);
    }

    fn sequences(&self, table: &Table, facts: &Arc<TableFacts>, drafts: &mut Vec<Draft>) {
        // The columns of a part are those of the partitioned table.
        if is_part(table) || !self.request.rules.has(rules::SEQUENCE_EXHAUSTION) {
            return;
        }
        for column in &table.columns {
            let Some(NeutralType::Integer { bits: bits @ ..=32, unsigned }) =
                self.dialect.neutral_type(&column.data_type)
            else {
                continue;
            };
            let largest = (1_i64 << bits) / if unsigned { 1 } else { 2 } - 1;
            let owned = column.sequence.as_ref().and_then(|sequence| sequence.last_value.as_ref()?.parse::<i64>().ok());
            let next = match &table.details {
                Some(TableDetails::Mysql(details)) if column.generation == Generation::AutoIncrement => {
                    details.auto_increment.and_then(|next| i64::try_from(next).ok())
                }
                _ => None,
            };
            let Some(last) = owned.or(next.map(|next| next - 1)) else { continue };
            if last.saturating_mul(10) <= largest.saturating_mul(9) {
                continue;
            }
            let Some(mut change) = self.advise.widen(table, column) else { continue };
            let is_meant = |columns: &Vec<String>| columns.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
            let is_held = self.dialect.engine() == EngineKind::Mysql
                && self.counted.referenced.get(&facts.name).is_some_and(|keys| keys.iter().any(is_meant));
            let message = format!(
                "{} was given {last} of at most {largest}, after which every insert fails; make it 64 bits wide, and the columns \
                 that point to it. The whole table is written anew under a lock",
                column.name
            );
            let message = match is_held {
                true => format!(
                    "{message}. The server refuses that while foreign keys point to it, so that there is no ready migration: \
                     drop those, widen both sides, and make them again"
                ),
                false => message,
            };
            if is_held {
                change = TwoWay::default();
            }
            let mut draft = Draft::new(rules::SEQUENCE_EXHAUSTION, facts, "", message);
            draft.figure(FigureKind::LastValue, last, "catalog");
            draft.figure(FigureKind::LargestValue, largest, "catalog");
            drafts.push(Draft { columns: vec![column.name.clone()], verb: "widen", change, ..draft });
        }
    }

    fn invalid_indexes(&self, table: &Table, facts: &Arc<TableFacts>, drafts: &mut Vec<Draft>) {
        let is_building = self.counted.building.contains(&facts.name);
        if !self.request.rules.has(rules::INVALID_INDEX) || is_building {
            return;
        }
        for index in table.indexes.iter().filter(|index| !index.valid) {
            let Some(change) = self.advise.mend(table, index) else { continue };
            let cure = match self.advise.is_left_behind(index) {
                true => "a REINDEX left it behind, and the index that it was to replace is there: drop it",
                false => {
                    "build it anew; where the build failed for values that are there twice, it fails for them again"
                }
            };
            let message = format!("{} was left unfinished: writers keep it, and no query uses it; {cure}", index.name);
            let mut draft = Draft::new(rules::INVALID_INDEX, facts, &index.name, message);
            draft.figure(FigureKind::IndexSize, index.size_bytes, "catalog");
            drafts.push(Draft {
                columns: columns_of(index),
                verb: "mend",
                change,
                beside: self.advise.works_beside(table.kind),
                ..draft
            });
        }
    }

    fn foreign_keys(&self, table: &Table, drafts: &mut Vec<Draft>) {
        // An index of the partitioned table is made in each of its parts.
        if is_part(table) || !self.request.rules.has(rules::UNINDEXED_FOREIGN_KEY) {
            return;
        }
        for key in table.foreign_keys.iter().filter(|key| !is_covered(table, &key.columns)) {
            let message = format!(
                "no index begins with {}, so that a delete or a change of the key in {} reads all of this table",
                key.columns.join(", "),
                key.referenced_table
            );
            let engine = (self.dialect, self.advise);
            let mut draft = Draft::create(rules::UNINDEXED_FOREIGN_KEY, table, &key.columns, message, engine);
            let used = self.counted.tables.get(&draft.table.name);
            draft.table_figures(used, &self.counted.table_source);
            drafts.push(draft);
        }
    }

    /// Takes those that it tells out of the table. The names of those that serve in their place.
    fn superfluous_indexes(&self, left: &mut Table, facts: &Arc<TableFacts>, drafts: &mut Vec<Draft>) -> Vec<String> {
        let table = left.clone();
        let mut serving: Vec<String> = Vec::new();
        // The longest first, so that none is told to serve for another and then to go itself.
        let mut names: Vec<&Index> = table.indexes.iter().collect();
        names.sort_by_key(|index| std::cmp::Reverse(index.parts.len()));
        for Index { name, .. } in names {
            if serving.contains(name) {
                continue;
            }
            let found = superfluous(left).find(|found| found.index.name == *name);
            let Some(Superfluous { index, other, is_equal }) = found else { continue };
            let (rule, how) = match is_equal {
                true => (rules::DUPLICATE_INDEX, "has the same terms"),
                false => (rules::REDUNDANT_INDEX, "begins with the same terms"),
            };
            if !self.request.rules.has(rule) || is_needed(&table, index) {
                continue;
            }
            let message = format!("{} {how} as {}, and serves the same queries", other.name, index.name);
            if let Some(draft) = self.drop(rule, &table, facts, index, message) {
                serving.push(other.name.clone());
                drafts.push(draft);
                left.indexes.retain(|index| index.name != *name);
            }
        }
        serving
    }

    fn unused_indexes(&self, mut left: Table, facts: &Arc<TableFacts>, serving: &[String], drafts: &mut Vec<Draft>) {
        let Some(unused) = self.unused.filter(|_| self.request.rules.has(rules::UNUSED_INDEX)) else { return };
        let table = left.clone();
        for index in &table.indexes {
            let is_kept = index.unique || is_needed(&table, index) || !index.valid || serving.contains(&index.name);
            // Not every read of the other kinds of MySQL and MariaDB is counted for the index.
            let is_counted = self.dialect.engine() != EngineKind::Mysql || index.method == "btree";
            if is_kept || !is_counted || self.bytes(facts, index) < unused.min_bytes || serves_a_key(&left, index) {
                continue;
            }
            // InnoDB lets a foreign key of any table point to what is not unique, and needs an index for that.
            if self.counted.referenced.get(&facts.name).is_some_and(|keys| keys.iter().any(|key| begins(index, key))) {
                continue;
            }
            let scans = |counted: &IndexScans| counted.get(&facts.name).and_then(|of| of.get(&index.name)).copied();
            let everywhere =
                std::iter::once(&self.counted.indexes).chain(unused.replicas.iter().map(|(_, scans)| scans));
            if !everywhere.into_iter().all(|counted| scans(counted) == Some(0)) {
                continue;
            }
            let message = format!("nothing has read {} since statistics began, and every write keeps it", index.name);
            let Some(mut draft) = self.drop(rules::UNUSED_INDEX, &table, facts, index, message) else { continue };
            draft.figure(FigureKind::DatabaseSize, unused.database_bytes, "catalog");
            for (replica, _) in &unused.replicas {
                draft.figure(FigureKind::IndexScans, 0, format!("{replica} {}", self.counted.index_source));
            }
            drafts.push(draft);
            left.indexes.retain(|other| other.name != index.name);
        }
    }

    /// As the engine tells, or by the formula where it tells only the sum of all.
    fn bytes(&self, facts: &TableFacts, index: &Index) -> i64 {
        if index.size_bytes >= 0 {
            return index.size_bytes;
        }
        let engine = (self.dialect, self.advise);
        facts.index_bytes(&columns_of(index), engine, &HashMap::new()).unwrap_or(0)
    }

    fn drop(
        &self,
        rule: &'static crate::model::schema::AdviceRule,
        table: &Table,
        facts: &Arc<TableFacts>,
        index: &Index,
        message: String,
    ) -> Option<Draft> {
        let changed = changed(&facts.name, table.kind, self.dialect);
        let up = self.dialect.statements(&changed, &SchemaChange::DropIndex { name: index.name.clone() });
        let change = TwoWay { up, down: vec![self.advise.make_again(table, index)?] };
        let mut draft = Draft::new(rule, facts, &index.name, message);
        draft.figure(FigureKind::IndexSize, index.size_bytes, "catalog");
        let scans = self.counted.indexes.get(&facts.name).and_then(|of| of.get(&index.name)).copied().unwrap_or(-1);
        draft.evidence.extend(figure(FigureKind::IndexScans, scans, &*self.counted.index_source));
        let beside = self.advise.works_beside(table.kind);
        Some(Draft { columns: columns_of(index), verb: "drop", change, beside, entries: Some(-1), ..draft })
    }
}

/// What migrations keep there is nobody's to change.
pub(super) fn is_own(table: &Table) -> bool {
    table.name.eq_ignore_ascii_case(HISTORY_TABLE)
}

fn is_part(table: &Table) -> bool {
    matches!(&table.details, Some(TableDetails::Postgres(details)) if details.partition_of.is_some())
}

/// The columns of an index; none where one of its terms is an expression.
fn columns_of(index: &Index) -> Vec<String> {
    let column = |part: &crate::model::schema::IndexPart| match &part.term {
        crate::model::schema::IndexTerm::Column(column) => Some(column.clone()),
        crate::model::schema::IndexTerm::Expression(_) => None,
    };
    index.parts.iter().map(column).collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// Its first columns are those of a key, in any order.
fn begins(index: &Index, key: &[String]) -> bool {
    let columns = columns_of(index);
    let same = |one: &String, other: &String| one.eq_ignore_ascii_case(other);
    columns.len() >= key.len()
        && key.iter().all(|wanted| columns[..key.len()].iter().any(|column| same(column, wanted)))
}

/// Something other than queries needs the index, or it cannot go by itself.
fn is_needed(table: &Table, index: &Index) -> bool {
    let tells_rows_apart = match &table.details {
        Some(TableDetails::Postgres(details)) => details.replica_identity == ReplicaIdentity::Index(index.name.clone()),
        _ => false,
    };
    index.primary
        || !index.constraint.is_empty()
        || index.partition_of.is_some()
        || tells_rows_apart
        || table.unique_constraints.iter().any(|key| key.index == index.name)
        || table.exclusions.iter().any(|exclusion| exclusion.name == index.name)
}

/// Without it a foreign key would have no index, and would be told by its own rule.
fn serves_a_key(table: &Table, index: &Index) -> bool {
    if table.foreign_keys.is_empty() {
        return false;
    }
    let mut without = table.clone();
    without.indexes.retain(|other| other.name != index.name);
    table.foreign_keys.iter().any(|key| is_covered(table, &key.columns) && !is_covered(&without, &key.columns))
}
