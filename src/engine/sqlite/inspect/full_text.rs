//! Tables that can be searched by words: those of SQLite's full-text modules.

use sqlx::SqliteConnection;

use super::super::{
    SCHEMA,
    catalog::{self, ColumnRow, Relation, key},
    ddl,
};
use crate::model::schema::{DatabaseInfo, FullTextTable, Skipped, TableKind, VirtualModule};

/// Modules whose tables are searched by MATCH.
const MODULES: [&str; 3] = ["fts3", "fts4", "fts5"];

/// Full-text tables of a database.
pub(super) struct FullText {
    /// How many there are.
    pub(super) count: i64,
    /// The first of them by name.
    pub(super) tables: Vec<FullTextTable>,
    /// Those whose columns could not be read.
    pub(super) skipped: Vec<Skipped>,
}

/// Finds the full-text tables among virtual tables with their definitions.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    virtual_tables: &[(String, String)],
) -> Result<FullText, sqlx::Error> {
    let is_full_text = |module: &VirtualModule| MODULES.iter().any(|name| module.name.eq_ignore_ascii_case(name));
    let modules = virtual_tables.iter().filter_map(|(name, sql)| Some((name, ddl::module(sql)?)));
    let mut found: Vec<(&String, VirtualModule)> = modules.filter(|(_, module)| is_full_text(module)).collect();
    let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
    found.truncate(DatabaseInfo::MAX_FULL_TEXT_TABLES);
    let relations: Vec<Relation> = found.iter().map(|(name, _)| relation(name)).collect();
    let details = catalog::columns_or_skipped(connection, &relations).await?;
    let table = |(name, module): &(&String, VirtualModule)| FullTextTable {
        schema: SCHEMA.to_owned(),
        table: (*name).clone(),
        index: module.name.to_ascii_lowercase(),
        columns: indexed(details.columns.get(&key(name)).map_or(&[], Vec::as_slice), module),
    };
    Ok(FullText { count, tables: found.iter().map(table).collect(), skipped: details.skipped })
}

fn relation(name: &str) -> Relation {
    Relation { name: name.to_owned(), kind: TableKind::VirtualTable, without_rowid: false, strict: false }
}

/// The columns but those that the arguments leave out of the index: `UNINDEXED` behind one of FTS5, `notindexed=` of FTS4.
fn indexed(columns: &[ColumnRow], module: &VirtualModule) -> Vec<String> {
    let names = columns.iter().map(|column| column.name.clone());
    names.filter(|name| !module.arguments.iter().any(|argument| leaves_out(argument, name))).collect()
}

fn leaves_out(argument: &str, column: &str) -> bool {
    if let Some((option, value)) = argument.split_once('=') {
        return option.trim().eq_ignore_ascii_case("notindexed") && ddl::is_name(value, column);
    }
    let Some((name, word)) = argument.trim_end().rsplit_once(|character: char| character.is_ascii_whitespace()) else {
        return false;
    };
    word.eq_ignore_ascii_case("UNINDEXED") && ddl::is_name(name, column)
}
