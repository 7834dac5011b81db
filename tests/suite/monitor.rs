//! Watching a database that a test drives step by step.

mod fake;

use std::{sync::Arc, time::Duration};

use dbkeeper::{
    model::{
        AuthenticationMethod, CallContext, Caller, ConnectionId, Grant, Reason, RequestId, Timestamp,
        id::AccountId,
        metric::{Metric, Sample},
        page::PageRequest,
        session::Session,
    },
    service::monitor::{
        HealthFinding, MetricEvent, MetricSubscription, MonitorOptions, MonitorService, NamePrefixes, NumberedEvent,
    },
};
use fake::{Databases, FakeDatabase, counter, gauge};
use futures::{FutureExt, StreamExt};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const TICK: Option<Duration> = Some(Duration::from_millis(1));
const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

/// A service over one database that is up and lets no sample pass until the test does.
struct Scene {
    service: MonitorService,
    databases: Arc<Databases>,
    database: Arc<FakeDatabase>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut MonitorOptions)) -> Self {
        let mut options = MonitorOptions {
            intervals: Duration::from_millis(1)..=Duration::from_secs(3600),
            linger: Duration::from_millis(20),
            ..MonitorOptions::default()
        };
        change(&mut options);
        let database = FakeDatabase::new(|number| vec![gauge("number", number as f64)]);
        let databases = Databases::up(&database);
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let service = MonitorService::new(databases.clone(), options, tasks.clone(), shutdown.clone());
        Self { service, databases, database, tasks, shutdown }
    }

    /// A service over a database that answers with these samples, one after the other.
    fn answering(answer: impl Fn(u64) -> Vec<dbkeeper::model::metric::Point> + Send + Sync + 'static) -> Self {
        let mut scene = Self::new();
        scene.database = FakeDatabase::new(answer);
        scene.databases.replace(&scene.database);
        scene
    }

    fn subscribe(&self, interval: Option<Duration>) -> MetricSubscription {
        self.service.stream_metrics(&context(), &connection(), interval, NamePrefixes::default()).unwrap()
    }

    async fn metrics(&self, max_age: Duration) -> dbkeeper::model::Result<Sample> {
        self.service.get_metrics(&context(), &connection(), Some(max_age), &NamePrefixes::default()).await
    }
}

fn connection() -> ConnectionId {
    ConnectionId::parse("orders", "connection").unwrap()
}

fn context() -> CallContext {
    CallContext {
        caller: Caller::new(
            AccountId::parse("default", "account").unwrap(),
            "key/test",
            AuthenticationMethod::ApiKey,
            Grant::ALL,
        ),
        request_id: RequestId::generate(),
        deadline: None,
        cancellation: CancellationToken::new(),
    }
}

/// The next event. The limit only turns a hang into a failure.
async fn next(subscription: &mut MetricSubscription) -> NumberedEvent {
    in_time(subscription.next()).await.unwrap()
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("nothing happened for 30 s")
}

async fn next_sample(subscription: &mut MetricSubscription) -> Sample {
    loop {
        if let MetricEvent::Sample(sample) = next(subscription).await.event {
            return sample;
        }
    }
}

fn find<'a>(sample: &'a Sample, name: &str) -> Option<&'a Metric> {
    sample.metrics.iter().find(|metric| metric.point.name == name)
}

fn number(sample: &Sample) -> f64 {
    find(sample, "number").unwrap().point.value
}

#[tokio::test]
async fn two_hundred_subscribers_cost_the_database_what_one_costs() {
    for subscribers in [1, 200] {
        let scene = Scene::new();
        let mut streams: Vec<_> = (0..subscribers).map(|_| scene.subscribe(TICK)).collect();
        for round in 1..=5 {
            scene.database.pass(1);
            for stream in &mut streams {
                assert_eq!(number(&next_sample(stream).await), f64::from(round));
            }
        }
        assert_eq!(scene.service.sampler_count(), 1);
        assert_eq!(scene.database.most_at_one_time(), 1, "looks never overlap");
        assert!(scene.database.begun() <= 6, "{} looks for 5 samples", scene.database.begun());
    }
}

#[tokio::test]
async fn a_subscriber_that_joins_later_gets_the_last_sample_without_another_look() {
    let scene = Scene::new();
    let mut first = scene.subscribe(HOUR);
    scene.database.pass(100);
    next_sample(&mut first).await;
    for _ in 0..50 {
        assert_eq!(number(&next_sample(&mut scene.subscribe(HOUR)).await), 1.0);
    }
    assert_eq!(scene.database.begun(), 1);
}

#[tokio::test]
async fn a_slow_subscriber_is_told_exactly_how_much_it_missed() {
    let scene = Scene::new();
    let (mut slow, mut quick) = (scene.subscribe(TICK), scene.subscribe(TICK));
    scene.database.pass(1);
    assert_eq!(next(&mut slow).await.sequence, 1);
    assert_eq!(next(&mut quick).await.sequence, 1);
    for _ in 0..4 {
        scene.database.pass(1);
        next_sample(&mut quick).await;
    }
    assert_eq!(next(&mut slow).await, NumberedEvent { sequence: 4, event: MetricEvent::Gap { missed: 3 } });
    let newest = next(&mut slow).await;
    assert_eq!(newest.sequence, 5);
    assert!(matches!(newest.event, MetricEvent::Sample(sample) if number(&sample) == 5.0));
}

#[tokio::test]
async fn a_subscriber_gets_what_is_due_for_it_and_no_more() {
    let scene = Scene::new();
    let (mut quick, mut rare) = (scene.subscribe(TICK), scene.subscribe(HOUR));
    for _ in 0..5 {
        scene.database.pass(1);
        next_sample(&mut quick).await;
    }
    assert_eq!(next(&mut rare).await.sequence, 1);
    assert!(rare.next().now_or_never().is_none(), "nothing is due for an hour");
}

#[tokio::test]
async fn a_database_that_is_down_first_is_told_and_its_recovery_noticed() {
    let scene = Scene::new();
    scene.databases.take_down();
    let mut stream = scene.subscribe(TICK);
    let mut failures = 0;
    while failures < 2 {
        match next(&mut stream).await.event {
            MetricEvent::Failure(failure) => {
                assert_eq!(failure.failure.reason, "DATABASE_UNREACHABLE");
                failures += 1;
            }
            // Looks fail every millisecond; a loaded machine misses some.
            MetricEvent::Gap { .. } => {}
            MetricEvent::Sample(sample) => panic!("{sample:?}"),
        }
    }
    let error = in_time(scene.metrics(Duration::ZERO)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DatabaseUnreachable);

    scene.databases.replace(&scene.database);
    scene.database.pass(1);
    assert_eq!(number(&next_sample(&mut stream).await), 1.0);
}

#[tokio::test]
async fn a_look_that_hangs_is_given_up_and_the_next_one_begins() {
    let scene = Scene::with(|options| options.sample_timeout = Duration::from_millis(20));
    let mut stream = scene.subscribe(TICK);
    let MetricEvent::Failure(failure) = next(&mut stream).await.event else { panic!("nothing could pass") };
    assert!(failure.failure.message.contains("20ms"), "{}", failure.failure.message);
    scene.database.pass(1);
    next_sample(&mut stream).await;
    assert_eq!(scene.database.most_at_one_time(), 1);
}

#[tokio::test]
async fn rates_need_two_samples_of_one_epoch() {
    let scene = Scene::answering(|number| {
        let epoch = Timestamp::from_micros(if number < 3 { 1 } else { 2 });
        vec![counter("commits", number as f64 * 10.0, epoch)]
    });
    let mut stream = scene.subscribe(TICK);
    let mut seen = Vec::new();
    for _ in 0..4 {
        scene.database.pass(1);
        let sample = next_sample(&mut stream).await;
        let commits = find(&sample, "commits").unwrap();
        assert!(commits.rate.is_none_or(|rate| rate > 0.0));
        seen.push((commits.rate.is_some(), commits.reset));
    }
    assert_eq!(seen, [(false, true), (true, false), (false, true), (true, false)]);
}

#[tokio::test]
async fn another_pool_is_another_server_for_the_rates() {
    let answer = |number: u64| vec![counter("commits", number as f64, Timestamp::from_micros(1))];
    let scene = Scene::answering(answer);
    let mut stream = scene.subscribe(TICK);
    scene.database.pass(2);
    next_sample(&mut stream).await;
    next_sample(&mut stream).await;

    let other = FakeDatabase::new(move |number| answer(number + 100));
    // The change of the pool can cause a look between two that are due.
    other.pass(100);
    scene.databases.replace(&other);
    scene.database.pass(1);
    loop {
        let sample = next_sample(&mut stream).await;
        let commits = find(&sample, "commits").unwrap();
        if commits.point.value > 100.0 {
            assert!(commits.reset);
            return;
        }
    }
}

#[tokio::test]
async fn series_come_and_go_and_the_costly_tier_is_carried_over() {
    let scene = Scene::answering(|number| match number {
        1 => vec![gauge("backends", 1.0), gauge("table.size", 7.0)],
        2 => vec![gauge("backends", 2.0), gauge("locks", 1.0)],
        _ => vec![gauge("locks", 2.0)],
    });
    let mut stream = scene.subscribe(TICK);
    let mut seen = Vec::new();
    for _ in 0..3 {
        scene.database.pass(1);
        let sample = next_sample(&mut stream).await;
        let names = sample.metrics.iter().map(|metric| metric.point.name).filter(|name| !name.starts_with("db."));
        seen.push(names.collect::<Vec<_>>());
    }
    assert_eq!(
        seen,
        [vec!["backends", "table.size"], vec!["backends", "locks", "table.size"], vec!["locks", "table.size"]]
    );
    assert_eq!(scene.database.tables_asked(), [true, false, false]);
}

#[tokio::test]
async fn our_own_pool_is_in_each_sample_and_prefixes_choose() {
    let scene = Scene::new();
    scene.database.pass(1);
    let prefixes = NamePrefixes::parse(vec!["db.client.".to_owned()], "name_prefixes").unwrap();
    let sample = in_time(scene.service.get_metrics(&context(), &connection(), None, &prefixes)).await.unwrap();
    let series: Vec<_> = sample
        .metrics
        .iter()
        .map(|metric| (metric.point.name, metric.point.attributes.first().map(|(_, state)| state.as_str())))
        .collect();
    assert_eq!(
        series,
        [
            ("db.client.connection.count", Some("idle")),
            ("db.client.connection.count", Some("used")),
            ("db.client.connection.max", None),
            ("db.client.connection.pending_requests", None),
            ("db.client.connection.timeouts", None),
            ("db.client.connection.wait_time", None),
        ]
    );
}

#[tokio::test]
async fn callers_share_a_sample_that_is_young_enough() {
    let scene = Scene::with(|options| options.linger = Duration::from_secs(3600));
    scene.database.pass(1);
    let hour = Duration::from_secs(3600);
    let samples = in_time(futures::future::join_all((0..50).map(|_| scene.metrics(hour)))).await;
    assert!(samples.into_iter().all(|sample| number(&sample.unwrap()) == 1.0));
    assert_eq!(scene.database.begun(), 1);

    scene.database.pass(1);
    assert_eq!(number(&in_time(scene.metrics(Duration::ZERO)).await.unwrap()), 2.0);
}

#[tokio::test]
async fn the_task_ends_after_the_last_subscriber_and_not_before() {
    let scene = Scene::new();
    let (mut first, second) = (scene.subscribe(TICK), scene.subscribe(HOUR));
    scene.database.pass(3);
    next_sample(&mut first).await;
    drop(first);
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(scene.service.sampler_count(), 1, "one is still there");
    drop(second);
    scene.tasks.close();
    in_time(scene.tasks.wait()).await;
    assert_eq!(scene.service.sampler_count(), 0);
}

#[tokio::test]
async fn a_deleted_connection_ends_its_streams() {
    let scene = Scene::new();
    let mut streams = [scene.subscribe(TICK), scene.subscribe(HOUR)];
    scene.database.pass(1);
    for stream in &mut streams {
        next_sample(stream).await;
    }
    scene.databases.delete();
    scene.database.pass(1);
    for stream in streams {
        let mut events = Box::pin(stream.into_stream());
        let mut last = None;
        while let Some(event) = in_time(events.next()).await {
            last = Some(event);
        }
        assert_eq!(last.unwrap().unwrap_err().reason(), Reason::ConnectionNotFound);
    }
    let error = in_time(scene.metrics(Duration::ZERO)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ConnectionNotFound);
    assert_eq!(scene.service.sampler_count(), 0);
}

#[tokio::test]
async fn a_delete_ends_a_stream_that_rests_for_an_hour() {
    let scene = Scene::new();
    let mut stream = scene.subscribe(HOUR);
    scene.database.pass(1);
    next_sample(&mut stream).await;
    scene.databases.delete();
    assert_eq!(in_time(stream.next()).await.unwrap_err().reason(), Reason::ConnectionNotFound);
}

#[tokio::test]
async fn streams_end_when_the_server_stops_even_while_a_look_hangs() {
    let scene = Scene::new();
    let mut stream = scene.subscribe(TICK);
    scene.database.until_begun(1).await;
    scene.shutdown.cancel();
    assert_eq!(in_time(stream.next()).await.unwrap_err().reason(), Reason::ShuttingDown);
    scene.tasks.close();
    in_time(scene.tasks.wait()).await;
}

#[tokio::test]
async fn a_fault_in_an_engine_ends_the_streams_instead_of_leaving_them_silent() {
    let scene = Scene::answering(|_| panic!("a fault in an engine"));
    let mut stream = scene.subscribe(TICK);
    scene.database.pass(1);
    assert_eq!(in_time(stream.next()).await.unwrap_err().reason(), Reason::Internal);
    assert_eq!(scene.service.sampler_count(), 0);
}

#[tokio::test]
async fn more_subscribers_than_allowed_are_refused_until_one_leaves() {
    let scene = Scene::with(|options| options.max_subscribers = 2);
    let (first, _second) = (scene.subscribe(TICK), scene.subscribe(TICK));
    let third = || scene.service.stream_metrics(&context(), &connection(), TICK, NamePrefixes::default());
    assert_eq!(third().err().unwrap().reason(), Reason::TooManyRequests);
    drop(first);
    assert!(third().is_ok());
}

#[tokio::test]
async fn intervals_and_ages_out_of_range_are_refused() {
    let scene = Scene::with(|options| options.intervals = MonitorOptions::default().intervals);
    for interval in [Duration::from_millis(999), Duration::from_millis(3_600_001)] {
        let refused = scene.service.stream_metrics(&context(), &connection(), Some(interval), NamePrefixes::default());
        assert_eq!(refused.err().unwrap().message(), "interval: must be 1s to 1h");
    }
    let error = scene.metrics(Duration::from_secs(3601)).await.unwrap_err();
    assert_eq!(error.message(), "max_age: must be at most 1h");
    assert_eq!(scene.service.sampler_count(), 0, "a refused request starts nothing");
}

#[tokio::test]
async fn health_tells_a_database_that_is_down_from_one_that_is_not_there() {
    let scene = Scene::new();
    let (context, connection) = (context(), connection());
    let health = || scene.service.get_health(&context, &connection);
    assert!(matches!(health().await.unwrap().finding, HealthFinding::Answered { vitals, .. } if vitals.sessions == 3));
    scene.databases.take_down();
    let HealthFinding::Unhealthy(failure) = health().await.unwrap().finding else { panic!("it is down") };
    assert_eq!(failure.reason, "DATABASE_UNREACHABLE");
    scene.databases.exhaust();
    assert_eq!(
        health().await.unwrap_err().reason(),
        Reason::PoolExhausted,
        "our own limit tells nothing of the database"
    );
    scene.databases.delete();
    assert_eq!(health().await.unwrap_err().reason(), Reason::ConnectionNotFound);
}

#[tokio::test]
async fn pages_of_sessions_hold_each_session_once() {
    let scene = Scene::new();
    let session = |id: &str, started: Option<i64>| Session {
        id: id.to_owned(),
        started: started.map(Timestamp::from_micros),
        ..Session::default()
    };
    scene.database.set_sessions(vec![
        session("9", Some(5)),
        session("10", Some(5)),
        session("1", Some(12)),
        session("2", None),
        session("3", Some(9)),
    ]);
    let mut request = PageRequest { size: 2, after: None };
    let mut seen = Vec::new();
    loop {
        let page = scene.service.list_sessions(&context(), &connection(), &request).await.unwrap();
        seen.extend(page.items.into_iter().map(|session| session.id));
        match page.next {
            Some(after) => request.after = Some(after),
            None => break,
        }
    }
    assert_eq!(seen, ["2", "10", "9", "3", "1"]);

    request.after = Some(vec!["soon".to_owned(), "1".to_owned()]);
    let error = scene.service.list_sessions(&context(), &connection(), &request).await.unwrap_err();
    assert_eq!(error.reason(), Reason::PageTokenInvalid);
}
