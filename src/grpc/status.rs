//! The only place where an error becomes a gRPC status.
//!
//! Every status carries ErrorInfo with the reason and the request id, so that a program need not read
//! prose and a person can find the log line. What lies behind the error goes to the log alone.

use std::{collections::HashMap, error::Error as StdError, time::Duration};

use http::{HeaderMap, HeaderValue};
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status, body::Body};
use tonic_types::pb;

use super::convert::{operation::statement_failure, time::duration};
use crate::model::{Detail, Error, ErrorKind, Reason, RequestId};

/// The `domain` of every ErrorInfo.
pub const DOMAIN: &str = "dbkeeper";
/// When to try again, where the error does not say.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);
/// Details travel in a header; beyond this a client or a proxy drops the whole answer.
const MAX_DETAIL_TEXT: usize = 2000;
/// The whole statement is in the operation's error, which has no such bound.
const MAX_STATEMENT_TEXT: usize = 500;

/// The gRPC code of a sort of error.
pub fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidArgument => Code::InvalidArgument,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::Aborted => Code::Aborted,
        ErrorKind::FailedPrecondition => Code::FailedPrecondition,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::ResourceExhausted => Code::ResourceExhausted,
        ErrorKind::Unimplemented => Code::Unimplemented,
        ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::DataLoss => Code::DataLoss,
        ErrorKind::Internal => Code::Internal,
    }
}

/// Turns an error into a status, and writes the one log line of the failure.
pub fn from_error(error: &Error, request_id: &RequestId) -> Status {
    log(error, request_id);
    let code = code(error.kind());
    let message = cut(error.message());
    let details = pb::Status { code: code as i32, message: message.clone(), details: details(error, request_id) };
    Status::with_details(code, message, details.encode_to_vec().into())
}

/// An answer that consists of a status alone.
pub fn response(error: &Error, request_id: &RequestId) -> http::Response<Body> {
    from_error(error, request_id).into_http()
}

/// The error behind a status that tonic made before a handler was reached: such a status has no details.
/// Absent where the answer is no error, is one of ours, or must stay as tonic made it.
pub fn error_made_by_tonic(headers: &HeaderMap) -> Option<Error> {
    let status = headers.get(Status::GRPC_STATUS)?;
    if headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return None;
    }
    match code_of(status) {
        Code::Ok => None,
        Code::OutOfRange | Code::ResourceExhausted => Some(Error::new(
            Reason::MessageTooLarge,
            "the message is larger than this server takes; send less in one call",
        )),
        // The client is told by `grpc-accept-encoding` which encodings it may use, as gRPC demands.
        Code::Unimplemented if headers.contains_key("grpc-accept-encoding") => None,
        Code::Unimplemented => Some(unknown_method()),
        _ => Some(Error::new(
            Reason::MessageInvalid,
            "the message cannot be decoded; generate the client from the same version of the contract",
        )),
    }
}

/// No such method.
pub fn unknown_method() -> Error {
    Error::new(
        Reason::MethodUnknown,
        "this server has no such method; list what it has by reflection, or update server or client",
    )
}

/// The code in a `grpc-status` header or trailer.
pub fn code_of(value: &HeaderValue) -> Code {
    Code::from_bytes(value.as_bytes())
}

/// The reason in the ErrorInfo of a status, where it has one.
pub fn reason_of(status: &Status) -> Option<String> {
    use tonic_types::StatusExt;
    status.get_details_error_info().map(|info| info.reason)
}

fn log(error: &Error, request_id: &RequestId) {
    let (reason, code) = (error.reason().as_str(), code(error.kind()));
    let cause = error.source().map(chain).unwrap_or_default();
    match error.kind() {
        ErrorKind::Internal | ErrorKind::DataLoss => {
            tracing::error!(%request_id, reason, ?code, text = error.message(), cause, "call failed");
        }
        // Whoever floods the server must not flood its log.
        ErrorKind::ResourceExhausted if error.reason() == Reason::RateLimited => {
            tracing::debug!(%request_id, reason, ?code, text = error.message(), "call failed");
        }
        _ => tracing::info!(%request_id, reason, ?code, text = error.message(), cause, "call failed"),
    }
}

fn chain(source: &dyn StdError) -> String {
    let mut text = source.to_string();
    let mut next = source.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn details(error: &Error, request_id: &RequestId) -> Vec<Any> {
    let mut info = pb::ErrorInfo {
        reason: error.reason().as_str().to_owned(),
        domain: DOMAIN.to_owned(),
        metadata: HashMap::from([("request_id".to_owned(), request_id.to_string())]),
    };
    let mut bad_request = pb::BadRequest::default();
    let mut preconditions = pb::PreconditionFailure::default();
    let mut quota = pb::QuotaFailure::default();
    let mut retry = needs_retry(error.reason()).then_some(DEFAULT_RETRY);
    let mut others = Vec::new();
    for detail in error.details() {
        match detail {
            Detail::Field { field, description } => {
                bad_request.field_violations.push(pb::bad_request::FieldViolation {
                    field: field.clone(),
                    description: description.clone(),
                    ..Default::default()
                });
            }
            Detail::Precondition { kind, subject, description } => {
                preconditions.violations.push(pb::precondition_failure::Violation {
                    r#type: (*kind).to_owned(),
                    subject: subject.clone(),
                    description: description.clone(),
                });
            }
            Detail::RetryAfter(delay) => retry = Some(*delay),
            Detail::Resource { kind, name } => others.push(packed(
                "google.rpc.ResourceInfo",
                &pb::ResourceInfo {
                    resource_type: (*kind).to_owned(),
                    resource_name: name.clone(),
                    ..Default::default()
                },
            )),
            Detail::Quota { subject, description } => quota.violations.push(pb::quota_failure::Violation {
                subject: subject.clone(),
                description: description.clone(),
                ..Default::default()
            }),
            Detail::Metadata(key, value) => {
                info.metadata.insert((*key).to_owned(), cut(value));
            }
            Detail::Statement(failure) => {
                info.metadata.insert("sql_state".to_owned(), failure.sql_state.clone());
                info.metadata.insert("vendor_code".to_owned(), failure.vendor_code.to_string());
                info.metadata.insert("file".to_owned(), cut(&failure.file));
                info.metadata.insert("statement_index".to_owned(), failure.statement_index.to_string());
                let mut failure = statement_failure(failure);
                failure.statement = cut_to(&failure.statement, MAX_STATEMENT_TEXT);
                failure.message = cut(&failure.message);
                others.push(packed("dbkeeper.v1.StatementFailure", &failure));
            }
        }
    }
    let mut details = vec![packed("google.rpc.ErrorInfo", &info)];
    if !bad_request.field_violations.is_empty() {
        details.push(packed("google.rpc.BadRequest", &bad_request));
    }
    if !preconditions.violations.is_empty() {
        details.push(packed("google.rpc.PreconditionFailure", &preconditions));
    }
    if !quota.violations.is_empty() {
        details.push(packed("google.rpc.QuotaFailure", &quota));
    }
    if let Some(delay) = retry {
        details.push(packed("google.rpc.RetryInfo", &pb::RetryInfo { retry_delay: Some(duration(delay)) }));
    }
    details.append(&mut others);
    details
}

/// Whether the same call may work in a moment. A disk does not grow by itself, nor does a message shrink.
fn needs_retry(reason: Reason) -> bool {
    matches!(reason.kind(), ErrorKind::Unavailable | ErrorKind::ResourceExhausted)
        && !matches!(reason, Reason::StorageFull | Reason::MessageTooLarge)
}

fn packed(name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec() }
}

fn cut(text: &str) -> String {
    cut_to(text, MAX_DETAIL_TEXT)
}

fn cut_to(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;
    use crate::{grpc::proto::v1, model::StatementFailure};

    fn status(error: Error) -> Status {
        from_error(&error, &RequestId::parse("call-1").unwrap())
    }

    #[test]
    fn a_field_at_fault_is_named_in_bad_request() {
        let status = status(Error::invalid_field("page_size", "must not be negative"));
        let details = status.get_error_details();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "page_size");
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("INVALID_FIELD", DOMAIN));
        assert_eq!(info.metadata["request_id"], "call-1");
    }

    #[test]
    fn what_may_work_in_a_moment_says_when() {
        for reason in Reason::ALL.iter().filter(|reason| needs_retry(**reason)) {
            let details = status(Error::new(*reason, "no")).get_error_details();
            assert_eq!(details.retry_info().unwrap().retry_delay, Some(DEFAULT_RETRY), "{reason:?}");
        }
        let full = status(Error::new(Reason::StorageFull, "no"));
        assert!(full.get_details_retry_info().is_none(), "a repeat would not help");
        let asked = Error::new(Reason::PoolExhausted, "no").with(Detail::RetryAfter(Duration::from_secs(7)));
        assert_eq!(status(asked).get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_failed_statement_is_a_detail_of_its_own() {
        let failure = StatementFailure {
            file: "1_a.sql".to_owned(),
            statement_index: 3,
            sql_state: "42601".to_owned(),
            ..Default::default()
        };
        let status = status(Error::new(Reason::StatementFailed, "no").with(Detail::Statement(failure)));
        let packed = pb::Status::decode(status.details()).unwrap();
        let detail =
            packed.details.iter().find(|detail| detail.type_url.ends_with("/dbkeeper.v1.StatementFailure")).unwrap();
        let failure = v1::StatementFailure::decode(detail.value.as_slice()).unwrap();
        assert_eq!((failure.statement_index, failure.sql_state.as_str()), (3, "42601"));
        assert_eq!(status.get_details_error_info().unwrap().metadata["sql_state"], "42601");
    }

    #[test]
    fn a_cause_never_leaves_the_server() {
        let status = status(Error::internal("password=hunter2"));
        let everything = format!("{} {:?}", status.message(), status.details());
        assert!(!everything.contains("hunter2"));
        assert!(!String::from_utf8_lossy(status.details()).contains("hunter2"));
    }
}
