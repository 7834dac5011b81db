//! Peers that ask for something else, too much, or nothing at all.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Output,
};

use futures::future::join_all;
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{get, send};
use crate::{
    harness::{
        process::{ServerProcess, allow_many_files, binary},
        server::{TestServer, in_time},
    },
    rpc::support::until,
};

const SILENT: usize = 1000;
/// Far fewer than the silent ones, and more than the server keeps, with those that it is about to close.
const BOUND: usize = 300;

fn request(method: &str, path: &str, headers: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: dbkeeper\r\n{headers}\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_question_gets_its_answer() {
    let server = TestServer::start_with(|config| {
        config.metrics.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    })
    .await;
    let address = server.metrics_address();
    until(async || get(address, "/readyz").await.status == 200).await;

    for path in ["/healthz", "/readyz", "/metrics", "/healthz?verbose=1"] {
        let told = send(address, &request("GET", path, "")).await;
        let head = send(address, &request("HEAD", path, "")).await;
        assert_eq!((told.status, head.status, head.body.as_str()), (200, 200, ""), "{path}");
        assert_eq!(told.header("content-length"), told.body.len().to_string(), "{path}");
        for name in ["content-type", "cache-control", "x-content-type-options", "connection"] {
            assert_eq!(head.header(name), told.header(name), "{path}");
        }
        assert_eq!(told.header("connection"), "close", "{path}");
        // The body is announced and never sent: whoever waited for it would not answer.
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let told = send(address, &request(method, path, "content-length: 1000000000\r\n")).await;
            assert_eq!((told.status, told.header("allow")), (405, "GET, HEAD"), "{method} {path}");
        }
    }
    for path in ["/", "/healthz/", "/HEALTHZ", "/metrics.txt", "/../healthz", "//healthz"] {
        for method in ["GET", "POST"] {
            assert_eq!(send(address, &request(method, path, "")).await.status, 404, "{method} {path}");
        }
    }
    let old = send(address, b"GET /healthz HTTP/1.0\r\n\r\n").await;
    assert_eq!((old.status, old.body.as_str()), (200, "alive\n"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_long_or_no_http_is_refused() {
    let server = TestServer::start_with(|config| {
        config.metrics.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    })
    .await;
    let address = server.metrics_address();
    until(async || get(address, "/healthz").await.status == 200).await;

    let long_path = format!("/healthz?{}", "x".repeat(7000));
    assert_eq!(send(address, &request("GET", &long_path, "")).await.status, 200, "just not too long");
    // A request line that has no end.
    let endless = format!("GET /{}", "x".repeat(9000));
    assert_eq!(send(address, endless.as_bytes()).await.status, 431);
    let long_header = format!("x-long: {}\r\n", "x".repeat(9000));
    assert_eq!(send(address, &request("GET", "/healthz", &long_header)).await.status, 431);
    assert_eq!(send(address, &request("GET", "/healthz", &"x: y\r\n".repeat(63))).await.status, 200);
    assert_eq!(send(address, &request("GET", "/healthz", &"x: y\r\n".repeat(64))).await.status, 431);
    for garbage in
        ["hello\r\n\r\n", "GET /healthz\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n", "GET /healthz HTTP/1.1\r\na b\r\n\r\n"]
    {
        assert_eq!(send(address, garbage.as_bytes()).await.status, 400, "{garbage:?}");
    }
    assert_eq!(get(address, "/healthz").await.status, 200);
    server.stop().await;
}

/// True once the server has ended the connection, by whatever means.
async fn closed(mut socket: TcpStream) -> bool {
    socket.read(&mut [0; 16]).await.unwrap_or(0) == 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_peers_are_bounded_and_keep_nobody_out() {
    allow_many_files();
    let server = ServerProcess::start(&["metrics.listen=127.0.0.1:0".to_owned()]).await;
    let address = server.metrics_address();
    let before = server.open_files();
    let mut silent = Vec::with_capacity(SILENT);
    for _ in 0..SILENT / 100 {
        let dialled = join_all((0..100).map(|_| TcpStream::connect(address))).await;
        silent.extend(dialled.into_iter().map(|socket| socket.expect("the server accepts")));
        assert_eq!(get(address, "/readyz").await.status, 200, "others are served among them");
        // Whoever came before the one that was served has been taken, too.
        let open = server.open_files();
        assert!(open < before + BOUND, "{open} files are open, {before} were before");
    }
    // The newest are still open: it is not by closing all that others are served.
    let newest = silent.pop().unwrap();
    assert_eq!(newest.try_read(&mut [0; 16]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    silent.push(newest);
    let ended = in_time(join_all(silent.into_iter().map(closed))).await;
    assert_eq!(ended.into_iter().filter(|closed| *closed).count(), SILENT, "a silent peer was told something");
    assert_eq!(get(address, "/readyz").await.status, 200);
}

/// Sends a request letter by letter, for as long as the server takes them.
async fn dribble(address: SocketAddr) {
    use tokio::io::AsyncWriteExt;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let letters = request("GET", "/healthz", &"x: y\r\n".repeat(60));
    for letter in letters.chunks(1) {
        if stream.write_all(letter).await.is_err() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("a request that took over a minute was read to its end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_comes_letter_by_letter_is_cut_off() {
    let server = ServerProcess::start(&["metrics.listen=127.0.0.1:0".to_owned()]).await;
    in_time(dribble(server.metrics_address())).await;
    assert_eq!(get(server.metrics_address(), "/healthz").await.status, 200);
}

#[test]
fn a_port_in_use_stops_the_start() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary();
    command.args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", &address, "--data-dir"]).arg(folder.path());
    let Output { status, stderr, .. } = command.output().unwrap();
    let told = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{told}");
    for words in ["metrics.listen", &address, "address in use", "name another port with --metrics-listen"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}
