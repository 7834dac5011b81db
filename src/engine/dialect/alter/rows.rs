//! What a change does to the rows that are there, in so far as it is the same for all engines.

use super::Effect;
use crate::model::schema::{
    NeutralType, ObjectName,
    definition::{ColumnDefinition, ColumnType, full_name},
    difference::{Change, TableChange},
};

/// What is lost by a change, and with which rows it fails. What others wait for is the engine's to say.
pub(in crate::engine) fn effect_on_rows(change: &Change) -> Effect {
    match change {
        Change::DropTable(table) => Effect::losing(format!("all rows of the table {} are lost", table.full_name())),
        Change::AlterTable { table, change } => of_table(table, change),
        _ => Effect::default(),
    }
}

impl Effect {
    /// Loses data, and otherwise does nothing beside what it is for.
    pub(in crate::engine) fn losing(what: String) -> Self {
        Self { data_loss: what, ..Self::default() }
    }

    /// Fails with some rows, and otherwise does nothing beside what it is for.
    pub(in crate::engine) fn failing(when: String) -> Self {
        Self { may_fail: when, ..Self::default() }
    }
}

fn of_table(table: &ObjectName, change: &TableChange) -> Effect {
    let name = full_name(&table.schema, &table.name);
    match change {
        TableChange::DropColumn(column) if column.generated.is_none() => {
            Effect::losing(format!("the values of the column {name}.{} are lost", column.name))
        }
        TableChange::AlterColumn { from, to } => of_column(&format!("{name}.{}", to.name), from, to),
        TableChange::AddPrimaryKey(key) => Effect::failing(format!(
            "fails where two rows have the same {}, or one has NULL there",
            key.columns.join(", ")
        )),
        TableChange::AddUnique(key) => same_rows(&key.columns),
        TableChange::AddIndex(index) if index.unique => same_rows(&index.column_names()),
        TableChange::AddForeignKey(key) => Effect::failing(format!(
            "fails where a row points to none of {}",
            full_name(&key.referenced_schema, &key.referenced_table)
        )),
        TableChange::AddCheck(check) => {
            Effect::failing(format!("fails where a row does not meet {}", check.expression))
        }
        _ => Effect::default(),
    }
}

fn same_rows(columns: &[String]) -> Effect {
    Effect::failing(format!("fails where two rows have the same {}", columns.join(", ")))
}

fn of_column(name: &str, from: &ColumnDefinition, to: &ColumnDefinition) -> Effect {
    if from.generated.is_some() {
        return Effect::default();
    }
    if to.generated.is_some() {
        return Effect::losing(format!(
            "the values of the column {name} are lost, because they are computed from now on"
        ));
    }
    let mut effect = Effect::default();
    if let Some(what) = lost(&from.column_type, &to.column_type) {
        effect.data_loss = format!("values of the column {name} lose {what}");
    }
    let mut failing = Vec::new();
    if from.nullable && !to.nullable {
        failing.push(format!("fails where a row has NULL in {name}; give it a value first"));
    }
    if !from.column_type.is_same(&to.column_type) && !takes_all(&from.column_type, &to.column_type) {
        failing.push(format!("fails where a value of {name} has no room or no form in {}", to.column_type));
    }
    effect.may_fail = failing.join("; ");
    effect
}

/// What engines cut off without a word when values become of another type.
pub(in crate::engine) fn lost(from: &ColumnType, to: &ColumnType) -> Option<&'static str> {
    use NeutralType as T;
    let (from, to) = (from.neutral()?, to.neutral()?);
    match (from, to) {
        (T::Decimal { .. } | T::Float { .. } | T::Money, T::Integer { .. } | T::Boolean) => {
            Some("the digits behind the point")
        }
        (T::Decimal { digits: before }, T::Decimal { digits: Some((_, after)) })
            if before.is_none_or(|(_, scale)| scale > after) =>
        {
            Some("digits behind the point")
        }
        // What was written as text is rounded as it is read.
        (T::Float { .. } | T::Text { .. } | T::PaddedText { .. }, T::Decimal { digits: Some(_) } | T::Money)
        | (T::Decimal { .. }, T::Money) => Some("digits behind the point"),
        (T::Integer { .. }, T::Boolean) => Some("every number but 0 and 1"),
        (T::Decimal { .. } | T::Integer { bits: 64 | 32, .. }, T::Float { .. })
        | (T::Float { bits: 64 }, T::Float { bits: 32 }) => Some("digits beyond those of a binary number"),
        (T::Timestamp { .. } | T::Text { .. } | T::PaddedText { .. }, T::Date) => Some("the time of day"),
        (T::Timestamp { .. } | T::Text { .. } | T::PaddedText { .. }, T::Time { .. }) => Some("the day"),
        (T::Timestamp { zoned: true, .. }, T::Timestamp { zoned: false, .. })
        | (T::Time { zoned: true, .. }, T::Time { zoned: false, .. }) => Some("their time zone"),
        (T::Timestamp { digits: before, .. }, T::Timestamp { digits: after, .. })
        | (T::Time { digits: before, .. }, T::Time { digits: after, .. })
            if before > after =>
        {
            Some("digits of their seconds")
        }
        _ => None,
    }
}

/// True where every value of the one type is a value of the other.
fn takes_all(from: &ColumnType, to: &ColumnType) -> bool {
    use NeutralType as T;
    let (Some(from), Some(to)) = (from.neutral(), to.neutral()) else { return false };
    match (from, to) {
        (T::Integer { bits: before, unsigned: from_zero }, T::Integer { bits: after, unsigned: to_zero }) => {
            (from_zero == to_zero && after >= before) || (from_zero && !to_zero && after > before)
        }
        (T::Boolean, T::Integer { .. }) | (T::Float { .. }, T::Float { bits: 64 }) => true,
        (T::Integer { .. }, T::Float { .. }) => true,
        (T::Decimal { digits: Some((precision, scale)) }, T::Decimal { digits: Some((digits, after)) }) => {
            digits.saturating_sub(after) >= precision.saturating_sub(scale)
        }
        (_, T::Decimal { digits: None }) => matches!(from, T::Decimal { .. } | T::Integer { .. }),
        (T::Text { length: Some(before) } | T::PaddedText { length: before }, T::Text { length: Some(after) }) => {
            after >= before
        }
        (T::PaddedText { length: before }, T::PaddedText { length: after }) => after >= before,
        (_, T::Text { length: None }) => from != T::Bytes,
        (T::Date, T::Timestamp { .. }) | (T::Timestamp { .. }, T::Timestamp { .. } | T::Date | T::Time { .. }) => true,
        (T::Time { .. }, T::Time { .. }) | (T::Json { .. }, T::Json { .. }) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{lost, takes_all};
    use crate::model::schema::definition::ColumnType;

    fn of(text: &str) -> ColumnType {
        ColumnType::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_type_that_takes_less_is_told() {
        for (from, to, all) in [
            ("int32", "int64", true),
            ("int64", "int32", false),
            ("uint32", "int64", true),
            ("uint32", "int32", false),
            ("int32", "uint64", false),
            ("decimal(10,2)", "decimal(12,4)", true),
            ("decimal(10,2)", "decimal(10,4)", false),
            ("text(40)", "text(20)", false),
            ("text(40)", "text", true),
            ("bytes", "text", false),
            ("text", "int64", false),
            ("mysql:enum('a', 'b')", "mysql:enum('a')", false),
        ] {
            assert_eq!(takes_all(&of(from), &of(to)), all, "{from} to {to}");
        }
    }

    #[test]
    fn what_is_cut_off_is_told() {
        for (from, to, what) in [
            ("decimal(10,2)", "decimal(10,4)", None),
            ("decimal(10,4)", "decimal(10,2)", Some("digits behind the point")),
            ("float64", "int64", Some("the digits behind the point")),
            ("timestamp", "date", Some("the time of day")),
            ("timestamp_tz", "timestamp", Some("their time zone")),
            ("timestamp", "timestamp(3)", Some("digits of their seconds")),
            ("time(0)", "time", None),
            ("text", "int32", None),
            ("int32", "boolean", Some("every number but 0 and 1")),
            ("text", "decimal(10,2)", Some("digits behind the point")),
            ("text", "decimal", None),
            ("text(40)", "date", Some("the time of day")),
            ("text", "time", Some("the day")),
            ("decimal(20,6)", "money", Some("digits behind the point")),
            ("float64", "money", Some("digits behind the point")),
        ] {
            assert_eq!(lost(&of(from), &of(to)), what, "{from} to {to}");
        }
    }
}
