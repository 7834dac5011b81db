//! Operations as callers see them: cancelled, waited for, watched again from where a watcher stopped.

use dbkeeper::grpc::proto::v1;
use futures::TryStreamExt;
use tonic::Code;

use super::{
    answer::{assert_field, assert_refused},
    support::{apply, ended, file, migration_set, on_every_engine, register, settings, until},
};
use crate::{
    conformance::Fixture,
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
