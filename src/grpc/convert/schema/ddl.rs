//! Statements that make a schema again.

use super::{
    super::{skipped, time},
    request::{object_kind, schema_name, table_name},
};
use crate::{
    grpc::proto::v1::{self, get_ddl_request::Subject, get_ddl_response::Event},
    model::{
        Error, Result,
        name::{Identifier, QualifiedName},
        schema::{DdlKind, DdlObject, DdlSelection, DdlStatement, DdlSubject, ObjectKind},
    },
    service::schema::DdlEvent,
};

/// Which statements are asked for.
pub fn ddl_selection(message: &v1::GetDdlRequest) -> Result<DdlSelection> {
    let subject = match &message.subject {
        Some(Subject::Table(table)) => DdlSubject::Table(table_name(&message.schema, table)?),
        Some(Subject::Object(named)) => DdlSubject::Object(object(&message.schema, named)?),
        None => schema_name(&message.schema)?.map_or(DdlSubject::Database, DdlSubject::Schema),
    };
    Ok(DdlSelection { subject, owners: message.include_owners })
}

fn object(schema: &str, named: &v1::DdlObject) -> Result<DdlObject> {
    let kind = object_kind(named.kind, "object.kind")?;
    let table = match named.table.as_str() {
        "" => None,
        table => Some(Identifier::parse(table, "object.table")?),
    };
    if table.is_some() && !matches!(kind, ObjectKind::Trigger | ObjectKind::Policy | ObjectKind::Rule) {
        return Err(Error::invalid_field("object.table", "must be empty but for a trigger, a policy or a rule"));
    }
    let schema = schema_name(schema)?.map(Identifier::of_catalog);
    let name = QualifiedName { schema, name: Identifier::parse(&named.name, "object.name")? };
    Ok(DdlObject { kind, name, table, signature: named.signature.clone() })
}

/// A message of the stream.
pub fn ddl_event(event: DdlEvent, served_by: &str) -> Event {
    match event {
        DdlEvent::Statement(found) => Event::Statement(statement(found)),
        DdlEvent::Summary { counts, skipped: left_out, time: began, duration } => Event::Summary(v1::DdlSummary {
            statement_count: count(counts.values().sum()),
            counts: counts.into_iter().map(|(kind, number)| counted(kind, number)).collect(),
            skipped: left_out.into_iter().map(skipped).collect(),
            served_by: served_by.to_owned(),
            discovery_time: Some(time::timestamp(began)),
            discovery_duration: Some(time::duration(duration)),
        }),
    }
}

fn statement(statement: DdlStatement) -> v1::DdlStatement {
    v1::DdlStatement {
        kind: kind(statement.kind).into(),
        schema: statement.schema,
        name: statement.name,
        table: statement.table,
        sql: statement.sql,
    }
}

fn counted(of: DdlKind, number: u64) -> v1::DdlCount {
    v1::DdlCount { kind: kind(of).into(), count: count(number) }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn kind(kind: DdlKind) -> v1::DdlKind {
    match kind {
        DdlKind::Setting => v1::DdlKind::Setting,
        DdlKind::Schema => v1::DdlKind::Schema,
        DdlKind::Extension => v1::DdlKind::Extension,
        DdlKind::Collation => v1::DdlKind::Collation,
        DdlKind::Type => v1::DdlKind::Type,
        DdlKind::Sequence => v1::DdlKind::Sequence,
        DdlKind::Routine => v1::DdlKind::Routine,
        DdlKind::ForeignServer => v1::DdlKind::ForeignServer,
        DdlKind::Table => v1::DdlKind::Table,
        DdlKind::Column => v1::DdlKind::Column,
        DdlKind::Constraint => v1::DdlKind::Constraint,
        DdlKind::ForeignKey => v1::DdlKind::ForeignKey,
        DdlKind::Index => v1::DdlKind::Index,
        DdlKind::View => v1::DdlKind::View,
        DdlKind::Statistics => v1::DdlKind::Statistics,
        DdlKind::Trigger => v1::DdlKind::Trigger,
        DdlKind::Policy => v1::DdlKind::Policy,
        DdlKind::Rule => v1::DdlKind::Rule,
        DdlKind::Event => v1::DdlKind::Event,
        DdlKind::Publication => v1::DdlKind::Publication,
        DdlKind::Comment => v1::DdlKind::Comment,
        DdlKind::Owner => v1::DdlKind::Owner,
        DdlKind::Refresh => v1::DdlKind::Refresh,
    }
}
