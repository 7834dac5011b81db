//! Functions, procedures and aggregates.

use super::{
    facts::{Context, Written},
    piece::{Place, Step, Subject},
};
use crate::{
    engine::postgres::dialect::qualified,
    model::schema::{DdlKind, ObjectKind, ObjectName, SchemaObject},
};

pub(super) fn write(object: &SchemaObject, context: &Context, written: &mut Written) {
    let name = ObjectName { schema: object.schema.clone(), name: object.name.clone() };
    let (word, signature, create) = match object.kind {
        ObjectKind::Aggregate => {
            let text = context.aggregate(&name, &object.signature);
            let options = text.options.join(", ");
            (
                "AGGREGATE",
                text.identity,
                format!("CREATE AGGREGATE {}({}) ({options})", qualified(&name), text.arguments),
            )
        }
        kind => {
            let word = if kind == ObjectKind::Procedure { "PROCEDURE" } else { "FUNCTION" };
            (word, object.signature.clone(), made_once(&object.definition))
        }
    };
    let mut subject = Subject::in_schema(DdlKind::Routine, word, &name);
    subject.in_sql.push_str(&format!("({signature})"));
    let create = subject.statement(create);
    let more = subject.comment(&object.comment).into_iter().chain(subject.owner(context.owner(&object.owner)));
    let place = Place::part(Step::Routine, &name.schema, &name.name, &object.signature);
    written.add(place, [create].into_iter().chain(more));
}

/// The server writes CREATE OR REPLACE, which would hide that there is another of the name.
fn made_once(definition: &str) -> String {
    definition.trim_end().replacen("CREATE OR REPLACE ", "CREATE ", 1)
}
