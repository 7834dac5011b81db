//! A lease is made dirty in every way that the engine knows, and the next one must look as the first did.

use std::time::Duration;

use dbkeeper::engine::{mysql::MysqlSource, postgres::PostgresSource, session_pool::SessionPool, sqlite::SqliteSource};
use sqlx::{AssertSqlSafe, Executor, MySqlConnection, PgConnection, Row, SqliteConnection};

use super::{options, pool_of_one, postgres_target};
use crate::harness::{
    mariadb::{ADMIN, MariadbServer},
    postgres::PostgresServer,
    server::in_time,
    sqlite::SqliteFolder,
};

fn postgres_pool(database: &str) -> SessionPool<PostgresSource> {
    let target = postgres_target(PostgresServer::shared().settings(database));
    pool_of_one(PostgresSource::of(&target, &options()).unwrap())
}

/// All that a session of PostgreSQL can carry from one statement to the next.
async fn postgres_state(session: &mut PgConnection) -> String {
    let state = sqlx::raw_sql(
        "SELECT concat_ws(E'\\n', session_user, current_user, \
         (SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings), \
         'custom ' || coalesce(current_setting('left.behind', true), ''), \
         'temporary ' || (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()), \
         'locks ' || (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'), \
         'prepared ' || (SELECT count(*) FROM pg_prepared_statements), 'cursors ' || (SELECT count(*) FROM pg_cursors), \
         'channels ' || (SELECT count(*) FROM pg_listening_channels()), \
         'transaction ' || (now() <> statement_timestamp()))",
    );
    state.fetch_one(&mut *session).await.unwrap().get(0)
}

async fn postgres_pid(session: &mut PgConnection) -> i32 {
    sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(&mut *session).await.unwrap().get(0)
}

#[tokio::test]
async fn nothing_of_a_postgresql_session_is_left_for_the_next_lease() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    server.psql(
        &database,
        &format!("CREATE ROLE \"role of {database}\"; CREATE SEQUENCE numbers; CREATE TABLE t (a int)"),
    );
    let pool = postgres_pool(&database);
    let mut lease = pool.acquire().await.unwrap();
    let (fresh, pid) = (postgres_state(&mut lease).await, postgres_pid(&mut lease).await);
    for sql in [
        "SELECT nextval('numbers')".to_owned(),
        "CREATE TEMPORARY TABLE behind (a int)".to_owned(),
        "SELECT pg_advisory_lock(4711), pg_advisory_lock_shared(4712)".to_owned(),
        "PREPARE behind AS SELECT 1".to_owned(),
        "DECLARE behind CURSOR WITH HOLD FOR SELECT 1".to_owned(),
        "LISTEN behind".to_owned(),
        "SET search_path TO nowhere; SET statement_timeout TO 12345; SET TimeZone TO 'Asia/Tokyo'".to_owned(),
        "SET default_transaction_read_only TO on; SET left.behind TO 'yes'".to_owned(),
        format!("SET SESSION AUTHORIZATION \"role of {database}\""),
        format!("SET ROLE \"role of {database}\""),
        "RESET ROLE; RESET SESSION AUTHORIZATION; SET ROLE pg_monitor".to_owned(),
        "BEGIN READ WRITE; SET LOCAL lock_timeout TO 77; CREATE TABLE never_committed ()".to_owned(),
    ] {
        // The role may create nothing in the end, which leaves the transaction in its failed state, the worst there is.
        let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *lease).await;
    }
    // A prepared statement of the driver's own, which it must not believe to be there afterwards.
    let _ = sqlx::query("SELECT $1::int").bind(1).fetch_one(&mut *lease).await;
    lease.soil();
    lease.give_back().await;

    let mut next = pool.acquire().await.unwrap();
    assert_eq!(postgres_pid(&mut next).await, pid, "the session was made as new and not replaced");
    assert_eq!(postgres_state(&mut next).await, fresh);
    let last = next.execute("SELECT lastval()").await.unwrap_err();
    assert_eq!(last.as_database_error().unwrap().code().unwrap(), "55000", "the sequence is forgotten: {last}");
    let one: i32 = sqlx::query_scalar("SELECT $1::int").bind(1).fetch_one(&mut *next).await.unwrap();
    assert_eq!(one, 1);
    assert_eq!(server.psql(&database, "SELECT to_regclass('never_committed') IS NULL"), "t");
}

#[tokio::test]
async fn a_lease_that_is_dropped_in_a_transaction_returns_no_poisoned_session() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    server.psql(&database, "CREATE TABLE t (a int)");
    let pool = postgres_pool(&database);
    let mut lease = pool.acquire().await.unwrap();
    let pid = postgres_pid(&mut lease).await;
    lease.execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    drop(lease);
    let mut next = pool.acquire().await.unwrap();
    assert_ne!(postgres_pid(&mut next).await, pid);

    // And in the middle of a statement, whose answer is still on its way.
    let cut = tokio::time::timeout(
        Duration::from_millis(1),
        next.execute("BEGIN; INSERT INTO t VALUES (2); SELECT pg_sleep(1)"),
    );
    assert!(cut.await.is_err(), "it sleeps for a second");
    drop(next);
    let mut last = in_time(pool.acquire()).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut *last).await.unwrap();
    assert_eq!(rows, 0);
    last.give_back().await;
    assert_eq!(pool.figures().size, 1);
}

async fn mariadb_state(session: &mut MySqlConnection) -> String {
    let sql = "SELECT CAST(CONCAT_WS('\n', DATABASE(), CURRENT_ROLE(), @@sql_mode, @@autocommit, @@time_zone, \
               @@character_set_client, @@max_statement_time, @@lock_wait_timeout, @@tx_isolation, @@tx_read_only, @@sql_safe_updates, \
               CONCAT('variable ', COALESCE(@behind, 'none')), CONCAT('lock ', COALESCE(IS_USED_LOCK('behind') = CONNECTION_ID(), 0)), \
               CONCAT('transaction ', @@in_transaction), CONCAT('insert id ', LAST_INSERT_ID())) AS CHAR)";
    sqlx::query(sql).fetch_one(&mut *session).await.unwrap().get(0)
}

#[tokio::test]
async fn nothing_of_a_mariadb_session_is_left_for_the_next_lease() {
    let server = MariadbServer::shared();
    let database = server.create_database();
    let role = format!("role_of_{database}");
    server.sql(
        &database,
        &format!("CREATE TABLE t (a INT AUTO_INCREMENT PRIMARY KEY); CREATE ROLE {role}; GRANT {role} TO {ADMIN}"),
    );
    let pool = pool_of_one(MysqlSource::of(&server.target(&database), &options()).unwrap());
    let mut lease = pool.acquire().await.unwrap();
    let fresh = mariadb_state(&mut lease).await;
    for sql in [
        "INSERT INTO t VALUES (NULL)",
        "SET @behind = 'yes', SESSION sql_mode = '', SESSION time_zone = '+09:00', NAMES latin1, SESSION max_statement_time = 0",
        "SET SESSION lock_wait_timeout = 7, SESSION sql_safe_updates = 1",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        "CREATE TEMPORARY TABLE behind (a INT)",
        "SELECT GET_LOCK('behind', 0)",
        "PREPARE behind FROM 'SELECT 1'",
        "SET autocommit = 0",
        "INSERT INTO t VALUES (1000)",
        &format!("SET ROLE {role}"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *lease).await.unwrap();
    }
    let dirty = mariadb_state(&mut lease).await;
    assert!(dirty != fresh && dirty.contains(&role), "{dirty}");
    lease.soil();
    lease.give_back().await;

    let mut next = pool.acquire().await.unwrap();
    assert_eq!(mariadb_state(&mut next).await, fresh);
    for sql in ["SELECT * FROM behind", "EXECUTE behind"] {
        assert!(sqlx::raw_sql(sql).execute(&mut *next).await.is_err(), "{sql}");
    }
    let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM t").fetch_one(&mut *next).await.unwrap();
    assert_eq!(rows, 1, "what was not committed is undone");

    // A lease that is dropped in a transaction takes its session with it.
    sqlx::raw_sql("START TRANSACTION; INSERT INTO t VALUES (2000)").execute(&mut *next).await.unwrap();
    drop(next);
    let mut last = pool.acquire().await.unwrap();
    assert_eq!(mariadb_state(&mut last).await, fresh);
    let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM t").fetch_one(&mut *last).await.unwrap();
    assert_eq!(rows, 1);
}

async fn sqlite_state(session: &mut SqliteConnection) -> Vec<String> {
    let mut state = Vec::new();
    for sql in [
        "SELECT group_concat(name) FROM pragma_database_list",
        "SELECT count(*) FROM sqlite_temp_schema",
        "SELECT query_only FROM pragma_query_only",
        "SELECT foreign_keys FROM pragma_foreign_keys",
        "PRAGMA trusted_schema",
        "PRAGMA case_sensitive_like",
        "PRAGMA recursive_triggers",
        "PRAGMA busy_timeout",
    ] {
        let row = sqlx::query(sql).fetch_optional(&mut *session).await.unwrap();
        let value = row.map(|row| row.try_get::<String, _>(0).unwrap_or_else(|_| row.get::<i64, _>(0).to_string()));
        state.push(format!("{sql}: {value:?}"));
    }
    let like: bool = sqlx::query_scalar("SELECT 'a' LIKE 'A'").fetch_one(&mut *session).await.unwrap();
    state.push(format!("like: {like}"));
    state
}

#[tokio::test]
async fn nothing_of_an_sqlite_connection_is_left_for_the_next_lease() {
    let folder = SqliteFolder::new();
    let database = folder.create_database();
    let pool = pool_of_one(SqliteSource::of(&folder.target(&database), &folder.options()).unwrap());
    let mut lease = pool.acquire().await.unwrap();
    let fresh = sqlite_state(&mut lease).await;
    for sql in [
        "PRAGMA query_only = OFF",
        "ATTACH ':memory:' AS behind",
        "CREATE TEMPORARY TABLE behind_too (a)",
        "PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = ON; PRAGMA case_sensitive_like = ON",
        "PRAGMA recursive_triggers = ON; PRAGMA busy_timeout = 1",
        "BEGIN IMMEDIATE; CREATE TABLE never_committed (a)",
    ] {
        sqlx::raw_sql(sql).execute(&mut *lease).await.unwrap();
    }
    assert_ne!(sqlite_state(&mut lease).await, fresh);
    lease.soil();
    lease.give_back().await;
    let mut next = pool.acquire().await.unwrap();
    assert_eq!(sqlite_state(&mut next).await, fresh);
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *next).await.unwrap();
    assert_eq!(tables, 0);

    next.execute("PRAGMA query_only = OFF; BEGIN IMMEDIATE; CREATE TABLE never_committed (a)").await.unwrap();
    drop(next);
    assert_eq!(sqlite_state(&mut pool.acquire().await.unwrap()).await, fresh);
}
