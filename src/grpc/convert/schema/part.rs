//! Parts of tables: constraints, indexes, triggers, policies and grants.

use super::{object_name, parameters};
use crate::{
    grpc::proto::v1,
    model::schema::{
        CheckConstraint, Command, ExclusionConstraint, ExclusionElement, FiringState, ForeignKey, Index, IndexPart,
        IndexTerm, KeyConstraint, MatchType, NullsOrder, ObjectGrant, OperatorClass, Policy, ReferentialAction, Rule,
        Trigger, TriggerEvent, TriggerLevel, TriggerTiming,
    },
};

pub(super) fn key(key: KeyConstraint) -> v1::KeyConstraint {
    v1::KeyConstraint {
        name: key.name,
        columns: key.columns,
        deferrable: key.deferrable,
        initially_deferred: key.initially_deferred,
        nulls_not_distinct: key.nulls_not_distinct,
        included_columns: key.included_columns,
        index: key.index,
        comment: key.comment,
        without_overlaps: key.without_overlaps,
        on_conflict: key.on_conflict,
    }
}

pub(super) fn foreign_key(key: ForeignKey) -> v1::ForeignKey {
    let match_type = match key.match_type {
        MatchType::Simple => v1::MatchType::Simple,
        MatchType::Full => v1::MatchType::Full,
        MatchType::Partial => v1::MatchType::Partial,
    };
    v1::ForeignKey {
        name: key.name,
        columns: key.columns,
        referenced_schema: key.referenced_schema,
        referenced_table: key.referenced_table,
        referenced_columns: key.referenced_columns,
        on_update: action(key.on_update).into(),
        on_delete: action(key.on_delete).into(),
        deferrable: key.deferrable,
        validated: key.validated,
        initially_deferred: key.initially_deferred,
        match_type: match_type.into(),
        on_delete_columns: key.on_delete_columns,
        enforced: key.enforced,
        comment: key.comment,
        period: key.period,
    }
}

pub(super) fn action(action: ReferentialAction) -> v1::ReferentialAction {
    match action {
        ReferentialAction::NoAction => v1::ReferentialAction::NoAction,
        ReferentialAction::Restrict => v1::ReferentialAction::Restrict,
        ReferentialAction::Cascade => v1::ReferentialAction::Cascade,
        ReferentialAction::SetNull => v1::ReferentialAction::SetNull,
        ReferentialAction::SetDefault => v1::ReferentialAction::SetDefault,
    }
}

pub(super) fn check(check: CheckConstraint) -> v1::CheckConstraint {
    v1::CheckConstraint {
        name: check.name,
        expression: check.expression,
        validated: check.validated,
        no_inherit: check.no_inherit,
        enforced: check.enforced,
        comment: check.comment,
        column: check.column,
    }
}

pub(super) fn exclusion(exclusion: ExclusionConstraint) -> v1::ExclusionConstraint {
    v1::ExclusionConstraint {
        name: exclusion.name,
        method: exclusion.method,
        elements: exclusion.elements.into_iter().map(element).collect(),
        included_columns: exclusion.included_columns,
        predicate: exclusion.predicate,
        deferrable: exclusion.deferrable,
        initially_deferred: exclusion.initially_deferred,
        comment: exclusion.comment,
    }
}

fn element(element: ExclusionElement) -> v1::ExclusionElement {
    let (column, expression) = term(element.term);
    v1::ExclusionElement {
        column,
        expression,
        operator: element.operator,
        operator_class: element.operator_class.map(operator_class),
        collation: element.collation,
        descending: element.descending,
        nulls: nulls(element.nulls).into(),
    }
}

pub(super) fn index(index: Index) -> v1::Index {
    v1::Index {
        name: index.name,
        method: index.method,
        unique: index.unique,
        primary: index.primary,
        parts: index.parts.into_iter().map(part).collect(),
        included_columns: index.included_columns,
        predicate: index.predicate,
        valid: index.valid,
        size_bytes: index.size_bytes,
        ready: index.ready,
        visible: index.visible,
        nulls_not_distinct: index.nulls_not_distinct,
        storage_parameters: parameters(index.storage_parameters),
        parser: index.parser,
        comment: index.comment,
        constraint: index.constraint,
        tablespace: index.tablespace,
        clustered: index.clustered,
        partition_of: index.partition_of.map(object_name),
        definition: index.definition,
    }
}

fn part(part: IndexPart) -> v1::IndexPart {
    let (column, expression) = term(part.term);
    v1::IndexPart {
        column,
        expression,
        descending: part.descending,
        prefix_length: part.prefix_length,
        collation: part.collation,
        operator_class: part.operator_class.map(operator_class),
        nulls: nulls(part.nulls).into(),
    }
}

/// Column and expression, one of which is empty.
pub(super) fn term(term: IndexTerm) -> (String, String) {
    match term {
        IndexTerm::Column(column) => (column, String::new()),
        IndexTerm::Expression(expression) => (String::new(), expression),
    }
}

fn operator_class(class: OperatorClass) -> v1::OperatorClass {
    v1::OperatorClass {
        name: Some(object_name(class.name)),
        default: class.default,
        parameters: parameters(class.parameters),
    }
}

fn nulls(order: NullsOrder) -> v1::NullsOrder {
    match order {
        NullsOrder::Untold => v1::NullsOrder::Unspecified,
        NullsOrder::First => v1::NullsOrder::First,
        NullsOrder::Last => v1::NullsOrder::Last,
    }
}

pub(super) fn trigger(trigger: Trigger) -> v1::Trigger {
    let timing = match trigger.timing {
        TriggerTiming::Untold => v1::TriggerTiming::Unspecified,
        TriggerTiming::Before => v1::TriggerTiming::Before,
        TriggerTiming::After => v1::TriggerTiming::After,
        TriggerTiming::InsteadOf => v1::TriggerTiming::InsteadOf,
    };
    let level = match trigger.level {
        TriggerLevel::Untold => v1::TriggerLevel::Unspecified,
        TriggerLevel::Row => v1::TriggerLevel::Row,
        TriggerLevel::Statement => v1::TriggerLevel::Statement,
    };
    v1::Trigger {
        name: trigger.name,
        definition: trigger.definition,
        timing: timing.into(),
        events: events(trigger.events),
        columns: trigger.columns,
        level: level.into(),
        condition: trigger.condition,
        state: state(trigger.state).into(),
        function: trigger.function.map(object_name),
        arguments: trigger.arguments,
        body: trigger.body,
        comment: trigger.comment,
        deferrable: trigger.deferrable,
        initially_deferred: trigger.initially_deferred,
        old_table: trigger.old_table,
        new_table: trigger.new_table,
        definer: trigger.definer,
        sql_mode: trigger.sql_mode,
        action_order: trigger.action_order,
        constraint: trigger.constraint,
    }
}

pub(super) fn events(events: Vec<TriggerEvent>) -> Vec<i32> {
    let event = |event| match event {
        TriggerEvent::Insert => v1::TriggerEvent::Insert,
        TriggerEvent::Update => v1::TriggerEvent::Update,
        TriggerEvent::Delete => v1::TriggerEvent::Delete,
        TriggerEvent::Truncate => v1::TriggerEvent::Truncate,
    };
    events.into_iter().map(|found| event(found).into()).collect()
}

fn state(state: FiringState) -> v1::FiringState {
    match state {
        FiringState::Untold => v1::FiringState::Unspecified,
        FiringState::Enabled => v1::FiringState::Enabled,
        FiringState::Disabled => v1::FiringState::Disabled,
        FiringState::Replica => v1::FiringState::Replica,
        FiringState::Always => v1::FiringState::Always,
    }
}

pub(super) fn policy(policy: Policy) -> v1::Policy {
    v1::Policy {
        name: policy.name,
        command: command(policy.command).into(),
        permissive: policy.permissive,
        roles: policy.roles,
        using_expression: policy.using_expression,
        check_expression: policy.check_expression,
        comment: policy.comment,
    }
}

pub(super) fn rule(rule: Rule) -> v1::Rule {
    v1::Rule {
        name: rule.name,
        command: command(rule.command).into(),
        instead: rule.instead,
        state: state(rule.state).into(),
        definition: rule.definition,
        comment: rule.comment,
    }
}

fn command(command: Command) -> v1::Command {
    match command {
        Command::All => v1::Command::All,
        Command::Select => v1::Command::Select,
        Command::Insert => v1::Command::Insert,
        Command::Update => v1::Command::Update,
        Command::Delete => v1::Command::Delete,
    }
}

pub(super) fn grant(grant: ObjectGrant) -> v1::ObjectGrant {
    v1::ObjectGrant {
        grantee: grant.grantee,
        grantor: grant.grantor,
        privilege: grant.privilege,
        grantable: grant.grantable,
        column: grant.column,
    }
}
