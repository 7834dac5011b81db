//! Accounts: made, listed, renamed, deleted, and kept apart.

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, Role},
};
use tonic::{Code, Status};

use super::{
    answer::{assert_field, assert_refused, assert_says},
    support::{back_up, end_of, issue, key_of, make_account, register, register_sample, settings, watch},
};
use crate::harness::{
    server::{TestServer, in_time},
    sqlite::SqliteFolder,
};

async fn delete(client: &Client, name: &str, force: bool) -> Result<(), Status> {
    let request = v1::DeleteAccountRequest { name: name.to_owned(), force, ..Default::default() };
    client.access().delete_account(request).await.map(tonic::Response::into_inner)
}

async fn names(client: &Client, page_size: i32) -> Vec<String> {
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListAccountsRequest { page_size, page_token };
        let page = client.access().list_accounts(request).await.unwrap().into_inner();
        names.extend(page.accounts.into_iter().map(|account| account.name));
        if page.next_page_token.is_empty() {
            return names;
        }
        page_token = page.next_page_token;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_made_once_listed_in_pages_and_renamed() {
    let server = TestServer::start().await;
    let client = server.client();
    let request = v1::CreateAccountRequest {
        account_id: "c".to_owned(),
        account: Some(v1::Account { display_name: "See".to_owned(), ..Default::default() }),
        request_id: "one".to_owned(),
        validate_only: false,
    };
    let made = client.access().create_account(request.clone()).await.unwrap().into_inner();
    assert_eq!((made.name.as_str(), made.display_name.as_str()), ("accounts/c", "See"));
    let repeated = client.access().create_account(request.clone()).await.unwrap().into_inner();
    assert_eq!(repeated, made);
    for validate_only in [true, false] {
        let again = v1::CreateAccountRequest { request_id: String::new(), validate_only, ..request.clone() };
        let error = client.access().create_account(again).await.unwrap_err();
        assert_refused(&error, Code::AlreadyExists, "ACCOUNT_EXISTS");
    }
    for id in ["a", "b"] {
        make_account(&client, id).await;
    }
    let all = ["accounts/a", "accounts/b", "accounts/c", "accounts/default"];
    assert_eq!(names(&client, 1).await, all);
    assert_eq!(names(&client, 0).await, all);

    let renamed = v1::Account { display_name: "Sea".to_owned(), etag: made.etag.clone(), ..made.clone() };
    let request = v1::UpdateAccountRequest { account: Some(renamed), ..Default::default() };
    let changed = client.access().update_account(request.clone()).await.unwrap().into_inner();
    assert_eq!(changed.display_name, "Sea");
    let error = client.access().update_account(request).await.unwrap_err();
    assert_refused(&error, Code::Aborted, "ETAG_MISMATCH");

    for (id, display_name, field) in [("A", "x", "account_id"), ("ok", "", "account.display_name")] {
        let request = v1::CreateAccountRequest {
            account_id: id.to_owned(),
            account: Some(v1::Account { display_name: display_name.to_owned(), ..Default::default() }),
            ..Default::default()
        };
        assert_field(&client.access().create_account(request).await.unwrap_err(), field, "must be");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_sees_itself_alone_and_the_server_sees_all() {
    let server = TestServer::start().await;
    let root = server.client();
    for id in ["one", "two"] {
        make_account(&root, id).await;
    }
    let (own, text) = issue(&root, "accounts/one", key_of(Role::Admin, true)).await;
    let (foreign, _) = issue(&root, "accounts/two", key_of(Role::Admin, true)).await;
    let tenant = server.client_with(&text);
    assert_eq!(names(&tenant, 0).await, ["accounts/one"]);
    tenant.access().get_api_key(v1::GetApiKeyRequest { name: own }).await.unwrap();
    let error = tenant.access().get_api_key(v1::GetApiKeyRequest { name: foreign.clone() }).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "ACCOUNT_NOT_FOUND");
    let missing = foreign.replace("/two/", "/none/");
    let unknown = tenant.access().get_api_key(v1::GetApiKeyRequest { name: missing }).await.unwrap_err();
    assert_eq!(error.message().replace("two", "none"), unknown.message(), "a foreign account looks as one that is not");
    root.access().get_api_key(v1::GetApiKeyRequest { name: foreign }).await.unwrap();

    let into_foreign = v1::CreateApiKeyRequest {
        parent: "accounts/two".to_owned(),
        api_key: Some(key_of(Role::Viewer, false)),
        ..Default::default()
    };
    let error = tenant.access().create_api_key(into_foreign).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "ACCOUNT_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_in_use_is_deleted_by_force_alone_and_its_keys_end_with_it() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let root = server.client();
    make_account(&root, "tenant").await;
    let (_, text) = issue(&root, "accounts/tenant", key_of(Role::Admin, true)).await;
    let tenant = server.client_with(&text);
    let connection = v1::Connection {
        display_name: "Files".to_owned(),
        engine: v1::Engine::Sqlite.into(),
        database: "files.db".to_owned(),
        ..Default::default()
    };
    register(&tenant, "files", connection).await;
    let mut watching = watch(&tenant).await;
    watching.message().await.unwrap().expect("where the stream begins");

    let error = delete(&root, "accounts/tenant", false).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "ACCOUNT_IN_USE");
    assert_says(&error, "1 connections");
    tenant.access().who_am_i(v1::WhoAmIRequest {}).await.expect("a refusal changes nothing");
    let target = Some(v1::test_connection_request::Target::Name("connections/files".to_owned()));
    tenant.connections().test_connection(v1::TestConnectionRequest { target }).await.unwrap();
    let told = in_time(watching.message()).await.expect("and ends nothing");
    assert!(told.is_some());

    let forced = |validate_only| {
        let name = "accounts/tenant".to_owned();
        let request = v1::DeleteAccountRequest { name, force: true, validate_only, ..Default::default() };
        let client = root.clone();
        async move { client.access().delete_account(request).await.unwrap() }
    };
    for validate_only in [true, false] {
        let answer = forced(validate_only).await;
        let removed: Vec<_> = answer.metadata().get_all("dbkeeper-removed").iter().collect();
        assert_eq!(removed, ["accounts/tenant/connections/files"]);
    }
    let of_method = v1::ListAuditEventsRequest { method: "DeleteAccount".to_owned(), ..Default::default() };
    let told = root.access().list_audit_events(of_method).await.unwrap().into_inner().audit_events;
    assert!(told[0].resources.contains(&"accounts/tenant/connections/files".to_owned()), "{:?}", told[0]);
    assert!(told[0].parameters.contains(&"removed:1".to_owned()), "{:?}", told[0]);
    let error = tenant.access().who_am_i(v1::WhoAmIRequest {}).await.unwrap_err();
    assert_refused(&error, Code::Unauthenticated, "API_KEY_INVALID");
    assert_refused(&end_of(watching).await, Code::Unauthenticated, "CREDENTIALS_ENDED");
    assert_eq!(names(&root, 0).await, ["accounts/default"]);
    let error = delete(&root, "accounts/tenant", false).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "ACCOUNT_NOT_FOUND");

    for force in [false, true] {
        let error = delete(&root, "accounts/default", force).await.unwrap_err();
        assert_refused(&error, Code::FailedPrecondition, "ACCOUNT_IN_USE");
    }
    // Its audit log stays, and so does the folder of its SQLite databases: nobody else is to have them.
    for validate_only in [true, false] {
        let again = v1::CreateAccountRequest {
            account_id: "tenant".to_owned(),
            account: Some(v1::Account { display_name: "Another".to_owned(), ..Default::default() }),
            validate_only,
            ..Default::default()
        };
        let error = root.access().create_account(again).await.unwrap_err();
        assert_refused(&error, Code::AlreadyExists, "ACCOUNT_EXISTS");
        assert_says(&error, "take another id");
    }
    // An id under which nothing was ever recorded can be used again; the keys of the first one stay dead.
    make_account(&root, "unused").await;
    let (_, text) = issue(&root, "accounts/unused", key_of(Role::Viewer, false)).await;
    delete(&root, "accounts/unused", false).await.unwrap();
    make_account(&root, "unused").await;
    let error = server.client_with(&text).access().who_am_i(v1::WhoAmIRequest {}).await.unwrap_err();
    assert_refused(&error, Code::Unauthenticated, "API_KEY_INVALID");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_with_backups_is_not_deleted_even_by_force() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let root = server.client();
    make_account(&root, "tenant").await;
    let (_, text) = issue(&root, "accounts/tenant", key_of(Role::Admin, true)).await;
    let tenant = server.client_with(&text);
    let database = register_sample(&root, &folder, "shop").await;
    let path = settings(&folder.target(&database)).database;
    let (from, to) = (folder.root().join("default"), folder.root().join("tenant"));
    std::fs::create_dir_all(&to).unwrap();
    std::fs::copy(from.join(&path), to.join(&path)).unwrap();
    register(&tenant, "shop", settings(&folder.target(&database))).await;
    let backup = back_up(&tenant, "connections/shop", "first").await;

    let error = delete(&root, "accounts/tenant", true).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "ACCOUNT_IN_USE");
    assert_says(&error, "1 backups");
    tenant.backups().delete_backup(v1::DeleteBackupRequest { name: backup, validate_only: false }).await.unwrap();
    delete(&root, "accounts/tenant", true).await.unwrap();
}
