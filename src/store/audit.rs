//! The audit log. Events are only ever added, at the end of the chain of their account, in one statement with the
//! new head of the chain; triggers of the schema refuse everything else.

mod chain;
mod list;
mod retention;
mod row;

use std::collections::{HashMap, hash_map::Entry};

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
        if records.len() <= MOST_TOGETHER
            && let Some(sequences) = self.append_together(key, records).await?
        {
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
        Ok(sequences)
    }

    /// Adds a few events of one account in the fewest statements, for most writes are of one call and of the end of the call before.
    /// Absent where they are of several accounts, or where the end of the chain is not as the server wrote it. The statement
    /// that adds them fails where the head is another one by then.
    async fn append_together(&self, key: &AuditKey, records: &[AuditRecord]) -> Result<Option<Vec<u64>>> {
        let Some((first, others)) = records.split_first() else { return Ok(Some(Vec::new())) };
        if others.iter().any(|record| record.call.account != first.call.account) {
            return Ok(None);
        }
        let mut connection = self.writer().acquire().await.map_err(failed)?;
        let end = end_of(&mut connection, key, &first.call.account).await?;
        if !end.genuine {
            return Ok(None);
        }
        let ends = append(&mut connection, key, end.place, Some(end.place), records).await?;
        Ok(Some(ends.iter().map(|end| end.sequence).collect()))
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

/// What tells where a chain ends: its head, how far it was removed, and its last event, each where there is one. One query, for
/// every audited call waits for it twice.
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
    let ends = append(transaction, key, end, None, std::slice::from_ref(record)).await?;
    Ok(ends.last().copied().unwrap_or(end))
}

/// Adds events of one account behind the end of its chain in one statement, each of which becomes the head, and returns their
/// places. `seen` is the head as it was read outside of a transaction.
async fn append(
    connection: &mut SqliteConnection,
    key: &AuditKey,
    end: AuditPlace,
    seen: Option<AuditPlace>,
    records: &[AuditRecord],
) -> Result<Vec<AuditPlace>> {
    let mut places = Vec::with_capacity(records.len());
    let mut insert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO audit_appends (account, sequence, time, kind, intent, actor, address, method, request_id, resources,
                                    parameters, code, reason, versions, left_out, mac, seal, previous) ",
    );
    let (mut end, mut seen) = (end, seen);
    insert.push_values(records, |mut values, record| {
        let account = &record.call.account;
        let sequence = end.sequence + 1;
        let place = AuditPlace { sequence, mac: chain::mac(key, &end.mac, sequence, record) };
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
            .push_bind(chain::head_seal(key, account, place).to_vec())
            .push_bind(seen.map(|seen| seen.mac.to_vec()));
        seen = seen.map(|_| place);
        end = place;
        places.push(place);
    });
    insert.build().execute(connection).await.map_err(failed)?;
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::access::DEFAULT_ACCOUNT,
        vault::{MasterKeys, Vault},
    };

    #[tokio::test]
    async fn an_event_is_not_added_behind_a_head_that_is_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).await.unwrap();
        let vault = Vault::new(&MasterKeys::generate().unwrap()).unwrap();
        let key = vault.open_server_key("audit", &vault.generate_server_key("audit").unwrap()).unwrap().into();
        let account = AccountId::from_stored(DEFAULT_ACCOUNT.to_owned());
        let call = AuditedCall::new(account, "key/a".to_owned(), String::new(), String::new(), &RequestId::generate());
        let record = AuditRecord::intent(call);
        assert_eq!(store.append_audit_records(&key, std::slice::from_ref(&record)).await.unwrap(), [1]);
        let two = [record.clone(), record.clone()];
        assert_eq!(store.append_audit_records(&key, &two).await.unwrap(), [2, 3]);
        let mut connection = store.writer().acquire().await.unwrap();
        let end = end_of(&mut connection, &key, &record.call.account).await.unwrap();
        assert!(end.genuine);
        let before = AuditPlace { sequence: 2, mac: [7; 32] };
        append(&mut connection, &key, end.place, Some(before), &two).await.unwrap_err();
        assert_eq!(end_of(&mut connection, &key, &record.call.account).await.unwrap().place, end.place);
        let added = append(&mut connection, &key, end.place, Some(end.place), &two).await.unwrap();
        assert_eq!(added.iter().map(|place| place.sequence).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(end_of(&mut connection, &key, &record.call.account).await.unwrap().place, added[1]);
        drop(connection);
        let elsewhere = AuditedCall { account: AccountId::parse("shop", "account").unwrap(), ..record.call.clone() };
        let mixed = [record.clone(), AuditRecord::intent(elsewhere), record.clone()];
        assert_eq!(store.append_audit_records(&key, &mixed).await.unwrap(), [6, 1, 7]);
    }
}
