//! The pools of sessions against real databases: what a lease leaves behind, how long a statement may run, what a pooler
//! in front is told as, what the lists of pools tell, how many dials there are at one time, and what one that says
//! nothing costs.

mod dials;
mod lists;
mod pooler;
mod reset;
mod silence;
mod timeouts;

use std::time::Duration;

use dbkeeper::{
    engine::{
        Credentials, EngineOptions, Reach, Target,
        session_pool::{PoolOwner, SessionLimits, SessionPool, SessionSource},
    },
    model::{
        AccountId,
        connection::{ConnectionSettings, PoolSettings},
    },
};

use crate::harness::postgres::PostgresServer;

/// Options whose dials may take long enough for a loaded machine.
fn options() -> EngineOptions {
    EngineOptions {
        reach: Reach::default(),
        sqlite_root: std::env::temp_dir(),
        scratch_directory: std::env::temp_dir(),
        dial_timeout: Duration::from_secs(30),
        tool_directories: Vec::new(),
        sessions: SessionLimits::default(),
    }
}

fn account() -> AccountId {
    AccountId::from_stored("default".to_owned())
}

/// A pool of one session, so that the next lease meets what the last one left.
fn pool_of_one<S: SessionSource>(source: S) -> SessionPool<S> {
    let settings =
        PoolSettings { max_connections: 1, acquire_timeout: Duration::from_secs(60), ..PoolSettings::default() };
    SessionPool::new(source, &PoolOwner::new(&account(), None), settings, &SessionLimits::default())
}

/// The superuser of the shared PostgreSQL server.
fn postgres_target(settings: ConnectionSettings) -> Target {
    let password = PostgresServer::shared().password();
    let credentials = Credentials { password: password.to_owned().into(), client_key_pem: None };
    Target { account: account(), connection: None, settings, credentials }
}
