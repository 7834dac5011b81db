//! Types of columns, and how a table is stored.

use super::{Look, evidence, rules};
use crate::{
    engine::dialect::{Dialect, names::snake_case},
    model::schema::{Column, LintRule, LintSubject, NeutralType, SchemaChange, TableDetails},
};

/// Parts of names under which sums of money are kept.
const MONEY_NAMES: [&str; 14] = [
    "amount", "balance", "budget", "cost", "credit", "debit", "discount", "fee", "fine", "payment", "price", "salary",
    "tax", "total",
];
/// Digits of an amount, and those behind the point.
const MONEY_DIGITS: (u32, u32) = (19, 4);

pub(super) fn look(look: &mut Look<'_>) {
    storage(look);
    for column in &look.table.columns {
        if let Some(neutral) = look.neutral_type(column) {
            column_type(look, column, neutral);
        }
    }
}

fn column_type(look: &mut Look<'_>, column: &Column, neutral: NeutralType) {
    let exact = NeutralType::Decimal { digits: Some(MONEY_DIGITS) };
    let (rule, to, what): (&'static LintRule, _, &str) = match neutral {
        NeutralType::Timestamp { zoned: false, .. } if look.dialect.is_some_and(Dialect::prefers_zoned_timestamps) => (
            rules::ZONELESS_TIMESTAMP,
            NeutralType::timestamp(true),
            "keeps no time zone; take timestamp with time zone",
        ),
        NeutralType::PaddedText { length } => {
            (rules::PADDED_TEXT, NeutralType::Text { length: Some(length) }, "is filled up with blanks; take a varchar")
        }
        NeutralType::Money => (rules::MONEY_TYPE, exact, "depends on the session's settings; take numeric"),
        NeutralType::Json { parsed: false } => {
            (rules::TEXTUAL_JSON, NeutralType::Json { parsed: true }, "is parsed at each use; take jsonb")
        }
        NeutralType::Float { .. } if names_money(&column.name) => {
            (rules::INEXACT_MONEY, exact, "rounds what its name calls money; take an exact number")
        }
        _ => return,
    };
    if !look.holds(rule) {
        return;
    }
    let change = SchemaChange::RetypeColumn { column: Box::new(column.clone()), to };
    let message = format!("{} is {}, which {what}", column.name, column.data_type);
    let found = vec![evidence("type", &column.data_type), evidence("row_estimate", look.table.row_estimate)];
    look.find(rule, LintSubject::Column(column.name.clone()), message, found, Some(&change));
}

/// A word of the name, whichever way it is written, is one for money or the plural of one.
fn names_money(name: &str) -> bool {
    let name = snake_case(name);
    let is_money = |word: &str| {
        MONEY_NAMES.iter().any(|money| word.strip_prefix(money).is_some_and(|ending| matches!(ending, "" | "s" | "es")))
    };
    name.split('_').any(is_money)
}

fn storage(look: &mut Look<'_>) {
    let Some(TableDetails::Mysql(details)) = &look.table.details else { return };
    let engine = &details.storage_engine;
    if look.holds(rules::OBSOLETE_STORAGE_ENGINE)
        && ["MyISAM", "Aria"].iter().any(|old| engine.eq_ignore_ascii_case(old))
    {
        let message = format!("the table is stored by {engine}, which has no transactions; take InnoDB");
        let found = vec![evidence("storage_engine", engine), evidence("row_estimate", look.table.row_estimate)];
        let change = SchemaChange::UseTransactionalEngine;
        look.find(rules::OBSOLETE_STORAGE_ENGINE, LintSubject::Table, message, found, Some(&change));
    }
    if !look.holds(rules::NARROW_CHARACTER_SET) {
        return;
    }
    let narrow: Vec<_> = look.table.columns.iter().filter(|column| is_narrow(&column.character_set)).collect();
    if narrow.is_empty() && !is_narrow(&details.character_set) {
        return;
    }
    let columns: Vec<_> = narrow.iter().map(|column| column.name.as_str()).collect();
    let found = vec![evidence("character_set", &details.character_set), evidence("columns", columns.join(", "))];
    let message =
        "the table keeps text in utf8mb3, which has no room for all characters; convert it to utf8mb4".to_owned();
    look.find(rules::NARROW_CHARACTER_SET, LintSubject::Table, message, found, Some(&SchemaChange::WidenCharacterSet));
}

/// The short name meant three bytes before MariaDB 10.6 and MySQL 8.0 told the two apart.
fn is_narrow(character_set: &str) -> bool {
    matches!(character_set, "utf8mb3" | "utf8")
}

#[cfg(test)]
mod tests {
    use super::names_money;

    #[test]
    fn names_for_money_are_told_by_their_words() {
        for name in ["price", "unit_price", "UnitPrice", "totalAmount", "TAX", "taxes", "shipping_costs"] {
            assert!(names_money(name), "{name}");
        }
        for name in ["latitude", "coffee", "taxonomy", "priceless", "ratio"] {
            assert!(!names_money(name), "{name}");
        }
    }
}
