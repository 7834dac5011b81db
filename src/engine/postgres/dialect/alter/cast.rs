//! How the values of a column are carried over to another type.

use crate::model::schema::{NeutralType, definition::ColumnType};

/// The expression of USING; absent where assignment does it. `column` is the column as it stands in a statement.
pub(super) fn using(column: &str, from: &ColumnType, to: &ColumnType, written: &str) -> Option<String> {
    use NeutralType as T;
    let (ColumnType::Neutral(from), ColumnType::Neutral(to)) = (from, to) else {
        return match to {
            // Whatever it is, its text is what text holds. The server assigns it, which fails where there is no room; a cast that is
            // written out would cut it.
            ColumnType::Neutral(T::Text { .. }) => None,
            ColumnType::Neutral(T::PaddedText { .. }) => Some(format!("{column}::text")),
            _ => Some(format!("{column}::text::{written}")),
        };
    };
    match (from, to) {
        (_, T::Text { .. } | T::PaddedText { .. }) => None,
        (T::Text { .. } | T::PaddedText { .. }, _) => Some(format!("{column}::{written}")),
        // The server has a cast for whole numbers of 32 bits alone.
        (T::Boolean, T::Integer { .. } | T::Decimal { .. } | T::Float { .. }) => {
            Some(format!("{column}::integer::{written}"))
        }
        (T::Integer { .. } | T::Decimal { .. } | T::Float { .. }, T::Boolean) => Some(format!("{column} <> 0")),
        (T::Money, T::Integer { .. } | T::Float { .. }) => Some(format!("{column}::numeric::{written}")),
        (T::Float { .. }, T::Money) => Some(format!("{column}::numeric::{written}")),
        _ if is_number(from) && is_number(to) => None,
        // What a clock showed is taken for UTC and not for the time zone of the session.
        (T::Timestamp { zoned: before, .. }, T::Timestamp { zoned: after, .. }) if before == after => None,
        (T::Timestamp { .. }, T::Timestamp { .. }) => Some(format!("{column} AT TIME ZONE 'UTC'")),
        (T::Date, T::Timestamp { zoned: true, .. }) => Some(format!("{column}::timestamp AT TIME ZONE 'UTC'")),
        (T::Timestamp { zoned: true, .. }, T::Date | T::Time { .. }) => {
            Some(format!("({column} AT TIME ZONE 'UTC')::{written}"))
        }
        (T::Timestamp { zoned: false, .. }, T::Date | T::Time { zoned: false, .. })
        | (T::Date, T::Timestamp { zoned: false, .. })
        | (T::Json { .. }, T::Json { .. }) => None,
        (T::Timestamp { zoned: false, .. }, T::Time { zoned: true, .. }) | (T::Time { .. }, T::Time { .. }) => {
            Some(format!("{column}::{written}"))
        }
        (same, other) if same == other => None,
        _ => Some(format!("{column}::text::{written}")),
    }
}

fn is_number(neutral: &NeutralType) -> bool {
    matches!(
        neutral,
        NeutralType::Integer { .. } | NeutralType::Decimal { .. } | NeutralType::Float { .. } | NeutralType::Money
    )
}

/// True where the server knows that each value stays as it is stored: it changes its catalog and reads no row.
pub(super) fn is_stored_alike(from: &ColumnType, to: &ColumnType) -> bool {
    use NeutralType as T;
    match (from.neutral(), to.neutral()) {
        (Some(T::Text { .. }), Some(T::Text { length: None })) => true,
        (Some(T::Text { length: Some(from) }), Some(T::Text { length: Some(to) })) => from <= to,
        (Some(T::Decimal { .. }), Some(T::Decimal { digits: None })) => true,
        (Some(T::Decimal { digits: Some((from, scale)) }), Some(T::Decimal { digits: Some((to, other)) })) => {
            scale == other && from <= to
        }
        (Some(T::Time { zoned, digits: from }), Some(T::Time { zoned: other, digits: to }))
        | (Some(T::Timestamp { zoned, digits: from }), Some(T::Timestamp { zoned: other, digits: to })) => {
            zoned == other && from <= to
        }
        _ => false,
    }
}
