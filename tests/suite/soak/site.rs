//! A database server, or a folder of SQLite files, in which operations are killed, looked at from outside.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use dbkeeper::grpc::proto::v1;

use crate::harness::{
    mariadb::{self, MariadbServer},
    postgres::{self, PostgresServer},
    sqlite::SqliteFolder,
};

static NAMES: AtomicU32 = AtomicU32::new(0);

/// Where operations are killed. Nothing here goes through dbkeeper.
#[async_trait]
pub(super) trait Site: Send + Sync {
    /// The name of the engine.
    fn name(&self) -> &'static str;

    /// What the server has to be told, as `key=value`.
    fn settings(&self) -> Vec<String> {
        Vec::new()
    }

    /// A database as it is registered.
    fn connection(&self, database: &str) -> v1::Connection;

    /// A new empty database.
    async fn create_database(&self) -> String;

    /// The name of a database that is not there.
    fn fresh_name(&self) -> String {
        format!("soak_{}", NAMES.fetch_add(1, Ordering::Relaxed))
    }

    async fn drop_database(&self, database: &str);

    async fn run(&self, database: &str, sql: &str);

    /// The first column of every row, as text.
    async fn column(&self, database: &str, sql: &str) -> Vec<String>;

    async fn exists(&self, database: &str) -> bool;

    /// Names of the tables and views of the user.
    async fn tables(&self, database: &str) -> Vec<String>;

    /// What still works for an operation, or was left by it in a place that nobody looks at.
    async fn left_by(&self, operation: &str, database: &str) -> Vec<String>;

    /// The text of a migration that makes the table `made_<number>` and adds its number to `ledger`. Some of them are slow,
    /// so that a kill hits within.
    fn migration(&self, number: u32) -> String;

    /// Fills `items` with so many rows.
    fn fill(&self, rows: u32) -> String;

    /// Changes a tenth of the rows of `items`.
    fn change(&self, round: u32) -> String {
        format!("UPDATE items SET body = 'round {round} of ' || id WHERE id % 10 = {}", round % 10)
    }

    /// Every row of `items` in order, each as one text.
    fn read_items(&self) -> &'static str {
        "SELECT id || ':' || body FROM items ORDER BY id"
    }
}

/// A server of PostgreSQL.
pub(super) struct Postgres(pub(super) &'static PostgresServer);

#[async_trait]
impl Site for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn connection(&self, database: &str) -> v1::Connection {
        v1::Connection {
            engine: v1::Engine::Postgresql.into(),
            username: postgres::SUPERUSER.to_owned(),
            password: self.0.password().to_owned(),
            ..on_port(self.0.port(), database)
        }
    }

    async fn create_database(&self) -> String {
        self.0.create_database()
    }

    async fn drop_database(&self, database: &str) {
        self.0.psql("postgres", &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"));
    }

    async fn run(&self, database: &str, sql: &str) {
        self.0.psql(database, sql);
    }

    async fn column(&self, database: &str, sql: &str) -> Vec<String> {
        lines(&self.0.psql(database, sql))
    }

    async fn exists(&self, database: &str) -> bool {
        let sql = format!("SELECT 1 FROM pg_database WHERE datname = '{database}'");
        !self.0.psql("postgres", &sql).is_empty()
    }

    async fn tables(&self, database: &str) -> Vec<String> {
        let sql = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')";
        self.column(database, sql).await
    }

    async fn left_by(&self, operation: &str, database: &str) -> Vec<String> {
        let sessions = format!(
            "SELECT 'session ' || pid FROM pg_stat_activity WHERE application_name = 'dbkeeper operation/{operation}' \
             UNION ALL SELECT 'lock of ' || pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
             WHERE locktype = 'advisory' AND datname = '{database}' \
             UNION ALL SELECT 'mark ' || description FROM pg_shdescription WHERE description LIKE '%{operation}%'"
        );
        lines(&self.0.psql("postgres", &sessions))
    }

    fn migration(&self, number: u32) -> String {
        let index = format!("CREATE INDEX CONCURRENTLY made_{number}_body ON made_{number} (body);\n");
        let (directive, last) = match number % 5 {
            0 => ("", "SELECT pg_sleep(0.05);\n".to_owned()),
            1 => ("-- dbkeeper: no-transaction\n", index),
            _ => ("", String::new()),
        };
        format!(
            "{directive}CREATE TABLE made_{number} (id int PRIMARY KEY, body text);\n\
             INSERT INTO ledger VALUES ({number});\n\
             INSERT INTO made_{number} SELECT g, md5(g::text) FROM generate_series(1, 200) g;\n{last}"
        )
    }

    fn fill(&self, rows: u32) -> String {
        format!(
            "CREATE TABLE items (id int PRIMARY KEY, body text NOT NULL); \
             INSERT INTO items SELECT g, md5(g::text) || md5((g * 7)::text) FROM generate_series(1, {rows}) g; \
             CREATE INDEX items_body ON items (body); CREATE VIEW shown AS SELECT id FROM items"
        )
    }
}

/// A server of MariaDB.
pub(super) struct Mariadb(pub(super) &'static MariadbServer);

#[async_trait]
impl Site for Mariadb {
    fn name(&self) -> &'static str {
        "MariaDB"
    }

    fn connection(&self, database: &str) -> v1::Connection {
        v1::Connection {
            engine: v1::Engine::Mysql.into(),
            username: mariadb::ADMIN.to_owned(),
            password: self.0.password().to_owned(),
            ..on_port(self.0.port(), database)
        }
    }

    async fn create_database(&self) -> String {
        self.0.create_database()
    }

    async fn drop_database(&self, database: &str) {
        self.0.sql("mysql", &format!("DROP DATABASE IF EXISTS {database}"));
    }

    async fn run(&self, database: &str, sql: &str) {
        self.0.sql(database, sql);
    }

    async fn column(&self, database: &str, sql: &str) -> Vec<String> {
        lines(&self.0.sql(database, sql))
    }

    async fn exists(&self, database: &str) -> bool {
        let sql = format!("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{database}'");
        !self.0.sql("mysql", &sql).is_empty()
    }

    async fn tables(&self, database: &str) -> Vec<String> {
        self.column(database, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()").await
    }

    async fn left_by(&self, operation: &str, database: &str) -> Vec<String> {
        // The locks by which the sessions of an operation are found.
        let lock = |purpose: &str, subject: &str| {
            format!("dbkeeper:{purpose}:{}", &blake3::hash(subject.as_bytes()).to_hex()[..32])
        };
        let mut left = Vec::new();
        for name in [lock("worker", operation), lock("guard", operation), lock("run", database)] {
            let holder = self.0.sql("mysql", &format!("SELECT COALESCE(IS_USED_LOCK('{name}'), 0)"));
            left.extend((holder != "0").then(|| format!("session {holder} with the lock {name}")));
        }
        let marked =
            format!("SELECT TABLE_SCHEMA FROM information_schema.TABLES WHERE TABLE_COMMENT LIKE '%{operation}%'");
        left.extend(lines(&self.0.sql("mysql", &marked)));
        left
    }

    fn migration(&self, number: u32) -> String {
        let last = if number.is_multiple_of(5) { "DO SLEEP(0.05);\n" } else { "" };
        format!(
            "CREATE TABLE made_{number} (id INT PRIMARY KEY) ENGINE = InnoDB;\n\
             INSERT INTO ledger VALUES ({number});\n\
             ALTER TABLE made_{number} ADD COLUMN body TEXT;\n\
             INSERT INTO made_{number} SELECT seq, MD5(seq) FROM seq_1_to_200;\n\
             CREATE INDEX made_{number}_body ON made_{number} (body(10));\n{last}"
        )
    }

    fn fill(&self, rows: u32) -> String {
        format!(
            "CREATE TABLE items (id INT PRIMARY KEY, body TEXT NOT NULL) ENGINE = InnoDB; \
             INSERT INTO items SELECT seq, CONCAT(MD5(seq), MD5(seq * 7)) FROM seq_1_to_{rows}; \
             CREATE INDEX items_body ON items (body(12)); CREATE VIEW shown AS SELECT id FROM items"
        )
    }

    fn change(&self, round: u32) -> String {
        format!("UPDATE items SET body = CONCAT('round {round} of ', id) WHERE id % 10 = {}", round % 10)
    }

    fn read_items(&self) -> &'static str {
        "SELECT CONCAT(id, ':', body) FROM items ORDER BY id"
    }
}

/// A folder of SQLite files.
pub(super) struct Sqlite(pub(super) SqliteFolder);

#[async_trait]
impl Site for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn settings(&self) -> Vec<String> {
        vec![format!("sqlite.root={}", self.0.root().display())]
    }

    fn connection(&self, database: &str) -> v1::Connection {
        v1::Connection {
            engine: v1::Engine::Sqlite.into(),
            display_name: database.to_owned(),
            database: database.to_owned(),
            ..v1::Connection::default()
        }
    }

    async fn create_database(&self) -> String {
        self.0.create_database()
    }

    fn fresh_name(&self) -> String {
        self.0.fresh_name()
    }

    async fn drop_database(&self, database: &str) {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.0.path(&format!("{database}{suffix}")));
        }
    }

    async fn run(&self, database: &str, sql: &str) {
        self.0.run(database, sql).await;
    }

    async fn column(&self, database: &str, sql: &str) -> Vec<String> {
        self.0.column(database, sql).await
    }

    async fn exists(&self, database: &str) -> bool {
        self.0.path(database).exists()
    }

    async fn tables(&self, database: &str) -> Vec<String> {
        self.column(database, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").await
    }

    async fn left_by(&self, operation: &str, _: &str) -> Vec<String> {
        self.0.files().into_iter().filter(|name| name.contains(operation)).collect()
    }

    fn migration(&self, number: u32) -> String {
        // SQLite has no way to sleep, so a slow one counts.
        let rows = if number.is_multiple_of(5) { 50_000 } else { 200 };
        format!(
            "CREATE TABLE made_{number} (id INTEGER PRIMARY KEY, body TEXT);\n\
             INSERT INTO ledger VALUES ({number});\n\
             WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {rows})\n\
             INSERT INTO made_{number} SELECT n, hex(n * 7919) FROM g;\n"
        )
    }

    fn fill(&self, rows: u32) -> String {
        format!(
            "CREATE TABLE items (id INTEGER PRIMARY KEY, body TEXT NOT NULL); \
             WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {rows}) \
             INSERT INTO items SELECT n, hex(n * 7919) || '-' || hex(n * 104729) || '-' || n * 1299709 FROM g; \
             CREATE INDEX items_body ON items (body); CREATE VIEW shown AS SELECT id FROM items"
        )
    }
}

fn on_port(port: u16, database: &str) -> v1::Connection {
    v1::Connection {
        display_name: database.to_owned(),
        host: "localhost".to_owned(),
        port: port.into(),
        database: database.to_owned(),
        tls: Some(v1::TlsSettings { mode: v1::TlsMode::Disabled.into(), ..v1::TlsSettings::default() }),
        ..v1::Connection::default()
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
