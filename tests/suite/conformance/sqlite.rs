//! SQLite's fixture.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use dbkeeper::{
    engine::{Engine, Target},
    model::Reason,
};

use sqlx::{AssertSqlSafe, Connection as _};

use super::{Fixture, checks};
use crate::harness::sqlite::SqliteFolder;

#[async_trait]
impl Fixture for SqliteFolder {
    fn engine(&self) -> Arc<dyn Engine> {
        SqliteFolder::engine(self)
    }

    fn target(&self, database: &str) -> Target {
        SqliteFolder::target(self, database)
    }

    fn refused(&self) -> Vec<(Target, Reason)> {
        let mut with_password = SqliteFolder::target(self, &SqliteFolder::create_database(self));
        with_password.credentials.password = "secret".into();
        vec![
            (with_password, Reason::InvalidField),
            (SqliteFolder::target(self, "missing.db"), Reason::DatabaseUnknown),
            (SqliteFolder::target(self, "../climbs.db"), Reason::InvalidField),
        ]
    }

    async fn create_database(&self) -> String {
        SqliteFolder::create_database(self)
    }

    fn unused_database(&self) -> String {
        format!("restored/{}", self.fresh_name())
    }

    async fn run(&self, database: &str, sql: &str) {
        SqliteFolder::run(self, database, sql).await;
    }

    async fn run_each(&self, database: &str, statements: &[&str]) {
        let mut connection = self.connect(database).await;
        for sql in statements {
            let run = sqlx::raw_sql(AssertSqlSafe((*sql).to_owned())).execute(&mut connection).await;
            run.unwrap_or_else(|error| panic!("{error}: {sql}"));
        }
        connection.close().await.expect("the file is closed");
    }

    fn sample_sql(&self) -> &'static str {
        include_str!("sqlite.sql")
    }

    fn schema(&self, _database: &str) -> String {
        "main".to_owned()
    }

    async fn checksums(&self, database: &str) -> BTreeMap<String, String> {
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'";
        let mut sums = BTreeMap::new();
        for table in self.column(database, tables).await {
            let quoted = table.replace('\'', "''");
            let columns = self.column(database, &format!("SELECT 'quote(\"' || replace(name, '\"', '\"\"') || '\")' FROM pragma_table_xinfo('{quoted}') WHERE hidden <> 1")).await;
            let row = columns.join(" || ',' || ");
            let name = table.replace('"', "\"\"");
            let mut rows = self.column(database, &format!("SELECT {row} FROM \"{name}\"")).await;
            rows.sort();
            sums.insert(table, format!("{} rows {}", rows.len(), blake3::hash(rows.join("\n").as_bytes())));
        }
        sums
    }

    async fn definitions(&self, database: &str) -> String {
        self.column(database, "SELECT sql FROM sqlite_schema ORDER BY type, name").await.join(";\n")
    }

    async fn load(&self, database: &str, dump: &[u8]) {
        // The dump is the database file itself.
        std::fs::write(self.path(database), dump).expect("the folder can be written");
        assert_eq!(self.column(database, "PRAGMA integrity_check").await, ["ok"]);
    }

    fn day_one_metrics(&self) -> &'static [&'static str] {
        &[
            "sqlite.db_size",
            "sqlite.freelist.size",
            "sqlite.wal.size",
            "sqlite.cache.hits",
            "sqlite.cache.misses",
            "sqlite.cache.spills",
            "sqlite.table.size",
            "sqlite.index.size",
        ]
    }

    fn slow_statement(&self) -> &'static str {
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000000) SELECT count(*) FROM n"
    }

    /// Nobody sees the statements of another, but the transaction around it keeps other writers out.
    async fn runs_slow_statement(&self, database: &str) -> bool {
        let mut writer = self.connect(database).await;
        let locked = sqlx::raw_sql("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE").execute(&mut writer).await.is_err();
        sqlx::Connection::close(writer).await.expect("the connection closes");
        locked
    }

    fn has_partial_indexes(&self) -> bool {
        true
    }

    fn has_expression_indexes(&self) -> bool {
        true
    }
}

checks!(SqliteFolder::new());
checks! { SqliteFolder::new();
    schema::objects_are_listed_with_what_their_kind_has,
    schema::rows_are_sampled_with_their_types,
}
