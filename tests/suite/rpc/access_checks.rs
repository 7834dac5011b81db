//! What holds for every change of accounts and keys: a check alone changes nothing, a stale etag changes nothing, a mask
//! changes what it names, and pages go on where they ended.

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, Role},
};
use prost_types::FieldMask;
use secrecy::SecretString;
use tonic::{Code, Status};

use super::{
    answer::{assert_field, assert_refused},
    support::{issue, key_of, make_account, viewer},
};
use crate::harness::server::TestServer;

const DEFAULT: &str = "accounts/default";
const STALE: &str = "r77";

async fn account(client: &Client, name: &str) -> v1::Account {
    client.access().get_account(v1::GetAccountRequest { name: name.to_owned() }).await.unwrap().into_inner()
}

async fn key(client: &Client, name: &str) -> v1::ApiKey {
    client.access().get_api_key(v1::GetApiKeyRequest { name: name.to_owned() }).await.unwrap().into_inner()
}

async fn works(server: &TestServer, text: &SecretString) -> bool {
    server.client_with(text).access().who_am_i(v1::WhoAmIRequest {}).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_alone_changes_no_account() {
    let server = TestServer::start().await;
    let client = server.client();
    let made = make_account(&client, "shop").await;
    let renamed = v1::Account { display_name: "Renamed".to_owned(), ..made.clone() };
    let request = v1::UpdateAccountRequest { account: Some(renamed), validate_only: true, ..Default::default() };
    let told = client.access().update_account(request).await.unwrap().into_inner();
    assert_eq!((told.display_name.as_str(), &told.etag), ("Renamed", &made.etag), "it tells what would be");
    assert_eq!(account(&client, &made.name).await, made);
    let nameless = v1::Account { display_name: "x".repeat(101), ..made.clone() };
    let request = v1::UpdateAccountRequest { account: Some(nameless), validate_only: true, ..Default::default() };
    assert_field(&client.access().update_account(request).await.unwrap_err(), "account.display_name", "100");

    let delete =
        |name: &str| v1::DeleteAccountRequest { name: name.to_owned(), validate_only: true, ..Default::default() };
    client.access().delete_account(delete(&made.name)).await.unwrap();
    assert_eq!(account(&client, &made.name).await, made);
    let error = client.access().delete_account(delete(DEFAULT)).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "ACCOUNT_IN_USE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_alone_changes_no_key() {
    let server = TestServer::start().await;
    let client = server.client();
    let (name, text) = issue(&client, DEFAULT, viewer("checked")).await;
    // Used once, so that what is compared below does not change by its first use.
    assert!(works(&server, &text).await);
    let before = key(&client, &name).await;
    let unchanged = async || {
        let now = key(&client, &name).await;
        assert_eq!(
            v1::ApiKey { last_use_time: None, last_use_address: String::new(), ..now },
            v1::ApiKey { last_use_time: None, last_use_address: String::new(), ..before.clone() }
        );
        assert!(works(&server, &text).await, "its text is taken no more");
    };
    let mask = Some(FieldMask { paths: vec!["cidrs".to_owned()] });
    let narrowed = v1::ApiKey { name: name.clone(), cidrs: vec!["192.0.2.0/24".to_owned()], ..Default::default() };
    let request = v1::UpdateApiKeyRequest { api_key: Some(narrowed), update_mask: mask, validate_only: true };
    let told = client.access().update_api_key(request).await.unwrap().into_inner();
    assert_eq!(told.cidrs, ["192.0.2.0/24"]);
    unchanged().await;

    let request = v1::RevokeApiKeyRequest { name: name.clone(), validate_only: true, ..Default::default() };
    client.access().revoke_api_key(request).await.unwrap();
    unchanged().await;

    let request = v1::RotateApiKeyRequest { name: name.clone(), validate_only: true, ..Default::default() };
    let issued = client.access().rotate_api_key(request).await.unwrap().into_inner();
    assert_eq!(issued.key, "", "a key that was not made has no text");
    unchanged().await;

    // The rules are looked at all the same.
    let own = client.access().who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner().api_key;
    let request = v1::RevokeApiKeyRequest { name: own, validate_only: true, ..Default::default() };
    let error = client.access().revoke_api_key(request).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "LAST_ADMIN_KEY");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_etag_ends_nothing() {
    let server = TestServer::start().await;
    let client = server.client();
    let made = make_account(&client, "shop").await;
    let (name, text) = issue(&client, &made.name, viewer("kept")).await;
    let etag = key(&client, &name).await.etag;
    let delete = async |etag: &str| -> Result<(), Status> {
        let request = v1::DeleteAccountRequest { name: made.name.clone(), etag: etag.to_owned(), ..Default::default() };
        client.access().delete_account(request).await.map(drop)
    };
    let revoke = async |etag: &str| -> Result<(), Status> {
        let request = v1::RevokeApiKeyRequest { name: name.clone(), etag: etag.to_owned(), ..Default::default() };
        client.access().revoke_api_key(request).await.map(drop)
    };
    let rotate = async |etag: &str| -> Result<v1::IssuedApiKey, Status> {
        let request = v1::RotateApiKeyRequest {
            name: name.clone(),
            etag: etag.to_owned(),
            overlap: Some(prost_types::Duration::default()),
            ..Default::default()
        };
        client.access().rotate_api_key(request).await.map(tonic::Response::into_inner)
    };
    for refused in [delete(STALE).await, revoke(STALE).await, rotate(STALE).await.map(drop)] {
        assert_refused(&refused.unwrap_err(), Code::Aborted, "ETAG_MISMATCH");
    }
    assert!(works(&server, &text).await && account(&client, &made.name).await == made);
    for refused in [delete("x").await, revoke("x").await, rotate("x").await.map(drop)] {
        assert_refused(&refused.unwrap_err(), Code::Aborted, "ETAG_MISMATCH");
    }
    rotate("").await.expect("none is asked for");

    // The current one lets each of them through; the one before a change is stale from then on.
    let current = key(&client, &name).await.etag;
    assert_ne!(current, etag, "the rotation without an etag has changed it");
    assert_refused(&revoke(&etag).await.unwrap_err(), Code::Aborted, "ETAG_MISMATCH");
    let rotated = rotate(&current).await.unwrap().api_key.unwrap().etag;
    revoke(&rotated).await.unwrap();
    delete(&made.etag).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mask_says_what_of_an_account_changes() {
    let server = TestServer::start().await;
    let client = server.client();
    let made = make_account(&client, "shop").await;
    let update = async |display_name: &str, paths: &[&str]| {
        let account =
            v1::Account { name: made.name.clone(), display_name: display_name.to_owned(), ..Default::default() };
        let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        let request =
            v1::UpdateAccountRequest { account: Some(account), update_mask: Some(mask), validate_only: false };
        client.access().update_account(request).await.map(tonic::Response::into_inner)
    };
    assert_eq!(update("One", &["display_name"]).await.unwrap().display_name, "One");
    assert_eq!(update("Two", &["*"]).await.unwrap().display_name, "Two");
    // Named and empty is not the same as left out.
    assert_field(&update("", &["display_name"]).await.unwrap_err(), "account.display_name", "1 to 100");
    for path in ["name", "create_time", "etag", "displayName", "display_name.x", ""] {
        let error = update("Three", &[path]).await.expect_err(path);
        assert_refused(&error, Code::InvalidArgument, "UNKNOWN_FIELD");
    }
    assert_eq!(account(&client, &made.name).await.display_name, "Two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_keys_go_on_where_they_ended_and_belong_to_their_list() {
    let server = TestServer::start().await;
    let client = server.client();
    make_account(&client, "shop").await;
    let mut names = Vec::new();
    for number in 0..5 {
        names.push(issue(&client, "accounts/shop", viewer(&format!("number {number}"))).await.0);
    }
    let revoke = v1::RevokeApiKeyRequest { name: names[2].clone(), ..Default::default() };
    client.access().revoke_api_key(revoke).await.unwrap();
    let page = async |parent: &str, page_token: &str, show_revoked| {
        let request = v1::ListApiKeysRequest {
            parent: parent.to_owned(),
            page_size: 2,
            page_token: page_token.to_owned(),
            show_revoked,
        };
        client.access().list_api_keys(request).await.map(tonic::Response::into_inner)
    };
    for (show_revoked, expected) in [(false, 4), (true, 5)] {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let answer = page("accounts/shop", &token, show_revoked).await.unwrap();
            assert!(answer.api_keys.len() <= 2);
            found.extend(answer.api_keys.into_iter().map(|key| key.name));
            assert!(found.len() <= expected, "a page came again: {found:?}");
            token = answer.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        let mut wanted: Vec<_> = names.iter().filter(|name| show_revoked || **name != names[2]).cloned().collect();
        wanted.sort();
        assert_eq!((found.len(), &found), (expected, &wanted));
    }
    let token = page("accounts/shop", "", false).await.unwrap().next_page_token;
    let foreign =
        [("accounts/default", token.as_str(), false), ("accounts/shop", &token, true), ("accounts/shop", "x", false)];
    for (parent, token, show_revoked) in foreign {
        let error = page(parent, token, show_revoked).await.unwrap_err();
        assert_refused(&error, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    }
    // A caller of another account cannot use it either.
    let (_, tenant) = issue(&client, "accounts/shop", key_of(Role::Admin, false)).await;
    let request =
        v1::ListApiKeysRequest { parent: "accounts/shop".to_owned(), page_token: token, ..Default::default() };
    let error = server.client_with(&tenant).access().list_api_keys(request).await.unwrap_err();
    assert_refused(&error, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
}
