//! How often one may call, how often one may guess, and where a call comes from.

use dbkeeper::grpc::proto::v1::{self, Role};
use secrecy::{ExposeSecret, SecretString};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::{
    answer::assert_refused,
    support::{issue, key_of, viewer},
};
use crate::harness::server::TestServer;

const DEFAULT: &str = "accounts/default";
/// More calls than a rate of one a second lets pass on the slowest machine.
const MANY: usize = 60;

async fn who(server: &TestServer, key: &SecretString) -> Result<(), Status> {
    server.client_with(key).access().who_am_i(v1::WhoAmIRequest {}).await.map(drop)
}

/// A call with a header that a proxy, or whoever pretends to be one, has set.
async fn who_forwarded(server: &TestServer, key: &SecretString, forwarded: &str) -> Result<(), Status> {
    who_forwarded_in(server, key, &[forwarded.as_bytes()]).await
}

/// The same with a header of several lines, which need not be text.
async fn who_forwarded_in(server: &TestServer, key: &SecretString, lines: &[&[u8]]) -> Result<(), Status> {
    let channel = tonic::transport::Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
    let mut request = Request::new(v1::WhoAmIRequest {});
    request.metadata_mut().insert("authorization", format!("Bearer {}", key.expose_secret()).parse().unwrap());
    for line in lines {
        request.metadata_mut().append("x-forwarded-for", (*line).try_into().unwrap());
    }
    let mut client = v1::access_service_client::AccessServiceClient::new(channel);
    client.who_am_i(request).await.map(drop)
}

fn assert_limited(error: &Status) {
    assert_refused(error, Code::ResourceExhausted, "RATE_LIMITED");
    assert!(error.get_details_quota_failure().is_some(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_may_call_so_often_and_no_more() {
    let server = TestServer::start_with(|config| config.access.rate_per_address = 1).await;
    let client = server.client();
    let mut outcomes = Vec::new();
    for _ in 0..MANY {
        outcomes.push(client.access().who_am_i(v1::WhoAmIRequest {}).await);
    }
    assert!(outcomes[0].is_ok(), "the first call is within any rate");
    let refused = outcomes.iter().find_map(|outcome| outcome.as_ref().err()).expect("so many calls are too many");
    assert_limited(refused);
    // Before it is known who calls: bad credentials are not looked at either.
    let mut reasons = Vec::new();
    for _ in 0..MANY {
        reasons.push(who(&server, &"rubbish".to_owned().into()).await.unwrap_err().code());
    }
    assert!(reasons.contains(&Code::ResourceExhausted), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_may_call_so_often_and_others_are_not_held_up() {
    let server = TestServer::start_with(|config| config.access.rate_per_caller = 1).await;
    let (_, quiet) = issue(&server.client(), DEFAULT, viewer("quiet")).await;
    let mut refused = None;
    for _ in 0..MANY {
        refused = refused.or(who(&server, &server.admin_key()).await.err());
    }
    assert_limited(&refused.expect("so many calls are too many"));
    who(&server, &quiet).await.expect("another caller has a rate of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_is_not_listened_to_and_who_was_known_goes_on() {
    let server = TestServer::start_with(|config| config.access.failures_per_address = 3).await;
    let (_, used) = issue(&server.client(), DEFAULT, viewer("used before")).await;
    let (_, fresh) = issue(&server.client(), DEFAULT, viewer("never used")).await;
    who(&server, &used).await.unwrap();
    let guess = SecretString::from(format!("{}0", fresh.expose_secret()));
    let mut refusals = Vec::new();
    for _ in 0..6 {
        refusals.push(who(&server, &guess).await.unwrap_err());
    }
    assert_refused(&refusals[0], Code::Unauthenticated, "API_KEY_INVALID");
    assert_refused(&refusals[2], Code::Unauthenticated, "API_KEY_INVALID");
    assert_limited(&refusals[5]);
    // A right guess is not told from a wrong one.
    assert_limited(&who(&server, &fresh).await.unwrap_err());
    who(&server, &used).await.expect("a key that was used well from here is taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forwarded_header_counts_from_trusted_proxies_alone() {
    let there = || v1::ApiKey { cidrs: vec!["203.0.113.0/24".to_owned()], ..key_of(Role::Viewer, false) };
    let server = TestServer::start().await;
    let (_, key) = issue(&server.client(), DEFAULT, there()).await;
    let error = who_forwarded(&server, &key, "203.0.113.9").await.unwrap_err();
    assert_refused(&error, Code::Unauthenticated, "API_KEY_INVALID");

    let server = TestServer::start_with(|config| {
        config.access.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
        config.access.failures_per_address = 2;
    })
    .await;
    let (name, key) = issue(&server.client(), DEFAULT, there()).await;
    who_forwarded(&server, &key, "203.0.113.9").await.expect("the proxy says where the call comes from");
    let used = server.client().access().get_api_key(v1::GetApiKeyRequest { name }).await.unwrap().into_inner();
    assert_eq!(used.last_use_address, "203.0.113.9");
    let error = who_forwarded(&server, &key, "203.0.113.9, 198.51.100.1").await.unwrap_err();
    assert_refused(&error, Code::Unauthenticated, "API_KEY_INVALID");

    // The proxy has added the true address to a line of the caller's that is no text.
    let forged = [&b"203.0.113.9"[..], b"\xff, 198.51.100.1"];
    let error = who_forwarded_in(&server, &key, &forged).await.unwrap_err();
    assert_refused(&error, Code::Unauthenticated, "API_KEY_INVALID");
    let forged = [&b"203.0.113.9"[..], b"\xff"];
    let error = who_forwarded_in(&server, &key, &forged).await.unwrap_err();
    assert_refused(&error, Code::Unauthenticated, "API_KEY_INVALID");

    for _ in 0..3 {
        let _ = who_forwarded(&server, &"rubbish".to_owned().into(), "198.51.100.7").await;
    }
    let admin = server.admin_key();
    assert_limited(&who_forwarded(&server, &admin, "203.0.113.5, 198.51.100.7").await.unwrap_err());
    who_forwarded(&server, &admin, "198.51.100.8").await.expect("the neighbour has done nothing");
}
