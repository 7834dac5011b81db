//! The table at the end of a run.

use std::{fs, time::Duration};

use clap::ValueEnum;

use crate::{Area, harness::postgres::PostgresServer};

/// What a figure has to be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    Under(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
            Self::Under(limit) => value < limit,
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::AtLeast(limit) => format!(">= {limit}{unit}"),
            Self::AtMost(limit) => format!("<= {limit}{unit}"),
            Self::Under(limit) => format!("< {limit}{unit}"),
        }
    }
}

/// One line of the table.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// What dbkeeper took, as text; empty where the value says it.
    pub(crate) subject: String,
    /// What the peer took, as text; empty where there is none.
    pub(crate) peer: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) target: Target,
}

impl Figure {
    /// How many times longer dbkeeper takes than the peer.
    pub(crate) fn of_times(name: &'static str, subject: Duration, peer: Duration, target: Target) -> Self {
        let value = subject.as_secs_f64() / peer.as_secs_f64();
        Self { name, subject: seconds(subject), peer: seconds(peer), value, unit: "", target }
    }
}

/// Times of one of those that take turns.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The round that was disturbed least.
    pub(crate) fn best(&self) -> Duration {
        self.0.iter().min().copied().unwrap_or_default()
    }

    /// Prints every round.
    pub(crate) fn print(&self, name: &str) {
        let rounds: Vec<String> = self.0.iter().map(|time| seconds(*time)).collect();
        println!("  {name:<28} {}", rounds.join("  "));
    }
}

/// A time as the table shows it.
pub(crate) fn seconds(time: Duration) -> String {
    match time {
        time if time < Duration::from_secs(1) => format!("{:.0} ms", time.as_secs_f64() * 1000.0),
        time => format!("{:.2} s", time.as_secs_f64()),
    }
}

/// Bytes as mebibytes.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// Says what is being measured.
pub(crate) fn announce(area: Area) {
    let name = area.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    println!("{name}: load average {}", load_average());
}

/// Prints the table and tells how many targets were missed.
pub(crate) fn print(figures: &[Figure]) -> usize {
    let mut rows = vec![["figure", "dbkeeper", "peer", "value", "target", ""].map(str::to_owned)];
    for figure in figures {
        let verdict = if figure.target.is_met(figure.value) { "pass" } else { "MISS" };
        rows.push([
            figure.name.to_owned(),
            figure.subject.clone(),
            figure.peer.clone(),
            format!("{:.2}{}", figure.value, figure.unit),
            figure.target.text(figure.unit),
            verdict.to_owned(),
        ]);
    }
    let widths: [usize; 6] = std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
    println!();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                0 | 5 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        println!("{}", cells.join("  ").trim_end());
    }
    println!();
    println!("{}", machine());
    let missed = figures.iter().filter(|figure| !figure.target.is_met(figure.value)).count();
    if missed > 0 {
        println!("{missed} OF {} FIGURES MISS THEIR TARGET", figures.len());
    }
    missed
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = load_average();
    let postgres = PostgresServer::shared().psql("postgres", "SHOW server_version");
    format!("{cores} cores, load average {load}; dbkeeper {}, PostgreSQL {postgres}", env!("CARGO_PKG_VERSION"))
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
