//! The audit log.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{problem::Problems, value::duration};

/// The audit log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Audit {
    /// How long events are kept.
    #[serde(with = "duration")]
    pub retention: Duration,
}

impl Default for Audit {
    fn default() -> Self {
        Self { retention: Duration::from_secs(400 * 24 * 3600) }
    }
}

impl Audit {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        let (day, years) = (Duration::from_secs(24 * 3600), Duration::from_secs(10 * 366 * 24 * 3600));
        problems.time("audit.retention", self.retention, day..=years);
    }
}
