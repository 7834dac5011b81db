//! A request that names several resources, one of them of another account: each name of each request is made foreign by
//! itself, and the answer is that of a name which nobody has. The names come from the descriptors, so a new one without a case
//! fails the run.

use std::collections::{BTreeMap, BTreeSet};

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, Role},
};
use prost::Message;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, MethodDescriptor};
use secrecy::SecretString;
use serde_json::Value;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

use super::{
    catalogue::{CONNECTION, Case, SET, Scene, Stranger, case, cases, channel, method, scene, state_of},
    support::{apply, back_up, file, issue, key_of, make_account, migration_set, register_sample, succeeded, viewer},
    wire::{call, methods, short_name},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        server::{TestServer, in_time},
        sqlite::SqliteFolder,
    },
};

/// A connection of the scene that is nothing but registered.
const SPARE: &str = "connections/third";
const FOREIGN_ACCOUNT: &str = "accounts/foreign";
const FOREIGN_CONNECTION: &str = "connections/theirs";
const FOREIGN_SET: &str = "migrationSets/theirs";

/// Fields that hold names of resources wherever they stand.
const REFERENCES: [&str; 5] = ["backup", "connection", "connections", "migrationSet", "parent"];
/// What a request can hold and nobody reads there, or what has names of tables and columns only.
const UNREAD: [&str; 2] = ["dbkeeper.v1.ConnectionDetails", "dbkeeper.v1.SchemaDefinition"];
/// Names that stand for nothing by themselves.
const IDLE: [(&str, &str); 3] = [
    // There is one, and nobody has to name it.
    ("UpdateLintSettings", "lintSettings.name"),
    // What is not registered has no replicas yet.
    ("TestConnection", "connection.replicas.connections"),
    // It must be the same as the one beside it, or empty.
    ("ImportRecommendations", "request.connection"),
];
/// Deeper than any request goes.
const DEPTH: usize = 5;

/// How a name that is not the caller's is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    /// NOT_FOUND, of that name.
    NotFound,
    /// INVALID_ARGUMENT of the field, among other things that can be at fault with it.
    InvalidField,
    /// A filter: nothing is selected.
    Nothing,
}

/// Where a name that is not the caller's is not NOT_FOUND.
fn expected(method: &str, field: &str) -> Answer {
    match (method, field) {
        (_, "connection.replicas.connections") => Answer::InvalidField,
        ("BackupService.ListBackups" | "OperationService.ListOperations", "connection") => Answer::Nothing,
        _ => Answer::NotFound,
    }
}

/// What another account has, and what nobody has, of the form of a name.
struct Names {
    operation: String,
    backup: String,
    key: String,
}

impl Names {
    /// The foreign name that stands in for one of the caller's own, and one of the same form that nobody has.
    fn instead_of(&self, own: &str) -> Option<(String, String)> {
        let parts: Vec<&str> = own.split('/').collect();
        let foreign: &str = match parts.as_slice() {
            ["accounts", _] => FOREIGN_ACCOUNT,
            ["accounts", _, "apiKeys", _] => &self.key,
            ["connections", _] => FOREIGN_CONNECTION,
            ["connections", _, "backups", _] => &self.backup,
            ["migrationSets", _] => FOREIGN_SET,
            ["operations", _] => &self.operation,
            _ => return None,
        };
        Some((foreign.to_owned(), self.absent(foreign)))
    }

    /// A text about foreign names as it would be about names that nobody has.
    fn absent(&self, text: &str) -> String {
        let text = text.replace(FOREIGN_ACCOUNT, "accounts/nobodys").replace(FOREIGN_SET, "migrationSets/nobodys");
        text.replace(FOREIGN_CONNECTION, "connections/nobodys").replace(&self.operation, "operations/nobodys")
    }
}

/// Another account with one of everything.
async fn foreign(server: &TestServer, fixture: &impl Fixture) -> (Client, Names) {
    let root = server.client();
    make_account(&root, "foreign").await;
    let (_, text) = issue(&root, FOREIGN_ACCOUNT, key_of(Role::Admin, true)).await;
    let client = server.client_with(&text);
    register_sample(&client, fixture, "theirs").await;
    migration_set(&client, "theirs", vec![file("1_a.sql", "CREATE TABLE a (id INTEGER);")]).await;
    let run = apply(FOREIGN_SET, FOREIGN_CONNECTION);
    let run = client.migrations().apply_migrations(run).await.unwrap().into_inner();
    let operation = succeeded(&client, run).await.name;
    let backup = back_up(&client, FOREIGN_CONNECTION, "theirs").await;
    let key = issue(&client, FOREIGN_ACCOUNT, viewer("theirs")).await.0;
    (client, Names { operation, backup, key })
}

/// Requests that name what those of the catalogue leave empty.
fn with_more_names(scene: &Scene) -> Vec<Case> {
    use Stranger::{Refused, SeesNothing};
    let replicas = || Some(v1::ReplicaSettings { connections: vec![SPARE.to_owned()], ..Default::default() });
    let create = v1::CreateConnectionRequest {
        connection: Some(v1::Connection { replicas: replicas(), ..scene.registration.clone() }),
        ..Default::default()
    };
    let changed = v1::Connection { name: CONNECTION.to_owned(), replicas: replicas(), ..Default::default() };
    let update = v1::UpdateConnectionRequest { connection: Some(changed), ..Default::default() };
    let source = |source| Some(v1::SchemaSource { source: Some(source) });
    let live = || {
        let connection = v1::ConnectionSource { connection: CONNECTION.to_owned(), ..Default::default() };
        source(v1::schema_source::Source::Connection(connection))
    };
    let backed_up = || source(v1::schema_source::Source::Backup(scene.backup.clone()));
    let diff = |source, target| v1::DiffSchemasRequest { source, target, ..Default::default() };
    let lint = |source, base| v1::LintSchemaRequest { source, base, ..Default::default() };
    vec![
        case("ConnectionService.CreateConnection", Refused, create),
        case("ConnectionService.UpdateConnection", Refused, update),
        case("SchemaService.DiffSchemas", Refused, diff(live(), backed_up())),
        case("SchemaService.DiffSchemas", Refused, diff(backed_up(), live())),
        case("SchemaService.LintSchema", Refused, lint(live(), backed_up())),
        case("SchemaService.LintSchema", Refused, lint(backed_up(), live())),
        case(
            "SchemaService.GenerateDdl",
            Refused,
            v1::GenerateDdlRequest { source: backed_up(), ..Default::default() },
        ),
        case(
            "BackupService.ListBackups",
            SeesNothing,
            v1::ListBackupsRequest { connection: CONNECTION.to_owned(), ..Default::default() },
        ),
        case(
            "OperationService.ListOperations",
            SeesNothing,
            v1::ListOperationsRequest { connection: CONNECTION.to_owned(), ..Default::default() },
        ),
    ]
}

/// The fields of a request that hold names of resources, by their paths. `name` is one at the top, and in the resource that an
/// Update changes; elsewhere it is output, or a name inside a database.
fn references(method: &MethodDescriptor) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let is_update = method.name().starts_with("Update");
    walk(&method.input(), "", DEPTH, &mut |path, field| {
        let depth = path.matches('.').count();
        let is_reference =
            REFERENCES.contains(&field) || (field == "name" && (depth == 0 || (is_update && depth == 1)));
        if is_reference && !IDLE.contains(&(method.name(), path)) {
            found.insert(path.to_owned());
        }
    });
    found
}

fn walk(message: &MessageDescriptor, above: &str, depth: usize, visit: &mut impl FnMut(&str, &str)) {
    for field in message.fields().filter(|field| !field.is_map()) {
        let path =
            if above.is_empty() { field.json_name().to_owned() } else { format!("{above}.{}", field.json_name()) };
        match field.kind() {
            Kind::String => visit(&path, field.json_name()),
            Kind::Message(inner) if depth > 1 && !UNREAD.contains(&inner.full_name()) => {
                walk(&inner, &path, depth - 1, visit);
            }
            _ => {}
        }
    }
}

/// Places of texts in a message, as JSON pointers with the path of the field and the text.
fn texts(value: &Value, pointer: &str, path: &str, found: &mut Vec<(String, String, String)>) {
    match value {
        Value::String(text) => found.push((pointer.to_owned(), path.to_owned(), text.clone())),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                texts(item, &format!("{pointer}/{index}"), path, found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                texts(field, &format!("{pointer}/{name}"), &path, found);
            }
        }
        _ => {}
    }
}

/// A caller and the channel that it calls through.
struct Caller<'a> {
    channel: &'a Channel,
    key: SecretString,
    names: Names,
}

impl Caller<'_> {
    /// Makes every name of a request foreign, one at a time, and returns the paths of those that it had.
    async fn try_each_name(&self, method: &MethodDescriptor, request: &[u8]) -> BTreeSet<String> {
        let message = DynamicMessage::decode(method.input(), request).unwrap();
        let whole = serde_json::to_value(&message).unwrap();
        let (mut places, mut tried) = (Vec::new(), BTreeSet::new());
        texts(&whole, "", "", &mut places);
        for (pointer, path, own) in places {
            let Some((foreign, absent)) = self.names.instead_of(&own) else { continue };
            let of_foreign = self.call_with(method, &whole, &pointer, &foreign).await;
            let of_absent = self.call_with(method, &whole, &pointer, &absent).await;
            let what = format!("{} with {foreign} in {path}", short_name(method));
            self.compare(&what, expected(&short_name(method), &path), &foreign, of_foreign, of_absent);
            tried.insert(path);
        }
        tried
    }

    async fn call_with(
        &self,
        method: &MethodDescriptor,
        whole: &Value,
        pointer: &str,
        name: &str,
    ) -> Result<DynamicMessage, Status> {
        let mut changed = whole.clone();
        *changed.pointer_mut(pointer).unwrap() = name.into();
        let message = DynamicMessage::deserialize(method.input(), changed).unwrap();
        in_time(call(self.channel, method, Some(&self.key), message.encode_to_vec())).await
    }

    fn compare(
        &self,
        what: &str,
        expected: Answer,
        foreign: &str,
        of_foreign: Result<DynamicMessage, Status>,
        of_absent: Result<DynamicMessage, Status>,
    ) {
        let (of_foreign, of_absent) = match (of_foreign, of_absent) {
            (Err(of_foreign), Err(of_absent)) => (of_foreign, of_absent),
            (Ok(of_foreign), Ok(of_absent)) if expected == Answer::Nothing => {
                assert_eq!(of_foreign, of_absent, "{what} is told from a name that nobody has");
                let lists = of_foreign.fields().filter_map(|(_, value)| value.as_list().map(<[_]>::len));
                assert_eq!(lists.sum::<usize>(), 0, "{what}: {of_foreign:?}");
                return;
            }
            answers => panic!("{what}: {answers:?}"),
        };
        let code = if expected == Answer::NotFound { Code::NotFound } else { Code::InvalidArgument };
        assert_eq!(of_foreign.code(), code, "{what}: {of_foreign:?}");
        let reason = |status: &Status| status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
        if expected == Answer::NotFound {
            assert!(reason(&of_foreign).ends_with("_NOT_FOUND"), "{what}: {of_foreign:?}");
            let of_account = foreign.starts_with("accounts/") && of_foreign.message().contains(FOREIGN_ACCOUNT);
            assert!(of_account || of_foreign.message().contains(foreign), "{what}, of something else: {of_foreign:?}");
        }
        let told = (of_foreign.code(), reason(&of_foreign), self.names.absent(of_foreign.message()));
        let of_nobody = (of_absent.code(), reason(&of_absent), of_absent.message().to_owned());
        assert_eq!(told, of_nobody, "{what} is told from a name that nobody has");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_name_in_a_request_must_be_of_the_callers_account() {
    let (folder, fixture) = (SqliteFolder::new(), PostgresFixture::new());
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let scene = scene(&server, &fixture).await;
    register_sample(&client, &folder, "file").await;
    let (theirs, names) = foreign(&server, &fixture).await;
    // An administrator of the server sees all accounts; this one may do everything in its own.
    let all = [v1::Permission::Read, v1::Permission::Operate, v1::Permission::Admin, v1::Permission::Restore];
    let own = v1::ApiKey { scopes: all.map(i32::from).to_vec(), ..key_of(Role::Admin, true) };
    let key = issue(&client, "accounts/default", own).await.1;
    let (channel, methods) = (channel(&server).await, methods());
    let caller = Caller { channel: &channel, key, names };
    let before =
        (state_of(&client, "accounts/default", SET).await, state_of(&theirs, FOREIGN_ACCOUNT, FOREIGN_SET).await);

    let mut tried: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let requests = cases(&scene).into_iter().chain(with_more_names(&scene));
    // What is for the administrators of the server alone is refused whatever it names.
    for case in requests.filter(|case| case.stranger != Stranger::Denied) {
        let method = method(&methods, case.method);
        let paths = caller.try_each_name(method, &case.request).await;
        tried.entry(case.method.to_owned()).or_default().extend(paths);
    }

    for method in &methods {
        let Some(tried) = tried.get(&short_name(method)) else { continue };
        let missing: Vec<_> = references(method).difference(tried).cloned().collect();
        assert!(missing.is_empty(), "{}: no case names a resource in {missing:?}", short_name(method));
    }
    let after =
        (state_of(&client, "accounts/default", SET).await, state_of(&theirs, FOREIGN_ACCOUNT, FOREIGN_SET).await);
    assert_eq!(after, before, "a request with a foreign name did something");
}
