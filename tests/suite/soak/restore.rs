//! Kills while a backup is restored, into databases that are new and into ones that are empty.

use std::time::Instant;

use super::{
    ROWS, Tally,
    keeper::{Keeper, Moment, id_of, told},
    random_percent, rounds,
    site::Site,
};

pub(super) async fn kill_and_look(site: &dyn Site) {
    let mut keeper = Keeper::start(site).await;
    let database = site.create_database().await;
    site.run(&database, &site.fill(ROWS)).await;
    let connection = keeper.register(site, &database).await;
    let backup = format!("{connection}/backups/base");
    let operation = keeper.back_up(&connection, "base").await;
    keeper.succeeded(&operation.name).await;
    let source = site.column(&database, site.read_items()).await;
    assert_eq!(source.len(), ROWS as usize);

    let target = site.fresh_name();
    let began = Instant::now();
    let operation = keeper.restore(&backup, &connection, &target).await;
    keeper.succeeded(&operation.name).await;
    let whole_run = began.elapsed();
    assert_restored(site, &target, &source).await;
    site.drop_database(&target).await;

    let mut tally = Tally::default();
    for round in 0..rounds() {
        let target = if round % 2 == 0 { site.fresh_name() } else { site.create_database().await };
        let operation = keeper.restore(&backup, &connection, &target).await;
        let moment = match round % 3 {
            0 => Moment::Percent(random_percent()),
            1 => Moment::Within(whole_run),
            // All bytes are read; what is left is to make them the database.
            _ => Moment::Percent(100),
        };
        keeper.until(moment, &operation).await;
        keeper.kill_and_restart(round).await;

        let ended = keeper.ended(&operation.name).await;
        assert_eq!(site.left_by(id_of(&operation.name), &target).await, Vec::<String>::new());
        let outcome = told(&ended, &keeper.process.log());
        tally.count(&outcome);
        if outcome != "SUCCEEDED" {
            assert_empty(site, &target).await;
            let next = keeper.restore(&backup, &connection, &target).await;
            keeper.succeeded(&next.name).await;
        }
        assert_restored(site, &target, &source).await;
        site.drop_database(&target).await;
    }
    tally.print("restore", site.name(), keeper.starts_killed);
}

async fn assert_empty(site: &dyn Site, database: &str) {
    if site.exists(database).await {
        assert_eq!(site.tables(database).await, Vec::<String>::new());
    }
}

async fn assert_restored(site: &dyn Site, database: &str, source: &[String]) {
    let mut tables = site.tables(database).await;
    tables.sort();
    assert_eq!(tables, ["items", "shown"]);
    assert!(site.column(database, site.read_items()).await == source, "the restored rows differ");
}
