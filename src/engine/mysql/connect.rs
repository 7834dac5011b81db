//! Opens sessions: structured options only, one deadline over everything, and a session state of our own.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, MySqlConnection,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use super::{error, row, server::Server};
use crate::{
    engine::Target,
    model::{
        Error, Result,
        connection::{ConnectionSettings, TlsMode},
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
    dial_timeout: Duration,
}

impl Connector {
    pub(super) fn new(target: &Target, dial_timeout: Duration) -> Self {
        Self {
            settings: target.settings.clone(),
            password: target.credentials.password.clone(),
            client_key_pem: target.credentials.client_key_pem.clone(),
            dial_timeout,
        }
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

    /// Opens a session outside any pool and asks who answers. The deadline covers look-up, dial, TLS and authentication.
    pub(super) async fn dial(&self) -> Result<(MySqlConnection, Server)> {
        let work = async {
            self.look_up().await?;
            let mut connection = match self.options().connect().await {
                Ok(connection) => connection,
                Err(cause) => return Err(self.refused(cause).await),
            };
            let server =
                set_up(&mut connection).await.map_err(|cause| error::while_connecting(cause, &self.settings))?;
            Ok((connection, server))
        };
        tokio::time::timeout(self.dial_timeout, work)
            .await
            .map_err(|_| error::connect_timeout(&self.settings, self.dial_timeout))?
    }

    /// MariaDB before 11 answers "access denied" where it demands TLS and the session has none. Whether that is meant shows
    /// when the same user is let in with TLS; its password has travelled in clear by then.
    async fn refused(&self, cause: sqlx::Error) -> Error {
        let in_clear = self.settings.tls.mode == TlsMode::Disabled;
        if in_clear && error::vendor_code(&cause) == Some(1045) {
            let encrypted = self.options().ssl_mode(MySqlSslMode::Required).connect().await;
            if encrypted.is_ok() {
                return error::tls_required(cause);
            }
        }
        error::while_connecting(cause, &self.settings)
    }

    /// The driver looks the name up as well, but does not tell an unknown name from a refused call.
    async fn look_up(&self) -> Result<()> {
        tokio::net::lookup_host((self.settings.host.as_str(), self.settings.port))
            .await
            .map(drop)
            .map_err(|cause| error::host_unknown(&self.settings.host, cause))
    }
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
