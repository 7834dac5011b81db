//! Expressions of an engine in the words that all engines share, where they can be said in them.

use sqlparser::{
    ast::{
        BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
        UnaryOperator, Value,
    },
    parser::Parser,
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
/// Functions that mean the same everywhere.
const FUNCTIONS: [&str; 5] = ["abs", "coalesce", "lower", "nullif", "upper"];
/// What tells the moment, each in one engine or more.
const MOMENTS: [&str; 10] = [
    "current_date",
    "current_time",
    "current_timestamp",
    "curdate",
    "curtime",
    "localtime",
    "localtimestamp",
    "now",
    "transaction_timestamp",
    "clock_timestamp",
];
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

/// An expression in shared words, or as it is with the engine that it is of.
pub(in crate::engine) fn shared(dialect: &dyn Dialect, text: &str) -> (String, Option<EngineKind>) {
    match parse(dialect, text).and_then(|expression| portable(&expression)) {
        Some(text) => (text, None),
        None => (text.trim().to_owned(), Some(dialect.engine())),
    }
}

/// What a default means for a column that holds that.
pub(in crate::engine) fn default(dialect: &dyn Dialect, text: &str, neutral: Option<NeutralType>) -> MeantDefault {
    match dialect.named_default(text) {
        Some(named) => MeantDefault::Value(named),
        None => parse(dialect, text).and_then(|expression| shared_default(&expression, neutral)).unwrap_or_else(|| {
            MeantDefault::Value(DefaultValue::Expression {
                text: text.trim().to_owned(),
                engine: Some(dialect.engine()),
            })
        }),
    }
}

/// What a default means in shared words; absent where they have none for it.
pub(super) fn shared_default(expression: &Expr, neutral: Option<NeutralType>) -> Option<MeantDefault> {
    let in_words =
        || portable(expression).map(|text| MeantDefault::Value(DefaultValue::Expression { text, engine: None }));
    value(expression, neutral).or_else(in_words)
}

fn parse(dialect: &dyn Dialect, text: &str) -> Option<Expr> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let grammar = dialect.grammar();
    let mut parser = Parser::new(grammar.as_ref()).try_with_sql(text).ok()?;
    let expression = parser.parse_expr().ok()?;
    (parser.peek_token().token == sqlparser::tokenizer::Token::EOF).then_some(expression)
}

fn value(expression: &Expr, neutral: Option<NeutralType>) -> Option<MeantDefault> {
    let expression = bare(expression);
    let literal = |text: String| fits(&text, neutral).then_some(MeantDefault::Value(DefaultValue::Literal(text)));
    match expression {
        Expr::Value(found) => match &found.value {
            Value::Null => Some(MeantDefault::Nothing),
            Value::Boolean(found) => literal(found.to_string()),
            Value::Number(text, _) | Value::SingleQuotedString(text)
                if neutral == Some(NeutralType::Boolean) && matches!(text.as_str(), "0" | "1") =>
            {
                literal((text == "1").to_string())
            }
            Value::Number(text, _) if is_numeric(neutral) => literal(text.clone()),
            Value::SingleQuotedString(text) => literal(text.clone()),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match bare(expr) {
            Expr::Value(found) => match &found.value {
                Value::Number(text, _) if is_numeric(neutral) => literal(format!("-{text}")),
                _ => None,
            },
            _ => None,
        },
        Expr::Function(function) => named(function),
        Expr::Identifier(name) if is_moment(&name.value) => Some(MeantDefault::Value(DefaultValue::CurrentTimestamp)),
        _ => None,
    }
}

fn named(function: &Function) -> Option<MeantDefault> {
    let name = function.name.0.last()?.as_ident()?.value.to_lowercase();
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
    if is_moment(&name) && are_digits {
        return Some(MeantDefault::Value(DefaultValue::CurrentTimestamp));
    }
    (UUIDS.contains(&name.as_str()) && arguments.is_empty()).then_some(MeantDefault::Value(DefaultValue::NewUuid))
}

fn is_moment(name: &str) -> bool {
    MOMENTS.iter().any(|moment| name.eq_ignore_ascii_case(moment))
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

/// An expression without brackets around it, and without the type that PostgreSQL says of a value.
fn bare(expression: &Expr) -> &Expr {
    match expression {
        Expr::Nested(inner) => bare(inner),
        Expr::Prefixed { value, .. } => bare(value),
        Expr::Cast { expr, .. } if matches!(bare(expr), Expr::Value(_) | Expr::UnaryOp { .. }) => bare(expr),
        other => other,
    }
}

/// An expression in shared words; absent where a part of it means something else elsewhere, or nothing.
pub(in crate::engine) fn portable(expression: &Expr) -> Option<String> {
    written(expression, MAX_DEPTH).map(|(text, _)| text)
}

fn written(expression: &Expr, depth: usize) -> Option<(String, Hold)> {
    let depth = depth.checked_sub(1)?;
    let part = |part: &Expr, hold: Hold| inside(part, hold, depth);
    Some(match bare(expression) {
        Expr::Identifier(name) => (column(name), Hold::Whole),
        // A name that is compared as text stays that name.
        Expr::Cast {
            expr, data_type: DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_), ..
        } => match bare(expr) {
            Expr::Identifier(name) => (column(name), Hold::Whole),
            _ => return None,
        },
        Expr::Value(found) => (constant(&found.value)?, Hold::Whole),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => (format!("-{}", part(expr, Hold::Whole)?), Hold::Multiply),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => (format!("NOT {}", part(expr, Hold::Not)?), Hold::Not),
        Expr::IsNull(inner) => (format!("{} IS NULL", part(inner, Hold::Add)?), Hold::Compare),
        Expr::IsNotNull(inner) => (format!("{} IS NOT NULL", part(inner, Hold::Add)?), Hold::Compare),
        Expr::BinaryOp { left, op, right } => {
            let (word, own, of_left, of_right) = operator(op)?;
            (format!("{} {word} {}", part(left, of_left)?, part(right, of_right)?), own)
        }
        Expr::Between { expr, negated, low, high } => {
            let not = if *negated { "NOT " } else { "" };
            let (expr, low, high) = (part(expr, Hold::Add)?, part(low, Hold::Add)?, part(high, Hold::Add)?);
            (format!("{expr} {not}BETWEEN {low} AND {high}"), Hold::Compare)
        }
        Expr::InList { expr, list, negated } => (in_list(expr, list, *negated, depth)?, Hold::Compare),
        // PostgreSQL keeps a list as an array.
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
            (in_list(left, array(right)?, false, depth)?, Hold::Compare)
        }
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => {
            (in_list(left, array(right)?, true, depth)?, Hold::Compare)
        }
        Expr::Function(function) => (call(function, depth)?, Hold::Whole),
        _ => return None,
    })
}

fn inside(expression: &Expr, hold: Hold, depth: usize) -> Option<String> {
    let (text, own) = written(expression, depth)?;
    Some(if own < hold { format!("({text})") } else { text })
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

fn in_list(expression: &Expr, list: &[Expr], negated: bool, depth: usize) -> Option<String> {
    let list: Vec<String> = list.iter().map(|item| inside(item, Hold::Or, depth)).collect::<Option<_>>()?;
    let not = if negated { "NOT " } else { "" };
    Some(format!("{} {not}IN ({})", inside(expression, Hold::Add, depth)?, list.join(", ")))
}

fn array(expression: &Expr) -> Option<&[Expr]> {
    match expression {
        Expr::Array(array) => Some(&array.elem),
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => array(inner),
        _ => None,
    }
}

fn call(function: &Function, depth: usize) -> Option<String> {
    let name = function.name.0.first()?.as_ident()?.value.to_lowercase();
    if function.name.0.len() != 1 || !FUNCTIONS.contains(&name.as_str()) {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    let argument = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => inside(expression, Hold::Or, depth),
        _ => None,
    };
    let arguments: Vec<String> = list.args.iter().map(argument).collect::<Option<_>>()?;
    Some(format!("{name}({})", arguments.join(", ")))
}

fn constant(value: &Value) -> Option<String> {
    Some(match value {
        Value::Number(text, _) => text.clone(),
        Value::SingleQuotedString(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Boolean(true) => "TRUE".to_owned(),
        Value::Boolean(false) => "FALSE".to_owned(),
        Value::Null => "NULL".to_owned(),
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
