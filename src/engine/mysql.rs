//! MySQL and MariaDB.
//!
//! One engine for both: they share the protocol and most of the catalog, and where they differ the code asks
//! [`server::Server`]. Each ability is a module; `connect` opens sessions, `error` words what the server says.

mod abandoned;
mod advise;
mod capability;
mod connect;
mod database;
pub mod dialect;
mod dump;
mod error;
mod facts;
mod fingerprint;
mod inspect;
mod migrate;
mod monitor;
mod named_lock;
mod password;
mod row;
mod server;
mod source;

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use secrecy::SecretString;

pub use self::source::MysqlSource;
use self::{connect::Connector, database::MysqlDatabase};
use super::{
    Database, Engine, EngineOptions, PasswordRecipe, Probe, Target,
    reach::{TLS_AT_SOCKET, socket_violation},
};
use crate::model::{
    AccountId, Error, Result,
    connection::{ConnectionSettings, EngineKind, TlsMode, is_socket},
    on_record::OnRecord,
};

/// MySQL and MariaDB.
pub struct MysqlEngine {
    options: EngineOptions,
}

impl MysqlEngine {
    /// Builds it.
    pub fn new(options: EngineOptions) -> Self {
        Self { options }
    }
}

#[async_trait]
impl Engine for MysqlEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Mysql
    }

    fn default_port(&self) -> Option<u16> {
        Some(3306)
    }

    fn check_settings(&self, _account: &AccountId, settings: &ConnectionSettings) -> Result<()> {
        let violations = violations(settings);
        if violations.is_empty() { Ok(()) } else { Err(Error::invalid_fields(violations)) }
    }

    async fn probe_on_record(&self, target: &Target, on_record: &OnRecord) -> Result<Probe> {
        let connector = Connector::on_record(target, &self.options, on_record)?;
        let began = Instant::now();
        let (connection, server) = connector.dial_at_gate().await?;
        let latency = began.elapsed();
        // The answer is known; a server that is slow to say goodbye changes nothing about it.
        let _ = sqlx::Connection::close(connection).await;
        Ok(Probe { server: server.info, latency })
    }

    fn password_recipe(&self) -> Option<PasswordRecipe> {
        Some(password::RECIPE)
    }

    async fn change_password(&self, target: &Target, password: &SecretString) -> Result<()> {
        password::change(&Connector::new(target, &self.options)?, password).await
    }

    async fn open(&self, target: Target) -> Result<Arc<dyn Database>> {
        Ok(Arc::new(MysqlDatabase::open(&self.options, target).await?))
    }
}

fn violations(settings: &ConnectionSettings) -> Vec<(String, String)> {
    let mut violations = Vec::new();
    let mut refuse = |field: &str, text: &str| violations.push((field.to_owned(), text.to_owned()));
    if let Some(text) = host_violation(&settings.host) {
        refuse("host", text);
    }
    if settings.port == 0 {
        refuse("port", "must be 1 to 65535");
    }
    if settings.database.is_empty() || settings.database.chars().count() > 64 || settings.database.contains('\0') {
        refuse("database", "must be 1 to 64 characters and hold no NUL");
    }
    if settings.username.is_empty() || settings.username.contains('\0') {
        refuse("username", "must not be empty and hold no NUL");
    }
    let tls = &settings.tls;
    if is_socket(&settings.host) && tls.mode != TlsMode::Disabled {
        refuse("tls.mode", TLS_AT_SOCKET);
    }
    if tls.mode == TlsMode::Disabled && !(tls.ca_pem.is_empty() && tls.client_cert_pem.is_empty()) {
        refuse("tls.mode", "must not be disabled where certificates are given");
    }
    for (field, pem) in [("tls.ca_pem", &tls.ca_pem), ("tls.client_cert_pem", &tls.client_cert_pem)] {
        if !pem.is_empty() && !connect::holds_certificates(pem) {
            refuse(field, "must be certificates in PEM");
        }
    }
    violations
}

/// A name, an address, or the file of a socket.
fn host_violation(host: &str) -> Option<&'static str> {
    if is_socket(host) {
        return socket_violation(host);
    }
    (host.is_empty() || host.contains(['/', '\0']) || host.contains(char::is_whitespace))
        .then_some("must be a host name, an address, or the absolute path of a Unix socket")
}
