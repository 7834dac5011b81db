//! What a sampler remembers between two looks at a database.
//!
//! A series of a counter consists of runs: a run goes on while the value does not fall and its epoch stays the
//! same. Only two values of one run make a rate, so each value carries the moment at which its run began.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::model::{
    Timestamp,
    metric::{MetricKind, Point, RawSample, SampleTiers},
    schema::Skipped,
};

/// One series at the moment of a reading.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// The value that was read last.
    pub(super) point: Point,
    /// When it was read; earlier than the reading where the value was carried over.
    pub(super) read_at: Instant,
    /// When the run that it belongs to began.
    pub(super) run_began: Instant,
    /// The value of the same run that was read before it, and when.
    pub(super) before: Option<(f64, Instant)>,
}

impl Series {
    fn begin(point: Point, read_at: Instant) -> Self {
        Self { point, read_at, run_began: read_at, before: None }
    }

    fn follow(&self, point: Point, read_at: Instant) -> Self {
        if !continues(&self.point, &point) {
            return Self::begin(point, read_at);
        }
        Self { before: Some((self.point.value, self.read_at)), run_began: self.run_began, point, read_at }
    }
}

fn continues(old: &Point, new: &Point) -> bool {
    old.kind == MetricKind::Counter
        && new.kind == MetricKind::Counter
        && old.epoch == new.epoch
        && old.value.is_finite()
        && new.value.is_finite()
        && new.value >= old.value
}

/// A sample with what is needed to make rates from it and a later one.
#[derive(Debug)]
pub(super) struct Reading {
    /// When it was begun, by the clock of the world.
    pub(super) taken: Timestamp,
    /// When it was begun, by the clock that intervals are measured with.
    pub(super) started: Instant,
    /// How long it took.
    pub(super) duration: Duration,
    /// The series by name and attributes, each once.
    pub(super) series: Vec<Series>,
    /// Groups that could not be read.
    pub(super) skipped: Vec<Skipped>,
}

impl Reading {
    /// The series of the same name and attributes.
    pub(super) fn find(&self, point: &Point) -> Option<&Series> {
        let found = self.series.binary_search_by(|series| key(&series.point).cmp(&key(point))).ok()?;
        self.series.get(found)
    }
}

type SeriesKey<'a> = (&'static str, &'a [(&'static str, String)]);

fn key(point: &Point) -> SeriesKey<'_> {
    (point.name, &point.attributes)
}

/// The moments of one look at a database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    /// By the clock of the world.
    pub(super) at: Timestamp,
    /// By the clock that intervals are measured with.
    pub(super) started: Instant,
    /// How long it took.
    pub(super) duration: Duration,
}

/// The last reading, and which series belong to the costly tier.
///
/// An engine does not say of a value which tier it is of. A name that was ever seen without the costly tier is of the
/// frequent one, and is dropped as soon as it is missing; any other name is kept until the costly tier is read again.
#[derive(Debug, Default)]
pub(super) struct History {
    latest: Option<Arc<Reading>>,
    frequent_names: BTreeSet<&'static str>,
    frequent_skips: BTreeSet<String>,
    tables_read: Option<Instant>,
}

impl History {
    /// Which tiers are due.
    pub(super) fn due_tiers(&self, now: Instant, tables_interval: Duration) -> SampleTiers {
        SampleTiers { tables: self.tables_read.is_none_or(|read| now.duration_since(read) >= tables_interval) }
    }

    /// Takes a sample in and returns it together with what is carried over.
    pub(super) fn advance(&mut self, raw: RawSample, tiers: SampleTiers, taken: Taken) -> Arc<Reading> {
        let RawSample { mut points, mut skipped } = raw;
        points.sort_by(|left, right| key(left).cmp(&key(right)));
        // A duplicate is the fault of an engine's query and must not cost the whole sample.
        points.dedup_by(|later, earlier| key(later) == key(earlier));

        if tiers.tables {
            self.tables_read = Some(taken.started);
        } else {
            self.frequent_names.extend(points.iter().map(|point| point.name));
            self.frequent_skips.extend(skipped.iter().map(|skip| skip.subject.clone()));
        }
        let mut series: Vec<Series> = points.into_iter().map(|point| self.follow(point, taken.started)).collect();
        if !tiers.tables {
            self.carry_over(&mut series, &mut skipped);
        }
        let reading =
            Arc::new(Reading { taken: taken.at, started: taken.started, duration: taken.duration, series, skipped });
        self.latest = Some(Arc::clone(&reading));
        reading
    }

    fn follow(&self, point: Point, read_at: Instant) -> Series {
        match self.latest.as_ref().and_then(|latest| latest.find(&point)) {
            Some(before) => before.follow(point, read_at),
            None => Series::begin(point, read_at),
        }
    }

    fn carry_over(&self, series: &mut Vec<Series>, skipped: &mut Vec<Skipped>) {
        let Some(latest) = &self.latest else { return };
        let kept = latest.series.iter().filter(|old| !self.frequent_names.contains(old.point.name));
        series.extend(kept.cloned());
        series.sort_by(|left, right| key(&left.point).cmp(&key(&right.point)));
        let kept = latest.skipped.iter().filter(|old| !self.frequent_skips.contains(&old.subject));
        skipped.extend(kept.cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES_INTERVAL: Duration = Duration::from_secs(300);

    fn gauge(name: &'static str, table: &str, value: f64) -> Point {
        let attributes = if table.is_empty() { Vec::new() } else { vec![("table", table.to_owned())] };
        Point { name, unit: "1", kind: MetricKind::Gauge, attributes, value, epoch: None }
    }

    fn look(history: &mut History, start: Instant, second: u64, raw: RawSample) -> Arc<Reading> {
        let started = start + Duration::from_secs(second);
        let tiers = history.due_tiers(started, TABLES_INTERVAL);
        let at = Timestamp::from_micros(i64::try_from(second).unwrap() * 1_000_000);
        history.advance(raw, tiers, Taken { at, started, duration: Duration::ZERO })
    }

    fn sample(points: Vec<Point>) -> RawSample {
        RawSample { points, skipped: Vec::new() }
    }

    fn names(reading: &Reading) -> Vec<String> {
        let name = |series: &Series| match series.point.attributes.first() {
            Some((_, table)) => format!("{} {table}", series.point.name),
            None => series.point.name.to_owned(),
        };
        reading.series.iter().map(name).collect()
    }

    #[test]
    fn tables_are_due_first_and_again_after_their_interval() {
        let (mut history, start) = (History::default(), Instant::now());
        assert!(history.due_tiers(start, TABLES_INTERVAL).tables);
        look(&mut history, start, 0, sample(vec![]));
        assert!(!history.due_tiers(start + Duration::from_secs(299), TABLES_INTERVAL).tables);
        assert!(history.due_tiers(start + Duration::from_secs(300), TABLES_INTERVAL).tables);
    }

    #[test]
    fn values_of_the_costly_tier_are_carried_over_until_it_is_read_again() {
        let (mut history, start) = (History::default(), Instant::now());
        look(&mut history, start, 0, sample(vec![gauge("table.size", "film", 7.0), gauge("backends", "", 3.0)]));
        let second = look(&mut history, start, 1, sample(vec![gauge("backends", "", 4.0)]));
        assert_eq!(names(&second), ["backends", "table.size film"]);
        assert_eq!(second.series[1].read_at, start, "the value is as old as its reading");

        let later = look(&mut history, start, 300, sample(vec![gauge("backends", "", 4.0)]));
        assert_eq!(names(&later), ["backends"], "the table is gone");
    }

    #[test]
    fn a_frequent_series_that_disappears_is_not_carried_over() {
        let (mut history, start) = (History::default(), Instant::now());
        look(&mut history, start, 0, sample(vec![gauge("lag", "a", 1.0), gauge("lag", "b", 1.0)]));
        look(&mut history, start, 1, sample(vec![gauge("lag", "a", 1.0), gauge("lag", "b", 1.0)]));
        let third = look(&mut history, start, 2, sample(vec![gauge("lag", "b", 1.0)]));
        assert_eq!(names(&third), ["lag b"]);
    }

    #[test]
    fn a_duplicate_series_is_taken_once() {
        let (mut history, start) = (History::default(), Instant::now());
        let reading = look(&mut history, start, 0, sample(vec![gauge("lag", "a", 1.0), gauge("lag", "a", 2.0)]));
        assert_eq!(names(&reading), ["lag a"]);
        assert_eq!(reading.series[0].point.value, 1.0);
    }

    #[test]
    fn what_was_skipped_in_the_costly_tier_stays_told_and_a_mended_frequent_group_does_not() {
        let (mut history, start) = (History::default(), Instant::now());
        let skip = |subject: &str| Skipped {
            subject: subject.to_owned(),
            reason: String::new(),
            remedy: String::new(),
            ..Skipped::default()
        };
        let told =
            |reading: &Reading| -> Vec<String> { reading.skipped.iter().map(|skip| skip.subject.clone()).collect() };
        let raw = |skipped| RawSample { points: vec![], skipped };
        look(&mut history, start, 0, raw(vec![skip("replication"), skip("sizes")]));
        let second = look(&mut history, start, 1, raw(vec![skip("replication")]));
        assert_eq!(told(&second), ["replication", "sizes"]);
        let third = look(&mut history, start, 2, raw(vec![]));
        assert_eq!(told(&third), ["sizes"]);
    }
}
