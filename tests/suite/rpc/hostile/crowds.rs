//! Many at one time who want nothing: readers that do not read, peers that do not speak.

use std::{fs, time::Duration};

use dbkeeper::grpc::{client::Client, proto::v1};
use futures::future::join_all;
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream};
use tonic::Streaming;

use super::super::support::{back_up, register, settings, until};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        certificates::Certificates,
        process::{ServerProcess, allow_many_files},
        server::{TestServer, in_time},
    },
};

const STREAMS: usize = 1000;
const STALLED: usize = 100;
const SILENT: usize = 2000;
/// Streams of one client; the server allows 256 on a connection.
const STREAMS_A_CLIENT: usize = 200;
/// A stalled download holds 16 pieces of 64 KiB, the chunks of up to 4 MiB that they are cut from, which are two at most, and
/// HTTP/2's own send buffer of 400 KiB; an open stream of samples some 50 KiB. That makes 100 times 8.4 MiB and 50 MiB, with the
/// allocator's share 1 GiB. Unbounded, the downloads alone would come to 2.4 GiB.
const BOUND: u64 = 1024 * 1024 * 1024;

async fn watch_metrics(client: &Client) -> Streaming<v1::StreamMetricsResponse> {
    let request = v1::StreamMetricsRequest {
        connection: "connections/shop".to_owned(),
        interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    let mut stream = client.monitor().stream_metrics(request).await.unwrap().into_inner();
    in_time(stream.message()).await.unwrap().expect("a first sample");
    stream
}

/// Begins a download and reads no further than its header.
async fn stalled_download(client: &Client, name: &str) -> Streaming<v1::DownloadBackupResponse> {
    let request = v1::DownloadBackupRequest { name: name.to_owned() };
    let mut stream = client.backups().download_backup(request).await.unwrap().into_inner();
    in_time(stream.message()).await.unwrap().expect("a header");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_streams_and_stalled_readers_cost_bounded_memory() {
    let fixture = PostgresFixture::new();
    let database = fixture.create_database().await;
    // 24 MB that do not compress to nothing.
    fixture
        .run(
            &database,
            "CREATE TABLE item (id integer PRIMARY KEY, text text);
             INSERT INTO item SELECT i, (SELECT string_agg(md5((i * 100 + j)::text), '') FROM generate_series(1, 64) j)
             FROM generate_series(1, 12000) i;",
        )
        .await;
    let limits = ["server.limits.max_streams=2000", "server.limits.max_connections=2000"].map(str::to_owned);
    let server = ServerProcess::start(&limits).await;
    let client = server.client();
    register(&client, "shop", settings(&fixture.target(&database))).await;
    let backup = back_up(&client, "connections/shop", "first").await;
    let before = server.resident_bytes();

    let mut open = Vec::new();
    for _ in 0..STREAMS / STREAMS_A_CLIENT {
        let client = server.client();
        open.extend(join_all((0..STREAMS_A_CLIENT).map(|_| watch_metrics(&client))).await);
    }
    // Each stalled reader has a connection of its own, so that the window of one does not stop the others.
    let clients: Vec<Client> = (0..STALLED).map(|_| server.client()).collect();
    let stalled = join_all(clients.iter().map(|client| stalled_download(client, &backup))).await;
    // All that a download sends unasked is on its way when nothing is added any more.
    let mut settled = 0;
    until(async || {
        let last = std::mem::replace(&mut settled, server.resident_bytes());
        tokio::time::sleep(Duration::from_millis(300)).await;
        settled.abs_diff(last) < 1024 * 1024
    })
    .await;
    assert_eq!((open.len(), stalled.len()), (STREAMS, STALLED));
    let grown = settled.saturating_sub(before);
    assert!(grown < BOUND, "{grown} bytes for {STREAMS} streams and {STALLED} stalled readers");
    for stream in open.iter_mut().step_by(100) {
        in_time(stream.message()).await.unwrap().expect("the streams go on");
    }
    client.connections().list_connections(v1::ListConnectionsRequest::default()).await.expect("the server works");
}

/// A server with TLS, and a client's view of it.
async fn tls_server(folder: &TempDir, handshake_timeout: Duration) -> (TestServer, Client) {
    let certificates = Certificates::generate();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, &certificates.server_cert_pem).unwrap();
    fs::write(&key, &certificates.server_key_pem).unwrap();
    let server = TestServer::start_with(|config| {
        config.server.tls_certificate_file = Some(certificate);
        config.server.tls_key_file = Some(key);
        config.server.limits.max_connections = 4096;
        config.server.limits.handshake_timeout = handshake_timeout;
    })
    .await;
    let url = server.url().replace("http://127.0.0.1", "https://localhost");
    let client = Client::new(&url, Some(&certificates.ca_pem)).unwrap().with_key(&server.admin_key()).unwrap();
    (server, client)
}

async fn silent_sockets(server: &TestServer) -> Vec<TcpStream> {
    let address = server.url().replace("http://", "");
    let mut sockets = Vec::with_capacity(SILENT);
    // A hundred at a time, which the queue of the listening socket holds.
    for _ in 0..SILENT / 100 {
        let dialled = join_all((0..100).map(|_| TcpStream::connect(address.clone()))).await;
        sockets.extend(dialled.into_iter().map(|socket| socket.expect("the server accepts")));
    }
    sockets
}

async fn assert_served(client: &Client) {
    let list = v1::ListConnectionsRequest::default();
    in_time(client.connections().list_connections(list)).await.expect("another caller is served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_sockets_keep_nobody_from_being_served_and_are_closed() {
    allow_many_files();
    let folder = TempDir::new().unwrap();
    // With a time-out that does not come, whoever is served is served beside the silent ones.
    let (server, client) = tls_server(&folder, Duration::from_secs(3600)).await;
    let sockets = silent_sockets(&server).await;
    assert_served(&client).await;
    drop((sockets, client));
    server.stop().await;

    let (server, client) = tls_server(&folder, Duration::from_secs(1)).await;
    let sockets = silent_sockets(&server).await;
    assert_served(&client).await;
    let closed = sockets.into_iter().map(|mut socket| async move {
        // A reset is an end as well.
        socket.read(&mut [0; 16]).await.unwrap_or(0)
    });
    let told = in_time(join_all(closed)).await;
    assert!(told.iter().all(|bytes| *bytes == 0), "a silent peer was told something");
    assert_served(&client).await;
}
