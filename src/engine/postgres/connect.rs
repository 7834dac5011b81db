//! Dials a server: structured settings only, nothing from the environment, one deadline over all of it.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, Connection, PgConnection, Row,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::failure::{self, Place};
use crate::{
    engine::{
        EngineOptions, Target,
        monitor::APPLICATION_NAME,
        reach::{Checked, Destination, LoginGuard, Passage},
        session_pool::DialGates,
    },
    model::{
        Error, OperationId, Reason, Result,
        connection::{ConnectionSettings, ServerInfo, TlsMode, TlsSettings},
        on_record::OnRecord,
    },
};

/// libpq variables that sqlx takes over and that its options cannot unset.
const STICKY_VARIABLES: [&str; 3] = ["PGOPTIONS", "PGSSLCERT", "PGSSLKEY"];
/// One's own session may be asked for by anybody. The function, unlike the views over it, costs a new session no look at the
/// catalogs that the views join: 1 ms in place of 5. PostgreSQL 13 to 18.
const SERVER_INFO: &str = "SELECT current_setting('server_version'), current_setting('server_version_num')::int4, \
                           coalesce(ssl, false), \
                           coalesce(extract(epoch FROM clock_timestamp() - backend_start)::float8, 0) \
                           FROM pg_catalog.pg_stat_get_activity(pg_backend_pid())";
/// Counts the sessions that it tells to end; none are left where that is 0.
const END_SESSIONS: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity \
                            WHERE application_name = $1 AND usename = current_user AND pid <> pg_backend_pid()";
const END_TIMEOUT: Duration = Duration::from_secs(30);
const END_PAUSE: Duration = Duration::from_millis(50);

/// Everything that is needed to dial one database again: for pools, for runs, and to cancel what runs.
#[derive(Clone)]
pub(super) struct Dialer {
    options: PgConnectOptions,
    passage: Arc<Passage>,
    /// Where it leads, for the texts of errors.
    pub(super) place: Place,
    pub(super) tls: TlsSettings,
    pub(super) password: SecretString,
    pub(super) client_key_pem: Option<SecretString>,
    timeout: Duration,
    gates: DialGates,
}

impl Dialer {
    pub(super) fn new(target: &Target, engine: &EngineOptions) -> Result<Self> {
        Self::on_record(target, engine, &OnRecord::already())
    }

    /// One that sends nothing before the call is on record.
    pub(super) fn on_record(target: &Target, engine: &EngineOptions, on_record: &OnRecord) -> Result<Self> {
        refuse_sticky_variables()?;
        let timeout = engine.dial_timeout;
        let settings = &target.settings;
        let credentials = &target.credentials;
        let client_key = credentials.client_key_pem.as_ref().map(ExposeSecret::expose_secret);
        let socket = |folder: &Path| socket_file(folder, settings.port);
        let (way, guard) =
            (Destination::new(&settings.host, settings.port, socket), LoginGuard::Postgres(settings.tls.mode));
        // The driver, too, makes a file name with the port of the folder that it is given.
        let suffix = format!("/{}", socket_name(settings.port));
        let passage = Passage::open(&engine.reach, way.clone(), guard, timeout, &suffix, on_record.clone())
            .map_err(Error::internal)?;
        Ok(Self {
            options: connect_options(settings, credentials.password.expose_secret(), client_key)?
                .socket(passage.socket()),
            passage,
            place: Place {
                destination: way,
                host: settings.host.clone(),
                port: settings.port,
                database: settings.database.clone(),
                username: settings.username.clone(),
                timeout,
            },
            tls: settings.tls.clone(),
            password: credentials.password.clone(),
            client_key_pem: credentials.client_key_pem.clone(),
            timeout,
            gates: engine.sessions.gates.clone(),
        })
    }

    /// The same server, another database.
    pub(super) fn for_database(&self, database: &str) -> Self {
        let mut other = self.clone();
        other.options = other.options.database(database);
        database.clone_into(&mut other.place.database);
        other
    }

    /// The same database under the application name of an operation.
    pub(super) fn for_operation(&self, operation: &OperationId) -> Self {
        let mut other = self.clone();
        other.options = other.options.application_name(&operation_name(operation));
        other
    }

    /// Dials when it is its turn among the dials to the host.
    pub(super) async fn dial(&self) -> Result<PgConnection> {
        let _gate = self.gates.enter(&self.place.host, self.place.port).await;
        self.dial_at_gate().await
    }

    /// Looks the name up, connects, encrypts and authenticates, all within the deadline. For callers that hold a turn at the
    /// gate of the host: five of them that waited for a second one would wait for each other.
    pub(super) async fn dial_at_gate(&self) -> Result<PgConnection> {
        let began = Instant::now();
        match tokio::time::timeout(self.timeout, self.options.connect()).await {
            Ok(outcome) => outcome.map_err(|error| self.explain(error, began)),
            Err(_) => Err(self.place.timed_out()),
        }
    }

    /// Words why a dial failed that began then.
    fn explain(&self, error: sqlx::Error, began: Instant) -> Error {
        match self.passage.failure_since(began) {
            Some(failure) => self.place.unreached(failure),
            None => failure::classify(error, &self.place),
        }
    }

    /// Runs a statement of ours within the deadline of a dial.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(outcome) => outcome.map_err(|error| failure::classify(error, &self.place)),
            Err(_) => Err(self.place.timed_out()),
        }
    }

    /// What a tool that dials by itself is given.
    pub(super) async fn checked(&self) -> Result<Checked> {
        self.passage.checked().await.map_err(|failure| self.place.unreached(failure))
    }

    /// Who answers, in one round trip, and how old the server's session is. What stands in front of it is not looked at.
    pub(super) async fn server_info(&self, connection: &mut PgConnection) -> Result<(ServerInfo, Duration)> {
        let query = sqlx::raw_sql(SERVER_INFO).fetch_one(connection);
        let row = match tokio::time::timeout(self.timeout, query).await {
            Ok(outcome) => outcome.map_err(|error| failure::classify(error, &self.place))?,
            Err(_) => return Err(self.place.timed_out()),
        };
        let number: i32 = row.get(1);
        let number = u32::try_from(number).unwrap_or(0);
        let server = ServerInfo {
            product: "PostgreSQL",
            version: row.get(0),
            version_number: (number / 10_000, number % 10_000),
            tls_active: row.get(2),
            pooler: None,
        };
        Ok((server, Duration::try_from_secs_f64(row.get(3)).unwrap_or_default()))
    }

    /// Ends our sessions of that application name in any database, and waits until they are gone.
    pub(super) async fn end_sessions(&self, application_name: &str) -> Result<()> {
        let mut connection = self.dial().await?;
        let began = Instant::now();
        let outcome = loop {
            let query = sqlx::query_scalar::<_, i64>(END_SESSIONS).bind(application_name);
            match query.fetch_one(&mut connection).await {
                Ok(0) => break Ok(()),
                Ok(_) if began.elapsed() > END_TIMEOUT => {
                    let text = format!(
                        "sessions named {application_name:?} do not end; end them on the server, then try again"
                    );
                    break Err(Error::new(Reason::DatabaseBusy, text));
                }
                Ok(_) => tokio::time::sleep(END_PAUSE).await,
                Err(error) => break Err(failure::classify(error, &self.place)),
            }
        };
        // The sessions are gone or not; a failed good-bye changes nothing about it.
        let _ = connection.close().await;
        outcome
    }
}

/// Application name of the sessions of an operation. PostgreSQL cuts a longer one, so a long id is hashed.
pub(super) fn operation_name(operation: &OperationId) -> String {
    let name = format!("{APPLICATION_NAME} operation/{operation}");
    if name.len() <= super::MAX_NAME_BYTES {
        return name;
    }
    let hash = blake3::hash(operation.as_str().as_bytes()).to_hex();
    format!("{APPLICATION_NAME} operation/{}", &hash[..32])
}

fn connect_options(
    settings: &ConnectionSettings,
    password: &str,
    client_key_pem: Option<&str>,
) -> Result<PgConnectOptions> {
    // Every field is set, for this constructor fills them from PG* variables.
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&settings.host)
        .port(settings.port)
        .database(&settings.database)
        .username(&settings.username)
        .password(password)
        .application_name(APPLICATION_NAME)
        .extra_float_digits(None)
        .ssl_mode(ssl_mode(settings.tls.mode))
        .ssl_root_cert_from_pem(settings.tls.ca_pem.clone().into_bytes())
        // sqlx would log the statements, texts of users among them.
        .disable_statement_logging();
    match (settings.tls.client_cert_pem.as_str(), client_key_pem) {
        ("", _) => {}
        (_, None) => {
            return Err(Error::invalid_field("tls.client_key_pem", "is needed beside tls.client_cert_pem"));
        }
        (certificate, Some(key)) => {
            options = options.ssl_client_cert_from_pem(certificate).ssl_client_key_from_pem(key);
        }
    }
    Ok(options)
}

/// A server has one socket a port in a folder, and all who dial it know the folder only.
pub(super) fn socket_file(folder: &Path, port: u16) -> PathBuf {
    folder.join(socket_name(port))
}

fn socket_name(port: u16) -> String {
    format!(".s.PGSQL.{port}")
}

fn ssl_mode(mode: TlsMode) -> PgSslMode {
    match mode {
        TlsMode::Disabled => PgSslMode::Disable,
        TlsMode::Required => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::VerifyFull => PgSslMode::VerifyFull,
    }
}

fn refuse_sticky_variables() -> Result<()> {
    match STICKY_VARIABLES.into_iter().find(|name| env::var_os(name).is_some()) {
        None => Ok(()),
        Some(name) => Err(Error::new(
            Reason::Internal,
            format!("the environment of dbkeeper sets {name}, which would change every connection; start it without"),
        )),
    }
}
