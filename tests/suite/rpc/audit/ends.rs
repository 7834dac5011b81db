//! Calls that end otherwise than well: refused for want of a record, given up by the caller, killed with the server.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use dbkeeper::grpc::{client::Client, proto::v1};
use tokio::{io::AsyncReadExt as _, net::TcpListener};
use tonic::Code;
use v1::{AuditCompletion, AuditEventKind};

use super::{
    Intruder, assert_refused, assert_says, call, events, export, list, register, settings, short, until, verify,
};
use crate::harness::{process::ServerProcess, server::TestServer, sqlite::SqliteFolder};

pub(super) const REFUSE_ALL: &str = "CREATE TRIGGER full BEFORE INSERT ON audit_events
     BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
const REFUSE_OUTCOMES: &str = "CREATE TRIGGER full BEFORE INSERT ON audit_events WHEN NEW.kind = 'outcome'
     BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_a_record_is_not_made() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let mut intruder = Intruder::of(&server).await;
    let create = v1::CreateConnectionRequest {
        connection_id: "shop".to_owned(),
        connection: Some(settings(&folder.target(&folder.create_database()))),
        ..Default::default()
    };
    intruder.run(REFUSE_ALL).await.unwrap();
    let error = client.connections().create_connection(create.clone()).await.unwrap_err();
    assert_refused(&error, Code::Unavailable, "AUDIT_UNAVAILABLE");
    assert_says(&error, "not begun");
    let mut export =
        client.access().export_audit_events(v1::ExportAuditEventsRequest::default()).await.unwrap().into_inner();
    assert_refused(&export.message().await.unwrap_err(), Code::Unavailable, "AUDIT_UNAVAILABLE");
    let listed = client.connections().list_connections(v1::ListConnectionsRequest::default()).await.unwrap();
    assert!(listed.into_inner().connections.is_empty(), "the call was made");

    intruder.run("DROP TRIGGER full").await.unwrap();
    client.connections().create_connection(create).await.unwrap();
    assert_eq!(events(&client).await.len(), 2);
}

/// Takes the calls of a database one after the other, and notes what each is told until its caller hangs up or waits for an answer.
async fn listen(listener: TcpListener, calls: Arc<Mutex<Vec<Vec<u8>>>>) {
    loop {
        let (mut caller, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        caller.read_buf(&mut heard).await.unwrap();
        calls.lock().unwrap().push(heard);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_told_nothing_of_a_test_without_a_record() {
    let server = TestServer::start().await;
    let client = server.client();
    let (listener, request) = silent_database().await;
    let Some(v1::test_connection_request::Target::Connection(connection)) = request.target.clone() else {
        panic!("settings that are not saved")
    };
    let name = register(&client, "silent", connection).await.name;
    let registered =
        v1::TestConnectionRequest { target: Some(v1::test_connection_request::Target::Name(name.clone())) };
    let mut intruder = Intruder::of(&server).await;
    intruder.run(REFUSE_ALL).await.unwrap();
    for request in [&request, &registered] {
        let error = client.connections().test_connection(request.clone()).await.unwrap_err();
        assert_refused(&error, Code::Unavailable, "AUDIT_UNAVAILABLE");
    }
    let get = v1::GetConnectionRequest { name, ..Default::default() };
    let connection = client.connections().get_connection(get).await.unwrap().into_inner();
    assert_eq!(connection.state(), v1::ConnectionState::Untested, "nothing was tried");

    intruder.run("DROP TRIGGER full").await.unwrap();
    let calls = Arc::default();
    let listening = tokio::spawn(listen(listener, Arc::clone(&calls)));
    // The database hangs up in place of an answer.
    assert!(!client.connections().test_connection(registered).await.unwrap().into_inner().connected);
    listening.abort();
    // Calls come in their order: one that was made without a record is the first. What is not saved is dialled on record only.
    let calls = calls.lock().unwrap();
    let (recorded, before) = calls.split_last().unwrap();
    assert!(!recorded.is_empty() && before.len() <= 1, "{calls:?}");
    assert!(before.iter().all(Vec::is_empty), "it was told something: {calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_cannot_be_written_is_told_as_unknown() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let mut intruder = Intruder::of(&server).await;
    intruder.run(REFUSE_OUTCOMES).await.unwrap();
    // The work is done, so the caller gets its answer.
    register(&client, "shop", settings(&folder.target(&folder.create_database()))).await;
    intruder.run("DROP TRIGGER full").await.unwrap();
    let told = events(&client).await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].kind(), told[0].completion()), (AuditEventKind::Intent, AuditCompletion::Unknown));
    call(&client, "other").await;
    assert!(verify(&client, None).await.intact);
}

/// After so long a call waits for the store, on a loaded machine as well. Nothing tells a test when that is.
const ENOUGH_TO_BEGIN: Duration = Duration::from_secs(3);

/// A database that accepts and never says a word, and what tests a connection to it.
async fn silent_database() -> (TcpListener, v1::TestConnectionRequest) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connection = v1::Connection {
        display_name: "Silent".to_owned(),
        engine: v1::Engine::Postgresql.into(),
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port().into(),
        database: "postgres".to_owned(),
        username: "postgres".to_owned(),
        password: "silent-password".to_owned(),
        tls: Some(v1::TlsSettings { mode: v1::TlsMode::Disabled.into(), ..Default::default() }),
        ..Default::default()
    };
    let target = Some(v1::test_connection_request::Target::Connection(connection));
    (listener, v1::TestConnectionRequest { target })
}

async fn only_intent(client: &Client) -> Option<v1::AuditEvent> {
    let request = v1::ListAuditEventsRequest { method: "TestConnection".to_owned(), ..Default::default() };
    list(client, request).await.into_iter().find(|event| event.kind() == AuditEventKind::Intent)
}

async fn until_completion(client: &Client, completion: AuditCompletion) {
    until(async || only_intent(client).await.is_some_and(|intent| intent.completion() == completion)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_away_leaves_an_outcome() {
    let server = TestServer::start_with(|config| config.pools.connect_timeout = Duration::from_secs(60)).await;
    let client = server.client();
    let (_listener, request) = silent_database().await;
    let begun = tokio::spawn({
        let (client, request) = (client.clone(), request.clone());
        async move { client.connections().test_connection(request).await }
    });
    until_completion(&client, AuditCompletion::Running).await;
    begun.abort();
    until_completion(&client, AuditCompletion::Ended).await;
    let intent = only_intent(&client).await.unwrap();
    assert_eq!((intent.code.as_str(), intent.reason.as_str()), ("CANCELLED", "CANCELLED"), "{intent:?}");

    let hasty = client.clone().with_deadline(Duration::from_millis(300));
    let error = hasty.connections().test_connection(request).await.unwrap_err();
    // The client's own clock may be the first to say so.
    assert!(matches!(error.code(), Code::DeadlineExceeded | Code::Cancelled), "{error:?}");
    until_completion(&client, AuditCompletion::Ended).await;
    let intent = only_intent(&client).await.unwrap();
    assert!(matches!(intent.code.as_str(), "DEADLINE_EXCEEDED" | "CANCELLED"), "{intent:?}");
    assert!(verify(&client, None).await.intact);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_finished_though_its_caller_has_gone() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let create = |id: &str| v1::CreateConnectionRequest {
        connection_id: id.to_owned(),
        connection: Some(settings(&folder.target(&folder.create_database()))),
        ..Default::default()
    };
    let mut intruder = Intruder::of(&server).await;
    // The store lets nobody write while the calls come and go.
    intruder.run("BEGIN IMMEDIATE").await.unwrap();
    let hasty = client.clone().with_deadline(ENOUGH_TO_BEGIN);
    let error = hasty.connections().create_connection(create("late")).await.unwrap_err();
    assert!(matches!(error.code(), Code::DeadlineExceeded | Code::Cancelled), "{error:?}");
    let left = client.clone();
    let request = create("left");
    let leaving = tokio::spawn(async move { left.connections().create_connection(request).await });
    tokio::time::sleep(ENOUGH_TO_BEGIN).await;
    leaving.abort();
    let _ = leaving.await;
    intruder.run("COMMIT").await.unwrap();

    until(async || {
        let told = events(&client).await;
        told.iter().filter(|event| event.kind() == AuditEventKind::Outcome && event.code == "OK").count() == 2
    })
    .await;
    for id in ["late", "left"] {
        let request = v1::GetConnectionRequest { name: format!("connections/{id}"), ..Default::default() };
        client.connections().get_connection(request).await.expect("the call was made to its end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_the_end_of_the_server_cuts_off_leaves_an_outcome() {
    let server = TestServer::start_with(|config| config.shutdown.grace = Duration::from_secs(10)).await;
    let client = server.client();
    let (_listener, request) = silent_database().await;
    let Some(v1::test_connection_request::Target::Connection(silent)) = request.target else { unreachable!() };
    let name = register(&client, "silent", silent).await.name;
    let begun = tokio::spawn({
        let (client, request) = (client.clone(), v1::RotateCredentialsRequest { name, ..Default::default() });
        async move { client.connections().rotate_credentials(request).await }
    });
    let rotation = async |client: &Client| {
        let rotations = v1::ListAuditEventsRequest { method: "RotateCredentials".to_owned(), ..Default::default() };
        list(client, rotations).await.into_iter().find(|event| event.kind() == AuditEventKind::Intent)
    };
    until(async || rotation(&client).await.is_some()).await;
    let server = server.stop().await.start().await;
    begun.await.unwrap().unwrap_err();
    let intent = rotation(&server.client()).await.unwrap();
    assert_eq!((intent.completion(), intent.code.as_str()), (AuditCompletion::Ended, "CANCELLED"), "{intent:?}");
    assert!(verify(&server.client(), None).await.intact);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_killed_with_the_server_is_told_as_unknown() {
    let mut process = ServerProcess::start(&["pools.connect_timeout=2m".to_owned()]).await;
    let client = process.client();
    call(&client, "before").await;
    let (_listener, request) = silent_database().await;
    let begun = tokio::spawn({
        let client = client.clone();
        async move { client.connections().test_connection(request).await }
    });
    until_completion(&client, AuditCompletion::Running).await;
    process.kill();
    assert!(begun.await.unwrap().is_err());
    process.launch();
    process.wait_until_serving().await;
    let client = process.client();
    let told = events(&client).await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(short(&told[2]), (AuditEventKind::Intent, "TestConnection", ""));
    assert_eq!(told[2].completion(), AuditCompletion::Unknown);
    assert_eq!((told[0].completion(), told[0].code.as_str()), (AuditCompletion::Ended, "NOT_FOUND"));
    call(&client, "after").await;
    let verified = verify(&client, None).await;
    assert!(verified.intact && verified.head.unwrap().sequence == 5);
}

/// The answer of TestConnection does not wait until its outcome is on the disk; who reads the log finds it all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outcome_of_a_test_is_in_the_log_from_its_answer_on() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let shop = register(&client, "shop", settings(&folder.target(&folder.create_database()))).await;
    let test = || async {
        let target = Some(v1::test_connection_request::Target::Name(shop.name.clone()));
        client.connections().test_connection(v1::TestConnectionRequest { target }).await.unwrap();
    };
    test().await;
    let newest = list(&client, v1::ListAuditEventsRequest { page_size: 2, ..Default::default() }).await;
    let told: Vec<_> = newest.iter().map(|event| (short(event), event.completion())).collect();
    assert_eq!(told[0].0, (AuditEventKind::Outcome, "TestConnection", "OK"));
    assert_eq!(told[1], ((AuditEventKind::Intent, "TestConnection", "OK"), AuditCompletion::Ended));
    test().await;
    let head = verify(&client, None).await.head.unwrap();
    assert_eq!(head.sequence, 2 + 2 * 2, "the registration and two tests, both events of each");
    test().await;
    let (start, exported) = export(&client, head.sequence).await;
    let kinds: Vec<_> = exported.iter().take(2).map(|event| (event.kind(), event.intent_sequence)).collect();
    let intent = head.sequence + 1;
    assert_eq!(kinds, [(AuditEventKind::Intent, 0), (AuditEventKind::Outcome, intent)]);
    assert!(start.head.unwrap().sequence > intent);
}
