//! Logs, traces and metrics.

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::{
    problem::{MASK, Problems},
    value::duration,
};

/// Logs, traces and metrics.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Telemetry {
    /// What is logged: a level, or directives such as `info,dbkeeper::pool=debug`.
    pub log: String,
    /// How a line is written.
    pub log_format: LogFormat,
    /// OTLP collector that traces and metrics are sent to by gRPC. Absent: they are sent nowhere.
    pub otlp_endpoint: Option<String>,
    /// Headers for the collector, `name=value` with commas between them; they often hold a token.
    #[serde(serialize_with = "masked", deserialize_with = "secret")]
    pub otlp_headers: Option<SecretString>,
    /// Time between two exports of metrics.
    #[serde(with = "duration")]
    pub metrics_interval: Duration,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// A line for a person.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            log_format: LogFormat::Auto,
            otlp_endpoint: None,
            otlp_headers: None,
            metrics_interval: Duration::from_secs(30),
        }
    }
}

impl Telemetry {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        if !is_log_filter(&self.log) {
            problems.add(
                "telemetry.log",
                "must be off, error, warn, info, debug or trace, or directives such as info,dbkeeper::pool=debug",
            );
        }
        if self.otlp_endpoint.as_deref().is_some_and(|endpoint| !is_endpoint(endpoint)) {
            problems.add(
                "telemetry.otlp_endpoint",
                "must be a URL such as http://127.0.0.1:4317 without a user or password in it; a token belongs in \
                 telemetry.otlp_headers",
            );
        }
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        problems.time("telemetry.metrics_interval", self.metrics_interval, second..=hour);
    }
}

/// A word alone must be a level: taken as the name of a module, a mistyped level would silence everything else.
fn is_log_filter(text: &str) -> bool {
    let level_or_directive = |part: &str| part.contains('=') || part.parse::<LevelFilter>().is_ok();
    text.split(',').all(|part| level_or_directive(part.trim())) && EnvFilter::try_new(text).is_ok()
}

fn is_endpoint(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let Some(authority) = uri.authority() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https")) && !authority.as_str().contains('@')
}

fn masked<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_str(MASK),
        None => serializer.serialize_none(),
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}
