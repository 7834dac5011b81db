//! Names and figures of relations, for lists.

use std::collections::BTreeMap;

use sqlx::MySqlConnection;

use super::{
    catalog::{Part, Patience, Scope, integer, is_unreadable, tables, text},
    comment,
    skipped::unreadable_table,
    table_kind,
};
use crate::{
    engine::mysql::{row, server::Server},
    model::schema::{Skipped, TableKind, TableSummary},
};

/// Names of the relations of one kind or of all, in code-point order.
pub(super) async fn names(
    connection: &mut MySqlConnection,
    schema: &str,
    kind: Option<TableKind>,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(include_str!("catalog/names.sql")).bind(schema).fetch_all(connection).await?;
    let mut names = Vec::with_capacity(rows.len());
    for relation in &rows {
        let found = table_kind(&row::text(relation, 1)?);
        if found.is_some() && (kind.is_none() || kind == found) {
            names.push(row::text(relation, 0)?);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Summaries of the relations from `first` to `last`, in code-point order, and those that could not be opened: their names are
/// known and their figures are not.
pub(super) async fn summaries(
    connection: &mut MySqlConnection,
    server: &Server,
    schema: &str,
    first: &str,
    last: &str,
) -> Result<(Vec<TableSummary>, Vec<Skipped>), sqlx::Error> {
    let patience = Patience::begin(connection, server).await?;
    let scope = Scope { schema, part: Part::Between(first, last) };
    let rows = tables(connection, scope).await?;
    let locked = rows.iter().any(is_unreadable);
    if !locked {
        patience.end(connection).await?;
    }
    let counted = sqlx::query(include_str!("catalog/column_counts.sql"))
        .bind(schema)
        .bind(first)
        .bind(last)
        .fetch_all(&mut *connection)
        .await?;
    if locked {
        patience.end(connection).await?;
    }
    let column_counts: BTreeMap<String, i64> =
        counted.iter().map(|count| (text(count, 0), integer(count, 1))).collect();
    let (mut summaries, mut skipped) = (Vec::with_capacity(rows.len()), Vec::new());
    for relation in &rows {
        let Some(kind) = table_kind(&text(relation, 1)) else { continue };
        let name = text(relation, 0);
        let readable = !is_unreadable(relation);
        if !readable {
            skipped.push(unreadable_table(schema, &name, &text(relation, 6)));
        }
        summaries.push(TableSummary {
            schema: schema.to_owned(),
            column_count: column_counts.get(&name).and_then(|count| i32::try_from(*count).ok()).unwrap_or(0),
            kind,
            row_estimate: integer(relation, 7),
            data_size_bytes: integer(relation, 8),
            index_size_bytes: integer(relation, 9),
            comment: if readable { comment(kind, &text(relation, 2), text(relation, 6)) } else { String::new() },
            name,
        });
    }
    summaries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok((summaries, skipped))
}
