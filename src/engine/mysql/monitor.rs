//! Metrics and sessions, on a small pool of their own.

mod metrics;
mod replication;
mod sessions;
mod statements;
mod status;

use std::time::Duration;

use async_trait::async_trait;

pub(super) use self::metrics::KnownStart;
use self::{replication::Channel, status::Status};
use super::{database::MysqlDatabase, row};
use crate::{
    engine::{Metrics, Sessions},
    model::{
        Result,
        metric::{RawSample, SampleTiers, Vitals},
        session::Session,
    },
};

/// From this share of the allowed sessions on, their number is a finding.
const SESSIONS_NEAR_LIMIT: f64 = 0.8;

#[async_trait]
impl Metrics for MysqlDatabase {
    async fn vitals(&self) -> Result<Vitals> {
        let mut lease = self.monitor_lease().await?;
        let status = Status::read(&mut lease).await.map_err(|cause| self.failed(cause))?;
        let limits = sqlx::query("SELECT CAST(@@max_connections AS SIGNED), CAST(@@global.read_only AS SIGNED)")
            .fetch_one(&mut *lease)
            .await
            .map_err(|cause| self.failed(cause))?;
        let number = |index| row::number(&limits, index).map_err(|cause| self.failed(cause));
        let (max_sessions, read_only) = (number(0)?, number(1)?);
        let sessions = status.number("Threads_connected").unwrap_or(0.0);
        let channels = replication::channels(&mut lease, replication::statement(&self.server).1).await;
        lease.give_back().await;
        let mut findings: Vec<String> = channels.iter().flatten().filter_map(Channel::finding).collect();
        if sessions > SESSIONS_NEAR_LIMIT * max_sessions as f64 {
            findings.push(format!("{sessions} of {max_sessions} sessions are in use"));
        }
        Ok(Vitals {
            uptime: status.number("Uptime").map(Duration::from_secs_f64),
            // Who replicates shows only with a privilege. A replica that is set up with care is read only.
            in_recovery: channels.map_or(read_only == 1, |channels| !channels.is_empty()),
            sessions: sessions as u32,
            max_sessions: u32::try_from(max_sessions).unwrap_or(0),
            findings,
        })
    }

    async fn sample(&self, tiers: SampleTiers) -> Result<RawSample> {
        metrics::sample(self, tiers).await
    }
}

#[async_trait]
impl Sessions for MysqlDatabase {
    async fn list(&self) -> Result<Vec<Session>> {
        sessions::list(self).await
    }
}
