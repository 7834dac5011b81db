//! What every RPC of the contract must do. The list comes from the descriptors, so an RPC without a case here fails the run.

use std::collections::BTreeSet;

use dbkeeper::grpc::{client::Client, proto::v1};
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::{Code, Status, transport::Channel};

use super::{
    answer::assert_refused,
    support::{
        apply, back_up, ended, file, issue, make_account, migration_set, register, register_sample, settings,
        succeeded, viewer,
    },
    wire::{begin, call, methods, short_name},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    grpc::support::assert_no_sensitive,
    harness::{
        server::{TestServer, in_time},
        sqlite::SqliteFolder,
    },
};

pub(super) const CONNECTION: &str = "connections/shop";
/// A database of another engine, for what not every engine can do.
const FILE: &str = "connections/file";
pub(super) const SET: &str = "migrationSets/app";

/// What a caller of another account gets for the same request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stranger {
    /// NOT_FOUND: the request names a resource that is not its own.
    Refused,
    /// The answer of an account that has nothing.
    SeesNothing,
    /// The request names nothing of anybody: it is answered as to anybody.
    Served,
    /// PERMISSION_DENIED: only the administrators of the server may.
    Denied,
}

/// A request that works, in an order in which all of them do.
pub(super) struct Case {
    pub(super) method: &'static str,
    pub(super) stranger: Stranger,
    pub(super) request: Vec<u8>,
}

pub(super) fn case(method: &'static str, stranger: Stranger, request: impl Message) -> Case {
    Case { method, stranger, request: request.encode_to_vec() }
}

/// The names in the requests that the scene provides.
pub(super) struct Scene {
    operation: String,
    pub(super) backup: String,
    restored: String,
    key: String,
    pub(super) registration: v1::Connection,
    master_key: String,
    recommendation: String,
}

pub(super) fn cases(scene: &Scene) -> Vec<Case> {
    use Stranger::{Denied, Refused, SeesNothing, Served};
    let mut cases = access_cases(scene);
    let (connection, migration_set) = (CONNECTION.to_owned(), SET.to_owned());
    let operation = || scene.operation.clone();
    let backup = || scene.backup.clone();
    let renamed = v1::Connection { name: connection.clone(), display_name: "Renamed".to_owned(), ..Default::default() };
    let create = v1::CreateConnectionRequest {
        connection_id: "second".to_owned(),
        connection: Some(scene.registration.clone()),
        ..Default::default()
    };
    let test = v1::test_connection_request::Target::Name(connection.clone());
    let create_set = v1::CreateMigrationSetRequest {
        migration_set: Some(v1::MigrationSet { display_name: "Second".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let import = v1::ImportMigrationsRequest {
        migration_set: migration_set.clone(),
        files: vec![file("2_b.up.sql", "CREATE TABLE b (id INTEGER);"), file("2_b.down.sql", "DROP TABLE b;")],
        ..Default::default()
    };
    let plan = v1::PlanMigrationsRequest {
        migration_set: migration_set.clone(),
        connection: connection.clone(),
        ..Default::default()
    };
    let revert = v1::RevertMigrationsRequest {
        migration_set: migration_set.clone(),
        connection: connection.clone(),
        extent: Some(v1::revert_migrations_request::Extent::Steps(1)),
        ..Default::default()
    };
    let status = v1::GetMigrationStatusRequest {
        migration_set: migration_set.clone(),
        connection: connection.clone(),
        ..Default::default()
    };
    let restore = v1::RestoreBackupRequest {
        name: backup(),
        connection: connection.clone(),
        target_database: scene.restored.clone(),
        ..Default::default()
    };
    let table =
        v1::GetTableRequest { connection: connection.clone(), table: "orders".to_owned(), ..Default::default() };
    let metrics = v1::StreamMetricsRequest { connection: connection.clone(), ..Default::default() };
    let third = v1::DeleteConnectionRequest { name: "connections/third".to_owned(), ..Default::default() };
    let verify = v1::VerifyBackupRequest { name: backup(), level: v1::VerifyLevel::Manifest.into() };
    cases.extend([
        case("ConnectionService.CreateConnection", Served, create),
        case(
            "ConnectionService.GetConnection",
            Refused,
            v1::GetConnectionRequest { name: connection.clone(), ..Default::default() },
        ),
        case("ConnectionService.ListConnections", SeesNothing, v1::ListConnectionsRequest::default()),
        case(
            "ConnectionService.UpdateConnection",
            Refused,
            v1::UpdateConnectionRequest { connection: Some(renamed), ..Default::default() },
        ),
        case("ConnectionService.TestConnection", Refused, v1::TestConnectionRequest { target: Some(test) }),
        case("ConnectionService.ListConnectionStatuses", SeesNothing, v1::ListConnectionStatusesRequest::default()),
        case(
            "ConnectionService.WatchConnectionStatuses",
            Refused,
            v1::WatchConnectionStatusesRequest { connection: connection.clone(), after_sequence: Some(0) },
        ),
        case(
            "ConnectionService.GetCapabilities",
            Refused,
            v1::GetCapabilitiesRequest { connection: connection.clone() },
        ),
        case(
            "ConnectionService.RotateCredentials",
            Refused,
            v1::RotateCredentialsRequest { name: connection.clone(), validate_only: true, ..Default::default() },
        ),
        case("ConnectionService.GetPoolStats", Refused, v1::GetPoolStatsRequest { connection: connection.clone() }),
        case("ConnectionService.ListPoolStats", SeesNothing, v1::ListPoolStatsRequest::default()),
        case(
            "SchemaService.GetDatabase",
            Refused,
            v1::GetDatabaseRequest { connection: connection.clone(), ..Default::default() },
        ),
        case(
            "SchemaService.ListTables",
            Refused,
            v1::ListTablesRequest { connection: connection.clone(), ..Default::default() },
        ),
        case(
            "SchemaService.StreamTables",
            Refused,
            v1::StreamTablesRequest { connection: connection.clone(), ..Default::default() },
        ),
        case("SchemaService.GetTable", Refused, table),
        case(
            "SchemaService.ListSchemaObjects",
            Refused,
            v1::ListSchemaObjectsRequest { connection: FILE.to_owned(), ..Default::default() },
        ),
        case(
            "SchemaService.SampleRows",
            Refused,
            v1::SampleRowsRequest { connection: FILE.to_owned(), table: "orders".to_owned(), ..Default::default() },
        ),
        case("SchemaService.GetDdl", Refused, v1::GetDdlRequest { connection: FILE.to_owned(), ..Default::default() }),
        case(
            "SchemaService.GenerateDdl",
            Refused,
            v1::GenerateDdlRequest {
                source: Some(v1::SchemaSource {
                    source: Some(v1::schema_source::Source::Connection(v1::ConnectionSource {
                        connection: connection.clone(),
                        name_pattern: "orders".to_owned(),
                        ..Default::default()
                    })),
                }),
                ..Default::default()
            },
        ),
        case(
            "SchemaService.DiffSchemas",
            Refused,
            v1::DiffSchemasRequest {
                source: Some(v1::SchemaSource {
                    source: Some(v1::schema_source::Source::Connection(v1::ConnectionSource {
                        connection: connection.clone(),
                        name_pattern: "orders".to_owned(),
                        ..Default::default()
                    })),
                }),
                target: Some(v1::SchemaSource {
                    source: Some(v1::schema_source::Source::Definition(v1::SchemaDefinition::default())),
                }),
                ..Default::default()
            },
        ),
        case(
            "SchemaService.RecommendIndexes",
            Refused,
            v1::RecommendIndexesRequest { connection: connection.clone(), ..Default::default() },
        ),
        case(
            "SchemaService.ImportRecommendations",
            Refused,
            v1::ImportRecommendationsRequest {
                connection: connection.clone(),
                migration_set: migration_set.clone(),
                recommendation_ids: vec![scene.recommendation.clone()],
                ..Default::default()
            },
        ),
        case(
            "SchemaService.LintSchema",
            Refused,
            v1::LintSchemaRequest { connection: connection.clone(), ..Default::default() },
        ),
        case(
            "SchemaService.UpdateLintSettings",
            Served,
            v1::UpdateLintSettingsRequest { lint_settings: Some(v1::LintSettings::default()), ..Default::default() },
        ),
        case("SchemaService.GetLintSettings", Served, v1::GetLintSettingsRequest {}),
        case("MigrationService.CreateMigrationSet", Served, create_set),
        case("MigrationService.ImportMigrations", Refused, import),
        case(
            "MigrationService.ListMigrations",
            Refused,
            v1::ListMigrationsRequest { migration_set: migration_set.clone(), ..Default::default() },
        ),
        case("MigrationService.PlanMigrations", Refused, plan),
        case("MigrationService.ApplyMigrations", Refused, apply(SET, CONNECTION)),
        case("MigrationService.RevertMigrations", Refused, revert),
        case("MigrationService.GetMigrationStatus", Refused, status),
        case("MonitorService.GetHealth", Refused, v1::GetHealthRequest { connection: connection.clone() }),
        case(
            "MonitorService.GetMetrics",
            Refused,
            v1::GetMetricsRequest { connection: connection.clone(), ..Default::default() },
        ),
        case("MonitorService.StreamMetrics", Refused, metrics),
        case(
            "MonitorService.ListSessions",
            Refused,
            v1::ListSessionsRequest { connection: connection.clone(), ..Default::default() },
        ),
        case("OperationService.GetOperation", Refused, v1::GetOperationRequest { name: operation() }),
        case("OperationService.ListOperations", SeesNothing, v1::ListOperationsRequest::default()),
        case("OperationService.CancelOperation", Refused, v1::CancelOperationRequest { name: operation() }),
        case("OperationService.WaitOperation", Refused, v1::WaitOperationRequest { name: operation(), timeout: None }),
        case(
            "OperationService.WatchOperation",
            Refused,
            v1::WatchOperationRequest { name: operation(), after_sequence: 0 },
        ),
        case("BackupService.CreateBackup", Refused, v1::CreateBackupRequest { connection, ..Default::default() }),
        case("BackupService.GetBackup", Refused, v1::GetBackupRequest { name: backup() }),
        case("BackupService.ListBackups", SeesNothing, v1::ListBackupsRequest::default()),
        case("BackupService.VerifyBackup", Refused, verify),
        case("BackupService.RestoreBackup", Refused, restore),
        case("BackupService.DownloadBackup", Refused, v1::DownloadBackupRequest { name: backup() }),
        case("BackupService.DeleteBackup", Refused, v1::DeleteBackupRequest { name: backup(), validate_only: false }),
        case("ConnectionService.DeleteConnection", Refused, third),
        case("VaultService.GetVaultStatus", Denied, v1::GetVaultStatusRequest {}),
        case("VaultService.Unseal", Denied, v1::UnsealRequest { master_key: scene.master_key.clone() }),
        case("VaultService.RotateMasterKey", Denied, v1::RotateMasterKeyRequest::default()),
    ]);
    cases
}

fn access_cases(scene: &Scene) -> Vec<Case> {
    use Stranger::{Denied, Refused, SeesNothing, Served};
    let (account, key) = ("accounts/default".to_owned(), scene.key.clone());
    let new_account = v1::CreateAccountRequest {
        account: Some(v1::Account { display_name: "Third".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let renamed = v1::Account { name: account.clone(), display_name: "Ours".to_owned(), ..Default::default() };
    let new_key = v1::CreateApiKeyRequest {
        parent: account.clone(),
        api_key: Some(viewer("made by the case")),
        ..Default::default()
    };
    let renamed_key = v1::ApiKey { name: key.clone(), display_name: "Renamed".to_owned(), ..Default::default() };
    let list_keys = v1::ListApiKeysRequest { parent: account.clone(), ..Default::default() };
    let doomed = v1::DeleteAccountRequest { name: "accounts/doomed".to_owned(), ..Default::default() };
    vec![
        case("AccessService.WhoAmI", Served, v1::WhoAmIRequest {}),
        case("AccessService.CreateAccount", Denied, new_account),
        case("AccessService.GetAccount", Refused, v1::GetAccountRequest { name: account.clone() }),
        case("AccessService.ListAccounts", SeesNothing, v1::ListAccountsRequest::default()),
        case(
            "AccessService.UpdateAccount",
            Refused,
            v1::UpdateAccountRequest { account: Some(renamed), ..Default::default() },
        ),
        case("AccessService.DeleteAccount", Denied, doomed),
        case("AccessService.CreateApiKey", Refused, new_key),
        case("AccessService.GetApiKey", Refused, v1::GetApiKeyRequest { name: key.clone() }),
        case("AccessService.ListApiKeys", Refused, list_keys),
        case(
            "AccessService.UpdateApiKey",
            Refused,
            v1::UpdateApiKeyRequest { api_key: Some(renamed_key), ..Default::default() },
        ),
        case(
            "AccessService.RotateApiKey",
            Refused,
            v1::RotateApiKeyRequest { name: key.clone(), ..Default::default() },
        ),
        case("AccessService.RevokeApiKey", Refused, v1::RevokeApiKeyRequest { name: key, ..Default::default() }),
        // Its own log, which `audit::an_account_sees_its_own_log_alone` looks into.
        case("AccessService.ListAuditEvents", Served, v1::ListAuditEventsRequest::default()),
        case("AccessService.ExportAuditEvents", Served, v1::ExportAuditEventsRequest::default()),
        case("AccessService.VerifyAuditLog", Served, v1::VerifyAuditLogRequest::default()),
    ]
}

/// A registered database with a migration set, an operation and a backup.
pub(super) async fn scene(server: &TestServer, fixture: &impl Fixture) -> Scene {
    let client = server.client();
    let database = register_sample(&client, fixture, "shop").await;
    let lacking = "CREATE TABLE pointed (id bigint PRIMARY KEY); CREATE TABLE pointing (id bigint REFERENCES pointed)";
    fixture.run(&database, lacking).await;
    let asked = v1::RecommendIndexesRequest { connection: CONNECTION.to_owned(), ..Default::default() };
    let advice = client.schemas().recommend_indexes(asked).await.unwrap().into_inner();
    let recommendation = advice.recommendations.first().expect("something is lacking").id.clone();
    let files = vec![file("1_a.up.sql", "CREATE TABLE a (id INTEGER);"), file("1_a.down.sql", "DROP TABLE a;")];
    migration_set(&client, "app", files).await;
    let operation = client.migrations().apply_migrations(apply(SET, CONNECTION)).await.unwrap().into_inner();
    let operation = succeeded(&client, operation).await.name;
    let backup = back_up(&client, CONNECTION, "first").await;
    let registration = settings(&fixture.target(&database));
    register(&client, "third", registration.clone()).await;
    let key = issue(&client, "accounts/default", viewer("of the scene")).await.0;
    make_account(&client, "doomed").await;
    let master_key = std::fs::read_to_string(server.key_file()).unwrap();
    Scene { operation, backup, restored: fixture.unused_database(), key, registration, master_key, recommendation }
}

pub(super) async fn channel(server: &TestServer) -> Channel {
    Channel::from_shared(server.url()).unwrap().connect().await.unwrap()
}

pub(super) fn method<'a>(methods: &'a [MethodDescriptor], name: &str) -> &'a MethodDescriptor {
    methods.iter().find(|method| short_name(method) == name).unwrap_or_else(|| panic!("the contract has no {name}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_works_and_keeps_accounts_apart() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let fixture = PostgresFixture::new();
    let scene = scene(&server, &fixture).await;
    register_sample(&server.client(), &folder, "file").await;
    let (channel, methods, cases) = (channel(&server).await, methods(), cases(&scene));
    let known: BTreeSet<String> = cases.iter().map(|case| case.method.to_owned()).collect();
    let in_contract: BTreeSet<String> = methods.iter().map(short_name).collect();
    assert_eq!(known, in_contract, "each RPC has one case, and each case an RPC");

    let before = state_of(&server.client(), "accounts/default", SET).await;
    let stranger = server.second_account().await;
    for case in &cases {
        let answer = call(&channel, method(&methods, case.method), Some(&stranger), case.request.clone()).await;
        check_stranger(case, answer);
    }
    let after = state_of(&server.client(), "accounts/default", SET).await;
    assert_eq!(after, before, "a stranger changed something");

    let admin = server.admin_key();
    for case in &cases {
        let method = method(&methods, case.method);
        let mut answers = begin(&channel, method, Some(&admin), case.request.clone()).await.expect(case.method);
        let endless =
            ["MonitorService.StreamMetrics", "ConnectionService.WatchConnectionStatuses"].contains(&case.method);
        let mut count = 0;
        while let Some(bytes) = in_time(answers.message()).await.expect(case.method) {
            let answer = DynamicMessage::decode(method.output(), bytes.as_slice()).unwrap();
            assert_no_sensitive(&answer);
            assert_no_password(case.method, &answer, &scene.registration.password);
            settle(&server, method, &bytes).await;
            count += 1;
            if endless {
                break;
            }
        }
        assert!(count > 0, "{} answers nothing", case.method);
    }
}

/// All of an account that somebody else could have changed: connections, backups, keys, and how many operations and migrations.
pub(super) type State = (Vec<v1::Connection>, Vec<v1::Backup>, Vec<v1::ApiKey>, usize, usize);

/// What an account has, as its own caller sees it.
pub(super) async fn state_of(client: &Client, account: &str, set: &str) -> State {
    let keys = v1::ListApiKeysRequest { parent: account.to_owned(), show_revoked: true, ..Default::default() };
    let mut keys = client.access().list_api_keys(keys).await.unwrap().into_inner().api_keys;
    // Any call may note a use.
    keys.iter_mut().for_each(|key| (key.last_use_time, key.last_use_address) = (None, String::new()));
    let connections = client.connections().list_connections(v1::ListConnectionsRequest::default()).await.unwrap();
    let backups = client.backups().list_backups(v1::ListBackupsRequest::default()).await.unwrap();
    let operations = client.operations().list_operations(v1::ListOperationsRequest::default()).await.unwrap();
    let migrations = v1::ListMigrationsRequest { migration_set: set.to_owned(), ..Default::default() };
    let migrations = client.migrations().list_migrations(migrations).await.unwrap().into_inner().migrations;
    let mut connections = connections.into_inner().connections;
    // Seen when the pool is dialled, which another call may just have done.
    connections.iter_mut().for_each(|connection| connection.health = None);
    let operations = operations.into_inner().operations.len();
    (connections, backups.into_inner().backups, keys, operations, migrations.len())
}

fn check_stranger(case: &Case, answer: Result<DynamicMessage, Status>) {
    match (case.stranger, answer) {
        (Stranger::Refused, Err(error)) => {
            assert_eq!(error.code(), Code::NotFound, "{}: {error:?}", case.method);
            let text = format!("{} {}", error.message(), String::from_utf8_lossy(error.details()));
            assert!(text.contains("_NOT_FOUND"), "{}: {text}", case.method);
        }
        (Stranger::SeesNothing, Ok(answer)) => {
            let listed = answer.fields().filter(|(field, _)| field.is_list());
            // Its own account and connection are all that it may see.
            let foreign: Vec<_> = listed
                .flat_map(|(_, value)| value.as_list().unwrap_or_default().to_vec())
                .map(|entry| format!("{entry:?}"))
                .filter(|entry| !entry.contains("connections/second") && !entry.contains("accounts/stranger"))
                .collect();
            assert!(foreign.is_empty(), "{} shows a stranger {foreign:?}", case.method);
        }
        (Stranger::Served, Ok(_)) => {}
        (Stranger::Denied, Err(error)) => assert_refused(&error, Code::PermissionDenied, "PERMISSION_MISSING"),
        (expected, answer) => panic!("{}: expected {expected:?}, got {answer:?}", case.method),
    }
}

fn assert_no_password(method: &str, answer: &DynamicMessage, password: &str) {
    assert!(password.len() > 5, "there is nothing to look for");
    let bytes = answer.encode_to_vec();
    let found = bytes.windows(password.len()).any(|window| window == password.as_bytes());
    assert!(!found, "{method} answers with the password");
}

/// Waits for the operation that an answer may be, so that the next case finds the database free.
async fn settle(server: &TestServer, method: &MethodDescriptor, answer: &[u8]) {
    if method.output().name() != "Operation" {
        return;
    }
    let operation = v1::Operation::decode(answer).unwrap();
    let operation = ended(&server.client(), operation).await;
    assert_eq!(operation.state(), v1::OperationState::Succeeded, "{}: {:?}", method.name(), operation.error);
}
