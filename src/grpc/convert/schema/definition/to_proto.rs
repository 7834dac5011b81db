//! A definition as a caller gets it.

use super::{engine, of_engine};
use crate::{
    grpc::proto::v1::{self, column_type::Type, default_value::Value, type_definition::Shape},
    model::schema::{
        NeutralType, SECOND_DIGITS,
        definition::{
            CheckDefinition, ColumnDefinition, ColumnType, DefaultValue, ForeignKeyDefinition, GeneratedValue,
            Identity, IndexColumn, IndexDefinition, KeyDefinition, SchemaDefinition, TableDefinition, TypeDefinition,
            TypeField, TypeShape, ViewDefinition,
        },
    },
};

use super::super::part::action;

pub(super) fn definition(definition: SchemaDefinition) -> v1::SchemaDefinition {
    v1::SchemaDefinition {
        types: definition.types.into_iter().map(type_definition).collect(),
        tables: definition.tables.into_iter().map(table).collect(),
        views: definition.views.into_iter().map(view).collect(),
    }
}

pub(in crate::grpc::convert::schema) fn type_definition(found: TypeDefinition) -> v1::TypeDefinition {
    let shape = match found.shape {
        TypeShape::Enum(labels) => Shape::Enum(v1::EnumDefinition { labels }),
        TypeShape::Domain { base, required, checks } => Shape::Domain(v1::DomainDefinition {
            base: Some(column_type(base)),
            required,
            checks: checks.into_iter().map(check).collect(),
        }),
        TypeShape::Composite(fields) => {
            Shape::Composite(v1::CompositeDefinition { fields: fields.into_iter().map(field).collect() })
        }
    };
    v1::TypeDefinition { schema: found.schema, name: found.name, comment: found.comment, shape: Some(shape) }
}

fn field(field: TypeField) -> v1::FieldDefinition {
    v1::FieldDefinition { name: field.name, r#type: Some(column_type(field.column_type)) }
}

pub(in crate::grpc::convert::schema) fn table(table: TableDefinition) -> v1::TableDefinition {
    v1::TableDefinition {
        schema: table.schema,
        name: table.name,
        comment: table.comment,
        columns: table.columns.into_iter().map(column).collect(),
        primary_key: table.primary_key.map(key),
        unique_constraints: table.unique_constraints.into_iter().map(key).collect(),
        foreign_keys: table.foreign_keys.into_iter().map(foreign_key).collect(),
        checks: table.checks.into_iter().map(check).collect(),
        indexes: table.indexes.into_iter().map(index).collect(),
    }
}

pub(in crate::grpc::convert::schema) fn column(column: ColumnDefinition) -> v1::ColumnDefinition {
    let identity = match column.identity {
        None => v1::ColumnIdentity::Unspecified,
        Some(Identity::ByDefault) => v1::ColumnIdentity::ByDefault,
        Some(Identity::Always) => v1::ColumnIdentity::Always,
    };
    v1::ColumnDefinition {
        name: column.name,
        r#type: Some(column_type(column.column_type)),
        nullable: column.nullable,
        default: column.default.map(default),
        identity: identity.into(),
        generated: column.generated.map(generated),
        touched_on_update: column.touched_on_update,
        collation: column.collation,
        comment: column.comment,
    }
}

fn generated(generated: GeneratedValue) -> v1::GeneratedValue {
    let engine = of_engine(generated.engine);
    v1::GeneratedValue { expression: generated.expression, stored: generated.stored, engine }
}

fn default(default: DefaultValue) -> v1::DefaultValue {
    let value = match default {
        DefaultValue::Literal(text) => Value::Literal(text),
        DefaultValue::CurrentTimestamp => Value::Named(v1::NamedDefault::CurrentTimestamp.into()),
        DefaultValue::NewUuid => Value::Named(v1::NamedDefault::NewUuid.into()),
        DefaultValue::Expression { text, engine } => {
            Value::Expression(v1::ExpressionDefault { text, engine: of_engine(engine) })
        }
    };
    v1::DefaultValue { value: Some(value) }
}

fn column_type(column_type: ColumnType) -> v1::ColumnType {
    let found = match column_type {
        ColumnType::Neutral(found) => Type::Neutral(neutral(found)),
        ColumnType::Declared(name) => Type::Declared(v1::DeclaredType { schema: name.schema, name: name.name }),
        ColumnType::Native { engine: of, text } => Type::Native(v1::NativeType { engine: engine(of).into(), text }),
    };
    v1::ColumnType { r#type: Some(found) }
}

fn neutral(neutral: NeutralType) -> v1::NeutralColumnType {
    use v1::NeutralType as M;
    let found = match neutral {
        NeutralType::Boolean => M::Boolean,
        NeutralType::Integer { bits, unsigned: false } => match bits {
            8 => M::Int8,
            16 => M::Int16,
            24 => M::Int24,
            32 => M::Int32,
            _ => M::Int64,
        },
        NeutralType::Integer { bits, unsigned: true } => match bits {
            8 => M::Uint8,
            16 => M::Uint16,
            24 => M::Uint24,
            32 => M::Uint32,
            _ => M::Uint64,
        },
        NeutralType::Decimal { .. } => M::Decimal,
        NeutralType::Float { bits: 32 } => M::Float32,
        NeutralType::Float { .. } => M::Float64,
        NeutralType::Money => M::Money,
        NeutralType::PaddedText { .. } => M::Char,
        NeutralType::Text { .. } => M::Text,
        NeutralType::Bytes => M::Bytes,
        NeutralType::Date => M::Date,
        NeutralType::Time { zoned: false, .. } => M::Time,
        NeutralType::Time { zoned: true, .. } => M::TimeTz,
        NeutralType::Timestamp { zoned: false, .. } => M::Timestamp,
        NeutralType::Timestamp { zoned: true, .. } => M::TimestampTz,
        NeutralType::Uuid => M::Uuid,
        NeutralType::Json { parsed: true } => M::Json,
        NeutralType::Json { parsed: false } => M::JsonText,
    };
    let length = match neutral {
        NeutralType::PaddedText { length } => length,
        NeutralType::Text { length } => length.unwrap_or(0),
        _ => 0,
    };
    let (precision, scale) = match neutral {
        NeutralType::Decimal { digits } => digits.unwrap_or_default(),
        _ => (0, 0),
    };
    let second_digits = match neutral {
        NeutralType::Time { digits, .. } | NeutralType::Timestamp { digits, .. } => Some(digits),
        _ => None,
    };
    let second_digits = second_digits.filter(|digits| *digits != SECOND_DIGITS).map(u32::from);
    v1::NeutralColumnType { r#type: found.into(), length, precision, scale, second_digits }
}

pub(in crate::grpc::convert::schema) fn key(key: KeyDefinition) -> v1::KeyDefinition {
    v1::KeyDefinition { name: key.name, columns: key.columns }
}

pub(in crate::grpc::convert::schema) fn foreign_key(key: ForeignKeyDefinition) -> v1::ForeignKeyDefinition {
    v1::ForeignKeyDefinition {
        name: key.name,
        columns: key.columns,
        referenced_schema: key.referenced_schema,
        referenced_table: key.referenced_table,
        referenced_columns: key.referenced_columns,
        on_update: action(key.on_update).into(),
        on_delete: action(key.on_delete).into(),
        deferred: key.deferred,
    }
}

pub(in crate::grpc::convert::schema) fn check(check: CheckDefinition) -> v1::CheckDefinition {
    v1::CheckDefinition { name: check.name, expression: check.expression, engine: of_engine(check.engine) }
}

pub(in crate::grpc::convert::schema) fn index(index: IndexDefinition) -> v1::IndexDefinition {
    let part = |part: IndexColumn| v1::IndexColumn { column: part.column, descending: part.descending };
    v1::IndexDefinition {
        name: index.name,
        columns: index.columns.into_iter().map(part).collect(),
        unique: index.unique,
        full_text: index.full_text,
        predicate: index.predicate,
        engine: of_engine(index.engine),
        comment: index.comment,
    }
}

pub(in crate::grpc::convert::schema) fn view(view: ViewDefinition) -> v1::ViewDefinition {
    v1::ViewDefinition {
        schema: view.schema,
        name: view.name,
        comment: view.comment,
        query: view.query,
        engine: of_engine(view.engine),
    }
}
