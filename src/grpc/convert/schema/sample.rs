//! Samples of rows.

use super::{discovered, served_by};
use crate::{
    grpc::proto::v1::{self, sample_value::Value},
    model::schema::{MaskReason, SampleColumn, SampleValue},
    service::schema::{SampledRows, Served},
};

/// Rows of a table.
pub fn sample(served: Served<SampledRows>) -> v1::SampleRowsResponse {
    let (discovery_time, discovery_duration) = discovered(served.discovery);
    let SampledRows { sample, rows_left_out } = served.found;
    let row = |values: Vec<SampleValue>| v1::SampleRow { values: values.into_iter().map(value).collect() };
    v1::SampleRowsResponse {
        columns: sample.columns.into_iter().map(column).collect(),
        rows: sample.rows.into_iter().map(row).collect(),
        rows_left_out: i32::try_from(rows_left_out).unwrap_or(i32::MAX),
        served_by: served_by(served.served_by.as_ref()),
        discovery_time,
        discovery_duration,
    }
}

fn column(column: SampleColumn) -> v1::SampleColumn {
    let masked = match column.masked {
        None => v1::MaskReason::Unspecified,
        Some(MaskReason::Name) => v1::MaskReason::Name,
        Some(MaskReason::Value) => v1::MaskReason::Value,
    };
    v1::SampleColumn { name: column.name, r#type: column.data_type, masked: masked.into() }
}

fn value(value: SampleValue) -> v1::SampleValue {
    let full_length = value.text().and_then(|text| text.full_length);
    let masked = value == SampleValue::Masked;
    let value = match value {
        SampleValue::Null => Some(Value::Null(true)),
        SampleValue::Boolean(value) => Some(Value::Boolean(value)),
        SampleValue::Integer(value) => Some(Value::Integer(value)),
        SampleValue::Floating(value) => Some(Value::Floating(value)),
        SampleValue::Decimal(found) => Some(Value::Decimal(found.text)),
        SampleValue::Text(found) => Some(Value::Text(found.text)),
        SampleValue::Bytes(length) => Some(Value::BytesLength(i64::try_from(length).unwrap_or(i64::MAX))),
        SampleValue::Timestamp(text) => Some(Value::Timestamp(text)),
        SampleValue::Date(text) => Some(Value::Date(text)),
        SampleValue::Time(text) => Some(Value::Time(text)),
        SampleValue::Json(found) => Some(Value::Json(found.text)),
        SampleValue::Other { data_type, text } => {
            Some(Value::Other(v1::OtherValue { r#type: data_type, text: text.text }))
        }
        SampleValue::Masked => None,
    };
    v1::SampleValue {
        value,
        truncated: full_length.is_some(),
        full_length: full_length.map_or(0, |length| i64::try_from(length).unwrap_or(i64::MAX)),
        masked,
    }
}
