use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicU32},
};

use futures::future::join_all;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, watch};
use tokio_util::task::TaskTracker;

use super::*;
use crate::model::{AccountId, Detail, Reason};

/// A database that does nothing, and lets sessions in as the test wants.
#[derive(Clone)]
struct FakeSource(Arc<Fake>);

struct Fake {
    host: String,
    /// Dials that may pass.
    gate: Semaphore,
    refuse: AtomicBool,
    sick: AsyncMutex<BTreeSet<u32>>,
    /// Dials under way; the greatest number of them; dials ever; sessions closed.
    dials: watch::Sender<(u32, u32, u32)>,
    closed: AtomicU32,
    resets: AtomicBool,
}

/// One at the door.
struct Dialling<'a>(&'a Fake);

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        self.0.dials.send_modify(|(now, _, _)| *now -= 1);
    }
}

impl SessionSource for FakeSource {
    /// Its number.
    type Session = u32;

    fn host(&self) -> Option<(&str, u16)> {
        Some((&self.0.host, 1))
    }

    async fn open(&self) -> Result<u32> {
        let mut number = 0;
        self.0.dials.send_modify(|(now, most, ever)| {
            *now += 1;
            *most = (*most).max(*now);
            *ever += 1;
            number = *ever;
        });
        let _dialling = Dialling(&self.0);
        self.0.gate.acquire().await.expect("the gate stays").forget();
        if self.0.refuse.load(Ordering::SeqCst) {
            return Err(Error::new(Reason::DatabaseUnreachable, "nobody is at home"));
        }
        Ok(number)
    }

    async fn check(&self, session: &mut u32, _age: Duration) -> bool {
        !self.0.sick.lock().await.contains(session)
    }

    async fn reset(&self, _session: &mut u32) -> bool {
        self.0.resets.load(Ordering::SeqCst)
    }

    async fn close(&self, _session: u32) {
        self.0.closed.fetch_add(1, Ordering::SeqCst);
    }
}

impl FakeSource {
    /// So many dials pass.
    fn new(host: &str, dials: usize) -> Self {
        Self(Arc::new(Fake {
            host: host.to_owned(),
            gate: Semaphore::new(dials),
            refuse: AtomicBool::new(false),
            sick: AsyncMutex::default(),
            dials: watch::Sender::new((0, 0, 0)),
            closed: AtomicU32::new(0),
            resets: AtomicBool::new(true),
        }))
    }

    fn dials(&self) -> u32 {
        self.0.dials.borrow().2
    }

    fn closed(&self) -> u32 {
        self.0.closed.load(Ordering::SeqCst)
    }

    async fn dialled(&self, count: u32) {
        self.0.dials.subscribe().wait_for(|(_, _, ever)| *ever >= count).await.expect("the source lives");
    }
}

fn limits(server: u32, account: u32) -> SessionLimits {
    SessionLimits::new(SessionCaps { server, account }, TaskTracker::new())
}

fn settings(max_connections: u32) -> PoolSettings {
    PoolSettings { max_connections, ..PoolSettings::default() }
}

fn pool_of(
    account: &str,
    source: &FakeSource,
    settings: PoolSettings,
    limits: &SessionLimits,
) -> SessionPool<FakeSource> {
    let owner = PoolOwner { account: AccountId::from_stored(account.to_owned()), name: account.to_owned() };
    SessionPool::new(source.clone(), &owner, settings, limits)
}

/// Waits until something holds that other tasks bring about.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

fn waiting(pool: &SessionPool<FakeSource>) -> u32 {
    pool.figures().waiting
}

#[tokio::test]
async fn a_session_that_is_given_back_is_used_again_and_a_dropped_one_is_not() {
    let source = FakeSource::new("db", 9);
    let pool = pool_of("a", &source, settings(2), &limits(9, 9));
    let lease = pool.acquire().await.unwrap();
    assert_eq!((*lease, pool.figures().size, pool.figures().idle), (1, 1, 0));
    lease.give_back().await;
    assert_eq!((pool.figures().size, pool.figures().idle), (1, 1));

    let lease = pool.acquire().await.unwrap();
    assert_eq!(*lease, 1);
    drop(lease);
    assert_eq!((pool.figures().size, *pool.acquire().await.unwrap()), (0, 2));
    assert_eq!((pool.figures().created, pool.figures().acquired), (2, 3));
}

#[tokio::test]
async fn a_soiled_session_is_made_as_new_or_closed() {
    let source = FakeSource::new("db", 9);
    let pool = pool_of("a", &source, settings(2), &limits(9, 9));
    let mut lease = pool.acquire().await.unwrap();
    lease.soil();
    lease.give_back().await;
    let mut lease = pool.acquire().await.unwrap();
    assert_eq!((*lease, source.closed()), (1, 0), "it could be made as new");
    source.0.resets.store(false, Ordering::SeqCst);
    lease.soil();
    lease.give_back().await;
    assert_eq!((*pool.acquire().await.unwrap(), source.closed()), (2, 1));
}

#[tokio::test]
async fn a_session_that_no_longer_answers_is_replaced() {
    let source = FakeSource::new("db", 9);
    let pool = pool_of("a", &source, settings(2), &limits(9, 9));
    pool.acquire().await.unwrap().give_back().await;
    source.0.sick.lock().await.insert(1);
    assert_eq!((*pool.acquire().await.unwrap(), source.closed()), (2, 1));
}

#[tokio::test]
async fn five_hundred_callers_cause_at_most_five_dials_at_once_to_a_host() {
    let (source, limits) = (FakeSource::new("db", 0), limits(500, 500));
    // Five pools of the same host, and another host that must not wait for them.
    let pools: Vec<_> = (0..5).map(|_| pool_of("a", &source, settings(100), &limits)).collect();
    let leases = join_all((0..500).map(|caller| pools[caller % 5].acquire()));
    let other = FakeSource::new("other", 9);
    let let_in = async {
        until(|| pools.iter().map(waiting).sum::<u32>() == 500).await;
        source.dialled(5).await;
        pool_of("a", &other, settings(1), &limits).acquire().await.expect("the other host is not waited for");
        source.0.gate.add_permits(500);
    };
    let (leases, ()) = tokio::join!(leases, let_in);
    assert!(leases.iter().all(Result::is_ok));
    let (now, most, ever) = *source.0.dials.borrow();
    assert_eq!((now, most, ever), (0, 5, 500));
}

#[tokio::test]
async fn callers_that_waited_through_an_outage_share_its_failure_and_the_next_one_is_served() {
    let (source, limits) = (FakeSource::new("db", 0), limits(500, 500));
    source.0.refuse.store(true, Ordering::SeqCst);
    let pool = pool_of("a", &source, settings(100), &limits);
    let leases = join_all((0..500).map(|_| pool.acquire()));
    let fail = async {
        until(|| waiting(&pool) == 500).await;
        source.dialled(5).await;
        source.0.gate.add_permits(500);
    };
    let (leases, ()) = tokio::join!(leases, fail);
    let reasons: BTreeSet<&str> =
        leases.iter().filter_map(|lease| lease.as_ref().err()).map(|error| error.reason().as_str()).collect();
    assert_eq!(reasons, BTreeSet::from(["DATABASE_UNREACHABLE"]));
    assert!(leases.iter().all(Result::is_err));
    assert!(source.dials() <= 10, "{} dials for 500 callers", source.dials());

    source.0.refuse.store(false, Ordering::SeqCst);
    pool.acquire().await.expect("the database is back");
}

#[tokio::test]
async fn an_exhausted_pool_tells_its_state_and_when_to_come_back() {
    let source = FakeSource::new("db", 9);
    let settings = PoolSettings { acquire_timeout: Duration::from_millis(20), ..settings(2) };
    let pool = pool_of("a", &source, settings, &limits(9, 9));
    let leases = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let error = pool.acquire().await.err().unwrap();
    assert_eq!(error.reason(), Reason::PoolExhausted);
    let facts = ["limit", "pool_size", "pool_idle", "pool_waiting", "pool_max_connections", "account_connections"];
    let told: Vec<_> = facts.iter().map(|fact| error.metadata(fact).unwrap_or("absent")).collect();
    assert_eq!(told, ["pool.max_connections", "2", "0", "1", "2", "2"]);
    assert!(error.details().iter().any(|detail| matches!(detail, Detail::RetryAfter(_))), "{error:?}");
    assert_eq!((pool.figures().timed_out, waiting(&pool)), (1, 0));
    drop(leases);
    pool.acquire().await.expect("there is room again");
}

#[tokio::test]
async fn the_cap_of_the_account_and_that_of_the_server_are_told_apart() {
    let (source, limits) = (FakeSource::new("db", 9), limits(2, 1));
    let pool = |account: &str| {
        let settings = PoolSettings { acquire_timeout: Duration::from_millis(20), ..settings(5) };
        pool_of(account, &source, settings, &limits)
    };
    let pools = [pool("a"), pool("a"), pool("b"), pool("c")];
    let first = pools[0].acquire().await.unwrap();
    let limit = async |pool: &SessionPool<FakeSource>| {
        let error = pool.acquire().await.err().unwrap();
        assert_eq!(error.reason(), Reason::PoolExhausted);
        error.metadata("limit").unwrap().to_owned()
    };
    assert_eq!(limit(&pools[1]).await, "pools.max_connections_per_account");
    let second = pools[2].acquire().await.unwrap();
    assert_eq!(limit(&pools[3]).await, "pools.max_connections");
    drop((first, second));
    pools[3].acquire().await.expect("there is room again");
}

#[tokio::test]
async fn an_idle_session_makes_room_for_another_pool_of_the_account() {
    let (source, limits) = (FakeSource::new("db", 9), limits(9, 1));
    let pools = [pool_of("a", &source, settings(5), &limits), pool_of("a", &source, settings(5), &limits)];
    pools[0].acquire().await.unwrap().give_back().await;
    let lease = pools[1].acquire().await.expect("the idle one is closed for it");
    assert_eq!((pools[0].figures().size, source.closed()), (0, 1));

    // The other way round: a session that comes back is closed, because its place is waited for.
    let (served, ()) = tokio::join!(pools[0].acquire(), async {
        until(|| waiting(&pools[0]) == 1).await;
        lease.give_back().await;
    });
    served.expect("its turn");
    assert_eq!((pools[1].figures().size, source.closed()), (0, 2));
}

#[tokio::test]
async fn a_flood_of_one_account_leaves_another_its_warm_session_and_its_turn() {
    let (source, limits) = (FakeSource::new("db", 99), limits(4, 4));
    let flood = pool_of("flood", &source, settings(100), &limits);
    let other = pool_of("other", &source, settings(10), &limits);
    other.acquire().await.unwrap().give_back().await;
    let mut held: Vec<_> = join_all((0..3).map(|_| flood.acquire())).await.into_iter().map(Result::unwrap).collect();
    let flood_waits = async {
        let leases = join_all((0..50).map(|_| async { flood.acquire().await.unwrap().give_back().await }));
        leases.await;
    };
    let other_works = async {
        until(|| waiting(&flood) == 50).await;
        // The flood holds three places and may not take the idle session of who holds one.
        let warm = other.acquire().await.unwrap();
        assert_eq!((*warm, source.closed()), (1, 0));
        // A second session for the other account is the next place that comes back, before the fifty.
        let (second, ()) = tokio::join!(other.acquire(), async {
            until(|| waiting(&other) == 1).await;
            held.pop().unwrap().give_back().await;
        });
        let second = second.unwrap();
        assert_eq!(waiting(&flood), 50);
        second.give_back().await;
        warm.give_back().await;
        held.clear();
    };
    tokio::join!(flood_waits, other_works);
    assert_eq!(limits.account(&AccountId::from_stored("flood".to_owned())).caps.server, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_that_comes_back_finds_one_who_waits() {
    let (source, limits) = (FakeSource::new("db", 99_999), limits(8, 8));
    let pool = Arc::new(pool_of("a", &source, settings(100), &limits));
    let callers = (0..64).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                let lease = pool.acquire().await.unwrap();
                tokio::task::yield_now().await;
                lease.give_back().await;
            }
        })
    });
    // One who is not woken waits for the time-out of its acquire, and fails.
    join_all(callers.collect::<Vec<_>>()).await.into_iter().for_each(|caller| caller.unwrap());
}

#[tokio::test]
async fn a_pool_that_takes_no_places_is_not_held_up_by_a_full_server() {
    let (source, limits) = (FakeSource::new("db", 9), limits(1, 1));
    let lease = pool_of("a", &source, settings(5), &limits).acquire().await.unwrap();
    let aside = SessionPool::aside(source.clone(), settings(2), &limits);
    aside.acquire().await.expect("no place is needed").give_back().await;
    drop(lease);
}

#[tokio::test]
async fn sessions_do_not_all_expire_at_once() {
    let source = FakeSource::new("db", 99);
    let lifetime = Duration::from_secs(1000);
    let settings = PoolSettings { max_lifetime: lifetime, idle_timeout: 2 * lifetime, ..settings(50) };
    let pool = pool_of("a", &source, settings, &limits(99, 99));
    let opened = Instant::now();
    let leases: Vec<_> = join_all((0..50).map(|_| pool.acquire())).await.into_iter().map(Result::unwrap).collect();
    join_all(leases.into_iter().map(SessionLease::give_back)).await;
    let ends: BTreeSet<Duration> =
        pool.0.state().idle.iter().map(|idle| idle.held.expires - idle.held.opened).collect();
    assert!(ends.len() > 25, "{ends:?}");
    let (first, last) = (ends.first().unwrap(), ends.last().unwrap());
    assert!(*first > Duration::from_secs(900) && *last <= lifetime, "{ends:?}");

    // Half-way through the spread some are due and some are not; after it all are.
    let some = pool.0.due(opened + Duration::from_secs(950)).len();
    assert!((1..50).contains(&some), "{some}");
    assert_eq!(pool.0.due(opened + Duration::from_secs(1001)).len(), 50 - some);
}

#[tokio::test]
async fn idle_sessions_go_but_for_those_that_are_to_be_kept() {
    let source = FakeSource::new("db", 99);
    let settings = PoolSettings { idle_timeout: Duration::from_secs(10), min_idle: 2, ..settings(5) };
    let pool = pool_of("a", &source, settings, &limits(99, 99));
    let leases: Vec<_> = join_all((0..5).map(|_| pool.acquire())).await.into_iter().map(Result::unwrap).collect();
    join_all(leases.into_iter().map(SessionLease::give_back)).await;
    let returned = Instant::now();
    assert_eq!(pool.0.due(returned).len(), 0);
    assert_eq!(pool.0.due(returned + Duration::from_secs(11)).len(), 3);
    assert_eq!((pool.figures().size, pool.figures().idle), (2, 2));

    // What is missing is opened ahead of its use.
    pool.close_idle().await;
    assert_eq!(pool.figures().size, 0);
    pool.tend().await;
    assert_eq!((pool.figures().size, pool.figures().idle, source.dials()), (2, 2, 7));
}

#[tokio::test]
async fn a_database_that_lets_nobody_in_is_not_asked_again_at_once_to_fill_the_pool() {
    let source = FakeSource::new("db", 99);
    source.0.refuse.store(true, Ordering::SeqCst);
    let pool = pool_of("a", &source, PoolSettings { min_idle: 2, ..settings(5) }, &limits(99, 99));
    pool.tend().await;
    pool.tend().await;
    assert_eq!(source.dials(), 1);
}

#[tokio::test]
async fn closing_ends_the_wait_for_a_session_and_the_dial_and_waits_for_those_in_use() {
    let (source, limits) = (FakeSource::new("db", 1), limits(9, 9));
    let pool = pool_of("a", &source, settings(2), &limits);
    let lease = pool.acquire().await.unwrap();
    let close = async {
        // One dials, the other two have no turn.
        source.dialled(2).await;
        until(|| waiting(&pool) == 3).await;
        tokio::join!(pool.close(), async {
            pool.0.closed.cancelled().await;
            assert_eq!(pool.figures().size, 1);
            lease.give_back().await;
        });
    };
    let (waited, ()) = tokio::join!(join_all((0..3).map(|_| pool.acquire())), close);
    assert!(
        waited.iter().all(|lease| lease.as_ref().is_err_and(|error| error.reason() == Reason::DatabaseUnreachable))
    );
    assert_eq!((pool.figures().size, source.closed()), (0, 1));
    assert!(pool.acquire().await.is_err());
    assert_eq!(limits.account(&AccountId::from_stored("a".to_owned())).held, 0);
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_nothing_taken() {
    let (source, limits) = (FakeSource::new("db", 0), limits(1, 1));
    let pools = [pool_of("a", &source, settings(1), &limits), pool_of("b", &source, settings(1), &limits)];
    // One goes away while it dials, one while it waits for a place, one while it waits for a turn.
    let mut waiters: Vec<_> =
        vec![Box::pin(pools[0].acquire()), Box::pin(pools[1].acquire()), Box::pin(pools[0].acquire())];
    for waiter in &mut waiters {
        assert!(futures::poll!(waiter.as_mut()).is_pending());
    }
    drop(waiters);
    assert_eq!(limits.account(&AccountId::from_stored("a".to_owned())).held, 0);
    assert_eq!((waiting(&pools[0]), waiting(&pools[1])), (0, 0));
    source.0.gate.add_permits(9);
    pools[1].acquire().await.unwrap().give_back().await;
    pools[0].acquire().await.unwrap();
}
