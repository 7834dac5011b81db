//! Kills while the master key is rotated. After each every record opens with the keys that are there, and the rotation goes on by
//! itself to its end, or is told to have been cut short and can be called again.

use std::{
    env,
    time::{Duration, Instant},
};

use dbkeeper::grpc::{client::Client, proto::v1};

use super::{
    keeper::{Keeper, Moment},
    random_part, random_percent,
    site::Sqlite,
};
use crate::harness::{
    sqlite::SqliteFolder,
    vault::{add_connections, open_every_record, versions_in_file, versions_in_use},
};

/// Records beside the server's own keys: enough that a kill hits between two batches.
const RECORDS: usize = 2_000;
/// The server's own keys may be more one day.
const FEWEST: usize = RECORDS + 3;
const FULL_ROUNDS: u32 = 100;

fn rounds() -> u32 {
    if env::var_os("TEST_SOAK").is_some() { FULL_ROUNDS } else { FULL_ROUNDS / 10 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_rotation_loses_no_record_and_goes_on() {
    let mut keeper = Keeper::start(&Sqlite(SqliteFolder::new())).await;
    let data = keeper.process.data_directory();
    let (store, key) = (data.join("store.db"), data.join("master.key"));
    add_connections(&store, &key, RECORDS).await;
    let began = Instant::now();
    let first = call(&keeper.client()).await.expect("the rotation is begun");
    keeper.succeeded(&first.name).await;
    let whole_run = began.elapsed();

    let (mut at_work, mut newest) = (0, 2);
    for round in 0..rounds() {
        let client = keeper.client();
        let called = tokio::spawn(async move { call(&client).await });
        match round % 3 {
            0 => {
                let operation = called.await.expect("the task ends").expect("the rotation is begun");
                keeper.until(Moment::Percent(random_percent()), &operation).await;
            }
            1 => tokio::time::sleep(random_part(whole_run)).await,
            // The first steps are short: the kill comes before the call is answered.
            _ => tokio::time::sleep(Duration::from_millis(u64::from(random_percent()) / 3)).await,
        }
        keeper.process.kill();
        assert!(open_every_record(&store, &key).await >= FEWEST, "records are gone");
        if versions_in_use(&store).await.len() > 1 {
            at_work += 1;
        }
        keeper.process.launch();
        keeper.process.wait_until_serving().await;
        for operation in rotations(&keeper).await {
            let ended = keeper.ended(&operation).await;
            assert_eq!(ended.state(), v1::OperationState::Succeeded, "{ended:?}\n{}", keeper.process.log());
        }
        let in_use = versions_in_use(&store).await;
        assert!(in_use == [newest] || in_use == [newest + 1], "a rotation brings in one version: {newest} {in_use:?}");
        newest = in_use[0];
        assert_eq!(versions_in_file(&key), [newest.to_string()]);
        assert!(open_every_record(&store, &key).await >= FEWEST, "records are gone");
    }
    print(at_work);
}

#[expect(clippy::print_stdout, reason = "the figures of a soak are quoted")]
fn print(at_work: u32) {
    println!("soak: rotation of {RECORDS} records: {} kills, {at_work} of them with two versions in use", rounds());
    assert!(rounds() < FULL_ROUNDS || at_work > 0, "no kill hit the rotation at work");
}

async fn call(client: &Client) -> Result<v1::Operation, tonic::Status> {
    let answer = client.vault().rotate_master_key(v1::RotateMasterKeyRequest::default()).await;
    answer.map(tonic::Response::into_inner)
}

/// The names of all rotations so far.
async fn rotations(keeper: &Keeper) -> Vec<String> {
    let request = v1::ListOperationsRequest {
        kind: v1::OperationKind::RotateMasterKey.into(),
        page_size: 1000,
        ..Default::default()
    };
    let listed = keeper.client().operations().list_operations(request).await.expect("a list").into_inner();
    listed.operations.into_iter().map(|operation| operation.name).collect()
}
