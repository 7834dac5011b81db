//! The real binary as a process of its own, for tests about kills and restarts.

use std::{
    env,
    fs::{self, OpenOptions},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use dbkeeper::grpc::client::Client;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use secrecy::SecretString;
use tempfile::TempDir;
use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

/// Long enough for a loaded machine; a server that takes longer has failed to start.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A data directory and the server that runs on it.
pub(crate) struct ServerProcess {
    folder: TempDir,
    settings: Vec<String>,
    child: Option<Child>,
    /// How many servers have been started on the directory.
    starts: u32,
    address: String,
}

impl ServerProcess {
    /// Starts a server on a new data directory and waits until it serves. Each setting is `key=value`.
    pub(crate) async fn start(settings: &[String]) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let mut server = Self { folder, settings: settings.to_vec(), child: None, starts: 0, address: String::new() };
        server.launch();
        server.wait_until_serving().await;
        server
    }

    /// Starts a server on the same data directory, without waiting for it.
    pub(crate) fn launch(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        self.starts += 1;
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).expect("the log can be written");
        let mut command = binary();
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--data-dir"]);
        command.arg(self.data_directory()).args(["--set", "health.interval=0s"]);
        if !self.settings.iter().any(|setting| setting.starts_with("telemetry.log=")) {
            command.args(["--log", "info"]);
        }
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        self.child = Some(command.spawn().expect("the binary starts"));
    }

    /// Waits until the server that was launched last says that it serves.
    pub(crate) async fn wait_until_serving(&mut self) {
        let began = Instant::now();
        loop {
            if let Some(address) = self.logged_address()
                && is_serving(&address).await
            {
                self.address = address;
                return;
            }
            let child = self.child.as_mut().expect("a server was launched");
            let ended = child.try_wait().expect("the child can be asked");
            assert!(ended.is_none(), "the server ended with {ended:?}: {}", self.log());
            assert!(began.elapsed() < START_TIMEOUT, "the server does not serve: {}", self.log());
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().expect("a server runs").id()
    }

    /// Kills the server as `kill -9` does and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("a server runs");
        child.kill().expect("our own child can be killed");
        child.wait().expect("our own child can be awaited");
    }

    /// Tells the server to stop, as a supervisor does.
    pub(crate) fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a process id")).expect("a process id");
        kill_process(pid, Signal::TERM).expect("our own child takes a signal");
    }

    /// Waits for the end of a server that was told to stop.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a server runs");
        loop {
            if let Some(status) = child.try_wait().expect("the child can be asked") {
                return status;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Id of the process that runs.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("a server runs").id()
    }

    /// Memory of the server that is not swapped out, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kibibytes * 1024
    }

    /// `http://` and where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.address
    }

    /// Where it answers over plain HTTP.
    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.logged_field("metrics_address").expect("metrics.listen is set").parse().expect("an address")
    }

    /// How many files and sockets the server has open.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("the process is there").count()
    }

    /// The admin key.
    pub(crate) fn admin_key(&self) -> SecretString {
        let key = fs::read_to_string(self.data_directory().join("admin.key")).expect("the first start writes the key");
        key.trim().into()
    }

    /// A client with the admin key.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.address, None).expect("an address").with_key(&self.admin_key()).expect("a key")
    }

    /// Where the server keeps everything.
    pub(crate) fn data_directory(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the servers on this directory have logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join(format!("log-{}", self.starts))
    }

    /// The address that the server has chosen, once it has.
    fn logged_address(&self) -> Option<String> {
        self.logged_field("address").map(|address| format!("http://{address}"))
    }

    /// A field of the line that says where the server listens.
    fn logged_field(&self, name: &str) -> Option<String> {
        let log = self.log();
        let line = log.lines().find(|line| line.contains("\"listening\""))?;
        let (_, rest) = line.split_once(&format!("\"{name}\":\""))?;
        let (value, _) = rest.split_once('"')?;
        Some(value.to_owned())
    }
}

/// Allows the tests thousands of sockets.
pub(crate) fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(16_384, |maximum| maximum.min(16_384));
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).expect("the limit can be raised");
    }
}

/// The real binary. It refuses variables of its own that it does not know, and those of the test run are such.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dbkeeper"));
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DBKEEPER_")) {
        command.env_remove(name);
    }
    command
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

async fn is_serving(address: &str) -> bool {
    let Ok(channel) = Endpoint::from_shared(address.to_owned()).expect("an address").connect().await else {
        return false;
    };
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
}

/// Every file below a folder, by its path from there. Nothing where there is no such folder.
pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).expect("it lies below").to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    collect(folder, folder, &mut found);
    found.sort();
    found
}
