//! Moments and spans of time.

use std::{ops::RangeInclusive, time::Duration};

use crate::model::{Error, Result, Timestamp};

const MICROS: i64 = 1_000_000;

/// A moment.
pub fn timestamp(moment: Timestamp) -> prost_types::Timestamp {
    let micros = moment.as_micros();
    let nanos = micros.rem_euclid(MICROS) * 1000;
    prost_types::Timestamp { seconds: micros.div_euclid(MICROS), nanos: i32::try_from(nanos).unwrap_or(0) }
}

/// A moment of a request.
pub fn timestamp_from_proto(moment: prost_types::Timestamp, field: &str) -> Result<Timestamp> {
    let in_range = (0..1_000_000_000).contains(&moment.nanos);
    moment
        .seconds
        .checked_mul(MICROS)
        .filter(|_| in_range)
        .map(|micros| Timestamp::from_micros(micros.saturating_add(i64::from(moment.nanos) / 1000)))
        .ok_or_else(|| Error::invalid_field(field, "is not a moment: nanos must be 0 to 999,999,999"))
}

/// A span of time.
pub fn duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
    }
}

/// A span of time of a request that must lie in a range; absent stays absent.
pub fn duration_from_proto(
    span: Option<prost_types::Duration>,
    range: RangeInclusive<Duration>,
    field: &str,
) -> Result<Option<Duration>> {
    let Some(span) = span else { return Ok(None) };
    let outside = || {
        let (least, most) = (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
        Error::invalid_field(field, format!("must be {least} to {most}"))
    };
    let seconds = u64::try_from(span.seconds).map_err(|_| outside())?;
    let nanos = u32::try_from(span.nanos).ok().filter(|nanos| *nanos < 1_000_000_000).ok_or_else(outside)?;
    let span = Duration::new(seconds, nanos);
    if range.contains(&span) { Ok(Some(span)) } else { Err(outside()) }
}

/// A span whose limits are the business of a service; absent and zero stand for its default.
pub fn duration_or_default(span: Option<prost_types::Duration>, field: &str) -> Result<Option<Duration>> {
    duration_from_proto(span, Duration::ZERO..=Duration::MAX, field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_before_the_epoch_has_positive_nanos() {
        let moment = Timestamp::from_micros(-1);
        let proto = timestamp(moment);
        assert_eq!((proto.seconds, proto.nanos), (-1, 999_999_000));
        assert_eq!(timestamp_from_proto(proto, "f").unwrap(), moment);
    }

    #[test]
    fn a_span_outside_its_range_names_field_and_range() {
        let range = Duration::from_millis(100)..=Duration::from_secs(300);
        for (seconds, nanos) in [(-1, 0), (0, 1), (301, 0), (1, -1), (1, 1_000_000_000)] {
            let span = prost_types::Duration { seconds, nanos };
            let error = duration_from_proto(Some(span), range.clone(), "pool.acquire_timeout").unwrap_err();
            assert_eq!(error.message(), "pool.acquire_timeout: must be 100ms to 5m");
        }
        assert_eq!(duration_from_proto(None, range, "f").unwrap(), None);
    }
}
