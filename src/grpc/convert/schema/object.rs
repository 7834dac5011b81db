//! Objects that are no tables.

use super::{details::security, object_name, parameters, part, sequence_options};
use crate::{
    grpc::{
        convert::time,
        proto::v1::{self, routine::Engine, schema_object::Details},
    },
    model::schema::{
        Aggregate, ArgumentMode, CollationObject, DomainCheck, DomainType, Extension, ForeignServer, MysqlRoutine,
        ObjectDetails, ObjectKind, ParallelSafety, PostgresRoutine, Publication, PublishedTable, RangeType, Routine,
        RoutineArgument, RoutineDetails, ScheduledEvent, SchemaNamespace, SchemaObject, SequenceObject, TypeAttribute,
        Volatility,
    },
};

/// An object that is no table.
pub fn object(object: SchemaObject) -> v1::SchemaObject {
    v1::SchemaObject {
        kind: kind(object.kind).into(),
        schema: object.schema,
        name: object.name,
        signature: object.signature,
        table: object.table,
        owner: object.owner,
        comment: object.comment,
        grants: object.grants.into_iter().map(part::grant).collect(),
        definition: object.definition,
        definition_cut: object.definition_cut,
        details: Some(details(object.details)),
    }
}

fn kind(kind: ObjectKind) -> v1::ObjectKind {
    match kind {
        ObjectKind::Enum => v1::ObjectKind::Enum,
        ObjectKind::Domain => v1::ObjectKind::Domain,
        ObjectKind::CompositeType => v1::ObjectKind::CompositeType,
        ObjectKind::RangeType => v1::ObjectKind::RangeType,
        ObjectKind::Sequence => v1::ObjectKind::Sequence,
        ObjectKind::Function => v1::ObjectKind::Function,
        ObjectKind::Procedure => v1::ObjectKind::Procedure,
        ObjectKind::Aggregate => v1::ObjectKind::Aggregate,
        ObjectKind::Trigger => v1::ObjectKind::Trigger,
        ObjectKind::Policy => v1::ObjectKind::Policy,
        ObjectKind::Rule => v1::ObjectKind::Rule,
        ObjectKind::Extension => v1::ObjectKind::Extension,
        ObjectKind::Event => v1::ObjectKind::Event,
        ObjectKind::Collation => v1::ObjectKind::Collation,
        ObjectKind::Publication => v1::ObjectKind::Publication,
        ObjectKind::ForeignServer => v1::ObjectKind::ForeignServer,
        ObjectKind::Schema => v1::ObjectKind::Schema,
    }
}

fn details(details: ObjectDetails) -> Details {
    match details {
        ObjectDetails::Enum(labels) => Details::EnumType(v1::EnumType { labels }),
        ObjectDetails::Domain(found) => Details::Domain(domain(found)),
        ObjectDetails::CompositeType(attributes) => {
            let attributes = attributes.into_iter().map(attribute).collect();
            Details::CompositeType(v1::CompositeType { attributes })
        }
        ObjectDetails::RangeType(found) => Details::RangeType(range_type(found)),
        ObjectDetails::Sequence(found) => Details::Sequence(sequence(*found)),
        ObjectDetails::Routine(found) => Details::Routine(routine(*found)),
        ObjectDetails::Aggregate(found) => Details::Aggregate(aggregate(*found)),
        ObjectDetails::Trigger(found) => Details::Trigger(part::trigger(*found)),
        ObjectDetails::Policy(found) => Details::Policy(part::policy(found)),
        ObjectDetails::Rule(found) => Details::Rule(part::rule(found)),
        ObjectDetails::Extension(found) => Details::Extension(extension(found)),
        ObjectDetails::Event(found) => Details::Event(event(*found)),
        ObjectDetails::Collation(found) => Details::Collation(collation(found)),
        ObjectDetails::Publication(found) => Details::Publication(publication(found)),
        ObjectDetails::ForeignServer(found) => Details::ForeignServer(foreign_server(found)),
        ObjectDetails::Schema(found) => Details::Namespace(namespace(found)),
    }
}

fn domain(domain: DomainType) -> v1::DomainType {
    let check = |check: DomainCheck| v1::DomainCheck {
        name: check.name,
        expression: check.expression,
        validated: check.validated,
    };
    v1::DomainType {
        base_type: domain.base_type,
        not_null: domain.not_null,
        default_expression: domain.default_expression,
        collation: domain.collation,
        checks: domain.checks.into_iter().map(check).collect(),
    }
}

fn attribute(attribute: TypeAttribute) -> v1::TypeAttribute {
    v1::TypeAttribute {
        name: attribute.name,
        r#type: attribute.data_type,
        collation: attribute.collation,
        comment: attribute.comment,
    }
}

fn range_type(range: RangeType) -> v1::RangeType {
    v1::RangeType {
        subtype: range.subtype,
        operator_class: range.operator_class,
        collation: range.collation,
        canonical_function: range.canonical_function,
        subtype_difference_function: range.subtype_difference_function,
        multirange_type: range.multirange_type,
    }
}

fn sequence(sequence: SequenceObject) -> v1::SequenceObject {
    let (table, column) = sequence.owned_by.unzip();
    v1::SequenceObject {
        options: Some(sequence_options(sequence.options)),
        owned_by_table: table.map(object_name),
        owned_by_column: column.unwrap_or_default(),
        unlogged: sequence.unlogged,
    }
}

fn routine(routine: Routine) -> v1::Routine {
    let engine = routine.details.map(|details| match details {
        RoutineDetails::Postgres(found) => Engine::Postgres(postgres_routine(found)),
        RoutineDetails::Mysql(found) => Engine::Mysql(mysql_routine(found)),
    });
    v1::Routine {
        language: routine.language,
        arguments: routine.arguments.into_iter().map(argument).collect(),
        return_type: routine.return_type,
        security: security(routine.security).into(),
        body: routine.body,
        engine,
    }
}

fn argument(argument: RoutineArgument) -> v1::RoutineArgument {
    let mode = match argument.mode {
        ArgumentMode::In => v1::ArgumentMode::In,
        ArgumentMode::Out => v1::ArgumentMode::Out,
        ArgumentMode::InOut => v1::ArgumentMode::InOut,
        ArgumentMode::Variadic => v1::ArgumentMode::Variadic,
        ArgumentMode::Table => v1::ArgumentMode::Table,
    };
    v1::RoutineArgument {
        name: argument.name,
        r#type: argument.data_type,
        mode: mode.into(),
        default_expression: argument.default_expression,
    }
}

fn postgres_routine(routine: PostgresRoutine) -> v1::PostgresRoutine {
    let volatility = match routine.volatility {
        Volatility::Immutable => v1::Volatility::Immutable,
        Volatility::Stable => v1::Volatility::Stable,
        Volatility::Volatile => v1::Volatility::Volatile,
    };
    v1::PostgresRoutine {
        volatility: volatility.into(),
        parallel: parallel(routine.parallel).into(),
        strict: routine.strict,
        leakproof: routine.leakproof,
        cost: routine.cost,
        rows: routine.rows,
        returns_set: routine.returns_set,
        window: routine.window,
        settings: parameters(routine.settings),
        support_function: routine.support_function,
    }
}

fn parallel(safety: ParallelSafety) -> v1::ParallelSafety {
    match safety {
        ParallelSafety::Untold => v1::ParallelSafety::Unspecified,
        ParallelSafety::Safe => v1::ParallelSafety::Safe,
        ParallelSafety::Restricted => v1::ParallelSafety::Restricted,
        ParallelSafety::Unsafe => v1::ParallelSafety::Unsafe,
    }
}

fn mysql_routine(routine: MysqlRoutine) -> v1::MysqlRoutine {
    v1::MysqlRoutine {
        definer: routine.definer,
        deterministic: routine.deterministic,
        data_access: routine.data_access,
        sql_mode: routine.sql_mode,
        character_set_client: routine.character_set_client,
        collation_connection: routine.collation_connection,
        database_collation: routine.database_collation,
    }
}

fn aggregate(aggregate: Aggregate) -> v1::Aggregate {
    v1::Aggregate {
        arguments: aggregate.arguments.into_iter().map(argument).collect(),
        return_type: aggregate.return_type,
        state_function: aggregate.state_function,
        state_type: aggregate.state_type,
        final_function: aggregate.final_function,
        combine_function: aggregate.combine_function,
        initial_state: aggregate.initial_state,
        sort_operator: aggregate.sort_operator,
        kind: aggregate.kind,
        parallel: parallel(aggregate.parallel).into(),
    }
}

fn extension(extension: Extension) -> v1::Extension {
    v1::Extension {
        version: extension.version,
        available_version: extension.available_version,
        relocatable: extension.relocatable,
    }
}

fn event(event: ScheduledEvent) -> v1::ScheduledEvent {
    v1::ScheduledEvent {
        definer: event.definer,
        state: event.state,
        execute_at: event.execute_at.map(time::timestamp),
        interval: event.interval,
        starts: event.starts.map(time::timestamp),
        ends: event.ends.map(time::timestamp),
        preserved: event.preserved,
        time_zone: event.time_zone,
        sql_mode: event.sql_mode,
        body: event.body,
    }
}

fn collation(collation: CollationObject) -> v1::CollationObject {
    v1::CollationObject {
        provider: collation.provider,
        locale: collation.locale,
        character_type: collation.character_type,
        icu_rules: collation.icu_rules,
        deterministic: collation.deterministic,
        version: collation.version,
        actual_version: collation.actual_version,
    }
}

fn publication(publication: Publication) -> v1::Publication {
    let table = |published: PublishedTable| v1::PublishedTable {
        table: Some(object_name(published.table)),
        columns: published.columns,
        row_filter: published.row_filter,
    };
    v1::Publication {
        all_tables: publication.all_tables,
        tables: publication.tables.into_iter().map(table).collect(),
        table_count: publication.table_count,
        schemas: publication.schemas,
        operations: part::events(publication.operations),
        via_root: publication.via_root,
    }
}

fn foreign_server(server: ForeignServer) -> v1::ForeignServer {
    v1::ForeignServer {
        wrapper: server.wrapper,
        r#type: server.server_type,
        version: server.version,
        options: parameters(server.options),
        mapped_users: server.mapped_users,
    }
}

fn namespace(schema: SchemaNamespace) -> v1::SchemaNamespace {
    v1::SchemaNamespace {
        character_set: schema.character_set,
        collation: schema.collation,
        default_privileges: schema.default_privileges,
    }
}
