//! Plain HTTP: what load balancers and Prometheus are told, and what those cost who want something else.

mod exposition;
mod metrics;
mod peers;
mod readiness;

use std::{collections::BTreeMap, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::server::in_time;
use exposition::Exposition;

/// An answer as it came over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    /// By name in small letters.
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }
}

/// Sends bytes and reads to the end of the connection.
async fn send(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("something listens");
    stream.write_all(request).await.expect("it is taken");
    let mut answer = Vec::new();
    // What was told before a reset is an answer.
    let _ = in_time(stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let mut lines = head.split("\r\n");
    let (version, status) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
    assert!(["HTTP/1.0", "HTTP/1.1"].contains(&version), "{answer:?}");
    let status =
        status.get(..3).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {answer:?}"));
    let headers = lines.map(|line| line.split_once(": ").expect("a header"));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, format!("GET {path} HTTP/1.1\r\nhost: dbkeeper\r\n\r\n").as_bytes()).await
}

/// The status of an answer.
pub(crate) async fn status(address: SocketAddr, path: &str) -> u16 {
    get(address, path).await.status
}

/// Fetches the metrics, which must be in the format of Prometheus to the letter.
pub(crate) async fn fetch(address: SocketAddr) -> Exposition {
    let answer = get(address, "/metrics").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    exposition::read(&answer.body).unwrap_or_else(|wrong| panic!("{wrong}\n{}", answer.body))
}
