//! The columns of the audit log. They are read strictly: what the server would not have written so is nothing that
//! the code of an event could vouch for.

use super::{
    AccountId, AuditEvent, AuditKind, AuditPlace, AuditRecord, AuditedCall, Mac, RequestId, Result, Row, SqliteRow,
    StoredPlace, failed, unreadable,
};
use crate::model::{Timestamp, audit::MAC_LENGTH};

/// A list as it is stored: lines, each ended by a newline and the first one begun by one, so that a whole line can
/// be looked for.
pub(super) fn lines(items: &[String]) -> String {
    if items.is_empty() { String::new() } else { format!("\n{}\n", items.join("\n")) }
}

fn items(stored: &str) -> Result<Vec<String>> {
    let inner = stored.strip_prefix('\n').and_then(|rest| rest.strip_suffix('\n'));
    let items: Vec<String> = inner.map(|inner| inner.split('\n').map(str::to_owned).collect()).unwrap_or_default();
    if lines(&items) == stored { Ok(items) } else { Err(unreadable("audit event", "a list of another form")) }
}

/// Sequence and code of a row.
pub(super) fn place(row: &SqliteRow) -> Result<AuditPlace> {
    Ok(AuditPlace { sequence: count(row, "sequence")?, mac: code(row, "mac")? })
}

/// A place with its seal, which is compared with what it must be.
pub(super) fn stored_place(row: &SqliteRow, seal: impl FnOnce(AuditPlace) -> Mac) -> Result<StoredPlace> {
    let place = place(row)?;
    Ok(StoredPlace { place, genuine: code(row, "seal")? == seal(place) })
}

/// An event. What the server cannot have written becomes an event that its code does not fit, so that a look at the
/// chain finds it in its place.
pub(super) fn event(row: &SqliteRow, account: &AccountId) -> AuditEvent {
    strict_event(row).unwrap_or_else(|_| {
        let call =
            AuditedCall::new(account.clone(), String::new(), String::new(), String::new(), &RequestId::generate());
        let record = AuditRecord { kind: AuditKind::Damage, ..AuditRecord::intent(call) };
        AuditEvent { sequence: count(row, "sequence").unwrap_or(0), record, mac: [0; MAC_LENGTH] }
    })
}

fn strict_event(row: &SqliteRow) -> Result<AuditEvent> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(failed);
    let kind = text("kind")?;
    let call = AuditedCall {
        account: AccountId::from_stored(text("account")?),
        actor: text("actor")?,
        address: text("address")?,
        method: text("method")?,
        request_id: text("request_id")?,
        resources: items(&text("resources")?)?,
        parameters: items(&text("parameters")?)?,
    };
    let record = AuditRecord {
        time: Timestamp::from_micros(row.try_get("time").map_err(failed)?),
        kind: AuditKind::parse(&kind).ok_or_else(|| unreadable("audit event", format!("kind {kind}")))?,
        intent: count(row, "intent")?,
        call,
        code: text("code")?,
        reason: text("reason")?,
        versions: items(&text("versions")?)?,
        left_out: count(row, "left_out")?,
    };
    let AuditPlace { sequence, mac } = place(row)?;
    Ok(AuditEvent { sequence, record, mac })
}

fn count(row: &SqliteRow, column: &str) -> Result<u64> {
    let stored: i64 = row.try_get(column).map_err(failed)?;
    u64::try_from(stored).map_err(|cause| unreadable("audit event", cause))
}

/// A code of another length was not written by the server: no event has the code that stands for it here.
fn code(row: &SqliteRow, column: &str) -> Result<Mac> {
    let bytes: Vec<u8> = row.try_get(column).map_err(failed)?;
    Ok(bytes.try_into().unwrap_or([0; MAC_LENGTH]))
}
