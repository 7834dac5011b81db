//! Which relations there are, and what pg_class tells of them.

use sqlx::{
    Row,
    postgres::{PgRow, types::Oid},
};

use super::catalog::{foreign_options, object_name, parameters, text};
use crate::{
    engine::postgres::{MAX_NAME_BYTES, database::ReadTransaction},
    model::{
        Result,
        schema::{
            ForeignTable, ObjectName, Parameter, Persistence, PostgresTable, ReplicaIdentity, Table, TableFilter,
            TableKind, TablePage, TableSummary,
        },
    },
};

const COUNT: &str = include_str!("catalog/count.sql");
const KEYS: &str = include_str!("catalog/keys.sql");
const LOOKUP: &str = include_str!("catalog/lookup.sql");
const SUMMARIES: &str = include_str!("catalog/summaries.sql");

/// The relations that match a filter, by schema and name; of a page that needs no other order those of the page alone.
pub(in crate::engine::postgres) async fn keys(
    transaction: &mut ReadTransaction<'_>,
    filter: &TableFilter,
    page: Option<&TablePage>,
) -> Result<Vec<Oid>> {
    let page = page.filter(|page| page.order.is_by_name());
    let after = page.and_then(TablePage::after_name);
    let query = transaction
        .query(KEYS)
        .bind(filter.schema.as_deref())
        .bind(kinds(filter))
        .bind(pattern(filter))
        .bind(after.map(|(schema, _)| schema))
        .bind(after.map(|(_, name)| name))
        .bind(page.map(|page| i64::from(page.limit)));
    let rows = transaction.rows(query).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// How many relations match a filter.
pub(super) async fn count(transaction: &mut ReadTransaction<'_>, filter: &TableFilter) -> Result<u64> {
    let query = transaction.query(COUNT).bind(filter.schema.as_deref()).bind(kinds(filter)).bind(pattern(filter));
    let rows = transaction.rows(query).await?;
    Ok(rows.first().map_or(0, |row| u64::try_from(row.get::<i64, _>(0)).unwrap_or(0)))
}

/// One relation by its name.
pub(in crate::engine::postgres) async fn lookup(
    transaction: &mut ReadTransaction<'_>,
    schema: &str,
    name: &str,
) -> Result<Option<Oid>> {
    // The server would cut a longer name to one that it has.
    if schema.len() > MAX_NAME_BYTES || name.len() > MAX_NAME_BYTES {
        return Ok(None);
    }
    let query = transaction.query(LOOKUP).bind(schema).bind(name);
    let rows = transaction.rows(query).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// The relations in a line each, in the same order.
pub(super) async fn summaries(
    transaction: &mut ReadTransaction<'_>,
    oids: &[Oid],
    locked: &[Oid],
) -> Result<Vec<TableSummary>> {
    let query = transaction.query(SUMMARIES).bind(oids).bind(locked);
    let rows = transaction.rows(query).await?;
    Ok(rows.iter().map(summary).collect())
}

/// The kinds as pg_class has them. A kind that PostgreSQL does not have matches nothing.
fn kinds(filter: &TableFilter) -> Vec<i8> {
    let kinds: &[u8] = match filter.kind {
        None => b"rpvmf",
        Some(TableKind::Table) => b"r",
        Some(TableKind::PartitionedTable) => b"p",
        Some(TableKind::View) => b"v",
        Some(TableKind::MaterializedView) => b"m",
        Some(TableKind::ForeignTable) => b"f",
        Some(TableKind::VirtualTable | TableKind::Sequence) => b"",
    };
    kinds.iter().map(|kind| kind.cast_signed()).collect()
}

fn pattern(filter: &TableFilter) -> Option<&str> {
    filter.name_pattern.as_ref().map(|pattern| pattern.as_str())
}

fn summary(row: &PgRow) -> TableSummary {
    TableSummary {
        schema: row.get("schema"),
        name: row.get("name"),
        kind: table_kind(row.get("kind")),
        column_count: row.get("column_count"),
        row_estimate: row.get("row_estimate"),
        data_size_bytes: row.get("data_size"),
        index_size_bytes: row.get("index_size"),
        comment: text(row, "comment"),
    }
}

/// The part of a table that all engines share, without its details. Comments come later.
pub(super) fn table(row: &PgRow) -> Table {
    Table {
        schema: row.get("schema"),
        name: row.get("name"),
        kind: table_kind(row.get("kind")),
        row_estimate: row.get("row_estimate"),
        data_size_bytes: row.get("data_size"),
        options: options(row),
        owner: text(row, "owner"),
        ..Table::default()
    }
}

/// The part of a table that PostgreSQL alone has, without its details.
pub(super) fn postgres_table(row: &PgRow) -> PostgresTable {
    PostgresTable {
        persistence: match row.get("persistence") {
            "u" => Persistence::Unlogged,
            "t" => Persistence::Temporary,
            _ => Persistence::Permanent,
        },
        of_type: object_name(row, "of_schema", "of_name"),
        row_security: row.get("row_security"),
        row_security_forced: row.get("row_security_forced"),
        replica_identity: replica_identity(row),
        tablespace: text(row, "tablespace"),
        access_method: text(row, "access_method"),
        storage_parameters: storage_parameters(row),
        foreign: row
            .get::<Option<String>, _>("server")
            .map(|server| ForeignTable { server, options: foreign_options(row.get("server_options")) }),
        populated: row.get("populated"),
        ..PostgresTable::default()
    }
}

fn table_kind(relkind: &str) -> TableKind {
    match relkind {
        "p" => TableKind::PartitionedTable,
        "v" => TableKind::View,
        "m" => TableKind::MaterializedView,
        "f" => TableKind::ForeignTable,
        _ => TableKind::Table,
    }
}

/// Everything that stands behind the columns of a CREATE TABLE, in words.
fn options(row: &PgRow) -> String {
    let unlogged = (row.get::<&str, _>("persistence") == "u").then(|| "UNLOGGED".to_owned());
    let part =
        row.get::<Option<String>, _>("parent").map(|parent| format!("PARTITION OF {parent} {}", text(row, "bound")));
    let key = row.get::<Option<String>, _>("partition_key").map(|key| format!("PARTITION BY {key}"));
    let storage =
        row.get::<Option<Vec<String>>, _>("storage_parameters").map(|all| format!("WITH ({})", all.join(", ")));
    [unlogged, part, key, storage].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn replica_identity(row: &PgRow) -> ReplicaIdentity {
    match row.get("replica_identity") {
        "n" => ReplicaIdentity::Nothing,
        "f" => ReplicaIdentity::Full,
        "i" => ReplicaIdentity::Index(text(row, "identity_index")),
        _ => ReplicaIdentity::Default,
    }
}

fn storage_parameters(row: &PgRow) -> Vec<Parameter> {
    let of_toast = parameters(row.get("toast_parameters")).into_iter();
    let of_toast = of_toast.map(|parameter| Parameter { name: format!("toast.{}", parameter.name), ..parameter });
    parameters(row.get("storage_parameters")).into_iter().chain(of_toast).collect()
}

/// A relation as a message names it.
pub(super) fn full_name(name: &ObjectName) -> String {
    format!("{}.{}", name.schema, name.name)
}
