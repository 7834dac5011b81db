//! Tables: as they were declared where that can be told, or alone and then attached to what they inherit from.

use super::{
    column, constraint,
    database::foreign_options,
    facts::{Context, Written},
    index,
    piece::{Place, Step, Subject, in_brackets},
    rewrite, view,
};
use crate::{
    engine::postgres::dialect::{qualified, quoted},
    model::schema::{
        Column, DdlKind, DdlStatement, IndexTerm, ObjectName, PartitionOf, PartitionStrategy, Persistence,
        PostgresPartitioning, PostgresTable, ReplicaIdentity, Table, TableDetails, TableKind,
    },
};

/// A table's name, and the word that ALTER and COMMENT take for its kind.
#[derive(Debug, Clone)]
pub(super) struct TableName {
    pub(super) name: ObjectName,
    pub(super) word: &'static str,
}

impl TableName {
    pub(super) fn of(table: &Table) -> Self {
        let word = match table.kind {
            TableKind::View => "VIEW",
            TableKind::MaterializedView => "MATERIALIZED VIEW",
            TableKind::ForeignTable => "FOREIGN TABLE",
            _ => "TABLE",
        };
        Self { name: ObjectName { schema: table.schema.clone(), name: table.name.clone() }, word }
    }

    pub(super) fn qualified(&self) -> String {
        qualified(&self.name)
    }

    /// With its word before it.
    pub(super) fn in_sql(&self) -> String {
        format!("{} {}", self.word, self.qualified())
    }

    /// What statements about it are about.
    pub(super) fn subject(&self) -> Subject {
        let is_view = matches!(self.word, "VIEW" | "MATERIALIZED VIEW");
        Subject::in_schema(if is_view { DdlKind::View } else { DdlKind::Table }, self.word, &self.name)
    }

    /// A statement about the table itself.
    pub(super) fn statement(&self, sql: impl Into<String>) -> DdlStatement {
        self.subject().statement(sql)
    }
}

/// Writes a table or view with everything that belongs to it.
pub(super) fn write(table: &Table, context: &Context, written: &mut Written) {
    let Some(TableDetails::Postgres(details)) = &table.details else { return };
    let name = TableName::of(table);
    match table.kind {
        TableKind::View => view::write(table, &name, details, context, written),
        TableKind::MaterializedView => view::write_materialized(table, &name, details, context, written),
        _ => write_table(table, &name, details, context, written),
    }
    constraint::write(table, &name, context, written);
    index::write(table, &name, written);
    rewrite::write(table, &name, details, context, written);
    write_statistics(details, &name, written);
    let options = options(details, &name).into_iter().chain(index::clustering(table, &name));
    written.add(Place::of(Step::TableOption, &name.name), options);
}

/// How a table comes by its columns.
pub(super) enum Shape<'a> {
    /// By its own list.
    Plain,
    /// By a composite type.
    Typed(&'a ObjectName),
    /// As a partition of a table.
    Partition(&'a PartitionOf, &'a Table),
    /// From other tables, beside its own.
    Heir(&'a [ObjectName], Vec<&'a Table>),
}

impl<'a> Shape<'a> {
    /// A table whose columns stand in another order than they would come, or which has some that would not come, is made alone and then
    /// attached.
    fn of(table: &Table, details: &'a PostgresTable, context: &'a Context) -> Self {
        if let Some(of_type) = &details.of_type {
            return Self::Typed(of_type);
        }
        if let Some(part) = &details.partition_of {
            return match context.parents.get(&part.parent) {
                Some(parent)
                    if comes_from(table, &[parent]) && table.columns.iter().all(|column| !is_local(column)) =>
                {
                    Self::Partition(part, parent)
                }
                _ => Self::Plain,
            };
        }
        let parents: Option<Vec<&Table>> = details.inherits.iter().map(|parent| context.parents.get(parent)).collect();
        match parents {
            Some(parents) if !parents.is_empty() && comes_from(table, &parents) => {
                Self::Heir(&details.inherits, parents)
            }
            _ => Self::Plain,
        }
    }

    /// The column that a column is inherited from, and its table.
    pub(super) fn inherited(&self, column: &Column) -> Option<(&'a Column, &'a Table)> {
        let named = |table: &&'a Table| {
            table.columns.iter().find(|parent| parent.name == column.name).map(|parent| (parent, *table))
        };
        match self {
            Self::Plain | Self::Typed(_) => None,
            Self::Partition(_, parent) => named(parent),
            Self::Heir(_, parents) if !is_local(column) => parents.iter().find_map(named),
            Self::Heir(..) => None,
        }
    }
}

/// Whether the columns of a table are those of its parents in their order, and then its own.
fn comes_from(table: &Table, parents: &[&Table]) -> bool {
    let mut expected: Vec<&str> = Vec::new();
    for column in parents.iter().flat_map(|parent| &parent.columns) {
        if !expected.contains(&column.name.as_str()) {
            expected.push(&column.name);
        }
    }
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    names.starts_with(&expected) && table.columns[expected.len()..].iter().all(is_local)
}

fn is_local(column: &Column) -> bool {
    column::details(column).is_none_or(|details| details.local)
}

fn write_table(table: &Table, name: &TableName, details: &PostgresTable, context: &Context, written: &mut Written) {
    let shape = Shape::of(table, details, context);
    let create = create(table, name, details, &shape, context, written);
    let mut statements = vec![name.statement(create)];
    statements.extend(column::changes(table, name, &shape, context));
    if matches!(shape, Shape::Plain) {
        statements.extend(attachments(name, details));
    }
    statements.extend(name.subject().comment(&table.comment));
    statements.extend(column::comments(table, name));
    statements.extend(constraint::comments_inside(table, name, context));
    statements.extend(name.subject().owner(context.owner(&table.owner)));
    written.add(Place::of(Step::Table, &name.name), statements);
    column::write_defaults(table, name, context, written);
}

fn create(
    table: &Table,
    name: &TableName,
    details: &PostgresTable,
    shape: &Shape<'_>,
    context: &Context,
    written: &mut Written,
) -> String {
    let unlogged = if details.persistence == Persistence::Unlogged { "UNLOGGED " } else { "" };
    let mut items: Vec<String> = Vec::new();
    for found in &table.columns {
        match shape {
            Shape::Typed(_) => items.extend(column::options_of_typed(found, name, context)),
            Shape::Plain => items.push(column::definition(found, name, context, written)),
            Shape::Heir(..) if is_local(found) => items.push(column::definition(found, name, context, written)),
            Shape::Heir(..) | Shape::Partition(..) => {}
        }
    }
    items.extend(constraint::checks_inside(table, name, matches!(shape, Shape::Plain), context));
    let list = if items.is_empty() { String::new() } else { format!(" (\n    {}\n)", items.join(",\n    ")) };
    let body = match shape {
        Shape::Plain if items.is_empty() => " ()".to_owned(),
        Shape::Plain => list,
        Shape::Typed(of_type) => format!(" OF {}{list}", qualified(of_type)),
        Shape::Partition(part, _) => format!(" PARTITION OF {}{list} {}", qualified(&part.parent), part.bound),
        Shape::Heir(parents, _) => {
            let parents: Vec<String> = parents.iter().map(qualified).collect();
            format!("{}{}", if list.is_empty() { " ()" } else { &list }, in_brackets(" INHERITS", &parents))
        }
    };
    let tail = tail(name, details, context, written);
    format!("CREATE {unlogged}{}{body}{tail}", name.in_sql())
}

/// What stands behind the columns.
fn tail(name: &TableName, details: &PostgresTable, context: &Context, written: &mut Written) -> String {
    let mut tail = String::new();
    if let Some(foreign) = &details.foreign {
        let options = foreign_options(&foreign.options, &name.in_sql(), written);
        return format!(" SERVER {}{options}", quoted(&foreign.server));
    }
    if let Some(partitioning) = &details.partitioning {
        tail.push_str(&partition_key(partitioning, context));
    }
    tail.push_str(&storage(details));
    tail
}

/// Access method, storage parameters and tablespace.
pub(super) fn storage(details: &PostgresTable) -> String {
    let mut text = String::new();
    if !matches!(details.access_method.as_str(), "" | "heap") {
        text.push_str(&format!(" USING {}", quoted(&details.access_method)));
    }
    let parameters: Vec<String> = details.storage_parameters.iter().map(column::parameter).collect();
    text.push_str(&in_brackets(" WITH", &parameters));
    if !details.tablespace.is_empty() {
        text.push_str(&format!(" TABLESPACE {}", quoted(&details.tablespace)));
    }
    text
}

fn partition_key(partitioning: &PostgresPartitioning, context: &Context) -> String {
    let strategy = match partitioning.strategy {
        PartitionStrategy::Range => "RANGE",
        PartitionStrategy::List => "LIST",
        PartitionStrategy::Hash => "HASH",
    };
    let terms = partitioning.terms.iter().map(|term| {
        let what = match &term.term {
            IndexTerm::Column(name) => quoted(name),
            IndexTerm::Expression(expression) => format!("({expression})"),
        };
        let class = if term.operator_class.is_empty() { String::new() } else { format!(" {}", term.operator_class) };
        format!("{what}{}{class}", context.collate(&term.collation))
    });
    in_brackets(&format!(" PARTITION BY {strategy}"), &terms.collect::<Vec<_>>())
}

/// Makes a table that was made alone a part of what it inherits from.
fn attachments(name: &TableName, details: &PostgresTable) -> Vec<DdlStatement> {
    if let Some(part) = &details.partition_of {
        let parent = qualified(&part.parent);
        let attach = format!("ALTER TABLE ONLY {parent} ATTACH PARTITION {} {}", name.qualified(), part.bound);
        return vec![name.statement(attach)];
    }
    let inherit =
        |parent: &ObjectName| name.statement(format!("ALTER {} INHERIT {}", name.in_sql(), qualified(parent)));
    details.inherits.iter().map(inherit).collect()
}

/// What is set on a table behind its indexes.
fn options(details: &PostgresTable, name: &TableName) -> Vec<DdlStatement> {
    let table = name.qualified();
    let identity = match &details.replica_identity {
        // What has no rows of its own has none, and cannot be told so.
        _ if name.word != "TABLE" => None,
        ReplicaIdentity::Default => None,
        ReplicaIdentity::Nothing => Some("NOTHING".to_owned()),
        ReplicaIdentity::Full => Some("FULL".to_owned()),
        ReplicaIdentity::Index(index) => Some(format!("USING INDEX {}", quoted(index))),
    };
    let mut options: Vec<String> =
        identity.map(|identity| format!("ALTER TABLE ONLY {table} REPLICA IDENTITY {identity}")).into_iter().collect();
    if details.row_security {
        options.push(format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"));
    }
    if details.row_security_forced {
        options.push(format!("ALTER TABLE ONLY {table} FORCE ROW LEVEL SECURITY"));
    }
    options.into_iter().map(|option| name.statement(option)).collect()
}

fn write_statistics(details: &PostgresTable, table: &TableName, written: &mut Written) {
    for found in &details.statistics {
        let mut subject = Subject::in_schema(DdlKind::Statistics, "STATISTICS", &found.name);
        subject.table.clone_from(&table.name.name);
        let target = found.target.map(|target| {
            subject.statement(format!("ALTER STATISTICS {} SET STATISTICS {target}", qualified(&found.name)))
        });
        let statements = [subject.statement(found.definition.clone())].into_iter().chain(target);
        let statements: Vec<DdlStatement> = statements.chain(subject.comment(&found.comment)).collect();
        written.add(Place::of(Step::Statistics, &found.name), statements);
    }
}
