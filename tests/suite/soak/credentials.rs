//! Kills while a password is rotated: one of the two passwords is that of the database, and the store has it.

use std::{
    env,
    time::{Duration, Instant},
};

use dbkeeper::grpc::{client::Client, proto::v1};

use super::{Tally, keeper::Keeper, random_part, site::Site};

/// Kills in a full run.
const FULL_ROUNDS: u32 = 100;
/// Longest wait until the database is there again.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn kill_and_look(site: &dyn Site, registration: v1::Connection) {
    let mut keeper = Keeper::start(site).await;
    let request = v1::CreateConnectionRequest { connection: Some(registration), ..Default::default() };
    let made = keeper.client().connections().create_connection(request).await.expect("it is registered");
    let name = made.into_inner().name;
    let began = Instant::now();
    rotate(keeper.client(), name.clone()).await.expect("a rotation that nobody disturbs");
    // A little longer, so that some kills come after the end.
    let span = began.elapsed() * 5 / 4;

    let rounds = if env::var_os("TEST_SOAK").is_some() { FULL_ROUNDS } else { FULL_ROUNDS / 10 };
    let mut tally = Tally::default();
    for round in 0..rounds {
        let before = etag(&keeper, &name).await;
        let rotating = tokio::spawn(rotate(keeper.client(), name.clone()));
        tokio::time::sleep(random_part(span)).await;
        keeper.kill_and_restart(round).await;
        let answered = rotating.await.expect("no panic").is_ok();
        until_it_connects(&keeper, &name).await;
        let changed = etag(&keeper, &name).await != before;
        assert!(changed || !answered, "a rotation that was answered is lost\n{}", keeper.process.log());
        tally.count(if changed { "new password" } else { "old password" });
    }
    // What the last start found open may still be being settled.
    let began = Instant::now();
    while let Err(status) = rotate(keeper.client(), name.clone()).await {
        assert_eq!(status.code(), tonic::Code::Aborted, "{status:?}");
        assert!(began.elapsed() < PATIENCE, "it cannot be rotated again: {status:?}\n{}", keeper.process.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    until_it_connects(&keeper, &name).await;
    tally.print_all("rotation", site.name(), rounds, keeper.starts_killed);
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
