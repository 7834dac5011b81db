//! Every call that a `request_id` makes safe to repeat: the list of them comes from the descriptors, so an RPC with the field
//! and without a case here fails the run.

use std::collections::BTreeSet;

use dbkeeper::{
    grpc::{
        client::Client,
        options::MethodPolicies,
        proto::v1::{self, Role},
    },
    model::Permission,
};
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use tonic::{Code, transport::Channel};

use super::{
    answer::assert_refused,
    rotation::postgres_user,
    support::{
        apply, back_up, file, issue, key_of, make_account, migration_set, register, register_sample, settings,
        succeeded, viewer,
    },
    wire::{call, methods, short_name},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::server::{PATIENCE, TestServer, in_time},
};

/// One id for all: it belongs to an account and a method.
const ID: &str = "once";
const CONNECTION: &str = "connections/shop";
const SET: &str = "migrationSets/app";

/// A call that makes or begins something.
struct Case {
    method: &'static str,
    request: Vec<u8>,
    /// Another body under the same id, as good as the first.
    other: Vec<u8>,
    /// Fields of the answer that are told once, or that tell how things are at the moment.
    passing: &'static [&'static str],
}

fn case<M: Message + Clone>(method: &'static str, request: M, change: impl FnOnce(&mut M)) -> Case {
    let mut other = request.clone();
    change(&mut other);
    Case { method, request: request.encode_to_vec(), other: other.encode_to_vec(), passing: &[] }
}

/// An account with something to work on. What it has is called the same in each account.
struct Owner {
    text: SecretString,
    client: Client,
    account: String,
    /// A key to rotate, and its etag.
    api_key: v1::ApiKey,
    registration: v1::Connection,
    /// A connection whose password can be changed.
    rotated: v1::Connection,
    backup: String,
    restored: [String; 2],
}

impl Owner {
    async fn make(server: &TestServer, text: SecretString, fixture: &impl Fixture) -> Self {
        let client = server.client_with(&text);
        let account = client.access().who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner().account;
        let database = register_sample(&client, fixture, "shop").await;
        let pair = |version: u32| {
            let (up, down) = (format!("CREATE TABLE t{version} (id INTEGER);"), format!("DROP TABLE t{version};"));
            [file(&format!("{version}_t.up.sql"), &up), file(&format!("{version}_t.down.sql"), &down)]
        };
        migration_set(&client, "app", (1..=2).flat_map(pair).collect()).await;
        let name = issue(&client, &account, viewer("to be rotated")).await.0;
        let api_key = client.access().get_api_key(v1::GetApiKeyRequest { name }).await.unwrap().into_inner();
        let rotated = register(&client, "rotated", postgres_user()).await;
        let backup = back_up(&client, CONNECTION, "first").await;
        let registration = settings(&fixture.target(&database));
        let restored = [fixture.unused_database(), fixture.unused_database()];
        Self { text, client, account, api_key, registration, rotated, backup, restored }
    }

    /// The cases in an order in which all of them work.
    fn cases(&self) -> Vec<Case> {
        let (request_id, connection) = (ID.to_owned(), CONNECTION.to_owned());
        let mut cases = self.of_access();
        cases.extend([
            case(
                "ConnectionService.CreateConnection",
                v1::CreateConnectionRequest {
                    connection: Some(self.registration.clone()),
                    request_id: request_id.clone(),
                    ..Default::default()
                },
                |request| request.connection.as_mut().unwrap().display_name = "Another".to_owned(),
            ),
            Case {
                passing: &["state", "health", "server_version"],
                ..case(
                    "ConnectionService.RotateCredentials",
                    v1::RotateCredentialsRequest {
                        name: self.rotated.name.clone(),
                        etag: self.rotated.etag.clone(),
                        request_id: request_id.clone(),
                        ..Default::default()
                    },
                    |request| request.new_password = "another-password-1".to_owned(),
                )
            },
            case(
                "BackupService.CreateBackup",
                v1::CreateBackupRequest { connection: connection.clone(), request_id, ..Default::default() },
                |request| request.backup_id = "another".to_owned(),
            ),
            case(
                "BackupService.RestoreBackup",
                v1::RestoreBackupRequest {
                    name: self.backup.clone(),
                    connection,
                    target_database: self.restored[0].clone(),
                    request_id: ID.to_owned(),
                    ..Default::default()
                },
                |request| request.target_database = self.restored[1].clone(),
            ),
            case(
                "VaultService.RotateMasterKey",
                v1::RotateMasterKeyRequest { request_id: ID.to_owned(), validate_only: false },
                |request| request.validate_only = true,
            ),
        ]);
        cases.extend(of_migrations());
        cases
    }

    fn of_access(&self) -> Vec<Case> {
        let account = v1::Account { display_name: "Made".to_owned(), ..Default::default() };
        let create_account =
            v1::CreateAccountRequest { account: Some(account), request_id: ID.to_owned(), ..Default::default() };
        let create = v1::CreateApiKeyRequest {
            parent: self.account.clone(),
            api_key: Some(viewer("made")),
            request_id: ID.to_owned(),
            ..Default::default()
        };
        let rotate = v1::RotateApiKeyRequest {
            name: self.api_key.name.clone(),
            etag: self.api_key.etag.clone(),
            overlap: Some(prost_types::Duration { seconds: 3600, nanos: 0 }),
            request_id: ID.to_owned(),
            ..Default::default()
        };
        vec![
            case("AccessService.CreateAccount", create_account, |request| {
                request.account.as_mut().unwrap().display_name = "Another".to_owned();
            }),
            Case {
                passing: &["key"],
                ..case("AccessService.CreateApiKey", create, |request| {
                    request.api_key.as_mut().unwrap().display_name = "another".to_owned();
                })
            },
            Case { passing: &["key"], ..case("AccessService.RotateApiKey", rotate, |request| request.overlap = None) },
        ]
    }

    /// Makes the call of a case and waits for the end of what it began.
    async fn call(&self, channel: &Channel, method: &MethodDescriptor, case: &Case) -> DynamicMessage {
        let answer = in_time(call(channel, method, Some(&self.text), case.request.clone())).await;
        let mut answer = answer.unwrap_or_else(|error| panic!("{} of {}: {error:?}", case.method, self.account));
        if method.output().name() == "Operation" {
            let operation = v1::Operation::decode(answer.encode_to_vec().as_slice()).unwrap();
            let ended = succeeded(&self.client, operation).await;
            answer = DynamicMessage::decode(method.output(), ended.encode_to_vec().as_slice()).unwrap();
        }
        for field in case.passing {
            assert!(method.output().get_field_by_name(field).is_some(), "{} has no {field}", case.method);
            answer.clear_field_by_name(field);
        }
        answer
    }

    /// Calls, repeats, and calls with another body.
    async fn check(&self, server: &TestServer, channel: &Channel, method: &MethodDescriptor, case: &Case) {
        let (name, account) = (case.method, &self.account);
        let mut store = Stored::of(server).await;
        let before = store.everything().await;
        let first = self.call(channel, method, case).await;
        let made = store.everything().await;
        assert_ne!(made, before, "{name} of {account} did nothing that a repeat could do twice");

        let repeated = self.call(channel, method, case).await;
        assert_eq!(repeated, first, "{name} of {account}: a repeat has the answer of the first call");
        assert_eq!(store.everything().await, made, "{name} of {account}: a repeat did the work again");

        let error = call(channel, method, Some(&self.text), case.other.clone()).await.expect_err(name);
        assert_refused(&error, Code::AlreadyExists, "REQUEST_ID_REUSED");
        assert!(error.message().contains("take a new one"), "{name}: {error:?}");
        assert_eq!(store.everything().await, made, "{name} of {account}: another body did something");
    }
}

fn of_migrations() -> Vec<Case> {
    use v1::revert_migrations_request::Extent;
    let set = v1::MigrationSet { display_name: "Made".to_owned(), ..Default::default() };
    let create =
        v1::CreateMigrationSetRequest { migration_set: Some(set), request_id: ID.to_owned(), ..Default::default() };
    let apply = v1::ApplyMigrationsRequest { request_id: ID.to_owned(), ..apply(SET, CONNECTION) };
    let revert = v1::RevertMigrationsRequest {
        migration_set: SET.to_owned(),
        connection: CONNECTION.to_owned(),
        extent: Some(Extent::Steps(1)),
        request_id: ID.to_owned(),
        ..Default::default()
    };
    vec![
        case("MigrationService.CreateMigrationSet", create, |request| {
            request.migration_set.as_mut().unwrap().display_name = "Another".to_owned();
        }),
        case("MigrationService.ApplyMigrations", apply, |request| request.target_version = "2".to_owned()),
        case("MigrationService.RevertMigrations", revert, |request| request.extent = Some(Extent::Steps(2))),
    ]
}

/// The store of a server, read beside it.
struct Stored(SqliteConnection);

impl Stored {
    async fn of(server: &TestServer) -> Self {
        let options = SqliteConnectOptions::new().filename(server.store_file()).read_only(true).busy_timeout(PATIENCE);
        Self(options.connect().await.expect("the store opens beside the server"))
    }

    /// Everything that a call can make, in whichever account, each with what changes with it.
    async fn everything(&mut self) -> Vec<String> {
        let mut everything = Vec::new();
        for sql in [
            "SELECT 'account ' || id || ' ' || revision FROM accounts",
            "SELECT 'key ' || id || ' ' || revision || ' ' || hex(digest) FROM api_keys",
            "SELECT 'connection ' || account || ' ' || id || ' ' || revision FROM connections",
            "SELECT 'set ' || account || ' ' || id || ' ' || revision FROM migration_sets",
            "SELECT 'operation ' || account || ' ' || id FROM operations",
            "SELECT 'backup ' || account || ' ' || connection || ' ' || id || ' ' || state FROM backups",
            "SELECT 'master key ' || version || ' ' || state FROM master_keys",
            "SELECT 'request ' || account || ' ' || method || ' ' || request_id || ' ' || resource FROM requests",
        ] {
            let rows: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut self.0).await.expect("the store is read");
            everything.extend(rows);
        }
        everything.sort_unstable();
        everything
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_with_a_request_id_is_done_once_in_each_account() {
    let (server, fixture) = (TestServer::start().await, PostgresFixture::new());
    let root = server.client();
    make_account(&root, "tenant").await;
    let (_, text) = issue(&root, "accounts/tenant", key_of(Role::Admin, true)).await;
    let tenant = Owner::make(&server, text, &fixture).await;
    let owner = Owner::make(&server, server.admin_key(), &fixture).await;
    let channel = Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
    let (methods, policies) = (methods(), MethodPolicies::of_contract().unwrap());

    let repeatable = methods.iter().filter(|method| method.input().get_field_by_name("request_id").is_some());
    let repeatable: BTreeSet<String> = repeatable.map(short_name).collect();
    let known: BTreeSet<String> = owner.cases().iter().map(|case| case.method.to_owned()).collect();
    assert_eq!(known, repeatable, "each RPC with a request_id has a case, and each case one");

    for owner in [&owner, &tenant] {
        for case in owner.cases() {
            let method =
                methods.iter().find(|method| short_name(method) == case.method).expect("it is in the contract");
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            let permission = policies.get(&path).expect("every method has a policy").permission;
            if permission == Permission::System && owner.account == tenant.account {
                // Nobody else has an account from which it can be called.
                let error = call(&channel, method, Some(&owner.text), case.request).await.expect_err(case.method);
                assert_refused(&error, Code::PermissionDenied, "PERMISSION_MISSING");
                continue;
            }
            owner.check(&server, &channel, method, &case).await;
        }
    }
}
