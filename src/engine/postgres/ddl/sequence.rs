//! Sequences, and the number generators of identity columns.

use super::{
    facts::{Context, Fact, Written},
    piece::{Place, Step, Subject},
};
use crate::{
    engine::postgres::dialect::{qualified, quoted},
    model::schema::{DdlKind, ObjectName, SchemaObject, SequenceObject, SequenceOptions},
};

pub(super) fn write(object: &SchemaObject, sequence: &SequenceObject, context: &Context, written: &mut Written) {
    let name = ObjectName { schema: object.schema.clone(), name: object.name.clone() };
    let subject = Subject::in_schema(DdlKind::Sequence, "SEQUENCE", &name);
    let owner_place = Place::of(Step::SequenceOwner, &name);
    if context.holds(Fact::IdentitySequence, &name, "") {
        // It comes with its column, and belongs to the owner of the table.
        written.add(owner_place, subject.comment(&object.comment));
        return;
    }
    let unlogged = if sequence.unlogged { "UNLOGGED " } else { "" };
    let data_type = &sequence.options.data_type;
    let create = format!("CREATE {unlogged}SEQUENCE {} AS {data_type}{}", qualified(&name), options(&sequence.options));
    let create = subject.statement(create);
    let comment = subject.comment(&object.comment);
    // A sequence of a column belongs to the owner of the table, and only then to the column.
    let owner = subject.owner(context.owner(&object.owner));
    written.add(Place::of(Step::Sequence, &name), [create].into_iter().chain(comment).chain(owner));
    if let Some((table, column)) = &sequence.owned_by {
        let of = format!("{}.{}", qualified(table), quoted(column));
        let owned = subject.statement(format!("ALTER SEQUENCE {} OWNED BY {of}", qualified(&name)));
        written.add(owner_place, [owned]);
    }
}

/// What a generator does, each with a blank before it.
pub(super) fn options(options: &SequenceOptions) -> String {
    let SequenceOptions { start, increment, minimum, maximum, cache, cycle, .. } = options;
    let cycle = if *cycle { " CYCLE" } else { "" };
    format!(" START WITH {start} INCREMENT BY {increment} MINVALUE {minimum} MAXVALUE {maximum} CACHE {cache}{cycle}")
}
