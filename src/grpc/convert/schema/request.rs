//! What requests ask for.

use std::time::Duration;

use crate::{
    grpc::{
        convert::{enum_from_proto, time},
        proto::v1,
    },
    model::{
        Error, Result,
        name::{Identifier, QualifiedName},
        schema::{MAX_SAMPLE_ROWS, NamePattern, ObjectFilter, ObjectKind, TableFilter, TableKind},
    },
    service::schema::{
        DEFAULT_SAMPLE_ROWS, DEFAULT_VALUE_LENGTH, MAX_ANSWER_AGE, MAX_VALUE_LENGTH, Masking, SampleRequest,
    },
};

/// Most columns that a sample names: as many as a table of PostgreSQL can have.
const MAX_SAMPLE_COLUMNS: usize = 1600;

/// How old an answer may be; absent: it is read anew.
pub fn max_age(age: Option<prost_types::Duration>) -> Result<Duration> {
    let age = time::duration_from_proto(age, Duration::ZERO..=MAX_ANSWER_AGE, "max_age")?;
    Ok(age.unwrap_or_default())
}

/// Which tables are asked for.
pub fn table_filter(schema: &str, kind: i32, name_pattern: &str) -> Result<TableFilter> {
    Ok(TableFilter {
        schema: schema_name(schema)?,
        kind: kind_from_proto(kind, "kind")?,
        name_pattern: pattern(name_pattern)?,
    })
}

/// Which objects are asked for.
pub fn object_filter(request: &v1::ListSchemaObjectsRequest) -> Result<ObjectFilter> {
    let mut kinds = Vec::new();
    for kind in &request.kinds {
        kinds.push(object_kind(*kind, "kinds")?);
    }
    kinds.sort_unstable();
    kinds.dedup();
    Ok(ObjectFilter { schema: schema_name(&request.schema)?, kinds, name_pattern: pattern(&request.name_pattern)? })
}

/// The table that a request names; without a schema it is the engine's own default.
pub fn table_name(schema: &str, table: &str) -> Result<QualifiedName> {
    let schema = match schema {
        "" => None,
        schema => Some(Identifier::parse(schema, "schema")?),
    };
    Ok(QualifiedName { schema, name: Identifier::parse(table, "table")? })
}

/// Which rows are asked for.
pub fn sample_request(message: &v1::SampleRowsRequest) -> Result<SampleRequest> {
    if message.columns.len() > MAX_SAMPLE_COLUMNS {
        return Err(Error::invalid_field("columns", format!("must be at most {MAX_SAMPLE_COLUMNS}")));
    }
    let columns = message.columns.iter().map(|column| Identifier::parse(column, "columns")).collect::<Result<_>>()?;
    Ok(SampleRequest {
        table: table_name(&message.schema, &message.table)?,
        columns,
        limit: bounded(message.limit, DEFAULT_SAMPLE_ROWS, MAX_SAMPLE_ROWS, "limit")?,
        masking: match enum_from_proto(message.masking, "masking")? {
            v1::Masking::Unspecified | v1::Masking::LikelyPersonal => Masking::LikelyPersonal,
            v1::Masking::None => Masking::None,
        },
        value_length: bounded(message.max_value_length, DEFAULT_VALUE_LENGTH, MAX_VALUE_LENGTH, "max_value_length")?,
    })
}

/// A schema; empty: none is named.
pub(super) fn schema_name(schema: &str) -> Result<Option<String>> {
    match schema {
        "" => Ok(None),
        schema => Ok(Some(Identifier::parse(schema, "schema")?.as_str().to_owned())),
    }
}

fn pattern(text: &str) -> Result<Option<NamePattern>> {
    if text.is_empty() { Ok(None) } else { NamePattern::parse(text, "name_pattern").map(Some) }
}

/// A number from 1 to a most; 0 stands for the default.
fn bounded(value: i32, default: u32, most: u32, field: &str) -> Result<u32> {
    match u32::try_from(value) {
        Ok(0) => Ok(default),
        Ok(value) if value <= most => Ok(value),
        _ => Err(Error::invalid_field(field, format!("must be 1 to {most}, or 0 for {default}"))),
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

/// A kind that a field names.
pub(super) fn object_kind(value: i32, field: &str) -> Result<ObjectKind> {
    Ok(match enum_from_proto(value, field)? {
        v1::ObjectKind::Unspecified => {
            return Err(Error::invalid_field(field, "must not hold OBJECT_KIND_UNSPECIFIED"));
        }
        v1::ObjectKind::Enum => ObjectKind::Enum,
        v1::ObjectKind::Domain => ObjectKind::Domain,
        v1::ObjectKind::CompositeType => ObjectKind::CompositeType,
        v1::ObjectKind::RangeType => ObjectKind::RangeType,
        v1::ObjectKind::Sequence => ObjectKind::Sequence,
        v1::ObjectKind::Function => ObjectKind::Function,
        v1::ObjectKind::Procedure => ObjectKind::Procedure,
        v1::ObjectKind::Aggregate => ObjectKind::Aggregate,
        v1::ObjectKind::Trigger => ObjectKind::Trigger,
        v1::ObjectKind::Policy => ObjectKind::Policy,
        v1::ObjectKind::Rule => ObjectKind::Rule,
        v1::ObjectKind::Extension => ObjectKind::Extension,
        v1::ObjectKind::Event => ObjectKind::Event,
        v1::ObjectKind::Collation => ObjectKind::Collation,
        v1::ObjectKind::Publication => ObjectKind::Publication,
        v1::ObjectKind::ForeignServer => ObjectKind::ForeignServer,
        v1::ObjectKind::Schema => ObjectKind::Schema,
    })
}
