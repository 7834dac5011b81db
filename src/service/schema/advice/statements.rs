//! The rules that need statements: which indexes they lack, and which of them look for words.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    draft::{Draft, figure},
    rules::{self, AdviceRequest},
    table::Counted,
};
use crate::{
    engine::{
        Advise, Dialect,
        dialect::{Harmless, Misread, QueryShape, QueryTable, Term, TermKind},
    },
    model::{
        Error, Result,
        connection::EngineKind,
        schema::{
            FigureKind, Index, IndexTerm, MysqlTable, NeutralType, ObjectName, StatementUse, Table, TableDetails,
            TableKind, TrialStatement,
        },
    },
};

/// Most columns that are compared for equality which an index is made on.
const MAX_EQUAL: usize = 4;
/// Most columns that a range is taken of which an index is tried with.
const MAX_RANGES: usize = 3;
/// Most indexes that are tried.
const MAX_CANDIDATES: usize = 100;
/// Storage engines of MySQL and MariaDB whose rows are in the server itself.
const LOCAL_ENGINES: [&str; 4] = ["InnoDB", "MyISAM", "Aria", "MEMORY"];

/// A statement that could be read.
#[derive(Debug, Clone)]
pub(super) struct ReadStatement {
    pub(super) text: String,
    /// What the server counted of it; absent: the caller gave it.
    pub(super) counted: Option<StatementUse>,
    shape: QueryShape,
}

impl ReadStatement {
    /// As it is planned, where it may be.
    pub(super) fn for_trial(&self, harmless: std::result::Result<Harmless, String>) -> TrialStatement {
        let has_parameters = self.shape.has_parameters;
        match harmless {
            Ok(Harmless { text, tables }) => TrialStatement { text, has_parameters, tables, refused: None },
            Err(why) => {
                let refused = Some(format!("not planned: {why}"));
                TrialStatement { text: String::new(), has_parameters, tables: Vec::new(), refused }
            }
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Statements {
    pub(super) read: Vec<ReadStatement>,
    /// Of the statistics.
    pub(super) counted: usize,
    /// Those that could not be read.
    pub(super) unread: usize,
    names: BTreeSet<String>,
}

impl Statements {
    /// Reads the caller's, any of which is at fault where it cannot be read, and those of the statistics.
    pub(super) fn read(dialect: &dyn Dialect, own: &[String], counted: Vec<StatementUse>) -> Result<Self> {
        let mut statements = Self { counted: counted.len(), ..Self::default() };
        for (place, (text, shape)) in own.iter().zip(dialect.read_queries(own)?).enumerate() {
            let shape = shape.map_err(|misread| refused(place, &misread))?;
            statements.add(ReadStatement { text: text.clone(), counted: None, shape });
        }
        let texts: Vec<String> = counted.iter().map(|statement| statement.text.clone()).collect();
        for (statement, shape) in counted.into_iter().zip(dialect.read_queries(&texts)?) {
            match shape {
                Ok(shape) => {
                    // Comments of others may hold what is not for everybody.
                    let text = shape.text.clone();
                    statements.add(ReadStatement { text, counted: Some(statement), shape });
                }
                Err(_) => statements.unread += 1,
            }
        }
        Ok(statements)
    }

    fn add(&mut self, statement: ReadStatement) {
        let tables = statement.shape.scopes.iter().flat_map(|scope| &scope.tables);
        self.names.extend(tables.map(|table| table.name.to_lowercase()));
        self.read.push(statement);
    }

    /// A statement names a table like this.
    pub(super) fn mentions(&self, table: &str) -> bool {
        self.names.contains(&table.to_lowercase())
    }
}

fn refused(place: usize, misread: &Misread) -> Error {
    let Misread { line, column, problem } = misread;
    Error::invalid_field(&format!("statements[{place}]"), format!("line {line}, column {column}: {problem}"))
        .with_metadata("line", line.to_string())
        .with_metadata("column", column.to_string())
}

/// How the statements use one table: the columns of each, by the place of the statement.
#[derive(Debug, Default)]
struct Columns {
    equal: BTreeSet<usize>,
    joined: BTreeSet<usize>,
    ranges: Vec<usize>,
}

/// A search for words in a column.
#[derive(Debug, Clone, Default)]
pub(super) struct Search {
    pub(super) statements: BTreeSet<usize>,
    /// The pattern of at least one is known to begin with a wildcard.
    pub(super) is_known: bool,
}

/// Searches by table and column.
pub(super) type Searches = HashMap<ObjectName, BTreeMap<String, Search>>;

/// An index that statements lack.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) table: ObjectName,
    pub(super) columns: Vec<String>,
    pub(super) statements: BTreeSet<usize>,
    /// Only joins look it up, or by what half of the rows have, so that just a trial can tell whether it is of any use.
    pub(super) needs_trial: bool,
}

/// What a term is about.
#[derive(Clone, Copy)]
struct Meant<'a> {
    table: &'a Table,
    /// The query and the place of the table in it: a statement may read a table several times, each by other columns.
    at: (usize, usize),
    column: usize,
}

/// Finds tables and columns as the database does.
pub(super) struct Resolver<'a> {
    pub(super) dialect: &'a dyn Dialect,
    pub(super) tables: &'a HashMap<ObjectName, Table>,
}

impl<'a> Resolver<'a> {
    fn is_same(&self, one: &str, other: &str) -> bool {
        one == other || (self.dialect.engine() != EngineKind::Postgresql && one.eq_ignore_ascii_case(other))
    }

    fn table(&self, wanted: &QueryTable) -> Option<&'a Table> {
        self.named(wanted.schema.as_deref(), &wanted.name)
    }

    /// The table whose plans may be asked for: it holds its rows itself, in the server.
    pub(super) fn to_plan(&self, schema: Option<&str>, name: &str) -> Option<ObjectName> {
        let table = self.named(schema, name)?;
        let is_stored = match (&table.kind, &table.details) {
            (TableKind::Table, Some(TableDetails::Mysql(details))) => {
                LOCAL_ENGINES.iter().any(|engine| details.storage_engine.eq_ignore_ascii_case(engine))
            }
            (TableKind::Table | TableKind::PartitionedTable | TableKind::MaterializedView, _) => true,
            _ => false,
        };
        is_stored.then(|| super::draft::name_of(table))
    }

    fn named(&self, schema: Option<&str>, name: &str) -> Option<&'a Table> {
        let mut found: Vec<&Table> = self.tables.values().filter(|table| self.is_same(&table.name, name)).collect();
        match (schema, self.dialect.default_schema()) {
            (Some(schema), _) => found.retain(|table| self.is_same(&table.schema, schema)),
            (None, Some(default)) if found.iter().any(|table| table.schema == default) => {
                found.retain(|table| table.schema == default);
            }
            _ => {}
        }
        match found.as_slice() {
            [table] => Some(table),
            _ => None,
        }
    }

    fn column(&self, table: &Table, name: &str) -> Option<usize> {
        table.columns.iter().position(|column| self.is_same(&column.name, name))
    }

    /// The table of a query that a term is about.
    fn term(&self, shape: &QueryShape, scope: usize, term: &Term) -> Option<Meant<'a>> {
        let mut at = Some(scope);
        while let Some((number, scope)) = at.and_then(|at| Some((at, shape.scopes.get(at)?))) {
            let has = |(place, table): (usize, &QueryTable)| {
                let is_meant = term.qualifier.as_ref().is_none_or(|alias| self.is_same(&table.alias, alias));
                let table = if is_meant { self.table(table)? } else { return None };
                Some(Meant { table, at: (number, place), column: self.column(table, &term.column)? })
            };
            let found: Vec<_> = scope.tables.iter().enumerate().filter_map(has).collect();
            match found.as_slice() {
                [] => at = scope.parent,
                [one] => return Some(*one),
                _ => return None,
            }
        }
        None
    }

    /// What the statements lack.
    pub(super) fn candidates(&self, request: &AdviceRequest, statements: &[ReadStatement]) -> Vec<Candidate> {
        let mut found: BTreeMap<(ObjectName, Vec<String>), Candidate> = BTreeMap::new();
        for (place, statement) in statements.iter().enumerate() {
            // It used an index each time.
            if statement.counted.as_ref().is_some_and(|counted| counted.calls_without_index == Some(0)) {
                continue;
            }
            for (table, columns) in self.columns(&statement.shape) {
                let is_large = table.row_estimate >= request.min_rows;
                let is_unknown = table.row_estimate < 0 && statement.counted.is_none();
                let is_table = matches!(table.kind, TableKind::Table | TableKind::PartitionedTable);
                if !is_table || !(is_large || is_unknown) {
                    continue;
                }
                for (key, needs_trial) in self.keys(table, &columns) {
                    let name = super::draft::name_of(table);
                    let candidate = found.entry((name.clone(), key.clone())).or_insert(Candidate {
                        table: name,
                        columns: key,
                        statements: BTreeSet::new(),
                        needs_trial,
                    });
                    candidate.needs_trial &= needs_trial;
                    candidate.statements.insert(place);
                }
            }
        }
        let mut candidates: Vec<Candidate> = found.into_values().collect();
        let time = |candidate: &Candidate| {
            let counted = candidate.statements.iter().filter_map(|place| statements[*place].counted.as_ref());
            counted.map(|counted| counted.total_time).sum::<f64>()
        };
        // Those of the caller first, then by the time that their statements took.
        let is_own =
            |candidate: &Candidate| candidate.statements.iter().any(|place| statements[*place].counted.is_none());
        candidates.sort_by(|one, other| is_own(other).cmp(&is_own(one)).then(time(other).total_cmp(&time(one))));
        candidates.truncate(MAX_CANDIDATES);
        candidates
    }

    /// By which columns a statement looks rows up, for each time that it reads a table.
    fn columns(&self, shape: &QueryShape) -> Vec<(&'a Table, Columns)> {
        let mut found: BTreeMap<(usize, usize), (&Table, Columns)> = BTreeMap::new();
        for (scope, terms) in shape.scopes.iter().enumerate().map(|(place, scope)| (place, &scope.terms)) {
            for term in terms {
                let Some(Meant { table, at, column }) = self.term(shape, scope, term) else { continue };
                let columns = &mut found.entry(at).or_insert_with(|| (table, Columns::default())).1;
                match term.kind {
                    TermKind::Equal => {
                        columns.equal.insert(column);
                    }
                    TermKind::Joined => {
                        columns.joined.insert(column);
                    }
                    TermKind::Range if !columns.ranges.contains(&column) => columns.ranges.push(column),
                    TermKind::Range => {}
                    TermKind::Searched | TermKind::SearchedPerhaps => {}
                }
            }
        }
        found.into_values().collect()
    }

    /// Columns by which statements of the caller look rows up, by their table.
    pub(super) fn own_lookups(&self, statements: &[ReadStatement]) -> HashMap<ObjectName, BTreeSet<String>> {
        let mut lookups: HashMap<ObjectName, BTreeSet<String>> = HashMap::new();
        for statement in statements.iter().filter(|statement| statement.counted.is_none()) {
            for (table, columns) in self.columns(&statement.shape) {
                let places = columns.equal.iter().chain(&columns.joined).chain(&columns.ranges);
                let names = places.map(|place| table.columns[*place].name.clone());
                lookups.entry(super::draft::name_of(table)).or_default().extend(names);
            }
        }
        lookups
    }

    /// The indexes that would serve: columns compared for equality in the order of the table, then a range, the first one where no
    /// trial tells which is best; and the columns of joins. None of what there is already.
    fn keys(&self, table: &Table, columns: &Columns) -> Vec<(Vec<String>, bool)> {
        let usable = |place: &usize| {
            let column = &table.columns[*place];
            is_indexable(self.dialect, &column.data_type).then(|| column.name.clone())
        };
        let equal: Vec<String> = columns.equal.iter().filter_map(usable).take(MAX_EQUAL).collect();
        let ranges = columns.ranges.iter().filter_map(usable).filter(|range| !equal.contains(range));
        let ranges: Vec<String> = ranges.take(self.most_ranges()).collect();
        let joined: Vec<String> = columns.joined.iter().filter_map(usable).take(MAX_EQUAL).collect();
        let mut keys = Vec::new();
        for (place, range) in ranges.iter().enumerate().filter(|(_, range)| !serves(table, &equal, Some(range))) {
            keys.push((equal.iter().chain([range]).cloned().collect(), place > 0));
        }
        if ranges.is_empty() && !serves(table, &equal, None) {
            let is_poor = columns.equal.iter().all(|place| self.has_two_values(table, *place));
            keys.push((equal.clone(), is_poor));
        }
        if !serves(table, &joined, None) {
            keys.push((joined, true));
        }
        keys.retain_mut(|(key, _)| {
            let whole = key.len();
            self.cut(table, key);
            key.len() == whole || !serves(table, key, None)
        });
        keys
    }

    /// Costs tell which of several is best.
    fn most_ranges(&self) -> usize {
        if self.dialect.engine() == EngineKind::Postgresql { MAX_RANGES } else { 1 }
    }

    /// Finds half of the rows, for which an index is seldom of use.
    fn has_two_values(&self, table: &Table, column: usize) -> bool {
        self.dialect.declared_type(&table.columns[column].data_type) == Some(NeutralType::Boolean)
    }

    /// Leaves out what no longer goes into a key of MySQL and MariaDB, with letters of four bytes.
    fn cut(&self, table: &Table, key: &mut Vec<String>) {
        let Some(TableDetails::Mysql(details)) = &table.details else { return };
        let (most, most_of_one) = key_limits(details);
        let mut bytes = 0;
        key.retain(|name| {
            let column = table.columns.iter().find(|column| column.name == *name);
            let neutral = column.and_then(|column| self.dialect.declared_type(&column.data_type));
            let length = match neutral {
                Some(NeutralType::Text { length: Some(length) } | NeutralType::PaddedText { length }) => {
                    4 * u64::from(length)
                }
                _ => 16,
            };
            let is_in = length <= most_of_one && bytes + length <= most;
            bytes += if is_in { length } else { 0 };
            is_in
        });
    }

    /// Who looks for words where.
    pub(super) fn searches(&self, statements: &[ReadStatement]) -> Searches {
        let mut searches = Searches::new();
        for (place, statement) in statements.iter().enumerate() {
            for (at, scope) in statement.shape.scopes.iter().enumerate() {
                for term in &scope.terms {
                    let is_known = match term.kind {
                        TermKind::Searched => true,
                        TermKind::SearchedPerhaps => false,
                        _ => continue,
                    };
                    let Some(Meant { table, column, .. }) = self.term(&statement.shape, at, term) else { continue };
                    let of_table = searches.entry(super::draft::name_of(table)).or_default();
                    let search = of_table.entry(table.columns[column].name.clone()).or_default();
                    search.is_known |= is_known;
                    search.statements.insert(place);
                }
            }
        }
        searches
    }
}

/// Most bytes of a key, and of one column of it, by the storage engine and the row format; those of pages of 16 KiB.
fn key_limits(table: &MysqlTable) -> (u64, u64) {
    let is_old = ["compact", "redundant"].iter().any(|format| table.row_format.eq_ignore_ascii_case(format));
    match table.storage_engine.eq_ignore_ascii_case("InnoDB") {
        true if is_old => (3072, 767),
        true => (3072, 3072),
        // MyISAM of MySQL; that of MariaDB takes twice as much.
        false => (1000, 1000),
    }
}

/// A type that an ordinary index takes as it is.
fn is_indexable(dialect: &dyn Dialect, data_type: &str) -> bool {
    use NeutralType as T;
    match dialect.neutral_type(data_type) {
        // MySQL and MariaDB want the length of a prefix.
        Some(T::Text { length: None } | T::Bytes) => dialect.engine() != EngineKind::Mysql,
        Some(T::Json { .. }) => false,
        Some(_) => true,
        None => dialect.engine() == EngineKind::Sqlite,
    }
}

/// An index that begins with the columns that are compared for equality, in any order, and goes on with the range; or a unique one
/// on some of them.
fn serves(table: &Table, equal: &[String], range: Option<&String>) -> bool {
    if equal.is_empty() && range.is_none() {
        return true;
    }
    let key = table.primary_key.iter().map(|key| (key.columns.iter().map(Some).collect::<Vec<_>>(), true));
    let indexes = table.indexes.iter().filter(|index| is_plain(index)).map(|index| {
        let column = |part: &'_ crate::model::schema::IndexPart| part.prefix_length == 0;
        let columns = index.parts.iter().map(|part| match &part.term {
            IndexTerm::Column(name) if column(part) => Some(name),
            _ => None,
        });
        (columns.collect::<Vec<_>>(), index.unique)
    });
    key.chain(indexes).any(|(columns, unique)| {
        let is_equal = |column: &Option<&String>| column.is_some_and(|column| equal.contains(column));
        if unique && columns.iter().all(is_equal) {
            return true;
        }
        let first = columns.iter().take_while(|column| is_equal(column)).count();
        first == equal.len() && range.is_none_or(|range| columns.get(first).copied().flatten() == Some(range))
    })
}

fn is_plain(index: &Index) -> bool {
    index.valid && index.visible && index.predicate.is_empty() && matches!(index.method.as_str(), "btree" | "")
}

/// The draft of an index that statements lack.
pub(super) fn draft(
    candidate: &Candidate,
    table: &Table,
    statements: &[ReadStatement],
    counted: &Counted,
    engine: (&dyn Dialect, &dyn Advise),
) -> Draft {
    let who = match candidate.statements.len() {
        1 => "one statement looks".to_owned(),
        count => format!("{count} statements look"),
    };
    let message = format!("{who} rows up by {}, which no index begins with", candidate.columns.join(", "));
    let mut draft = Draft::create(rules::MISSING_INDEX, table, &candidate.columns, message, engine);
    draft.table_figures(counted.tables.get(&candidate.table), &counted.table_source);
    add_figures(&mut draft, &candidate.statements, statements, &counted.statement_source);
    draft
}

/// Sums of what the server counted of the statements.
pub(super) fn add_figures(draft: &mut Draft, places: &BTreeSet<usize>, statements: &[ReadStatement], source: &str) {
    let counted: Vec<&StatementUse> = places.iter().filter_map(|place| statements[*place].counted.as_ref()).collect();
    if counted.is_empty() {
        return;
    }
    let sum = |value: fn(&StatementUse) -> Option<i64>| counted.iter().copied().map(value).sum::<Option<i64>>();
    let total: f64 = counted.iter().map(|statement| statement.total_time).sum();
    draft.figure(FigureKind::Calls, counted.iter().map(|statement| statement.calls).sum(), source);
    draft.evidence.push(crate::model::schema::Figure {
        kind: FigureKind::TotalTime,
        value: total,
        source: source.to_owned(),
    });
    draft.evidence.extend(figure(
        FigureKind::RowsExamined,
        sum(|statement| statement.rows_examined).unwrap_or(-1),
        source,
    ));
    draft.evidence.extend(figure(
        FigureKind::CallsWithoutIndex,
        sum(|statement| statement.calls_without_index).unwrap_or(-1),
        source,
    ));
}
