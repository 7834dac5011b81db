//! Whether a server is ready: the same that the health service of gRPC tells, from the start to the end.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
};

use dbkeeper::grpc::{client::Client, proto::v1};
use tokio::net::TcpStream;
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::{Answer, get};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        process::{ServerProcess, binary},
        server::{TestServer, in_time},
    },
    rpc::support::{HeldCatalog, register, settings, until},
};

async fn start() -> TestServer {
    TestServer::start_with(|config| {
        config.metrics.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    })
    .await
}

/// What the server says of itself once it has taken up what an earlier run left.
async fn readiness(server: &TestServer) -> Answer {
    let mut answer = get(server.metrics_address(), "/readyz").await;
    until(async || {
        answer = get(server.metrics_address(), "/readyz").await;
        !answer.body.starts_with("starting")
    })
    .await;
    answer
}

/// What gRPC and plain HTTP say at one time.
async fn assert_both(server: &TestServer, status: u16, body: &str, serving: ServingStatus) {
    let answer = readiness(server).await;
    assert_eq!((answer.status, answer.body.as_str()), (status, body));
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let channel = Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
    let told = HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(told.status(), serving);
    let alive = get(server.metrics_address(), "/healthz").await;
    assert_eq!((alive.status, alive.body.as_str()), (200, "alive\n"));
    fetch_anything(server).await;
}

/// Metrics are told whatever else is; those of a test are of its whole process.
async fn fetch_anything(server: &TestServer) {
    assert_eq!(get(server.metrics_address(), "/metrics").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_server_is_alive_and_not_ready_until_it_is_unsealed() {
    let server = start().await;
    assert_both(&server, 200, "ready\n", ServingStatus::Serving).await;
    let mut stopped = server.stop().await;
    let key_file = stopped.config().vault.key_file.clone();
    let right = fs::read_to_string(&key_file).unwrap();
    fs::remove_file(&key_file).unwrap();

    let server = stopped.start().await;
    let sealed = "sealed: the server waits for its master key\n";
    assert_both(&server, 503, sealed, ServingStatus::NotServing).await;
    // The program that images ask says the same.
    let listen = server.metrics_address().to_string();
    let asked = binary().args(["health", "--metrics-listen", &listen]).output().unwrap();
    assert_eq!((asked.status.code(), String::from_utf8(asked.stdout).unwrap().as_str()), (Some(1), sealed));
    let request = v1::UnsealRequest { master_key: right };
    Client::new(&server.url(), None).unwrap().vault().unseal(request).await.expect("the right key");
    assert_both(&server, 200, "ready\n", ServingStatus::Serving).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_drains_says_so_to_the_end() {
    let server = start().await;
    assert_eq!(readiness(&server).await.status, 200);
    let address = server.metrics_address();
    // A lock in the database keeps a call under way.
    let fixture = PostgresFixture::new();
    let database = fixture.create_database().await;
    let client = server.client();
    register(&client, "shop", settings(&fixture.target(&database))).await;
    let held = HeldCatalog::of(&database).await;
    let call = tokio::spawn(async move {
        let request = v1::ListTablesRequest { connection: "connections/shop".to_owned(), ..Default::default() };
        client.schemas().list_tables(request).await
    });
    held.until_waited_for().await;

    let stopping = tokio::spawn(server.stop());
    until(async || get(address, "/readyz").await.status == 503).await;
    let answer = get(address, "/readyz").await;
    assert!(answer.body.starts_with("stopping: "), "{answer:?}");
    assert_eq!(get(address, "/healthz").await.status, 200);
    assert!(!call.is_finished(), "the server has nothing left to wait for");
    held.release();
    in_time(call).await.unwrap().expect("a call that was under way is answered");
    in_time(stopping).await.unwrap();
    TcpStream::connect(address).await.expect_err("the listener ends with the server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_listens_where_nobody_asked_for_it() {
    let server = ServerProcess::start(&[]).await;
    let listening = server.log().lines().find(|line| line.contains("\"listening\"")).map(str::to_owned);
    assert!(!listening.unwrap().contains("metrics_address"));
}
