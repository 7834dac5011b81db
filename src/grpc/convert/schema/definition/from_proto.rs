//! A definition as a caller gives it. What only the whole can tell, the model checks.

use super::{engine_from_proto, enum_from_proto, optional_engine, required};
use crate::{
    grpc::proto::v1::{self, column_type::Type, default_value::Value, type_definition::Shape},
    model::{
        Error, Result,
        schema::{
            NeutralType, ObjectName, ReferentialAction, SECOND_DIGITS,
            definition::{
                CheckDefinition, ColumnDefinition, ColumnType, DefaultValue, ForeignKeyDefinition, GeneratedValue,
                Identity, IndexColumn, IndexDefinition, KeyDefinition, SchemaDefinition, TableDefinition,
                TypeDefinition, TypeField, TypeShape, ViewDefinition,
            },
        },
    },
};

pub(super) fn definition_from_proto(message: v1::SchemaDefinition, field: &str) -> Result<SchemaDefinition> {
    Ok(SchemaDefinition {
        types: each(message.types, &format!("{field}.types"), type_definition)?,
        tables: each(message.tables, &format!("{field}.tables"), table)?,
        views: each(message.views, &format!("{field}.views"), view)?,
    })
}

fn each<M, T>(messages: Vec<M>, field: &str, convert: impl Fn(M, &str) -> Result<T>) -> Result<Vec<T>> {
    let messages = messages.into_iter().enumerate();
    messages.map(|(place, message)| convert(message, &format!("{field}[{place}]"))).collect()
}

fn type_definition(message: v1::TypeDefinition, field: &str) -> Result<TypeDefinition> {
    let shape = match required(message.shape, &format!("{field}.shape"))? {
        Shape::Enum(found) => TypeShape::Enum(found.labels),
        Shape::Domain(domain) => TypeShape::Domain {
            base: column_type(domain.base, &format!("{field}.domain.base"))?,
            required: domain.required,
            checks: each(domain.checks, &format!("{field}.domain.checks"), check)?,
        },
        Shape::Composite(found) => {
            TypeShape::Composite(each(found.fields, &format!("{field}.composite.fields"), type_field)?)
        }
    };
    Ok(TypeDefinition { schema: message.schema, name: message.name, comment: message.comment, shape })
}

fn type_field(message: v1::FieldDefinition, field: &str) -> Result<TypeField> {
    Ok(TypeField { column_type: column_type(message.r#type, &format!("{field}.type"))?, name: message.name })
}

fn table(message: v1::TableDefinition, field: &str) -> Result<TableDefinition> {
    Ok(TableDefinition {
        schema: message.schema,
        name: message.name,
        comment: message.comment,
        columns: each(message.columns, &format!("{field}.columns"), column)?,
        primary_key: message.primary_key.map(key),
        unique_constraints: message.unique_constraints.into_iter().map(key).collect(),
        foreign_keys: each(message.foreign_keys, &format!("{field}.foreign_keys"), foreign_key)?,
        checks: each(message.checks, &format!("{field}.checks"), check)?,
        indexes: each(message.indexes, &format!("{field}.indexes"), index)?,
    })
}

fn column(message: v1::ColumnDefinition, field: &str) -> Result<ColumnDefinition> {
    let generated = message.generated.map(|message| generated(message, &format!("{field}.generated"))).transpose()?;
    Ok(ColumnDefinition {
        name: message.name,
        column_type: column_type(message.r#type, &format!("{field}.type"))?,
        nullable: message.nullable,
        default: message.default.map(|message| default(message, &format!("{field}.default"))).transpose()?,
        identity: match enum_from_proto(message.identity, &format!("{field}.identity"))? {
            v1::ColumnIdentity::Unspecified => None,
            v1::ColumnIdentity::ByDefault => Some(Identity::ByDefault),
            v1::ColumnIdentity::Always => Some(Identity::Always),
        },
        generated,
        touched_on_update: message.touched_on_update,
        collation: message.collation,
        comment: message.comment,
    })
}

fn generated(message: v1::GeneratedValue, field: &str) -> Result<GeneratedValue> {
    let engine = optional_engine(message.engine, &format!("{field}.engine"))?;
    Ok(GeneratedValue { expression: message.expression, stored: message.stored, engine })
}

fn default(message: v1::DefaultValue, field: &str) -> Result<DefaultValue> {
    Ok(match required(message.value, field)? {
        Value::Literal(text) => DefaultValue::Literal(text),
        Value::Named(named) => match enum_from_proto(named, &format!("{field}.named"))? {
            v1::NamedDefault::CurrentTimestamp => DefaultValue::CurrentTimestamp,
            v1::NamedDefault::NewUuid => DefaultValue::NewUuid,
            v1::NamedDefault::Unspecified => {
                return Err(Error::invalid_field(&format!("{field}.named"), "must not be NAMED_DEFAULT_UNSPECIFIED"));
            }
        },
        Value::Expression(found) => DefaultValue::Expression {
            text: found.text,
            engine: optional_engine(found.engine, &format!("{field}.expression.engine"))?,
        },
    })
}

fn column_type(message: Option<v1::ColumnType>, field: &str) -> Result<ColumnType> {
    Ok(match required(message.and_then(|message| message.r#type), field)? {
        Type::Neutral(found) => ColumnType::Neutral(neutral(&found, &format!("{field}.neutral"))?),
        Type::Declared(name) => ColumnType::Declared(ObjectName { schema: name.schema, name: name.name }),
        Type::Native(native) => ColumnType::Native {
            engine: engine_from_proto(native.engine, &format!("{field}.native.engine"))?,
            text: native.text,
        },
    })
}

fn neutral(message: &v1::NeutralColumnType, field: &str) -> Result<NeutralType> {
    use v1::NeutralType as M;
    let integer = |bits, unsigned| NeutralType::Integer { bits, unsigned };
    let found: v1::NeutralType = enum_from_proto(message.r#type, &format!("{field}.type"))?;
    if !matches!(found, M::Text | M::Char) && message.length > 0 {
        return Err(Error::invalid_field(&format!("{field}.length"), "is for text and char alone"));
    }
    if found != M::Decimal && (message.precision > 0 || message.scale > 0) {
        return Err(Error::invalid_field(&format!("{field}.precision"), "is for decimal alone"));
    }
    let is_time = matches!(found, M::Time | M::TimeTz | M::Timestamp | M::TimestampTz);
    let second_digits = match message.second_digits {
        None => SECOND_DIGITS,
        Some(_) if !is_time => {
            return Err(Error::invalid_field(&format!("{field}.second_digits"), "is for times and timestamps alone"));
        }
        Some(digits) => u8::try_from(digits).ok().filter(|digits| *digits <= SECOND_DIGITS).ok_or_else(|| {
            Error::invalid_field(&format!("{field}.second_digits"), format!("must be at most {SECOND_DIGITS}"))
        })?,
    };
    Ok(match found {
        M::Unspecified => {
            return Err(Error::invalid_field(&format!("{field}.type"), "is required; docs/types.md lists the types"));
        }
        M::Boolean => NeutralType::Boolean,
        M::Int8 => integer(8, false),
        M::Int16 => integer(16, false),
        M::Int24 => integer(24, false),
        M::Int32 => integer(32, false),
        M::Int64 => integer(64, false),
        M::Uint8 => integer(8, true),
        M::Uint16 => integer(16, true),
        M::Uint24 => integer(24, true),
        M::Uint32 => integer(32, true),
        M::Uint64 => integer(64, true),
        M::Decimal if message.precision == 0 && message.scale == 0 => NeutralType::Decimal { digits: None },
        M::Decimal => NeutralType::Decimal { digits: Some((message.precision, message.scale)) },
        M::Float32 => NeutralType::Float { bits: 32 },
        M::Float64 => NeutralType::Float { bits: 64 },
        M::Money => NeutralType::Money,
        M::Char => NeutralType::PaddedText { length: message.length },
        M::Text => NeutralType::Text { length: (message.length > 0).then_some(message.length) },
        M::Bytes => NeutralType::Bytes,
        M::Date => NeutralType::Date,
        M::Time => NeutralType::time(false).with_second_digits(second_digits),
        M::TimeTz => NeutralType::time(true).with_second_digits(second_digits),
        M::Timestamp => NeutralType::timestamp(false).with_second_digits(second_digits),
        M::TimestampTz => NeutralType::timestamp(true).with_second_digits(second_digits),
        M::Uuid => NeutralType::Uuid,
        M::Json => NeutralType::Json { parsed: true },
        M::JsonText => NeutralType::Json { parsed: false },
    })
}

fn key(message: v1::KeyDefinition) -> KeyDefinition {
    KeyDefinition { name: message.name, columns: message.columns }
}

fn foreign_key(message: v1::ForeignKeyDefinition, field: &str) -> Result<ForeignKeyDefinition> {
    Ok(ForeignKeyDefinition {
        on_update: action(message.on_update, &format!("{field}.on_update"))?,
        on_delete: action(message.on_delete, &format!("{field}.on_delete"))?,
        name: message.name,
        columns: message.columns,
        referenced_schema: message.referenced_schema,
        referenced_table: message.referenced_table,
        referenced_columns: message.referenced_columns,
        deferred: message.deferred,
    })
}

fn action(value: i32, field: &str) -> Result<ReferentialAction> {
    Ok(match enum_from_proto(value, field)? {
        v1::ReferentialAction::Unspecified | v1::ReferentialAction::NoAction => ReferentialAction::NoAction,
        v1::ReferentialAction::Restrict => ReferentialAction::Restrict,
        v1::ReferentialAction::Cascade => ReferentialAction::Cascade,
        v1::ReferentialAction::SetNull => ReferentialAction::SetNull,
        v1::ReferentialAction::SetDefault => ReferentialAction::SetDefault,
    })
}

fn check(message: v1::CheckDefinition, field: &str) -> Result<CheckDefinition> {
    let engine = optional_engine(message.engine, &format!("{field}.engine"))?;
    Ok(CheckDefinition { name: message.name, expression: message.expression, engine })
}

fn index(message: v1::IndexDefinition, field: &str) -> Result<IndexDefinition> {
    let part = |part: v1::IndexColumn| IndexColumn { column: part.column, descending: part.descending };
    Ok(IndexDefinition {
        engine: optional_engine(message.engine, &format!("{field}.engine"))?,
        name: message.name,
        columns: message.columns.into_iter().map(part).collect(),
        unique: message.unique,
        full_text: message.full_text,
        predicate: message.predicate,
        comment: message.comment,
    })
}

fn view(message: v1::ViewDefinition, field: &str) -> Result<ViewDefinition> {
    let engine = optional_engine(message.engine, &format!("{field}.engine"))?;
    Ok(ViewDefinition {
        schema: message.schema,
        name: message.name,
        comment: message.comment,
        query: message.query,
        engine,
    })
}
