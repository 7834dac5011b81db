//! Definitions of schemas, and the statements that make them.

mod from_proto;
pub(super) mod to_proto;

use self::{from_proto::definition_from_proto, to_proto::definition};
use super::super::{engine, engine_from_proto, enum_from_proto, required};
use crate::{
    engine::dialect::{CreateStatement, Made},
    grpc::proto::v1::{self, schema_source::Source},
    model::{
        Result,
        connection::EngineKind,
        name::{self, BackupName},
        schema::{
            TableFilter,
            definition::{StandardColumns, Unmapped},
        },
    },
    service::schema::{Generated, SchemaSource},
};

/// Where a schema comes from.
pub fn schema_source(source: Option<v1::SchemaSource>, field: &str) -> Result<SchemaSource> {
    Ok(match required(required(source, field)?.source, field)? {
        Source::Definition(message) => {
            SchemaSource::Definition(definition_from_proto(message, &format!("{field}.definition"))?)
        }
        Source::Sql(sql) => {
            SchemaSource::Sql { engine: engine_from_proto(sql.engine, &format!("{field}.sql.engine"))?, text: sql.text }
        }
        Source::Yaml(text) => SchemaSource::Yaml(text),
        Source::Backup(backup) => SchemaSource::Backup(BackupName::parse(&backup, &format!("{field}.backup"))?),
        Source::Connection(source) => SchemaSource::Connection {
            connection: name::parse_connection(&source.connection, &format!("{field}.connection.connection"))?,
            filter: table_filter(&source).map_err(|error| error.within(&format!("{field}.connection")))?,
        },
    })
}

fn table_filter(source: &v1::ConnectionSource) -> Result<TableFilter> {
    super::request::table_filter(&source.schema, 0, &source.name_pattern)
}

/// An engine that need not be given.
pub fn optional_engine(value: i32, field: &str) -> Result<Option<EngineKind>> {
    match enum_from_proto(value, field)? {
        v1::Engine::Unspecified => Ok(None),
        _ => engine_from_proto(value, field).map(Some),
    }
}

/// Columns that are added to every table.
pub fn standard_columns(message: Option<v1::StandardColumns>) -> StandardColumns {
    let message = message.unwrap_or_default();
    StandardColumns { created_at: message.created_at, updated_at: message.updated_at, deleted_at: message.deleted_at }
}

/// A schema in all its forms.
pub fn generated(generated: Generated) -> v1::GenerateDdlResponse {
    v1::GenerateDdlResponse {
        definition: Some(definition(generated.definition)),
        yaml: generated.yaml,
        statements: generated.statements.into_iter().map(statement).collect(),
        unmapped: generated.unmapped.into_iter().map(unmapped).collect(),
    }
}

fn statement(statement: CreateStatement) -> v1::CreateStatement {
    let kind = match statement.made {
        Made::Schema => v1::CreatedKind::Schema,
        Made::Type => v1::CreatedKind::Type,
        Made::Table => v1::CreatedKind::Table,
        Made::ForeignKey => v1::CreatedKind::ForeignKey,
        Made::Index => v1::CreatedKind::Index,
        Made::View => v1::CreatedKind::View,
        Made::Function => v1::CreatedKind::Function,
        Made::Trigger => v1::CreatedKind::Trigger,
        Made::Comment => v1::CreatedKind::Comment,
    };
    v1::CreateStatement { kind: kind.into(), object: statement.object, sql: statement.sql }
}

pub(super) fn unmapped(unmapped: Unmapped) -> v1::Unmapped {
    v1::Unmapped { object: unmapped.object, reason: unmapped.reason, remedy: unmapped.remedy, unread: unmapped.unread }
}

/// The engine of a piece of SQL; unspecified: what all engines share.
fn of_engine(kind: Option<EngineKind>) -> i32 {
    kind.map_or(v1::Engine::Unspecified, engine).into()
}
