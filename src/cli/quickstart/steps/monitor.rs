//! Watches the metrics while the shops sell.

use std::time::Duration;

use crate::{
    cli::quickstart::{
        present, sample,
        walk::{Failure, Walk, ensure},
    },
    grpc::{
        client::{ClientError, answer},
        convert::time::duration,
        proto::v1,
    },
};

/// Samples to take.
const SAMPLES: u64 = 4;
const SIZE: &str = "sqlite.db_size";
const PAGES: &str = "sqlite.page.count";

/// Takes some samples; between two of them there are purchases.
pub(in crate::cli::quickstart) async fn watch(walk: &mut Walk<'_>) -> Result<(), Failure> {
    let text = format!(
        "A sample a second, for some seconds; after each of them {} books are sold. The command goes on until Ctrl-C.",
        sample::SOLD_AT_ONCE
    );
    walk.step("Stream metrics", &text)?;
    let request = v1::StreamMetricsRequest {
        connection: walk.place.connection(),
        name_prefixes: vec![SIZE.to_owned(), PAGES.to_owned()],
        interval: Some(duration(Duration::from_secs(1))),
    };
    walk.show("MonitorService/StreamMetrics", &request)?;
    let mut stream = answer(walk.streams().monitor().stream_metrics(request)).await?;

    walk.screen.line("SAMPLE         SIZE   PAGES")?;
    let mut sizes = Vec::new();
    for number in 1..=SAMPLES {
        let Some(message) = stream.message().await.map_err(ClientError::from)? else {
            return Err(Failure::Wrong(format!("the stream ended after {} samples", sizes.len())));
        };
        ensure(message.sequence == number, || format!("sample {number} came as number {}", message.sequence))?;
        let (size, pages) = figures(message)?;
        walk.screen.line(&format!("{number:>6}  {:>11}  {:>6}", present::bytes(size), present::count(pages)))?;
        sizes.push(size);
        if number < SAMPLES {
            sample::sell(&walk.place.source_file()).await?;
        }
    }
    ensure(sizes.first() < sizes.last(), || "the database grew and its metrics do not tell".to_owned())?;
    Ok(walk.right(&format!("{SAMPLES} samples, none missed, and the sales are seen"))?)
}

fn figures(message: v1::StreamMetricsResponse) -> Result<(u64, u64), Failure> {
    use v1::stream_metrics_response::Event;
    let sample = match message.event {
        Some(Event::Sample(sample)) => sample,
        Some(Event::Failure(failure)) => {
            let why = failure.error.map(|error| error.message).unwrap_or_default();
            return Err(Failure::Wrong(format!("the database could not be sampled: {why}")));
        }
        Some(Event::Gap(gap)) => return Err(Failure::Wrong(format!("{} samples were missed", gap.missed))),
        None => return Err(Failure::Wrong("a message of the stream is empty".to_owned())),
    };
    let value = |name: &str| {
        let metric = sample.metrics.iter().find(|metric| metric.name == name);
        // Sizes and counts are whole numbers that a double holds exactly.
        metric.map(|metric| metric.value as u64).ok_or_else(|| Failure::Wrong(format!("the sample lacks {name}")))
    };
    Ok((value(SIZE)?, value(PAGES)?))
}
