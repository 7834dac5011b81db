//! MariaDB servers of the test run: one that takes passwords in clear, one that demands TLS, and two of which one copies from
//! the other.
//!
//! Each is started at its first use and lives as long as the test process. A shell that holds the reading end of
//! a pipe watches over it: however the process ends, the pipe closes, and the shell stops the server and removes its folder.

use std::{
    env, fs,
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use dbkeeper::{
    engine::{Credentials, Target},
    model::{
        AccountId,
        connection::{ConnectionSettings, EngineKind, PoolSettings, TlsMode, TlsSettings},
    },
};

use super::{certificates::Certificates, port::free_port};

/// The administrator of every test server.
pub(crate) const ADMIN: &str = "keeper";
/// Odd on purpose: an option file must escape it.
const PASSWORD: &str = "p#a;s\\s \"wörd'=";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts the server, waits for the end of the standard input, kills the server and removes the folder.
const WATCHDOG: &str = r#"folder=$1; shift; "$@" >"$folder/log" 2>&1 & server=$!; cat >/dev/null; kill -KILL $server; wait $server; rm -rf "$folder""#;

static SHARED: LazyLock<MariadbServer> = LazyLock::new(|| MariadbServer::start(None, &[]));
static WITH_TLS: LazyLock<MariadbServer> = LazyLock::new(|| MariadbServer::start(Some(Certificates::generate()), &[]));

static REPLICATED: LazyLock<(MariadbServer, MariadbServer)> = LazyLock::new(MariadbServer::new_replicated);

/// Whom a replica logs in to its primary as.
const COPIER: &str = "copier";

/// A running server.
pub(crate) struct MariadbServer {
    folder: PathBuf,
    port: u16,
    certificates: Option<Certificates>,
    databases: AtomicU32,
    /// Its standard input is what keeps the server alive.
    _watchdog: Child,
}

impl MariadbServer {
    /// The server that most tests share, without TLS; each test makes its own database.
    pub(crate) fn shared() -> &'static Self {
        &SHARED
    }

    /// A server that refuses every connection without TLS. Its certificate is for `localhost`.
    pub(crate) fn with_tls() -> &'static Self {
        &WITH_TLS
    }

    /// A server and one that copies from it by global transaction ids, both without TLS.
    pub(crate) fn replicated() -> (&'static Self, &'static Self) {
        let (primary, replica) = &*REPLICATED;
        (primary, replica)
    }

    /// A primary and a replica of one test.
    pub(crate) fn new_replicated() -> (Self, Self) {
        let primary = Self::with_settings(&["--log-bin=binlog", "--server-id=101", "--gtid-strict-mode=ON"]);
        let replica = Self::with_settings(&["--relay-log=relay", "--server-id=102", "--read-only=ON"]);
        // Both begin as they were installed, and what was done to the primary since is not copied.
        primary.sql(
            "mysql",
            &format!(
                "CREATE USER {COPIER} IDENTIFIED BY '{COPIER}'; GRANT REPLICATION SLAVE ON *.* TO {COPIER}; RESET MASTER"
            ),
        );
        replica.sql(
            "mysql",
            &format!(
                "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = '{COPIER}', \
                 MASTER_PASSWORD = '{COPIER}', MASTER_USE_GTID = slave_pos; START SLAVE",
                primary.port
            ),
        );
        (primary, replica)
    }

    /// A server of one test, with settings of its own.
    pub(crate) fn with_settings(settings: &[&str]) -> Self {
        Self::start(None, settings)
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// The password of the administrator, and of every user that a test makes with it.
    pub(crate) fn password(&self) -> &'static str {
        PASSWORD
    }

    /// The certificates of the TLS server.
    pub(crate) fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("only the TLS server has certificates")
    }

    /// A new empty database with a name of its own.
    pub(crate) fn create_database(&self) -> String {
        let name = self.fresh_name();
        self.sql("mysql", &format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"));
        name
    }

    /// A name that no other test uses, for a database or a user.
    pub(crate) fn fresh_name(&self) -> String {
        format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed))
    }

    /// Settings of the administrator in a database.
    pub(crate) fn settings(&self, database: &str) -> ConnectionSettings {
        let mode = if self.certificates.is_some() { TlsMode::Required } else { TlsMode::Disabled };
        ConnectionSettings {
            display_name: database.to_owned(),
            engine: EngineKind::Mysql,
            host: "localhost".to_owned(),
            port: self.port,
            database: database.to_owned(),
            username: ADMIN.to_owned(),
            tls: TlsSettings { mode, ca_pem: String::new(), client_cert_pem: String::new() },
            pool: PoolSettings::default(),
            labels: Default::default(),
            read_only: false,
            replicas: Default::default(),
        }
    }

    /// The administrator in a database, ready to be opened.
    pub(crate) fn target(&self, database: &str) -> Target {
        self.target_of(self.settings(database))
    }

    /// Any settings with the password of the administrator.
    pub(crate) fn target_of(&self, settings: ConnectionSettings) -> Target {
        let credentials = Credentials { password: PASSWORD.into(), client_key_pem: None };
        Target { account: AccountId::from_stored("default".to_owned()), connection: None, settings, credentials }
    }

    /// Runs SQL as root and returns what the client prints: a row a line, columns parted by tabs.
    pub(crate) fn sql(&self, database: &str, text: &str) -> String {
        let output = self.client(database, text.as_bytes());
        assert!(output.status.success(), "mariadb failed on {text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("mariadb prints UTF-8").trim_end().to_owned()
    }

    /// Runs a dump through the client.
    pub(crate) fn load(&self, database: &str, dump: &[u8]) {
        check("mariadb", &self.client(database, dump));
    }

    /// root has no password, and only the owner of the folder reaches the socket in it.
    fn client(&self, database: &str, input: &[u8]) -> Output {
        let mut client = Command::new(find_program("mariadb"))
            .arg("--no-defaults")
            .args(["--batch", "--skip-column-names", "--default-character-set=utf8mb4", "--user=root", "--socket"])
            .arg(self.socket())
            .args(["--database", database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mariadb starts");
        // A client that cannot connect closes its input; its status tells then.
        let _ = client.stdin.take().expect("mariadb has an input").write_all(input);
        client.wait_with_output().expect("mariadb ends")
    }

    fn start(certificates: Option<Certificates>, settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("dbkeeper-maria-").tempdir().expect("a temporary folder").keep();
        let data = folder.join("data");
        let mut install = Command::new(find_program("mariadb-install-db"));
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install.arg(format!("--datadir={}", data.display())).args(as_this_user());
        // The default folder for temporary files is shared with whatever else starts a server on this machine.
        install.arg(format!("--tmpdir={}", folder.display()));
        check("mariadb-install-db", &install.output().expect("mariadb-install-db starts"));

        let port = free_port();
        let mut server = Command::new(find_program("mariadbd"));
        server.arg("--no-defaults").args(as_this_user());
        server.arg(format!("--datadir={}", data.display()));
        server.arg(format!("--tmpdir={}", folder.display()));
        server.arg(format!("--socket={}", folder.join("socket").display()));
        server.arg(format!("--pid-file={}", folder.join("pid").display()));
        server.arg(format!("--port={port}"));
        server.args(["--bind-address=127.0.0.1", "--max-connections=300", "--skip-log-bin", "--event-scheduler=OFF"]);
        server.args(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--key-buffer-size=1M"]);
        server.args([
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--skip-innodb-doublewrite",
        ]);
        // Sizes that change by themselves some time after the rows would make two readings differ.
        server.arg("--innodb-stats-auto-recalc=OFF");
        server.args(["--character-set-server=utf8mb4", "--log-bin-trust-function-creators=ON"]);
        server.args(settings);
        if let Some(certificates) = &certificates {
            let file = |name, content| write_file(&folder, name, content).display().to_string();
            server.arg(format!("--ssl-ca={}", file("ca.pem", &certificates.ca_pem)));
            server.arg(format!("--ssl-cert={}", file("server.pem", &certificates.server_cert_pem)));
            server.arg(format!("--ssl-key={}", file("server.key", &certificates.server_key_pem)));
            server.arg("--require-secure-transport=ON");
        } else {
            // From 11.4 on a server without a certificate makes one by itself.
            server.arg("--skip-ssl");
        }

        let mut watchdog = Command::new("sh");
        watchdog.args(["-c", WATCHDOG, "sh"]).arg(&folder).arg(server.get_program()).args(server.get_args());
        // A group of its own, so that Ctrl-C on the tests does not take the watchdog before it has cleaned up.
        watchdog.current_dir("/").process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let watchdog = watchdog.spawn().expect("sh starts");

        let server = Self { folder, port, certificates, databases: AtomicU32::new(0), _watchdog: watchdog };
        server.wait_until_ready();
        let escaped = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
        server.sql(
            "mysql",
            &format!(
                "CREATE USER {ADMIN} IDENTIFIED BY '{escaped}'; GRANT ALL PRIVILEGES ON *.* TO {ADMIN} WITH GRANT OPTION"
            ),
        );
        server
    }

    fn wait_until_ready(&self) {
        let began = Instant::now();
        loop {
            if self.client("mysql", b"SELECT 1").status.success() {
                return;
            }
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(began.elapsed() < START_TIMEOUT, "MariaDB does not start: {}", log());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The server refuses to run as root unless it is told to; the folder is ours, so it runs as we do.
fn as_this_user() -> Option<&'static str> {
    let output = Command::new("id").arg("-u").output().expect("id starts");
    (String::from_utf8_lossy(&output.stdout).trim() == "0").then_some("--user=root")
}

fn find_program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    // The server's own folder is not in the PATH of an ordinary user.
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed; install it with: apt-get install mariadb-server"))
}

fn write_file(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).expect("the temporary folder can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the mode of our own file can be set");
    path
}

fn check(program: &str, output: &Output) {
    assert!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
}
