//! Connections: how many, and what becomes of peers that say nothing.

use std::time::Duration;

use dbkeeper::grpc::ServerSettings;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::*;

/// Reads until the server closes, and fails where it never does.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // A reset is as good an end as any.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the server did not close");
}

#[tokio::test]
async fn a_connection_over_the_cap_is_closed_and_a_place_comes_free() {
    let server = TestServer::start_with(ServerSettings { max_connections: 1, ..Default::default() }).await;
    let channel = server.channel().await;
    let mut client = dbkeeper::grpc::proto::v1::operation_service_client::OperationServiceClient::new(channel);
    client.get_operation(with_key(get("a"), "reader")).await.unwrap();

    closed(TcpStream::connect(server.address).await.unwrap()).await;
    client.get_operation(with_key(get("a"), "reader")).await.unwrap();

    drop(client);
    let again = async {
        while server.client("reader").operations().get_operation(get("a")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
    server.stopped().await;
}

#[tokio::test]
async fn a_peer_that_says_nothing_or_half_a_word_is_dropped() {
    let settings = ServerSettings { handshake_timeout: Duration::from_millis(100), ..Default::default() };
    let server = TestServer::start_with(settings).await;
    closed(TcpStream::connect(server.address).await.unwrap()).await;
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"PRI * HTTP").await.unwrap();
    closed(half).await;
    server.stopped().await;
}

#[tokio::test]
async fn a_peer_that_speaks_something_else_is_dropped() {
    let server = TestServer::start().await;
    let mut other = TcpStream::connect(server.address).await.unwrap();
    other.write_all(b"GET / HTTP/1.1\r\nhost: example\r\n\r\n").await.unwrap();
    closed(other).await;
    server.stopped().await;
}

#[tokio::test]
async fn a_peer_that_no_longer_answers_pings_is_dropped() {
    let settings = ServerSettings {
        keepalive_interval: Duration::from_millis(50),
        keepalive_timeout: Duration::from_millis(50),
        ..Default::default()
    };
    let server = TestServer::start_with(settings).await;
    let mut mute = TcpStream::connect(server.address).await.unwrap();
    mute.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    // An empty SETTINGS frame, and not a word more.
    mute.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    closed(mute).await;
    server.stopped().await;
}
