//! What depends on a table: SQLite keeps no record of it, so that texts are read.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use super::{
    super::{
        SCHEMA,
        catalog::{self, Mention, key},
        ddl,
    },
    build,
};
use crate::model::schema::{Dependence, Dependent, DependentKind};

/// Modules whose tables take words from another table, and the argument that names it.
const CONTENT_MODULES: [&str; 2] = ["fts4", "fts5"];
/// A module that shows the words of a full-text table, which its first argument names.
const VOCABULARY_MODULE: &str = "fts5vocab";

/// What depends on a table, in the order in which it is told: foreign keys of other tables by what the engine tells, views,
/// triggers of other tables and virtual tables by their texts.
pub(super) async fn read(connection: &mut SqliteConnection, table: &str) -> Result<Vec<Dependent>, sqlx::Error> {
    let mentions = catalog::mentions(connection, table).await?;
    let others: Vec<&Mention> = mentions.iter().filter(|mention| !is_own(mention, table)).collect();
    let mut dependents: Vec<Dependent> = others.iter().filter_map(|mention| by_text(mention, table)).collect();
    dependents.extend(by_foreign_key(connection, &others, table).await?);
    dependents.sort_unstable();
    Ok(dependents)
}

/// The table itself or one of its triggers.
fn is_own(mention: &Mention, table: &str) -> bool {
    let owner = if mention.kind == "trigger" { &mention.table } else { &mention.name };
    owner.eq_ignore_ascii_case(table)
}

fn by_text(mention: &Mention, table: &str) -> Option<Dependent> {
    let (kind, depends) = match mention.kind.as_str() {
        "view" => (DependentKind::View, ddl::names_table(&ddl::view_query(&mention.sql), table)),
        "trigger" => {
            let text = ddl::trigger(&mention.sql);
            let depends = ddl::names_table(&text.condition, table) || ddl::names_table(&text.body, table);
            (DependentKind::Trigger, depends)
        }
        _ => (DependentKind::Table, takes_words_from(mention, table)),
    };
    depends.then(|| dependent(kind, mention, Dependence::Reads))
}

fn dependent(kind: DependentKind, mention: &Mention, dependence: Dependence) -> Dependent {
    Dependent {
        kind,
        schema: SCHEMA.to_owned(),
        name: mention.name.clone(),
        dependence,
        through: String::new(),
        columns: Vec::new(),
    }
}

/// Whether a virtual table is a full-text table over the rows of a table, or the vocabulary of one.
fn takes_words_from(mention: &Mention, table: &str) -> bool {
    let Some(module) = ddl::module(&mention.sql) else { return false };
    let is = |argument: &str| ddl::is_name(argument, table);
    if module.name.eq_ignore_ascii_case(VOCABULARY_MODULE) {
        return module.arguments.first().is_some_and(|argument| is(argument));
    }
    let has_content = CONTENT_MODULES.iter().any(|name| module.name.eq_ignore_ascii_case(name));
    let content = module.arguments.iter().filter_map(|argument| argument.split_once('='));
    has_content && content.into_iter().any(|(option, value)| option.trim().eq_ignore_ascii_case("content") && is(value))
}

/// Foreign keys of other tables that point to the table.
async fn by_foreign_key(
    connection: &mut SqliteConnection,
    others: &[&Mention],
    table: &str,
) -> Result<Vec<Dependent>, sqlx::Error> {
    let tables: HashMap<String, &Mention> =
        others.iter().filter(|mention| mention.kind == "table").map(|mention| (key(&mention.name), *mention)).collect();
    let names = catalog::json_names(tables.values().map(|mention| mention.name.as_str()));
    let found = catalog::foreign_keys(connection, &names).await?;
    let mut dependents = Vec::new();
    for (name, rows) in &found {
        let Some(mention) = tables.get(name) else { continue };
        let keys = build::foreign_keys(rows, &ddl::table(&mention.sql));
        for key in keys.into_iter().filter(|key| key.referenced_table.eq_ignore_ascii_case(table)) {
            dependents.push(Dependent {
                through: key.name,
                columns: key.referenced_columns,
                ..dependent(DependentKind::Table, mention, Dependence::References)
            });
        }
    }
    Ok(dependents)
}
