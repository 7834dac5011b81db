//! The binary as a process: how it ends when it is told to, and what it tells at the next start.

use std::{
    fs::{self, File},
    net::TcpStream,
    path::Path,
    process::{Child, ExitStatus, Stdio},
};

use dbkeeper::grpc::{client::Client, proto::v1};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::{
    answer::assert_refused,
    support::{HeldCatalog, apply, file, migration_set, register, settings, until},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        postgres::PostgresServer,
        process::binary,
        server::{TestServer, in_time},
    },
};

/// A running server; it is killed where a test fails.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// Starts the binary on a data directory and waits until it has said where it listens.
    async fn start(data_directory: &Path) -> Self {
        let log = data_directory.with_extension("log");
        let output = File::create(&log).unwrap();
        let mut command = binary();
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "info", "--log-format", "json", "--data-dir"]);
        command.arg(data_directory);
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = command.spawn().expect("the binary starts");
        let mut process = Self { child, address: String::new() };
        until(async || {
            let text = fs::read_to_string(&log).unwrap();
            assert!(process.child.try_wait().unwrap().is_none(), "it ended: {text}");
            let address = text.split_once("\"address\":\"").and_then(|(_, rest)| rest.split_once('"'));
            process.address = address.map(|(address, _)| address.to_owned()).unwrap_or_default();
            !process.address.is_empty()
        })
        .await;
        process
    }

    fn client(&self, data_directory: &Path) -> Client {
        let key = fs::read_to_string(data_directory.join("admin.key")).unwrap();
        Client::new(&format!("http://{}", self.address), None).unwrap().with_key(&key.trim().into()).unwrap()
    }

    fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).expect("our own child takes a signal");
    }

    async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until(async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_streams_with_a_word_and_operations_with_the_truth() {
    let folder = TempDir::new().unwrap();
    let data_directory = folder.path().join("data");
    let fixture = PostgresFixture::new();
    let database = fixture.create_database().await;
    let mut process = Process::start(&data_directory).await;
    let client = process.client(&data_directory);
    register(&client, "shop", settings(&fixture.target(&database))).await;
    let slow = format!("CREATE TABLE half_done (id INTEGER);\n{};", fixture.slow_statement());
    let set = migration_set(&client, "app", vec![file("1_slow.sql", &slow)]).await;
    let run = client.migrations().apply_migrations(apply(&set, "connections/shop")).await.unwrap().into_inner();
    let active = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE '%pg_sleep(300)%' AND state = 'active'"
    );
    let postgres = PostgresServer::shared();
    until(async || postgres.psql("postgres", &active) != "0").await;
    let request = v1::StreamMetricsRequest { connection: "connections/shop".to_owned(), ..Default::default() };
    let mut stream = client.monitor().stream_metrics(request).await.unwrap().into_inner();
    in_time(stream.message()).await.unwrap().unwrap();
    // Peers that have connected and say nothing.
    let silent: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(&process.address).unwrap()).collect();

    process.terminate();
    let end = loop {
        match in_time(stream.message()).await {
            Ok(message) => assert!(message.is_some(), "the stream ends without a word"),
            Err(status) => break status,
        }
    };
    assert_refused(&end, Code::Unavailable, "SHUTTING_DOWN");
    let status = process.ended().await;
    assert!(status.success(), "{status:?}");
    drop(silent);
    let log = fs::read_to_string(data_directory.with_extension("log")).unwrap();
    assert!(log.contains("\"drained\"") && !log.contains("grace ended"), "the drain was cut off: {log}");
    assert_eq!(postgres.psql("postgres", &active), "0", "the statement goes on at the database");

    let process = Process::start(&data_directory).await;
    let client = process.client(&data_directory);
    let get = v1::GetOperationRequest { name: run.name };
    let told = async || client.operations().get_operation(get.clone()).await.unwrap().into_inner();
    until(async || told().await.end_time.is_some()).await;
    let told = told().await;
    let error = told.error.as_ref().expect("an operation that was cut short says so");
    assert_eq!((told.state(), error.reason.as_str()), (v1::OperationState::Failed, "INTERRUPTED"), "{told:?}");
    assert!(error.message.contains("repeat the call"), "{error:?}");
    assert_eq!(postgres.psql(&database, "SELECT count(*) FROM pg_class WHERE relname = 'half_done'"), "0");
    let status = v1::GetMigrationStatusRequest {
        migration_set: set,
        connection: "connections/shop".to_owned(),
        ..Default::default()
    };
    let status = client.migrations().get_migration_status(status).await.unwrap().into_inner();
    assert_eq!((status.applied_count, status.pending_count), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_under_way_keeps_its_database_until_it_has_ended() {
    let fixture = PostgresFixture::new();
    let database = fixture.create_database().await;
    let server = TestServer::start().await;
    let client = server.client();
    register(&client, "shop", settings(&fixture.target(&database))).await;
    let list = v1::ListTablesRequest { connection: "connections/shop".to_owned(), ..Default::default() };
    client.schemas().list_tables(list.clone()).await.expect("the pool is open");

    let held = HeldCatalog::of(&database).await;
    let call = tokio::spawn(async move { client.schemas().list_tables(list).await });
    held.until_waited_for().await;
    let channel = Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let stopping = tokio::spawn(server.stop());
    in_time(async { while health.message().await.unwrap().unwrap().status() != ServingStatus::NotServing {} }).await;
    held.release();
    in_time(call).await.unwrap().expect("a call that was under way is finished");
    in_time(stopping).await.unwrap();
}
