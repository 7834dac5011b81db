//! Reads one query: which tables it reads, and by which of their columns it looks rows up. What it computes is not looked at.

pub(in crate::engine::dialect) mod harmless;
mod terms;

use std::thread;

use sqlparser::{
    ast::{
        Cte, FromTable, Ident, JoinConstraint, JoinOperator, ObjectName as SqlName, Query, Select, SetExpr, Statement,
        TableFactor, TableWithJoins, UpdateTableFromKind, With,
    },
    parser::Parser,
    tokenizer::{Location, Token, Tokenizer},
};

use super::{Fault, STACK, end, height, syntax};
use crate::{
    engine::dialect::Dialect,
    model::{Error, Result},
};

/// Why a text is not read as a query, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    /// Line from 1.
    pub line: u64,
    /// Column from 1.
    pub column: u64,
    /// What is wrong.
    pub problem: String,
}

impl From<Fault> for Misread {
    fn from(Fault { place: Location { line, column }, problem }: Fault) -> Self {
        Self { line, column, problem }
    }
}

/// What a condition does with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermKind {
    /// Compares it with a value for equality.
    Equal,
    /// Compares it with the column of another table for equality.
    Joined,
    /// Takes a range of it.
    Range,
    /// Looks for words anywhere in it: LIKE '%…'.
    Searched,
    /// LIKE with a pattern that stands in a parameter.
    SearchedPerhaps,
}

/// A column in a condition that every row must pass; of searches also one of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The table or its alias, where it is said.
    pub qualifier: Option<String>,
    /// The column.
    pub column: String,
    /// What is done with it.
    pub kind: TermKind,
}

/// A table that a query reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryTable {
    /// Its schema, where it is said.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// What columns are qualified with.
    pub alias: String,
}

/// A SELECT, or what stands for one: its tables and conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryScope {
    /// The query that it is a part of.
    pub parent: Option<usize>,
    /// Its tables.
    pub tables: Vec<QueryTable>,
    /// Its conditions.
    pub terms: Vec<Term>,
}

/// What was read of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryShape {
    /// The statement itself and the queries in it; each stands behind the one that it is a part of.
    pub scopes: Vec<QueryScope>,
    /// It has parameters.
    pub has_parameters: bool,
    /// The statement as it was read, without comments.
    pub text: String,
}

/// Reads queries, one a text.
pub(in crate::engine::dialect) fn read(
    dialect: &(dyn Dialect + '_),
    texts: &[String],
) -> Result<Vec<std::result::Result<QueryShape, Misread>>> {
    thread::scope(|scope| {
        let read_all = || texts.iter().map(|text| read_one(dialect, text).map_err(Misread::from)).collect();
        let reader = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, read_all);
        let read = reader.map_err(Error::internal)?.join();
        read.map_err(|_| Error::internal("the reader of SQL panicked"))
    })
}

fn read_one(dialect: &(dyn Dialect + '_), text: &str) -> std::result::Result<QueryShape, Fault> {
    let grammar = dialect.grammar();
    let tokens = Tokenizer::new(grammar.as_ref(), text)
        .tokenize_with_location()
        .map_err(|error| Fault { place: error.location, problem: error.message })?;
    height::refuse_high(&tokens)?;
    let end = end(&tokens);
    let has_parameters = tokens.iter().any(|token| matches!(token.token, Token::Placeholder(_)));
    let mut parser = Parser::new(grammar.as_ref()).with_tokens_with_locations(tokens);
    let begin = parser.peek_token();
    let statement = match begin.token {
        Token::EOF => {
            let place = Location { line: 1, column: 1 };
            return Err(Fault { place, problem: "there is no statement".to_owned() });
        }
        _ => parser.parse_statement().map_err(|error| syntax(&error, &parser, end))?,
    };
    while parser.consume_token(&Token::SemiColon) {}
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let problem = format!("expected the end of the one statement, found {}", next.token);
        return Err(Fault { place: next.span.start, problem });
    }
    let mut reader = QueryReader {
        dialect,
        shape: QueryShape { has_parameters, text: statement.to_string(), ..QueryShape::default() },
        known: Vec::new(),
    };
    if reader.statement(&statement) {
        return Ok(reader.shape);
    }
    let problem = "is no SELECT, INSERT, UPDATE or DELETE, and nothing else is planned".to_owned();
    Err(Fault { place: begin.span.start, problem })
}

struct QueryReader<'a> {
    dialect: &'a (dyn Dialect + 'a),
    shape: QueryShape,
    /// Names that WITH gives to queries, which are no tables.
    known: Vec<String>,
}

impl QueryReader<'_> {
    /// False for what is no query.
    fn statement(&mut self, statement: &Statement) -> bool {
        match statement {
            Statement::Query(query) => return self.query(query, None),
            Statement::Insert(insert) => {
                if let Some(query) = &insert.source {
                    return self.query(query, None);
                }
            }
            Statement::Update(update) => {
                let scope = self.scope(None);
                self.table(&update.table, scope);
                if let Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) =
                    &update.from
                {
                    tables.iter().for_each(|table| self.table(table, scope));
                }
                self.condition(update.selection.as_ref(), scope);
            }
            Statement::Delete(delete) => {
                let scope = self.scope(None);
                let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
                tables.iter().chain(delete.using.iter().flatten()).for_each(|table| self.table(table, scope));
                self.condition(delete.selection.as_ref(), scope);
            }
            _ => return false,
        }
        true
    }

    fn scope(&mut self, parent: Option<usize>) -> usize {
        self.shape.scopes.push(QueryScope { parent, ..QueryScope::default() });
        self.shape.scopes.len() - 1
    }

    /// False where a part of it changes something by another way than a plain statement.
    fn query(&mut self, query: &Query, parent: Option<usize>) -> bool {
        let known = self.known.len();
        let is_query = query.with.as_ref().is_none_or(|with| self.with(with, parent)) && self.body(&query.body, parent);
        self.known.truncate(known);
        is_query
    }

    fn with(&mut self, with: &With, parent: Option<usize>) -> bool {
        let names: Vec<String> = with.cte_tables.iter().map(|table| self.name(&table.alias.name)).collect();
        self.known.extend(names);
        with.cte_tables.iter().all(|Cte { query, .. }| self.query(query, parent))
    }

    fn body(&mut self, body: &SetExpr, parent: Option<usize>) -> bool {
        match body {
            // It would make a table.
            SetExpr::Select(select) if select.into.is_some() => return false,
            SetExpr::Select(select) => self.select(select, parent),
            SetExpr::Query(query) => return self.query(query, parent),
            SetExpr::SetOperation { left, right, .. } => return self.body(left, parent) && self.body(right, parent),
            SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) => {
                return self.statement(statement);
            }
            SetExpr::Values(_) => {}
            SetExpr::Merge(_) | SetExpr::Table(_) => return false,
        }
        true
    }

    fn select(&mut self, select: &Select, parent: Option<usize>) {
        let scope = self.scope(parent);
        select.from.iter().for_each(|table| self.table(table, scope));
        self.condition(select.selection.as_ref(), scope);
    }

    fn table(&mut self, table: &TableWithJoins, scope: usize) {
        self.factor(&table.relation, scope);
        for join in &table.joins {
            self.factor(&join.relation, scope);
            match constraint(&join.join_operator) {
                Some(JoinConstraint::On(condition)) => self.condition(Some(condition), scope),
                Some(JoinConstraint::Using(columns)) => columns.iter().for_each(|column| self.using(column, scope)),
                _ => {}
            }
        }
    }

    /// The column is one of each table.
    fn using(&mut self, column: &SqlName, scope: usize) {
        let Some(column) = column.0.last().and_then(|part| part.as_ident()).map(|ident| self.name(ident)) else {
            return;
        };
        let scope = &mut self.shape.scopes[scope];
        let aliases: Vec<String> = scope.tables.iter().map(|table| table.alias.clone()).collect();
        let term = |alias| Term { qualifier: Some(alias), column: column.clone(), kind: TermKind::Joined };
        scope.terms.extend(aliases.into_iter().map(term));
    }

    fn factor(&mut self, factor: &TableFactor, scope: usize) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let parts: Vec<String> =
                    name.0.iter().filter_map(|part| part.as_ident()).map(|ident| self.name(ident)).collect();
                let Some(name) = parts.last().cloned() else { return };
                let schema = parts.len().checked_sub(2).map(|place| parts[place].clone());
                if schema.is_none() && self.known.contains(&name) {
                    return;
                }
                let alias = alias.as_ref().map_or_else(|| name.clone(), |alias| self.name(&alias.name));
                self.shape.scopes[scope].tables.push(QueryTable { schema, name, alias });
            }
            TableFactor::Derived { subquery, .. } => {
                self.query(subquery, Some(scope));
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.table(table_with_joins, scope),
            _ => {}
        }
    }

    fn name(&self, ident: &Ident) -> String {
        if ident.quote_style.is_some() { ident.value.clone() } else { self.dialect.fold(&ident.value) }
    }
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    use JoinOperator as J;
    match operator {
        J::Join(constraint)
        | J::Inner(constraint)
        | J::Left(constraint)
        | J::LeftOuter(constraint)
        | J::Right(constraint)
        | J::RightOuter(constraint)
        | J::FullOuter(constraint)
        | J::CrossJoin(constraint)
        | J::StraightJoin(constraint) => Some(constraint),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
