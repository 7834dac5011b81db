//! Many subscribers of one database cost it no more than one.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use dbkeeper::grpc::{client::Client, proto::v1};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming};
use v1::stream_metrics_response::Event;

use super::{
    answer::{assert_field, assert_refused},
    support::{register, register_sample, settings, until},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        postgres::PostgresServer,
        server::{TestServer, in_time},
    },
};

const CONNECTION: &str = "connections/shop";
const SUBSCRIBERS: usize = 200;
const SAMPLES: usize = 3;

async fn subscribe(client: &Client) -> Streaming<v1::StreamMetricsResponse> {
    let request = v1::StreamMetricsRequest {
        connection: CONNECTION.to_owned(),
        interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    client.monitor().stream_metrics(request).await.unwrap().into_inner()
}

/// What the subscribers see together.
#[derive(Default)]
struct Seen {
    looks: Mutex<BTreeSet<(i64, i32)>>,
    /// Subscribers that have got their samples.
    served: AtomicUsize,
}

/// Reads until it is stopped, so that no look is made that nobody tells of.
async fn read(mut stream: Streaming<v1::StreamMetricsResponse>, seen: Arc<Seen>, stop: CancellationToken) {
    let mut samples = 0;
    while let Some(message) = stop.run_until_cancelled(stream.message()).await {
        let event = message.unwrap().unwrap().event;
        let Some(Event::Sample(sample)) = event else { panic!("{event:?}") };
        let time = sample.sample_time.unwrap();
        seen.looks.lock().unwrap().insert((time.seconds, time.nanos));
        samples += 1;
        if samples == SAMPLES {
            seen.served.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How often each statement was run on a database that logs them: no other database of the server does.
fn statements(database: &str) -> HashMap<String, usize> {
    let log = PostgresServer::shared().log();
    let mut counts = HashMap::new();
    for line in log.lines().filter(|line| line.contains(&format!("[{database}]"))) {
        let statement = line.split_once("LOG:  execute ").and_then(|(_, rest)| rest.split_once(": "));
        if let Some((_, text)) = statement {
            *counts.entry(text.to_owned()).or_default() += 1;
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_subscribers_are_one_sampler_at_the_database() {
    let server = TestServer::start().await;
    let client = server.client();
    let postgres = PostgresServer::shared();
    let database = postgres.create_database();
    postgres.psql("postgres", &format!("ALTER DATABASE {database} SET log_statement = 'all'"));
    register(&client, "shop", settings(&PostgresFixture::new().target(&database))).await;

    let (seen, stop) = (Arc::new(Seen::default()), CancellationToken::new());
    let mut readers = JoinSet::new();
    for _ in 0..SUBSCRIBERS {
        readers.spawn(read(subscribe(&client).await, seen.clone(), stop.clone()));
    }
    until(async || seen.served.load(Ordering::Relaxed) == SUBSCRIBERS).await;
    stop.cancel();
    readers.join_all().await;
    let looks = seen.looks.lock().unwrap().clone();
    // 200 subscribers took 600 samples and more out of a few looks.
    assert!(looks.len() < SUBSCRIBERS, "each subscriber was looked for alone: {} looks", looks.len());

    // The sampler rests: nobody is left. Then no statement was run more often than there were looks, and one that was
    // under way when the last subscriber left.
    let mut counts = HashMap::new();
    until(async || {
        let last = std::mem::replace(&mut counts, statements(&database));
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        last == counts
    })
    .await;
    let most = counts.values().copied().max().unwrap_or(0);
    assert!(most >= SAMPLES, "the log shows no monitoring queries: {counts:?}");
    assert!(most <= looks.len() + 1, "{most} runs of a statement for {} looks: {counts:?}", looks.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sampled_is_told() {
    let server = TestServer::start().await;
    let client = server.client();
    let fixture = PostgresFixture::new();
    register_sample(&client, &fixture, "shop").await;
    let request = v1::StreamMetricsRequest {
        connection: CONNECTION.to_owned(),
        interval: Some(prost_types::Duration { seconds: 0, nanos: 1000 }),
        ..Default::default()
    };
    let error = in_time(client.monitor().stream_metrics(request).await.unwrap().into_inner().message()).await;
    let error = error.expect_err("too often");
    assert_refused(&error, Code::InvalidArgument, "INVALID_FIELD");
    assert_field(&error, "interval", "must be 1s to 1h");

    let mut broken = settings(&fixture.target("no_such_database"));
    broken.display_name = "Broken".to_owned();
    register(&client, "broken", broken).await;
    let request = v1::GetHealthRequest { connection: "connections/broken".to_owned() };
    let health = client.monitor().get_health(request).await.unwrap().into_inner();
    assert_eq!(health.status(), v1::HealthStatus::Unhealthy);
    assert_eq!(health.error.unwrap().reason, "DATABASE_UNKNOWN");
    let request = v1::StreamMetricsRequest { connection: "connections/broken".to_owned(), ..Default::default() };
    let mut stream = client.monitor().stream_metrics(request).await.unwrap().into_inner();
    let Some(Event::Failure(failure)) = in_time(stream.message()).await.unwrap().unwrap().event else {
        panic!("a database that cannot be sampled is told as a failure, and the stream goes on")
    };
    assert_eq!(failure.error.unwrap().reason, "DATABASE_UNKNOWN");
}
