//! PostgreSQL servers of the test run: one that takes passwords in clear and one that demands TLS.
//!
//! Each is started at its first use and lives as long as the test process. A shell that holds the reading end of
//! a pipe watches over it: however the process ends, the pipe closes, and the shell stops the server and removes its folder.

use std::{
    env, fs,
    io::Write,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use dbkeeper::model::connection::{ConnectionSettings, EngineKind, PoolSettings, TlsMode, TlsSettings};

use super::{certificates::Certificates, port::free_port};

/// The superuser of every test server.
pub(crate) const SUPERUSER: &str = "postgres";
/// A user whom the TLS server lets in with a client certificate only.
pub(crate) const CERTIFICATE_USER: &str = "certificate_user";
/// Odd on purpose: a password file must escape it.
const PASSWORD: &str = r"p:a\ss wörd'";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts the server, waits for the end of the standard input, stops the server and removes the folder.
pub(super) const WATCHDOG: &str = r#"folder=$1; shift; "$@" >"$folder/log" 2>&1 & server=$!; cat >/dev/null; kill -QUIT $server; wait $server; rm -rf "$folder""#;

static SHARED: LazyLock<PostgresServer> = LazyLock::new(|| PostgresServer::start(None));
static WITH_TLS: LazyLock<PostgresServer> = LazyLock::new(|| PostgresServer::start(Some(Certificates::generate())));

static COUNTING: LazyLock<PostgresServer> =
    LazyLock::new(|| PostgresServer::start_with(None, &["shared_preload_libraries=pg_stat_statements"]));

static REPLICATED: LazyLock<(PostgresServer, PostgresServer)> = LazyLock::new(|| {
    let primary = PostgresServer::start(None);
    let standby = PostgresServer::start_standby(&primary);
    (primary, standby)
});

/// A running server.
pub(crate) struct PostgresServer {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    certificates: Option<Certificates>,
    databases: AtomicU32,
    /// Its standard input is what keeps the server alive.
    _watchdog: Child,
}

impl PostgresServer {
    /// The server that most tests share, without TLS; each test makes its own database.
    pub(crate) fn shared() -> &'static Self {
        &SHARED
    }

    /// A server that refuses every connection without TLS. Its certificate is for `localhost`.
    pub(crate) fn with_tls() -> &'static Self {
        &WITH_TLS
    }

    /// A server that counts statements in the databases that have the extension for it, without TLS.
    pub(crate) fn counting() -> &'static Self {
        &COUNTING
    }

    /// A server and one that copies from it, both without TLS. Tests of replicas share them.
    pub(crate) fn replicated() -> (&'static Self, &'static Self) {
        let (primary, standby) = &*REPLICATED;
        (primary, standby)
    }

    /// The folder with its socket.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The password of the superuser, and of every role that a test makes with it.
    pub(crate) fn password(&self) -> &'static str {
        PASSWORD
    }

    /// The certificates of the TLS server.
    pub(crate) fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("only the TLS server has certificates")
    }

    /// A new empty database with a name of its own.
    pub(crate) fn create_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
        name
    }

    /// Settings of the superuser in a database.
    pub(crate) fn settings(&self, database: &str) -> ConnectionSettings {
        let mode = if self.certificates.is_some() { TlsMode::Required } else { TlsMode::Disabled };
        ConnectionSettings {
            display_name: database.to_owned(),
            engine: EngineKind::Postgresql,
            host: "localhost".to_owned(),
            port: self.port,
            database: database.to_owned(),
            username: SUPERUSER.to_owned(),
            tls: TlsSettings { mode, ca_pem: String::new(), client_cert_pem: String::new() },
            pool: PoolSettings::default(),
            labels: Default::default(),
            read_only: false,
            replicas: Default::default(),
        }
    }

    /// One of the client programs as the superuser, connected to a database; arguments are the caller's to add.
    pub(crate) fn client(&self, program: &str, database: &str) -> Command {
        let mut client = Command::new(self.programs.join(program));
        client
            .env("PGHOST", &self.folder)
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", SUPERUSER)
            // Not as an argument, which psql would read as more than a name where it holds a `=`.
            .env("PGDATABASE", database)
            .env("PGPASSWORD", PASSWORD)
            .env("PGCLIENTENCODING", "UTF8");
        client
    }

    /// Runs SQL as the superuser and returns what psql prints: rows by line, columns parted by `|`.
    pub(crate) fn psql(&self, database: &str, sql: &str) -> String {
        let mut psql = self.client("psql", database);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        let printed = feed(psql, sql.as_bytes());
        String::from_utf8(printed).expect("psql prints UTF-8").trim_end().to_owned()
    }

    /// Restores a dump of pg_dump's custom format with pg_restore.
    pub(crate) fn pg_restore(&self, database: &str, dump: &[u8]) {
        let mut pg_restore = self.client("pg_restore", database);
        pg_restore.args(["--exit-on-error", "--dbname", database]);
        feed(pg_restore, dump);
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn start(certificates: Option<Certificates>) -> Self {
        Self::start_with(certificates, &[])
    }

    fn start_with(certificates: Option<Certificates>, settings: &[&str]) -> Self {
        let programs = find_programs();
        let owner = server_user();
        let folder = tempfile::Builder::new().prefix("dbkeeper-pg-").tempdir().expect("a temporary folder").keep();
        let data = folder.join("data");
        owner.hand_over(&folder);
        let password_file = write_owned_file(&folder, "password", PASSWORD, &owner);

        let mut initdb = owner.command(&programs.join("initdb"));
        initdb.args(["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]);
        initdb.args(["--username", SUPERUSER, "--pwfile"]).arg(&password_file).arg("--pgdata").arg(&data);
        check("initdb", &initdb.output().expect("initdb starts"));
        if let Some(certificates) = &certificates {
            demand_tls(&data, certificates, &owner);
        }

        let server = Self::launch(programs, folder, &owner, certificates, settings);
        if server.certificates.is_some() {
            server.psql(
                "postgres",
                &format!("CREATE ROLE {CERTIFICATE_USER} LOGIN PASSWORD '{}'", PASSWORD.replace('\'', "''")),
            );
        }
        server
    }

    /// A server on a copy of another, from which it goes on copying.
    fn start_standby(primary: &Self) -> Self {
        let owner = server_user();
        let folder = tempfile::Builder::new().prefix("dbkeeper-pg-").tempdir().expect("a temporary folder").keep();
        owner.hand_over(&folder);
        let mut copy = owner.command(&primary.programs.join("pg_basebackup"));
        copy.args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync", "--pgdata"]);
        copy.arg(folder.join("data")).args(["--host=127.0.0.1", "--username", SUPERUSER, "--port"]);
        copy.arg(primary.port.to_string()).env("PGPASSWORD", PASSWORD);
        check("pg_basebackup", &copy.output().expect("pg_basebackup starts"));
        Self::launch(primary.programs.clone(), folder, &owner, None, &[])
    }

    /// Starts the server on the folder `data` in its folder.
    fn launch(
        programs: PathBuf,
        folder: PathBuf,
        owner: &ServerUser,
        certificates: Option<Certificates>,
        settings: &[&str],
    ) -> Self {
        let data = folder.join("data");
        let port = free_port();
        let mut server = owner.command(&programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(&folder).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        let common = ["fsync=off", "max_connections=200", "max_prepared_transactions=5", "log_line_prefix=[%d] "];
        for setting in common.iter().chain(settings) {
            server.args(["-c", setting]);
        }
        let mut watchdog = Command::new("sh");
        watchdog.args(["-c", WATCHDOG, "sh"]).arg(&folder).arg(server.get_program()).args(server.get_args());
        // A group of its own, so that Ctrl-C on the tests does not take the watchdog before it has cleaned up.
        watchdog.current_dir("/").process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let watchdog = watchdog.spawn().expect("sh starts");

        let server = Self { programs, folder, port, certificates, databases: AtomicU32::new(0), _watchdog: watchdog };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&self) {
        let began = Instant::now();
        loop {
            let ready = Command::new(self.programs.join("pg_isready"))
                .arg("-q")
                .arg("-h")
                .arg(&self.folder)
                .args(["-p", &self.port.to_string()])
                .status()
                .expect("pg_isready starts");
            if ready.success() {
                return;
            }
            assert!(began.elapsed() < START_TIMEOUT, "PostgreSQL does not start: {}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Whom the server runs as: it refuses to run as root.
struct ServerUser {
    ids: Option<(u32, u32)>,
}

impl ServerUser {
    fn command(&self, program: &Path) -> Command {
        let mut command = match self.ids {
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups");
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        // The folder that cargo runs in may be closed to the server's user.
        command.current_dir("/");
        command
    }

    fn hand_over(&self, path: &Path) {
        if let Some((user, group)) = self.ids {
            chown(path, Some(user), Some(group)).expect("root may give a file away");
        }
    }
}

fn server_user() -> ServerUser {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().expect("id starts");
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return ServerUser { ids: None };
    }
    let ids = ["postgres", "nobody"].into_iter().find_map(|user| Some((id(&["-u", user])?, id(&["-g", user])?)));
    ServerUser { ids: Some(ids.expect("a user postgres or nobody")) }
}

/// A file in a folder of a server, which belongs to the server's user.
pub(super) fn write_file(folder: &Path, name: &str, content: &str) -> PathBuf {
    write_owned_file(folder, name, content, &server_user())
}

/// A program that runs as the server's user, to whom its folder belongs.
pub(super) fn as_server_user(program: &Path, folder: &Path, arguments: &[&Path]) -> Command {
    let owner = server_user();
    owner.hand_over(folder);
    let mut command = owner.command(program);
    command.args(arguments);
    command
}

/// The programs of the newest PostgreSQL that is installed.
fn find_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut installed: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    installed.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    let newest = installed.pop().map(|(_, folder)| folder);
    newest
        .or_else(|| env::split_paths(&path).find(|folder| folder.join("initdb").is_file()))
        .unwrap_or_else(|| panic!("PostgreSQL is not installed; install it with: apt-get install postgresql"))
}

fn demand_tls(data: &Path, certificates: &Certificates, owner: &ServerUser) {
    write_owned_file(data, "server.crt", &certificates.server_cert_pem, owner);
    write_owned_file(data, "server.key", &certificates.server_key_pem, owner);
    write_owned_file(data, "root.crt", &certificates.ca_pem, owner);
    let rules = format!(
        "local all all scram-sha-256\n\
         hostssl all {CERTIFICATE_USER} all scram-sha-256 clientcert=verify-ca\n\
         hostssl all all all scram-sha-256\n"
    );
    write_owned_file(data, "pg_hba.conf", &rules, owner);
    let mut settings = fs::read_to_string(data.join("postgresql.conf")).expect("initdb writes postgresql.conf");
    settings.push_str("\nssl = on\nssl_ca_file = 'root.crt'\n");
    write_owned_file(data, "postgresql.conf", &settings, owner);
}

fn write_owned_file(folder: &Path, name: &str, content: &str, owner: &ServerUser) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).expect("the temporary folder can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the mode of our own file can be set");
    owner.hand_over(&path);
    path
}

/// Runs a client program with an input and returns what it prints.
fn feed(mut program: Command, input: &[u8]) -> Vec<u8> {
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = program.spawn().expect("the client starts");
    // A client that fails early closes its input; its status tells then.
    let _ = client.stdin.take().expect("the client has an input").write_all(input);
    let output = client.wait_with_output().expect("the client ends");
    let text = || String::from_utf8_lossy(&input[..input.len().min(2000)]);
    assert!(output.status.success(), "{} on {}", String::from_utf8_lossy(&output.stderr), text());
    output.stdout
}

fn check(program: &str, output: &Output) {
    assert!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
}
