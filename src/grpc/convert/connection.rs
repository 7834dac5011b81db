//! Registered databases. Secrets come in here and never go out: what goes out is made without them.

use std::time::Duration;

use secrecy::SecretString;

use super::{
    connection_details::full_text_index,
    connection_status::{self, failure},
    engine, engine_from_proto, enum_from_proto, etag,
    field_mask::UpdatePaths,
    pool::pooler,
    small_count,
    time::{duration, duration_or_default, timestamp},
};
use crate::{
    engine::Probe,
    grpc::proto::v1,
    model::{
        ConnectionId, Error, Result,
        connection::{Ability, Capabilities, Capability, Connection, ConnectionFailure, PoolSettings, TlsMode},
        name,
        page::Page,
    },
    service::connection::input::{Change, ConnectionInput, ConnectionPatch, PoolInput, ReplicaInput, TlsInput},
};

/// A registered database, without its secrets.
pub fn connection(connection: Connection) -> v1::Connection {
    let settings = connection.settings;
    v1::Connection {
        name: name::connection(&connection.id),
        display_name: settings.display_name,
        engine: engine(settings.engine).into(),
        host: settings.host,
        port: settings.port.into(),
        database: settings.database,
        username: settings.username,
        password: String::new(),
        password_set: connection.password_set,
        tls: Some(v1::TlsSettings {
            mode: tls_mode(settings.tls.mode).into(),
            ca_pem: settings.tls.ca_pem,
            client_cert_pem: settings.tls.client_cert_pem,
            client_key_pem: String::new(),
            client_key_set: connection.client_key_set,
        }),
        pool: Some(pool_settings(&settings.pool)),
        labels: settings.labels,
        read_only: settings.read_only,
        state: connection_status::state(connection.state).into(),
        health: connection.health.map(connection_status::health),
        server_version: connection.server_version,
        create_time: Some(timestamp(connection.created)),
        update_time: Some(timestamp(connection.updated)),
        last_test_time: connection.last_tested.map(timestamp),
        etag: etag::etag(connection.revision),
        replicas: Some(v1::ReplicaSettings {
            connections: settings.replicas.connections.iter().map(name::connection).collect(),
            max_lag: Some(duration(settings.replicas.max_lag)),
        }),
        details: None,
    }
}

fn pool_settings(pool: &PoolSettings) -> v1::PoolSettings {
    v1::PoolSettings {
        max_connections: pool.max_connections,
        min_idle: pool.min_idle,
        acquire_timeout: Some(duration(pool.acquire_timeout)),
        idle_timeout: Some(duration(pool.idle_timeout)),
        max_lifetime: Some(duration(pool.max_lifetime)),
        statement_timeout: Some(duration(pool.statement_timeout)),
    }
}

fn tls_mode(mode: TlsMode) -> v1::TlsMode {
    match mode {
        TlsMode::Disabled => v1::TlsMode::Disabled,
        TlsMode::Required => v1::TlsMode::Required,
        TlsMode::VerifyCa => v1::TlsMode::VerifyCa,
        TlsMode::VerifyFull => v1::TlsMode::VerifyFull,
    }
}

fn tls_mode_from_proto(mode: i32, field: &str) -> Result<Option<TlsMode>> {
    Ok(match enum_from_proto(mode, field)? {
        v1::TlsMode::Unspecified => None,
        v1::TlsMode::Disabled => Some(TlsMode::Disabled),
        v1::TlsMode::Required => Some(TlsMode::Required),
        v1::TlsMode::VerifyCa => Some(TlsMode::VerifyCa),
        v1::TlsMode::VerifyFull => Some(TlsMode::VerifyFull),
    })
}

/// The answer of a test. `took` is the time until the database refused, where it did.
pub fn test_response(outcome: Result<Probe>, took: Duration) -> v1::TestConnectionResponse {
    match outcome {
        Ok(probe) => v1::TestConnectionResponse {
            connected: true,
            message: format!("connected to {} {}", probe.server.product, probe.server.version),
            latency: Some(duration(probe.latency)),
            server_version: probe.server.version,
            tls_active: probe.server.tls_active,
            error: None,
            pooler: probe.server.pooler.map(pooler),
        },
        Err(error) => v1::TestConnectionResponse {
            connected: false,
            message: error.message().to_owned(),
            latency: Some(duration(took)),
            error: Some(failure(ConnectionFailure::from_error(&error))),
            ..Default::default()
        },
    }
}

/// What can be done with a database.
pub fn capabilities(id: &ConnectionId, capabilities: Capabilities) -> v1::Capabilities {
    v1::Capabilities {
        connection: name::connection(id),
        pooler: capabilities.server.pooler.map(pooler),
        server_version: capabilities.server.version,
        product: capabilities.server.product.to_owned(),
        capabilities: capabilities.capabilities.into_iter().map(capability).collect(),
        full_text_indexes: capabilities.full_text_indexes.into_iter().map(full_text_index).collect(),
    }
}

fn capability(capability: Capability) -> v1::Capability {
    let ability = match capability.ability {
        Ability::Inspect => v1::Ability::Inspect,
        Ability::Migrate => v1::Ability::Migrate,
        Ability::TransactionalDdl => v1::Ability::TransactionalDdl,
        Ability::Backup => v1::Ability::Backup,
        Ability::Restore => v1::Ability::Restore,
        Ability::Metrics => v1::Ability::Metrics,
        Ability::Sessions => v1::Ability::Sessions,
        Ability::FullTextSearch => v1::Ability::FullTextSearch,
    };
    v1::Capability {
        ability: ability.into(),
        supported: capability.supported,
        missing: capability.missing,
        remedy: capability.remedy,
    }
}

/// Settings as a caller gives them.
pub fn input(connection: v1::Connection) -> Result<ConnectionInput> {
    let engine = match connection.engine {
        0 => None,
        engine => Some(engine_from_proto(engine, "connection.engine")?),
    };
    let tls = connection.tls.unwrap_or_default();
    let pool = connection.pool.unwrap_or_default();
    let replicas = connection.replicas.unwrap_or_default();
    Ok(ConnectionInput {
        display_name: connection.display_name,
        engine,
        host: connection.host,
        port: connection.port,
        database: connection.database,
        username: connection.username,
        password: secret(connection.password),
        tls: TlsInput {
            mode: tls_mode_from_proto(tls.mode, "connection.tls.mode")?,
            ca_pem: tls.ca_pem,
            client_cert_pem: tls.client_cert_pem,
            client_key_pem: secret(tls.client_key_pem),
        },
        pool: PoolInput {
            max_connections: pool.max_connections,
            min_idle: pool.min_idle,
            acquire_timeout: duration_or_default(pool.acquire_timeout, "connection.pool.acquire_timeout")?,
            idle_timeout: duration_or_default(pool.idle_timeout, "connection.pool.idle_timeout")?,
            max_lifetime: duration_or_default(pool.max_lifetime, "connection.pool.max_lifetime")?,
            statement_timeout: duration_or_default(pool.statement_timeout, "connection.pool.statement_timeout")?,
        },
        labels: connection.labels,
        read_only: connection.read_only,
        replicas: ReplicaInput {
            connections: replica_names(replicas.connections)?,
            max_lag: duration_or_default(replicas.max_lag, "connection.replicas.max_lag")?,
        },
    })
}

fn replica_names(names: Vec<String>) -> Result<Vec<ConnectionId>> {
    let parse = |(index, text): (usize, String)| {
        name::parse_connection(&text, &format!("connection.replicas.connections[{index}]"))
    };
    names.into_iter().enumerate().map(parse).collect()
}

/// A secret where one is given.
pub fn secret(text: String) -> Option<SecretString> {
    (!text.is_empty()).then(|| SecretString::from(text))
}

/// The changes that the mask of an update selects.
pub fn patch(connection: v1::Connection, mask: Option<&prost_types::FieldMask>) -> Result<ConnectionPatch> {
    let tls = connection.tls.clone().unwrap_or_default();
    let pool = connection.pool.unwrap_or_default();
    let replicas = connection.replicas.unwrap_or_default();
    let paths = UpdatePaths::resolve(
        mask,
        &[
            ("display_name", !connection.display_name.is_empty()),
            ("engine", connection.engine != 0),
            ("host", !connection.host.is_empty()),
            ("port", connection.port != 0),
            ("database", !connection.database.is_empty()),
            ("username", !connection.username.is_empty()),
            ("password", !connection.password.is_empty()),
            ("tls.mode", tls.mode != 0),
            ("tls.ca_pem", !tls.ca_pem.is_empty()),
            ("tls.client_cert_pem", !tls.client_cert_pem.is_empty()),
            ("tls.client_key_pem", !tls.client_key_pem.is_empty()),
            ("pool.max_connections", pool.max_connections != 0),
            ("pool.min_idle", pool.min_idle != 0),
            ("pool.acquire_timeout", pool.acquire_timeout.is_some()),
            ("pool.idle_timeout", pool.idle_timeout.is_some()),
            ("pool.max_lifetime", pool.max_lifetime.is_some()),
            ("pool.statement_timeout", pool.statement_timeout.is_some()),
            ("labels", !connection.labels.is_empty()),
            ("read_only", connection.read_only),
            ("replicas.connections", !replicas.connections.is_empty()),
            ("replicas.max_lag", replicas.max_lag.is_some()),
        ],
    )?;
    // `*` without a password keeps the stored one: it is never read back, so a caller cannot send what it has seen.
    let all = mask.is_some_and(|mask| mask.paths.iter().any(|path| path == "*" || path == "tls"));
    let keeps_secret = |path: &str, given: &str| given.is_empty() && all && !names(mask, path);
    let mut changes = Vec::new();
    for path in paths.iter() {
        changes.push(match path {
            "display_name" => Change::DisplayName(connection.display_name.clone()),
            "engine" if connection.engine == 0 => continue,
            "engine" => Change::Engine(Some(engine_from_proto(connection.engine, "connection.engine")?)),
            "host" => Change::Host(connection.host.clone()),
            "port" => Change::Port(connection.port),
            "database" => Change::Database(connection.database.clone()),
            "username" => Change::Username(connection.username.clone()),
            "password" if keeps_secret(path, &connection.password) => continue,
            "password" => Change::Password(SecretString::from(connection.password.clone())),
            "tls.mode" => Change::TlsMode(tls_mode_from_proto(tls.mode, "connection.tls.mode")?),
            "tls.ca_pem" => Change::TlsCa(tls.ca_pem.clone()),
            "tls.client_cert_pem" => Change::TlsClientCert(tls.client_cert_pem.clone()),
            "tls.client_key_pem" if keeps_secret(path, &tls.client_key_pem) => continue,
            "tls.client_key_pem" => Change::TlsClientKey(SecretString::from(tls.client_key_pem.clone())),
            "pool.max_connections" => Change::PoolMaxConnections(pool.max_connections),
            "pool.min_idle" => Change::PoolMinIdle(pool.min_idle),
            "pool.acquire_timeout" => Change::PoolAcquireTimeout(duration_or_default(
                pool.acquire_timeout,
                "connection.pool.acquire_timeout",
            )?),
            "pool.idle_timeout" => {
                Change::PoolIdleTimeout(duration_or_default(pool.idle_timeout, "connection.pool.idle_timeout")?)
            }
            "pool.max_lifetime" => {
                Change::PoolMaxLifetime(duration_or_default(pool.max_lifetime, "connection.pool.max_lifetime")?)
            }
            "pool.statement_timeout" => Change::PoolStatementTimeout(duration_or_default(
                pool.statement_timeout,
                "connection.pool.statement_timeout",
            )?),
            "labels" => Change::Labels(connection.labels.clone()),
            "read_only" => Change::ReadOnly(connection.read_only),
            "replicas.connections" => Change::Replicas(replica_names(replicas.connections.clone())?),
            "replicas.max_lag" => {
                Change::ReplicaMaxLag(duration_or_default(replicas.max_lag, "connection.replicas.max_lag")?)
            }
            other => return Err(Error::internal(format!("no change for {other}"))),
        });
    }
    Ok(ConnectionPatch(changes))
}

fn names(mask: Option<&prost_types::FieldMask>, path: &str) -> bool {
    mask.is_some_and(|mask| mask.paths.iter().any(|named| named == path))
}

/// A page of connections.
pub fn list_response(page: Page<Connection>, next_page_token: String) -> v1::ListConnectionsResponse {
    v1::ListConnectionsResponse {
        total_size: small_count(page.total.unwrap_or(0)),
        connections: page.items.into_iter().map(connection).collect(),
        next_page_token,
    }
}
