//! The sessions of a server, with their transactions and who blocks whom.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::MySqlConnection;

use crate::{
    engine::{
        monitor::APPLICATION_NAME,
        mysql::{database::MysqlDatabase, row, server::Server},
    },
    model::{Result, Timestamp, session::Session},
};

/// Times in it are microseconds since the epoch. The list has the session's own row, and only that and those of the same
/// user without PROCESS. The start of a session is not told by either product.
const SESSIONS: &str = "SELECT CAST(ID AS UNSIGNED), USER, HOST, DB, COMMAND, STATE, LEFT(INFO, 1000), \
    CAST((UNIX_TIMESTAMP(NOW(6)) - TIME) * 1000000 AS SIGNED) \
    FROM information_schema.PROCESSLIST ORDER BY ID LIMIT 10000";

/// Needs PROCESS.
const TRANSACTIONS: &str = "SELECT CAST(trx_mysql_thread_id AS UNSIGNED), \
    CAST(UNIX_TIMESTAMP(trx_started) * 1000000 AS SIGNED) FROM information_schema.INNODB_TRX";

/// Who waits for whom, on MariaDB. Needs PROCESS.
const MARIADB_BLOCKERS: &str = "SELECT CAST(waiter.trx_mysql_thread_id AS UNSIGNED), CAST(blocker.trx_mysql_thread_id AS UNSIGNED) \
    FROM information_schema.INNODB_LOCK_WAITS AS waits \
    JOIN information_schema.INNODB_TRX AS waiter ON waiter.trx_id = waits.requesting_trx_id \
    JOIN information_schema.INNODB_TRX AS blocker ON blocker.trx_id = waits.blocking_trx_id";

/// Who waits for whom, on MySQL 8, without the views of `sys`, which take minutes on a large server.
const MYSQL_BLOCKERS: &str = "SELECT CAST(waiter.PROCESSLIST_ID AS UNSIGNED), CAST(blocker.PROCESSLIST_ID AS UNSIGNED) \
    FROM performance_schema.data_lock_waits AS waits \
    JOIN performance_schema.threads AS waiter ON waiter.THREAD_ID = waits.REQUESTING_THREAD_ID \
    JOIN performance_schema.threads AS blocker ON blocker.THREAD_ID = waits.BLOCKING_THREAD_ID";

pub(super) async fn list(database: &MysqlDatabase) -> Result<Vec<Session>> {
    let mut lease = database.monitor_lease().await?;
    let rows = sqlx::query(SESSIONS).fetch_all(&mut *lease).await.map_err(|cause| database.failed(cause))?;
    let transactions = transactions(&mut lease).await;
    let blockers = blockers(&mut lease, &database.server).await;
    lease.give_back().await;

    let read = |cause| database.failed(cause);
    let mut ids = Vec::with_capacity(rows.len());
    for found in &rows {
        ids.push(row::unsigned(found, 0).map_err(read)?);
    }
    let own = database.own_sessions.among(&ids.iter().copied().collect::<BTreeSet<u64>>());
    let mut sessions = Vec::with_capacity(rows.len());
    for (id, found) in ids.into_iter().zip(&rows) {
        let text = |index| row::text(found, index).map_err(read);
        let (command, state, statement) = (text(4)?, text(5)?, text(6)?);
        let idle = command == "Sleep" || statement.is_empty();
        let since = Timestamp::from_micros(row::number(found, 7).map_err(read)?);
        let blocked_by: Vec<String> =
            blockers.iter().filter(|(waiter, _)| *waiter == id).map(|(_, blocker)| blocker.to_string()).collect();
        let waits = state.starts_with("Waiting") || !blocked_by.is_empty();
        sessions.push(Session {
            id: id.to_string(),
            started: None,
            username: text(1)?,
            database: text(3)?,
            application: if own.contains(&id) { APPLICATION_NAME.to_owned() } else { String::new() },
            client_address: address(&text(2)?),
            wait: if !waits {
                String::new()
            } else if state.is_empty() {
                "row lock".to_owned()
            } else {
                state
            },
            state: command,
            statement_started: (!idle).then_some(since),
            transaction_started: transactions.get(&id).copied(),
            statement,
            blocked_by,
            own: own.contains(&id),
        });
    }
    Ok(sessions)
}

/// Without the privilege the sessions are listed all the same; the ability says what is missing.
async fn transactions(connection: &mut MySqlConnection) -> BTreeMap<u64, Timestamp> {
    let rows = sqlx::query(TRANSACTIONS).fetch_all(connection).await.unwrap_or_default();
    let pair = |found| Some((row::unsigned(found, 0).ok()?, Timestamp::from_micros(row::number(found, 1).ok()?)));
    rows.iter().filter_map(pair).collect()
}

async fn blockers(connection: &mut MySqlConnection, server: &Server) -> BTreeSet<(u64, u64)> {
    let sql = if server.is_mariadb() { MARIADB_BLOCKERS } else { MYSQL_BLOCKERS };
    let rows = sqlx::query(sql).fetch_all(connection).await.unwrap_or_default();
    rows.iter().filter_map(|found| Some((row::unsigned(found, 0).ok()?, row::unsigned(found, 1).ok()?))).collect()
}

/// `address:port` without the port; `localhost` alone is the socket.
fn address(host: &str) -> String {
    match host.rsplit_once(':') {
        Some((address, _)) => address.to_owned(),
        None => String::new(),
    }
}
