//! Server streams: in order, ended with a status that says why, and never longer than somebody listens.

use std::time::Duration;

use dbkeeper::grpc::ServerSettings;
use tonic::Code;

use super::support::*;

#[tokio::test]
async fn messages_come_in_order_and_the_stream_ends() {
    let server = TestServer::start().await;
    let mut stream = server.client("reader").operations().watch_operation(watch("a")).await.unwrap().into_inner();
    for expected in 1..=3 {
        assert_eq!(stream.message().await.unwrap().unwrap().sequence, expected);
    }
    assert_eq!(stream.message().await.unwrap(), None);
    server.stopped().await;
}

#[tokio::test]
async fn the_error_of_a_stream_keeps_its_details() {
    let server = TestServer::start().await;
    for (name, code, expected) in
        [("absent", Code::NotFound, "OPERATION_NOT_FOUND"), ("panic", Code::Internal, "INTERNAL")]
    {
        let mut stream = server.client("reader").operations().watch_operation(watch(name)).await.unwrap().into_inner();
        let status = stream.message().await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (code, expected));
    }
    server.stopped().await;
}

#[tokio::test]
async fn a_deadline_ends_a_stream_in_the_middle() {
    let server = TestServer::start().await;
    let mut request = with_key(watch("open"), "reader");
    request.metadata_mut().insert("grpc-timeout", "300m".parse().unwrap());
    let mut stream = server.bare_client().await.watch_operation(request).await.unwrap().into_inner();
    for expected in 1..=3 {
        assert_eq!(stream.message().await.unwrap().unwrap().sequence, expected);
    }
    let status = stream.message().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert!(server.context().await.cancellation.is_cancelled());
    server.stopped().await;
}

#[tokio::test]
async fn a_stream_has_no_deadline_unless_its_caller_asks() {
    let settings = ServerSettings { default_deadline: Duration::from_millis(1), ..Default::default() };
    let server = TestServer::start_with(settings).await;
    let mut stream = server.client("reader").operations().watch_operation(watch("a")).await.unwrap().into_inner();
    while stream.message().await.unwrap().is_some() {}
    assert_eq!(server.context().await.deadline, None);
    server.stopped().await;
}

#[tokio::test]
async fn a_listener_who_leaves_ends_the_work() {
    let server = TestServer::start().await;
    let mut stream = server.client("reader").operations().watch_operation(watch("endless")).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let context = server.context().await;
    assert!(!context.cancellation.is_cancelled());
    drop(stream);
    tokio::time::timeout(PATIENCE, context.cancellation.cancelled()).await.unwrap();
    server.stopped().await;
}

#[tokio::test]
async fn a_deadline_holds_for_a_listener_who_does_not_read() {
    let server = TestServer::start().await;
    let mut request = with_key(watch("endless"), "reader");
    request.metadata_mut().insert("grpc-timeout", "300m".parse().unwrap());
    let stream = server.bare_client().await.watch_operation(request).await.unwrap().into_inner();
    let context = server.context().await;
    tokio::time::timeout(PATIENCE, context.cancellation.cancelled()).await.unwrap();
    drop(stream);
    server.stopped().await;
}

#[tokio::test]
async fn streams_have_slots_of_their_own() {
    let settings = ServerSettings { max_streams: 1, ..Default::default() };
    let server = TestServer::start_with(settings).await;
    let mut first = server.client("reader").operations().watch_operation(watch("open")).await.unwrap().into_inner();
    first.message().await.unwrap().unwrap();
    let status = server.client("reader").operations().watch_operation(watch("open")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "TOO_MANY_REQUESTS"));
    server.client("reader").operations().get_operation(get("a")).await.unwrap();
    server.stopped().await;
}
