//! Looking events up.

use super::{AccountId, AuditEvent, Result, Row, Store, failed, from_stored, row, to_stored};
use crate::model::{
    Timestamp,
    audit::AuditFilter,
    page::{Page, PageRequest},
};

/// Outcome of a call: sequence, code, reason.
pub type AuditEnd = (u64, String, String);
/// An event with the outcome of the call, where it is an intent that has one.
type ListedEvent = (AuditEvent, Option<AuditEnd>);

impl Store {
    /// A page of events, the newest first. The sort key is the sequence.
    pub async fn audit_events(
        &self,
        account: &AccountId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<ListedEvent>> {
        let after = page.after.as_deref().unwrap_or_default();
        let before: u64 = after.first().and_then(|sequence| sequence.parse().ok()).unwrap_or(u64::MAX);
        // The names that come here were checked: none holds a wildcard.
        let method = filter.method.as_ref().map(|method| format!("%/{method}"));
        let whole = filter.resource.as_ref().map(|name| format!("%\n{name}\n%"));
        let below = filter.resource.as_ref().map(|name| format!("%\n{name}/%"));
        let rows = sqlx::query(
            "SELECT e.*, o.sequence AS outcome_sequence, o.code AS outcome_code, o.reason AS outcome_reason
             FROM audit_events e
             LEFT JOIN audit_events o ON o.account = e.account AND o.intent = e.sequence AND o.intent > 0
             WHERE e.account = $1
               AND e.sequence < $2
               AND ($3 IS NULL OR e.time >= $3)
               AND ($4 IS NULL OR e.time < $4)
               AND ($5 IS NULL OR e.actor = $5)
               AND ($6 IS NULL OR e.method = $6 OR e.method LIKE $7)
               AND ($8 IS NULL OR e.resources LIKE $8 OR e.resources LIKE $9)
             ORDER BY e.sequence DESC
             LIMIT $10",
        )
        .bind(account.as_str())
        .bind(to_stored(before))
        .bind(filter.from.map(Timestamp::as_micros))
        .bind(filter.until.map(Timestamp::as_micros))
        .bind(&filter.actor)
        .bind(&filter.method)
        .bind(method)
        .bind(whole)
        .bind(below)
        .bind(i64::from(page.size) + 1)
        .fetch_all(self.reader())
        .await
        .map_err(failed)?;
        let listed = rows.iter().map(|row| {
            let outcome = match row.try_get::<Option<i64>, _>("outcome_sequence").map_err(failed)? {
                Some(sequence) => {
                    let code = row.try_get("outcome_code").map_err(failed)?;
                    Some((from_stored(sequence), code, row.try_get("outcome_reason").map_err(failed)?))
                }
                None => None,
            };
            Ok((row::event(row, account), outcome))
        });
        let events = listed.collect::<Result<Vec<_>>>()?;
        let key = |(event, _): &ListedEvent| vec![event.sequence.to_string()];
        Ok(Page::cut_to_bytes(events, page.size, key, |(event, _)| event.approximate_bytes()))
    }

    /// The outcome of the call behind an intent, where it has one.
    pub async fn audit_outcome(&self, account: &AccountId, intent: u64) -> Result<Option<AuditEnd>> {
        let found: Option<(i64, String, String)> = sqlx::query_as(
            "SELECT sequence, code, reason FROM audit_events WHERE account = $1 AND intent = $2 AND intent > 0",
        )
        .bind(account.as_str())
        .bind(to_stored(intent))
        .fetch_optional(self.reader())
        .await
        .map_err(failed)?;
        Ok(found.map(|(sequence, code, reason)| (from_stored(sequence), code, reason)))
    }
}
