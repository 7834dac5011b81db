//! The audit log. Events are only ever added, at the end of the chain of their account, in one statement with the
//! new head of the chain; triggers of the schema refuse everything else.

mod chain;
mod list;
mod retention;
mod row;

use std::{
    collections::{HashMap, hash_map::Entry},
    slice,
    sync::{MutexGuard, PoisonError},
};

use sqlx::{Executor, QueryBuilder, Row, Sqlite, SqliteConnection, Transaction, sqlite::SqliteRow};

use super::{Store, failed, from_stored, to_stored, unreadable};
use crate::{
    model::{
        AccountId, RequestId, Result,
        audit::{AuditEvent, AuditKind, AuditPlace, AuditRecord, AuditedCall, Mac, SERVER_ACTOR},
    },
    vault::AuditKey,
};

pub use chain::mac as audit_mac;
pub use list::AuditEnd;

/// Events that are added in one statement, which the store keeps prepared for each number of them.
const MOST_TOGETHER: usize = 8;
/// What the trigger behind `audit_appends` says where a chain does not end where it was believed to.
const END_CHANGED: &str = "the end of the audit log has changed";

/// A place in a chain as the store holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPlace {
    /// The place.
    pub place: AuditPlace,
    /// True where it is as the server wrote it.
    pub genuine: bool,
}

impl Store {
    /// Adds events at the ends of their chains, in the order given, all or none. Returns the sequence of each.
    pub async fn append_audit_records(&self, key: &AuditKey, records: &[AuditRecord]) -> Result<Vec<u64>> {
        if let Some(sequences) = self.append_behind_known_end(key, records).await? {
            return Ok(sequences);
        }
        let mut transaction = self.begin().await?;
        let mut ends: HashMap<&AccountId, AuditPlace> = HashMap::new();
        let mut sequences = Vec::with_capacity(records.len());
        for record in records {
            let account = &record.call.account;
            let end = match ends.entry(account) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(sound_end_of(&mut transaction, key, account).await?),
            };
            *end = append_one(&mut transaction, key, *end, record).await?;
            sequences.push(end.sequence);
        }
        transaction.commit().await.map_err(failed)?;
        let mut known = self.known_audit_ends();
        known.extend(ends.into_iter().map(|(account, end)| (account.clone(), end)));
        Ok(sequences)
    }

    /// Adds a few events of one account in one statement, for most writes are of one call and of the end of the call before.
    /// Absent, with nothing added, where they are of several accounts, where this process has not written to that chain
    /// yet, and where the chain does not end as it left it.
    async fn append_behind_known_end(&self, key: &AuditKey, records: &[AuditRecord]) -> Result<Option<Vec<u64>>> {
        let Some((first, others)) = records.split_first() else { return Ok(Some(Vec::new())) };
        let account = &first.call.account;
        if others.len() >= MOST_TOGETHER || others.iter().any(|record| record.call.account != *account) {
            return Ok(None);
        }
        let known = self.known_audit_ends().remove(account);
        let Some(end) = known else { return Ok(None) };
        let mut connection = self.writer().acquire().await.map_err(failed)?;
        let places = match append(&mut connection, key, end, Looked::Before, records).await {
            Ok(places) => places,
            Err(cause) if cause.as_database_error().is_some_and(|error| error.message() == END_CHANGED) => {
                return Ok(None);
            }
            Err(cause) => return Err(failed(cause)),
        };
        self.known_audit_ends().extend(places.last().map(|end| (account.clone(), *end)));
        Ok(Some(places.iter().map(|place| place.sequence).collect()))
    }

    /// Where the chains ended when this process last wrote to them.
    fn known_audit_ends(&self) -> MutexGuard<'_, HashMap<AccountId, AuditPlace>> {
        self.audit_ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head of a chain; absent before the first event.
    pub async fn audit_head(&self, key: &AuditKey, account: &AccountId) -> Result<Option<StoredPlace>> {
        head(self.reader(), key, account).await
    }

    /// How far old events of a chain were removed; absent where none were.
    pub async fn audit_checkpoint(&self, key: &AuditKey, account: &AccountId) -> Result<Option<StoredPlace>> {
        checkpoint(self.reader(), key, account).await
    }

    /// Events after a sequence, the oldest first, at most `limit`.
    pub async fn audit_events_after(&self, account: &AccountId, after: u64, limit: u32) -> Result<Vec<AuditEvent>> {
        events_after(self.reader(), account, after, limit).await
    }
}

/// Where the chain of an account goes on. Where its end is not as the server wrote it, an event that says so comes
/// first: a new head would otherwise vouch for what somebody else left there.
async fn sound_end_of(
    transaction: &mut Transaction<'static, Sqlite>,
    key: &AuditKey,
    account: &AccountId,
) -> Result<AuditPlace> {
    let end = end_of(transaction, key, account).await?;
    if end.genuine {
        return Ok(end.place);
    }
    tracing::error!(%account, sequence = end.place.sequence, "end of the audit log found altered");
    let call = AuditedCall::new(
        account.clone(),
        SERVER_ACTOR.to_owned(),
        String::new(),
        String::new(),
        &RequestId::generate(),
    );
    let found = AuditRecord { kind: AuditKind::Damage, ..AuditRecord::intent(call) };
    append_one(transaction, key, end.place, &found).await
}

/// Where the chain of an account ends by all that tells it, and whether that is as the server wrote it: where anything lies
/// beyond the head, somebody else put it there, for an event and its head are one write.
async fn end_of(connection: &mut SqliteConnection, key: &AuditKey, account: &AccountId) -> Result<StoredPlace> {
    let (mut end, mut head) = (AuditPlace::START, None);
    for row in known_places(connection, account).await? {
        let place = row::place(&row)?;
        if row.try_get::<i64, _>("is_head").map_err(failed)? != 0 {
            head = Some(row::stored_place(&row, |place| chain::head_seal(key, account, place))?);
        }
        if place.sequence > end.sequence {
            end = place;
        }
    }
    let genuine = head.map_or(end == AuditPlace::START, |head| head.genuine && head.place == end);
    Ok(StoredPlace { place: end, genuine })
}

async fn head<'e>(
    executor: impl Executor<'e, Database = Sqlite>,
    key: &AuditKey,
    account: &AccountId,
) -> Result<Option<StoredPlace>> {
    let row = sqlx::query("SELECT sequence, mac, seal FROM audit_heads WHERE account = $1")
        .bind(account.as_str())
        .fetch_optional(executor)
        .await
        .map_err(failed)?;
    row.map(|row| row::stored_place(&row, |place| chain::head_seal(key, account, place))).transpose()
}

async fn checkpoint<'e>(
    executor: impl Executor<'e, Database = Sqlite>,
    key: &AuditKey,
    account: &AccountId,
) -> Result<Option<StoredPlace>> {
    let row = sqlx::query(
        "SELECT sequence, mac, time, seal FROM audit_checkpoints WHERE account = $1 ORDER BY sequence DESC LIMIT 1",
    )
    .bind(account.as_str())
    .fetch_optional(executor)
    .await
    .map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let time: i64 = row.try_get("time").map_err(failed)?;
    row::stored_place(&row, |place| chain::checkpoint_seal(key, account, place, time)).map(Some)
}

/// What tells where a chain ends: its head, how far it was removed, and its last event, each where there is one.
async fn known_places(connection: &mut SqliteConnection, account: &AccountId) -> Result<Vec<SqliteRow>> {
    let query = sqlx::query(
        "SELECT 1 AS is_head, sequence, mac, seal FROM audit_heads WHERE account = $1
         UNION ALL
         SELECT * FROM (SELECT 0, sequence, mac, seal FROM audit_checkpoints
                        WHERE account = $1 ORDER BY sequence DESC LIMIT 1) AS removed
         UNION ALL
         SELECT * FROM (SELECT 0, sequence, mac, mac FROM audit_events
                        WHERE account = $1 ORDER BY sequence DESC LIMIT 1) AS last",
    );
    query.bind(account.as_str()).fetch_all(connection).await.map_err(failed)
}

async fn events_after<'e>(
    executor: impl Executor<'e, Database = Sqlite>,
    account: &AccountId,
    after: u64,
    limit: u32,
) -> Result<Vec<AuditEvent>> {
    let rows =
        sqlx::query("SELECT * FROM audit_events WHERE account = $1 AND sequence > $2 ORDER BY sequence LIMIT $3")
            .bind(account.as_str())
            .bind(to_stored(after))
            .bind(limit)
            .fetch_all(executor)
            .await
            .map_err(failed)?;
    Ok(rows.iter().map(|row| row::event(row, account)).collect())
}

/// Adds an event behind the end of its chain, and makes it the head.
async fn append_one(
    transaction: &mut Transaction<'static, Sqlite>,
    key: &AuditKey,
    end: AuditPlace,
    record: &AuditRecord,
) -> Result<AuditPlace> {
    let added = append(transaction, key, end, Looked::InTransaction, slice::from_ref(record)).await.map_err(failed)?;
    Ok(added.last().copied().unwrap_or(end))
}

/// When the end of a chain was looked at that an event is added behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// In the transaction that adds the event.
    InTransaction,
    /// At another time: the statement that adds the event fails with [`END_CHANGED`] where it is not the end any more.
    Before,
}

/// Adds events of one account behind the end of its chain in one statement, each of which becomes the head, and returns their
/// places.
async fn append(
    connection: &mut SqliteConnection,
    key: &AuditKey,
    end: AuditPlace,
    looked: Looked,
    records: &[AuditRecord],
) -> Result<Vec<AuditPlace>, sqlx::Error> {
    let mut insert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO audit_appends (account, sequence, time, kind, intent, actor, address, method, request_id, resources,
                                    parameters, code, reason, versions, left_out, mac, seal, previous, previous_seal) ",
    );
    let mut places = Vec::with_capacity(records.len());
    let mut end = end;
    insert.push_values(records, |mut values, record| {
        let account = &record.call.account;
        let sequence = end.sequence + 1;
        let place = AuditPlace { sequence, mac: chain::mac(key, &end.mac, sequence, record) };
        let seal = |place| chain::head_seal(key, account, place).to_vec();
        let previous = (looked == Looked::Before).then_some(end);
        values
            .push_bind(account.as_str())
            .push_bind(to_stored(sequence))
            .push_bind(record.time.as_micros())
            .push_bind(record.kind.as_str())
            .push_bind(to_stored(record.intent))
            .push_bind(&record.call.actor)
            .push_bind(&record.call.address)
            .push_bind(&record.call.method)
            .push_bind(&record.call.request_id)
            .push_bind(row::lines(&record.call.resources))
            .push_bind(row::lines(&record.call.parameters))
            .push_bind(&record.code)
            .push_bind(&record.reason)
            .push_bind(row::lines(&record.versions))
            .push_bind(to_stored(record.left_out))
            .push_bind(place.mac.to_vec())
            .push_bind(seal(place))
            .push_bind(previous.map(|end| end.mac.to_vec()))
            .push_bind(previous.map(seal));
        end = place;
        places.push(place);
    });
    insert.build().execute(connection).await?;
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::access::DEFAULT_ACCOUNT,
        vault::{MasterKeys, Vault},
    };

    /// Statements of somebody who has the file and not the key.
    const INTRUSIONS: [&str; 5] = [
        "UPDATE audit_heads SET mac = zeroblob(32)",
        "UPDATE audit_heads SET seal = zeroblob(32)",
        "UPDATE audit_heads SET sequence = sequence + 1",
        "INSERT INTO audit_events SELECT account, sequence + 5, time, kind, 0, actor, address, method, request_id, resources,
                parameters, code, reason, versions, left_out, mac FROM audit_events WHERE sequence = 1",
        "INSERT INTO audit_checkpoints SELECT account, sequence + 5, mac, time, mac FROM audit_events WHERE sequence = 1",
    ];

    async fn opened() -> (tempfile::TempDir, Store, AuditKey, AuditRecord) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).await.unwrap();
        let vault = Vault::new(&MasterKeys::generate().unwrap()).unwrap();
        let key = vault.open_server_key("audit", &vault.generate_server_key("audit").unwrap()).unwrap().into();
        let account = AccountId::from_stored(DEFAULT_ACCOUNT.to_owned());
        let call = AuditedCall::new(account, "key/a".to_owned(), String::new(), String::new(), &RequestId::generate());
        (folder, store, key, AuditRecord::intent(call))
    }

    #[tokio::test]
    async fn events_are_added_behind_the_end_of_their_chain_alone_and_together() {
        let (_folder, store, key, record) = opened().await;
        let two = [record.clone(), record.clone()];
        assert_eq!(store.append_audit_records(&key, &two[..1]).await.unwrap(), [1]);
        assert_eq!(store.append_audit_records(&key, &two).await.unwrap(), [2, 3]);
        let elsewhere = AuditedCall { account: AccountId::parse("shop", "account").unwrap(), ..record.call.clone() };
        let mixed = [record.clone(), AuditRecord::intent(elsewhere), record.clone()];
        assert_eq!(store.append_audit_records(&key, &mixed).await.unwrap(), [4, 1, 5]);
        let many = vec![record.clone(); MOST_TOGETHER + 2];
        assert_eq!(store.append_audit_records(&key, &many).await.unwrap(), (6..16).collect::<Vec<_>>());
        let mut connection = store.writer().acquire().await.unwrap();
        let end = end_of(&mut connection, &key, &record.call.account).await.unwrap();
        assert!(end.genuine && end.place.sequence == 15, "{end:?}");
    }

    #[tokio::test]
    async fn what_somebody_else_left_at_the_end_of_a_chain_is_noted_before_the_next_event() {
        for intrusion in INTRUSIONS {
            let (_folder, store, key, record) = opened().await;
            let two = [record.clone(), record.clone()];
            store.append_audit_records(&key, &two).await.unwrap();
            sqlx::query("DROP TRIGGER audit_heads_forward").execute(store.writer()).await.unwrap();
            sqlx::query(intrusion).execute(store.writer()).await.unwrap();
            let next = store.append_audit_records(&key, &two).await.unwrap();
            let noted = store.audit_events_after(&record.call.account, next[0] - 2, 1).await.unwrap();
            assert_eq!(noted[0].record.kind, AuditKind::Damage, "{intrusion}");
            let after = store.append_audit_records(&key, &two).await.unwrap();
            assert_eq!(after[0], next[1] + 1, "{intrusion}: the chain goes on, and the damage is noted once");
        }
    }

    #[tokio::test]
    async fn an_event_is_not_added_behind_an_end_that_is_no_more() {
        let (_folder, store, key, record) = opened().await;
        let two = [record.clone(), record.clone()];
        store.append_audit_records(&key, &two).await.unwrap();
        let mut connection = store.writer().acquire().await.unwrap();
        let end = end_of(&mut connection, &key, &record.call.account).await.unwrap().place;
        let before = AuditPlace { sequence: 2, mac: [7; 32] };
        append(&mut connection, &key, before, Looked::Before, &two).await.unwrap_err();
        assert_eq!(end_of(&mut connection, &key, &record.call.account).await.unwrap().place, end);
        append(&mut connection, &key, end, Looked::Before, &two).await.unwrap();
    }
}
