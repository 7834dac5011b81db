//! Logs, traces and metrics.
//!
//! Logs go to standard error, so that the output of a command stays its own. Traces and metrics go to an OTLP
//! collector where one is configured; a collector that is down costs nothing but the data. Prometheus fetches the same metrics
//! where it may.

mod chain;
mod export;
mod exposition;

use std::{
    error::Error as StdError,
    io::{self, IsTerminal as _},
};

use opentelemetry::trace::TracerProvider as _;
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::Targets,
    fmt::MakeWriter,
    layer::SubscriberExt as _,
    registry::{LookupSpan, Registry},
    util::SubscriberInitExt as _,
};

use self::export::Exporters;
pub use self::{
    chain::{Chain, chain},
    exposition::exposition,
};
use crate::config::{LogFormat, Telemetry};

/// Name under which traces and metrics are recorded.
pub const SCOPE: &str = "dbkeeper";

/// Keeps the exporters alive. Call [`Guard::shutdown`] as the last thing, or what is not exported yet is lost.
#[derive(Debug)]
#[must_use = "without the guard nothing flushes the exporters"]
pub struct Guard {
    exporters: Exporters,
}

impl Guard {
    /// Sends what is left and stops the exporters. Blocks for some seconds at most, so call it outside of tasks, while
    /// the runtime that telemetry was started in still runs.
    pub fn shutdown(self) {
        self.exporters.shutdown();
    }
}

/// Sets logs, traces and metrics up for the whole process, and what [`exposition`] tells where metrics are fetched. Call it once,
/// inside the runtime.
pub fn start(settings: &Telemetry, fetched: bool) -> Result<Guard, Box<dyn StdError + Send + Sync>> {
    let filter = EnvFilter::try_new(&settings.log)?;
    let terminal = io::stderr().is_terminal();
    let format = match settings.log_format {
        LogFormat::Auto if terminal => LogFormat::Text,
        LogFormat::Auto => LogFormat::Json,
        chosen => chosen,
    };
    let logs = log_layer(format, terminal, io::stderr).with_filter(filter);

    let exporters = Exporters::start(settings, fetched)?;
    // Only our own spans are exported: those of the transport would trace the export itself.
    let own = Targets::new().with_target(SCOPE, Level::INFO);
    let traces = exporters
        .traces()
        .map(|traces| tracing_opentelemetry::layer().with_tracer(traces.tracer(SCOPE)).with_filter(own));
    Registry::default().with(logs).with(traces).try_init()?;
    Ok(Guard { exporters })
}

/// Writes each event as one line.
fn log_layer<S, W>(format: LogFormat, color: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(false).with_span_list(true).boxed(),
        LogFormat::Auto | LogFormat::Text => layer.compact().with_ansi(color).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use secrecy::SecretString;
    use tracing_subscriber::{layer::SubscriberExt as _, registry::Registry};

    use super::log_layer;
    use crate::config::LogFormat;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = Registry::default().with(log_layer(format, false, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields_and_spans() {
        let text = logged(LogFormat::Json, || {
            let span = tracing::info_span!("call", request_id = "01ABC");
            let _entered = span.enter();
            tracing::warn!(connection = "connections/x", attempts = 3, "dial failed\nagain");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "dial failed\nagain");
        assert_eq!(line["connection"], "connections/x");
        assert_eq!(line["attempts"], 3);
        assert_eq!(line["spans"][0]["request_id"], "01ABC");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(line["target"], module_path!());
    }

    #[test]
    fn a_secret_that_is_logged_by_mistake_stays_secret() {
        let password = SecretString::from("hunter2");
        for format in [LogFormat::Json, LogFormat::Text] {
            let text = logged(format, || tracing::info!(?password, "settings"));
            assert!(text.contains("password") && text.contains("REDACTED"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
