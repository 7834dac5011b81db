//! What the codes of the chain are made over. A constant in front keeps the three uses of the key apart.

use super::row::lines;
use crate::{
    model::{
        AccountId,
        audit::{AuditPlace, AuditRecord, Mac},
    },
    vault::AuditKey,
};

const EVENT: &[u8] = b"dbkeeper audit event 1";
const HEAD: &[u8] = b"dbkeeper audit head 1";
const CHECKPOINT: &[u8] = b"dbkeeper audit checkpoint 1";

/// The code of an event, over the code of the one before and every column of the event.
pub fn mac(key: &AuditKey, before: &Mac, sequence: u64, record: &AuditRecord) -> Mac {
    let call = &record.call;
    key.mac(&[
        EVENT,
        before,
        call.account.as_str().as_bytes(),
        &sequence.to_be_bytes(),
        &record.time.as_micros().to_be_bytes(),
        record.kind.as_str().as_bytes(),
        &record.intent.to_be_bytes(),
        call.actor.as_bytes(),
        call.address.as_bytes(),
        call.method.as_bytes(),
        call.request_id.as_bytes(),
        lines(&call.resources).as_bytes(),
        lines(&call.parameters).as_bytes(),
        record.code.as_bytes(),
        record.reason.as_bytes(),
        lines(&record.versions).as_bytes(),
        &record.left_out.to_be_bytes(),
    ])
}

/// The seal of the end of a chain.
pub(super) fn head_seal(key: &AuditKey, account: &AccountId, place: AuditPlace) -> Mac {
    key.mac(&[HEAD, account.as_str().as_bytes(), &place.sequence.to_be_bytes(), &place.mac])
}

/// The seal of the place up to which events were removed, and when.
pub(super) fn checkpoint_seal(key: &AuditKey, account: &AccountId, place: AuditPlace, time: i64) -> Mac {
    let account = account.as_str().as_bytes();
    key.mac(&[CHECKPOINT, account, &place.sequence.to_be_bytes(), &place.mac, &time.to_be_bytes()])
}
