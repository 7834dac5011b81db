//! Which statements a server may plan. Planning runs what it can compute beforehand: functions, operators and casts of anybody who
//! may create them, with the rights of the one who asks for the plan. So only what is known is let through, and what is handed over is
//! what was read, written anew with every table in full.

mod known;

use std::{ops::ControlFlow, thread};

use sqlparser::{
    ast::{
        CteAsMaterialized, DataType, Expr, Function, FunctionArguments, Ident, ObjectName as SqlName, OrderByExpr,
        OrderBySort, Query, Select, Statement, TableFactor, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
    },
    parser::Parser,
    tokenizer::{Token, Tokenizer, Whitespace},
};

use self::known::{computes, is_built_in, is_known_body, is_known_operator};
use super::{STACK, height};
use crate::{
    engine::dialect::Dialect,
    model::{Error, Result, connection::EngineKind, schema::ObjectName},
};

/// A statement that may be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Harmless {
    /// Its text, with every table in full.
    pub text: String,
    /// Its tables.
    pub tables: Vec<ObjectName>,
}

/// Finds the table that a statement means by its schema, where that is said, and its name; none where it may not be read.
pub type FindTable<'a> = dyn Fn(Option<&str>, &str) -> Option<ObjectName> + Sync + 'a;

/// Most tables of a statement: the ways to join them are more than any number of them.
const MAX_TABLES: usize = 16;

/// For each text the statement that may be planned, or why it may not.
pub(in crate::engine::dialect) fn read(
    dialect: &(dyn Dialect + '_),
    texts: &[String],
    find: &FindTable<'_>,
) -> Result<Vec<std::result::Result<Harmless, String>>> {
    thread::scope(|scope| {
        let read_all = || texts.iter().map(|text| read_one(dialect, text, find)).collect();
        let reader = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, read_all);
        let read = reader.map_err(Error::internal)?.join();
        read.map_err(|_| Error::internal("the reader of SQL panicked"))
    })
}

fn read_one(dialect: &(dyn Dialect + '_), text: &str, find: &FindTable<'_>) -> std::result::Result<Harmless, String> {
    const UNREADABLE: &str = "it cannot be read";
    let grammar = dialect.grammar();
    let tokens = |text: &str| Tokenizer::new(grammar.as_ref(), text).tokenize_with_location();
    let read = tokens(text).map_err(|_| UNREADABLE)?;
    height::refuse_high(&read).map_err(|_| UNREADABLE)?;
    let mut parser = Parser::new(grammar.as_ref()).with_tokens_with_locations(read);
    let mut statement = parser.parse_statement().map_err(|_| UNREADABLE)?;
    while parser.consume_token(&Token::SemiColon) {}
    if parser.peek_token().token != Token::EOF {
        return Err(UNREADABLE.to_owned());
    }
    let mut check = Check::new(dialect, find);
    if let ControlFlow::Break(why) = statement.visit(&mut check) {
        return Err(why);
    }
    let text = statement.to_string();
    // What is written must be what was looked at: the writer takes two quotes in a row for one.
    let written = tokens(&text).map_err(|_| UNREADABLE)?;
    let mut again = Parser::new(grammar.as_ref()).with_tokens_with_locations(written.clone());
    let is_same =
        again.parse_statement().is_ok_and(|again| again == statement) && again.peek_token().token == Token::EOF;
    // Servers take some comments for a part of the statement.
    let is_comment = |token: &Token| {
        matches!(
            token,
            Token::SemiColon
                | Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_))
        )
    };
    if !is_same || written.iter().any(|token| is_comment(&token.token)) {
        return Err("it cannot be written anew as it is".to_owned());
    }
    Ok(Harmless { text, tables: check.tables })
}

/// Lets through what is known, and stops at all else.
struct Check<'a> {
    dialect: &'a (dyn Dialect + 'a),
    find: &'a FindTable<'a>,
    /// Names that WITH gives to queries.
    given: Vec<String>,
    tables: Vec<ObjectName>,
    queries: usize,
    /// Queries within the query that compute what they tell.
    computing: usize,
}

type Step = ControlFlow<String>;

fn stop(why: impl Into<String>) -> Step {
    ControlFlow::Break(why.into())
}

fn stop_if(is_so: bool, why: &str) -> Step {
    if is_so { stop(why) } else { ControlFlow::Continue(()) }
}

impl<'a> Check<'a> {
    fn new(dialect: &'a (dyn Dialect + 'a), find: &'a FindTable<'a>) -> Self {
        Self { dialect, find, given: Vec::new(), tables: Vec::new(), queries: 0, computing: 0 }
    }

    fn name(&self, ident: &Ident) -> String {
        if ident.quote_style.is_some() { ident.value.clone() } else { self.dialect.fold(&ident.value) }
    }

    fn function(&self, function: &Function) -> Step {
        let Function { name, uses_odbc_syntax, parameters, .. } = function;
        // A name in quotes is that of a user's function where the word is one of the grammar.
        let name_of = || match name.0.as_slice() {
            [part] => {
                part.as_ident().filter(|ident| ident.quote_style.is_none()).map(|ident| ident.value.to_lowercase())
            }
            _ => None,
        };
        let known =
            name_of().is_some_and(|name| known::is_known_function(&name, function.over.is_some(), self.is_mysql()));
        let is_plain = !uses_odbc_syntax && matches!(parameters, FunctionArguments::None);
        match known && is_plain {
            true => ControlFlow::Continue(()),
            false => stop(format!("it calls the function {name}")),
        }
    }

    /// PostgreSQL puts a query that another one reads into that, once for each time that a column of it is named. Over several of
    /// them one in the other that grows beyond all bounds.
    fn inner(&mut self, query: &Query) -> Step {
        self.computing += usize::from(computes(&query.body));
        stop_if(self.computing > 1, "more than one query within it computes something")
    }

    fn cast(&self, data_type: &DataType) -> Step {
        match is_built_in(data_type) {
            true => ControlFlow::Continue(()),
            false => stop(format!("it casts to the type {data_type}")),
        }
    }

    /// MySQL and MariaDB run queries within a query while they plan.
    fn is_mysql(&self) -> bool {
        self.dialect.engine() == EngineKind::Mysql
    }
}

impl VisitorMut for Check<'_> {
    type Break = String;

    fn pre_visit_statement(&mut self, statement: &mut Statement) -> Step {
        match statement {
            Statement::Query(_) => ControlFlow::Continue(()),
            Statement::Update(_) | Statement::Delete(_) if self.is_mysql() => {
                stop("it changes rows, and the server plans no change in a transaction that cannot write")
            }
            Statement::Update(update) => {
                stop_if(!update.optimizer_hints.is_empty() || update.output.is_some(), "it has hints")
            }
            Statement::Delete(delete) => {
                let is_odd = !delete.optimizer_hints.is_empty() || delete.output.is_some() || !delete.tables.is_empty();
                stop_if(is_odd, "it names what it deletes from twice or has hints")
            }
            // What it fills in by itself is computed in the plan.
            Statement::Insert(_) => stop("it is an INSERT"),
            _ => stop("it is no query"),
        }
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> Step {
        self.queries += 1;
        let given = query.with.iter().flat_map(|with| &with.cte_tables).map(|table| self.name(&table.alias.name));
        let given: Vec<String> = given.collect();
        let is_system = given.iter().any(|name| name.starts_with("pg_"));
        self.given.extend(given);
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            // It would be read anew for each time that it is named.
            stop_if(
                table.materialized == Some(CteAsMaterialized::NotMaterialized),
                "it has a clause that is not planned",
            )?;
            self.inner(&table.query)?;
        }
        let is_plain = query.locks.is_empty()
            && query.for_clause.is_none()
            && query.settings.is_none()
            && query.format_clause.is_none()
            && query.pipe_operators.is_empty();
        let is_inner = self.is_mysql() && (self.queries > 1 || query.with.is_some());
        stop_if(is_inner, "it has a query within a query")?;
        stop_if(!is_plain || is_system || !is_known_body(&query.body), "it has a clause that is not planned")
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Step {
        let is_plain = select.optimizer_hints.is_empty()
            && select.into.is_none()
            && select.top.is_none()
            && select.lateral_views.is_empty()
            && select.prewhere.is_none()
            && select.connect_by.is_empty()
            && select.qualify.is_none()
            && select.value_table_mode.is_none();
        stop_if(!is_plain, "it has a clause that is not planned")
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> Step {
        match factor {
            TableFactor::Table {
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                json_path: None,
                sample: None,
                index_hints,
                ..
            } => stop_if(!with_hints.is_empty() || !index_hints.is_empty(), "it has hints"),
            TableFactor::Derived { sample: None, subquery, .. } => {
                stop_if(self.is_mysql(), "it has a query within a query")?;
                self.inner(subquery)
            }
            TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            TableFactor::Table { name, args: Some(_), .. } => stop(format!("it calls the function {name}")),
            _ => stop("it reads what is no table"),
        }
    }

    fn pre_visit_relation(&mut self, relation: &mut SqlName) -> Step {
        let parts: Option<Vec<String>> =
            relation.0.iter().map(|part| part.as_ident().map(|ident| self.name(ident))).collect();
        let found = match parts.as_deref() {
            Some([name]) if self.given.contains(name) => return ControlFlow::Continue(()),
            Some([name]) => (self.find)(None, name),
            Some([schema, name]) => (self.find)(Some(schema), name),
            _ => None,
        };
        let Some(found) = found else {
            return stop(format!("it reads {relation}, which is no table that was looked at"));
        };
        let quote = if self.is_mysql() { '`' } else { '"' };
        let parts = [&found.schema, &found.name].map(|part| Ident::with_quote(quote, part.as_str()));
        *relation = SqlName::from(parts.to_vec());
        self.tables.push(found);
        stop_if(self.tables.len() > MAX_TABLES, "it reads more than 16 tables")
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Step {
        match expr {
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Nested(_)
            | Expr::Value(_)
            | Expr::Case { .. }
            | Expr::Exists { .. }
            | Expr::Subquery(_)
            | Expr::Tuple(_)
            | Expr::Array(_)
            | Expr::Interval(_) => ControlFlow::Continue(()),
            Expr::BinaryOp { op, .. } | Expr::AnyOp { compare_op: op, .. } | Expr::AllOp { compare_op: op, .. } => {
                match is_known_operator(op) {
                    true => ControlFlow::Continue(()),
                    false => stop(format!("it uses the operator {op}")),
                }
            }
            Expr::UnaryOp { op, .. } => {
                let is_known = matches!(op, UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not);
                stop_if(!is_known, "it uses an operator that is not planned")
            }
            Expr::Cast { data_type, format: None, .. } => self.cast(data_type),
            Expr::TypedString(typed) => {
                stop_if(typed.uses_odbc_syntax, "it uses an expression that is not planned")?;
                self.cast(&typed.data_type)
            }
            Expr::Function(function) => self.function(function),
            _ => stop("it uses an expression that is not planned"),
        }
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> Step {
        let is_plain = match &value.value {
            Value::Number(..) | Value::Boolean(_) | Value::Null => true,
            Value::Placeholder(mark) => {
                let number = mark.strip_prefix('$').unwrap_or_default();
                mark == "?" || (!number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
            }
            // Servers differ in what a backslash does.
            Value::SingleQuotedString(text) => !text.contains('\\'),
            _ => false,
        };
        stop_if(!is_plain, "it has a value that is not written plainly")
    }

    fn pre_visit_ident(&mut self, ident: &mut Ident) -> Step {
        let quote = if self.is_mysql() { '`' } else { '"' };
        let is_plain = match ident.quote_style {
            // The writer leaves a quote behind a backslash as it is, which would end the name.
            Some(style) => style == quote && !ident.value.contains([quote, '\\']),
            None => !ident.value.starts_with('@'),
        };
        stop_if(!is_plain, "it has a name that is not written plainly")
    }

    fn pre_visit_order_by_expr(&mut self, order: &mut OrderByExpr) -> Step {
        let is_plain = matches!(order.options.sort, None | Some(OrderBySort::Asc | OrderBySort::Desc));
        stop_if(!is_plain || order.with_fill.is_some(), "it orders by an operator")
    }
}

#[cfg(test)]
mod tests;
