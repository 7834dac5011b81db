//! Rates of counters, only from two values between which the counter did not start anew.

use std::sync::Arc;

use super::{
    prefixes::NamePrefixes,
    reading::{Reading, Series},
};
use crate::model::metric::{Metric, MetricKind, Sample};

/// Makes the sample that one reader gets. `previous` is the reading that the same reader got before, so that each has
/// the change since its own last sample, however often the sampler looked in between.
pub(super) fn sample(previous: Option<&Arc<Reading>>, current: &Reading, prefixes: &NamePrefixes) -> Sample {
    let wanted = current.series.iter().filter(|series| prefixes.contain(series.point.name));
    let metrics = wanted.map(|series| metric(previous.and_then(|reading| reading.find(&series.point)), series));
    Sample {
        taken: current.taken,
        duration: current.duration,
        metrics: metrics.collect(),
        skipped: current.skipped.clone(),
    }
}

fn metric(previous: Option<&Series>, current: &Series) -> Metric {
    let rate = rate(previous, current);
    let reset = current.point.kind == MetricKind::Counter && rate.is_none();
    Metric { point: current.point.clone(), rate, reset }
}

/// Change a second since `previous`. A value that was carried over keeps the rate that it had when it was read, and so
/// does a series that the reader sees for the first time. None where the run of the counter is another or has only begun.
fn rate(previous: Option<&Series>, current: &Series) -> Option<f64> {
    let (value, read_at) = match previous {
        Some(previous) if previous.run_began != current.run_began => return None,
        Some(previous) if previous.read_at < current.read_at => (previous.point.value, previous.read_at),
        _ => current.before?,
    };
    let elapsed = current.read_at.duration_since(read_at).as_secs_f64();
    (elapsed > 0.0).then(|| (current.point.value - value) / elapsed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        model::{
            Timestamp,
            metric::{Point, RawSample, SampleTiers},
        },
        service::monitor::reading::{History, Taken},
    };

    /// One look: the value with its epoch (absent: the series is missing), and the milliseconds since the look before.
    type Look = (Option<(u32, i64)>, u64);

    fn readings(looks: &[Look]) -> Vec<Arc<Reading>> {
        let mut history = History::default();
        let mut started = Instant::now();
        let mut readings = Vec::new();
        for (value, pause) in looks {
            started += Duration::from_millis(*pause);
            let point = value.map(|(value, epoch)| Point {
                name: "commits",
                unit: "1",
                kind: MetricKind::Counter,
                attributes: Vec::new(),
                value: f64::from(value),
                epoch: Some(Timestamp::from_micros(epoch)),
            });
            let raw = RawSample { points: point.into_iter().collect(), skipped: Vec::new() };
            let taken = Taken { at: Timestamp::from_micros(0), started, duration: Duration::ZERO };
            // The first look without the costly tier, so that the name counts as a frequent one from the start.
            readings.push(history.advance(raw, SampleTiers { tables: false }, taken));
        }
        readings
    }

    fn metric_of(previous: Option<&Arc<Reading>>, current: &Reading) -> Option<Metric> {
        sample(previous, current, &NamePrefixes::default()).metrics.pop()
    }

    fn looks() -> impl Strategy<Value = Vec<Look>> {
        let value = proptest::option::weighted(0.9, (0_u32..1_000, 0_i64..2));
        proptest::collection::vec((value, 1_u64..5_000), 2..30)
    }

    /// A value follows another where none in between is missing, smaller than its predecessor or of another epoch.
    fn one_run(looks: &[Look]) -> bool {
        looks.windows(2).all(|pair| match (pair[0].0, pair[1].0) {
            (Some((old, old_epoch)), Some((new, new_epoch))) => new >= old && new_epoch == old_epoch,
            _ => false,
        })
    }

    proptest! {
        #[test]
        fn two_samples_of_one_run_give_the_change_a_second_and_any_others_a_reset(
            looks in looks(), first in any::<prop::sample::Index>(), second in any::<prop::sample::Index>(),
        ) {
            let (first, second) = (first.index(looks.len()), second.index(looks.len()));
            prop_assume!(first < second);
            let readings = readings(&looks);
            let (Some((old, _)), Some((new, _))) = (looks[first].0, looks[second].0) else { return Ok(()) };

            let metric = metric_of(Some(&readings[first]), &readings[second]).unwrap();
            if one_run(&looks[first..=second]) {
                let millis: u64 = looks[first + 1..=second].iter().map(|(_, pause)| pause).sum();
                let expected = f64::from(new - old) / (millis as f64 / 1_000.0);
                let rate = metric.rate.unwrap();
                prop_assert!((rate - expected).abs() <= 1e-6 * expected.max(1.0), "{} for {}", rate, expected);
                prop_assert!(!metric.reset);
            } else {
                prop_assert_eq!(metric.rate, None);
                prop_assert!(metric.reset);
            }
        }

        #[test]
        fn no_rate_is_ever_negative_or_not_a_number(looks in looks()) {
            let readings = readings(&looks);
            for (index, reading) in readings.iter().enumerate() {
                let previous = index.checked_sub(1).map(|index| &readings[index]);
                for metric in [metric_of(previous, reading), metric_of(None, reading)].into_iter().flatten() {
                    prop_assert!(metric.rate.is_none_or(|rate| rate >= 0.0 && rate.is_finite()));
                    prop_assert_eq!(metric.reset, metric.rate.is_none());
                }
            }
        }
    }

    #[test]
    fn the_first_value_is_a_reset() {
        let readings = readings(&[(Some((5, 0)), 1)]);
        let metric = metric_of(None, &readings[0]).unwrap();
        assert_eq!((metric.rate, metric.reset), (None, true));
    }

    #[test]
    fn a_reader_that_joins_later_has_the_rate_at_once() {
        let readings = readings(&[(Some((5, 0)), 1), (Some((25, 0)), 2_000)]);
        assert_eq!(metric_of(None, &readings[1]).unwrap().rate, Some(10.0));
    }

    #[test]
    fn a_counter_that_started_anew_and_overtook_its_old_value_is_a_reset() {
        let readings = readings(&[(Some((5, 0)), 1), (Some((1, 0)), 1_000), (Some((50, 0)), 1_000)]);
        let metric = metric_of(Some(&readings[0]), &readings[2]).unwrap();
        assert_eq!((metric.rate, metric.reset), (None, true));
    }

    #[test]
    fn a_value_that_was_carried_over_keeps_the_rate_of_its_own_readings() {
        let mut history = History::default();
        let start = Instant::now();
        let look = |history: &mut History, second, value: Option<f64>| {
            let started = start + Duration::from_secs(second);
            let point = value.map(|value| Point {
                name: "table.scans",
                unit: "1",
                kind: MetricKind::Counter,
                attributes: Vec::new(),
                value,
                epoch: None,
            });
            let tiers = SampleTiers { tables: point.is_some() };
            let raw = RawSample { points: point.into_iter().collect(), skipped: Vec::new() };
            let taken = Taken { at: Timestamp::from_micros(0), started, duration: Duration::ZERO };
            history.advance(raw, tiers, taken)
        };
        look(&mut history, 0, Some(100.0));
        let before = look(&mut history, 300, Some(400.0));
        let carried = look(&mut history, 301, None);
        assert_eq!(metric_of(Some(&before), &carried).unwrap().rate, Some(1.0));
    }
}
