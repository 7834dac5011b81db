//! Operations as callers see them: cancelled, waited for, watched again from where a watcher stopped.

use dbkeeper::grpc::proto::v1::{self, Role};
use futures::TryStreamExt;
use tonic::Code;

use super::{
    answer::{assert_field, assert_refused, assert_says},
    support::{
        apply, back_up, ended, file, issue, key_of, migration_set, on_every_engine, register, register_sample,
        settings, until,
    },
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::server::{TestServer, in_time},
};

on_every_engine!(a_run_is_cancelled_in_the_middle_of_a_statement);

async fn a_run_is_cancelled_in_the_middle_of_a_statement(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let database = fixture.create_database().await;
    register(&client, "shop", settings(&fixture.target(&database))).await;
    let slow = format!("{};", fixture.slow_statement());
    let set = migration_set(&client, "app", vec![file("1_slow.sql", &slow)]).await;
    let run = client.migrations().apply_migrations(apply(&set, "connections/shop")).await.unwrap().into_inner();
    let get = v1::GetOperationRequest { name: run.name.clone() };
    until(async || {
        client.operations().get_operation(get.clone()).await.unwrap().into_inner().state()
            == v1::OperationState::Running
    })
    .await;

    // One at a time changes a database.
    let error = client.migrations().apply_migrations(apply(&set, "connections/shop")).await.unwrap_err();
    assert_refused(&error, Code::Aborted, "DATABASE_BUSY");
    let cancel = v1::CancelOperationRequest { name: run.name.clone() };
    let asked = client.operations().cancel_operation(cancel).await.unwrap().into_inner();
    assert!(asked.cancel_requested);
    let run = ended(&client, run).await;
    assert_eq!(run.state(), v1::OperationState::Cancelled, "{:?}", run.error);

    let watch = |after_sequence| v1::WatchOperationRequest { name: run.name.clone(), after_sequence };
    let all = client.operations().watch_operation(watch(0)).await.unwrap().into_inner();
    let all: Vec<v1::WatchOperationResponse> = in_time(all.try_collect()).await.unwrap();
    let last = all.last().unwrap();
    assert!(matches!(&last.event, Some(v1::watch_operation_response::Event::Operation(told)) if *told == run));
    let rest = client.operations().watch_operation(watch(last.sequence)).await.unwrap().into_inner();
    let rest: Vec<v1::WatchOperationResponse> = in_time(rest.try_collect()).await.unwrap();
    assert_eq!(rest.as_slice(), std::slice::from_ref(last), "who comes back is told the state and nothing twice");

    let list = v1::ListOperationsRequest { page_size: -1, ..Default::default() };
    let error = client.operations().list_operations(list).await.unwrap_err();
    assert_field(&error, "page_size", "must not be negative");
    let absent = v1::GetOperationRequest { name: "operations/absent".to_owned() };
    let error = client.operations().get_operation(absent).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "OPERATION_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_cancels_what_it_may_start_and_nothing_else() {
    let server = TestServer::start_with(|config| config.operations.max_running = 1).await;
    let (client, fixture) = (server.client(), PostgresFixture::new());
    register_sample(&client, &fixture, "shop").await;
    let backup = back_up(&client, "connections/shop", "first").await;
    register_sample(&client, &fixture, "other").await;
    let slow = format!("{};", fixture.slow_statement());
    let set = migration_set(&client, "app", vec![file("1_slow.sql", &slow)]).await;
    // It takes the only place, so the others wait.
    let run = client.migrations().apply_migrations(apply(&set, "connections/other")).await.unwrap().into_inner();
    let restore = v1::RestoreBackupRequest {
        name: backup,
        connection: "connections/shop".to_owned(),
        target_database: fixture.create_database().await,
        ..Default::default()
    };
    let restore = client.backups().restore_backup(restore).await.unwrap().into_inner();
    let rotation = client.vault().rotate_master_key(v1::RotateMasterKeyRequest::default()).await.unwrap().into_inner();

    let (_, text) = issue(&client, "accounts/default", key_of(Role::Operator, false)).await;
    let operator = server.client_with(&text);
    let (_, text) = issue(&client, "accounts/default", key_of(Role::Operator, true)).await;
    let restorer = server.client_with(&text);
    let cancel = |operation: &v1::Operation| v1::CancelOperationRequest { name: operation.name.clone() };
    for (caller, operation, lacks) in
        [(&operator, &restore, "RESTORE"), (&operator, &rotation, "SYSTEM"), (&restorer, &rotation, "SYSTEM")]
    {
        let error = caller.operations().cancel_operation(cancel(operation)).await.unwrap_err();
        assert_refused(&error, Code::PermissionDenied, "PERMISSION_MISSING");
        assert_says(&error, lacks);
        let get = v1::GetOperationRequest { name: operation.name.clone() };
        let stands = caller.operations().get_operation(get).await.unwrap().into_inner();
        assert!(!stands.cancel_requested, "{stands:?}");
    }
    for (caller, operation) in [(&restorer, restore), (&client, rotation), (&operator, run)] {
        caller.operations().cancel_operation(cancel(&operation)).await.unwrap();
        assert_eq!(ended(&client, operation).await.state(), v1::OperationState::Cancelled);
    }
}
