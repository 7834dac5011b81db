//! MariaDB's fixture.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use dbkeeper::{
    engine::{Engine, EngineOptions, Target, mysql::MysqlEngine},
    model::Reason,
};
use secrecy::ExposeSecret;
use sqlx::{
    AssertSqlSafe, Connection as _, MySqlConnection,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};
use tempfile::TempDir;

use super::{Fixture, checks};
use crate::harness::mariadb::MariadbServer;

/// A server with a scratch folder of the test.
pub(crate) struct MariadbFixture {
    scratch: TempDir,
}

impl MariadbFixture {
    pub(crate) fn new() -> Self {
        Self { scratch: TempDir::new().expect("a folder can be made") }
    }

    fn server(&self) -> &'static MariadbServer {
        MariadbServer::shared()
    }

    fn tables(&self, database: &str, kind: &str) -> Vec<String> {
        let sql = format!(
            "SELECT table_name FROM information_schema.tables
             WHERE table_schema = '{database}' AND table_type = '{kind}' ORDER BY table_name"
        );
        self.server().sql(database, &sql).lines().map(str::to_owned).collect()
    }
}

#[async_trait]
impl Fixture for MariadbFixture {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(MysqlEngine::new(EngineOptions {
            sqlite_root: self.scratch.path().to_owned(),
            scratch_directory: self.scratch.path().to_owned(),
            reach: dbkeeper::engine::Reach::default(),
            dial_timeout: Duration::from_secs(60),
            tool_directories: Vec::new(),
            sessions: Default::default(),
        }))
    }

    fn target(&self, database: &str) -> Target {
        self.server().target(database)
    }

    fn refused(&self) -> Vec<(Target, Reason)> {
        let mut wrong_password = self.server().target("mysql");
        wrong_password.credentials.password = "wrong".into();
        let mut unknown_user = self.server().settings("mysql");
        unknown_user.username = "nobody".to_owned();
        let mut refused_port = self.server().settings("mysql");
        refused_port.port = 1;
        let mut unknown_host = self.server().settings("mysql");
        unknown_host.host = "no-such-host.invalid".to_owned();
        vec![
            (wrong_password, Reason::CredentialsRejected),
            (self.server().target_of(unknown_user), Reason::CredentialsRejected),
            (self.server().target("no_such_database"), Reason::DatabaseUnknown),
            (self.server().target_of(refused_port), Reason::DatabaseUnreachable),
            (self.server().target_of(unknown_host), Reason::HostUnknown),
        ]
    }

    async fn create_database(&self) -> String {
        self.server().create_database()
    }

    fn unused_database(&self) -> String {
        self.server().fresh_name()
    }

    async fn run(&self, database: &str, sql: &str) {
        self.server().sql(database, sql);
    }

    async fn run_each(&self, database: &str, statements: &[&str]) {
        let settings = self.server().settings(database);
        let password = self.server().target(database).credentials.password;
        let options = MySqlConnectOptions::new().host("localhost").port(settings.port).username(&settings.username);
        let options = options.password(password.expose_secret()).database(database).ssl_mode(MySqlSslMode::Disabled);
        let mut connection = MySqlConnection::connect_with(&options).await.expect("the database is reached");
        for sql in statements {
            let run = sqlx::raw_sql(AssertSqlSafe((*sql).to_owned())).execute(&mut connection).await;
            run.unwrap_or_else(|error| panic!("{error}: {sql}"));
        }
        connection.close().await.expect("the connection is closed");
    }

    fn sample_sql(&self) -> &'static str {
        include_str!("mariadb.sql")
    }

    fn schema(&self, database: &str) -> String {
        database.to_owned()
    }

    async fn checksums(&self, database: &str) -> BTreeMap<String, String> {
        let checksum = |table: String| {
            // In hex, because the client prints binary columns as they are.
            let columns = format!(
                "SELECT group_concat('ifnull(hex(`', column_name, '`), ''NULL'')' ORDER BY ordinal_position)
                 FROM information_schema.columns WHERE table_schema = '{database}' AND table_name = '{table}'"
            );
            let columns = self.server().sql(database, &columns);
            let rows = self.server().sql(database, &format!("SELECT {columns} FROM `{table}`"));
            let mut rows: Vec<&str> = rows.lines().collect();
            rows.sort_unstable();
            let sum = format!("{} rows {}", rows.len(), blake3::hash(rows.join("\n").as_bytes()));
            (table, sum)
        };
        self.tables(database, "BASE TABLE").into_iter().map(checksum).collect()
    }

    async fn definitions(&self, database: &str) -> String {
        let show = |kind: &str, names: Vec<String>| {
            let statements: Vec<String> = names.iter().map(|name| format!("SHOW CREATE {kind} `{name}`;")).collect();
            self.server().sql(database, &statements.join("\n")).replace(database, "")
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        [
            show("TABLE", self.tables(database, "BASE TABLE")),
            show("VIEW", self.tables(database, "VIEW")),
            // The last column of a trigger is the time at which it was made.
            self.server().sql(
                database,
                &format!(
                    "SELECT trigger_name, action_timing, event_manipulation, action_statement, sql_mode, definer
                     FROM information_schema.triggers WHERE trigger_schema = '{database}' ORDER BY 1"
                ),
            ),
            show("FUNCTION", names(&["twice"])),
        ]
        .join("\n")
    }

    async fn load(&self, database: &str, dump: &[u8]) {
        self.server().load(database, dump);
    }

    fn day_one_metrics(&self) -> &'static [&'static str] {
        &[
            "mysql.connection.max",
            "mysql.questions",
            "mysql.slow_queries",
            "mysql.aborted_connects",
            "mysql.buffer_pool.read_requests",
            "mysql.buffer_pool.reads",
            "mysql.row_lock.waits",
            "mysql.innodb.log_waits",
            "mysql.innodb.history_list",
            "mysql.index.size",
        ]
    }

    fn slow_statement(&self) -> &'static str {
        "SELECT count(*) FROM seq_1_to_10000000 AS a, seq_1_to_10000000 AS b WHERE a.seq + b.seq = 0"
    }

    async fn runs_slow_statement(&self, database: &str) -> bool {
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{database}' AND INFO LIKE '%seq_1_to_10000000 AS b%'"
        );
        MariadbServer::shared().sql("mysql", &sql) != "0"
    }

    fn has_partial_indexes(&self) -> bool {
        false
    }

    fn has_expression_indexes(&self) -> bool {
        false
    }

    fn shares_its_marker(&self) -> bool {
        true
    }
}

checks!(MariadbFixture::new());
checks! { MariadbFixture::new();
    schema::objects_are_listed_with_what_their_kind_has,
    schema::rows_are_sampled_with_their_types,
}
