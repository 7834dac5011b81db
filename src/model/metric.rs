//! Metrics as an engine reads them, before rates are made of them.

use std::time::Duration;

use super::{schema::Skipped, time::Timestamp};

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Goes up and down.
    Gauge,
    /// Goes up until the server or its statistics start anew.
    Counter,
}

/// One value as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Name with dots.
    pub name: &'static str,
    /// Unit in UCUM.
    pub unit: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// What it is of, sorted by key. Name and attributes together are unique in a sample.
    pub attributes: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
    /// When the counter last started anew as the server tells it: the later of server start and
    /// statistics reset. Two values make a rate only where it is the same.
    pub epoch: Option<Timestamp>,
}

/// What one look at a database gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RawSample {
    /// The values.
    pub points: Vec<Point>,
    /// Groups that could not be read.
    pub skipped: Vec<Skipped>,
}

/// Which groups of metrics are due; the costly ones are read less often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleTiers {
    /// Tables, indexes and sizes: every five minutes and on the first sample.
    pub tables: bool,
}

/// One value of a sample that is handed out.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// What was read.
    pub point: Point,
    /// Change a second since the sample before.
    pub rate: Option<f64>,
    /// The counter started anew.
    pub reset: bool,
}

/// The metrics of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When it was taken.
    pub taken: Timestamp,
    /// How long taking it took.
    pub duration: Duration,
    /// The values, by name and attributes.
    pub metrics: Vec<Metric>,
    /// Groups that could not be read.
    pub skipped: Vec<Skipped>,
}

/// How a database is right now, as one cheap query tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vitals {
    /// How long its server has been up; absent where there is none.
    pub uptime: Option<Duration>,
    /// A standby or a replica.
    pub in_recovery: bool,
    /// Sessions on the server.
    pub sessions: u32,
    /// Sessions that it allows; 0: no limit.
    pub max_sessions: u32,
    /// What is near its limit, in sentences.
    pub findings: Vec<String>,
}
