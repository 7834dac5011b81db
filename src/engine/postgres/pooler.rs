//! Notices a pooler, such as PgBouncer, between us and the server.
//!
//! Two things give it away. A session of the server that is older than our dial was somebody else's before. And where
//! sessions are lent out by transaction, a second client that begins a transaction gets the session that the first one
//! just used, or the first one finds itself on another; with sessions of their own neither can happen.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection, Row};

use super::{connect::Dialer, failure};
use crate::model::{
    Error, Reason, Result,
    connection::{PoolerMode, ServerInfo, TlsMode},
};

const BACKEND_PID: &str = "SELECT pg_backend_pid()";
/// Where other clients come in between, one look can miss it.
const LOOKS: u32 = 3;
/// A session that is older than our dial by less than this may be an effect of the clocks.
const CLOCK_ERROR: Duration = Duration::from_millis(250);
/// How long what was found at a place holds for a dial that only tries whether the server lets us in.
const LOOK_HOLDS: Duration = Duration::from_secs(60);
/// Places that are remembered; beyond this all are forgotten, which costs each another look.
const MAX_PLACES: usize = 10_000;

/// Places behind which a look found the server itself, so that the next dial need not look again. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct DirectPlaces(Arc<Mutex<HashMap<(String, u16), DirectPlace>>>);

/// What a look found at a place.
#[derive(Clone)]
struct DirectPlace {
    /// When the server was last asked.
    asked: Instant,
    /// What the server announces at each login.
    announced: Option<u32>,
    server: ServerInfo,
}

impl DirectPlaces {
    /// Who answers on a connection, without a question, where the server at its place was asked of late and announces the same
    /// version. The first query of a session costs the server more than all the rest of a look.
    pub(super) fn known(&self, dialer: &Dialer, connection: &PgConnection) -> Option<ServerInfo> {
        let places = self.places();
        let known = places.get(&place(dialer))?;
        let holds = known.asked.elapsed() < LOOK_HOLDS && known.announced == connection.server_version_num();
        holds.then(|| ServerInfo { tls_active: dialer.tls.mode != TlsMode::Disabled, ..known.server.clone() })
    }

    fn places(&self) -> MutexGuard<'_, HashMap<(String, u16), DirectPlace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stands in front of the `server` that answered. `backend_age` is the age of the server's session, `since_dial` the time since we
    /// began to dial it. The caller holds a turn at the gate of the host.
    pub(super) async fn look(
        &self,
        dialer: &Dialer,
        first: &mut PgConnection,
        server: &ServerInfo,
        backend_age: Duration,
        since_dial: Duration,
    ) -> Result<Option<PoolerMode>> {
        let place = place(dialer);
        let direct =
            DirectPlace { asked: Instant::now(), announced: first.server_version_num(), server: server.clone() };
        let by_age = (backend_age > since_dial + CLOCK_ERROR).then_some(PoolerMode::Session);
        if by_age.is_none()
            && let Some(known) = self.places().get_mut(&place)
        {
            *known = direct;
            return Ok(None);
        }
        let second = match dialer.dial_at_gate().await {
            Ok(second) => second,
            // A user with one session at one time gets no second one to compare with. The next look may have more luck.
            Err(error) if error.reason() == Reason::TooManyConnections => return Ok(by_age),
            Err(error) => return Err(error),
        };
        let found = match lends_by_transaction(dialer, first, second).await? {
            true => Some(PoolerMode::Transaction),
            false => by_age,
        };
        let mut places = self.places();
        if found.is_some() {
            places.remove(&place);
        } else {
            if places.len() >= MAX_PLACES {
                places.clear();
            }
            places.insert(place, direct);
        }
        Ok(found)
    }
}

fn place(dialer: &Dialer) -> (String, u16) {
    (dialer.place.host.to_ascii_lowercase(), dialer.place.port)
}

/// Whether sessions are lent out by transaction, seen from two clients.
pub(super) async fn lends_by_transaction(
    dialer: &Dialer,
    first: &mut PgConnection,
    mut second: PgConnection,
) -> Result<bool> {
    let look = tokio::time::timeout(dialer.place.timeout, compare(first, &mut second)).await;
    // It was only opened to be compared.
    let _ = second.close().await;
    match look {
        Ok(outcome) => outcome.map_err(|error| failure::classify(error, &dialer.place)),
        Err(_) => Err(dialer.place.timed_out()),
    }
}

async fn compare(first: &mut PgConnection, second: &mut PgConnection) -> Result<bool, sqlx::Error> {
    for _ in 0..LOOKS {
        let before = backend_pid(first).await?;
        sqlx::raw_sql("BEGIN").execute(&mut *second).await?;
        // The order matters: a pooler with one session to lend would let the first one wait for the second.
        let lent = backend_pid(second).await? == before || backend_pid(first).await? != before;
        sqlx::raw_sql("ROLLBACK").execute(&mut *second).await?;
        if lent {
            return Ok(true);
        }
    }
    Ok(false)
}

/// As simple text, for a prepared statement could meet one of the same name in a session that is lent out.
pub(super) async fn backend_pid(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql(BACKEND_PID).fetch_one(connection).await?.try_get(0)
}

/// Refuses what a pooler in transaction mode would break.
pub(super) fn refuse(pooler: Option<PoolerMode>) -> Result<()> {
    match pooler {
        Some(PoolerMode::Transaction) => Err(in_between()),
        Some(PoolerMode::Session) | None => Ok(()),
    }
}

/// A pooler in transaction mode was found where it cannot be used.
pub(super) fn in_between() -> Error {
    let mode = PoolerMode::Transaction;
    let text = format!("a pooler stands in front of the database: {}; {}", mode.lost(), mode.remedy());
    Error::new(Reason::PoolerInBetween, text).with_metadata("hint", mode.remedy())
}
