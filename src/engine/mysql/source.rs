//! Sessions for the pools of a database.

use std::time::Duration;

use sqlx::{Connection, MySqlConnection};

use super::{
    connect::{self, Connector},
    database::OwnSessions,
    error,
    server::Server,
};
use crate::{
    engine::{EngineOptions, Target, session_pool::SessionSource},
    model::Result,
};

/// Longest that a catalog query waits for a lock of another.
pub(super) const CATALOG_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens sessions on one database.
#[derive(Clone)]
pub struct MysqlSource {
    connector: Connector,
    own_sessions: OwnSessions,
}

impl MysqlSource {
    pub(super) fn new(connector: Connector, own_sessions: OwnSessions) -> Self {
        Self { connector, own_sessions }
    }

    /// Opens sessions on the database of a target.
    pub fn of(target: &Target, options: &EngineOptions) -> Result<Self> {
        Ok(Self::new(Connector::new(target, options)?, OwnSessions::default()))
    }

    /// A session with its limits, and who answers.
    pub(super) async fn open_and_ask(&self) -> Result<(MySqlConnection, Server)> {
        let settings = &self.connector.settings;
        let (mut session, server) = self.connector.dial_at_gate().await?;
        self.own_sessions.add(server.session);
        connect::limit(&mut session, &server, settings.pool.statement_timeout, CATALOG_LOCK_TIMEOUT)
            .await
            .map_err(|cause| error::while_connecting(cause, settings))?;
        Ok((session, server))
    }
}

/// Limits for how long a session waits for a table that another has locked. MariaDB knows 0: not at all.
pub(super) async fn limit_lock_waits(session: &mut MySqlConnection, seconds: u64) -> Result<(), sqlx::Error> {
    let sql = format!("SET SESSION lock_wait_timeout = {seconds}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(session).await.map(drop)
}

impl SessionSource for MysqlSource {
    type Session = MySqlConnection;

    fn host(&self) -> Option<(&str, u16)> {
        Some((&self.connector.settings.host, self.connector.settings.port))
    }

    async fn open(&self) -> Result<MySqlConnection> {
        Ok(self.open_and_ask().await?.0)
    }

    async fn check(&self, session: &mut MySqlConnection, _age: Duration) -> bool {
        session.ping().await.is_ok()
    }

    /// Only COM_RESET_CONNECTION takes everything back, user variables and prepared statements among it, and the driver
    /// does not have it. A session that ran statements of others is closed.
    async fn reset(&self, _session: &mut MySqlConnection) -> bool {
        false
    }

    async fn close(&self, session: MySqlConnection) {
        // The session is given up; a server that is slow to say good-bye changes nothing about it.
        let _ = session.close().await;
    }
}
