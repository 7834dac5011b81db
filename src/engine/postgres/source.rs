//! Sessions for the pools of a database.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::connect::Dialer;
use crate::{
    engine::{EngineOptions, Target, session_pool::SessionSource},
    model::Result,
};

/// Opens sessions on one database.
#[derive(Clone)]
pub struct PostgresSource {
    dialer: Dialer,
}

impl PostgresSource {
    pub(super) fn new(dialer: Dialer) -> Self {
        Self { dialer }
    }

    /// Opens sessions on the database of a target.
    pub fn of(target: &Target, options: &EngineOptions) -> Result<Self> {
        Ok(Self::new(Dialer::new(target, options)?))
    }
}

impl SessionSource for PostgresSource {
    type Session = PgConnection;

    fn host(&self) -> Option<(&str, u16)> {
        Some((&self.dialer.place.host, self.dialer.place.port))
    }

    async fn open(&self) -> Result<PgConnection> {
        self.dialer.dial_at_gate().await
    }

    async fn check(&self, session: &mut PgConnection, _age: Duration) -> bool {
        session.ping().await.is_ok()
    }

    /// `DISCARD ALL` leaves nothing: settings, role, temporary tables, sequences, plans, cursors, channels, locks. It takes
    /// the driver's prepared statements as well, so the driver is told to forget them first. It cannot run in a
    /// transaction; ROLLBACK is only a warning where none is open.
    async fn reset(&self, session: &mut PgConnection) -> bool {
        if sqlx::raw_sql("ROLLBACK").execute(&mut *session).await.is_err() {
            return false;
        }
        session.clear_cached_statements().await.is_ok()
            && sqlx::raw_sql("DISCARD ALL").execute(&mut *session).await.is_ok()
    }

    async fn close(&self, session: PgConnection) {
        // The session is given up; a peer that does not take the good-bye changes nothing about it.
        let _ = session.close().await;
    }
}
