//! PgBouncer in front of the shared PostgreSQL server, one a pool mode, started at its first use.

use std::{
    fs,
    net::TcpStream,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use dbkeeper::model::connection::ConnectionSettings;

use super::{
    port::free_port,
    postgres::{self, PostgresServer, SUPERUSER},
};

const START_TIMEOUT: Duration = Duration::from_secs(60);

static TRANSACTION: LazyLock<PgBouncer> =
    LazyLock::new(|| PgBouncer::start("transaction", &superuser(), SUPERUSER, PostgresServer::shared().port(), ""));
static SESSION: LazyLock<PgBouncer> =
    LazyLock::new(|| PgBouncer::start("session", &superuser(), SUPERUSER, PostgresServer::shared().port(), ""));

/// A running pooler.
pub(crate) struct PgBouncer {
    port: u16,
    folder: PathBuf,
    /// Its standard input is what keeps the pooler alive.
    _watchdog: Child,
}

impl PgBouncer {
    /// Lends out sessions by transaction.
    pub(crate) fn by_transaction() -> &'static Self {
        &TRANSACTION
    }

    /// Lends out sessions until their client goes.
    pub(crate) fn by_session() -> &'static Self {
        &SESSION
    }

    /// One of its own that knows one user, and checks passwords from its own list.
    pub(crate) fn of_user(name: &str, password: &str) -> Self {
        Self::start("session", &user(name, password), name, PostgresServer::shared().port(), "")
    }

    /// One of its own in front of a port, behind which there need not be a server: it soon tells its clients so.
    pub(crate) fn in_front_of(port: u16) -> Self {
        Self::start("session", &superuser(), SUPERUSER, port, "server_login_retry = 1\nquery_wait_timeout = 1\n")
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Gives the user of its list another password.
    pub(crate) fn set_user(&self, name: &str, old: &str, password: &str) {
        postgres::write_file(&self.folder, "users", &user(name, password));
        let mut console = PostgresServer::shared().client("psql", "pgbouncer");
        console.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string()).env("PGUSER", name);
        let reloaded = console.env("PGPASSWORD", old).args(["-c", "RELOAD"]).output().expect("psql starts");
        assert!(reloaded.status.success(), "{}", String::from_utf8_lossy(&reloaded.stderr));
    }

    /// Settings of the superuser in a database, through the pooler.
    pub(crate) fn settings(&self, database: &str) -> ConnectionSettings {
        let mut settings = PostgresServer::shared().settings(database);
        settings.host = "127.0.0.1".to_owned();
        settings.port = self.port;
        settings
    }

    fn start(mode: &str, users: &str, administrator: &str, target: u16, more: &str) -> Self {
        let folder =
            tempfile::Builder::new().prefix("dbkeeper-pgbouncer-").tempdir().expect("a temporary folder").keep();
        let port = free_port();
        postgres::write_file(&folder, "users", users);
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={target}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\ndefault_pool_size = 10\n\
             admin_users = {administrator}\n{more}",
            folder.join("users").display()
        );
        let configuration = postgres::write_file(&folder, "pgbouncer.ini", &configuration);
        let pooler = postgres::as_server_user(&find_program(), &folder, &[&configuration]);
        let mut watchdog = Command::new("sh");
        watchdog.args(["-c", postgres::WATCHDOG, "sh"]).arg(&folder).arg(pooler.get_program()).args(pooler.get_args());
        // A group of its own, so that Ctrl-C on the tests does not take the watchdog before it has cleaned up.
        watchdog.current_dir("/").process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let watchdog = watchdog.spawn().expect("sh starts");
        wait_until_ready(port, &folder);
        Self { port, folder, _watchdog: watchdog }
    }
}

fn superuser() -> String {
    user(SUPERUSER, PostgresServer::shared().password())
}

/// A line of the list of users.
fn user(name: &str, password: &str) -> String {
    format!("\"{name}\" \"{password}\"\n")
}

fn wait_until_ready(port: u16, folder: &Path) {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(began.elapsed() < START_TIMEOUT, "PgBouncer does not start: {}", log());
        thread::sleep(Duration::from_millis(50));
    }
}

fn find_program() -> PathBuf {
    ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("PgBouncer is not installed; install it with: apt-get install pgbouncer"))
}
