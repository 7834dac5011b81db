//! Long-running work, and the end of the process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{problem::Problems, value::duration};

/// Long-running work.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Operations {
    /// Most operations that run at one time; others wait in order.
    pub max_running: u32,
    /// How long the record of an operation that has ended is kept.
    #[serde(with = "duration")]
    pub retention: Duration,
}

impl Default for Operations {
    fn default() -> Self {
        Self { max_running: 4, retention: Duration::from_secs(30 * 24 * 3600) }
    }
}

impl Operations {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        let (hour, years) = (Duration::from_secs(3600), Duration::from_secs(10 * 366 * 24 * 3600));
        problems.count("operations.max_running", self.max_running, 1..=100);
        problems.time("operations.retention", self.retention, hour..=years);
    }
}

/// The end of the process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Shutdown {
    /// Longest time between the signal and the end: calls finish, streams are told, operations are checkpointed.
    #[serde(with = "duration")]
    pub grace: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { grace: Duration::from_secs(25) }
    }
}

impl Shutdown {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        problems.time("shutdown.grace", self.grace, Duration::from_secs(1)..=Duration::from_secs(600));
    }
}
