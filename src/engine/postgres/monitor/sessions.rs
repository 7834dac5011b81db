//! Sessions on the server.

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::PostgresMonitor;
use crate::{
    engine::Sessions,
    model::{Result, Timestamp, session::Session},
};

const SESSIONS: &str = include_str!("sessions.sql");
const MAX_SESSIONS: i64 = 10_000;

#[async_trait]
impl Sessions for PostgresMonitor {
    async fn list(&self) -> Result<Vec<Session>> {
        let mut transaction = self.leases.begin().await?;
        let rows = sqlx::query(SESSIONS)
            .persistent(transaction.keeps_statements())
            .bind(MAX_SESSIONS)
            .fetch_all(transaction.connection())
            .await;
        let rows = rows.map_err(|error| transaction.failure(error))?;
        transaction.commit().await?;
        Ok(rows.iter().map(session).collect())
    }
}

fn session(row: &PgRow) -> Session {
    let moment = |column: usize| row.get::<Option<i64>, _>(column).map(Timestamp::from_micros);
    Session {
        id: row.get(0),
        started: moment(1),
        username: row.get(2),
        database: row.get(3),
        application: row.get(4),
        client_address: row.get(5),
        state: row.get(6),
        wait: row.get(7),
        statement_started: moment(8),
        transaction_started: moment(9),
        statement: row.get(10),
        blocked_by: row.get(11),
        own: row.get::<Option<bool>, _>(12).unwrap_or(false),
    }
}
