//! Expressions of an engine in the words that all engines share, where they can be said in them.

use sqlparser::{
    ast::{
        BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, UnaryOperator, Value,
    },
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Token, Tokenizer},
};

use super::{Dialect, is_plain};
use crate::{
    engine::Engines,
    model::{
        connection::EngineKind,
        schema::{NeutralType, definition::DefaultValue},
    },
};

/// A longer expression is left as the engine writes it.
const MAX_LENGTH: usize = 4 * 1024;
/// So is one that is nested deeper.
const MAX_DEPTH: usize = 100;
/// And one of more words, or with a query in it: the parser and what walks its tree call themselves for each level, on the stack
/// of whoever asks.
const MAX_WORDS: usize = 250;
/// Functions that mean the same everywhere.
const FUNCTIONS: [&str; 5] = ["abs", "coalesce", "lower", "nullif", "upper"];
/// What tells the day, each in one engine or more.
const DAYS: [&str; 2] = ["current_date", "curdate"];
/// What tells the time of day.
const TIMES: [&str; 2] = ["current_time", "curtime"];
/// What tells the moment. `clock_timestamp` is none of them, because it goes on within a transaction.
const MOMENTS: [&str; 4] = ["current_timestamp", "localtimestamp", "now", "transaction_timestamp"];
/// PostgreSQL's time of day, and the moment in MySQL.
const LOCAL_TIME: &str = "localtime";
/// What makes a random UUID, each in one engine.
const UUIDS: [&str; 3] = ["gen_random_uuid", "uuid", "uuid_generate_v4"];

/// How tightly a part of an expression holds together; a part is put in brackets inside of one that holds more tightly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hold {
    Or,
    And,
    Not,
    Compare,
    Add,
    Multiply,
    Whole,
}

/// What a default of a live database or of a statement comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeantDefault {
    /// None, or NULL, which is the same.
    Nothing,
    /// The next number of a sequence.
    NextNumber,
    /// A value or an expression.
    Value(DefaultValue),
}

/// What the columns that an expression may name hold; absent for one that is not known or has no neutral type.
pub(in crate::engine) type ColumnTypes<'a> = &'a dyn Fn(&str) -> Option<NeutralType>;

/// A constant without the casts that change nothing of it.
enum Constant {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
}

/// An expression in shared words, or as it is with the engine that it is of.
pub(in crate::engine) fn shared(
    dialect: &dyn Dialect,
    text: &str,
    columns: ColumnTypes<'_>,
) -> (String, Option<EngineKind>) {
    match parse(dialect, text).and_then(|expression| portable(dialect, &expression, columns)) {
        Some(text) => (text, None),
        None => (text.trim().to_owned(), Some(dialect.engine())),
    }
}

/// What a default means for a column that holds that.
pub(in crate::engine) fn default(dialect: &dyn Dialect, text: &str, neutral: Option<NeutralType>) -> MeantDefault {
    match dialect.named_default(text, neutral) {
        Some(named) => MeantDefault::Value(named),
        None => parse(dialect, text)
            .and_then(|expression| shared_default(dialect, &expression, neutral))
            .unwrap_or_else(|| {
                MeantDefault::Value(DefaultValue::Expression {
                    text: text.trim().to_owned(),
                    engine: Some(dialect.engine()),
                })
            }),
    }
}

/// What a default means in shared words; absent where they have none for it.
pub(super) fn shared_default(
    dialect: &dyn Dialect,
    expression: &Expr,
    neutral: Option<NeutralType>,
) -> Option<MeantDefault> {
    let in_words = || {
        portable(dialect, expression, &|_| None)
            .map(|text| MeantDefault::Value(DefaultValue::Expression { text, engine: None }))
    };
    value(dialect, expression, neutral).or_else(in_words)
}

fn parse(dialect: &dyn Dialect, text: &str) -> Option<Expr> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let grammar = dialect.grammar();
    let tokens = Tokenizer::new(grammar.as_ref(), text).tokenize().ok()?;
    let words = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).count();
    let is_query = |token: &Token| matches!(token, Token::Word(word) if word.keyword == Keyword::SELECT);
    if words > MAX_WORDS || tokens.iter().any(is_query) {
        return None;
    }
    let mut parser = Parser::new(grammar.as_ref()).with_tokens(tokens);
    let expression = parser.parse_expr().ok()?;
    (parser.peek_token().token == Token::EOF).then_some(expression)
}

fn value(dialect: &dyn Dialect, expression: &Expr, neutral: Option<NeutralType>) -> Option<MeantDefault> {
    if let Some(found) = constant_default(dialect, expression, neutral) {
        let literal = |text: String| fits(&text, neutral).then_some(MeantDefault::Value(DefaultValue::Literal(text)));
        return match found {
            Constant::Null => Some(MeantDefault::Nothing),
            Constant::Boolean(found) => literal(found.to_string()),
            Constant::Number(text) | Constant::Text(text)
                if neutral == Some(NeutralType::Boolean) && matches!(text.as_str(), "0" | "1") =>
            {
                literal((text == "1").to_string())
            }
            Constant::Number(text) if is_numeric(neutral) => literal(text),
            Constant::Number(_) => None,
            Constant::Text(text) => literal(text),
        };
    }
    match bare(expression) {
        Expr::Function(function) => named(dialect, function, neutral),
        Expr::Identifier(name) if name.quote_style.is_none() && is_now(dialect, &name.value, neutral) => {
            Some(MeantDefault::Value(DefaultValue::CurrentTimestamp))
        }
        _ => None,
    }
}

/// The constant that a default is for a column that holds that.
fn constant_default(dialect: &dyn Dialect, expression: &Expr, neutral: Option<NeutralType>) -> Option<Constant> {
    match bare(expression) {
        // SQLite takes a name in the place of a default for a string.
        Expr::Identifier(name) if dialect.engine() == EngineKind::Sqlite => {
            let is_string = name.quote_style.is_some() || !is_clock(&name.value);
            is_string.then(|| Constant::Text(name.value.clone()))
        }
        // A cast to a type that only the engine has, such as an enumeration, is one to the type of the column.
        Expr::Cast { expr, data_type, .. } if neutral.is_none() && dialect.engine() == EngineKind::Postgresql => {
            let data_type = data_type.to_string();
            match constant(dialect, expr, None)? {
                Constant::Text(text) if !data_type.contains('(') && dialect.declared_type(&data_type).is_none() => {
                    Some(Constant::Text(text))
                }
                found => recast(dialect, found, &data_type, None),
            }
        }
        _ => constant(dialect, expression, neutral),
    }
}

/// The constant that an expression is, where what stands beside it holds that. Only PostgreSQL adds casts by itself; those of
/// the others are meant.
fn constant(dialect: &dyn Dialect, expression: &Expr, beside: Option<NeutralType>) -> Option<Constant> {
    match bare(expression) {
        Expr::Value(found) => match &found.value {
            Value::Null => Some(Constant::Null),
            Value::Boolean(found) => Some(Constant::Boolean(*found)),
            Value::Number(text, _) => Some(Constant::Number(text.clone())),
            Value::SingleQuotedString(text) => Some(Constant::Text(text.clone())),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match constant(dialect, expr, beside)? {
            Constant::Number(text) if !text.starts_with('-') => Some(Constant::Number(format!("-{text}"))),
            _ => None,
        },
        Expr::Cast { expr, data_type, .. } if dialect.engine() == EngineKind::Postgresql => {
            recast(dialect, constant(dialect, expr, beside)?, &data_type.to_string(), beside)
        }
        _ => None,
    }
}

/// A constant without the cast to a type of PostgreSQL; absent where the cast changes it or what is done with it.
fn recast(dialect: &dyn Dialect, found: Constant, data_type: &str, beside: Option<NeutralType>) -> Option<Constant> {
    use NeutralType as T;
    if matches!(found, Constant::Null) {
        return Some(found);
    }
    let to = dialect.declared_type(data_type);
    // The server writes a number below zero as a string with a cast.
    if let Constant::Number(text) | Constant::Text(text) = &found {
        let is_kept = match to {
            Some(T::Integer { bits: 16, .. }) => text.parse::<i16>().is_ok(),
            Some(T::Integer { bits: 32, .. }) => text.parse::<i32>().is_ok(),
            Some(T::Integer { bits: 64, .. }) => text.parse::<i64>().is_ok(),
            Some(T::Decimal { digits: None }) => fits(text, to),
            Some(T::Float { bits: 64 }) => {
                matches!(beside, Some(T::Float { .. })) && fits(text, Some(T::Decimal { digits: None }))
            }
            _ => false,
        };
        if is_kept && !text.starts_with('+') {
            return Some(Constant::Number(text.clone()));
        }
    }
    let Constant::Text(text) = &found else { return None };
    let is_own = to.is_some() && to == beside && !data_type.contains('(');
    let is_kept = match to {
        Some(T::Text { length: None }) => true,
        // Blanks at the end do not count there.
        None if data_type.eq_ignore_ascii_case("bpchar") => !text.ends_with(' '),
        Some(T::Text { length: Some(length) } | T::PaddedText { length }) => {
            to == beside && text.chars().count() <= usize::try_from(length).unwrap_or(usize::MAX)
        }
        // Words such as `today` mean something else each day.
        Some(T::Date | T::Time { .. } | T::Timestamp { .. }) => {
            is_own && text.bytes().all(|byte| byte.is_ascii_digit() || b"-+:. ".contains(&byte))
        }
        Some(T::Uuid | T::Json { .. }) => is_own,
        _ => false,
    };
    is_kept.then_some(found)
}

fn named(dialect: &dyn Dialect, function: &Function, neutral: Option<NeutralType>) -> Option<MeantDefault> {
    let mut parts = Vec::new();
    for part in &function.name.0 {
        parts.push(part.as_ident()?.value.to_lowercase());
    }
    // One of another schema is somebody's own.
    let name = match parts.as_slice() {
        [name] => name.as_str(),
        [schema, name] if schema == "pg_catalog" && dialect.engine() == EngineKind::Postgresql => name.as_str(),
        _ => return None,
    };
    if name == "nextval" {
        return Some(MeantDefault::NextNumber);
    }
    // The digits of a second are all that such a function may be given.
    let arguments = match &function.args {
        FunctionArguments::None => &[][..],
        FunctionArguments::List(list) => &list.args,
        FunctionArguments::Subquery(_) => return None,
    };
    let are_digits = arguments.iter().all(|argument| {
        matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(found))) if matches!(found.value, Value::Number(..)))
    });
    if is_now(dialect, name, neutral) && are_digits {
        return Some(MeantDefault::Value(DefaultValue::CurrentTimestamp));
    }
    (UUIDS.contains(&name) && arguments.is_empty()).then_some(MeantDefault::Value(DefaultValue::NewUuid))
}

/// True for a word that gives a column of the type what the current timestamp gives it.
fn is_now(dialect: &dyn Dialect, word: &str, neutral: Option<NeutralType>) -> bool {
    let is_sqlite = dialect.engine() == EngineKind::Sqlite;
    let is_local_moment = dialect.engine() == EngineKind::Mysql;
    let word = word.to_ascii_lowercase();
    let word = word.as_str();
    match neutral {
        Some(NeutralType::Date) if DAYS.contains(&word) => true,
        Some(NeutralType::Time { .. }) if TIMES.contains(&word) || word == LOCAL_TIME => true,
        // SQLite would keep the whole moment there.
        Some(NeutralType::Date | NeutralType::Time { .. }) if is_sqlite => false,
        _ => MOMENTS.contains(&word) || (word == LOCAL_TIME && is_local_moment),
    }
}

/// True for a word that tells a day, a time or a moment.
fn is_clock(word: &str) -> bool {
    let mut words = DAYS.iter().chain(&TIMES).chain(&MOMENTS);
    words.any(|known| word.eq_ignore_ascii_case(known)) || word.eq_ignore_ascii_case(LOCAL_TIME)
}

fn is_numeric(neutral: Option<NeutralType>) -> bool {
    use NeutralType as T;
    matches!(neutral, Some(T::Integer { .. } | T::Decimal { .. } | T::Float { .. }))
}

/// A value that a column of the type can be given as a literal.
fn fits(text: &str, neutral: Option<NeutralType>) -> bool {
    use NeutralType as T;
    match neutral {
        Some(T::Boolean) => matches!(text, "true" | "false"),
        Some(T::Integer { .. }) => text.parse::<i128>().is_ok(),
        Some(T::Decimal { .. }) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
                && digits.parse::<f64>().is_ok()
                && !digits.starts_with('.')
                && !digits.ends_with('.')
        }
        Some(T::Float { .. }) => text.parse::<f64>().is_ok_and(f64::is_finite),
        // How money is written depends on a setting.
        Some(T::Money) => false,
        _ => true,
    }
}

/// An expression without brackets around it.
fn bare(expression: &Expr) -> &Expr {
    match expression {
        Expr::Nested(inner) => bare(inner),
        Expr::Prefixed { value, .. } => bare(value),
        other => other,
    }
}

/// An expression in shared words; absent where a part of it means something else elsewhere, or nothing.
pub(in crate::engine) fn portable(
    dialect: &dyn Dialect,
    expression: &Expr,
    columns: ColumnTypes<'_>,
) -> Option<String> {
    Sharing { dialect, columns }.written(expression, None, MAX_DEPTH).map(|(text, _)| text)
}

/// Writes an expression of an engine in shared words.
struct Sharing<'a> {
    dialect: &'a dyn Dialect,
    columns: ColumnTypes<'a>,
}

impl Sharing<'_> {
    fn written(&self, expression: &Expr, beside: Option<NeutralType>, depth: usize) -> Option<(String, Hold)> {
        let depth = depth.checked_sub(1)?;
        if let Some(found) = constant(self.dialect, expression, beside) {
            let is_below_zero = matches!(&found, Constant::Number(text) if text.starts_with('-'));
            return Some((found.written(), if is_below_zero { Hold::Multiply } else { Hold::Whole }));
        }
        let part = |part: &Expr, hold: Hold| self.inside(part, None, hold, depth);
        Some(match bare(expression) {
            // What tells the time is no column.
            Expr::Identifier(name) if name.quote_style.is_none() && is_clock(&name.value) => return None,
            Expr::Identifier(name) => (column(name), Hold::Whole),
            Expr::Cast { expr, data_type, .. } => (self.column_as_text(expr, &data_type.to_string())?, Hold::Whole),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
                (format!("-{}", part(expr, Hold::Whole)?), Hold::Multiply)
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => (format!("NOT {}", part(expr, Hold::Not)?), Hold::Not),
            Expr::IsNull(inner) => (format!("{} IS NULL", part(inner, Hold::Add)?), Hold::Compare),
            Expr::IsNotNull(inner) => (format!("{} IS NOT NULL", part(inner, Hold::Add)?), Hold::Compare),
            Expr::BinaryOp { left, op, right } => {
                let (word, own, of_left, of_right) = operator(op)?;
                let left_text = self.inside(left, self.held_beside(right, left), of_left, depth)?;
                let right_text = self.inside(right, self.held_beside(left, right), of_right, depth)?;
                (format!("{left_text} {word} {right_text}"), own)
            }
            Expr::Between { expr, negated, low, high } => {
                let not = if *negated { "NOT " } else { "" };
                let bound = |bound: &Expr| self.inside(bound, self.held_beside(expr, bound), Hold::Add, depth);
                let (expr, low, high) = (part(expr, Hold::Add)?, bound(low)?, bound(high)?);
                (format!("{expr} {not}BETWEEN {low} AND {high}"), Hold::Compare)
            }
            Expr::InList { expr, list, negated } => (self.in_list(expr, list, *negated, depth)?, Hold::Compare),
            // PostgreSQL keeps a list as an array.
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                (self.in_list(left, self.array(right)?, false, depth)?, Hold::Compare)
            }
            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => {
                (self.in_list(left, self.array(right)?, true, depth)?, Hold::Compare)
            }
            Expr::Function(function) => (self.call(function, depth)?, Hold::Whole),
            _ => return None,
        })
    }

    fn inside(&self, expression: &Expr, beside: Option<NeutralType>, hold: Hold, depth: usize) -> Option<String> {
        let (text, own) = self.written(expression, beside, depth)?;
        Some(if own < hold { format!("({text})") } else { text })
    }

    /// What the column holds that stands beside a part with a cast.
    fn held_beside(&self, beside: &Expr, part: &Expr) -> Option<NeutralType> {
        match (bare(beside), bare(part)) {
            (Expr::Identifier(name), Expr::Cast { .. }) => self.held_by(name),
            _ => None,
        }
    }

    fn held_by(&self, name: &Ident) -> Option<NeutralType> {
        match name.quote_style {
            Some(_) => (self.columns)(&name.value),
            None => (self.columns)(&self.dialect.fold(&name.value)),
        }
    }

    /// The name of a text that PostgreSQL compares as text; the cast of anything else changes what is compared.
    fn column_as_text(&self, expression: &Expr, data_type: &str) -> Option<String> {
        let is_text = self.dialect.declared_type(data_type) == Some(NeutralType::Text { length: None });
        match bare(expression) {
            Expr::Identifier(name) if is_text && self.dialect.engine() == EngineKind::Postgresql => {
                matches!(self.held_by(name), Some(NeutralType::Text { .. })).then(|| column(name))
            }
            _ => None,
        }
    }

    fn in_list(&self, expression: &Expr, list: &[Expr], negated: bool, depth: usize) -> Option<String> {
        let item = |item: &Expr| self.inside(item, self.held_beside(expression, item), Hold::Or, depth);
        let list: Vec<String> = list.iter().map(item).collect::<Option<_>>()?;
        let not = if negated { "NOT " } else { "" };
        Some(format!("{} {not}IN ({})", self.inside(expression, None, Hold::Add, depth)?, list.join(", ")))
    }

    /// The parts of an array, which may be strings with a cast to an array of texts.
    fn array<'e>(&self, expression: &'e Expr) -> Option<&'e [Expr]> {
        match bare(expression) {
            Expr::Array(array) => Some(&array.elem),
            Expr::Cast { expr, data_type, .. } => {
                let data_type = data_type.to_string();
                let to = self.dialect.declared_type(data_type.strip_suffix("[]")?);
                let is_string = |part: &Expr| matches!(constant(self.dialect, part, None), Some(Constant::Text(_)));
                let parts = self.array(expr)?;
                let is_kept = to == Some(NeutralType::Text { length: None }) && parts.iter().all(is_string);
                is_kept.then_some(parts)
            }
            _ => None,
        }
    }

    fn call(&self, function: &Function, depth: usize) -> Option<String> {
        let name = function.name.0.first()?.as_ident()?.value.to_lowercase();
        if function.name.0.len() != 1 || !FUNCTIONS.contains(&name.as_str()) {
            return None;
        }
        let FunctionArguments::List(list) = &function.args else { return None };
        let argument = |argument: &FunctionArg| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => self.inside(expression, None, Hold::Or, depth),
            _ => None,
        };
        let arguments: Vec<String> = list.args.iter().map(argument).collect::<Option<_>>()?;
        Some(format!("{name}({})", arguments.join(", ")))
    }
}

impl Constant {
    fn written(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Boolean(true) => "TRUE".to_owned(),
            Self::Boolean(false) => "FALSE".to_owned(),
            Self::Number(text) => text.clone(),
            Self::Text(text) => format!("'{}'", text.replace('\'', "''")),
        }
    }
}

/// The operator as all write it, how tightly it holds, and how tightly its sides must.
fn operator(operator: &BinaryOperator) -> Option<(&'static str, Hold, Hold, Hold)> {
    use BinaryOperator as B;
    let compare = |word| (word, Hold::Compare, Hold::Add, Hold::Add);
    Some(match operator {
        B::Or => ("OR", Hold::Or, Hold::Or, Hold::Or),
        B::And => ("AND", Hold::And, Hold::And, Hold::And),
        B::Eq => compare("="),
        B::NotEq => compare("<>"),
        B::Lt => compare("<"),
        B::LtEq => compare("<="),
        B::Gt => compare(">"),
        B::GtEq => compare(">="),
        B::Plus => ("+", Hold::Add, Hold::Add, Hold::Multiply),
        B::Minus => ("-", Hold::Add, Hold::Add, Hold::Multiply),
        B::Multiply => ("*", Hold::Multiply, Hold::Multiply, Hold::Whole),
        // What `/` and `||` mean differs.
        _ => return None,
    })
}

/// A name that every engine reads: in double quotes where it is not plain or one of them has it reserved.
fn column(name: &Ident) -> String {
    let kinds = [EngineKind::Postgresql, EngineKind::Mysql, EngineKind::Sqlite];
    let is_reserved =
        |kind: EngineKind| Engines::dialect(kind).is_ok_and(|dialect: &dyn Dialect| dialect.is_reserved(&name.value));
    let is_free = is_plain(&name.value) && !kinds.into_iter().any(is_reserved);
    if is_free { name.value.clone() } else { format!("\"{}\"", name.value.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests;
