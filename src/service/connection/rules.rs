//! The rules on settings that hold for every engine, and their defaults. All fields at fault are told at once.

use std::{net::IpAddr, time::Duration};

use super::{
    Secrets,
    input::{Change, ConnectionInput, ConnectionPatch, PoolInput, ReplicaInput, TlsInput},
};
use crate::{
    model::{
        Error, Result,
        connection::{
            Connection, ConnectionSettings, EngineKind, PoolSettings, ReplicaSettings, TlsMode, TlsSettings, is_socket,
        },
    },
    vault,
};

const MAX_LABELS: usize = 64;
const MAX_REPLICAS: usize = 8;
const MAX_LABEL: usize = 255;
const MAX_PEM: usize = 64 * 1024;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Faults with the paths of their fields.
struct Faults(Vec<(String, String)>);

impl Faults {
    fn require(&mut self, holds: bool, field: &str, description: &str) {
        if !holds {
            self.0.push((field.to_owned(), description.to_owned()));
        }
    }
}

/// Fills in defaults and checks. `default_port` is the engine's own.
pub(super) fn check(input: ConnectionInput, default_port: Option<u16>) -> Result<(ConnectionSettings, Secrets)> {
    let mut faults = Faults(Vec::new());
    let length = input.display_name.chars().count();
    faults.require((1..=100).contains(&length), "display_name", &format!("must be 1 to 100 characters, has {length}"));
    faults.require(
        !input.display_name.chars().any(char::is_control),
        "display_name",
        "must not hold control characters",
    );
    faults.require(input.engine.is_some(), "engine", "is required: ENGINE_POSTGRESQL, ENGINE_MYSQL or ENGINE_SQLITE");
    faults.require(!input.database.is_empty(), "database", "is required");
    for (field, value, limit) in
        [("host", &input.host, 253), ("database", &input.database, 1024), ("username", &input.username, 255)]
    {
        let usable = value.len() <= limit && !value.chars().any(char::is_control);
        faults.require(usable, field, &format!("must be at most {limit} bytes without control characters"));
    }
    faults.require(input.port <= u32::from(u16::MAX), "port", "must be 0 to 65535");
    check_labels(&input, &mut faults);
    let pool = check_pool(&input.pool, &mut faults);
    let replicas = check_replicas(input.replicas, input.engine, &mut faults);
    let (tls, client_key_pem) = check_tls(input.tls, &input.host, input.engine, &mut faults);
    if !faults.0.is_empty() {
        return Err(Error::invalid_fields(faults.0));
    }

    let engine = input.engine.ok_or_else(|| Error::invalid_field("engine", "is required"))?;
    let given_port = u16::try_from(input.port).unwrap_or(0);
    let settings = ConnectionSettings {
        display_name: input.display_name,
        engine,
        host: input.host,
        port: if given_port == 0 { default_port.unwrap_or(0) } else { given_port },
        database: input.database,
        username: input.username,
        tls,
        pool,
        labels: input.labels,
        read_only: input.read_only,
        replicas,
    };
    Ok((settings, Secrets { password: input.password, client_key_pem }))
}

fn check_labels(input: &ConnectionInput, faults: &mut Faults) {
    faults.require(input.labels.len() <= MAX_LABELS, "labels", "must be 64 at most");
    for (key, value) in &input.labels {
        let mut bytes = key.bytes();
        let usable = key.len() <= 63
            && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
            && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte));
        if !usable {
            let shown: String = key.chars().take(20).collect();
            let fault = format!("keys must have the form [a-z][a-z0-9_.-]{{0,62}}, one begins with {shown:?}");
            faults.require(false, "labels", &fault);
            continue;
        }
        let field = format!("labels.{key}");
        let length = value.chars().count();
        faults.require(length <= MAX_LABEL, &field, &format!("must be at most {MAX_LABEL} characters, has {length}"));
        faults.require(!value.chars().any(char::is_control), &field, "must not hold control characters");
    }
}

fn check_pool(input: &PoolInput, faults: &mut Faults) -> PoolSettings {
    let defaults = PoolSettings::default();
    let max_connections = if input.max_connections == 0 { defaults.max_connections } else { input.max_connections };
    faults.require(max_connections <= 100, "pool.max_connections", "must be 1 to 100");
    faults.require(input.min_idle <= max_connections, "pool.min_idle", "must be 0 to max_connections");
    let mut span = |given: Option<Duration>, field, least: Duration, most: Duration, default| {
        let value = given.filter(|value| !value.is_zero()).unwrap_or(default);
        let range = format!("must be {} to {}", humantime::format_duration(least), humantime::format_duration(most));
        faults.require((least..=most).contains(&value), field, &range);
        value
    };
    let tenth = Duration::from_millis(100);
    PoolSettings {
        max_connections,
        min_idle: input.min_idle,
        acquire_timeout: span(
            input.acquire_timeout,
            "pool.acquire_timeout",
            tenth,
            5 * MINUTE,
            defaults.acquire_timeout,
        ),
        idle_timeout: span(input.idle_timeout, "pool.idle_timeout", SECOND, DAY, defaults.idle_timeout),
        max_lifetime: span(input.max_lifetime, "pool.max_lifetime", MINUTE, DAY, defaults.max_lifetime),
        statement_timeout: span(
            input.statement_timeout,
            "pool.statement_timeout",
            tenth,
            DAY,
            defaults.statement_timeout,
        ),
    }
}

fn check_replicas(input: ReplicaInput, engine: Option<EngineKind>, faults: &mut Faults) -> ReplicaSettings {
    let ReplicaInput { connections, max_lag } = input;
    faults.require(connections.len() <= MAX_REPLICAS, "replicas.connections", "must be 8 at most");
    let twice = connections.iter().enumerate().any(|(index, replica)| connections[..index].contains(replica));
    faults.require(!twice, "replicas.connections", "must not name a connection twice");
    let of_file = engine == Some(EngineKind::Sqlite) && !connections.is_empty();
    faults.require(!of_file, "replicas.connections", "must be empty for SQLite, which has no replicas");
    let max_lag = max_lag.filter(|lag| !lag.is_zero()).unwrap_or(ReplicaSettings::default().max_lag);
    let usable = (Duration::from_millis(100)..=DAY).contains(&max_lag);
    faults.require(usable, "replicas.max_lag", "must be 100ms to 1day");
    ReplicaSettings { connections, max_lag }
}

fn check_tls(
    input: TlsInput,
    host: &str,
    engine: Option<EngineKind>,
    faults: &mut Faults,
) -> (TlsSettings, Option<secrecy::SecretString>) {
    for (field, pem) in [("tls.ca_pem", &input.ca_pem), ("tls.client_cert_pem", &input.client_cert_pem)] {
        let usable = pem.is_empty() || (pem.len() <= MAX_PEM && pem.contains("-----BEGIN CERTIFICATE-----"));
        faults.require(usable, field, "must be certificates in PEM, at most 64 KiB");
    }
    let mode = input.mode.unwrap_or_else(|| default_tls(host, engine));
    let has_material = !input.ca_pem.is_empty() || !input.client_cert_pem.is_empty() || input.client_key_pem.is_some();
    faults.require(
        mode != TlsMode::Disabled || !has_material,
        "tls.mode",
        "is TLS_MODE_DISABLED, so certificates and keys have no use; leave them out or choose another mode",
    );
    let settings = TlsSettings { mode, ca_pem: input.ca_pem, client_cert_pem: input.client_cert_pem };
    (settings, input.client_key_pem)
}

/// In clear to this machine itself, else with the certificate checked: weaker modes are a choice that is written down.
fn default_tls(host: &str, engine: Option<EngineKind>) -> TlsMode {
    let loopback =
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let stays_here = loopback || is_socket(host) || engine == Some(EngineKind::Sqlite);
    if stays_here { TlsMode::Disabled } else { TlsMode::VerifyFull }
}

/// A stored password goes only to the place that it was given for: a change of host, port, user or TLS needs it again.
pub(super) fn check_password_given_again(current: &Connection, patch: &ConnectionPatch) -> Result<()> {
    if !current.password_set || patch.sets_password() {
        return Ok(());
    }
    let settings = &current.settings;
    let moved = patch.0.iter().find_map(|change| match change {
        Change::Host(host) if *host != settings.host => Some("host"),
        Change::Port(port) if *port != u32::from(settings.port) => Some("port"),
        Change::Username(username) if *username != settings.username => Some("username"),
        Change::TlsMode(mode) if *mode != Some(settings.tls.mode) => Some("tls.mode"),
        Change::TlsCa(pem) if *pem != settings.tls.ca_pem => Some("tls.ca_pem"),
        Change::TlsClientCert(pem) if *pem != settings.tls.client_cert_pem => Some("tls.client_cert_pem"),
        // What it was cannot be compared; to take away what is not there changes nothing.
        Change::TlsClientKey(key) if current.client_key_set || !vault::is_empty(key) => Some("tls.client_key_pem"),
        _ => None,
    });
    match moved {
        Some(field) => Err(Error::invalid_field(
            "password",
            format!("must be given again when {field} changes, so that the stored one is not sent to another place"),
        )),
        None => Ok(()),
    }
}
