//! Triggers, rules and policies of a table or view.

use super::{
    facts::{Context, Fact, Written},
    piece::{Place, Step, Subject},
    table::TableName,
};
use crate::{
    engine::postgres::dialect::{qualified, quoted},
    model::schema::{
        Command, DdlKind, FiringState, ObjectDetails, ObjectName, Policy, PostgresTable, Rule, SchemaObject, Table,
        Trigger,
    },
};

pub(super) fn write(
    table: &Table,
    name: &TableName,
    details: &PostgresTable,
    context: &Context,
    written: &mut Written,
) {
    table.triggers.iter().for_each(|trigger| write_trigger(trigger, &name.name, context, written));
    details.rules.iter().for_each(|rule| write_rule(rule, &name.name, written));
    details.policies.iter().for_each(|policy| write_policy(policy, &name.name, written));
}

/// Writes one of them alone.
pub(super) fn write_alone(object: &SchemaObject, context: &Context, written: &mut Written) {
    let table = ObjectName { schema: object.schema.clone(), name: object.table.clone() };
    match &object.details {
        ObjectDetails::Trigger(trigger) => write_trigger(trigger, &table, context, written),
        ObjectDetails::Rule(rule) => write_rule(rule, &table, written),
        ObjectDetails::Policy(policy) => write_policy(policy, &table, written),
        _ => {}
    }
}

fn write_trigger(trigger: &Trigger, table: &ObjectName, context: &Context, written: &mut Written) {
    let subject = Subject::of_table(DdlKind::Trigger, "TRIGGER", &trigger.name, table);
    let is_clone = context.holds(Fact::ClonedTrigger, table, &trigger.name);
    let create = (!is_clone).then(|| subject.statement(trigger.definition.clone()));
    let place = Place::part(Step::Trigger, &table.schema, &table.name, &trigger.name);
    written.add(place.clone(), create);
    let state = state(trigger.state).map(|state| {
        let name = quoted(&trigger.name);
        subject.statement(format!("ALTER TABLE ONLY {} {state} TRIGGER {name}", qualified(table)))
    });
    let place = Place { step: Step::TriggerState, ..place };
    written.add(place, state.into_iter().chain(subject.comment(&trigger.comment)));
}

fn write_rule(rule: &Rule, table: &ObjectName, written: &mut Written) {
    let subject = Subject::of_table(DdlKind::Rule, "RULE", &rule.name, table);
    let create = subject.statement(rule.definition.trim_end().trim_end_matches(';'));
    let state = state(rule.state).map(|state| {
        subject.statement(format!("ALTER TABLE {} {state} RULE {}", qualified(table), quoted(&rule.name)))
    });
    let place = Place::part(Step::Rule, &table.schema, &table.name, &rule.name);
    written.add(place, [create].into_iter().chain(state).chain(subject.comment(&rule.comment)));
}

fn write_policy(policy: &Policy, table: &ObjectName, written: &mut Written) {
    let subject = Subject::of_table(DdlKind::Policy, "POLICY", &policy.name, table);
    let mut create = format!("CREATE {}", subject.in_sql);
    if !policy.permissive {
        create.push_str(" AS RESTRICTIVE");
    }
    let command = match policy.command {
        Command::All => "",
        Command::Select => " FOR SELECT",
        Command::Insert => " FOR INSERT",
        Command::Update => " FOR UPDATE",
        Command::Delete => " FOR DELETE",
    };
    create.push_str(command);
    let role = |role: &String| if role == "PUBLIC" { role.clone() } else { quoted(role) };
    let roles: Vec<String> = policy.roles.iter().map(role).collect();
    if roles != ["PUBLIC"] {
        create.push_str(&format!(" TO {}", roles.join(", ")));
    }
    for (word, expression) in [("USING", &policy.using_expression), ("WITH CHECK", &policy.check_expression)] {
        if !expression.is_empty() {
            create.push_str(&format!(" {word} ({expression})"));
        }
    }
    let place = Place::part(Step::Policy, &table.schema, &table.name, &policy.name);
    written.add(place, [subject.statement(create)].into_iter().chain(subject.comment(&policy.comment)));
}

/// The word that ALTER TABLE takes; absent where it is as it was made.
fn state(state: FiringState) -> Option<&'static str> {
    match state {
        FiringState::Disabled => Some("DISABLE"),
        FiringState::Replica => Some("ENABLE REPLICA"),
        FiringState::Always => Some("ENABLE ALWAYS"),
        FiringState::Enabled | FiringState::Untold => None,
    }
}
