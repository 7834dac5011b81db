//! Opens sessions: structured options only, one deadline over everything, and a session state of our own.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls_pki_types::{CertificateDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, MySqlConnection,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use super::{error, row, server::Server};
use crate::{
    engine::{
        EngineOptions, Target,
        reach::{Checked, Destination, LoginGuard, Passage},
        session_pool::DialGates,
    },
    model::{
        Error, Result,
        connection::{ConnectionSettings, TlsMode},
        on_record::OnRecord,
    },
};

/// What every session of ours begins with. The mode and the time zone are fixed, so that what a statement means does not
/// depend on the server it meets: strict, backslashes escape, double quotes are strings, as the statement splitter reads them.
const SESSION: &str = "SET NAMES utf8mb4, time_zone = '+00:00', autocommit = 1, \
    sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'";

/// Whether a text holds certificates in PEM and nothing broken.
pub(super) fn holds_certificates(pem: &str) -> bool {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    !certificates.is_empty() && certificates.iter().all(Result::is_ok)
}

/// Opens sessions on one target.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) settings: ConnectionSettings,
    pub(super) password: SecretString,
    pub(super) client_key_pem: Option<SecretString>,
    passage: Arc<Passage>,
    pub(super) dial_timeout: Duration,
    gates: DialGates,
}

impl Connector {
    pub(super) fn new(target: &Target, engine: &EngineOptions) -> Result<Self> {
        Self::on_record(target, engine, &OnRecord::already())
    }

    /// One that sends nothing before the call is on record.
    pub(super) fn on_record(target: &Target, engine: &EngineOptions, on_record: &OnRecord) -> Result<Self> {
        let (settings, dial_timeout) = (&target.settings, engine.dial_timeout);
        let guard = LoginGuard::Mysql(settings.tls.mode);
        let passage = Passage::open(&engine.reach, destination(settings), guard, dial_timeout, "", on_record.clone())
            .map_err(Error::internal)?;
        Ok(Self {
            settings: settings.clone(),
            password: target.credentials.password.clone(),
            client_key_pem: target.credentials.client_key_pem.clone(),
            passage,
            dial_timeout,
            gates: engine.sessions.gates.clone(),
        })
    }

    /// Options of the driver. They hold the password and derive Debug: never log them.
    pub(super) fn options(&self) -> MySqlConnectOptions {
        let settings = &self.settings;
        let mode = match settings.tls.mode {
            TlsMode::Disabled => MySqlSslMode::Disabled,
            TlsMode::Required => MySqlSslMode::Required,
            TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
            TlsMode::VerifyFull => MySqlSslMode::VerifyIdentity,
        };
        let mut options = MySqlConnectOptions::new()
            .host(&settings.host)
            .port(settings.port)
            .socket(self.passage.socket())
            .username(&settings.username)
            .password(self.password.expose_secret())
            .database(&settings.database)
            .ssl_mode(mode)
            // The session is set up by one statement of our own.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .set_names(false)
            .disable_statement_logging();
        if !settings.tls.ca_pem.is_empty() {
            options = options.ssl_ca_from_pem(settings.tls.ca_pem.clone().into_bytes());
        }
        if let (false, Some(key)) = (settings.tls.client_cert_pem.is_empty(), &self.client_key_pem) {
            options = options
                .ssl_client_cert_from_pem(settings.tls.client_cert_pem.as_bytes())
                .ssl_client_key_from_pem(key.expose_secret().as_bytes());
        }
        options
    }

    /// Opens a session outside any pool when it is its turn among the dials to the host, and asks who answers.
    pub(super) async fn dial(&self) -> Result<(MySqlConnection, Server)> {
        let _gate = self.gates.enter(&self.settings.host, self.settings.port).await;
        self.dial_at_gate().await
    }

    /// The same for callers that hold a turn at the gate of the host: five of them that waited for a second one would wait for
    /// each other. The deadline covers look-up, dial, TLS and authentication.
    pub(super) async fn dial_at_gate(&self) -> Result<(MySqlConnection, Server)> {
        let began = Instant::now();
        let work = async {
            let mut connection = self.options().connect().await.map_err(|cause| self.explain(cause, began))?;
            let server = set_up(&mut connection).await.map_err(|cause| self.explain(cause, began))?;
            Ok((connection, server))
        };
        tokio::time::timeout(self.dial_timeout, work)
            .await
            .map_err(|_| error::connect_timeout(&self.settings, self.dial_timeout))?
    }

    /// Words why a dial failed that began then.
    pub(super) fn explain(&self, cause: sqlx::Error, began: Instant) -> Error {
        match self.passage.failure_since(began) {
            Some(failure) => error::unreached(failure, &self.settings),
            None => error::while_connecting(cause, &self.settings),
        }
    }

    /// Runs a statement of ours within the deadline of a dial.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T> {
        match tokio::time::timeout(self.dial_timeout, work).await {
            Ok(outcome) => outcome.map_err(|cause| error::while_using(cause, &self.settings)),
            Err(_) => Err(error::connect_timeout(&self.settings, self.dial_timeout)),
        }
    }

    /// What a tool that dials by itself is given.
    pub(super) async fn checked(&self) -> Result<Checked> {
        self.passage.checked().await.map_err(|failure| error::unreached(failure, &self.settings))
    }
}

/// Where settings lead. A socket is named by its file, and has no port.
pub(super) fn destination(settings: &ConnectionSettings) -> Destination {
    Destination::new(&settings.host, settings.port, Path::to_owned)
}

/// Gives a new session its state and asks who answers.
pub(super) async fn set_up(connection: &mut MySqlConnection) -> Result<Server, sqlx::Error> {
    sqlx::raw_sql(SESSION).execute(&mut *connection).await?;
    let cipher = sqlx::query("SHOW SESSION STATUS LIKE 'Ssl_cipher'").fetch_optional(&mut *connection).await?;
    let tls_active = match cipher {
        Some(cipher) => !row::text(&cipher, 1)?.is_empty(),
        None => false,
    };
    Server::ask(connection, tls_active).await
}

/// Limits what a session of a pool may take: neither a slow statement nor a lock of another may hang it.
pub(super) async fn limit(
    connection: &mut MySqlConnection,
    server: &Server,
    statement_timeout: Duration,
    lock_timeout: Duration,
) -> Result<(), sqlx::Error> {
    let locks = whole_seconds(lock_timeout);
    let statement = if server.is_mariadb() {
        format!("max_statement_time = {}", statement_timeout.as_secs_f64())
    } else {
        format!("max_execution_time = {}", statement_timeout.as_millis())
    };
    let sql = format!("SET SESSION {statement}, lock_wait_timeout = {locks}, innodb_lock_wait_timeout = {locks}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Seconds, rounded up: the servers' lock time-outs know no fractions, and 0 would mean not to wait at all.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}
