//! Database servers that mean no good: what they ask for they do not get, and nobody waits for them for ever.
//!
//! The server under test is a process of its own, so that its memory can be told from that of other tests. Every byte that
//! it sends to a rogue is kept and searched for the password and for what it can be guessed from without a challenge.

mod mysql;
mod postgres;

use std::{
    fs,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use dbkeeper::grpc::{client::Client, proto::v1};
use ring::digest;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::super::support::{register, test_settings};
use crate::harness::process::ServerProcess;

const USER: &str = "app";
const PASSWORD: &str = "do-not-tell-anybody-4711";
/// Most that the memory of the server may grow, over all rogues together.
const MEMORY: u64 = 64 << 20;
/// Long enough for a loaded machine; the server itself gives up after five seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that a rogue got.
#[derive(Clone, Default)]
struct Loot(Arc<Mutex<Vec<u8>>>);

/// The connection of a rogue to its victim.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

impl Loot {
    /// Reads what there is; empty at the end.
    async fn read(&self, wire: &mut impl Wire) -> Vec<u8> {
        let mut buffer = vec![0; 4096];
        let length = wire.read(&mut buffer).await.unwrap_or(0);
        buffer.truncate(length);
        self.0.lock().unwrap().extend_from_slice(&buffer);
        buffer
    }

    /// Reads until the other end closes.
    async fn read_all(&self, wire: &mut impl Wire) {
        while !self.read(wire).await.is_empty() {}
    }

    /// Sends the same again and again until the other end closes.
    async fn flood(&self, wire: &mut impl Wire, bytes: &[u8]) {
        while wire.write_all(bytes).await.is_ok() {}
    }
}

/// A rogue: how it is reached, and what it shall be answered with.
struct Rogue {
    name: &'static str,
    engine: v1::Engine,
    mode: v1::TlsMode,
    reasons: &'static [&'static str],
    port: u16,
    loot: Loot,
    _task: JoinHandle<()>,
}

impl Rogue {
    async fn start<F: Future<Output = ()> + Send + 'static>(
        name: &'static str,
        (engine, mode): (v1::Engine, v1::TlsMode),
        reasons: &'static [&'static str],
        script: fn(TcpStream, Loot) -> F,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let loot = Loot::default();
        let kept = loot.clone();
        let task = tokio::spawn(async move {
            while let Ok((wire, _)) = listener.accept().await {
                tokio::spawn(script(wire, kept.clone()));
            }
        });
        Self { name, engine, mode, reasons, port, loot, _task: task }
    }

    fn connection(&self) -> v1::Connection {
        v1::Connection {
            display_name: self.name.to_owned(),
            engine: self.engine.into(),
            host: "127.0.0.1".to_owned(),
            port: u32::from(self.port),
            database: "app".to_owned(),
            username: USER.to_owned(),
            password: PASSWORD.to_owned(),
            tls: Some(v1::TlsSettings { mode: self.mode.into(), ..Default::default() }),
            ..Default::default()
        }
    }

    /// Settings that are tested, and a registered connection that is used: each is told the reason.
    async fn visit(&self, client: &Client) {
        let name = self.name;
        let tested = tokio::time::timeout(PATIENCE, test_settings(client, self.connection())).await;
        let error = tested.expect(name).expect(name).error.expect(name);
        assert!(self.reasons.contains(&error.reason.as_str()), "{name}: {error:?}");
        assert!(!format!("{error:?}").contains(PASSWORD), "{name}: {error:?}");

        let id = name.replace(' ', "-");
        let connection = register(client, &id, self.connection()).await.name;
        let mut schemas = client.schemas();
        let used = schemas.get_database(v1::GetDatabaseRequest { connection, ..Default::default() });
        let status = tokio::time::timeout(PATIENCE, used).await.expect(name).unwrap_err();
        assert!(!status.message().contains(PASSWORD), "{name}: {status}");
    }

    fn assert_got_nothing(&self) {
        let loot = self.loot.0.lock().unwrap();
        let password = PASSWORD.as_bytes();
        let sha1 = |bytes: &[u8]| digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec();
        let sha256 = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes).as_ref().to_vec();
        let secrets = [
            password.to_vec(),
            sha1(password),
            sha1(&sha1(password)),
            hex::encode(sha1(&sha1(password))).into_bytes(),
            sha256(password),
            sha256(&sha256(password)),
            // A file that LOCAL INFILE asked for.
            b"root:".to_vec(),
        ];
        for secret in &secrets {
            assert!(
                !loot.windows(secret.len()).any(|bytes| bytes == secret),
                "{} got a secret: {loot:02x?}",
                self.name
            );
        }
    }
}

/// A line of `/proc/PID/status` in bytes.
fn memory(pid: u32, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    value.trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}

async fn visit_all(rogues: Vec<Rogue>) {
    let server = ServerProcess::start(&["pools.connect_timeout=5s".to_owned()]).await;
    let client = server.client();
    // One refusal, so that what is made once is not counted.
    let nobody = v1::Connection { port: 1, ..rogues[0].connection() };
    test_settings(&client, nobody).await.unwrap();
    let pid = server.pid();
    let before = memory(pid, "VmRSS:");
    futures::future::join_all(rogues.iter().map(|rogue| rogue.visit(&client))).await;
    let peak = memory(pid, "VmHWM:");
    assert!(peak < before + MEMORY, "memory rose from {before} to {peak}");
    for rogue in &rogues {
        rogue.assert_got_nothing();
    }
    assert!(!server.log().contains(PASSWORD), "the log holds the password");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rogue_postgresql_servers_get_nothing() {
    visit_all(postgres::rogues().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rogue_mysql_servers_get_nothing() {
    visit_all(mysql::rogues().await).await;
}
