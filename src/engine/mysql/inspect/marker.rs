//! The change marker of a server: how many definitions were begun since it started.
//!
//! The counters are those of the whole server, so that a definition in any of its databases changes the mark. They count when a
//! statement begins. A mark that is taken while one may still run is therefore like no other: what is read under it could be the
//! old definition.
//!
//! One thing is not counted: history partitions that MariaDB makes by itself (PARTITION BY SYSTEM_TIME ... AUTO).

use sqlx::MySqlConnection;

use super::{catalog::text, skipped::Blindness};
use crate::{
    engine::mysql::{database::MysqlDatabase, row},
    model::{Result, Timestamp},
};

/// Counters of statements that change a definition or a privilege. Temporary tables are no part of a schema.
const COUNTERS: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime', 'Threads_running') \
    OR (Variable_name REGEXP '^Com_(alter|create|drop|rename|grant|revoke|truncate|optimize|repair|set_role)' \
        AND Variable_name NOT LIKE '%temporary%')";

/// Statements of others that are no reading or writing of rows. One that begins with a comment counts, to be safe.
const UNFINISHED: &str = "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.PROCESSLIST \
    WHERE ID <> CONNECTION_ID() AND COMMAND <> 'Sleep' AND INFO IS NOT NULL \
      AND LEFT(INFO, 40) NOT REGEXP \
        '^[[:space:](]*(select|insert|update|delete|replace|load|show|set|start|commit|rollback|with|do|kill)[[:space:]]*'";

/// What the counters say.
#[derive(Default)]
struct Counters {
    uptime: i64,
    running: u64,
    definitions: u64,
}

pub(super) async fn read(database: &MysqlDatabase) -> Result<String> {
    let mut lease = database.lease().await?;
    let work = async {
        let counters = counters(&mut lease).await?;
        // We ourselves are the one that runs.
        let settled = counters.running <= 1 || is_settled(&mut lease).await?;
        Ok((counters, settled))
    };
    let found: Result<_, sqlx::Error> = work.await;
    let (counters, settled) = found.map_err(|cause| database.failed(cause))?;
    lease.give_back().await;
    let now = Timestamp::now().as_micros();
    let started = Timestamp::from_micros(now - counters.uptime * 1_000_000);
    let started = database.known_start.settle(Some(started)).unwrap_or(started).as_micros();
    let definitions = counters.definitions;
    Ok(if settled { format!("{started}.{definitions}") } else { format!("{started}.{definitions}.{now}") })
}

async fn counters(connection: &mut MySqlConnection) -> Result<Counters, sqlx::Error> {
    let mut counters = Counters::default();
    for found in sqlx::query(COUNTERS).fetch_all(connection).await? {
        let value = text(&found, 1);
        match text(&found, 0).as_str() {
            "Uptime" => counters.uptime = value.parse().unwrap_or(0),
            "Threads_running" => counters.running = value.parse().unwrap_or(u64::MAX),
            _ => counters.definitions = counters.definitions.wrapping_add(value.parse().unwrap_or(0)),
        }
    }
    Ok(counters)
}

/// Whether it is known that nobody is in the middle of a definition. Without PROCESS the sessions of others are not seen.
async fn is_settled(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    let blindness = Blindness::read(connection, "").await?;
    if blindness.without_global("PROCESS", "").is_some() {
        return Ok(false);
    }
    let unfinished = sqlx::query(UNFINISHED).fetch_one(connection).await?;
    Ok(row::number(&unfinished, 0)? == 0)
}
