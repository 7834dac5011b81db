//! The release binary as a process of its own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use dbkeeper::grpc::{
    client::Client,
    proto::v1::{self, Operation, OperationState},
};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::SecretString;
use tempfile::TempDir;
use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::harness::{
    port::free_port,
    postgres::{PostgresServer, SUPERUSER},
};

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between two looks at a server that starts. Short, because the start is one of the figures.
const POLL: Duration = Duration::from_millis(1);
/// Longest that one WaitOperation waits before it is called again.
const WAIT: Duration = Duration::from_secs(45);

/// A server with its data directory.
pub(crate) struct Server {
    process: Child,
    url: String,
    folder: TempDir,
    /// From the start of the process to SERVING.
    pub(crate) start_time: Duration,
}

impl Server {
    /// Starts on an empty data directory.
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::Builder::new().prefix("dbkeeper-bench-").tempdir().expect("a temporary folder")).await
    }

    async fn start_in(folder: TempDir) -> Self {
        let port = free_port();
        let began = Instant::now();
        let process = Command::new(env!("CARGO_BIN_EXE_dbkeeper"))
            .args(["serve", "--data-dir"])
            .arg(folder.path().join("data"))
            .args(["--listen", &format!("127.0.0.1:{port}")])
            // One client calls as fast as it can.
            .args(["--set", "access.rate_per_address=0", "--set", "access.rate_per_caller=0"])
            .stdout(log_file(folder.path()))
            .stderr(log_file(folder.path()))
            .spawn()
            .expect("dbkeeper starts");
        let mut server = Self { process, url: format!("http://127.0.0.1:{port}"), folder, start_time: Duration::ZERO };
        while !is_serving(&server.url).await {
            assert!(began.elapsed() < START_TIMEOUT, "dbkeeper does not start: {}", server.log());
            tokio::time::sleep(POLL).await;
        }
        server.start_time = began.elapsed();
        server
    }

    /// Stops as on a signal, and starts again on the same data.
    pub(crate) async fn restart(mut self) -> Self {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("the server is told to stop");
        assert!(self.process.wait().expect("the server ends").success(), "a bad end: {}", self.log());
        let empty = tempfile::tempdir().expect("a temporary folder");
        let folder = std::mem::replace(&mut self.folder, empty);
        Self::start_in(folder).await
    }

    /// A client with the key of the administrator and a connection of its own.
    pub(crate) fn client(&self) -> Client {
        let key = fs::read_to_string(self.folder.path().join("data/admin.key")).expect("a key from the first start");
        client(&self.url, key.trim())
    }

    /// Where the server keeps everything.
    pub(crate) fn data_directory(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Registers a database of the shared PostgreSQL server.
    pub(crate) async fn register(&self, id: &str, database: &str) -> v1::Connection {
        let postgres = PostgresServer::shared();
        let connection = v1::Connection {
            display_name: id.to_owned(),
            engine: v1::Engine::Postgresql.into(),
            host: "127.0.0.1".to_owned(),
            port: postgres.port().into(),
            database: database.to_owned(),
            username: SUPERUSER.to_owned(),
            password: postgres.password().to_owned(),
            tls: Some(v1::TlsSettings { mode: v1::TlsMode::Disabled.into(), ..Default::default() }),
            ..Default::default()
        };
        self.register_connection(id, connection).await
    }

    /// Registers a database.
    pub(crate) async fn register_connection(&self, id: &str, connection: v1::Connection) -> v1::Connection {
        let request = v1::CreateConnectionRequest {
            connection_id: id.to_owned(),
            connection: Some(connection),
            ..Default::default()
        };
        self.client().connections().create_connection(request).await.expect("the database is registered").into_inner()
    }

    /// Waits until an operation has succeeded.
    pub(crate) async fn finish(&self, operation: Operation) -> Operation {
        let client = self.client();
        loop {
            let request = v1::WaitOperationRequest {
                name: operation.name.clone(),
                timeout: Some(prost_types::Duration { seconds: WAIT.as_secs().cast_signed(), nanos: 0 }),
            };
            let now = client.operations().wait_operation(request).await.expect("the operation is known").into_inner();
            match now.state() {
                OperationState::Queued | OperationState::Running => {}
                OperationState::Succeeded => return now,
                state => panic!("{} ended {state:?}: {:?}\n{}", operation.name, now.error, self.log()),
            }
        }
    }

    /// Bytes of a line of the process's memory, such as `VmRSS` or `VmHWM`.
    pub(crate) fn memory(&self, line: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("the server runs");
        let value =
            status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).expect("a line of memory");
        1024 * value.trim().trim_end_matches("kB").trim().parse::<u64>().expect("kilobytes")
    }

    /// Processor time of the process so far.
    pub(crate) fn processor_time(&self) -> Duration {
        processor_time(self.process.id())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where it was stopped in good order there is nobody to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client of a server at a URL, with a key.
pub(crate) fn client(url: &str, key: &str) -> Client {
    Client::new(url, None).and_then(|client| client.with_key(&SecretString::from(key))).expect("a URL and a key")
}

/// Processor time of a process, user and system, in the kernel's hundredths of a second.
pub(crate) fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    // The name in brackets may hold spaces; user and system time are the 12th and 13th field behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(10 * ticks)
}

fn log_file(folder: &Path) -> File {
    File::options().create(true).append(true).open(folder.join("log")).expect("a log file")
}

async fn is_serving(url: &str) -> bool {
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("a URL");
    let Ok(channel) = endpoint.connect().await else { return false };
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
}
