//! What a refusal must look like: code, reason, details, and a text that a person can act on.

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Asserts code and reason, and what every refusal has: our domain, a request id and a text.
#[track_caller]
pub(super) fn assert_refused(status: &Status, code: Code, reason: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, "dbkeeper"), "{}", status.message());
    assert!(!info.metadata["request_id"].is_empty(), "{info:?}");
    assert!(status.message().len() > 10, "{:?} says nothing", status.message());
    if matches!(code, Code::Unavailable | Code::ResourceExhausted) {
        let may_work_in_a_moment = !matches!(reason, "STORAGE_FULL" | "MESSAGE_TOO_LARGE");
        let retry = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
        assert_eq!(retry.is_some_and(|delay| !delay.is_zero()), may_work_in_a_moment, "when to try again: {status:?}");
    }
    // What a program has to know beside the reason.
    match reason {
        "PAGE_TOKEN_INVALID" => assert_field(status, "page_token", "begin again"),
        "TARGET_NOT_EMPTY" => assert!(status.get_details_precondition_failure().is_some(), "of what: {status:?}"),
        _ => {}
    }
}

/// Asserts a refusal of one field of the request, and that the text says what it must be.
#[track_caller]
pub(super) fn assert_field(status: &Status, field: &str, cure: &str) {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let bad_request = status.get_details_bad_request().unwrap_or_else(|| panic!("no BadRequest: {status:?}"));
    let violation = bad_request.field_violations.iter().find(|violation| violation.field == field);
    let violation = violation.unwrap_or_else(|| panic!("{field} is not named: {bad_request:?}"));
    assert!(violation.description.contains(cure), "{:?} does not say {cure:?}", violation.description);
    assert_says(status, cure);
}

/// Asserts that the text tells what to do.
#[track_caller]
pub(super) fn assert_says(status: &Status, words: &str) {
    assert!(status.message().contains(words), "{:?} does not say {words:?}", status.message());
}

/// Asserts that a secret is nowhere in a refusal, details included.
#[track_caller]
pub(super) fn assert_no_leak(status: &Status, secret: &str) {
    let details = String::from_utf8_lossy(status.details()).into_owned();
    assert!(!status.message().contains(secret) && !details.contains(secret), "{status:?}");
}
