//! What was last seen of the registered databases: the last look of each in memory, what changes in the store.
//!
//! Most looks find what the one before found. Those are not written, so that a thousand databases that are checked every
//! minute cost the disk nothing; but when somebody asked for the look, that is written a moment later. Who asks for a test
//! does not wait for the disk, and a server that is killed forgets the tests of its last second at most.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    model::{
        AccountId, ConnectionId, Detail, Error, ErrorKind, Reason, Result, Timestamp,
        connection::{Connection, ConnectionFailure, ConnectionHealth, ConnectionState, EngineKind},
    },
    store::{Store, connection::ConnectionRecord, connection_status::StatusRecord},
};

/// Failed looks, one after the other, before a database that was online counts as down.
const FAILURES_TO_GO_DOWN: u32 = 2;
/// Failures closer together than this are one: callers that fail together saw the same moment.
const FAILURE_SPACING: Duration = Duration::from_secs(1);

/// What a look found.
pub(super) struct Look<'a> {
    /// When it began.
    pub(super) began: Timestamp,
    /// Version of the server, or why there is none.
    pub(super) seen: Result<String, &'a Error>,
    /// A person asked for it.
    pub(super) asked: bool,
}

/// What was last seen of the registered databases.
pub struct Statuses {
    store: Store,
    book: Mutex<HashMap<Key, Page>>,
}

type Key = (AccountId, ConnectionId);

/// What is kept of one database.
#[derive(Default)]
struct Page {
    seen: Option<Seen>,
    test: Option<Test>,
    /// Held while a look is noted, so that the store gets them in the order in which they were judged.
    noting: Arc<tokio::sync::Mutex<()>>,
}

/// The last look that somebody asked for.
#[derive(Clone)]
struct Test {
    status: StatusRecord,
    /// The store has it.
    written: bool,
}

impl Test {
    fn is_of(&self, connection: &Connection) -> bool {
        (self.status.registered, self.status.revision) == (connection.created, connection.revision)
    }
}

/// What was seen of one database.
#[derive(Debug, Clone)]
struct Seen {
    created: Timestamp,
    revision: u64,
    judgement: Judgement,
    health: Option<ConnectionHealth>,
    server_version: String,
}

impl Seen {
    /// What the store knows.
    fn of(connection: &Connection) -> Self {
        Self {
            created: connection.created,
            revision: connection.revision,
            judgement: Judgement::of(connection.state),
            health: connection.health.clone(),
            server_version: connection.server_version.clone(),
        }
    }

    fn is_of(&self, connection: &Connection) -> bool {
        (self.created, self.revision) == (connection.created, connection.revision)
    }
}

impl Statuses {
    pub(super) fn new(store: Store) -> Self {
        Self { store, book: Mutex::default() }
    }

    fn book(&self) -> MutexGuard<'_, HashMap<Key, Page>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a look found, and returns what is known of the database now. That it cannot be stored must not hide what
    /// was found, so it is logged only.
    pub(super) async fn note(&self, record: &ConnectionRecord, look: Look<'_>) -> ConnectionState {
        // A limit of ours tells nothing of the database.
        if look.seen.as_ref().is_err_and(|error| error.reason() == Reason::PoolExhausted) {
            return record.connection.state;
        }
        let key = (record.account.clone(), record.connection.id.clone());
        let noting = self.book().entry(key.clone()).or_default().noting.clone();
        let _in_turn = noting.lock().await;
        let checked = Timestamp::now();
        let failure = look.seen.as_ref().err().map(|error| ConnectionFailure::from_error(error));
        let health = ConnectionHealth { checked, response_time: look.began.until(checked), failure };
        let (known, test) =
            self.book().get(&key).map(|page| (page.seen.clone(), page.test.clone())).unwrap_or_default();
        let known = known.filter(|seen| seen.is_of(&record.connection));
        let before = known.unwrap_or_else(|| Seen::of(&record.connection));
        let mut after = before.clone();
        let engine = record.connection.settings.engine;
        after.judgement.look(look.seen.as_ref().err().map(|error| down(engine, error)), Instant::now());
        if let Ok(version) = &look.seen {
            after.server_version.clone_from(version);
        }
        let state = after.judgement.state;
        let fresh = state != before.judgement.state
            || before.health.is_none_or(|before| reason(&before) != reason(&health))
            || after.server_version != before.server_version;
        let status = StatusRecord {
            registered: after.created,
            revision: after.revision,
            state,
            health: health.clone(),
            server_version: look.seen.unwrap_or_default(),
            tested: look.asked.then_some(checked),
        };
        after.health = Some(health);
        if fresh {
            // A test that waits is older, and so goes first.
            let waiting = test.filter(|test| !test.written).map(|test| test.status);
            for status in waiting.iter().chain([&status]) {
                if let Err(error) = self.store.record_status(&record.account, &record.connection.id, status).await {
                    tracing::warn!(connection = %record.connection.id, error = %error, "status not stored");
                    // It is stored with the next look, which finds the same news.
                    return state;
                }
            }
        }
        // Of a database that was deleted meanwhile nothing is kept.
        if let Some(page) = self.book().get_mut(&key) {
            page.seen = Some(after);
            if look.asked {
                page.test = Some(Test { status, written: fresh });
            } else if fresh && let Some(test) = &mut page.test {
                test.written = true;
            }
        }
        state
    }

    /// Stores the tests that the store does not have yet. One that fails does not keep the others; the first error is returned.
    pub async fn write_tests(&self) -> Result<()> {
        let waiting: Vec<_> = self
            .book()
            .iter()
            .filter(|(_, page)| page.test.as_ref().is_some_and(|test| !test.written))
            .map(|(key, page)| (key.clone(), page.noting.clone()))
            .collect();
        let mut outcome = Ok(());
        for (key, noting) in waiting {
            let _in_turn = noting.lock().await;
            let test = self.book().get(&key).and_then(|page| page.test.clone());
            let Some(Test { status, written: false }) = test else { continue };
            if let Err(error) = self.store.record_status(&key.0, &key.1, &status).await {
                outcome = outcome.and(Err(error));
                continue;
            }
            if let Some(test) = self.book().get_mut(&key).and_then(|page| page.test.as_mut()) {
                test.written = true;
            }
        }
        outcome
    }

    /// Puts the last look into a registered database that was read from the store.
    pub fn overlay(&self, account: &AccountId, connection: &mut Connection) {
        let book = self.book();
        let page = book.get(&(account.clone(), connection.id.clone()));
        let seen = page.and_then(|page| page.seen.as_ref()).filter(|seen| seen.is_of(connection));
        if let Some(seen) = seen
            && seen.judgement.state == connection.state
        {
            connection.health.clone_from(&seen.health);
        }
        let test = page.and_then(|page| page.test.as_ref()).filter(|test| test.is_of(connection));
        if let Some(test) = test {
            connection.last_tested = test.status.tested;
        }
    }

    /// The last test that somebody asked for; absent where there was none since the start or the settings changed.
    pub fn last_test(&self, account: &AccountId, connection: &Connection) -> Option<ConnectionHealth> {
        let book = self.book();
        let test = book.get(&(account.clone(), connection.id.clone()))?.test.as_ref();
        test.filter(|test| test.is_of(connection)).map(|test| test.status.health.clone())
    }

    /// What is known of a database and whether its last look failed; absent where it was not looked at since the start.
    pub fn standing(&self, account: &AccountId, connection: &ConnectionId) -> Option<(ConnectionState, bool)> {
        let book = self.book();
        let seen = book.get(&(account.clone(), connection.clone()))?.seen.as_ref()?;
        Some((seen.judgement.state, seen.judgement.failures > 0))
    }

    /// Forgets a database that was deleted.
    pub fn forget(&self, account: &AccountId, connection: &ConnectionId) {
        self.book().remove(&(account.clone(), connection.clone()));
    }
}

/// The database did not answer within a time that was set for a look.
pub(super) fn silent(limit: Duration) -> Error {
    let limit = humantime::format_duration(limit);
    Error::new(
        Reason::ConnectTimeout,
        format!("the database did not answer within {limit}; check the firewall between"),
    )
    .with(Detail::RetryAfter(Duration::from_secs(10)))
}

fn reason(health: &ConnectionHealth) -> Option<&str> {
    health.failure.as_ref().map(|failure| failure.reason.as_str())
}

/// A file that is not there refuses nobody: it may come back any moment, and to look for it costs nothing.
fn down(engine: EngineKind, error: &Error) -> ConnectionState {
    let away = engine == EngineKind::Sqlite && error.reason() == Reason::DatabaseUnknown;
    if away || error.kind() == ErrorKind::Unavailable { ConnectionState::Offline } else { ConnectionState::Refused }
}

/// The state of a database by its looks: it takes two failures to go down and one success to come up.
#[derive(Debug, Clone, Copy)]
struct Judgement {
    state: ConnectionState,
    failures: u32,
    counted: Option<Instant>,
}

impl Judgement {
    fn of(state: ConnectionState) -> Self {
        Self { state, failures: 0, counted: None }
    }

    /// Takes a look into account: a success, or what a failure makes of the database.
    fn look(&mut self, failure: Option<ConnectionState>, now: Instant) {
        let Some(down) = failure else {
            *self = Self::of(ConnectionState::Online);
            return;
        };
        let apart = self.counted.is_none_or(|counted| now.saturating_duration_since(counted) >= FAILURE_SPACING);
        if apart {
            self.failures += 1;
            self.counted = Some(now);
        }
        // What was not online has nothing to lose: the first failure tells what is wrong with it.
        if self.state != ConnectionState::Online || self.failures >= FAILURES_TO_GO_DOWN {
            self.state = down;
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

    use super::*;
    use crate::pool::tests::{account, record};
    use ConnectionState::{Offline, Online, Refused, Untested};

    /// The states after looks at seconds: a success, or what a failure would make of it.
    fn states(first: ConnectionState, looks: &[(u64, Option<ConnectionState>)]) -> Vec<ConnectionState> {
        let start = Instant::now();
        let mut judgement = Judgement::of(first);
        let look = |&(second, failure): &(u64, Option<ConnectionState>)| {
            judgement.look(failure, start + Duration::from_secs(second));
            judgement.state
        };
        looks.iter().map(look).collect()
    }

    /// What a look finds that lets us in.
    fn good() -> Look<'static> {
        Look { began: Timestamp::now(), seen: Ok("16".to_owned()), asked: false }
    }

    #[tokio::test]
    async fn a_database_whose_news_wait_for_the_disk_holds_up_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        let store = Store::open(&file).await.unwrap();
        store.ensure_account(&account(), "Default").await.unwrap();
        let (news, known) = (record("news"), record("known"));
        for record in [&news, &known] {
            store.insert_connection(record, None).await.unwrap();
        }
        let statuses = Arc::new(Statuses::new(store));
        statuses.note(&known, good()).await;
        let mut other = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        let (noting, record) = (statuses.clone(), news.clone());
        let news = tokio::spawn(async move { noting.note(&record, good()).await });
        let turn =
            || Some(statuses.book().get(&(account(), ConnectionId::from_stored("news".to_owned())))?.noting.clone());
        while turn().is_none_or(|turn| turn.try_lock().is_ok()) {
            tokio::task::yield_now().await;
        }

        assert_eq!(statuses.note(&known, good()).await, Online);
        assert!(!news.is_finished(), "the other waited for the disk");
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
        assert_eq!(news.await.unwrap(), Online);
    }

    #[tokio::test]
    async fn a_test_that_finds_what_was_known_is_told_at_once_and_stored_later() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).await.unwrap();
        store.ensure_account(&account(), "Default").await.unwrap();
        let record = record("tested");
        let id = record.connection.id.clone();
        store.insert_connection(&record, None).await.unwrap();
        let statuses = Statuses::new(store.clone());
        let stored = async || store.connection(&account(), &id).await.unwrap().connection.clone();
        let told = async || {
            let mut connection = stored().await;
            statuses.overlay(&account(), &mut connection);
            connection.last_tested
        };
        statuses.note(&record, good()).await;
        assert_eq!((stored().await.state, told().await), (Online, None));

        statuses.note(&record, Look { asked: true, ..good() }).await;
        let tested = told().await;
        assert!(tested.is_some() && stored().await.last_tested.is_none(), "the test waited for the disk");
        statuses.write_tests().await.unwrap();
        assert_eq!((stored().await.last_tested, told().await), (tested, tested));

        statuses.note(&record, Look { asked: true, ..good() }).await;
        let tested = told().await;
        let failure = Error::new(Reason::ConnectTimeout, "no answer");
        let silence = Look { began: Timestamp::now(), seen: Err(&failure), asked: false };
        statuses.note(&record, silence).await;
        let now = stored().await;
        assert_eq!(now.last_tested, tested, "the test was lost when news were stored");
        assert!(now.health.is_some_and(|health| health.failure.is_some()), "the test covered the news");
        statuses.write_tests().await.unwrap();
        let now = stored().await;
        assert!(now.health.is_some_and(|health| health.failure.is_some()), "the test covered the news later");
    }

    #[test]
    fn two_failures_take_a_database_down_and_one_success_brings_it_up() {
        let (bad, good) = (Some(Offline), None);
        assert_eq!(states(Online, &[(0, bad), (2, bad), (4, good)]), [Online, Offline, Online]);
        assert_eq!(states(Online, &[(0, bad), (2, good), (4, bad), (6, good)]), [Online; 4]);
        assert_eq!(states(Online, &[(0, bad), (2, Some(Refused))]), [Online, Refused]);
    }

    #[test]
    fn failures_of_one_moment_count_once() {
        let bad = Some(Offline);
        assert_eq!(states(Online, &[(0, bad), (0, bad), (0, bad), (1, bad)]), [Online, Online, Online, Offline]);
    }

    #[test]
    fn what_was_not_online_is_judged_by_each_look() {
        assert_eq!(states(Untested, &[(0, Some(Refused)), (0, Some(Offline)), (0, None)]), [Refused, Offline, Online]);
    }
}
