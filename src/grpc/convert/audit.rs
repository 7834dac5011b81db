//! Audit events and what is asked about them.

use super::time::{timestamp, timestamp_from_proto};
use crate::{
    grpc::proto::v1,
    model::{
        Error, Result,
        audit::{AuditCompletion, AuditEvent, AuditFilter, AuditKind, AuditPlace, AuditProblem, AuditVerification},
    },
};

/// Longest actor, method or resource in a filter.
const LONGEST: usize = 256;

/// An event, and what became of its call where that is told.
pub fn event(event: AuditEvent, completion: Option<AuditCompletion>) -> v1::AuditEvent {
    let AuditEvent { sequence, record, mac } = event;
    let versions = record.versions.iter().filter_map(|version| version.split_once(' '));
    let mut message = v1::AuditEvent {
        sequence,
        time: Some(timestamp(record.time)),
        kind: kind(record.kind).into(),
        actor: record.call.actor,
        address: record.call.address,
        method: record.call.method,
        request_id: record.call.request_id,
        resources: record.call.resources,
        parameters: record.call.parameters,
        code: record.code,
        reason: record.reason,
        versions: versions
            .map(|(name, etag)| v1::AuditedVersion { name: name.to_owned(), etag: etag.to_owned() })
            .collect(),
        intent_sequence: record.intent,
        completion: v1::AuditCompletion::Unspecified.into(),
        outcome_sequence: 0,
        left_out: record.left_out,
        mac: mac.to_vec(),
    };
    let completed = match completion {
        None => return message,
        Some(AuditCompletion::Running) => v1::AuditCompletion::Running,
        Some(AuditCompletion::Unknown) => v1::AuditCompletion::Unknown,
        Some(AuditCompletion::Ended { sequence, code, reason }) => {
            (message.outcome_sequence, message.code, message.reason) = (sequence, code, reason);
            v1::AuditCompletion::Ended
        }
    };
    message.completion = completed.into();
    message
}

fn kind(kind: AuditKind) -> v1::AuditEventKind {
    match kind {
        AuditKind::Intent => v1::AuditEventKind::Intent,
        AuditKind::Outcome => v1::AuditEventKind::Outcome,
        AuditKind::Refusal => v1::AuditEventKind::Refusal,
        AuditKind::LeftOut => v1::AuditEventKind::LeftOut,
        AuditKind::Damage => v1::AuditEventKind::Damage,
    }
}

/// A place in the log.
pub fn head(place: AuditPlace) -> v1::AuditHead {
    v1::AuditHead { sequence: place.sequence, mac: place.mac.to_vec() }
}

/// A head that a caller noted before.
pub fn head_from_proto(head: v1::AuditHead, field: &str) -> Result<AuditPlace> {
    let mac = head.mac.try_into().map_err(|_| {
        Error::invalid_field(&format!("{field}.mac"), "must be the 32 bytes of the head that was noted")
    })?;
    Ok(AuditPlace { sequence: head.sequence, mac })
}

/// Which events are listed.
pub fn filter_from_proto(message: &v1::ListAuditEventsRequest) -> Result<AuditFilter> {
    let moment = |moment: Option<prost_types::Timestamp>, field: &str| {
        moment.map(|moment| timestamp_from_proto(moment, field)).transpose()
    };
    Ok(AuditFilter {
        from: moment(message.start_time, "start_time")?,
        until: moment(message.end_time, "end_time")?,
        actor: text(&message.actor, "actor", |character| !character.is_control(), "printable characters")?,
        method: text(&message.method, "method", is_of_method, "letters, digits, '.' and '/'")?,
        resource: text(&message.resource, "resource", is_of_resource, "letters, digits, '-' and '/'")?,
    })
}

fn is_of_method(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '/')
}

fn is_of_resource(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '/')
}

fn text(text: &str, field: &str, allowed: impl Fn(char) -> bool, what: &str) -> Result<Option<String>> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > LONGEST || !text.chars().all(allowed) {
        return Err(Error::invalid_field(field, format!("must be {what}, {LONGEST} at most")));
    }
    Ok(Some(text.to_owned()))
}

/// What a look at the whole log came to.
pub fn verification(found: AuditVerification) -> v1::VerifyAuditLogResponse {
    let (first_bad_sequence, problem, description) = match found.bad {
        None => (0, v1::AuditProblem::Unspecified, String::new()),
        Some((sequence, wrong)) => {
            let (problem, text) = problem(wrong);
            (sequence, problem, format!("event {sequence}: {text}"))
        }
    };
    v1::VerifyAuditLogResponse {
        intact: found.bad.is_none(),
        head: Some(head(found.head)),
        removed_sequence: found.removed_until,
        first_bad_sequence,
        problem: problem.into(),
        description,
        expected_head_compared: found.compared,
    }
}

fn problem(problem: AuditProblem) -> (v1::AuditProblem, &'static str) {
    match problem {
        AuditProblem::Missing => (v1::AuditProblem::Missing, "it is missing"),
        AuditProblem::Altered => (v1::AuditProblem::Altered, "it is not as it was written"),
        AuditProblem::HeadAltered => (
            v1::AuditProblem::HeadAltered,
            "the note of the last event was altered, events may be missing from here on",
        ),
        AuditProblem::CheckpointAltered => {
            (v1::AuditProblem::CheckpointAltered, "the note of how far old events were removed was altered")
        }
        AuditProblem::Truncated => (v1::AuditProblem::Truncated, "the log ends before the expected head"),
        AuditProblem::HeadDiffers => (v1::AuditProblem::HeadDiffers, "it is not the one of the expected head"),
        AuditProblem::DamageNoted => {
            (v1::AuditProblem::DamageNoted, "the server found the end of the log altered when it wrote this event")
        }
    }
}
