//! One unary call: who may make it, how long, how large, and what its failures say.

use std::time::Duration;

use dbkeeper::grpc::{ServerSettings, proto::v1};
use tonic::{Code, codec::CompressionEncoding};
use tonic_types::StatusExt;

use super::support::*;

#[tokio::test]
async fn a_call_without_a_key_is_refused() {
    let server = TestServer::start().await;
    let status = server.bare_client().await.get_operation(get("a")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIALS_MISSING"));

    let mut request = with_key(get("a"), "x");
    request.metadata_mut().insert("authorization", "Basic eDp5".parse().unwrap());
    let status = server.bare_client().await.get_operation(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIALS_MISSING"));
    server.stopped().await;
}

#[tokio::test]
async fn an_unknown_key_is_refused() {
    let server = TestServer::start().await;
    let status = server.client("stranger").operations().get_operation(get("a")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "API_KEY_INVALID"));
    server.stopped().await;
}

#[tokio::test]
async fn the_permission_of_the_contract_is_asked_for() {
    let server = TestServer::start().await;
    let cancel = || v1::CancelOperationRequest { name: "operations/a".to_owned() };
    let status = server.client("reader").operations().cancel_operation(cancel()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "PERMISSION_MISSING"));
    server.client("operator").operations().cancel_operation(cancel()).await.unwrap();

    let answer = server.client("reader").operations().get_operation(get("a")).await.unwrap().into_inner();
    assert_eq!(answer.requested_by, "key/reader");
    let audited = server.seen.audited.lock().unwrap().clone();
    let event = |what, actor: &str, code: &str| {
        (what, "dbkeeper.v1.OperationService/CancelOperation".to_owned(), actor.to_owned(), code.to_owned())
    };
    let refused = event("refusal", "key/reader", "PERMISSION_DENIED");
    assert_eq!(audited, [refused, event("intent", "key/operator", ""), event("outcome", "key/operator", "OK")]);
    server.stopped().await;
}

#[tokio::test]
async fn a_sealed_server_refuses_all_calls() {
    let server = TestServer::start_sealed(ServerSettings::default()).await;
    let status = server.client("reader").operations().get_operation(get("a")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "VAULT_SEALED"));
    server.health.open().await;
    server.client("reader").operations().get_operation(get("a")).await.unwrap();
    server.health.seal().await;
    assert!(server.client("reader").operations().get_operation(get("a")).await.is_err());
    server.stopped().await;
}

#[tokio::test]
async fn the_request_id_comes_back_in_headers_and_errors() {
    let server = TestServer::start().await;
    let mut client = server.bare_client().await;
    let mut request = with_key(get("a"), "reader");
    request.metadata_mut().insert("x-request-id", "my-call-7".parse().unwrap());
    let answer = client.get_operation(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "my-call-7");

    let mut request = with_key(get("absent"), "reader");
    request.metadata_mut().insert("x-request-id", "my-call-8".parse().unwrap());
    let status = client.get_operation(request).await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().metadata["request_id"], "my-call-8");
    assert_eq!(status.metadata().get("x-request-id").unwrap(), "my-call-8");

    let mut request = with_key(get("a"), "reader");
    request.metadata_mut().insert("x-request-id", "not usable".parse().unwrap());
    let answer = client.get_operation(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap().len(), 26);
    server.stopped().await;
}

#[tokio::test]
async fn an_error_of_a_handler_keeps_its_details() {
    let server = TestServer::start().await;
    let status = server.client("reader").operations().get_operation(get("absent")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "OPERATION_NOT_FOUND"));
    assert_eq!(status.get_details_resource_info().unwrap().resource_name, "operations/absent");
    server.stopped().await;
}

#[tokio::test]
async fn a_fault_of_our_own_tells_nothing_of_its_cause() {
    let server = TestServer::start().await;
    for name in ["broken", "panic"] {
        let status = server.client("reader").operations().get_operation(get(name)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "INTERNAL"), "{name}");
        let whole = format!("{status:?}{}", String::from_utf8_lossy(status.details()));
        assert!(!whole.contains("secret"), "{whole}");
    }
    server.client("reader").operations().get_operation(get("a")).await.unwrap();
    server.stopped().await;
}

#[tokio::test]
async fn the_default_deadline_ends_a_call_and_its_work() {
    let settings = ServerSettings { default_deadline: Duration::from_millis(50), ..Default::default() };
    let server = TestServer::start_with(settings).await;
    let status = server.client("reader").operations().get_operation(get("hang")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert!(server.context().await.cancellation.is_cancelled());
    server.stopped().await;
}

#[tokio::test]
async fn the_deadline_of_the_caller_is_kept_within_the_bounds() {
    let settings = ServerSettings { max_deadline: Duration::from_secs(30), ..Default::default() };
    let server = TestServer::start_with(settings).await;
    let before = std::time::Instant::now();
    let client = server.client("reader").with_deadline(Duration::from_secs(3600));
    client.operations().get_operation(get("a")).await.unwrap();
    let deadline = server.context().await.deadline.unwrap();
    assert!(deadline <= std::time::Instant::now() + Duration::from_secs(30));
    assert!(deadline >= before + Duration::from_secs(30));

    let mut request = with_key(get("a"), "reader");
    request.metadata_mut().insert("grpc-timeout", "soon".parse().unwrap());
    let status = server.bare_client().await.get_operation(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    server.stopped().await;
}

#[tokio::test]
async fn a_caller_who_leaves_cancels_the_context() {
    let server = TestServer::start().await;
    let client = server.client("reader");
    let call = tokio::spawn(async move { client.operations().get_operation(get("hang")).await });
    let context = server.context().await;
    assert!(!context.cancellation.is_cancelled());
    call.abort();
    tokio::time::timeout(PATIENCE, context.cancellation.cancelled()).await.unwrap();
    server.stopped().await;
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused() {
    let settings = ServerSettings { max_receive_bytes: 1000, ..Default::default() };
    let server = TestServer::start_with(settings).await;
    let long = get(&"a".repeat(2000));
    let status = server.client("reader").operations().get_operation(long.clone()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));

    // Small on the wire, large when it is unpacked.
    let mut client = server.client("reader").operations().send_compressed(CompressionEncoding::Gzip);
    let status = client.get_operation(long).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    server.stopped().await;
}

#[tokio::test]
async fn too_many_calls_at_once_are_refused_and_the_slot_comes_back() {
    let settings = ServerSettings { max_unary_calls: 1, ..Default::default() };
    let server = TestServer::start_with(settings).await;
    let client = server.client("reader");
    let first = tokio::spawn(async move { client.operations().get_operation(get("hang")).await });
    let context = server.context().await;
    let status = server.client("reader").operations().get_operation(get("a")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "TOO_MANY_REQUESTS"));
    assert!(status.get_details_retry_info().is_some());
    first.abort();
    tokio::time::timeout(PATIENCE, context.cancellation.cancelled()).await.unwrap();
    let again = async {
        while server.client("reader").operations().get_operation(get("a")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
    server.stopped().await;
}

#[tokio::test]
async fn gzip_and_zstd_go_both_ways() {
    let server = TestServer::start().await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let operations = server.client("reader").operations();
        let mut client = operations.send_compressed(encoding).accept_compressed(encoding);
        let answer = client.get_operation(get("a")).await.unwrap();
        let name = if matches!(encoding, CompressionEncoding::Gzip) { "gzip" } else { "zstd" };
        assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), name);
        assert_eq!(answer.into_inner().connection.len(), "connections/".len() + 10_000);
    }
    server.stopped().await;
}

#[test]
fn a_secret_in_an_answer_is_found() {
    let tls = v1::TlsSettings { client_key_pem: "key".to_owned(), ..Default::default() };
    let connection = v1::Connection { display_name: "x".to_owned(), ..Default::default() };
    assert_no_sensitive(&reflected("Connection", &connection));
    let leaking = v1::ListConnectionsResponse {
        connections: vec![v1::Connection { tls: Some(tls), ..connection }],
        ..Default::default()
    };
    let found = std::panic::catch_unwind(|| assert_no_sensitive(&reflected("ListConnectionsResponse", &leaking)));
    assert!(found.is_err());
}
