//! Schemas: databases, tables and what is in them.

use super::{engine, enum_from_proto, skipped};
use crate::{
    grpc::proto::v1,
    model::{
        ConnectionId, Result,
        connection::{EngineKind, ServerInfo},
        name::{self, Identifier, QualifiedName},
        schema::{
            CheckConstraint, Column, DatabaseInfo, ForeignKey, Generation, Index, IndexPart, IndexTerm, KeyConstraint,
            ReferentialAction, Table, TableFilter, TableKind, TableSummary, Trigger,
        },
    },
};

/// Name of the replica that was read from; empty: it was the connection itself.
pub fn served_by(replica: Option<&ConnectionId>) -> String {
    replica.map(name::connection).unwrap_or_default()
}

/// A database as a whole, with who serves it.
pub fn database(id: &ConnectionId, kind: EngineKind, server: &ServerInfo, info: DatabaseInfo) -> v1::Database {
    v1::Database {
        connection: name::connection(id),
        database: info.database,
        engine: engine(kind).into(),
        product: server.product.to_owned(),
        server_version: server.version.clone(),
        character_set: info.character_set,
        collation: info.collation,
        size_bytes: info.size_bytes,
        data_size_bytes: info.data_size_bytes,
        index_size_bytes: info.index_size_bytes,
        schema_count: info.schema_count,
        table_count: info.table_count,
        view_count: info.view_count,
        index_count: info.index_count,
        row_estimate: info.row_estimate,
        skipped: info.skipped.into_iter().map(skipped).collect(),
        served_by: String::new(),
    }
}

/// Which tables are asked for.
pub fn table_filter(schema: &str, kind: i32) -> Result<TableFilter> {
    let schema = match schema {
        "" => None,
        schema => Some(Identifier::parse(schema, "schema")?.as_str().to_owned()),
    };
    Ok(TableFilter { schema, kind: kind_from_proto(kind, "kind")? })
}

/// The table that a request names; without a schema it is the engine's own default.
pub fn table_name(schema: &str, table: &str) -> Result<QualifiedName> {
    let schema = match schema {
        "" => None,
        schema => Some(Identifier::parse(schema, "schema")?),
    };
    Ok(QualifiedName { schema, name: Identifier::parse(table, "table")? })
}

/// A table in a line.
pub fn table_summary(summary: TableSummary) -> v1::TableSummary {
    v1::TableSummary {
        schema: summary.schema,
        name: summary.name,
        kind: kind(summary.kind).into(),
        column_count: summary.column_count,
        row_estimate: summary.row_estimate,
        data_size_bytes: summary.data_size_bytes,
        index_size_bytes: summary.index_size_bytes,
        comment: summary.comment,
    }
}

/// A table or a view in full.
pub fn table(id: &ConnectionId, table: Table) -> v1::Table {
    v1::Table {
        connection: name::connection(id),
        schema: table.schema,
        name: table.name,
        kind: kind(table.kind).into(),
        comment: table.comment,
        columns: table.columns.into_iter().map(column).collect(),
        primary_key: table.primary_key.map(key),
        unique_constraints: table.unique_constraints.into_iter().map(key).collect(),
        foreign_keys: table.foreign_keys.into_iter().map(foreign_key).collect(),
        checks: table.checks.into_iter().map(check).collect(),
        indexes: table.indexes.into_iter().map(index).collect(),
        triggers: table.triggers.into_iter().map(trigger).collect(),
        view_definition: table.view_definition,
        row_estimate: table.row_estimate,
        data_size_bytes: table.data_size_bytes,
        index_size_bytes: table.index_size_bytes,
        served_by: String::new(),
        options: table.options,
    }
}

fn kind_from_proto(value: i32, field: &str) -> Result<Option<TableKind>> {
    Ok(match enum_from_proto(value, field)? {
        v1::TableKind::Unspecified => None,
        v1::TableKind::Table => Some(TableKind::Table),
        v1::TableKind::View => Some(TableKind::View),
        v1::TableKind::MaterializedView => Some(TableKind::MaterializedView),
        v1::TableKind::PartitionedTable => Some(TableKind::PartitionedTable),
        v1::TableKind::ForeignTable => Some(TableKind::ForeignTable),
        v1::TableKind::VirtualTable => Some(TableKind::VirtualTable),
        v1::TableKind::Sequence => Some(TableKind::Sequence),
    })
}

fn kind(kind: TableKind) -> v1::TableKind {
    match kind {
        TableKind::Table => v1::TableKind::Table,
        TableKind::View => v1::TableKind::View,
        TableKind::MaterializedView => v1::TableKind::MaterializedView,
        TableKind::PartitionedTable => v1::TableKind::PartitionedTable,
        TableKind::ForeignTable => v1::TableKind::ForeignTable,
        TableKind::VirtualTable => v1::TableKind::VirtualTable,
        TableKind::Sequence => v1::TableKind::Sequence,
    }
}

fn column(column: Column) -> v1::Column {
    let generation = match column.generation {
        Generation::None => v1::Generation::Unspecified,
        Generation::Stored => v1::Generation::Stored,
        Generation::Virtual => v1::Generation::Virtual,
        Generation::IdentityAlways => v1::Generation::IdentityAlways,
        Generation::IdentityByDefault => v1::Generation::IdentityByDefault,
        Generation::AutoIncrement => v1::Generation::AutoIncrement,
    };
    v1::Column {
        name: column.name,
        position: column.position,
        r#type: column.data_type,
        nullable: column.nullable,
        default_expression: column.default_expression,
        generation: generation.into(),
        generation_expression: column.generation_expression,
        collation: column.collation,
        comment: column.comment,
    }
}

fn key(key: KeyConstraint) -> v1::KeyConstraint {
    v1::KeyConstraint { name: key.name, columns: key.columns }
}

fn foreign_key(key: ForeignKey) -> v1::ForeignKey {
    v1::ForeignKey {
        name: key.name,
        columns: key.columns,
        referenced_schema: key.referenced_schema,
        referenced_table: key.referenced_table,
        referenced_columns: key.referenced_columns,
        on_update: action(key.on_update).into(),
        on_delete: action(key.on_delete).into(),
        deferrable: key.deferrable,
        validated: key.validated,
    }
}

fn action(action: ReferentialAction) -> v1::ReferentialAction {
    match action {
        ReferentialAction::NoAction => v1::ReferentialAction::NoAction,
        ReferentialAction::Restrict => v1::ReferentialAction::Restrict,
        ReferentialAction::Cascade => v1::ReferentialAction::Cascade,
        ReferentialAction::SetNull => v1::ReferentialAction::SetNull,
        ReferentialAction::SetDefault => v1::ReferentialAction::SetDefault,
    }
}

fn check(check: CheckConstraint) -> v1::CheckConstraint {
    v1::CheckConstraint { name: check.name, expression: check.expression, validated: check.validated }
}

fn index(index: Index) -> v1::Index {
    v1::Index {
        name: index.name,
        method: index.method,
        unique: index.unique,
        primary: index.primary,
        parts: index.parts.into_iter().map(part).collect(),
        included_columns: index.included_columns,
        predicate: index.predicate,
        valid: index.valid,
        size_bytes: index.size_bytes,
    }
}

fn part(part: IndexPart) -> v1::IndexPart {
    let (column, expression) = match part.term {
        IndexTerm::Column(column) => (column, String::new()),
        IndexTerm::Expression(expression) => (String::new(), expression),
    };
    v1::IndexPart { column, expression, descending: part.descending, prefix_length: part.prefix_length }
}

fn trigger(trigger: Trigger) -> v1::Trigger {
    v1::Trigger { name: trigger.name, definition: trigger.definition }
}
