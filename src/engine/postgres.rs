//! PostgreSQL 13 and later.
//!
//! `connect` dials, `failure` names what went wrong, `database` is the live pool; beside them one folder an ability.

mod advise;
mod capability;
mod connect;
mod database;
mod ddl;
pub mod dialect;
mod dump;
mod facts;
mod failure;
mod inspect;
mod migrate;
mod monitor;
mod password;
mod pooler;
mod source;

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use secrecy::SecretString;
use sqlx::Connection;

pub use self::source::PostgresSource;
use self::{connect::Dialer, database::PostgresDatabase, pooler::DirectPlaces};
use super::{
    Database, Engine, EngineOptions, PasswordRecipe, Probe, Target,
    reach::{TLS_AT_SOCKET, socket_violation},
};
use crate::model::{
    AccountId, Error, Result,
    connection::{ConnectionSettings, EngineKind, TlsMode, is_socket},
    on_record::OnRecord,
};

const DEFAULT_PORT: u16 = 5432;
/// Longest name of PostgreSQL in bytes; it cuts a longer one in silence.
const MAX_NAME_BYTES: usize = 63;

/// The PostgreSQL engine.
pub struct PostgresEngine {
    options: EngineOptions,
    direct: DirectPlaces,
}

impl PostgresEngine {
    /// Builds it.
    pub fn new(options: EngineOptions) -> Self {
        Self { options, direct: DirectPlaces::default() }
    }
}

#[async_trait]
impl Engine for PostgresEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Postgresql
    }

    fn default_port(&self) -> Option<u16> {
        Some(DEFAULT_PORT)
    }

    fn check_settings(&self, _account: &AccountId, settings: &ConnectionSettings) -> Result<()> {
        let mut violations = Vec::new();
        let mut refuse = |field: &str, text: &str| violations.push((field.to_owned(), text.to_owned()));
        if let Some(text) = host_violation(&settings.host) {
            refuse("host", text);
        }
        if settings.port == 0 {
            refuse("port", "must be 1 to 65535");
        }
        for (field, value) in [("database", &settings.database), ("username", &settings.username)] {
            if value.is_empty() || value.len() > MAX_NAME_BYTES || value.contains('\0') {
                refuse(field, "must be 1 to 63 bytes and hold no NUL");
            }
        }
        let tls = &settings.tls;
        if is_socket(&settings.host) && tls.mode != TlsMode::Disabled {
            refuse("tls.mode", TLS_AT_SOCKET);
        }
        let verifies = matches!(tls.mode, TlsMode::VerifyCa | TlsMode::VerifyFull);
        if !tls.ca_pem.is_empty() && !verifies {
            refuse("tls.ca_pem", "is only used by TLS_MODE_VERIFY_CA and TLS_MODE_VERIFY_FULL; set one of them");
        }
        if !tls.client_cert_pem.is_empty() && tls.mode == TlsMode::Disabled {
            refuse("tls.client_cert_pem", "cannot be used with TLS_MODE_DISABLED");
        }
        if violations.is_empty() { Ok(()) } else { Err(Error::invalid_fields(violations)) }
    }

    async fn probe_on_record(&self, target: &Target, on_record: &OnRecord) -> Result<Probe> {
        let dialer = Dialer::on_record(target, &self.options, on_record)?;
        let began = Instant::now();
        let mut connection = dialer.dial_at_gate().await?;
        let (server, latency) = match self.direct.known(&dialer, &connection) {
            Some(server) => {
                dialer.in_time(connection.ping()).await?;
                (server, began.elapsed())
            }
            None => {
                let (mut server, backend_age) = dialer.server_info(&mut connection).await?;
                let latency = began.elapsed();
                server.pooler = self.direct.look(&dialer, &mut connection, &server, backend_age, latency).await?;
                (server, latency)
            }
        };
        // The answer is known; a peer that does not take the good-bye changes nothing about it.
        let _ = connection.close().await;
        Ok(Probe { server, latency })
    }

    fn password_recipe(&self) -> Option<PasswordRecipe> {
        Some(password::RECIPE)
    }

    async fn change_password(&self, target: &Target, password: &SecretString) -> Result<()> {
        password::change(&Dialer::new(target, &self.options)?, password).await
    }

    async fn open(&self, target: Target) -> Result<Arc<dyn Database>> {
        Ok(Arc::new(PostgresDatabase::open(target, &self.options, &self.direct).await?))
    }
}

/// A name, an address, or the folder of a socket; a socket without a place in the file system is nobody's to configure.
fn host_violation(host: &str) -> Option<&'static str> {
    if host.is_empty() {
        return Some("must be a host name or an address");
    }
    if is_socket(host) {
        return socket_violation(host);
    }
    if host.starts_with('@') {
        return Some("must be a host name, an address, or the folder of a Unix socket");
    }
    let forbidden = |character: char| {
        character.is_whitespace() || character.is_control() || matches!(character, '/' | '@' | ',' | '=' | '\'' | '\\')
    };
    (host.len() > 253 || host.contains(forbidden))
        .then_some("must be one host name or address of at most 253 characters")
}
