//! What the audit log takes out of a message: names of resources, switches that are on, paths of the update mask, and
//! the etag of an answer. Only what has one of these forms is taken, so that no other content can get into the log.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// First parts of the names of resources. A new collection is one more here.
const COLLECTIONS: [&str; 10] = [
    "accounts",
    "apiKeys",
    "alertPolicies",
    "connections",
    "locations",
    "migrationSets",
    "operations",
    "schedules",
    "storageLocations",
    "vault",
];
/// Messages in a message that are looked into: a resource in a request, and no more.
const DEPTH: u8 = 2;
/// Most names and most parameters that are taken of one message.
const MOST: usize = 50;
/// Longest name or etag.
const LONGEST: usize = 256;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AuditedFields {
    /// Names of resources.
    pub(super) resources: Vec<String>,
    /// Switches and mask paths.
    pub(super) parameters: Vec<String>,
    /// `name etag` of the message where it is a resource.
    pub(super) versions: Vec<String>,
}

/// Looks through an encoded message.
pub(super) fn of(message: &MessageDescriptor, encoded: &[u8]) -> AuditedFields {
    let mut found = AuditedFields::default();
    let top = walk(message, encoded, DEPTH, &mut found);
    if let (Some(name), Some(etag)) = (top.name, top.etag) {
        found.versions.push(format!("{name} {etag}"));
    }
    if let Some((collection, id)) = top.chosen_id {
        let child = format!("{collection}/{id}");
        found.resource(&match top.parent {
            Some(parent) => format!("{parent}/{child}"),
            None => child,
        });
    }
    found
}

/// What is taken of the names of resources that a call removed beside what it names: as many as of a message, and how many
/// there were.
pub(super) fn of_removed(names: &[String]) -> AuditedFields {
    let mut found = AuditedFields::default();
    names.iter().for_each(|name| found.resource(name));
    if !names.is_empty() {
        found.parameter(&format!("removed:{}", names.len()));
    }
    found
}

/// Fields of one message that belong together.
#[derive(Default)]
struct Parts {
    name: Option<String>,
    etag: Option<String>,
    /// The resource that the new one will stand below.
    parent: Option<String>,
    /// Collection and id of the resource that the request makes.
    chosen_id: Option<(String, String)>,
}

impl AuditedFields {
    fn resource(&mut self, name: &str) {
        if self.resources.len() < MOST && !self.resources.iter().any(|known| known == name) {
            self.resources.push(name.to_owned());
        }
    }

    fn parameter(&mut self, text: &str) {
        if self.parameters.len() < MOST && !self.parameters.iter().any(|known| known == text) {
            self.parameters.push(text.to_owned());
        }
    }
}

fn walk(message: &MessageDescriptor, encoded: &[u8], depth: u8, found: &mut AuditedFields) -> Parts {
    let mut parts = Parts::default();
    let mut rest = encoded;
    while let Some((number, value)) = next(&mut rest) {
        let Some(field) = message.get_field(number) else { continue };
        match (value, field.kind()) {
            (Wire::Number(1), Kind::Bool) if depth == DEPTH => found.parameter(field.name()),
            (Wire::Bytes(bytes), Kind::String) => {
                if let Ok(text) = std::str::from_utf8(bytes) {
                    take_text(&field, text, &mut parts, found);
                }
            }
            (Wire::Bytes(bytes), Kind::Message(mask)) if mask.full_name() == "google.protobuf.FieldMask" => {
                take_mask(message, bytes, found);
            }
            (Wire::Bytes(bytes), Kind::Message(inner)) if depth > 1 && !field.is_map() => {
                walk(&inner, bytes, depth - 1, found);
            }
            _ => {}
        }
    }
    parts
}

fn take_text(field: &FieldDescriptor, text: &str, parts: &mut Parts, found: &mut AuditedFields) {
    if text.len() > LONGEST || is_sensitive(field) {
        return;
    }
    if is_resource_name(text) {
        found.resource(text);
        match field.name() {
            "name" => parts.name = Some(text.to_owned()),
            "connection" | "parent" => parts.parent = Some(text.to_owned()),
            _ => {}
        }
    } else if field.name() == "etag" && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        parts.etag = Some(text.to_owned());
    } else if let Some(kind) = field.name().strip_suffix("_id")
        && kind != "request"
        && is_id(text)
    {
        parts.chosen_id = Some((collection_of(kind), text.to_owned()));
    }
}

/// Takes the paths of a mask that name fields of the message beside it.
fn take_mask(message: &MessageDescriptor, mask: &[u8], found: &mut AuditedFields) {
    let mut rest = mask;
    while let Some((number, value)) = next(&mut rest) {
        if let (1, Wire::Bytes(path)) = (number, value)
            && let Ok(path) = std::str::from_utf8(path)
            && (path == "*" || message.fields().any(|field| names_field(&field, path)))
        {
            found.parameter(&format!("update_mask:{path}"));
        }
    }
}

/// True where a path leads to a field of the message in this field.
fn names_field(field: &FieldDescriptor, path: &str) -> bool {
    let Kind::Message(message) = field.kind() else { return false };
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let Some(named) = message.get_field_by_name(first) else { return false };
    rest.is_none_or(|rest| names_field(&named, rest))
}

fn is_sensitive(field: &FieldDescriptor) -> bool {
    let pool = field.parent_pool();
    let sensitive = pool.get_extension_by_name("dbkeeper.v1.sensitive");
    sensitive.is_none_or(|sensitive| field.options().get_extension(&sensitive).as_bool() != Some(false))
}

fn is_resource_name(text: &str) -> bool {
    let mut segments = text.split('/');
    let known = segments.next().is_some_and(|first| COLLECTIONS.contains(&first));
    let rest: Vec<&str> = segments.collect();
    let well_formed = rest.iter().enumerate().all(|(index, segment)| {
        if index % 2 == 0 { is_id(segment) } else { segment.bytes().all(|byte| byte.is_ascii_alphabetic()) }
    });
    known && !rest.is_empty() && rest.len() % 2 == 1 && well_formed
}

fn is_id(text: &str) -> bool {
    let usable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= crate::model::id::MAX_ID_LENGTH && text.bytes().all(usable)
}

/// `migration_set` becomes `migrationSets`.
fn collection_of(kind: &str) -> String {
    let mut words = kind.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name.push('s');
    name
}

/// The value of a field on the wire.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The next field with its number. The bytes were encoded by this server; where they end early, so does the walk.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u32, Wire<'a>)> {
    let key = varint(rest)?;
    let number = u32::try_from(key >> 3).ok()?;
    let value = match key & 7 {
        0 => Wire::Number(varint(rest)?),
        1 => Wire::Bytes(take(rest, 8)?),
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Wire::Bytes(take(rest, length)?)
        }
        5 => Wire::Bytes(take(rest, 4)?),
        _ => return None,
    };
    Some((number, value))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_reflect::DescriptorPool;

    use super::*;
    use crate::grpc::proto::{FILE_DESCRIPTOR_SET, v1};

    fn found(message: &str, value: &impl Message) -> AuditedFields {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
        let descriptor = pool.get_message_by_name(&format!("dbkeeper.v1.{message}")).unwrap();
        of(&descriptor, &value.encode_to_vec())
    }

    #[test]
    fn names_switches_and_the_mask_of_a_request_are_taken() {
        let request = v1::UpdateConnectionRequest {
            connection: Some(v1::Connection {
                name: "connections/shop".to_owned(),
                read_only: true,
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: ["password", "pool.min_idle", "*", "hunter2", "pool.hunter2"].map(str::to_owned).to_vec(),
            }),
            ..Default::default()
        };
        let fields = found("UpdateConnectionRequest", &request);
        assert_eq!(fields.resources, ["connections/shop"]);
        assert_eq!(fields.parameters, ["update_mask:password", "update_mask:pool.min_idle", "update_mask:*"]);

        let request = v1::RestoreBackupRequest {
            name: "connections/shop/backups/b-1".to_owned(),
            connection: "connections/copy".to_owned(),
            validate_only: true,
            ..Default::default()
        };
        let fields = found("RestoreBackupRequest", &request);
        assert_eq!(fields.resources, ["connections/shop/backups/b-1", "connections/copy"]);
        assert_eq!(fields.parameters, ["validate_only"]);
    }

    #[test]
    fn an_id_that_the_caller_chose_is_taken_as_the_name_that_it_makes() {
        let request = v1::CreateMigrationSetRequest { migration_set_id: "app".to_owned(), ..Default::default() };
        assert_eq!(found("CreateMigrationSetRequest", &request).resources, ["migrationSets/app"]);
        let request = v1::CreateBackupRequest {
            connection: "connections/shop".to_owned(),
            backup_id: "first".to_owned(),
            ..Default::default()
        };
        let fields = found("CreateBackupRequest", &request);
        assert_eq!(fields.resources, ["connections/shop", "connections/shop/backups/first"]);
    }

    #[test]
    fn of_what_was_removed_the_first_are_named_and_all_are_counted() {
        assert_eq!(of_removed(&[]), AuditedFields::default());
        let names: Vec<String> = (0..MOST + 1).map(|number| format!("operations/o{number}")).collect();
        let fields = of_removed(&names);
        assert_eq!(fields.resources, names[..MOST]);
        assert_eq!(fields.parameters, [format!("removed:{}", MOST + 1)]);
    }

    #[test]
    fn the_etag_of_an_answer_is_the_version_of_its_resource() {
        let answer =
            v1::Connection { name: "connections/shop".to_owned(), etag: "r7".to_owned(), ..Default::default() };
        assert_eq!(found("Connection", &answer).versions, ["connections/shop r7"]);
    }

    #[test]
    fn nothing_else_is_taken_wherever_it_stands() {
        let canary = "canary-hunter2".to_owned();
        let connection = v1::Connection {
            name: canary.clone(),
            display_name: canary.clone(),
            host: canary.clone(),
            database: format!("data/{canary}"),
            username: canary.clone(),
            password: format!("connections/{canary}"),
            etag: format!("{canary} {canary}"),
            labels: [(canary.clone(), canary.clone())].into(),
            tls: Some(v1::TlsSettings { ca_pem: canary.clone(), ..Default::default() }),
            ..Default::default()
        };
        let request = v1::CreateConnectionRequest {
            connection: Some(connection),
            request_id: canary.clone(),
            connection_id: "Canary hunter2".to_owned(),
            ..Default::default()
        };
        assert_eq!(found("CreateConnectionRequest", &request), AuditedFields::default());
        let request = v1::ImportMigrationsRequest {
            migration_set: "migrationSets/app/".to_owned(),
            files: vec![v1::MigrationFile { path: canary.clone(), content: canary }],
            ..Default::default()
        };
        assert_eq!(found("ImportMigrationsRequest", &request), AuditedFields::default());
    }

    #[test]
    fn bytes_that_are_no_message_end_the_walk() {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
        let descriptor = pool.get_message_by_name("dbkeeper.v1.UpdateConnectionRequest").unwrap();
        for bytes in [&[0x0a, 0xff][..], &[0xff; 12], &[0x0f], &[0x0a, 0x05, 0x0a]] {
            assert_eq!(of(&descriptor, bytes), AuditedFields::default(), "{bytes:?}");
        }
    }
}
