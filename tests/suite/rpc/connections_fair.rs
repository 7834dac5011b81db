//! One account cannot keep the looks of another from being made.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dbkeeper::grpc::proto::v1;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::support::{register, settings, test_settings, until};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::server::TestServer,
};

/// Servers that mean no good, each with a port of its own: a host gets five dials at one time.
const ROGUES: usize = 120;
const DIALS: usize = 5;

/// Has the client compute for as long as a login may: a million rounds of SCRAM.
async fn endless_computing(mut wire: TcpStream, computing: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 4096];
    let _ = wire.read(&mut buffer).await;
    let _ = wire.write_all(b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0").await;
    let length = wire.read(&mut buffer).await.unwrap_or(0);
    let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
    let nonce = said.rsplit("r=").next().unwrap_or_default();
    let body = format!("\0\0\0\u{b}r={nonce}x,s=c2FsdHNhbHQ=,i=1000000");
    let head = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    let _ = wire.write_all(&[&b"R"[..], &head, body.as_bytes()].concat()).await;
    computing.fetch_add(1, Ordering::SeqCst);
    while wire.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
}

async fn rogue(computing: &Arc<AtomicUsize>) -> v1::Connection {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let computing = computing.clone();
    tokio::spawn(async move {
        while let Ok((wire, _)) = listener.accept().await {
            tokio::spawn(endless_computing(wire, computing.clone()));
        }
    });
    v1::Connection {
        display_name: "Rogue".to_owned(),
        engine: v1::Engine::Postgresql.into(),
        host: "127.0.0.1".to_owned(),
        port: port.into(),
        database: "app".to_owned(),
        username: "app".to_owned(),
        password: "app".to_owned(),
        tls: Some(v1::TlsSettings { mode: v1::TlsMode::Disabled.into(), ..Default::default() }),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tests_of_one_account_do_not_hold_up_those_of_another() {
    let server = TestServer::start_with(|config| config.pools.connect_timeout = Duration::from_secs(8)).await;
    let other = server.client_with(&server.second_account().await);
    let shop = register(&other, "shop", settings(&PostgresFixture::new().target("postgres"))).await.name;
    let computing = Arc::new(AtomicUsize::new(0));
    let mut flood = Vec::new();
    for _ in 0..ROGUES {
        let (client, connection) = (server.client(), rogue(&computing).await);
        for _ in 0..DIALS {
            let (client, connection) = (client.clone(), connection.clone());
            flood.push(tokio::spawn(async move { test_settings(&client, connection).await }));
        }
    }
    until(async || computing.load(Ordering::SeqCst) >= 16).await;
    for _ in 0..5 {
        let target = Some(v1::test_connection_request::Target::Name(shop.clone()));
        let answer = other.connections().test_connection(v1::TestConnectionRequest { target }).await.unwrap();
        let answer = answer.into_inner();
        assert!(answer.connected, "{answer:?}, with {} logins begun", computing.load(Ordering::SeqCst));
    }
    assert!(flood.iter().any(|test| !test.is_finished()), "the flood was over before");
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}
