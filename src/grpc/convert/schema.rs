//! Schemas: databases, tables and what is in them.

mod advice;
mod ddl;
mod definition;
mod details;
mod difference;
mod lint;
mod object;
mod part;
mod request;
mod sample;
mod table;

use super::{engine, skipped, time};
use crate::{
    grpc::proto::v1,
    model::{
        ConnectionId, name,
        schema::{FullTextTable, ObjectName, Parameter, SequenceOptions},
    },
    service::schema::{DatabaseDescription, Discovery, Served},
};

pub use self::{
    advice::{advice, advice_request},
    ddl::{ddl_event, ddl_selection},
    definition::{generated, optional_engine, schema_source, standard_columns},
    difference::{difference, difference_request},
    lint::{lint_event, lint_request, lint_settings, lint_settings_change},
    object::object,
    request::{max_age, object_filter, sample_request, table_filter, table_name},
    sample::sample,
    table::{looked_up, table, table_summary},
};

/// Name of the replica that was read from; empty: it was the connection itself.
pub fn served_by(replica: Option<&ConnectionId>) -> String {
    replica.map(name::connection).unwrap_or_default()
}

/// A moment and a span, as every answer has them.
pub fn discovered(discovery: Discovery) -> (Option<prost_types::Timestamp>, Option<prost_types::Duration>) {
    (Some(time::timestamp(discovery.time)), Some(time::duration(discovery.duration)))
}

/// A database as a whole, with who serves it.
pub fn database(id: &ConnectionId, served: Served<DatabaseDescription>) -> v1::Database {
    let (discovery_time, discovery_duration) = discovered(served.discovery);
    let DatabaseDescription { engine: kind, server, info } = served.found;
    v1::Database {
        connection: name::connection(id),
        database: info.database,
        engine: engine(kind).into(),
        product: server.product.to_owned(),
        server_version: server.version,
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
        served_by: served_by(served.served_by.as_ref()),
        searchable_table_count: info.searchable_table_count,
        searchable_column_count: info.searchable_column_count,
        full_text_table_count: info.full_text_table_count,
        full_text_tables: info.full_text_tables.into_iter().map(full_text_table).collect(),
        discovery_time,
        discovery_duration,
        from_cache: served.discovery.from_cache,
    }
}

fn full_text_table(table: FullTextTable) -> v1::FullTextTable {
    v1::FullTextTable { schema: table.schema, table: table.table, index: table.index, columns: table.columns }
}

fn object_name(name: ObjectName) -> v1::ObjectName {
    v1::ObjectName { schema: name.schema, name: name.name }
}

fn parameters(parameters: Vec<Parameter>) -> Vec<v1::Parameter> {
    let parameter = |parameter: Parameter| v1::Parameter { name: parameter.name, value: parameter.value };
    parameters.into_iter().map(parameter).collect()
}

fn sequence_options(options: SequenceOptions) -> v1::SequenceOptions {
    v1::SequenceOptions {
        sequence: options.sequence.map(object_name),
        r#type: options.data_type,
        start: options.start,
        increment: options.increment,
        minimum: options.minimum,
        maximum: options.maximum,
        cache: options.cache,
        cycle: options.cycle,
        last_value: options.last_value,
    }
}
