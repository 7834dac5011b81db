//! Kills while migrations are applied. Each makes a table and adds exactly one row to a ledger.

use std::{collections::BTreeSet, time::Instant};

use dbkeeper::grpc::proto::v1;

use super::{
    Tally,
    keeper::{Keeper, Moment, id_of, told},
    random_percent, rounds,
    site::Site,
};

/// Migrations of the set.
const COUNT: u32 = 25;

pub(super) async fn kill_and_look(site: &dyn Site) {
    let mut keeper = Keeper::start(site).await;
    let set = import(&keeper, site).await;
    let (database, connection) = new_database(&keeper, site).await;
    let began = Instant::now();
    let operation = apply(&keeper, &set, &connection).await;
    keeper.succeeded(&operation.name).await;
    let whole_run = began.elapsed();
    assert_whole(site, &database).await;

    let mut tally = Tally::default();
    for round in 0..rounds() {
        let (database, connection) = new_database(&keeper, site).await;
        let operation = apply(&keeper, &set, &connection).await;
        let moment = if round % 2 == 0 { Moment::Percent(random_percent()) } else { Moment::Within(whole_run) };
        keeper.until(moment, &operation).await;
        keeper.kill_and_restart(round).await;

        let ended = keeper.ended(&operation.name).await;
        assert_eq!(site.left_by(id_of(&operation.name), &database).await, Vec::<String>::new());
        let outcome = told(&ended, &keeper.process.log());
        assert_told_as_it_is(&ended, &look(site, &database).await);
        tally.count(&outcome);

        let next = apply(&keeper, &set, &connection).await;
        keeper.succeeded(&next.name).await;
        assert_whole(site, &database).await;
        keeper.forget(&connection).await;
        site.drop_database(&database).await;
    }
    tally.print("apply", site.name(), keeper.starts_killed);
}

async fn import(keeper: &Keeper, site: &dyn Site) -> String {
    let request = v1::CreateMigrationSetRequest {
        migration_set_id: "soak".to_owned(),
        migration_set: Some(v1::MigrationSet { display_name: "Soak".to_owned(), ..v1::MigrationSet::default() }),
        ..v1::CreateMigrationSetRequest::default()
    };
    let mut client = keeper.client().migrations();
    let set = client.create_migration_set(request).await.expect("a set can be made").into_inner().name;
    let file = |number| v1::MigrationFile { path: format!("{number:04}_made.sql"), content: site.migration(number) };
    let request = v1::ImportMigrationsRequest {
        migration_set: set.clone(),
        files: (1..=COUNT).map(file).collect(),
        ..v1::ImportMigrationsRequest::default()
    };
    client.import_migrations(request).await.expect("the files are migrations");
    set
}

/// A new database with an empty ledger, and its connection.
async fn new_database(keeper: &Keeper, site: &dyn Site) -> (String, String) {
    let database = site.create_database().await;
    site.run(&database, "CREATE TABLE ledger (number INTEGER NOT NULL)").await;
    let connection = keeper.register(site, &database).await;
    (database, connection)
}

async fn apply(keeper: &Keeper, set: &str, connection: &str) -> v1::Operation {
    let request = v1::ApplyMigrationsRequest {
        migration_set: set.to_owned(),
        connection: connection.to_owned(),
        ..v1::ApplyMigrationsRequest::default()
    };
    keeper.client().migrations().apply_migrations(request).await.expect("the run is begun").into_inner()
}

/// What is really there.
#[derive(Debug, Default)]
struct Found {
    /// Migrations that the history tells to be applied, and those it tells to have stopped half way.
    applied: BTreeSet<u32>,
    stopped: BTreeSet<u32>,
    ledger: Vec<u32>,
    made: BTreeSet<u32>,
}

/// Looks from outside, and checks that the history and the database agree.
async fn look(site: &dyn Site, database: &str) -> Found {
    let tables = site.tables(database).await;
    let numbers =
        |texts: Vec<String>| texts.iter().map(|text| text.trim().parse().expect("a number")).collect::<Vec<u32>>();
    let mut found = Found {
        ledger: numbers(site.column(database, "SELECT CAST(number AS CHAR(10)) FROM ledger ORDER BY number").await),
        made: tables.iter().filter_map(|table| table.strip_prefix("made_")?.parse().ok()).collect(),
        ..Found::default()
    };
    if tables.iter().any(|table| table == "dbkeeper_migrations") {
        let versions = |condition: &str| format!("SELECT version FROM dbkeeper_migrations WHERE direction {condition}");
        found.applied = numbers(site.column(database, &versions("IS NULL")).await).into_iter().collect();
        found.stopped = numbers(site.column(database, &versions("IS NOT NULL")).await).into_iter().collect();
    }

    let once: BTreeSet<u32> = found.ledger.iter().copied().collect();
    assert_eq!(once.len(), found.ledger.len(), "a migration ran twice: {found:?}");
    assert!(found.applied.is_subset(&once) && found.applied.is_subset(&found.made), "one is lost: {found:?}");
    let known: BTreeSet<u32> = found.applied.union(&found.stopped).copied().collect();
    assert!(once.is_subset(&known) && found.made.is_subset(&known), "one ran that is not in the history: {found:?}");
    assert!(found.stopped.len() <= 1, "{found:?}");
    found
}

fn assert_told_as_it_is(operation: &v1::Operation, found: &Found) {
    let all: BTreeSet<u32> = (1..=COUNT).collect();
    if let Some(v1::operation::Result::MigrateResult(result)) = &operation.result {
        assert_eq!(found.applied, all, "{operation:?}");
        assert_eq!(result.count, i64::from(COUNT), "{operation:?}");
        return;
    }
    let error = operation.error.as_ref().expect("it failed");
    let fact = |name: &str| error.metadata[name].parse::<usize>().expect("a number");
    assert_eq!(fact("migrations_done"), found.applied.len(), "{error:?} {found:?}");
    assert_eq!(fact("version"), found.applied.len() + 1, "{error:?} {found:?}");
}

async fn assert_whole(site: &dyn Site, database: &str) {
    let found = look(site, database).await;
    let all: BTreeSet<u32> = (1..=COUNT).collect();
    assert!(found.applied == all && found.made == all && found.stopped.is_empty(), "{found:?}");
}
