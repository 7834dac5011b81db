//! The end of the server: told to everybody, and in time whoever does not listen.

use std::time::Duration;

use dbkeeper::grpc::{ServerSettings, proto::v1};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::support::*;

#[tokio::test]
async fn open_streams_and_waits_are_told() {
    let server = TestServer::start().await;
    let mut stream = server.client("reader").operations().watch_operation(watch("open")).await.unwrap().into_inner();
    for _ in 0..3 {
        stream.message().await.unwrap().unwrap();
    }
    server.seen.context.send_replace(None);
    let client = server.client("reader");
    let wait = tokio::spawn(async move {
        let request = v1::WaitOperationRequest { name: "operations/a".to_owned(), timeout: None };
        client.operations().wait_operation(request).await
    });
    server.context().await;
    let mut health = HealthClient::new(server.channel().await);
    let mut watched = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status, 1);

    let stopped = tokio::spawn(server.stopped());
    let status = stream.message().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
    let status = wait.await.unwrap().unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
    let status = loop {
        match watched.message().await {
            Ok(message) => assert_eq!(message.unwrap().status, 2, "NOT_SERVING"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::Unavailable);
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_call_under_way_is_finished_first() {
    let settings = ServerSettings { default_deadline: Duration::from_millis(500), ..Default::default() };
    let server = TestServer::start_with(settings).await;
    let client = server.client("reader");
    let call = tokio::spawn(async move { client.operations().get_operation(get("hang")).await });
    let context = server.context().await;
    let stopped = tokio::spawn(server.stopped());
    // Had the stop cut it off, it would be CANCELLED or UNAVAILABLE and not at its own end.
    let status = call.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(context.cancellation.is_cancelled());
    stopped.await.unwrap();
}

#[tokio::test]
async fn calls_that_do_not_end_are_cut_off_and_their_work_is_cancelled() {
    let settings = ServerSettings { drain_timeout: Duration::from_millis(100), ..Default::default() };
    let server = TestServer::start_with(settings).await;
    let client = server.client("reader");
    let call = tokio::spawn(async move { client.operations().get_operation(get("hang")).await });
    let context = server.context().await;
    server.stopped().await;
    assert!(context.cancellation.is_cancelled());
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn silent_peers_do_not_hold_the_server() {
    let settings = ServerSettings { drain_timeout: Duration::from_millis(100), ..Default::default() };
    let server = TestServer::start_with(settings).await;
    let _silent = TcpStream::connect(server.address).await.unwrap();
    let mut begun = TcpStream::connect(server.address).await.unwrap();
    begun.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    server.client("reader").operations().get_operation(get("a")).await.unwrap();
    server.stopped().await;
}
