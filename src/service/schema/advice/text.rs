//! Searches for words in long texts, which an ordinary index cannot serve.

use std::collections::BTreeSet;

use super::{
    draft::{Draft, TableFacts},
    rules::{self, AdviceRequest},
    statements::{ReadStatement, Search, Searches, add_figures},
    table::Counted,
};
use crate::{
    engine::{Advise, Dialect, advise::ColumnLengths},
    model::{
        connection::EngineKind,
        schema::{Column, Figure, FigureKind, IndexTerm, NeutralType, Table, TableKind},
    },
};

/// Names of columns that people search.
const SEARCHED_NAMES: [&str; 4] = ["body", "content", "description", "title"];

/// True where a table may be told by the rule for the name of a column alone.
pub(super) fn is_suspect(table: &Table, request: &AdviceRequest, dialect: &dyn Dialect) -> bool {
    request.rules.has(rules::FULL_TEXT)
        && is_large(table, request)
        && table.columns.iter().any(|column| has_searched_name(column) && is_text(column, dialect))
}

fn is_large(table: &Table, request: &AdviceRequest) -> bool {
    table.kind == TableKind::Table && table.row_estimate >= request.min_rows
}

fn has_searched_name(column: &Column) -> bool {
    SEARCHED_NAMES.iter().any(|name| column.name.eq_ignore_ascii_case(name))
}

fn is_text(column: &Column, dialect: &dyn Dialect) -> bool {
    matches!(dialect.declared_type(&column.data_type), Some(NeutralType::Text { .. }))
}

/// What the rule looks at.
pub(super) struct TextLook<'a> {
    pub(super) request: &'a AdviceRequest,
    pub(super) dialect: &'a dyn Dialect,
    pub(super) advise: &'a dyn Advise,
    pub(super) counted: &'a Counted,
    pub(super) statements: &'a [ReadStatement],
    pub(super) searches: &'a Searches,
    pub(super) lengths: &'a ColumnLengths,
}

impl TextLook<'_> {
    /// One search by words for all columns of a table that are searched.
    pub(super) fn look(&self, table: &Table) -> Option<Draft> {
        let facts = TableFacts::of(table);
        let searches = self.searches.get(&facts.name);
        let searched = |column: &Column| searches.and_then(|searches| searches.get(&column.name));
        let is_own = |search: &Search| search.statements.iter().any(|place| self.statements[*place].counted.is_none());
        // A caller who gives a statement knows what it costs where the engine does not know how many rows there are.
        let is_wanted = |column: &Column| {
            let is_unknown = table.row_estimate < 0 && searched(column).is_some_and(is_own);
            table.kind == TableKind::Table && (is_large(table, self.request) || is_unknown)
        };
        let columns: Vec<&Column> = table
            .columns
            .iter()
            .filter(|column| is_text(column, self.dialect) && is_wanted(column) && self.is_long(&facts, column))
            .filter(|column| has_searched_name(column) || searched(column).is_some())
            .filter(|column| !is_searchable(table, &column.name, self.dialect))
            .collect();
        let columns = self.of_one_order(columns);
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let found = self.advise.full_text(table, &names).filter(|_| !names.is_empty())?;
        let of_columns: Vec<&Search> = columns.iter().filter_map(|column| searched(column)).collect();
        let places: BTreeSet<usize> = of_columns.iter().flat_map(|search| search.statements.iter().copied()).collect();
        let message = format!("{} {}; {}", names.join(", "), why(&of_columns, places.len()), found.caveat);
        let mut draft = Draft::new(rules::FULL_TEXT, &facts, &found.name, message);
        for column in &names {
            let length = self.lengths.get(&facts.name).and_then(|lengths| lengths.get(column)).copied();
            draft.evidence.extend(length.map(|value| {
                let source = format!("{} {column}", self.counted.column_source);
                Figure { kind: FigureKind::AverageLength, value, source }
            }));
        }
        draft.table_figures(self.counted.tables.get(&facts.name), &self.counted.table_source);
        add_figures(&mut draft, &places, self.statements, &self.counted.statement_source);
        Some(Draft {
            columns: names,
            verb: "search",
            change: found.statements,
            beside: self.advise.works_beside(table.kind),
            entries: Some(1),
            usage: found.usage,
            takes: found.takes,
            ..draft
        })
    }

    /// MySQL and MariaDB take texts of one collation together; those are kept that are as the first.
    fn of_one_order<'t>(&self, mut columns: Vec<&'t Column>) -> Vec<&'t Column> {
        if let (EngineKind::Mysql, Some(first)) = (self.dialect.engine(), columns.first().copied()) {
            columns.retain(|column| column.collation == first.collation);
        }
        columns
    }

    /// By the average where it is known, else by the type.
    fn is_long(&self, facts: &TableFacts, column: &Column) -> bool {
        let least = self.request.min_text_length;
        let average = self.lengths.get(&facts.name).and_then(|lengths| lengths.get(&column.name));
        match (average, self.dialect.declared_type(&column.data_type)) {
            (Some(average), _) => *average >= f64::from(least),
            (None, Some(NeutralType::Text { length: Some(length) })) => length >= least,
            (None, _) => true,
        }
    }
}

fn why(searches: &[&Search], statements: usize) -> String {
    if searches.is_empty() {
        return "has the name of a text that people search, and nothing serves a search for words".to_owned();
    }
    let pattern = match searches.iter().any(|search| search.is_known) {
        true => "LIKE and a pattern that begins with a wildcard, which no ordinary index serves",
        false => {
            "LIKE and a pattern that stands in a parameter; where it begins with a wildcard, no ordinary index serves it"
        }
    };
    let times = if statements == 1 { "one statement".to_owned() } else { format!("{statements} statements") };
    format!("is searched by {times} with {pattern}")
}

/// There is an index already that serves a search in the column.
fn is_searchable(table: &Table, column: &str, dialect: &dyn Dialect) -> bool {
    let serves = |index: &crate::model::schema::Index| {
        matches!(index.method.as_str(), "gin" | "gist" | "fulltext" | "rum")
            && index.parts.iter().any(|part| match &part.term {
                IndexTerm::Column(name) => name == column,
                IndexTerm::Expression(text) => match dialect.searched_columns(text) {
                    Some(columns) => columns.iter().any(|name| name == column),
                    None => text.contains(column),
                },
            })
    };
    table.indexes.iter().any(|index| index.valid && serves(index))
}
