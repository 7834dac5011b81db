//! Kills while a password is rotated: one of the two passwords is that of the database, and the store has it.

use std::{
    env,
    path::Path,
    time::{Duration, Instant},
};

use dbkeeper::{
    grpc::{client::Client, proto::v1},
    store::Store,
};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use tokio::task::JoinHandle;

use super::{Tally, keeper::Keeper, random_part, site::Site};

/// Kills in a full run.
const FULL_ROUNDS: u32 = 100;
/// Longest wait until the database is there again.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn kill_and_look(site: &dyn Site, registration: v1::Connection) {
    let mut keeper = Keeper::start(site).await;
    let store = keeper.process.data_directory().join("store.db");
    let request = v1::CreateConnectionRequest { connection: Some(registration), ..Default::default() };
    let made = keeper.client().connections().create_connection(request).await.expect("it is registered");
    let name = made.into_inner().name;
    let began = Instant::now();
    rotate(keeper.client(), name.clone()).await.expect("a rotation that nobody disturbs");
    // A little longer, so that some kills come after the end.
    let span = began.elapsed() * 5 / 4;

    let rounds = if env::var_os("TEST_SOAK").is_some() { FULL_ROUNDS } else { FULL_ROUNDS / 10 };
    let (mut tally, mut round, mut open) = (Tally::default(), 0, 0);
    // Every other kill comes at any moment, the others once the intent is stored. Kills that all come before that, or when the
    // password is stored, prove nothing of what lies between.
    while round < rounds || (open == 0 && round < 3 * rounds) {
        let before = etag(&keeper, &name).await;
        let rotating = tokio::spawn(rotate(keeper.client(), name.clone()));
        if round % 2 == 0 {
            tokio::time::sleep(random_part(span)).await;
        } else {
            until_intent(&store, &rotating).await;
            tokio::time::sleep(random_part(span / 4)).await;
        }
        keeper.process.kill();
        if open_intents(&store).await > 0 {
            open += 1;
            tally.count("open intent");
        }
        keeper.restart(round).await;
        let answered = rotating.await.expect("no panic").is_ok();
        until_it_connects(&keeper, &name).await;
        let changed = etag(&keeper, &name).await != before;
        assert!(changed || !answered, "a rotation that was answered is lost\n{}", keeper.process.log());
        tally.count(if changed { "new password" } else { "old password" });
        round += 1;
    }
    // What the last start found open may still be being settled.
    let began = Instant::now();
    while let Err(status) = rotate(keeper.client(), name.clone()).await {
        assert_eq!(status.code(), tonic::Code::Aborted, "{status:?}");
        assert!(began.elapsed() < PATIENCE, "it cannot be rotated again: {status:?}\n{}", keeper.process.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    until_it_connects(&keeper, &name).await;
    assert_eq!(open_intents(&store).await, 0, "what was settled is open still");
    tally.print_all("rotation", site.name(), round, keeper.starts_killed);
    assert!(open > 0, "none of {round} kills hit a rotation between its intent and its end");
}

/// Waits until a rotation has stored what it is about to do, or has ended.
async fn until_intent<T>(store: &Path, rotating: &JoinHandle<T>) {
    let options = SqliteConnectOptions::new().filename(store).read_only(true);
    let mut store = options.connect().await.expect("the store opens beside the server");
    let mut open = 0;
    while open == 0 && !rotating.is_finished() {
        let found = sqlx::query_scalar("SELECT COUNT(*) FROM pending_credentials").fetch_one(&mut store).await;
        open = found.expect("the store is read");
    }
    store.close().await.expect("the connection closes");
}

/// Rotations that are neither done nor given up.
async fn open_intents(store: &Path) -> usize {
    let store = Store::open(store).await.expect("the store opens");
    let open = store.connections_with_pending_credentials().await.expect("the store works").len();
    store.close().await;
    open
}

async fn rotate(client: Client, name: String) -> Result<v1::Connection, tonic::Status> {
    let request = v1::RotateCredentialsRequest { name, ..Default::default() };
    client.connections().rotate_credentials(request).await.map(tonic::Response::into_inner)
}

async fn etag(keeper: &Keeper, name: &str) -> String {
    let request = v1::GetConnectionRequest { name: name.to_owned(), ..Default::default() };
    keeper.client().connections().get_connection(request).await.expect("it is registered").into_inner().etag
}

async fn until_it_connects(keeper: &Keeper, name: &str) {
    let began = Instant::now();
    loop {
        let target = Some(v1::test_connection_request::Target::Name(name.to_owned()));
        let answer = keeper.client().connections().test_connection(v1::TestConnectionRequest { target }).await;
        let answer = answer.expect("the server answers").into_inner();
        if answer.connected {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "access is lost: {answer:?}\n{}", keeper.process.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
