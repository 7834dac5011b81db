//! Sequences of MariaDB: each is a table of one row. There is no catalog of them before MariaDB 11.5, so their rows are read.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, MySqlConnection, mysql::MySqlRow};

use super::catalog::{integer, text};
use crate::{
    engine::mysql::row,
    model::{name::Identifier, schema::SequenceOptions},
};

/// Sequences that one query reads.
const BATCH: usize = 200;

/// What the sequences do, by name; those that the user may not read are left out.
pub(super) async fn read(
    connection: &mut MySqlConnection,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, SequenceOptions>, sqlx::Error> {
    let names: Vec<&String> = names.iter().collect();
    let mut found = BTreeMap::new();
    for batch in names.chunks(BATCH) {
        match rows(connection, batch).await {
            Ok(rows) => found.extend(rows.iter().map(options)),
            // One of them may not be read or has just gone; the others are read one by one.
            Err(sqlx::Error::Database(_)) => {
                for name in batch {
                    if let Ok(rows) = rows(connection, &[name]).await {
                        found.extend(rows.iter().map(options));
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn rows(connection: &mut MySqlConnection, names: &[&String]) -> Result<Vec<MySqlRow>, sqlx::Error> {
    let of_one = |name: &Identifier| {
        format!(
            "SELECT ?, CAST(next_not_cached_value AS CHAR), CAST(minimum_value AS CHAR), CAST(maximum_value AS CHAR), \
             CAST(start_value AS CHAR), CAST(increment AS CHAR), CAST(cache_size AS SIGNED), \
             CAST(cycle_option AS SIGNED) FROM {}",
            name.backquoted()
        )
    };
    let identifiers: Vec<Identifier> =
        names.iter().filter_map(|name| Identifier::parse(name, "sequence").ok()).collect();
    if identifiers.is_empty() {
        return Ok(Vec::new());
    }
    let sql = identifiers.iter().map(of_one).collect::<Vec<_>>().join(" UNION ALL ");
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for name in &identifiers {
        query = query.bind(name.as_str());
    }
    query.fetch_all(connection).await
}

fn options(found: &MySqlRow) -> (String, SequenceOptions) {
    let (next, start, increment) = (text(found, 1), text(found, 4), text(found, 5));
    let cache = integer(found, 6);
    let options = SequenceOptions {
        sequence: None,
        data_type: "bigint".to_owned(),
        // With a cache, the row tells where the next one begins, and not what was given out of this one.
        last_value: (cache <= 1 && next != start).then(|| before(&next, &increment)).flatten(),
        minimum: text(found, 2),
        maximum: text(found, 3),
        start,
        increment,
        cache,
        cycle: row::number(found, 7).is_ok_and(|cycle| cycle == 1),
    };
    (text(found, 0), options)
}

/// The number that was given out before the next one. An increment of 0 stands for the server's own setting.
fn before(next: &str, increment: &str) -> Option<String> {
    let increment = increment.parse::<i128>().ok().filter(|increment| *increment != 0)?;
    Some((next.parse::<i128>().ok()? - increment).to_string())
}
