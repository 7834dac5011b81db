//! What one engine alone knows of tables and columns.

use super::{object_name, parameters, part, sequence_options};
use crate::{
    grpc::proto::v1::{self, column::Details as ColumnMessage, table::Details as TableMessage},
    model::schema::{
        Affinity, ColumnDetails, ColumnStorage, ExtendedStatistics, ForeignTable, MysqlColumn, MysqlPartition,
        MysqlPartitioning, MysqlTable, MysqlView, PartitionOf, PartitionStrategy, PartitionTerm, Persistence,
        PostgresColumn, PostgresPartitioning, PostgresTable, ReplicaIdentity, SecurityContext, ShadowTable,
        SqliteColumn, SqliteTable, TableDetails, TimePeriod, VersioningRole, VirtualModule,
    },
};

pub(super) fn table(details: TableDetails) -> TableMessage {
    match details {
        TableDetails::Postgres(table) => TableMessage::Postgres(postgres_table(*table)),
        TableDetails::Mysql(table) => TableMessage::Mysql(mysql_table(*table)),
        TableDetails::Sqlite(table) => TableMessage::Sqlite(sqlite_table(*table)),
    }
}

pub(super) fn column(details: ColumnDetails) -> ColumnMessage {
    match details {
        ColumnDetails::Postgres(column) => ColumnMessage::Postgres(postgres_column(*column)),
        ColumnDetails::Mysql(column) => ColumnMessage::Mysql(mysql_column(*column)),
        ColumnDetails::Sqlite(column) => ColumnMessage::Sqlite(sqlite_column(&column)),
    }
}

fn postgres_table(table: PostgresTable) -> v1::PostgresTable {
    let persistence = match table.persistence {
        Persistence::Permanent => v1::Persistence::Permanent,
        Persistence::Unlogged => v1::Persistence::Unlogged,
        Persistence::Temporary => v1::Persistence::Temporary,
    };
    let (identity, index) = match table.replica_identity {
        ReplicaIdentity::Default => (v1::ReplicaIdentity::Default, String::new()),
        ReplicaIdentity::Nothing => (v1::ReplicaIdentity::Nothing, String::new()),
        ReplicaIdentity::Full => (v1::ReplicaIdentity::Full, String::new()),
        ReplicaIdentity::Index(index) => (v1::ReplicaIdentity::Index, index),
    };
    v1::PostgresTable {
        persistence: persistence.into(),
        partitioning: table.partitioning.map(postgres_partitioning),
        partition_of: table.partition_of.map(partition_of),
        inherits: table.inherits.into_iter().map(object_name).collect(),
        of_type: table.of_type.map(object_name),
        row_security: table.row_security,
        row_security_forced: table.row_security_forced,
        policies: table.policies.into_iter().map(part::policy).collect(),
        rules: table.rules.into_iter().map(part::rule).collect(),
        replica_identity: identity.into(),
        replica_identity_index: index,
        tablespace: table.tablespace,
        access_method: table.access_method,
        storage_parameters: parameters(table.storage_parameters),
        foreign: table.foreign.map(foreign_table),
        statistics: table.statistics.into_iter().map(statistics).collect(),
        populated: table.populated,
    }
}

fn postgres_partitioning(partitioning: PostgresPartitioning) -> v1::PostgresPartitioning {
    let strategy = match partitioning.strategy {
        PartitionStrategy::Range => v1::PartitionStrategy::Range,
        PartitionStrategy::List => v1::PartitionStrategy::List,
        PartitionStrategy::Hash => v1::PartitionStrategy::Hash,
    };
    let term = |found: PartitionTerm| {
        let (column, expression) = part::term(found.term);
        let (collation, operator_class) = (found.collation, found.operator_class);
        v1::PartitionTerm { column, expression, collation, operator_class }
    };
    v1::PostgresPartitioning {
        strategy: strategy.into(),
        terms: partitioning.terms.into_iter().map(term).collect(),
        default_partition: partitioning.default_partition.map(object_name),
    }
}

fn partition_of(partition: PartitionOf) -> v1::PartitionOf {
    v1::PartitionOf { parent: Some(object_name(partition.parent)), bound: partition.bound }
}

fn foreign_table(table: ForeignTable) -> v1::ForeignTable {
    v1::ForeignTable { server: table.server, options: parameters(table.options) }
}

fn statistics(statistics: ExtendedStatistics) -> v1::ExtendedStatistics {
    v1::ExtendedStatistics {
        name: Some(object_name(statistics.name)),
        definition: statistics.definition,
        target: statistics.target,
        comment: statistics.comment,
    }
}

fn mysql_table(table: MysqlTable) -> v1::MysqlTable {
    v1::MysqlTable {
        storage_engine: table.storage_engine,
        row_format: table.row_format,
        character_set: table.character_set,
        collation: table.collation,
        auto_increment: table.auto_increment,
        create_options: parameters(table.create_options),
        partitioning: table.partitioning.map(mysql_partitioning),
        system_versioned: table.system_versioned,
        periods: table.periods.into_iter().map(period).collect(),
        view: table.view.map(mysql_view),
        sequence: table.sequence.map(sequence_options),
    }
}

fn mysql_partitioning(partitioning: MysqlPartitioning) -> v1::MysqlPartitioning {
    v1::MysqlPartitioning {
        method: partitioning.method,
        expression: partitioning.expression,
        subpartition_method: partitioning.subpartition_method,
        subpartition_expression: partitioning.subpartition_expression,
        partitions: partitioning.partitions.into_iter().map(mysql_partition).collect(),
    }
}

fn mysql_partition(partition: MysqlPartition) -> v1::MysqlPartition {
    v1::MysqlPartition {
        name: partition.name,
        bound: partition.bound,
        comment: partition.comment,
        row_estimate: partition.row_estimate,
        data_size_bytes: partition.data_size_bytes,
        subpartitions: partition.subpartitions.into_iter().map(mysql_partition).collect(),
        tablespace: partition.tablespace,
    }
}

fn period(period: TimePeriod) -> v1::TimePeriod {
    v1::TimePeriod { name: period.name, start_column: period.start_column, end_column: period.end_column }
}

fn mysql_view(view: MysqlView) -> v1::MysqlView {
    v1::MysqlView {
        definer: view.definer,
        security: security(view.security).into(),
        check_option: view.check_option,
        algorithm: view.algorithm,
        updatable: view.updatable,
        character_set_client: view.character_set_client,
        collation_connection: view.collation_connection,
    }
}

pub(super) fn security(context: SecurityContext) -> v1::SecurityContext {
    match context {
        SecurityContext::Untold => v1::SecurityContext::Unspecified,
        SecurityContext::Definer => v1::SecurityContext::Definer,
        SecurityContext::Invoker => v1::SecurityContext::Invoker,
    }
}

fn sqlite_table(table: SqliteTable) -> v1::SqliteTable {
    let module = |module: VirtualModule| v1::VirtualModule { name: module.name, arguments: module.arguments };
    let shadow = |shadow: ShadowTable| v1::ShadowTable { name: shadow.name, kind: shadow.kind };
    v1::SqliteTable {
        strict: table.strict,
        without_rowid: table.without_rowid,
        autoincrement: table.autoincrement,
        module: table.module.map(module),
        shadow_tables: table.shadow_tables.into_iter().map(shadow).collect(),
        definition: table.definition,
    }
}

fn postgres_column(column: PostgresColumn) -> v1::PostgresColumn {
    let storage = match column.storage {
        ColumnStorage::Untold => v1::ColumnStorage::Unspecified,
        ColumnStorage::Plain => v1::ColumnStorage::Plain,
        ColumnStorage::External => v1::ColumnStorage::External,
        ColumnStorage::Extended => v1::ColumnStorage::Extended,
        ColumnStorage::Main => v1::ColumnStorage::Main,
    };
    v1::PostgresColumn {
        storage: storage.into(),
        compression: column.compression,
        statistics_target: column.statistics_target,
        user_type: column.user_type.map(object_name),
        array_dimensions: column.array_dimensions,
        inherited_from: column.inherited_from,
        local: column.local,
        options: parameters(column.options),
        foreign_options: parameters(column.foreign_options),
        not_null_constraint: column.not_null_constraint,
    }
}

fn mysql_column(column: MysqlColumn) -> v1::MysqlColumn {
    let versioning = match column.versioning {
        VersioningRole::None => v1::VersioningRole::Unspecified,
        VersioningRole::RowStart => v1::VersioningRole::RowStart,
        VersioningRole::RowEnd => v1::VersioningRole::RowEnd,
        VersioningRole::Excluded => v1::VersioningRole::Excluded,
    };
    v1::MysqlColumn {
        on_update: column.on_update,
        invisible: column.invisible,
        versioning: versioning.into(),
        compressed: column.compressed,
        srid: column.srid,
        extra: column.extra,
    }
}

fn sqlite_column(column: &SqliteColumn) -> v1::SqliteColumn {
    let affinity = match column.affinity {
        Affinity::Integer => v1::Affinity::Integer,
        Affinity::Real => v1::Affinity::Real,
        Affinity::Text => v1::Affinity::Text,
        Affinity::Blob => v1::Affinity::Blob,
        Affinity::Numeric => v1::Affinity::Numeric,
    };
    v1::SqliteColumn { affinity: affinity.into(), rowid: column.rowid }
}
