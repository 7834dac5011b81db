//! Removing old events so that what is left can still be proved.

use super::{
    AccountId, AuditKey, AuditPlace, Result, Store, chain, checkpoint, events_after, failed, from_stored, to_stored,
};
use crate::model::{Timestamp, audit::AuditRemoval};

impl Store {
    /// Accounts that have an audit log.
    pub async fn audited_accounts(&self) -> Result<Vec<AccountId>> {
        let accounts: Vec<String> = sqlx::query_scalar("SELECT account FROM audit_heads ORDER BY account")
            .fetch_all(self.reader())
            .await
            .map_err(failed)?;
        Ok(accounts.into_iter().map(AccountId::from_stored).collect())
    }

    /// Removes the oldest events of an account, at most `limit`, that were recorded before a moment. In one
    /// transaction the place up to which they are removed is sealed. They are looked through first: what was altered
    /// stays, as evidence.
    pub async fn remove_audit_events(
        &self,
        key: &AuditKey,
        account: &AccountId,
        before: Timestamp,
        limit: u32,
    ) -> Result<AuditRemoval> {
        let mut transaction = self.begin().await?;
        // The clock may have gone back, so the first event that is not old ends the range, whatever comes behind it.
        let kept: Option<i64> = sqlx::query_scalar(
            "SELECT sequence FROM audit_events WHERE account = $1 AND time >= $2 ORDER BY sequence LIMIT 1",
        )
        .bind(account.as_str())
        .bind(before.as_micros())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?;
        let kept = kept.map_or(u64::MAX, from_stored);
        let removed = checkpoint(&mut *transaction, key, account).await?;
        if let Some(removed) = removed.filter(|removed| !removed.genuine) {
            return Ok(AuditRemoval::Broken(removed.place.sequence));
        }
        let mut place = removed.map_or(AuditPlace::START, |removed| removed.place);
        let mut count = 0;
        for event in events_after(&mut *transaction, account, place.sequence, limit).await? {
            if event.sequence >= kept {
                break;
            }
            let sequence = place.sequence + 1;
            if event.sequence != sequence || event.mac != chain::mac(key, &place.mac, sequence, &event.record) {
                return Ok(AuditRemoval::Broken(sequence));
            }
            place = AuditPlace { sequence, mac: event.mac };
            count += 1;
        }
        if count == 0 {
            return Ok(AuditRemoval::Removed(0));
        }
        let now = Timestamp::now().as_micros();
        sqlx::query("INSERT INTO audit_checkpoints (account, sequence, mac, time, seal) VALUES ($1, $2, $3, $4, $5)")
            .bind(account.as_str())
            .bind(to_stored(place.sequence))
            .bind(&place.mac[..])
            .bind(now)
            .bind(&chain::checkpoint_seal(key, account, place, now)[..])
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        sqlx::query("DELETE FROM audit_events WHERE account = $1 AND sequence <= $2")
            .bind(account.as_str())
            .bind(to_stored(place.sequence))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(AuditRemoval::Removed(count))
    }
}
