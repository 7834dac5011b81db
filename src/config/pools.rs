//! Connections to managed databases, all of them together. The pool of one database has its own settings in the
//! contract.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{problem::Problems, value::duration};

/// Connections to managed databases.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Pools {
    /// Most connections to all databases together.
    pub max_connections: u32,
    /// Most connections to the databases of one account.
    pub max_connections_per_account: u32,
    /// A pool that nobody used for this long is closed.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// Longest that dialling and authenticating may take.
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
}

impl Default for Pools {
    fn default() -> Self {
        Self {
            max_connections: 500,
            max_connections_per_account: 400,
            idle_timeout: Duration::from_secs(600),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl Pools {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        let (second, day) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
        problems.count("pools.max_connections", self.max_connections, 1..=10_000);
        problems.count("pools.max_connections_per_account", self.max_connections_per_account, 1..=10_000);
        problems.time("pools.idle_timeout", self.idle_timeout, second..=day);
        problems.time("pools.connect_timeout", self.connect_timeout, second..=Duration::from_secs(120));
    }
}
