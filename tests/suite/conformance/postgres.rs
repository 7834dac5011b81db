//! PostgreSQL's fixture.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use dbkeeper::{
    engine::{Credentials, Engine, EngineOptions, Target, postgres::PostgresEngine},
    model::{AccountId, Reason, connection::ConnectionSettings},
};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tempfile::TempDir;

use super::{Fixture, checks};
use crate::harness::postgres::PostgresServer;

/// One checksum a table. The text of a row is the same in both databases, because both are of one server.
const CHECKSUMS: &str = r#"
SELECT format('SELECT %L, count(*) || '' rows '' || md5(coalesce(string_agg(t::text, E''\n'' ORDER BY t::text), '''')) FROM %I AS t;', relname, relname)
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm') ORDER BY relname \gexec
"#;

/// What the server itself writes of every object that has a text.
const DEFINITIONS: &str = "
SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY proname;
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname;
SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname;
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace ORDER BY conrelid::regclass::text, conname;
SELECT relname, pg_get_viewdef(oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm') ORDER BY 1;
SELECT sequencename, last_value, data_type FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1;
SELECT obj_description('public.numbers'::regclass);
SELECT enum_range(NULL::mood);";

/// A server with a scratch folder of the test.
pub(crate) struct PostgresFixture {
    scratch: TempDir,
}

impl PostgresFixture {
    pub(crate) fn new() -> Self {
        Self { scratch: TempDir::new().expect("a folder can be made") }
    }

    fn server(&self) -> &'static PostgresServer {
        PostgresServer::shared()
    }

    fn target_of(&self, settings: ConnectionSettings, password: &str) -> Target {
        let credentials = Credentials { password: password.into(), client_key_pem: None };
        Target { account: AccountId::from_stored("default".to_owned()), connection: None, settings, credentials }
    }
}

#[async_trait]
impl Fixture for PostgresFixture {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(PostgresEngine::new(EngineOptions {
            sqlite_root: self.scratch.path().to_owned(),
            scratch_directory: self.scratch.path().to_owned(),
            reach: dbkeeper::engine::Reach::default(),
            dial_timeout: Duration::from_secs(60),
            tool_directories: Vec::new(),
            sessions: Default::default(),
        }))
    }

    fn target(&self, database: &str) -> Target {
        self.target_of(self.server().settings(database), self.server().password())
    }

    fn refused(&self) -> Vec<(Target, Reason)> {
        let mut unknown_user = self.server().settings("postgres");
        unknown_user.username = "nobody".to_owned();
        let mut refused_port = self.server().settings("postgres");
        refused_port.port = 1;
        let mut unknown_host = self.server().settings("postgres");
        unknown_host.host = "no-such-host.invalid".to_owned();
        let password = self.server().password();
        vec![
            (self.target_of(self.server().settings("postgres"), "wrong"), Reason::CredentialsRejected),
            (self.target_of(unknown_user, password), Reason::CredentialsRejected),
            (self.target("no_such_database"), Reason::DatabaseUnknown),
            (self.target_of(refused_port, password), Reason::DatabaseUnreachable),
            (self.target_of(unknown_host, password), Reason::HostUnknown),
        ]
    }

    async fn create_database(&self) -> String {
        self.server().create_database()
    }

    fn unused_database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("restored_{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    async fn run(&self, database: &str, sql: &str) {
        self.server().psql(database, sql);
    }

    async fn run_each(&self, database: &str, statements: &[&str]) {
        let settings = self.server().settings(database);
        let options = PgConnectOptions::new().host("localhost").port(settings.port).username(&settings.username);
        let options = options.password(self.server().password()).database(database).ssl_mode(PgSslMode::Disable);
        let mut connection = PgConnection::connect_with(&options).await.expect("the database is reached");
        for sql in statements {
            // The extended protocol takes no more than one statement.
            let query = sqlx::query(AssertSqlSafe((*sql).to_owned())).persistent(false);
            let run = query.execute(&mut connection).await;
            run.unwrap_or_else(|error| panic!("{error}: {sql}"));
        }
        connection.close().await.expect("the connection is closed");
    }

    fn sample_sql(&self) -> &'static str {
        include_str!("postgres.sql")
    }

    fn schema(&self, _database: &str) -> String {
        "public".to_owned()
    }

    async fn checksums(&self, database: &str) -> BTreeMap<String, String> {
        let lines = self.server().psql(database, CHECKSUMS);
        let pairs = lines.lines().filter_map(|line| line.rsplit_once('|'));
        pairs.map(|(table, sum)| (table.to_owned(), sum.to_owned())).collect()
    }

    async fn definitions(&self, database: &str) -> String {
        self.server().psql(database, DEFINITIONS)
    }

    async fn load(&self, database: &str, dump: &[u8]) {
        self.server().pg_restore(database, dump);
    }

    fn day_one_metrics(&self) -> &'static [&'static str] {
        &[
            "postgresql.backends",
            "postgresql.connection.max",
            "postgresql.commits",
            "postgresql.rollbacks",
            "postgresql.deadlocks",
            "postgresql.temp_files",
            "postgresql.blks_hit",
            "postgresql.blks_read",
            "postgresql.db_size",
            "postgresql.table.size",
            "postgresql.index.size",
        ]
    }

    fn slow_statement(&self) -> &'static str {
        "SELECT pg_sleep(300)"
    }

    async fn runs_slow_statement(&self, database: &str) -> bool {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        self.server().psql(database, sql) != "0"
    }

    fn has_partial_indexes(&self) -> bool {
        true
    }

    fn has_expression_indexes(&self) -> bool {
        true
    }
}

checks!(PostgresFixture::new());
checks! { PostgresFixture::new();
    schema::objects_are_listed_with_what_their_kind_has,
    schema::rows_are_sampled_with_their_types,
}
