//! A recommendation while it is made.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use ring::digest::{SHA256, digest};

use crate::{
    engine::{
        Advise, Dialect,
        advise::{ColumnLengths, TwoWay},
        dialect::names::{index_name, snake_case},
    },
    model::{
        connection::EngineKind,
        schema::{
            AdviceRule, ChangedTable, Figure, FigureKind, NeutralType, ObjectName, PlanComparison, Recommendation,
            SchemaChange, SizeEstimate, Table, TableKind, TableUse, WriteCost,
        },
    },
};

/// Longest title of a migration.
const MAX_TITLE: usize = 100;
/// A line that keeps a migration out of a transaction.
const NO_TRANSACTION: &str = "-- dbkeeper: no-transaction";

/// Numbers that are tried behind a name that is taken.
const OTHER_NAMES: usize = 20;

/// What stays of a table when its look is over.
#[derive(Debug, Default)]
pub(super) struct TableFacts {
    pub(super) name: ObjectName,
    pub(super) kind: TableKind,
    pub(super) rows: i64,
    primary_key: Vec<String>,
    types: HashMap<String, String>,
}

impl TableFacts {
    pub(super) fn of(table: &Table) -> Arc<Self> {
        Arc::new(Self {
            name: name_of(table),
            kind: table.kind,
            rows: table.row_estimate,
            primary_key: table.primary_key.as_ref().map(|key| key.columns.clone()).unwrap_or_default(),
            types: table.columns.iter().map(|column| (column.name.clone(), column.data_type.clone())).collect(),
        })
    }

    /// Bytes of an index by the formula, where the lengths of all of its columns are known.
    pub(super) fn index_bytes(
        &self,
        columns: &[String],
        (dialect, advise): (&dyn Dialect, &dyn Advise),
        lengths: &ColumnLengths,
    ) -> Option<i64> {
        let known = lengths.get(&self.name);
        let length = |column: &String| {
            let average = known.and_then(|lengths| lengths.get(column)).copied();
            average.or_else(|| type_length(dialect.neutral_type(self.types.get(column)?)?))
        };
        let sum = |columns: &[String]| columns.iter().map(length).sum::<Option<f64>>();
        // A table of SQLite or MySQL without a key of its own has a number of 6 or 8 bytes in its place.
        let primary = if self.primary_key.is_empty() { Some(6.0) } else { sum(&self.primary_key) };
        if self.rows < 0 || columns.is_empty() {
            return None;
        }
        Some(advise.index_bytes(self.rows, sum(columns)?, primary?))
    }
}

/// A recommendation that lacks figures of its size and its plans.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) rule: &'static AdviceRule,
    pub(super) answers: Vec<&'static str>,
    pub(super) table: Arc<TableFacts>,
    pub(super) index: String,
    pub(super) columns: Vec<String>,
    pub(super) message: String,
    pub(super) evidence: Vec<Figure>,
    /// Begins the title of the migration.
    pub(super) verb: &'static str,
    pub(super) change: TwoWay,
    /// Its statements run beside the work of others, in no transaction.
    pub(super) beside: bool,
    /// Entries that each new row writes more; absent: writers notice nothing.
    pub(super) entries: Option<i32>,
    pub(super) usage: String,
    /// It makes an ordinary index on its columns.
    pub(super) makes_index: bool,
    /// The names that it takes, where it makes something.
    pub(super) takes: Vec<String>,
    pub(super) size: Option<SizeEstimate>,
    pub(super) plans: Vec<PlanComparison>,
}

impl Draft {
    pub(super) fn new(rule: &'static AdviceRule, table: &Arc<TableFacts>, index: &str, message: String) -> Self {
        Self {
            rule,
            answers: Vec::new(),
            table: table.clone(),
            index: index.to_owned(),
            columns: Vec::new(),
            message,
            evidence: rows_figure(table).into_iter().collect(),
            verb: "change",
            change: TwoWay::default(),
            beside: false,
            entries: None,
            usage: String::new(),
            makes_index: false,
            takes: Vec::new(),
            size: None,
            plans: Vec::new(),
        }
    }

    /// A new index on columns, with a name that the table has not yet.
    pub(super) fn create(
        rule: &'static AdviceRule,
        table: &Table,
        columns: &[String],
        message: String,
        (dialect, advise): (&dyn Dialect, &dyn Advise),
    ) -> Self {
        let index = free_name(table, columns, dialect);
        let changed = changed(&name_of(table), table.kind, dialect);
        let up = SchemaChange::CreateIndex { name: index.clone(), columns: columns.to_vec() };
        let down = SchemaChange::DropIndex { name: index.clone() };
        let change = TwoWay { up: dialect.statements(&changed, &up), down: dialect.statements(&changed, &down) };
        Self {
            columns: columns.to_vec(),
            verb: "create",
            change,
            beside: advise.works_beside(table.kind),
            entries: Some(1),
            makes_index: true,
            takes: vec![index.clone()],
            ..Self::new(rule, &TableFacts::of(table), &index, message)
        }
    }

    /// A new index under another name.
    fn rename(&mut self, name: String, dialect: &dyn Dialect) {
        let changed = changed(&self.table.name, self.table.kind, dialect);
        let up = SchemaChange::CreateIndex { name: name.clone(), columns: self.columns.clone() };
        let down = SchemaChange::DropIndex { name: name.clone() };
        self.change = TwoWay { up: dialect.statements(&changed, &up), down: dialect.statements(&changed, &down) };
        self.takes = vec![name.clone()];
        self.index = name;
    }

    /// The room that its names must be unlike in: of a schema, or of a table.
    fn room(&self, dialect: &dyn Dialect) -> ObjectName {
        let ObjectName { schema, name } = &self.table.name;
        let name = if dialect.shares_index_names() { String::new() } else { name.clone() };
        ObjectName { schema: schema.clone(), name }
    }

    pub(super) fn figure(&mut self, kind: FigureKind, value: i64, source: impl Into<String>) {
        self.evidence.extend(figure(kind, value, source));
    }

    /// What was counted of the table.
    pub(super) fn table_figures(&mut self, used: Option<&TableUse>, source: &str) {
        let Some(used) = used else { return };
        self.figure(FigureKind::SequentialScans, used.sequential_scans, source);
        self.figure(FigureKind::SequentialRows, used.sequential_rows, source);
        self.figure(FigureKind::IndexScans, used.index_scans, source);
    }

    /// Stays the same as long as rule, table, index and columns do.
    pub(super) fn id(&self) -> String {
        let ObjectName { schema, name } = &self.table.name;
        let mut text = [self.rule.id, schema, name, &self.index].join("\0");
        for column in &self.columns {
            text.push('\0');
            text.push_str(column);
        }
        let hash = hex::encode(&digest(&SHA256, text.as_bytes()).as_ref()[..8]);
        format!("{}-{hash}", self.rule.id)
    }

    /// Bytes that it would take, where nobody said so yet.
    pub(super) fn estimate_size(&mut self, engine: (&dyn Dialect, &dyn Advise), lengths: &ColumnLengths) {
        if self.makes_index && self.size.is_none() {
            let bytes = self.table.index_bytes(&self.columns, engine, lengths);
            self.size = bytes.map(|bytes| SizeEstimate { bytes, method: "formula" });
        }
    }

    /// Answers for another one too.
    fn absorb(&mut self, other: Self) {
        for rule in std::iter::once(other.rule.id).chain(other.answers) {
            if rule != self.rule.id && !self.answers.contains(&rule) {
                self.answers.push(rule);
            }
        }
        self.plans.extend(other.plans);
        self.plans.truncate(super::MAX_PLANS);
    }

    pub(super) fn finish(self, used: Option<&TableUse>) -> Recommendation {
        let writes = used.map(|used| used.writes).filter(|writes| writes.inserts >= 0);
        let subject = if self.index.is_empty() { self.columns.join("_") } else { self.index.clone() };
        let mut title = format!("{}_{}", self.verb, snake_case(&subject));
        title.truncate(title.floor_char_boundary(MAX_TITLE));
        Recommendation {
            id: self.id(),
            write_cost: self.entries.map(|entries_per_row| WriteCost { entries_per_row, writes }),
            up: match self.change.up.as_slice() {
                [] => String::new(),
                statements => script(self.rule, self.beside, statements),
            },
            down: match self.change.down.as_slice() {
                [] if self.change.up.is_empty() => String::new(),
                [] => "-- What it mends stays mended: there is nothing to take back.\n".to_owned(),
                statements => script(self.rule, self.beside, statements),
            },
            rule: self.rule,
            answers: self.answers,
            table: self.table.name.clone(),
            index: self.index,
            columns: self.columns,
            message: self.message,
            evidence: self.evidence,
            plans: self.plans,
            size: self.size,
            title,
            usage: self.usage,
        }
    }
}

/// The text of a file of a migration. It holds no figures, so that it is the same as long as what it does.
fn script(rule: &AdviceRule, beside: bool, statements: &[String]) -> String {
    let mut text = format!("-- Recommended by the rule {}.\n", rule.id);
    if beside {
        text += NO_TRANSACTION;
        text.push('\n');
    }
    for statement in statements {
        text += statement;
        text.push('\n');
    }
    text
}

/// A figure; absent where the engine does not tell.
pub(super) fn figure(kind: FigureKind, value: i64, source: impl Into<String>) -> Option<Figure> {
    (value >= 0).then(|| Figure { kind, value: value as f64, source: source.into() })
}

fn rows_figure(table: &TableFacts) -> Option<Figure> {
    figure(FigureKind::RowEstimate, table.rows, "catalog")
}

/// As a migration names it: that of a set may run on several databases of MySQL, each of another name.
pub(super) fn changed(name: &ObjectName, kind: TableKind, dialect: &dyn Dialect) -> ChangedTable<'static> {
    let mut name = name.clone();
    if dialect.engine() == EngineKind::Mysql {
        name.schema.clear();
    }
    // No index changes a check.
    ChangedTable { name, kind, checks: &[] }
}

pub(super) fn name_of(table: &Table) -> ObjectName {
    ObjectName { schema: table.schema.clone(), name: table.name.clone() }
}

/// The name by the conventions, with a number behind it where an index of the table has it.
fn free_name(table: &Table, columns: &[String], dialect: &dyn Dialect) -> String {
    let limit = dialect.max_name_length();
    let name = index_name(&table.name, columns, limit);
    let is_taken = |name: &str| table.indexes.iter().any(|index| index.name.eq_ignore_ascii_case(name));
    numbered(&name, limit).find(|name| !is_taken(name)).unwrap_or(name)
}

/// Bytes of a value of a type, where all of its values have as many.
fn type_length(neutral: NeutralType) -> Option<f64> {
    use NeutralType as T;
    Some(match neutral {
        T::Boolean => 1.0,
        T::Integer { bits, .. } | T::Float { bits } => f64::from(bits) / 8.0,
        T::Money | T::Timestamp { .. } => 8.0,
        T::Date => 4.0,
        T::Time { .. } => 8.0,
        T::Uuid => 16.0,
        T::PaddedText { length } => f64::from(length),
        T::Decimal { .. } | T::Text { .. } | T::Bytes | T::Json { .. } => return None,
    })
}

/// A new index that begins with the columns of another new one answers for it, so that nobody makes both.
pub(super) fn fold_prefixes(drafts: Vec<Draft>) -> Vec<Draft> {
    let mut kept: Vec<Draft> = Vec::with_capacity(drafts.len());
    let mut of_table: HashMap<ObjectName, Vec<usize>> = HashMap::new();
    for draft in drafts {
        if !draft.makes_index {
            kept.push(draft);
            continue;
        }
        let places = of_table.entry(draft.table.name.clone()).or_default();
        if let Some(longer) = places.iter().find(|place| kept[**place].columns.starts_with(&draft.columns)) {
            kept[*longer].absorb(draft);
        } else if let Some(place) = places.iter().find(|place| draft.columns.starts_with(&kept[**place].columns)) {
            let shorter = std::mem::replace(&mut kept[*place], draft);
            kept[*place].absorb(shorter);
        } else {
            places.push(kept.len());
            kept.push(draft);
        }
    }
    sort(&mut kept);
    kept
}

/// The names that drafts would take.
pub(super) fn wanted_names(drafts: &[Draft]) -> Vec<ObjectName> {
    let of_draft = |draft: &Draft| {
        let schema = draft.table.name.schema.clone();
        let name = move |name: &String| ObjectName { schema: schema.clone(), name: name.clone() };
        draft.takes.iter().map(name).collect::<Vec<_>>()
    };
    drafts.iter().flat_map(of_draft).collect()
}

/// What may stand in the place of those names that are taken.
pub(super) fn other_names(taken: &BTreeSet<ObjectName>, dialect: &dyn Dialect) -> Vec<ObjectName> {
    let others = |of: &ObjectName| {
        let numbered = numbered(&of.name, dialect.max_name_length()).skip(1).take(OTHER_NAMES);
        numbered.map(|name| ObjectName { schema: of.schema.clone(), name }).collect::<Vec<_>>()
    };
    taken.iter().flat_map(others).collect()
}

/// Gives new indexes names that nothing has, nor another new one, and leaves out searches whose names are taken. The names of those
/// are returned.
pub(super) fn settle_names(drafts: &mut Vec<Draft>, taken: BTreeSet<ObjectName>, dialect: &dyn Dialect) -> Vec<String> {
    let mut left_out = Vec::new();
    let in_room =
        |schema: ObjectName| ((ObjectName { name: String::new(), ..schema.clone() }), schema.name.to_lowercase());
    let mut taken: BTreeSet<(ObjectName, String)> = taken.into_iter().map(in_room).collect();
    drafts.retain_mut(|draft| {
        let room = draft.room(dialect);
        let is_free = |name: &String| !taken.contains(&(room.clone(), name.to_lowercase()));
        if draft.makes_index {
            let free = numbered(&draft.index, dialect.max_name_length()).find(is_free);
            if let Some(name) = free.filter(|name| *name != draft.index) {
                draft.rename(name, dialect);
            }
        } else if let Some(name) = draft.takes.iter().find(|name| !is_free(name)) {
            left_out.push(name.clone());
            return false;
        }
        taken.extend(draft.takes.iter().map(|name| (room.clone(), name.to_lowercase())));
        true
    });
    left_out
}

/// A name, and the name with numbers behind it.
fn numbered(name: &str, limit: usize) -> impl Iterator<Item = String> + use<> {
    let base = name.to_owned();
    let others = (2..).map(move |number: u32| {
        let number = format!("_{number}");
        format!("{}{number}", &base[..base.floor_char_boundary(limit.saturating_sub(number.len()))])
    });
    std::iter::once(name.to_owned()).chain(others)
}

/// In the order of an answer.
pub(super) fn sort(drafts: &mut [Draft]) {
    drafts.sort_by(|one, other| {
        let key =
            |draft: &Draft| (draft.rule.rank, draft.table.name.clone(), draft.index.clone(), draft.columns.clone());
        key(one).cmp(&key(other))
    });
}
