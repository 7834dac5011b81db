//! Turns the configuration into the settings of the parts, which do not know it.

use std::time::Duration;

use tokio_util::task::TaskTracker;

use crate::{
    config::{self, Config},
    engine::{
        EngineOptions, Reach, SessionLimits,
        reach::{BasePolicy, OwnListeners, TargetPolicy},
        session_pool::SessionCaps,
    },
    grpc::settings::{ServerSettings, TlsFiles},
    model::{AccountId, Result},
    pool::PoolLimits,
    service::{
        access::{
            CertificateRule, OtherWays,
            token::{self, Mapping, TokenRules, Tokens},
        },
        connection::health::HealthOptions,
    },
    vault::{KeyCommand, KeySource, TransitKeys},
};

/// How often certificate files are looked at.
const CERTIFICATE_RELOAD: Duration = Duration::from_secs(5);

pub(super) fn key_source(config: &Config) -> KeySource {
    match config.vault.key_source() {
        config::KeySource::File(path) => KeySource::File(path),
        config::KeySource::Variable(name) => KeySource::Environment(name),
        config::KeySource::Command(program, arguments, timeout) => {
            KeySource::Command(KeyCommand { program, arguments, timeout })
        }
        config::KeySource::Transit => {
            let transit = config.vault.transit.clone();
            KeySource::Transit(TransitKeys {
                address: transit.address.unwrap_or_default(),
                mount: transit.mount,
                key: transit.key,
                token_file: transit.token_file.unwrap_or_default(),
                ca_file: transit.ca_file,
                timeout: transit.timeout,
                wrapped_key_file: transit.wrapped_key_file,
            })
        }
    }
}

/// What all pools share: the engines and the registry get the same.
pub(super) fn sessions(config: &Config, tracker: &TaskTracker) -> SessionLimits {
    let (server, account) = (config.pools.max_connections, config.pools.max_connections_per_account);
    SessionLimits::new(SessionCaps { server, account }, tracker.clone())
}

pub(super) fn engine(
    config: &Config,
    own: &OwnListeners,
    sessions: SessionLimits,
    tracker: &TaskTracker,
) -> EngineOptions {
    EngineOptions {
        reach: Reach::new(targets(&config.targets, own), tracker.clone()),
        sqlite_root: config.sqlite.root.clone(),
        scratch_directory: config.backup.scratch_directory.clone(),
        dial_timeout: config.pools.connect_timeout,
        tool_directories: config.backup.tool_directories.clone(),
        sessions,
    }
}

/// The ways to prove who one is that the configuration adds to API keys.
pub(super) fn other_ways(config: &Config, tracker: &TaskTracker) -> Result<OtherWays> {
    let rules = config.access.certificate_rules().into_iter();
    let certificates = rules.map(|rule| CertificateRule { name: rule.name, account: rule.account, grant: rule.grant });
    Ok(OtherWays { tokens: tokens(&config.access.jwt, tracker)?, certificates: certificates.collect() })
}

fn tokens(jwt: &config::Jwt, tracker: &TaskTracker) -> Result<Option<Tokens>> {
    let (Some(issuer), Some(audience)) = (jwt.issuer.clone(), jwt.audience.clone()) else { return Ok(None) };
    let source = match (&jwt.jwks_file, &jwt.jwks_url) {
        (Some(file), _) => token::KeySource::File(file.clone()),
        (None, Some(url)) => token::KeySource::Url { url: url.clone(), ca_file: jwt.jwks_ca_file.clone() },
        (None, None) => return Ok(None),
    };
    let mapping = Mapping {
        account_claim: jwt.account_claim.clone(),
        account: AccountId::parse(&jwt.account, "access.jwt.account")?,
        role_claim: jwt.role_claim.clone(),
        roles: jwt.role_rules(),
    };
    let rules = TokenRules { source, issuer, audience, leeway: jwt.leeway, mapping };
    Ok(Some(Tokens::new(rules, tracker.clone())))
}

fn targets(targets: &config::Targets, own: &OwnListeners) -> TargetPolicy {
    TargetPolicy {
        base: match targets.policy {
            config::BasePolicy::Private => BasePolicy::Private,
            config::BasePolicy::Public => BasePolicy::Public,
            config::BasePolicy::Listed => BasePolicy::Listed,
        },
        allow: targets.allow.iter().map(|network| network.0).collect(),
        deny: targets.deny.iter().map(|network| network.0).collect(),
        ports: targets.ports.iter().map(|ports| ports.0.clone()).collect(),
        unix_sockets: targets.unix_sockets.iter().map(|folder| folder.0.clone()).collect(),
        own: own.clone(),
    }
}

pub(super) fn pools(config: &Config, sessions: SessionLimits) -> PoolLimits {
    PoolLimits { sessions, idle_timeout: config.pools.idle_timeout }
}

pub(super) fn health(config: &Config) -> HealthOptions {
    HealthOptions {
        interval: config.health.interval,
        parallel: config.health.max_parallel as usize,
        limit: config.pools.connect_timeout,
    }
}

pub(super) fn server(config: &Config) -> ServerSettings {
    let (server, limits) = (&config.server, &config.server.limits);
    let tls = server.tls_certificate_file.clone().zip(server.tls_key_file.clone()).map(|(certificate, key)| TlsFiles {
        certificate,
        key,
        client_ca: server.tls_client_ca_file.clone(),
        reload_interval: CERTIFICATE_RELOAD,
    });
    ServerSettings {
        max_receive_bytes: limits.max_message_size.as_usize(),
        max_send_bytes: limits.max_message_size.as_usize(),
        max_header_bytes: u32::try_from(limits.max_header_size.as_u64()).unwrap_or(u32::MAX),
        max_connections: limits.max_connections as usize,
        max_handshakes: limits.max_handshakes as usize,
        max_unary_calls: limits.max_unary_calls as usize,
        max_streams: limits.max_streams as usize,
        max_deadline: limits.max_deadline,
        max_streams_per_connection: limits.max_streams_per_connection,
        handshake_timeout: limits.handshake_timeout,
        keepalive_interval: limits.keepalive_interval,
        keepalive_timeout: limits.keepalive_timeout,
        default_deadline: limits.default_deadline,
        // The work that is left after the drain gets the rest of the grace to note how it stands.
        drain_timeout: config.shutdown.grace.mul_f32(0.8),
        web: server.grpc_web,
        trusted_proxies: config.access.proxies(),
        rate_per_address: config.access.rate_per_address,
        rate_per_caller: config.access.rate_per_caller,
        telemetry_exported: config.telemetry.otlp_endpoint.is_some(),
        tls,
    }
}
