//! Registering and listing: idempotence, checks without a change, pages.

use dbkeeper::grpc::proto::v1;
use tonic::Code;

use super::{
    answer::{assert_field, assert_no_leak, assert_refused, assert_says},
    support::{on_every_engine, register, settings},
};
use crate::{
    conformance::Fixture,
    harness::{server::TestServer, sqlite::SqliteFolder},
};

on_every_engine!(a_request_id_makes_a_registration_repeatable);

async fn a_request_id_makes_a_registration_repeatable(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let database = fixture.create_database().await;
    let request = v1::CreateConnectionRequest {
        connection: Some(settings(&fixture.target(&database))),
        request_id: "create-once".to_owned(),
        ..Default::default()
    };
    let first = client.connections().create_connection(request.clone()).await.unwrap().into_inner();
    let again = client.connections().create_connection(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert!(first.password.is_empty());

    let mut other = request;
    other.connection.as_mut().unwrap().display_name = "Another body".to_owned();
    let error = client.connections().create_connection(other).await.unwrap_err();
    assert_refused(&error, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let listed = client.connections().list_connections(v1::ListConnectionsRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().connections, [first]);
}

/// A server with a registered SQLite database.
async fn with_shop(folder: &SqliteFolder) -> (TestServer, v1::Connection) {
    let server = TestServer::start_on(folder).await;
    let shop = register(&server.client(), "shop", settings(&folder.target(&folder.create_database()))).await;
    (server, shop)
}

#[tokio::test]
async fn validate_only_checks_and_changes_nothing() {
    let folder = SqliteFolder::new();
    let (server, shop) = with_shop(&folder).await;
    let client = server.client();
    let mut create = v1::CreateConnectionRequest {
        connection_id: "checked".to_owned(),
        connection: Some(settings(&folder.target(&folder.create_database()))),
        validate_only: true,
        ..Default::default()
    };
    client.connections().create_connection(create.clone()).await.unwrap();
    create.connection.as_mut().unwrap().display_name = "x".repeat(101);
    let error = client.connections().create_connection(create.clone()).await.unwrap_err();
    assert_field(&error, "connection.display_name", "1 to 100 characters");
    create.connection.as_mut().unwrap().display_name = "Taken".to_owned();
    create.connection_id = "shop".to_owned();
    let error = client.connections().create_connection(create).await.unwrap_err();
    assert_refused(&error, Code::AlreadyExists, "CONNECTION_EXISTS");

    let changed = v1::Connection { display_name: "Changed".to_owned(), ..shop.clone() };
    let update = v1::UpdateConnectionRequest { connection: Some(changed), validate_only: true, update_mask: None };
    let would_be = client.connections().update_connection(update).await.unwrap().into_inner();
    assert_eq!(would_be.display_name, "Changed");
    let delete = v1::DeleteConnectionRequest { name: shop.name.clone(), validate_only: true, ..Default::default() };
    client.connections().delete_connection(delete).await.unwrap();
    let absent = v1::DeleteConnectionRequest {
        name: "connections/absent".to_owned(),
        validate_only: true,
        ..Default::default()
    };
    let error = client.connections().delete_connection(absent).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "CONNECTION_NOT_FOUND");

    let listed = client.connections().list_connections(v1::ListConnectionsRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().connections, [shop]);
}

#[tokio::test]
async fn a_name_of_101_characters_is_refused() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let target = folder.target(&folder.create_database());
    let create = |length: usize| {
        let connection = v1::Connection { display_name: "ü".repeat(length), ..settings(&target) };
        v1::CreateConnectionRequest { connection: Some(connection), ..Default::default() }
    };
    let error = server.client().connections().create_connection(create(101)).await.unwrap_err();
    assert_refused(&error, Code::InvalidArgument, "INVALID_FIELD");
    assert_field(&error, "connection.display_name", "1 to 100 characters, has 101");
    server.client().connections().create_connection(create(100)).await.unwrap();
}

#[tokio::test]
async fn every_field_at_fault_is_told_at_once_and_no_secret_is() {
    let server = TestServer::start().await;
    let connection = v1::Connection {
        engine: v1::Engine::Postgresql.into(),
        port: 70_000,
        password: "hunter2-secret".to_owned(),
        ..Default::default()
    };
    let create = v1::CreateConnectionRequest { connection: Some(connection), ..Default::default() };
    let error = server.client().connections().create_connection(create).await.unwrap_err();
    for (field, cure) in [
        ("connection.display_name", "1 to 100"),
        ("connection.port", "0 to 65535"),
        ("connection.database", "is required"),
    ] {
        assert_field(&error, field, cure);
    }
    assert_no_leak(&error, "hunter2-secret");
}

#[tokio::test]
async fn pages_have_bounds_and_tokens_are_the_servers_own() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    for index in 0..5 {
        let mut connection = settings(&folder.target(&folder.create_database()));
        connection.display_name = format!("Number {index}");
        register(&client, &format!("c{index}"), connection).await;
    }
    let list = |page_size, page_token: &str| v1::ListConnectionsRequest {
        page_size,
        page_token: page_token.to_owned(),
        ..Default::default()
    };
    let error = client.connections().list_connections(list(-1, "")).await.unwrap_err();
    assert_refused(&error, Code::InvalidArgument, "INVALID_FIELD");
    assert_field(&error, "page_size", "must not be negative");

    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let page = client.connections().list_connections(list(2, &token)).await.unwrap().into_inner();
        assert_eq!(page.total_size, 5);
        names.extend(page.connections.into_iter().map(|connection| connection.name));
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
    }
    assert_eq!(names, ["connections/c0", "connections/c1", "connections/c2", "connections/c3", "connections/c4"]);

    let mut forged = token.clone().into_bytes();
    forged[3] = if forged[3] == b'A' { b'B' } else { b'A' };
    for forged in [String::from_utf8(forged).unwrap(), "1".to_owned(), "Zm9yZ2Vk".to_owned()] {
        let error = client.connections().list_connections(list(2, &forged)).await.unwrap_err();
        assert_refused(&error, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
        assert_says(&error, "begin again without one");
    }
    let stranger = server.client_with(&server.second_account().await);
    let error = stranger.connections().list_connections(list(2, &token)).await.unwrap_err();
    assert_refused(&error, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    let other_filter = v1::ListConnectionsRequest { filter: "engine = ENGINE_SQLITE".to_owned(), ..list(2, &token) };
    let error = client.connections().list_connections(other_filter).await.unwrap_err();
    assert_refused(&error, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
}
