//! What depends on a table: views and foreign keys. Bodies of routines, triggers and events are text to both servers, which do
//! not tell what they read.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, MySqlConnection, mysql::MySqlRow};

use super::{
    catalog::{integer, text},
    names,
    skipped::Blindness,
};
use crate::{
    engine::mysql::{error, server::Server},
    model::schema::{Dependence, Dependent, DependentKind, Skipped, TableKind},
};

const FOREIGN_KEYS_MYSQL: &str = include_str!("catalog/dependent_keys_mysql.sql");
const FOREIGN_KEYS_MARIADB: &str = include_str!("catalog/dependent_keys_mariadb.sql");
const VIEWS_MYSQL: &str = include_str!("catalog/dependent_views_mysql.sql");
const VIEWS_MARIADB: &str = include_str!("catalog/dependent_views_mariadb.sql");

/// What depends on a table, in its order.
pub(super) async fn of_table(
    connection: &mut MySqlConnection,
    server: &Server,
    schema: &str,
    table: &str,
    blindness: &Blindness,
) -> Result<(Vec<Dependent>, Vec<Skipped>), sqlx::Error> {
    let mut skipped = Vec::new();
    let mut dependents = if server.is_mariadb() {
        match keys_mariadb(connection, schema, table).await {
            Ok(found) => found,
            // The privilege is asked for on the whole server.
            Err(cause) if error::vendor_code(&cause) == Some(1227) => {
                skipped.extend(blindness.without_global("PROCESS", "foreign keys of other tables"));
                Vec::new()
            }
            Err(cause) => return Err(cause),
        }
    } else {
        keys_mysql(connection, schema, table).await?
    };
    dependents.extend(views(connection, server, schema, table).await?);
    if let Some(hidden) = blindness.without("SHOW VIEW", "views that read the table") {
        skipped.push(hidden);
    }
    dependents.retain(|found| found.schema != schema || found.name != table);
    dependents.sort_unstable();
    Ok((dependents, skipped))
}

async fn keys_mysql(
    connection: &mut MySqlConnection,
    schema: &str,
    table: &str,
) -> Result<Vec<Dependent>, sqlx::Error> {
    let rows = sqlx::query(FOREIGN_KEYS_MYSQL).bind(schema).bind(table).fetch_all(connection).await?;
    let mut keys: BTreeMap<(String, String, String), Vec<String>> = BTreeMap::new();
    for found in &rows {
        keys.entry((text(found, 0), text(found, 1), text(found, 2))).or_default().push(text(found, 3));
    }
    Ok(keys.into_iter().map(|((schema, name, key), columns)| reference(schema, name, key, columns)).collect())
}

/// InnoDB's own lists, which have no table to open. Their names are those of files, which the server decodes.
async fn keys_mariadb(
    connection: &mut MySqlConnection,
    schema: &str,
    table: &str,
) -> Result<Vec<Dependent>, sqlx::Error> {
    let rows = sqlx::query(FOREIGN_KEYS_MARIADB).bind(schema).bind(table).fetch_all(&mut *connection).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let marks = vec!["?"; rows.len()].join(", ");
    let sql = format!(
        "SELECT ID, REF_COL_NAME, CAST(POS AS SIGNED) FROM information_schema.INNODB_SYS_FOREIGN_COLS WHERE ID IN ({marks})"
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for found in &rows {
        query = query.bind(text(found, 0));
    }
    let mut columns: BTreeMap<String, BTreeSet<(i64, String)>> = BTreeMap::new();
    for found in query.fetch_all(connection).await? {
        columns.entry(text(&found, 0)).or_default().insert((integer(&found, 2), text(&found, 1)));
    }
    let key = |found: &MySqlRow| {
        let id = text(found, 0);
        let columns = columns.remove(&id).unwrap_or_default().into_iter().map(|(_, column)| column).collect();
        let name = id.split_once('/').map_or(id.as_str(), |(_, name)| name).to_owned();
        reference(text(found, 1), text(found, 2), name, columns)
    };
    Ok(rows.iter().map(key).collect())
}

fn reference(schema: String, name: String, key: String, columns: Vec<String>) -> Dependent {
    let (kind, dependence) = (DependentKind::Table, Dependence::References);
    Dependent { kind, schema, name, dependence, through: key, columns }
}

/// MySQL keeps a list of what views read. MariaDB does not; there the definitions are looked through, which the server writes
/// with the name of the database before each table. The names of all tables are read for it, which is what of this look-up
/// grows with them.
async fn views(
    connection: &mut MySqlConnection,
    server: &Server,
    schema: &str,
    table: &str,
) -> Result<Vec<Dependent>, sqlx::Error> {
    let view = |schema: String, name: String| Dependent {
        kind: DependentKind::View,
        schema,
        name,
        dependence: Dependence::Reads,
        through: String::new(),
        columns: Vec::new(),
    };
    if server.mysql_from(8, 0) {
        let rows = sqlx::query(VIEWS_MYSQL).bind(schema).bind(table).fetch_all(connection).await?;
        return Ok(rows.iter().map(|found| view(text(found, 0), text(found, 1))).collect());
    }
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    let wanted = format!("{}.{}", quoted(schema), quoted(table));
    let names = names::names(connection, schema, Some(TableKind::View)).await?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("{VIEWS_MARIADB} ({})", vec!["?"; names.len()].join(", "));
    let query = sqlx::query(AssertSqlSafe(sql)).bind(schema).bind(&wanted);
    let rows = names.iter().fold(query, |query, name| query.bind(name)).fetch_all(connection).await?;
    let reads = |found: &&MySqlRow| names_table(&text(found, 1), &wanted);
    Ok(rows.iter().filter(reads).map(|found| view(schema.to_owned(), text(found, 0))).collect())
}

/// Whether a definition names a table outside of its strings.
fn names_table(definition: &str, wanted: &str) -> bool {
    let mut rest = definition;
    while let Some(start) = rest.find(['\'', '`']) {
        rest = &rest[start..];
        if rest.starts_with('\'') {
            rest = &rest[string_end(rest)..];
            continue;
        }
        let after = &rest[quoted_end(rest)..];
        if rest.starts_with(wanted) && !rest[wanted.len()..].starts_with('`') {
            return true;
        }
        rest = after;
    }
    false
}

/// Where a string ends; a quote within it is doubled or comes after a backslash.
fn string_end(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    while let Some((index, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '\'' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// Where a name in backquotes ends; one within it is doubled, which is read as two names side by side.
fn quoted_end(text: &str) -> usize {
    text[1..].find('`').map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::names_table;

    #[test]
    fn a_table_is_found_as_a_name_and_not_in_a_string() {
        let wanted = "`shop`.`orders`";
        for definition in [
            "select `shop`.`orders`.`id` AS `id` from `shop`.`orders`",
            "select 'it''s \\' `x`' AS `a` from (`shop`.`x` join `shop`.`orders`)",
        ] {
            assert!(names_table(definition, wanted), "{definition}");
        }
        for definition in [
            "select '`shop`.`orders`' AS `a` from `shop`.`x`",
            "select `shop`.`orders``2`.`id` AS `id` from `shop`.`orders``2`",
            "select 1 AS `'`, '`shop`.`orders`' AS `b`",
        ] {
            assert!(!names_table(definition, wanted), "{definition}");
        }
    }
}
