//! Kills while a backup is taken.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use dbkeeper::grpc::proto::v1;

use super::{
    ROWS, Tally,
    keeper::{Keeper, Moment, id_of, told},
    random_percent, rounds,
    site::Site,
};
use crate::harness::process::files_below;

/// A tool that outlived the server ends when it writes to the pipe that nobody reads any more.
const TOOL_PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn kill_and_look(site: &dyn Site) {
    let mut keeper = Keeper::start(site).await;
    let database = site.create_database().await;
    site.run(&database, &site.fill(ROWS)).await;
    let connection = keeper.register(site, &database).await;
    let began = Instant::now();
    let operation = keeper.back_up(&connection, "first").await;
    keeper.succeeded(&operation.name).await;
    let whole_run = began.elapsed();

    let mut tally = Tally::default();
    let mut taken = BTreeSet::from([format!("{connection}/backups/first")]);
    for round in 0..rounds() {
        // Something has to be stored again each time.
        site.run(&database, &site.change(round)).await;
        let backup = format!("{connection}/backups/killed-{round}");
        let operation = keeper.back_up(&connection, id_of(&backup)).await;
        match round % 3 {
            0 => keeper.until(Moment::Percent(random_percent()), &operation).await,
            1 => keeper.until(Moment::Within(whole_run), &operation).await,
            _ => until_published(&keeper, &backup).await,
        }
        keeper.kill_and_restart(round).await;

        let ended = keeper.ended(&operation.name).await;
        let outcome = told(&ended, &keeper.process.log());
        let shown = get(&keeper, &backup).await;
        if outcome == "SUCCEEDED" {
            assert_eq!(shown.state(), v1::BackupState::Complete, "{shown:?}");
            taken.insert(backup.clone());
            keeper.verify(&backup).await;
        } else {
            assert_eq!(shown.state(), v1::BackupState::Failed, "{shown:?}");
            assert_eq!(shown.error.as_ref().map(|error| error.reason.as_str()), Some("INTERRUPTED"), "{shown:?}");
            assert_refused(&keeper, &backup).await;
        }
        tally.count(&outcome);
        until_nothing_is_left(site, id_of(&operation.name), &database).await;

        let next = keeper.back_up(&connection, &format!("next-{round}")).await;
        keeper.succeeded(&next.name).await;
        taken.insert(format!("{connection}/backups/next-{round}"));
        keeper.verify(&format!("{connection}/backups/next-{round}")).await;
        assert_list(&keeper, &taken, round).await;
    }

    // Chunks that a killed backup and a later one share must be those of the later one.
    let target = site.fresh_name();
    let last = format!("{connection}/backups/next-{}", rounds() - 1);
    let restore = keeper.restore(&last, &connection, &target).await;
    keeper.succeeded(&restore.name).await;
    let (source, restored) =
        (site.column(&database, site.read_items()).await, site.column(&target, site.read_items()).await);
    assert!(source.len() == ROWS as usize && source == restored, "the restored rows differ");
    for name in &taken {
        keeper.verify(name).await;
    }
    tally.print("backup", site.name(), keeper.starts_killed);
}

/// Until the manifest lies in the storage: the moment between the publication and the note of it.
async fn until_published(keeper: &Keeper, backup: &str) {
    let manifest = manifest_of(backup);
    let began = Instant::now();
    while !manifests(keeper).contains(&manifest) {
        assert!(began.elapsed() < TOOL_PATIENCE, "{backup} is not published: {}", keeper.process.log());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Where the manifest of a backup lies in the storage of its account.
fn manifest_of(backup: &str) -> String {
    let parts: Vec<&str> = backup.split('/').collect();
    format!("default/manifests/{}/{}", parts[1], parts[3])
}

fn manifests(keeper: &Keeper) -> BTreeSet<String> {
    let files = files_below(&keeper.process.data_directory().join("backups"));
    files.into_iter().filter(|file| file.starts_with("default/manifests/") && !file.contains('#')).collect()
}

async fn get(keeper: &Keeper, name: &str) -> v1::Backup {
    let request = v1::GetBackupRequest { name: name.to_owned() };
    keeper.client().backups().get_backup(request).await.expect("the backup is listed").into_inner()
}

async fn assert_refused(keeper: &Keeper, name: &str) {
    let request = v1::VerifyBackupRequest { name: name.to_owned(), level: v1::VerifyLevel::Content.into() };
    let refusal = keeper.client().backups().verify_backup(request).await.expect_err("it was not taken");
    assert_eq!(refusal.code(), tonic::Code::FailedPrecondition, "{refusal:?}");
}

/// The list tells every backup as it ended, the storage has exactly the manifests of those that are complete, and no file
/// is left where files are for a moment.
async fn assert_list(keeper: &Keeper, taken: &BTreeSet<String>, round: u32) {
    let request = v1::ListBackupsRequest { page_size: 1000, ..v1::ListBackupsRequest::default() };
    let backups = keeper.client().backups().list_backups(request).await.expect("a list").into_inner().backups;
    assert_eq!(backups.len() as u32, 1 + 2 * (round + 1));
    let in_state = |state| {
        let names = backups.iter().filter(|backup| backup.state() == state).map(|backup| backup.name.clone());
        names.collect::<BTreeSet<_>>()
    };
    assert_eq!(&in_state(v1::BackupState::Complete), taken);
    assert_eq!(in_state(v1::BackupState::Failed).len() + taken.len(), backups.len());
    assert_eq!(manifests(keeper), taken.iter().map(|name| manifest_of(name)).collect());
    assert_eq!(files_below(&keeper.process.data_directory().join("scratch")), Vec::<String>::new());
}

async fn until_nothing_is_left(site: &dyn Site, operation: &str, database: &str) {
    let began = Instant::now();
    loop {
        let left = site.left_by(operation, database).await;
        if left.is_empty() {
            return;
        }
        assert!(began.elapsed() < TOOL_PATIENCE, "still there: {left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
