//! Tables and their columns.

use super::{details, discovered, part, sequence_options, served_by};
use crate::{
    grpc::{convert::skipped, proto::v1},
    model::{
        ConnectionId, name,
        schema::{
            Column, Dependence, Dependent, DependentKind, Generation, Table, TableKind, TableLookup, TableSummary,
        },
    },
    service::schema::Served,
};

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

/// A table that was looked up, with what depends on it.
pub fn looked_up(id: &ConnectionId, served: Served<TableLookup>) -> v1::Table {
    let (discovery_time, discovery_duration) = discovered(served.discovery);
    let TableLookup { table: found, dependents, skipped: missing } = served.found;
    v1::Table {
        served_by: served_by(served.served_by.as_ref()),
        dependents: dependents.into_iter().map(dependent).collect(),
        skipped: missing.into_iter().map(skipped).collect(),
        discovery_time,
        discovery_duration,
        from_cache: served.discovery.from_cache,
        ..table(id, found)
    }
}

/// A table or a view in full, as a stream tells it.
pub fn table(id: &ConnectionId, table: Table) -> v1::Table {
    v1::Table {
        connection: name::connection(id),
        schema: table.schema,
        name: table.name,
        kind: kind(table.kind).into(),
        comment: table.comment,
        columns: table.columns.into_iter().map(column).collect(),
        primary_key: table.primary_key.map(part::key),
        unique_constraints: table.unique_constraints.into_iter().map(part::key).collect(),
        foreign_keys: table.foreign_keys.into_iter().map(part::foreign_key).collect(),
        checks: table.checks.into_iter().map(part::check).collect(),
        indexes: table.indexes.into_iter().map(part::index).collect(),
        triggers: table.triggers.into_iter().map(part::trigger).collect(),
        view_definition: table.view_definition,
        row_estimate: table.row_estimate,
        data_size_bytes: table.data_size_bytes,
        index_size_bytes: table.index_size_bytes,
        served_by: String::new(),
        options: table.options,
        owner: table.owner,
        exclusions: table.exclusions.into_iter().map(part::exclusion).collect(),
        grants: table.grants.into_iter().map(part::grant).collect(),
        details: table.details.map(details::table),
        dependents: Vec::new(),
        skipped: Vec::new(),
        discovery_time: None,
        discovery_duration: None,
        from_cache: false,
    }
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
        character_set: column.character_set,
        sequence: column.sequence.map(sequence_options),
        details: column.details.map(details::column),
    }
}

fn dependent(dependent: Dependent) -> v1::Dependent {
    let kind = match dependent.kind {
        DependentKind::Table => v1::DependentKind::Table,
        DependentKind::View => v1::DependentKind::View,
        DependentKind::MaterializedView => v1::DependentKind::MaterializedView,
        DependentKind::Sequence => v1::DependentKind::Sequence,
        DependentKind::Function => v1::DependentKind::Function,
        DependentKind::Procedure => v1::DependentKind::Procedure,
        DependentKind::Trigger => v1::DependentKind::Trigger,
        DependentKind::Policy => v1::DependentKind::Policy,
        DependentKind::Rule => v1::DependentKind::Rule,
        DependentKind::Publication => v1::DependentKind::Publication,
        DependentKind::Event => v1::DependentKind::Event,
        DependentKind::Type => v1::DependentKind::Type,
    };
    let dependence = match dependent.dependence {
        Dependence::Reads => v1::Dependence::Reads,
        Dependence::References => v1::Dependence::References,
        Dependence::Owned => v1::Dependence::Owned,
        Dependence::Partition => v1::Dependence::Partition,
        Dependence::Inherits => v1::Dependence::Inherits,
        Dependence::Called => v1::Dependence::Called,
        Dependence::Publishes => v1::Dependence::Publishes,
        Dependence::RowType => v1::Dependence::RowType,
    };
    v1::Dependent {
        kind: kind.into(),
        schema: dependent.schema,
        name: dependent.name,
        dependence: dependence.into(),
        through: dependent.through,
        columns: dependent.columns,
    }
}
