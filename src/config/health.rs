//! The checks of registered databases in the background.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{problem::Problems, value::duration};

/// The checks of registered databases in the background.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Time between two checks of a database; zero: none are made.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// Most checks at one time.
    pub max_parallel: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self { interval: Duration::from_secs(60), max_parallel: 16 }
    }
}

impl Health {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        if !self.interval.is_zero() {
            problems.time("health.interval", self.interval, Duration::from_secs(1)..=Duration::from_secs(24 * 3600));
        }
        problems.count("health.max_parallel", self.max_parallel, 1..=1000);
    }
}
