//! The postgres engine against a real server.

mod connect;
pub(crate) mod discovery;
mod dump;
mod inspect;
mod migrate;
mod monitor;

use std::{path::PathBuf, sync::Arc, time::Duration};

use dbkeeper::{
    engine::{Credentials, Database, Engine, EngineOptions, Target, postgres::PostgresEngine},
    model::{AccountId, connection::ConnectionSettings},
};

use crate::harness::postgres::PostgresServer;

/// Long enough for a busy machine, and no more than what a test of a silent host waits.
/// Longer than a loaded machine may take to answer.
const DIAL_TIMEOUT: Duration = Duration::from_secs(60);

fn engine() -> PostgresEngine {
    engine_with(DIAL_TIMEOUT)
}

fn engine_with(dial_timeout: Duration) -> PostgresEngine {
    PostgresEngine::new(EngineOptions {
        sqlite_root: PathBuf::new(),
        scratch_directory: std::env::temp_dir(),
        reach: dbkeeper::engine::Reach::default(),
        dial_timeout,
        tool_directories: Vec::new(),
        sessions: Default::default(),
    })
}

fn account() -> AccountId {
    AccountId::from_stored("default".to_owned())
}

fn target(settings: ConnectionSettings, password: &str) -> Target {
    Target {
        account: account(),
        connection: None,
        settings,
        credentials: Credentials { password: password.to_owned().into(), client_key_pem: None },
    }
}

async fn open(settings: ConnectionSettings) -> Arc<dyn Database> {
    let password = PostgresServer::shared().password();
    engine().open(target(settings, password)).await.expect("the database opens")
}

async fn open_new() -> (String, Arc<dyn Database>) {
    let server = PostgresServer::shared();
    let database = server.create_database();
    let opened = open(server.settings(&database)).await;
    (database, opened)
}

/// Repeats a look until it shows what is waited for.
async fn wait_until(what: &str, mut look: impl FnMut() -> bool) {
    for _ in 0..2400 {
        if look() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain until {what}");
}
