//! Walks a chain from the place where old events end to its head.

use super::BATCH;
use crate::{
    model::{
        AccountId, Result,
        audit::{AuditKind, AuditPlace, AuditProblem, AuditVerification},
    },
    store::{
        Store,
        audit::{StoredPlace, audit_mac},
    },
    vault::AuditKey,
};

struct Walk<'a> {
    store: &'a Store,
    key: &'a AuditKey,
    account: &'a AccountId,
    expected: Option<AuditPlace>,
    /// The last event that is right.
    place: AuditPlace,
    removed_until: u64,
    compared: bool,
}

/// Looks at the chain of an account. `expected` is a head that the caller noted before.
pub(super) async fn chain(
    store: &Store,
    key: &AuditKey,
    account: &AccountId,
    expected: Option<AuditPlace>,
) -> Result<AuditVerification> {
    let mut walk = Walk { store, key, account, expected, place: AuditPlace::START, removed_until: 0, compared: false };
    let bad = walk.find_bad().await?;
    Ok(AuditVerification { head: walk.place, removed_until: walk.removed_until, bad, compared: walk.compared })
}

impl Walk<'_> {
    async fn find_bad(&mut self) -> Result<Option<(u64, AuditProblem)>> {
        if let Some(bad) = self.compare_at(self.place) {
            return Ok(Some(bad));
        }
        if let Some(bad) = self.skip_removed().await? {
            return Ok(Some(bad));
        }
        loop {
            // The head is read before the events: one that is added meanwhile is behind it and does no harm.
            let head = self.store.audit_head(self.key, self.account).await?;
            let events = self.store.audit_events_after(self.account, self.place.sequence, BATCH).await?;
            for event in &events {
                let sequence = self.place.sequence + 1;
                if event.sequence != sequence {
                    let known = self.removed_until;
                    if let Some(bad) = self.skip_removed().await? {
                        return Ok(Some(bad));
                    }
                    // Retention was here meanwhile: go on behind it.
                    if self.removed_until > known {
                        break;
                    }
                    return Ok(Some((sequence, AuditProblem::Missing)));
                }
                if event.mac != audit_mac(self.key, &self.place.mac, sequence, &event.record) {
                    return Ok(Some((sequence, AuditProblem::Altered)));
                }
                if event.record.kind == AuditKind::Damage {
                    return Ok(Some((sequence, AuditProblem::DamageNoted)));
                }
                let place = AuditPlace { sequence, mac: event.mac };
                if let Some(bad) = self.compare_at(place) {
                    return Ok(Some(bad));
                }
                self.place = place;
            }
            if events.is_empty() {
                let known = self.removed_until;
                if let Some(bad) = self.skip_removed().await? {
                    return Ok(Some(bad));
                }
                if self.removed_until == known {
                    return Ok(self.check_end(head));
                }
            }
        }
    }

    /// Begins behind the events that retention removed.
    async fn skip_removed(&mut self) -> Result<Option<(u64, AuditProblem)>> {
        let Some(removed) = self.store.audit_checkpoint(self.key, self.account).await? else { return Ok(None) };
        if !removed.genuine {
            return Ok(Some((removed.place.sequence, AuditProblem::CheckpointAltered)));
        }
        self.removed_until = removed.place.sequence;
        if removed.place.sequence <= self.place.sequence {
            return Ok(None);
        }
        let bad = self.compare_at(removed.place);
        if bad.is_none() {
            self.place = removed.place;
        }
        Ok(bad)
    }

    /// Compares a place with the head that the caller expects, where it is the one.
    fn compare_at(&mut self, place: AuditPlace) -> Option<(u64, AuditProblem)> {
        let expected = self.expected.filter(|expected| expected.sequence == place.sequence)?;
        self.compared = true;
        (expected.mac != place.mac).then_some((place.sequence, AuditProblem::HeadDiffers))
    }

    fn check_end(&mut self, head: Option<StoredPlace>) -> Option<(u64, AuditProblem)> {
        let next = self.place.sequence + 1;
        if self.expected.is_some_and(|expected| expected.sequence > self.place.sequence) {
            self.compared = true;
            return Some((next, AuditProblem::Truncated));
        }
        let genuine = head.is_none_or(|head| head.genuine);
        let head = head.map_or(AuditPlace::START, |head| head.place);
        if genuine && head.sequence > self.place.sequence {
            return Some((next, AuditProblem::Missing));
        }
        (!genuine || head != self.place).then_some((next, AuditProblem::HeadAltered))
    }
}
