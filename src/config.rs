//! The configuration: file, environment, flags, checked before anything starts.
//!
//! Each layer overrides the one before it, value by value: the defaults that stand in the code, a TOML file,
//! `DBKEEPER_...` environment variables, flags. One struct a concern; `docs/configuration.md` describes every key
//! and a test holds it against these structs.

mod access;
mod audit;
mod backup;
mod health;
mod layers;
mod load;
mod metrics;
mod operations;
mod pools;
mod problem;
mod render;
mod server;
mod storage;
mod targets;
mod telemetry;
mod value;
mod vault;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::problem::Problems;
pub use self::{
    access::{Access, CertificateRule, Jwt},
    audit::Audit,
    backup::Backup,
    health::Health,
    layers::{Flags, variable_of},
    load::{Loaded, load},
    metrics::Metrics,
    operations::{Operations, Shutdown},
    pools::Pools,
    problem::{ConfigurationError, Problem},
    server::{Limits, Server},
    storage::{Sqlite, Store},
    targets::{BasePolicy, Targets},
    telemetry::{LogFormat, Telemetry},
    value::ByteSize,
    vault::{KeySource, Transit, Vault},
};

/// Everything that can be set, with absolute paths and every value within its bounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Folder of everything that the server keeps, made on the first start with mode 0700.
    pub data_dir: PathBuf,
    /// The gRPC server.
    pub server: Server,
    /// Who may call.
    pub access: Access,
    /// The server's own durable state.
    pub store: Store,
    /// Where the master key comes from.
    pub vault: Vault,
    /// SQLite databases that are managed.
    pub sqlite: Sqlite,
    /// Backups.
    pub backup: Backup,
    /// Connections to managed databases.
    pub pools: Pools,
    /// The checks of registered databases in the background.
    pub health: Health,
    /// Hosts that callers may have dialled.
    pub targets: Targets,
    /// Long-running work.
    pub operations: Operations,
    /// The audit log.
    pub audit: Audit,
    /// Logs, traces and metrics.
    pub telemetry: Telemetry,
    /// Health and metrics over plain HTTP.
    pub metrics: Metrics,
    /// The end of the process.
    pub shutdown: Shutdown,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: storage::default_data_dir(),
            server: Server::default(),
            access: Access::default(),
            store: Store::default(),
            vault: Vault::default(),
            sqlite: Sqlite::default(),
            backup: Backup::default(),
            pools: Pools::default(),
            health: Health::default(),
            targets: Targets::default(),
            operations: Operations::default(),
            audit: Audit::default(),
            telemetry: Telemetry::default(),
            metrics: Metrics::default(),
            shutdown: Shutdown::default(),
        }
    }
}

impl Config {
    /// File in the data directory that holds the API key of the first administrator.
    pub fn admin_key_file(&self) -> PathBuf {
        self.data_dir.join("admin.key")
    }

    /// Makes every path absolute: the data directory from `here`, the others from the data directory.
    fn resolve_paths(&mut self, here: &Path) {
        self.data_dir = here.join(&self.data_dir);
        let Self { data_dir, server, access, store, vault, sqlite, backup, .. } = self;
        let optional = [
            &mut server.tls_certificate_file,
            &mut server.tls_key_file,
            &mut server.tls_client_ca_file,
            &mut access.jwt.jwks_file,
            &mut access.jwt.jwks_ca_file,
            &mut vault.transit.token_file,
            &mut vault.transit.ca_file,
        ];
        let optional = optional.into_iter().flatten();
        let folders = [&mut sqlite.root, &mut backup.directory, &mut backup.scratch_directory];
        let keys = [&mut vault.key_file, &mut vault.transit.wrapped_key_file];
        let required = [&mut store.file].into_iter().chain(keys).chain(folders);
        for path in optional.chain(required).chain(&mut backup.tool_directories) {
            *path = data_dir.join(&*path);
        }
    }

    /// Notes every value that is out of its bounds or does not go with another.
    fn check(&self, problems: &mut Problems<'_>) {
        self.server.check(problems);
        self.access.check(problems);
        self.vault.check(problems);
        self.backup.check(problems);
        self.pools.check(problems);
        self.health.check(problems);
        self.targets.check(problems);
        self.operations.check(problems);
        self.audit.check(problems);
        self.telemetry.check(problems);
        self.metrics.check(self.server.listen, problems);
        self.shutdown.check(problems);
    }
}
