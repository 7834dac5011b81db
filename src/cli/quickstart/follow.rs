//! Follows an operation to its end: with a bar where somebody looks, line by line elsewhere.

use std::io;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    present,
    screen::Screen,
    walk::{Failure, Walk},
};
use crate::grpc::{
    client::{ClientError, answer},
    proto::v1::{self, operation::Result as Outcome, watch_operation_response::Event},
};

/// Follows an operation, and returns what came of it where it ended well.
pub(super) async fn follow(walk: &Walk<'_>, request: v1::WatchOperationRequest) -> Result<Option<Outcome>, Failure> {
    let name = request.name.clone();
    let mut stream = answer(walk.streams().operations().watch_operation(request)).await?;
    let mut display = Display::new(walk.screen);
    let mut last = None;
    while let Some(message) = stream.message().await.map_err(ClientError::from)? {
        match message.event {
            Some(Event::Operation(operation)) => last = Some(operation),
            Some(Event::Progress(progress)) => display.progress(&progress)?,
            Some(Event::Log(log)) => display.log(&log.text)?,
            None => {}
        }
    }
    let Some(operation) = last else { return Err(Failure::Wrong(format!("nothing was told of {name}"))) };
    if operation.state() == v1::OperationState::Succeeded {
        display.complete(operation.result.as_ref());
        return Ok(operation.result);
    }
    display.leave();
    Err(Failure::Wrong(why(&operation)))
}

/// Why an operation did not succeed.
fn why(operation: &v1::Operation) -> String {
    let Some(error) = &operation.error else {
        return format!("{} ended as {:?}", operation.name, operation.state());
    };
    let statement = error
        .statement
        .as_ref()
        .map(|failure| format!("; {} line {}: {}", failure.file, failure.line, failure.message));
    format!("{}: {}{}", error.reason, error.message, statement.unwrap_or_default())
}

/// What is seen of an operation at work.
struct Display<'a> {
    screen: &'a Screen,
    bar: Option<ProgressBar>,
    told: String,
}

impl<'a> Display<'a> {
    fn new(screen: &'a Screen) -> Self {
        Self { screen, bar: None, told: String::new() }
    }

    fn progress(&mut self, progress: &v1::Progress) -> io::Result<()> {
        self.screen.answer()?;
        if self.screen.is_terminal() {
            let bar = self.bar.get_or_insert_with(|| bar(progress.unit()));
            bar.set_length(progress.total.max(progress.done));
            bar.set_position(progress.done);
            bar.set_message(progress.message.clone());
            return Ok(());
        }
        let text = line(progress);
        if text != self.told {
            self.screen.line(&text)?;
            self.told = text;
        }
        Ok(())
    }

    fn log(&self, text: &str) -> io::Result<()> {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.screen.line(text)),
            None => self.screen.line(text),
        }
    }

    /// Fills the bar. How long a dump is, is an estimate until it is there.
    fn complete(&self, outcome: Option<&Outcome>) {
        let Some(bar) = &self.bar else { return };
        if let Some(Outcome::CreateBackupResult(made)) = outcome {
            bar.set_length(u64::try_from(made.plain_size_bytes).unwrap_or(0));
        }
        bar.set_position(bar.length().unwrap_or(0));
        bar.set_message("");
        bar.abandon();
    }

    /// Leaves the bar as it stands.
    fn leave(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

fn bar(unit: v1::ProgressUnit) -> ProgressBar {
    let figures = match unit {
        v1::ProgressUnit::Bytes => "{bytes} of {total_bytes}",
        _ => "{pos} of {len}",
    };
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
    // A template that indicatif could not read would leave its own style.
    if let Ok(style) = ProgressStyle::with_template(&format!("    [{{bar:20}}] {figures}  {{msg}}")) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn line(progress: &v1::Progress) -> String {
    let figures = match progress.unit() {
        v1::ProgressUnit::Bytes => format!("{} of {}", present::bytes(progress.done), present::bytes(progress.total)),
        _ => {
            format!("{} of {}", progress.done, progress.total)
        }
    };
    format!("{figures}  {}", progress.message).trim_end().to_owned()
}
