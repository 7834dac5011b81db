//! The list of relations that the details are then read for.

use sqlx::{Row, postgres::types::Oid};

use crate::{
    engine::postgres::database::ReadTransaction,
    model::{
        Result,
        schema::{NamePattern, Table, TableFilter, TableKind, TablePage, TableSummary},
    },
};

const RELATIONS: &str = include_str!("relations.sql");

/// Which relations to list.
#[derive(Default)]
pub(super) struct RelationQuery<'a> {
    pub(super) schema: Option<&'a str>,
    pub(super) kind: Option<TableKind>,
    pub(super) name: Option<&'a str>,
    pub(super) name_pattern: Option<&'a NamePattern>,
    pub(super) after: Option<(&'a str, &'a str)>,
    pub(super) limit: Option<u32>,
}

impl<'a> RelationQuery<'a> {
    pub(super) fn filtered(filter: &'a TableFilter) -> Self {
        Self {
            schema: filter.schema.as_deref(),
            kind: filter.kind,
            name_pattern: filter.name_pattern.as_ref(),
            ..Self::default()
        }
    }

    /// The relations of a page, or all that match where the page can be cut only when all are known.
    pub(super) fn page(filter: &'a TableFilter, page: &'a TablePage) -> Self {
        let query = Self::filtered(filter);
        if query.needs_all(page) {
            return query;
        }
        Self { after: page.after_name(), limit: Some(page.limit), ..query }
    }

    /// The page needs the figures of all relations, or the query does not know which of them match.
    pub(super) fn needs_all(&self, page: &TablePage) -> bool {
        self.name_pattern.is_some() || !page.order.is_by_name()
    }

    /// The kinds as pg_class has them. A kind that PostgreSQL does not have matches nothing.
    pub(super) fn kinds(&self) -> Vec<i8> {
        let kinds: &[u8] = match self.kind {
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

    pub(super) async fn run(&self, transaction: &mut ReadTransaction<'_>, locked: &[Oid]) -> Result<Vec<Relation>> {
        let query = sqlx::query(RELATIONS)
            .persistent(transaction.keeps_statements())
            .bind(self.schema)
            .bind(self.kinds())
            .bind(self.after.map(|(schema, _)| schema))
            .bind(self.after.map(|(_, name)| name))
            .bind(self.limit.map(i64::from))
            .bind(locked)
            .bind(self.name);
        let rows = query.fetch_all(transaction.connection()).await.map_err(|error| transaction.failure(error))?;
        let relations = rows.into_iter().map(|row| Relation {
            oid: row.get(0),
            schema: row.get(1),
            name: row.get(2),
            kind: table_kind(row.get(3)),
            row_estimate: row.get(4),
            comment: row.get::<Option<String>, _>(5).unwrap_or_default(),
            data_size_bytes: row.get(6),
            options: row.get(7),
        });
        let matches = |relation: &Relation| self.name_pattern.is_none_or(|pattern| pattern.matches(&relation.name));
        Ok(relations.filter(matches).collect())
    }
}

/// A relation with what pg_class tells of it.
pub(super) struct Relation {
    pub(super) oid: Oid,
    pub(super) schema: String,
    pub(super) name: String,
    kind: TableKind,
    row_estimate: i64,
    comment: String,
    data_size_bytes: i64,
    options: String,
}

impl Relation {
    pub(super) fn summary(self, column_count: i32, index_size_bytes: i64) -> TableSummary {
        TableSummary {
            schema: self.schema,
            name: self.name,
            kind: self.kind,
            column_count,
            row_estimate: self.row_estimate,
            data_size_bytes: self.data_size_bytes,
            index_size_bytes,
            comment: self.comment,
        }
    }

    /// The table without its details.
    pub(super) fn into_table(self) -> Table {
        Table {
            schema: self.schema,
            name: self.name,
            kind: self.kind,
            comment: self.comment,
            row_estimate: self.row_estimate,
            data_size_bytes: self.data_size_bytes,
            options: self.options,
            ..Table::default()
        }
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
