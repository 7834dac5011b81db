//! Pools and poolers.

use super::{
    small_count,
    time::{duration, timestamp},
};
use crate::{
    grpc::proto::v1,
    model::{
        ConnectionId, Timestamp,
        connection::{PoolFigures, PoolerMode},
        name,
        page::Page,
    },
    service::connection::{OpenPool, PoolTotals},
};

/// How a pool is doing; absent figures mean that none is open.
pub fn pool_stats(id: &ConnectionId, figures: Option<(PoolFigures, Timestamp)>) -> v1::PoolStats {
    let connection = name::connection(id);
    let Some((figures, opened)) = figures else { return v1::PoolStats { connection, ..Default::default() } };
    v1::PoolStats {
        connection,
        open: true,
        size: figures.size,
        idle: figures.idle,
        in_use: figures.size.saturating_sub(figures.idle),
        waiting: figures.waiting,
        max_connections: figures.max_connections,
        acquired: figures.acquired,
        timed_out: figures.timed_out,
        wait_time: Some(duration(figures.wait_time)),
        open_time: Some(timestamp(opened)),
        min_idle: figures.min_idle,
        created: figures.created,
    }
}

/// A page of pools.
pub fn list_response(page: Page<OpenPool>, totals: PoolTotals, next_page_token: String) -> v1::ListPoolStatsResponse {
    v1::ListPoolStatsResponse {
        total_size: small_count(page.total.unwrap_or(0)),
        pools: page
            .items
            .into_iter()
            .map(|pool| pool_stats(&pool.connection, Some((pool.figures, pool.opened))))
            .collect(),
        next_page_token,
        totals: Some(v1::PoolTotals {
            pools: totals.pools,
            size: totals.size,
            idle: totals.idle,
            in_use: totals.size.saturating_sub(totals.idle),
            waiting: totals.waiting,
            max_connections: totals.caps.account.min(totals.caps.server),
            server_max_connections: totals.caps.server,
        }),
    }
}

/// What stands in front of a database, what is lost by it and what to do.
pub fn pooler(mode: PoolerMode) -> v1::Pooler {
    let proto = match mode {
        PoolerMode::Session => v1::PoolerMode::Session,
        PoolerMode::Transaction => v1::PoolerMode::Transaction,
    };
    v1::Pooler { mode: proto.into(), lost: mode.lost().to_owned(), remedy: mode.remedy().to_owned() }
}
