//! gRPC-Web, which browsers speak over HTTP/1.1, where it is switched on.

use dbkeeper::grpc::ServerSettings;
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::*;

/// Posts a message as a browser does and returns the whole answer, headers and all.
async fn post(server: &TestServer, message: &impl Message) -> String {
    let body = message.encode_to_vec();
    let head = format!(
        "POST /dbkeeper.v1.OperationService/GetOperation HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/grpc-web+proto\r\nauthorization: Bearer reader\r\ncontent-length: {}\r\n\r\n",
        5 + body.len()
    );
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[0, 0, 0, 0, u8::try_from(body.len()).unwrap()]).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses may reset the connection.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn browsers_and_everybody_else_are_answered_on_one_port() {
    let server = TestServer::start_with(ServerSettings { web: true, ..Default::default() }).await;
    let answer = post(&server, &get("a")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("operations/a") && answer.contains("grpc-status:0"), "{answer}");
    server.client("reader").operations().get_operation(get("a")).await.unwrap();
    server.stopped().await;
}

#[tokio::test]
async fn browsers_are_not_answered_unless_it_is_switched_on() {
    let server = TestServer::start().await;
    let answer = post(&server, &get("a")).await;
    assert!(!answer.contains("operations/a"), "{answer}");
    server.stopped().await;
}
