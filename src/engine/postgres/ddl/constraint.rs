//! Checks, keys, exclusions and foreign keys.

use super::{
    column,
    facts::{Context, Fact, Written},
    index,
    piece::{Place, Step, Subject, in_brackets, name_list},
    table::TableName,
};
use crate::{
    engine::postgres::dialect::{qualified, quoted},
    model::schema::{
        CheckConstraint, DdlKind, DdlStatement, ExclusionConstraint, ExclusionElement, ForeignKey, Index, IndexTerm,
        KeyConstraint, MatchType, NullsOrder, ObjectName, ReferentialAction, Table, TableKind,
    },
};

/// Checks that CREATE TABLE has. A table that is made alone and then attached has to have those of its parents already.
pub(super) fn checks_inside(table: &Table, name: &TableName, is_alone: bool, context: &Context) -> Vec<String> {
    let is_wanted = |check: &&CheckConstraint| {
        is_inside(check, name, context) || (is_alone && is_inherited(&check.name, name, context))
    };
    table.checks.iter().filter(is_wanted).map(check_text).collect()
}

/// Comments on the checks that CREATE TABLE has, and on those that come with a parent.
pub(super) fn comments_inside(table: &Table, name: &TableName, context: &Context) -> Vec<DdlStatement> {
    let here =
        table.checks.iter().filter(|check| is_inherited(&check.name, name, context) || is_inside(check, name, context));
    here.filter_map(|check| subject(&check.name, name).comment(&check.comment)).collect()
}

fn is_inherited(constraint: &str, table: &TableName, context: &Context) -> bool {
    context.holds(Fact::InheritedConstraint, &table.name, constraint)
}

/// A check that holds for new rows only is told to do so when it is added.
fn is_inside(check: &CheckConstraint, table: &TableName, context: &Context) -> bool {
    let is_whole = check.validated || !check.enforced;
    is_whole && !is_inherited(&check.name, table, context) && !context.plan.stands_apart(&check_place(check, table))
}

fn check_place(check: &CheckConstraint, table: &TableName) -> Place {
    Place::part(Step::Check, &table.name.schema, &table.name.name, &check.name)
}

fn check_text(check: &CheckConstraint) -> String {
    let no_inherit = if check.no_inherit { " NO INHERIT" } else { "" };
    let state = match (check.enforced, check.validated) {
        (false, _) => " NOT ENFORCED",
        (true, false) => " NOT VALID",
        (true, true) => "",
    };
    format!("CONSTRAINT {} CHECK ({}){no_inherit}{state}", quoted(&check.name), check.expression)
}

fn subject(constraint: &str, table: &TableName) -> Subject {
    Subject::of_table(DdlKind::Constraint, "CONSTRAINT", constraint, &table.name)
}

/// Writes what is added to a table when it is there.
pub(super) fn write(table: &Table, name: &TableName, context: &Context, written: &mut Written) {
    for check in &table.checks {
        if is_inside(check, name, context) || is_inherited(&check.name, name, context) {
            continue;
        }
        let subject = subject(&check.name, name);
        let add = subject.statement(format!("ALTER {} ADD {}", name.in_sql(), check_text(check)));
        written.add(check_place(check, name), [add].into_iter().chain(subject.comment(&check.comment)));
    }
    for key in table.primary_key.iter().chain(&table.unique_constraints) {
        let index = table.indexes.iter().find(|index| index.constraint == key.name);
        let is_primary = table.primary_key.as_ref().is_some_and(|primary| primary.name == key.name);
        add_key(&key.name, key_text(key, is_primary, index), &key.comment, index, name, written);
    }
    for exclusion in &table.exclusions {
        let index = table.indexes.iter().find(|index| index.constraint == exclusion.name);
        let text = exclusion_text(exclusion, index, context);
        add_key(&exclusion.name, text, &exclusion.comment, index, name, written);
    }
    for key in &table.foreign_keys {
        let subject = Subject { kind: DdlKind::ForeignKey, ..subject(&key.name, name) };
        let comment = subject.comment(&key.comment);
        let place = |step| Place::part(step, &name.name.schema, &name.name.name, &key.name);
        if is_inherited(&key.name, name, context) {
            // Only its comment is its own.
            written.add(place(Step::InheritedKey), comment);
            continue;
        }
        // On a partitioned table the key is one of its partitions too.
        let only = if table.kind == TableKind::PartitionedTable { "" } else { "ONLY " };
        let add = format!("ALTER TABLE {only}{} ADD {}", name.qualified(), foreign_key_text(key));
        written.add(place(Step::ForeignKey), [subject.statement(add)].into_iter().chain(comment));
    }
}

fn add_key(
    constraint: &str,
    text: String,
    comment: &str,
    index: Option<&Index>,
    table: &TableName,
    written: &mut Written,
) {
    let subject = subject(constraint, table);
    let add = format!("ALTER TABLE ONLY {} ADD CONSTRAINT {} {text}", table.qualified(), quoted(constraint));
    let of_index = index.map(|index| index::additions(index, table)).unwrap_or_default();
    let statements = [subject.statement(add)].into_iter().chain(subject.comment(comment)).chain(of_index);
    let place = Place::part(Step::Key, &table.name.schema, &table.name.name, constraint);
    written.add(place, statements);
}

fn key_text(key: &KeyConstraint, is_primary: bool, index: Option<&Index>) -> String {
    let kind = match (is_primary, key.nulls_not_distinct) {
        (true, _) => "PRIMARY KEY",
        (false, true) => "UNIQUE NULLS NOT DISTINCT",
        (false, false) => "UNIQUE",
    };
    let overlaps = if key.without_overlaps { " WITHOUT OVERLAPS" } else { "" };
    let included = included(&key.included_columns);
    let waiting = waiting(key.deferrable, key.initially_deferred);
    format!("{kind} ({}{overlaps}){included}{}{waiting}", name_list(&key.columns), storage(index))
}

fn exclusion_text(exclusion: &ExclusionConstraint, index: Option<&Index>, context: &Context) -> String {
    let elements: Vec<String> = exclusion.elements.iter().map(|element| element_text(element, context)).collect();
    let condition =
        if exclusion.predicate.is_empty() { String::new() } else { format!(" WHERE ({})", exclusion.predicate) };
    format!(
        "EXCLUDE USING {} ({}){}{}{condition}{}",
        quoted(&exclusion.method),
        elements.join(", "),
        included(&exclusion.included_columns),
        storage(index),
        waiting(exclusion.deferrable, exclusion.initially_deferred)
    )
}

fn element_text(element: &ExclusionElement, context: &Context) -> String {
    let mut text = match &element.term {
        IndexTerm::Column(name) => quoted(name),
        IndexTerm::Expression(expression) => format!("({expression})"),
    };
    text.push_str(&context.collate(&element.collation));
    if let Some(class) = &element.operator_class {
        let parameters: Vec<String> = class.parameters.iter().map(column::parameter).collect();
        if !class.default || !parameters.is_empty() {
            text.push_str(&format!(" {}{}", qualified(&class.name), in_brackets("", &parameters)));
        }
    }
    if element.descending {
        text.push_str(" DESC");
    }
    // As they are without a word, they are the last upwards and the first downwards.
    match (element.nulls, element.descending) {
        (NullsOrder::First, false) => text.push_str(" NULLS FIRST"),
        (NullsOrder::Last, true) => text.push_str(" NULLS LAST"),
        _ => {}
    }
    format!("{text} WITH {}", element.operator)
}

fn foreign_key_text(key: &ForeignKey) -> String {
    let table = qualified(&ObjectName { schema: key.referenced_schema.clone(), name: key.referenced_table.clone() });
    let mut text = format!("CONSTRAINT {} FOREIGN KEY ", quoted(&key.name));
    text.push_str(&format!("({})", period_list(&key.columns, key.period)));
    text.push_str(&format!(" REFERENCES {table} ({})", period_list(&key.referenced_columns, key.period)));
    text.push_str(match key.match_type {
        MatchType::Simple => "",
        MatchType::Full => " MATCH FULL",
        MatchType::Partial => " MATCH PARTIAL",
    });
    text.push_str(&action(" ON UPDATE", key.on_update));
    let on_delete = action(" ON DELETE", key.on_delete);
    text.push_str(&on_delete);
    if !on_delete.is_empty() && !key.on_delete_columns.is_empty() {
        text.push_str(&format!(" ({})", name_list(&key.on_delete_columns)));
    }
    text.push_str(waiting(key.deferrable, key.initially_deferred));
    text.push_str(match (key.enforced, key.validated) {
        (false, _) => " NOT ENFORCED",
        (true, false) => " NOT VALID",
        (true, true) => "",
    });
    text
}

/// Columns of which the last is a period, or none.
fn period_list(columns: &[String], period: bool) -> String {
    match columns.split_last() {
        Some((last, [])) if period => format!("PERIOD {}", quoted(last)),
        Some((last, rest)) if period => format!("{}, PERIOD {}", name_list(rest), quoted(last)),
        _ => name_list(columns),
    }
}

fn action(when: &str, action: ReferentialAction) -> String {
    let word = match action {
        ReferentialAction::NoAction => return String::new(),
        ReferentialAction::Restrict => "RESTRICT",
        ReferentialAction::Cascade => "CASCADE",
        ReferentialAction::SetNull => "SET NULL",
        ReferentialAction::SetDefault => "SET DEFAULT",
    };
    format!("{when} {word}")
}

fn included(columns: &[String]) -> String {
    if columns.is_empty() { String::new() } else { format!(" INCLUDE ({})", name_list(columns)) }
}

fn storage(index: Option<&Index>) -> String {
    let parameters: Vec<String> =
        index.map(|index| index.storage_parameters.iter().map(column::parameter).collect()).unwrap_or_default();
    in_brackets(" WITH", &parameters)
}

fn waiting(deferrable: bool, deferred: bool) -> &'static str {
    match (deferrable, deferred) {
        (true, true) => " DEFERRABLE INITIALLY DEFERRED",
        (true, false) => " DEFERRABLE",
        (false, _) => "",
    }
}
