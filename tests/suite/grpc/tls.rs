//! TLS with certificates that are exchanged while the server runs.

use std::{fs, path::Path, time::Duration};

use dbkeeper::grpc::{ServerSettings, TlsFiles, client::Client};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::support::*;

/// Writes a certificate of its own authority, and returns its PEM.
fn write_certificate(directory: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::write(directory.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.pem()
}

fn settings(directory: &TempDir) -> ServerSettings {
    let tls = TlsFiles {
        certificate: directory.path().join("cert.pem"),
        key: directory.path().join("key.pem"),
        client_ca: None,
        reload_interval: Duration::from_millis(20),
    };
    ServerSettings { tls: Some(tls), ..Default::default() }
}

async fn answers(server: &TestServer, ca_pem: &str) -> bool {
    let url = format!("https://localhost:{}", server.address.port());
    let client = Client::new(&url, Some(ca_pem)).unwrap().with_key(&"reader".into()).unwrap();
    client.operations().get_operation(get("a")).await.is_ok()
}

#[tokio::test]
async fn a_new_certificate_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let first = write_certificate(directory.path());
    let server = TestServer::start_with(settings(&directory)).await;
    assert!(answers(&server, &first).await);

    let second = write_certificate(directory.path());
    let taken_over = async {
        while !answers(&server, &second).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, taken_over).await.unwrap();
    assert!(!answers(&server, &first).await);
    server.stopped().await;
}

#[tokio::test]
async fn a_peer_that_never_shakes_hands_is_dropped() {
    use tokio::io::AsyncReadExt;
    let directory = tempfile::tempdir().unwrap();
    let certificate = write_certificate(directory.path());
    let handshakes =
        ServerSettings { handshake_timeout: Duration::from_millis(300), max_handshakes: 1, ..settings(&directory) };
    let server = TestServer::start_with(handshakes).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("the server did not close");
    assert!(answers(&server, &certificate).await, "the silent peer still holds the only handshake");
    server.stopped().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_stop_the_start() {
    use dbkeeper::grpc::{GrpcServer, Parts, routes::Routes};
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("cert.pem"), "rubbish").unwrap();
    fs::write(directory.path().join("key.pem"), "rubbish").unwrap();
    let settings = settings(&directory);
    let parts = Parts { routes: Routes::new(&settings), authenticator: std::sync::Arc::new(TestKeys), audit: None };
    let error = GrpcServer::bind(([127, 0, 0, 1], 0).into(), settings, parts).await.err().unwrap();
    assert!(error.message().contains("tls.certificate"), "{error}");
}
