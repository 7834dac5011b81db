//! The MySQL and MariaDB engine against real MariaDB servers.

mod connect;
pub(crate) mod discovery;
mod dump;
mod fixture;
mod inspect;
mod migrate;
mod monitor;

use std::{sync::Arc, time::Duration};

use dbkeeper::engine::{Database, Engine, EngineOptions, mysql::MysqlEngine};

use crate::harness::mariadb::MariadbServer;

/// The engine as the tests build it.
fn engine() -> MysqlEngine {
    MysqlEngine::new(EngineOptions {
        sqlite_root: std::env::temp_dir(),
        scratch_directory: std::env::temp_dir(),
        reach: dbkeeper::engine::Reach::default(),
        dial_timeout: Duration::from_secs(60),
        tool_directories: Vec::new(),
        sessions: Default::default(),
    })
}

/// A database of the shared server, opened as its administrator.
async fn open(database: &str) -> Arc<dyn Database> {
    engine().open(MariadbServer::shared().target(database)).await.unwrap()
}

#[test]
fn the_servers_of_the_harness_answer() {
    for server in [MariadbServer::shared(), MariadbServer::with_tls()] {
        let database = server.create_database();
        assert_eq!(server.sql(&database, "SELECT DATABASE()"), database);
    }
}
