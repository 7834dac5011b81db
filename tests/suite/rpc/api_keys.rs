//! API keys: made, narrowed, rotated, revoked; each change holds from the next call on.

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, Permission, Role},
};
use prost_types::{Duration, FieldMask};
use secrecy::{ExposeSecret, SecretString};
use tonic::{Code, Status};

use super::{
    answer::{assert_field, assert_no_leak, assert_refused, assert_says},
    support::{end_of, issue, key_of, make_account, viewer, watch},
};
use crate::harness::server::TestServer;

const DEFAULT: &str = "accounts/default";

async fn who(server: &TestServer, key: &SecretString) -> Result<v1::Identity, Status> {
    server.client_with(key).access().who_am_i(v1::WhoAmIRequest {}).await.map(tonic::Response::into_inner)
}

async fn get(client: &Client, name: &str) -> v1::ApiKey {
    client.access().get_api_key(v1::GetApiKeyRequest { name: name.to_owned() }).await.unwrap().into_inner()
}

async fn update(client: &Client, key: v1::ApiKey, paths: &[&str]) -> Result<v1::ApiKey, Status> {
    let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
    let request = v1::UpdateApiKeyRequest { api_key: Some(key), update_mask: Some(mask), validate_only: false };
    client.access().update_api_key(request).await.map(tonic::Response::into_inner)
}

async fn revoke(client: &Client, name: &str) -> Result<v1::ApiKey, Status> {
    let request = v1::RevokeApiKeyRequest { name: name.to_owned(), ..Default::default() };
    client.access().revoke_api_key(request).await.map(tonic::Response::into_inner)
}

async fn rotate(client: &Client, name: &str, overlap: i64, request_id: &str) -> Result<v1::IssuedApiKey, Status> {
    let request = v1::RotateApiKeyRequest {
        name: name.to_owned(),
        overlap: Some(Duration { seconds: overlap, nanos: 0 }),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    client.access().rotate_api_key(request).await.map(tonic::Response::into_inner)
}

async fn create(client: &Client, key: v1::ApiKey) -> Result<v1::IssuedApiKey, Status> {
    let request = v1::CreateApiKeyRequest { parent: DEFAULT.to_owned(), api_key: Some(key), ..Default::default() };
    client.access().create_api_key(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_told_once_and_never_again() {
    let server = TestServer::start().await;
    let client = server.client();
    let request = v1::CreateApiKeyRequest {
        parent: DEFAULT.to_owned(),
        api_key: Some(key_of(Role::Operator, false)),
        request_id: "once".to_owned(),
        validate_only: false,
    };
    let dry = v1::CreateApiKeyRequest { validate_only: true, request_id: String::new(), ..request.clone() };
    let checked = client.access().create_api_key(dry).await.unwrap().into_inner();
    assert_eq!(checked.key, "", "a key that was only checked has no text");

    let issued = client.access().create_api_key(request.clone()).await.unwrap().into_inner();
    let (key, text) = (issued.api_key.unwrap(), SecretString::from(issued.key));
    let identity = who(&server, &text).await.unwrap();
    assert_eq!((identity.api_key.as_str(), identity.role()), (key.name.as_str(), Role::Operator));

    let repeated = client.access().create_api_key(request.clone()).await.unwrap().into_inner();
    assert_eq!((repeated.api_key.unwrap().name, repeated.key), (key.name.clone(), String::new()));
    let other = v1::CreateApiKeyRequest { api_key: Some(key_of(Role::Viewer, false)), ..request };
    let error = client.access().create_api_key(other).await.unwrap_err();
    assert_refused(&error, Code::AlreadyExists, "REQUEST_ID_REUSED");

    let list = v1::ListApiKeysRequest { parent: DEFAULT.to_owned(), ..Default::default() };
    let listed = client.access().list_api_keys(list).await.unwrap().into_inner();
    assert_eq!(listed.api_keys.len(), 2, "the one of the first start and the new one");
    let secret = text.expose_secret().split('_').nth(2).unwrap();
    assert!(!format!("{listed:?} {:?}", get(&client, &key.name).await).contains(secret));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_a_key_holds_from_the_next_call_on() {
    let server = TestServer::start().await;
    let client = server.client();
    let (name, text) = issue(&client, DEFAULT, key_of(Role::Admin, true)).await;
    assert_eq!(who(&server, &text).await.unwrap().permissions.len(), 5);

    let elsewhere = v1::ApiKey { name: name.clone(), cidrs: vec!["203.0.113.0/24".to_owned()], ..Default::default() };
    update(&client, elsewhere, &["cidrs"]).await.unwrap();
    assert_refused(&who(&server, &text).await.unwrap_err(), Code::Unauthenticated, "API_KEY_INVALID");
    let here = vec!["203.0.113.0/24".to_owned(), "127.0.0.0/8".to_owned()];
    let here = v1::ApiKey { name: name.clone(), cidrs: here, ..Default::default() };
    update(&client, here, &[]).await.unwrap();
    assert_eq!(who(&server, &text).await.unwrap().permissions.len(), 5);

    let scopes = vec![Permission::Read.into(), Permission::Restore.into()];
    let narrowed = v1::ApiKey { name: name.clone(), scopes: scopes.clone(), ..Default::default() };
    assert_eq!(update(&client, narrowed, &[]).await.unwrap().permissions, scopes);
    assert_eq!(who(&server, &text).await.unwrap().permissions, scopes);

    let stale =
        v1::ApiKey { name: name.clone(), etag: "r1".to_owned(), display_name: "Late".to_owned(), ..Default::default() };
    assert_refused(&update(&client, stale, &[]).await.unwrap_err(), Code::Aborted, "ETAG_MISMATCH");
    let unknown = v1::ApiKey { name: name.clone(), ..Default::default() };
    assert_refused(&update(&client, unknown, &["role"]).await.unwrap_err(), Code::InvalidArgument, "UNKNOWN_FIELD");

    let revoked = revoke(&client, &name).await.unwrap();
    assert_eq!(revoked.state(), v1::ApiKeyState::Revoked);
    assert_refused(&who(&server, &text).await.unwrap_err(), Code::Unauthenticated, "API_KEY_INVALID");
    assert_eq!(revoke(&client, &name).await.unwrap().revoke_time, revoked.revoke_time, "the first time counts");
    let renamed = v1::ApiKey { name: name.clone(), display_name: "Gone".to_owned(), ..Default::default() };
    assert_refused(&update(&client, renamed, &[]).await.unwrap_err(), Code::FailedPrecondition, "API_KEY_ENDED");
    assert_refused(&rotate(&client, &name, 0, "").await.unwrap_err(), Code::FailedPrecondition, "API_KEY_ENDED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_let_in_after_a_revocation_was_answered() {
    let server = TestServer::start().await;
    let client = server.client();
    for _ in 0..10 {
        let (name, text) = issue(&client, DEFAULT, viewer("hammered")).await;
        let hammered = server.client_with(&text);
        let (answered, revoked) = tokio::sync::watch::channel(false);
        let hammering = (0..4).map(|_| {
            let (caller, revoked) = (hammered.clone(), revoked.clone());
            tokio::spawn(async move {
                loop {
                    let was_revoked = *revoked.borrow();
                    let let_in = caller.access().who_am_i(v1::WhoAmIRequest {}).await.is_ok();
                    assert!(!(was_revoked && let_in), "a revoked key was let in");
                    if was_revoked {
                        return;
                    }
                }
            })
        });
        let hammering: Vec<_> = hammering.collect();
        revoke(&client, &name).await.unwrap();
        answered.send(true).unwrap();
        for task in hammering {
            task.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_stream_ends_when_its_key_is_revoked() {
    let server = TestServer::start().await;
    let client = server.client();
    let (name, text) = issue(&client, DEFAULT, viewer("watches")).await;
    let watching = watch(&server.client_with(&text)).await;
    // A change of the key in between has it read anew, and the stream still belongs to it.
    let renamed = v1::ApiKey { name: name.clone(), display_name: "Watches on".to_owned(), ..Default::default() };
    update(&client, renamed, &[]).await.unwrap();
    who(&server, &text).await.unwrap();
    revoke(&client, &name).await.unwrap();
    assert_refused(&end_of(watching).await, Code::Unauthenticated, "CREDENTIALS_ENDED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_the_text_that_it_was_opened_with() {
    let server = TestServer::start().await;
    let client = server.client();
    let (name, first) = issue(&client, DEFAULT, viewer("watches")).await;
    let open = async |text: &SecretString| watch(&server.client_with(text)).await;
    let before = open(&first).await;
    let second = SecretString::from(rotate(&client, &name, 3600, "").await.unwrap().key);
    let streams = [before, open(&first).await, open(&second).await];
    let third = SecretString::from(rotate(&client, &name, 0, "").await.unwrap().key);
    for stream in streams {
        assert_refused(&end_of(stream).await, Code::Unauthenticated, "CREDENTIALS_ENDED");
    }

    // Those of the old text end with the overlap.
    let before = open(&third).await;
    let fourth = SecretString::from(rotate(&client, &name, 5, "").await.unwrap().key);
    let until = who(&server, &third).await.unwrap().expire_time.expect("the old text has an end of its own");
    let until = std::time::SystemTime::try_from(until).unwrap();
    let during = open(&third).await;
    let lasting = open(&fourth).await;
    for stream in [before, during] {
        assert_refused(&end_of(stream).await, Code::Unauthenticated, "CREDENTIALS_ENDED");
    }
    assert!(std::time::SystemTime::now() >= until, "they ended before their time");
    assert_eq!(who(&server, &fourth).await.unwrap().expire_time, None);

    // An end that is set afterwards is theirs, too.
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
    let ending = v1::ApiKey { name, expire_time: Some(soon.into()), ..Default::default() };
    update(&client, ending, &["expire_time"]).await.unwrap();
    assert_refused(&end_of(lasting).await, Code::Unauthenticated, "CREDENTIALS_ENDED");
    assert!(std::time::SystemTime::now() >= soon, "it ended before its time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_is_taken_with_both_texts_while_the_overlap_runs() {
    let server = TestServer::start().await;
    let client = server.client();
    let (name, first) = issue(&client, DEFAULT, viewer("rotated")).await;
    let rotated = rotate(&client, &name, 3600, "turn").await.unwrap();
    let second = SecretString::from(rotated.key);
    let key = rotated.api_key.unwrap();
    assert_eq!(key.name, name, "the key stays the same resource");
    assert!(key.previous_expire_time.is_some());
    for text in [&first, &second] {
        assert_eq!(who(&server, text).await.unwrap().api_key, name);
    }

    let repeated = rotate(&client, &name, 3600, "turn").await.unwrap();
    assert_eq!(repeated.key, "", "a repeat tells no secret");
    assert!(who(&server, &first).await.is_ok(), "a repeat rotates nothing");
    let error = rotate(&client, &name, 60, "").await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "API_KEY_ROTATING");
    assert_says(&error, "overlap 0s");

    let third = SecretString::from(rotate(&client, &name, 0, "").await.unwrap().key);
    for ended in [&first, &second] {
        assert_refused(&who(&server, ended).await.unwrap_err(), Code::Unauthenticated, "API_KEY_INVALID");
    }
    assert!(who(&server, &third).await.is_ok());

    let fourth = SecretString::from(rotate(&client, &name, 1, "").await.unwrap().key);
    super::support::until(async || who(&server, &third).await.is_err()).await;
    assert!(who(&server, &fourth).await.is_ok(), "only the old text ends with the overlap");
    let error = rotate(&client, &name, 31 * 24 * 3600, "").await.unwrap_err();
    assert_field(&error, "overlap", "30days");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gives_what_they_do_not_hold() {
    let server = TestServer::start().await;
    let root = server.client();
    let (_, text) = issue(&root, DEFAULT, key_of(Role::Admin, false)).await;
    let admin = server.client_with(&text);
    let error = create(&admin, key_of(Role::Viewer, true)).await.unwrap_err();
    assert_refused(&error, Code::PermissionDenied, "PERMISSION_MISSING");
    assert_says(&error, "RESTORE");
    create(&admin, key_of(Role::Admin, false)).await.expect("what it holds it may give");

    let (strong, _) = issue(&root, DEFAULT, key_of(Role::Viewer, true)).await;
    let error = rotate(&admin, &strong, 0, "").await.unwrap_err();
    assert_refused(&error, Code::PermissionDenied, "PERMISSION_MISSING");
    let wider = v1::ApiKey { name: strong.clone(), display_name: "Mine".to_owned(), ..Default::default() };
    let error = update(&admin, wider, &[]).await.unwrap_err();
    assert_refused(&error, Code::PermissionDenied, "PERMISSION_MISSING");
    revoke(&admin, &strong).await.expect("to end a key gives nothing");

    let scopes = vec![Permission::Read.into(), Permission::Admin.into()];
    let (_, text) = issue(&root, DEFAULT, v1::ApiKey { scopes, ..key_of(Role::Admin, true) }).await;
    let scoped = server.client_with(&text);
    let error = create(&scoped, key_of(Role::Operator, false)).await.unwrap_err();
    assert_says(&error, "OPERATE");
    create(&scoped, viewer("within")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_admin_key_stays() {
    let server = TestServer::start().await;
    let client = server.client();
    let own = client.access().who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner().api_key;
    issue(&client, DEFAULT, key_of(Role::Operator, true)).await;
    let scopes = vec![Permission::Read.into(), Permission::Operate.into(), Permission::Admin.into()];
    issue(&client, DEFAULT, v1::ApiKey { scopes: scopes.clone(), ..key_of(Role::Admin, false) }).await;

    assert_refused(&revoke(&client, &own).await.unwrap_err(), Code::FailedPrecondition, "LAST_ADMIN_KEY");
    let narrowed = v1::ApiKey { name: own.clone(), scopes, ..Default::default() };
    assert_refused(&update(&client, narrowed, &[]).await.unwrap_err(), Code::FailedPrecondition, "LAST_ADMIN_KEY");
    assert_eq!(get(&client, &own).await.state(), v1::ApiKeyState::Active);
    // Neither is it kept from where it is used; another that is good elsewhere only does not help.
    let elsewhere = v1::ApiKey { cidrs: vec!["192.0.2.0/24".to_owned()], ..key_of(Role::Admin, true) };
    issue(&client, DEFAULT, elsewhere.clone()).await;
    let moved = v1::ApiKey { name: own.clone(), cidrs: elsewhere.cidrs, ..Default::default() };
    for outcome in [update(&client, moved.clone(), &["cidrs"]).await.map(drop), revoke(&client, &own).await.map(drop)] {
        let error = outcome.unwrap_err();
        assert_refused(&error, Code::FailedPrecondition, "LAST_ADMIN_KEY");
        assert_says(&error, "127.0.0.1");
    }
    let here = v1::ApiKey { cidrs: vec!["127.0.0.0/8".to_owned()], ..moved };
    update(&client, here, &["cidrs"]).await.expect("it can still be used from here");

    let (_, text) = issue(&client, DEFAULT, key_of(Role::Admin, true)).await;
    revoke(&client, &own).await.expect("another key manages the account now");
    assert!(who(&server, &text).await.is_ok());

    make_account(&server.client_with(&text), "tenant").await;
    let root = server.client_with(&text);
    let (only, text) = issue(&root, "accounts/tenant", key_of(Role::Admin, false)).await;
    let tenant = server.client_with(&text);
    assert_refused(&revoke(&tenant, &only).await.unwrap_err(), Code::FailedPrecondition, "LAST_ADMIN_KEY");
    revoke(&root, &only).await.expect("the server's administrators may close an account");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_use_of_a_key_is_known_and_survives_a_restart() {
    let server = TestServer::start().await;
    let (name, text) = issue(&server.client(), DEFAULT, viewer("used")).await;
    assert_eq!(get(&server.client(), &name).await.last_use_time, None);
    who(&server, &text).await.unwrap();
    let used = get(&server.client(), &name).await;
    assert!(used.last_use_time.is_some());
    assert_eq!((used.last_use_address.as_str(), used.etag.as_str()), ("127.0.0.1", "r1"));

    let server = server.stop().await.start().await;
    assert_eq!(get(&server.client(), &name).await.last_use_time, used.last_use_time);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_is_refused_with_field_and_rule() {
    let server = TestServer::start().await;
    let client = server.client();
    let past = prost_types::Timestamp { seconds: 1, nanos: 0 };
    let with = |change: &dyn Fn(&mut v1::ApiKey)| {
        let mut key = viewer("bad");
        change(&mut key);
        key
    };
    for (key, field, rule) in [
        (with(&|key| key.display_name = String::new()), "api_key.display_name", "1 to 100"),
        (with(&|key| key.display_name = "x".repeat(101)), "api_key.display_name", "1 to 100"),
        (with(&|key| key.display_name = "a\nb".to_owned()), "api_key.display_name", "control"),
        (with(&|key| key.role = 0), "api_key.role", "ROLE_VIEWER"),
        (with(&|key| key.role = 99), "api_key.role", "ROLE_VIEWER"),
        (with(&|key| key.scopes = vec![99]), "api_key.scopes", "99"),
        (with(&|key| key.scopes = vec![Permission::Read.into(), Permission::Admin.into()]), "api_key.scopes", "ADMIN"),
        (with(&|key| key.scopes = vec![Permission::Restore.into()]), "api_key.scopes", "PERMISSION_READ"),
        (with(&|key| key.cidrs = vec!["10.0.0.1/8".to_owned()]), "api_key.cidrs", "10.0.0.0/8"),
        (with(&|key| key.cidrs = vec!["here".to_owned()]), "api_key.cidrs", "address range"),
        (with(&|key| key.cidrs = vec!["10.0.0.1".to_owned(); 65]), "api_key.cidrs", "64"),
        (with(&|key| key.expire_time = Some(past)), "api_key.expire_time", "future"),
    ] {
        assert_field(&create(&client, key).await.unwrap_err(), field, rule);
    }
    for name in ["", "accounts/default", "accounts/default/apiKeys/x", "accounts//apiKeys/0000000000000000"] {
        let error = revoke(&client, name).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{name:?}");
    }
    let missing = "accounts/default/apiKeys/0000000000000000";
    assert_refused(&revoke(&client, missing).await.unwrap_err(), Code::NotFound, "API_KEY_NOT_FOUND");
    let (name, text) = issue(&client, DEFAULT, viewer("other")).await;
    let moved = name.replace("/default/", "/nowhere/");
    let error = revoke(&client, &moved).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound, "a key is found under its own account alone");
    assert_no_leak(&error, text.expose_secret());
}
