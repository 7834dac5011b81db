//! Columns and their types.

use super::{
    super::{ColumnDefinition, ColumnType, DefaultValue, MAX_EXPRESSION, full_name},
    Check,
    types::{labels, resolved},
};
use crate::model::schema::NeutralType;

/// Characters of a UUID as text.
const UUID_LENGTH: u32 = 36;

pub(super) fn look(check: &mut Check<'_>, path: &str, column: &ColumnDefinition) {
    check.name(&format!("{path}.name"), &column.name);
    check.text(&format!("{path}.comment"), &column.comment);
    look_at_type(check, &format!("{path}.type"), &column.column_type);
    let sources = [column.default.is_some(), column.identity.is_some(), column.generated.is_some()];
    if sources.into_iter().filter(|source| *source).count() > 1 {
        check.refuse(
            path.to_owned(),
            "has more than one of default, identity and generated; a column takes one of them",
        );
    }
    if let Some(generated) = &column.generated {
        check.sql(&format!("{path}.generated.expression"), &generated.expression);
    }
    if column.identity.is_some() && !is(check, column, |neutral| matches!(neutral, NeutralType::Integer { .. })) {
        check.refuse(format!("{path}.identity"), "takes a type of whole numbers");
    }
    if column.identity.is_some() && column.nullable {
        check.refuse(format!("{path}.nullable"), "must be false where the column is an identity");
    }
    let is_moment =
        is(check, column, |neutral| matches!(neutral, NeutralType::Timestamp { .. } | NeutralType::Text { .. }));
    if column.touched_on_update && !is_moment {
        check.refuse(format!("{path}.touched_on_update"), "takes the type timestamp, timestamp_tz or text");
    }
    if let Some(default) = &column.default {
        look_at_default(check, &format!("{path}.default"), column, default);
    }
}

fn is(check: &Check<'_>, column: &ColumnDefinition, holds: impl Fn(&NeutralType) -> bool) -> bool {
    match resolved(check, &column.column_type) {
        ColumnType::Neutral(neutral) => holds(neutral),
        ColumnType::Declared(_) => false,
        // What only one engine has is for that engine to judge.
        ColumnType::Native { .. } => true,
    }
}

fn look_at_default(check: &mut Check<'_>, field: &str, column: &ColumnDefinition, default: &DefaultValue) {
    use NeutralType as T;
    match default {
        DefaultValue::Literal(text) => look_at_literal(check, &format!("{field}.literal"), column, text),
        DefaultValue::Expression { text, .. } => check.sql(&format!("{field}.expression"), text),
        DefaultValue::CurrentTimestamp => {
            if !is(check, column, |neutral| {
                matches!(neutral, T::Date | T::Time { .. } | T::Timestamp { .. } | T::Text { .. })
            }) {
                check.refuse(
                    field.to_owned(),
                    "the current timestamp takes the type date, time, time_tz, timestamp, timestamp_tz or text",
                );
            }
        }
        DefaultValue::NewUuid => {
            if !is(check, column, |neutral| {
                matches!(neutral, T::Uuid | T::Text { .. } | T::PaddedText { length: UUID_LENGTH.. })
            }) {
                check.refuse(field.to_owned(), "a new UUID takes the type uuid, text or char(36)");
            }
        }
    }
}

fn look_at_literal(check: &mut Check<'_>, field: &str, column: &ColumnDefinition, text: &str) {
    use NeutralType as T;
    check.text(field, text);
    if let Some(labels) = labels(check, &column.column_type) {
        if !labels.iter().any(|label| label == text) {
            check.refuse(field.to_owned(), format!("{text:?} is not a label of {}", column.column_type));
        }
        return;
    }
    let ColumnType::Neutral(neutral) = resolved(check, &column.column_type) else { return };
    let wanted = match neutral {
        T::Boolean if !matches!(text, "true" | "false") => "true or false",
        T::Integer { .. } if text.parse::<i128>().is_err() => "a whole number",
        T::Decimal { .. } | T::Money if !is_decimal(text) => "a number such as -12.50",
        T::Float { .. } if !text.parse::<f64>().is_ok_and(f64::is_finite) => "a number",
        _ => return,
    };
    check.refuse(field.to_owned(), format!("must be {wanted} for the type {}; it is {text:?}", column.column_type));
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, part].iter().all(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A type that a column, a domain or a field has.
pub(super) fn look_at_type(check: &mut Check<'_>, field: &str, column_type: &ColumnType) {
    use NeutralType as T;
    match column_type {
        ColumnType::Declared(name) => {
            if check.definition.find_type(name).is_none() {
                let name = full_name(&name.schema, &name.name);
                check.refuse(field.to_owned(), format!("unknown type {name:?}; declare it under types"));
            }
        }
        ColumnType::Native { text, .. } => {
            if text.trim().is_empty() || text.len() > MAX_EXPRESSION || text.contains([';', '\0']) {
                check.refuse(field.to_owned(), "must be a type as the engine writes it, without a semicolon");
            }
        }
        ColumnType::Neutral(T::Text { length: Some(0) } | T::PaddedText { length: 0 }) => {
            check.refuse(field.to_owned(), "must have a length of at least 1");
        }
        ColumnType::Neutral(T::Decimal { digits: Some((precision, scale)) }) => {
            if *precision == 0 || scale > precision {
                check.refuse(field.to_owned(), "must have a precision of at least 1 and a scale that is not larger");
            }
        }
        ColumnType::Neutral(_) => {}
    }
}
