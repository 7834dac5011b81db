//! `kill -9` of the real binary in the middle of a backup, of an apply and of a restore, again and again: at the next start
//! the operation is told as it was, nothing is half published, nothing is done twice or lost, and the next run succeeds.
//!
//! `make soak` kills 30 times each on every engine, the ordinary run a tenth of that. Every other kill hits a chosen moment,
//! and every fourth start is killed too, while it finds out what became of the operation.

mod apply;
mod backup;
mod credentials;
mod keeper;
mod restore;
mod rotate;
mod site;

use std::{
    collections::BTreeMap,
    env,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use site::{Mariadb, Postgres, Sqlite};

use crate::{
    harness::{mariadb::MariadbServer, postgres::PostgresServer, sqlite::SqliteFolder},
    rpc::rotation::{mariadb_user, postgres_user},
};

/// Rows of a database that is backed up or restored.
const ROWS: u32 = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_apply_is_told_and_goes_on_on_postgres() {
    apply::kill_and_look(&Postgres(PostgresServer::shared())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_apply_is_told_and_goes_on_on_mariadb() {
    apply::kill_and_look(&Mariadb(MariadbServer::shared())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_apply_is_told_and_goes_on_on_sqlite() {
    apply::kill_and_look(&Sqlite(SqliteFolder::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_backup_is_told_and_not_published_on_postgres() {
    backup::kill_and_look(&Postgres(PostgresServer::shared())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_backup_is_told_and_not_published_on_mariadb() {
    backup::kill_and_look(&Mariadb(MariadbServer::shared())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_backup_is_told_and_not_published_on_sqlite() {
    backup::kill_and_look(&Sqlite(SqliteFolder::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_restore_is_told_and_taken_away_on_postgres() {
    restore::kill_and_look(&Postgres(PostgresServer::shared())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_restore_is_told_and_taken_away_on_mariadb() {
    restore::kill_and_look(&Mariadb(MariadbServer::shared())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_restore_is_told_and_taken_away_on_sqlite() {
    restore::kill_and_look(&Sqlite(SqliteFolder::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_rotation_loses_no_access_on_postgres() {
    credentials::kill_and_look(&Postgres(PostgresServer::shared()), postgres_user()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_rotation_loses_no_access_on_mariadb() {
    credentials::kill_and_look(&Mariadb(MariadbServer::shared()), mariadb_user()).await;
}

/// Kills of one kind on one engine in a full run.
const FULL_ROUNDS: u32 = 30;

/// Kills of one kind on one engine.
fn rounds() -> u32 {
    if env::var_os("TEST_SOAK").is_some() { FULL_ROUNDS } else { FULL_ROUNDS / 10 }
}

/// A number from 0 to 99, another one each time.
fn random_percent() -> u32 {
    u32::try_from(RandomState::new().hash_one(0) % 100).unwrap()
}

/// A part of a span, another one each time.
fn random_part(span: Duration) -> Duration {
    span * random_percent() / 100
}

/// What the operations were told to have come to.
#[derive(Default)]
struct Tally(BTreeMap<String, u32>);

impl Tally {
    fn count(&mut self, outcome: &str) {
        *self.0.entry(outcome.to_owned()).or_default() += 1;
    }

    /// Prints the figures of kills after which either outcome is right.
    #[expect(clippy::print_stdout, reason = "the figures of a soak are quoted")]
    fn print_all(&self, what: &str, engine: &str, kills: u32, starts_killed: u32) {
        println!("soak: {what} on {engine}: {kills} kills, and {starts_killed} of starts; left: {:?}", self.0);
    }

    /// Prints the figures. A full run that never hit an operation at work has proved nothing; of a few kills all can miss.
    #[expect(clippy::print_stdout, reason = "the figures of a soak are quoted")]
    fn print(&self, what: &str, engine: &str, starts_killed: u32) {
        println!("soak: {what} on {engine}: {} kills, and {starts_killed} of starts; told: {:?}", rounds(), self.0);
        assert!(
            rounds() < FULL_ROUNDS || self.0.contains_key("INTERRUPTED"),
            "no kill hit the {what} at work: {:?}",
            self.0
        );
    }
}
