//! The abilities to read metrics and to list sessions.

use async_trait::async_trait;

use crate::model::{
    Result,
    metric::{RawSample, SampleTiers, Vitals},
    session::Session,
};

/// Name that every session of ours carries where the engine has one; an operation's id can follow it.
pub const APPLICATION_NAME: &str = "dbkeeper";
/// Series by table are those of so many of the largest tables.
pub const MAX_TABLE_SERIES: usize = 100;

/// Reads metrics, on at most two connections of its own that a busy pool cannot block.
#[async_trait]
pub trait Metrics: Send + Sync {
    /// One cheap query.
    async fn vitals(&self) -> Result<Vitals>;

    /// Reads the groups that are due. A group that fails is among the skipped and never stops the others;
    /// an error means that the database cannot be reached.
    async fn sample(&self, tiers: SampleTiers) -> Result<RawSample>;
}

/// Lists sessions.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// All sessions by start time and id, at most 10,000.
    async fn list(&self) -> Result<Vec<Session>>;
}
