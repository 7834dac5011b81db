//! What stands in no schema, or holds others: schemas, extensions, collations, foreign servers, publications.

use super::{
    facts::{Context, Written},
    piece::{Place, Step, Subject, in_brackets, literal, name_list},
};
use crate::{
    engine::postgres::dialect::{qualified, quoted},
    model::schema::{
        CollationObject, DdlKind, Extension, ForeignServer, ObjectName, Parameter, Publication, PublishedTable,
        SchemaObject, TriggerEvent,
    },
};

/// The schema that every database begins with, and the comment on it.
const FIRST_SCHEMA: (&str, &str) = ("public", "standard public schema");
/// The extension that every database begins with.
const FIRST_EXTENSION: &str = "plpgsql";

pub(super) fn write_schema(object: &SchemaObject, context: &Context, written: &mut Written) {
    let subject = Subject::of_database(DdlKind::Schema, "SCHEMA", &object.name);
    let is_there = object.name == FIRST_SCHEMA.0;
    let create = (!is_there).then(|| subject.statement(format!("CREATE SCHEMA {}", quoted(&object.name))));
    let is_told = !(is_there && object.comment == FIRST_SCHEMA.1);
    let comment = if is_told { subject.comment(&object.comment) } else { None };
    let owner = if is_there { None } else { subject.owner(context.owner(&object.owner)) };
    written.add(Place::new(Step::Schema, "", &object.name), create.into_iter().chain(comment).chain(owner));
}

pub(super) fn write_extension(object: &SchemaObject, extension: &Extension, written: &mut Written) {
    if object.name == FIRST_EXTENSION {
        return;
    }
    let subject = Subject::of_database(DdlKind::Extension, "EXTENSION", &object.name);
    let is_usual = extension.version == extension.available_version;
    let version = if is_usual { String::new() } else { format!(" VERSION {}", literal(&extension.version)) };
    let schema =
        if object.schema.is_empty() { String::new() } else { format!(" WITH SCHEMA {}", quoted(&object.schema)) };
    // Another may have brought it along.
    let create = format!("CREATE EXTENSION IF NOT EXISTS {}{schema}{version}", quoted(&object.name));
    let statements = [subject.statement(create)].into_iter().chain(subject.comment(&object.comment));
    written.add(Place::new(Step::Extension, "", &object.name), statements);
}

pub(super) fn write_collation(
    object: &SchemaObject,
    collation: &CollationObject,
    context: &Context,
    written: &mut Written,
) {
    let name = ObjectName { schema: object.schema.clone(), name: object.name.clone() };
    let subject = Subject::in_schema(DdlKind::Collation, "COLLATION", &name);
    let mut options = vec![format!("PROVIDER = {}", collation.provider)];
    if collation.character_type.is_empty() {
        options.push(format!("LOCALE = {}", literal(&collation.locale)));
    } else {
        options.push(format!("LC_COLLATE = {}", literal(&collation.locale)));
        options.push(format!("LC_CTYPE = {}", literal(&collation.character_type)));
    }
    if !collation.icu_rules.is_empty() {
        options.push(format!("RULES = {}", literal(&collation.icu_rules)));
    }
    if !collation.deterministic {
        options.push("DETERMINISTIC = false".to_owned());
    }
    let create = subject.statement(format!("CREATE COLLATION {} ({})", qualified(&name), options.join(", ")));
    let more = subject.comment(&object.comment).into_iter().chain(subject.owner(context.owner(&object.owner)));
    written.add(Place::of(Step::Collation, &name), [create].into_iter().chain(more));
}

pub(super) fn write_server(object: &SchemaObject, server: &ForeignServer, context: &Context, written: &mut Written) {
    let subject = Subject::of_database(DdlKind::ForeignServer, "SERVER", &object.name);
    let mut create = format!("CREATE SERVER {}", quoted(&object.name));
    for (word, value) in [("TYPE", &server.server_type), ("VERSION", &server.version)] {
        if !value.is_empty() {
            create.push_str(&format!(" {word} {}", literal(value)));
        }
    }
    create.push_str(&format!(" FOREIGN DATA WRAPPER {}", quoted(&server.wrapper)));
    create.push_str(&foreign_options(&server.options, &subject.in_sql, written));
    let mut statements = vec![subject.statement(create)];
    for user in &server.mapped_users {
        let user = if user == "PUBLIC" { user.clone() } else { quoted(user) };
        let mapping = format!("USER MAPPING FOR {user} SERVER {}", quoted(&object.name));
        statements.push(subject.statement(format!("CREATE {mapping}")));
        let remedy = format!("ALTER {mapping} OPTIONS (ADD ...)");
        written.skip(format!("options of the {mapping}"), "they are never read, for they hold secrets", &remedy);
    }
    statements.extend(subject.comment(&object.comment));
    statements.extend(subject.owner(context.owner(&object.owner)));
    written.add(Place::new(Step::ForeignServer, "", &object.name), statements);
}

/// Options of something foreign. One whose value may be a secret is told without it, and so cannot be written.
pub(super) fn foreign_options(options: &[Parameter], of: &str, written: &mut Written) -> String {
    let mut texts = Vec::new();
    for option in options {
        if option.value.is_empty() {
            let reason = "its value is empty or, by its name, a secret, which is never told";
            written.skip(format!("option {} of {of}", option.name), reason, &format!("ALTER {of} OPTIONS (ADD ...)"));
        } else {
            texts.push(format!("{} {}", quoted(&option.name), literal(&option.value)));
        }
    }
    in_brackets(" OPTIONS", &texts)
}

pub(super) fn write_publication(
    object: &SchemaObject,
    publication: &Publication,
    context: &Context,
    written: &mut Written,
) {
    let subject = Subject::of_database(DdlKind::Publication, "PUBLICATION", &object.name);
    let mut objects: Vec<String> = publication.tables.iter().map(published_table).collect();
    objects.extend(publication.schemas.iter().map(|schema| format!("TABLES IN SCHEMA {}", quoted(schema))));
    let objects = match publication.all_tables {
        true => " FOR ALL TABLES".to_owned(),
        false if objects.is_empty() => String::new(),
        false => format!(" FOR {}", objects.join(", ")),
    };
    let operation = |event: &TriggerEvent| match event {
        TriggerEvent::Insert => "insert",
        TriggerEvent::Update => "update",
        TriggerEvent::Delete => "delete",
        TriggerEvent::Truncate => "truncate",
    };
    let operations: Vec<&str> = publication.operations.iter().map(operation).collect();
    let mut options = vec![format!("publish = {}", literal(&operations.join(", ")))];
    if publication.via_root {
        options.push("publish_via_partition_root = true".to_owned());
    }
    let create = format!("CREATE PUBLICATION {}{objects}{}", quoted(&object.name), in_brackets(" WITH", &options));
    let more = subject.comment(&object.comment).into_iter().chain(subject.owner(context.owner(&object.owner)));
    let statements = [subject.statement(create)].into_iter().chain(more);
    written.add(Place::new(Step::Publication, "", &object.name), statements);
}

fn published_table(published: &PublishedTable) -> String {
    let columns = match published.columns.as_slice() {
        [] => String::new(),
        columns => format!(" ({})", name_list(columns)),
    };
    let filter =
        if published.row_filter.is_empty() { String::new() } else { format!(" WHERE ({})", published.row_filter) };
    format!("TABLE ONLY {}{columns}{filter}", qualified(&published.table))
}
