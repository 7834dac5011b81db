//! What is wrong with a configuration, told so that it can be mended without reading the code.

use std::{collections::BTreeMap, error::Error as StdError, fmt, ops::RangeInclusive, time::Duration};

use config::{Value, ValueKind};

use super::value::ByteSize;

/// What is printed in the place of a secret.
pub(super) const MASK: &str = "***";
/// Keys whose values are never printed when they are refused: a secret may have been put there, on purpose or by
/// mistake.
const SENSITIVE: [&str; 5] = [
    "telemetry.otlp_endpoint",
    "telemetry.otlp_headers",
    "vault.key_env",
    "vault.key_command",
    "vault.transit.address",
];

/// One value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, or the file or variable where there is none.
    pub key: String,
    /// The value as it was given, masked where it may be a secret. Absent: none was given.
    pub value: Option<String>,
    /// Where it was given.
    pub origin: String,
    /// What is allowed.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, origin, allowed } = self;
        match value {
            Some(value) => write!(f, "{key} = {value} ({origin}): {allowed}"),
            None => write!(f, "{key} ({origin}): {allowed}"),
        }
    }
}

/// Every problem of a configuration, so that one start shows them all.
#[derive(Debug)]
pub struct ConfigurationError {
    /// The problems, at least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl StdError for ConfigurationError {}

/// Collects problems and looks up the value and the origin of each.
pub(super) struct Problems<'a> {
    given: &'a BTreeMap<String, Value>,
    list: Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(given: &'a BTreeMap<String, Value>) -> Self {
        Self { given, list: Vec::new() }
    }

    /// Notes that a key has a value that it cannot have.
    pub(super) fn add(&mut self, key: &str, allowed: impl Into<String>) {
        let given = self.given.get(key);
        self.list.push(Problem {
            key: key.to_owned(),
            value: given.map(|value| printed(key, value)),
            origin: given.and_then(Value::origin).unwrap_or("default").to_owned(),
            allowed: allowed.into(),
        });
    }

    /// Notes a time out of its bounds.
    pub(super) fn time(&mut self, key: &str, value: Duration, bounds: RangeInclusive<Duration>) {
        if !bounds.contains(&value) {
            let [from, to] = [*bounds.start(), *bounds.end()].map(humantime::format_duration);
            self.add(key, format!("must be between {from} and {to}"));
        }
    }

    /// Notes a size out of its bounds.
    pub(super) fn size(&mut self, key: &str, value: ByteSize, bounds: RangeInclusive<ByteSize>) {
        if !bounds.contains(&value) {
            self.add(key, format!("must be between {} and {}", bounds.start(), bounds.end()));
        }
    }

    /// Notes a number out of its bounds.
    pub(super) fn count(&mut self, key: &str, value: u32, bounds: RangeInclusive<u32>) {
        if !bounds.contains(&value) {
            self.add(key, format!("must be between {} and {}", bounds.start(), bounds.end()));
        }
    }

    /// Nothing where there were no problems, else all of them by key.
    pub(super) fn into_result(mut self) -> Result<(), ConfigurationError> {
        if self.list.is_empty() {
            return Ok(());
        }
        self.list.sort_by(|a, b| a.key.cmp(&b.key));
        Err(ConfigurationError { problems: self.list })
    }
}

fn printed(key: &str, value: &Value) -> String {
    if SENSITIVE.contains(&key) {
        return MASK.to_owned();
    }
    match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}
