//! Which statements a server may plan. Planning runs what it can compute beforehand: functions, operators and casts of anybody who
//! may create them, with the rights of the one who asks for the plan. So only what is known is let through, and what is handed over is
//! what was read, written anew with every table in full.

use std::{ops::ControlFlow, thread};

use sqlparser::{
    ast::{
        ArrayElemTypeDef, BinaryOperator, DataType, Expr, Function, FunctionArguments, Ident, ObjectName as SqlName,
        OrderByExpr, OrderBySort, Query, Select, SetExpr, Statement, TableFactor, UnaryOperator, Value, ValueWithSpan,
        VisitMut, VisitorMut,
    },
    parser::Parser,
    tokenizer::{Token, Tokenizer, Whitespace},
};

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

/// Functions of the servers themselves that read no data, take no time and change nothing.
const FUNCTIONS: &[&str] = &[
    "abs",
    "array_agg",
    "avg",
    "btrim",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "coalesce",
    "concat",
    "count",
    "curdate",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "date_part",
    "date_trunc",
    "day",
    "dense_rank",
    "first_value",
    "floor",
    "greatest",
    "group_concat",
    "hour",
    "if",
    "ifnull",
    "lag",
    "last_value",
    "lead",
    "least",
    "left",
    "length",
    "localtime",
    "localtimestamp",
    "lower",
    "ltrim",
    "max",
    "min",
    "minute",
    "mod",
    "month",
    "now",
    "nullif",
    "octet_length",
    "rank",
    "right",
    "round",
    "row_number",
    "rtrim",
    "second",
    "sign",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "trim",
    "upper",
    "year",
];

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
    let mut check = Check { dialect, find, given: Vec::new(), tables: Vec::new(), queries: 0 };
    if let ControlFlow::Break(why) = statement.visit(&mut check) {
        return Err(why);
    }
    let text = statement.to_string();
    // Servers take some comments for a part of the statement.
    let is_comment = |token: &Token| {
        matches!(
            token,
            Token::SemiColon
                | Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_))
        )
    };
    match tokens(&text) {
        Ok(written) if !written.iter().any(|token| is_comment(&token.token)) => {
            Ok(Harmless { text, tables: check.tables })
        }
        _ => Err("it has hints".to_owned()),
    }
}

/// Lets through what is known, and stops at all else.
struct Check<'a> {
    dialect: &'a (dyn Dialect + 'a),
    find: &'a FindTable<'a>,
    /// Names that WITH gives to queries.
    given: Vec<String>,
    tables: Vec<ObjectName>,
    queries: usize,
}

type Step = ControlFlow<String>;

fn stop(why: impl Into<String>) -> Step {
    ControlFlow::Break(why.into())
}

fn stop_if(is_so: bool, why: &str) -> Step {
    if is_so { stop(why) } else { ControlFlow::Continue(()) }
}

impl Check<'_> {
    fn name(&self, ident: &Ident) -> String {
        if ident.quote_style.is_some() { ident.value.clone() } else { self.dialect.fold(&ident.value) }
    }

    fn function(&self, function: &Function) -> Step {
        let Function { name, uses_odbc_syntax, parameters, .. } = function;
        let known = match name.0.as_slice() {
            [part] => part.as_ident().is_some_and(|ident| FUNCTIONS.contains(&ident.value.to_lowercase().as_str())),
            _ => false,
        };
        let is_plain = !uses_odbc_syntax && matches!(parameters, FunctionArguments::None);
        match known && is_plain {
            true => ControlFlow::Continue(()),
            false => stop(format!("it calls the function {name}")),
        }
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
            TableFactor::Derived { sample: None, .. } => stop_if(self.is_mysql(), "it has a query within a query"),
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
        ControlFlow::Continue(())
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
            Value::Number(..) | Value::Boolean(_) | Value::Null | Value::Placeholder(_) => true,
            // Servers differ in what a backslash does.
            Value::SingleQuotedString(text) => !text.contains('\\'),
            _ => false,
        };
        stop_if(!is_plain, "it has a value that is not written plainly")
    }

    fn pre_visit_ident(&mut self, ident: &mut Ident) -> Step {
        let quote = if self.is_mysql() { '`' } else { '"' };
        let is_plain = match ident.quote_style {
            Some(style) => style == quote,
            None => !ident.value.starts_with('@'),
        };
        stop_if(!is_plain, "it has a name that is not written plainly")
    }

    fn pre_visit_order_by_expr(&mut self, order: &mut OrderByExpr) -> Step {
        let is_plain = matches!(order.options.sort, None | Some(OrderBySort::Asc | OrderBySort::Desc));
        stop_if(!is_plain || order.with_fill.is_some(), "it orders by an operator")
    }
}

fn is_known_body(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => true,
        SetExpr::Update(_) | SetExpr::Delete(_) => true,
        SetExpr::SetOperation { left, right, .. } => is_known_body(left) && is_known_body(right),
        _ => false,
    }
}

fn is_known_operator(operator: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(
        operator,
        B::Plus
            | B::Minus
            | B::Multiply
            | B::Divide
            | B::Modulo
            | B::Gt
            | B::Lt
            | B::GtEq
            | B::LtEq
            | B::Eq
            | B::NotEq
            | B::Spaceship
            | B::And
            | B::Or
            | B::StringConcat
    )
}

fn is_built_in(data_type: &DataType) -> bool {
    use DataType as T;
    match data_type {
        T::Array(ArrayElemTypeDef::SquareBracket(element, _)) => is_built_in(element),
        T::Character(_)
        | T::Char(_)
        | T::CharacterVarying(_)
        | T::CharVarying(_)
        | T::Varchar(_)
        | T::Text
        | T::Uuid
        | T::Numeric(_)
        | T::Decimal(_)
        | T::Dec(_)
        | T::Float(_)
        | T::Real
        | T::Double(_)
        | T::DoublePrecision
        | T::SmallInt(_)
        | T::Int(_)
        | T::Integer(_)
        | T::BigInt(_)
        | T::Int2(_)
        | T::Int4(_)
        | T::Int8(_)
        | T::Float4
        | T::Float8
        | T::Signed
        | T::Unsigned
        | T::Bool
        | T::Boolean
        | T::Date
        | T::Time(..)
        | T::Datetime(_)
        | T::Timestamp(..)
        | T::Interval { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
