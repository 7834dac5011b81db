//! Constants, without the casts that an engine writes beside them.

use sqlparser::ast::{Expr, UnaryOperator, Value};

use super::{super::Dialect, bare, clock::is_clock};
use crate::model::{connection::EngineKind, schema::NeutralType};

/// A constant without the casts that change nothing of it.
pub(super) enum Constant {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
}

impl Constant {
    /// The constant in shared words.
    pub(super) fn written(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Boolean(true) => "TRUE".to_owned(),
            Self::Boolean(false) => "FALSE".to_owned(),
            Self::Number(text) => text.clone(),
            Self::Text(text) => format!("'{}'", text.replace('\'', "''")),
        }
    }
}

/// The constant that a default is for a column that holds that.
pub(super) fn constant_default(
    dialect: &dyn Dialect,
    expression: &Expr,
    neutral: Option<NeutralType>,
) -> Option<Constant> {
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
pub(super) fn constant(dialect: &dyn Dialect, expression: &Expr, beside: Option<NeutralType>) -> Option<Constant> {
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

/// A value that a column of the type can be given as a literal.
pub(super) fn fits(text: &str, neutral: Option<NeutralType>) -> bool {
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
