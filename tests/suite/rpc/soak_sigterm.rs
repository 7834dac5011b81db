//! SIGTERM of the real binary while streams are open and work is under way, again and again: it ends in time and in order, says so
//! to whoever listens, and the next start knows what became of the work. `make soak` does it fifty times, the ordinary run a tenth of that.

use std::{env, time::Duration};

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::{Code, Status};

use super::{
    answer::assert_refused,
    support::{apply, end_of, ended, file, migration_set, register, settings, until, watch},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::process::ServerProcess,
};

const FULL_ROUNDS: u32 = 50;
/// What is promised.
const LIMIT: Duration = Duration::from_secs(30);
const STREAMS: usize = 8;

async fn operation(client: &Client, name: &str) -> v1::Operation {
    let request = v1::GetOperationRequest { name: name.to_owned() };
    client.operations().get_operation(request).await.unwrap().into_inner()
}

async fn waits_for(client: Client, name: String) -> Result<(), Status> {
    let request = v1::WaitOperationRequest { name, ..Default::default() };
    client.operations().wait_operation(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_told_to_stop_stops_in_order_whatever_it_does() {
    let rounds = if env::var_os("TEST_SOAK").is_some() { FULL_ROUNDS } else { FULL_ROUNDS / 10 };
    let fixture = PostgresFixture::new();
    let database = fixture.create_database().await;
    // The process ends by itself after its grace, which leaves a slow machine the rest of the limit.
    let mut server = ServerProcess::start(&["shutdown.grace=20s".to_owned()]).await;
    let client = server.client();
    let shop = register(&client, "shop", settings(&fixture.target(&database))).await.name;
    let files = vec![file("1_wait.up.sql", "SELECT pg_sleep(300);"), file("1_wait.down.sql", "SELECT 1;")];
    let set = migration_set(&client, "waits", files).await;
    for round in 0..rounds {
        let client = server.client();
        let mut streams = Vec::new();
        for _ in 0..STREAMS {
            let mut stream = watch(&client).await;
            stream.message().await.unwrap().expect("where the stream begins");
            streams.push(stream);
        }
        let started = client.migrations().apply_migrations(apply(&set, &shop)).await.unwrap().into_inner();
        // One that is still queued would be begun by the next start.
        until(async || operation(&client, &started.name).await.state() != v1::OperationState::Queued).await;
        let waiting = tokio::spawn(waits_for(client.clone(), started.name.clone()));
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let (client, connection) = (client.clone(), shop.clone());
                tokio::spawn(async move {
                    let request = v1::GetDatabaseRequest { connection, ..Default::default() };
                    client.schemas().get_database(request).await.map(drop)
                })
            })
            .collect();
        // Each time at another moment of the work, from its beginning on.
        tokio::time::sleep(Duration::from_millis(u64::from(round) * 83 % 500)).await;
        server.terminate();
        let status = tokio::time::timeout(LIMIT, server.ended()).await.expect("it ends in time");
        assert!(status.success(), "{status:?}: {}", server.log());
        for stream in streams {
            assert_refused(&end_of(stream).await, Code::Unavailable, "SHUTTING_DOWN");
        }
        // It may have heard that the operation was interrupted before it heard that the server stops.
        if let Err(error) = waiting.await.unwrap() {
            assert_refused(&error, Code::Unavailable, "SHUTTING_DOWN");
        }
        for call in calls {
            // Finished, or refused as everything that comes too late.
            if let Err(error) = call.await.unwrap() {
                assert_eq!(error.code(), Code::Unavailable, "{error:?}");
            }
        }
        server.launch();
        server.wait_until_serving().await;
        let client = server.client();
        let told = ended(&client, operation(&client, &started.name).await).await;
        assert_eq!(told.state(), v1::OperationState::Failed, "{told:?}");
        assert_eq!(told.error.unwrap().reason, "INTERRUPTED");
        // Nothing of it is left on the database.
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(300)%' AND datname = current_database()";
        until(async || crate::harness::postgres::PostgresServer::shared().psql(&database, sleeping) == "0").await;
    }
}
