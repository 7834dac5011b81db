//! Until when the answer to a call is of use: what the caller says in `grpc-timeout`, within our own bounds.

use std::time::{Duration, Instant};

use http::HeaderMap;

use crate::{
    grpc::{options::MethodPolicy, settings::ServerSettings},
    model::{Error, Reason, Result},
};

/// The deadline of a call that begins now. A stream has one only where its caller asks for it.
pub(super) fn of(headers: &HeaderMap, policy: &MethodPolicy, settings: &ServerSettings) -> Result<Option<Instant>> {
    let asked = match headers.get("grpc-timeout") {
        None => None,
        Some(value) => Some(value.to_str().ok().and_then(parse).ok_or_else(|| {
            Error::invalid_field("grpc-timeout", "must be 1 to 8 digits and a unit of H, M, S, m, u or n")
        })?),
    };
    let allowed = if policy.server_streaming {
        asked
    } else {
        Some(asked.unwrap_or(settings.default_deadline).min(settings.max_deadline))
    };
    // A deadline so far away that the clock cannot hold it is none.
    Ok(allowed.and_then(|span| Instant::now().checked_add(span)))
}

/// Waits until the deadline has passed; for ever where there is none.
pub(in crate::grpc) async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// The error of a call whose deadline has passed.
pub(in crate::grpc) fn deadline_exceeded() -> Error {
    Error::new(
        Reason::DeadlineExceeded,
        "the deadline of the call passed before the answer was ready; allow it more time",
    )
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        assert_eq!(parse("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse("3M"), Some(Duration::from_secs(180)));
        assert_eq!(parse("4S"), Some(Duration::from_secs(4)));
        assert_eq!(parse("5m"), Some(Duration::from_millis(5)));
        assert_eq!(parse("6u"), Some(Duration::from_micros(6)));
        assert_eq!(parse("99999999n"), Some(Duration::from_nanos(99_999_999)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "S", "1", "1s", "-1S", "123456789S", "1.5S", "1 S", "é"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
