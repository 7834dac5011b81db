//! Enumerated, domain, composite and range types.

use super::{
    facts::{Context, Fact, Written},
    piece::{Place, Step, Subject, literal},
};
use crate::{
    engine::postgres::dialect::{qualified, quoted},
    model::schema::{
        DdlKind, DdlStatement, DomainType, ObjectDetails, ObjectName, RangeType, SchemaObject, TypeAttribute,
    },
};

pub(super) fn write(object: &SchemaObject, context: &Context, written: &mut Written) {
    let name = ObjectName { schema: object.schema.clone(), name: object.name.clone() };
    let word = if matches!(object.details, ObjectDetails::Domain(_)) { "DOMAIN" } else { "TYPE" };
    let subject = Subject::in_schema(DdlKind::Type, word, &name);
    let mut statements = match &object.details {
        ObjectDetails::Enum(labels) => {
            let labels: Vec<String> = labels.iter().map(|label| literal(label)).collect();
            vec![subject.statement(format!("CREATE TYPE {} AS ENUM ({})", qualified(&name), labels.join(", ")))]
        }
        ObjectDetails::Domain(domain) => domain_statements(&subject, &name, domain, context),
        ObjectDetails::CompositeType(attributes) => composite_statements(&subject, &name, attributes, context),
        ObjectDetails::RangeType(range) => {
            if !range.canonical_function.is_empty() {
                let reason = "its canonical function takes the type itself, and has to be made between its name and its definition";
                let remedy = "make it by hand: CREATE TYPE with the name alone, the function, then the type";
                written.skip(format!("range type {}.{}", name.schema, name.name), reason, remedy);
                return;
            }
            vec![subject.statement(range_text(&name, range, context))]
        }
        _ => return,
    };
    statements.extend(subject.comment(&object.comment));
    statements.extend(subject.owner(context.owner(&object.owner)));
    written.add(Place::of(Step::Type, &name), statements);
}

fn domain_statements(
    subject: &Subject,
    name: &ObjectName,
    domain: &DomainType,
    context: &Context,
) -> Vec<DdlStatement> {
    let mut create =
        format!("CREATE DOMAIN {} AS {}{}", qualified(name), domain.base_type, context.collate(&domain.collation));
    if let Some(default) = &domain.default_expression {
        create.push_str(&format!(" DEFAULT {default}"));
    }
    if domain.not_null {
        create.push_str(" NOT NULL");
    }
    let check = |name: &str, expression: &str| format!("CONSTRAINT {} CHECK ({expression})", quoted(name));
    for found in domain.checks.iter().filter(|check| check.validated) {
        create.push_str(&format!(" {}", check(&found.name, &found.expression)));
    }
    let mut statements = vec![subject.statement(create)];
    for found in domain.checks.iter().filter(|check| !check.validated) {
        let check = check(&found.name, &found.expression);
        statements.push(subject.statement(format!("ALTER DOMAIN {} ADD {check} NOT VALID", qualified(name))));
    }
    for found in &domain.checks {
        if let Some(comment) = context.fact(Fact::DomainCheckComment, name, &found.name) {
            let text = format!(
                "COMMENT ON CONSTRAINT {} ON DOMAIN {} IS {}",
                quoted(&found.name),
                qualified(name),
                literal(comment)
            );
            statements.push(subject.statement_of(DdlKind::Comment, text));
        }
    }
    statements
}

fn composite_statements(
    subject: &Subject,
    name: &ObjectName,
    attributes: &[TypeAttribute],
    context: &Context,
) -> Vec<DdlStatement> {
    let attribute = |attribute: &TypeAttribute| {
        format!("{} {}{}", quoted(&attribute.name), attribute.data_type, context.collate(&attribute.collation))
    };
    let texts: Vec<String> = attributes.iter().map(attribute).collect();
    let create = subject.statement(format!("CREATE TYPE {} AS ({})", qualified(name), texts.join(", ")));
    let comments =
        attributes.iter().filter_map(|attribute| Subject::column(&attribute.name, name).comment(&attribute.comment));
    [create].into_iter().chain(comments).collect()
}

fn range_text(name: &ObjectName, range: &RangeType, context: &Context) -> String {
    let mut options = vec![format!("SUBTYPE = {}", range.subtype)];
    if let Some(class) = context.fact(Fact::RangeClass, name, "") {
        options.push(format!("SUBTYPE_OPCLASS = {class}"));
    }
    if !range.collation.is_empty() {
        options.push(format!("COLLATION = {}", context.collate(&range.collation).replacen(" COLLATE ", "", 1)));
    }
    if !range.subtype_difference_function.is_empty() {
        options.push(format!("SUBTYPE_DIFF = {}", range.subtype_difference_function));
    }
    if !range.multirange_type.is_empty() {
        options.push(format!("MULTIRANGE_TYPE_NAME = {}", range.multirange_type));
    }
    format!("CREATE TYPE {} AS RANGE ({})", qualified(name), options.join(", "))
}
