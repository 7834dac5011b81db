//! How the pools of registered databases are doing.

use super::{ConnectionService, ListConnections};
use crate::{
    engine::session_pool::SessionCaps,
    model::{CallContext, ConnectionId, Result, Timestamp, connection::PoolFigures, page::Page},
};

/// A pool that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPool {
    /// Of which connection.
    pub connection: ConnectionId,
    /// Its figures.
    pub figures: PoolFigures,
    /// When it was opened.
    pub opened: Timestamp,
}

/// The open pools of an account together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolTotals {
    /// Pools.
    pub pools: u32,
    /// Connections open.
    pub size: u32,
    /// Of those, idle.
    pub idle: u32,
    /// Callers that wait.
    pub waiting: u32,
    /// The caps.
    pub caps: SessionCaps,
}

impl ConnectionService {
    /// Figures of the pool of a connection and when it was opened; absent where none is open.
    pub async fn pool_figures(
        &self,
        context: &CallContext,
        id: &ConnectionId,
    ) -> Result<Option<(PoolFigures, Timestamp)>> {
        self.store.connection(context.account(), id).await?;
        Ok(self.pools.figures(context.account(), id))
    }

    /// A page of the open pools of the connections that match, with the sums over all open pools of the account.
    pub async fn list_pools(
        &self,
        context: &CallContext,
        list: &ListConnections,
    ) -> Result<(Page<OpenPool>, PoolTotals)> {
        let mut figures = self.pools.figures_of(context.account());
        let totals = PoolTotals {
            pools: u32::try_from(figures.len()).unwrap_or(u32::MAX),
            size: figures.values().map(|(figures, _)| figures.size).sum(),
            idle: figures.values().map(|(figures, _)| figures.idle).sum(),
            waiting: figures.values().map(|(figures, _)| figures.waiting).sum(),
            caps: self.pools.account_sessions(context.account()).caps,
        };
        let records = self.store.connections(context.account()).await?;
        let open = records.into_iter().map(|record| record.connection).filter(|found| figures.contains_key(&found.id));
        let page = list.order.page(open, &list.filter, &list.page)?;
        let pools = page.items.into_iter().filter_map(|connection| {
            let (figures, opened) = figures.remove(&connection.id)?;
            Some(OpenPool { connection: connection.id, figures, opened })
        });
        Ok((Page { items: pools.collect(), next: page.next, total: page.total }, totals))
    }
}
