//! The id of a call: the caller's own where it is usable, else a new one. It goes back in the headers.

use http::{HeaderMap, HeaderName};

use crate::model::RequestId;

/// The header in both directions.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the call with these headers.
pub(super) fn of(headers: &HeaderMap) -> RequestId {
    let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).and_then(RequestId::parse);
    given.unwrap_or_else(RequestId::generate)
}
