//! Metrics of a file, on a connection of their own that lives for one sample: opening a file costs less than a query.

use async_trait::async_trait;
use sqlx::{Connection as _, SqliteConnection};

use super::{
    SqliteDatabase, catalog,
    connect::{self, Limits, set_limits},
    error::{self, from_sqlx},
};
use crate::{
    engine::{Metrics, monitor::MAX_TABLE_SERIES},
    model::{
        Result,
        metric::{MetricKind, Point, RawSample, SampleTiers, Vitals},
        schema::Skipped,
    },
};

/// A log that has grown beyond this is not being checkpointed.
const LARGE_WAL_BYTES: u64 = 256 * 1024 * 1024;
/// Free pages beyond this share of a file are worth a VACUUM, where the file is not small.
const LARGE_FREE_SHARE: f64 = 0.5;
const SMALL_FILE_BYTES: i64 = 16 * 1024 * 1024;

#[async_trait]
impl Metrics for SqliteDatabase {
    async fn vitals(&self) -> Result<Vitals> {
        let mut connection = self.watch().await?;
        let pages = read_pages(&mut connection).await.map_err(|error| from_sqlx(error, "cannot read the database"));
        let _ = connection.close().await;
        let findings = self.findings(&pages?);
        Ok(Vitals { findings, ..Vitals::default() })
    }

    async fn sample(&self, tiers: SampleTiers) -> Result<RawSample> {
        let mut connection = self.watch().await?;
        let mut sample = RawSample { points: self.pool.page_cache().points().collect(), skipped: Vec::new() };
        let pages = read_pages(&mut connection).await;
        match pages {
            Ok(pages) => self.add_file(&pages, &mut sample),
            Err(error) => {
                let _ = connection.close().await;
                return Err(from_sqlx(error, "cannot read the database"));
            }
        }
        if tiers.tables {
            let tables = add_tables(&mut connection, &mut sample).await;
            skip_on_error(tables, "tables", &mut sample);
        }
        let _ = connection.close().await;
        Ok(sample)
    }
}

/// Sizes as the header of the file tells them.
struct Pages {
    page_size: i64,
    page_count: i64,
    freelist_count: i64,
    journal_mode: String,
    schema_version: i64,
}

async fn read_pages(connection: &mut SqliteConnection) -> Result<Pages, sqlx::Error> {
    let (page_size, page_count, freelist_count, journal_mode, schema_version) = sqlx::query_as(
        "SELECT page_size, page_count, freelist_count, journal_mode, schema_version
         FROM pragma_page_size, pragma_page_count, pragma_freelist_count, pragma_journal_mode, pragma_schema_version",
    )
    .fetch_one(connection)
    .await?;
    Ok(Pages { page_size, page_count, freelist_count, journal_mode, schema_version })
}

impl SqliteDatabase {
    async fn watch(&self) -> Result<SqliteConnection> {
        let timeout = self.settings.pool.statement_timeout;
        let mut connection = connect::open(&self.path()?, |path| connect::reading_options(path, timeout)).await?;
        let limited = set_limits(&mut connection, Limits::timeout(timeout), None).await;
        limited.map_err(|error| from_sqlx(error, "cannot open the database"))?;
        Ok(connection)
    }

    fn wal_bytes(&self) -> u64 {
        // Absent outside WAL mode and after the last connection has closed.
        std::fs::metadata(self.file.with_suffix("-wal")).map_or(0, |found| found.len())
    }

    fn add_file(&self, pages: &Pages, sample: &mut RawSample) {
        let bytes = |pages_of: i64| (pages_of * pages.page_size) as f64;
        sample.points.extend([
            gauge("sqlite.db_size", "By", bytes(pages.page_count)),
            gauge("sqlite.freelist.size", "By", bytes(pages.freelist_count)),
            gauge("sqlite.page.count", "{page}", pages.page_count as f64),
            gauge("sqlite.page.size", "By", pages.page_size as f64),
            gauge("sqlite.wal.size", "By", self.wal_bytes() as f64),
            gauge("sqlite.schema_version", "1", pages.schema_version as f64),
        ]);
    }

    fn findings(&self, pages: &Pages) -> Vec<String> {
        let mut findings = Vec::new();
        let wal = self.wal_bytes();
        if wal > LARGE_WAL_BYTES {
            findings.push(format!(
                "the write-ahead log has grown to {} MiB; a reader that never ends keeps it from being checkpointed",
                wal / (1024 * 1024)
            ));
        }
        let size = pages.page_count * pages.page_size;
        let free_share = pages.freelist_count as f64 / pages.page_count.max(1) as f64;
        if size > SMALL_FILE_BYTES && free_share > LARGE_FREE_SHARE {
            findings.push(format!("{:.0} % of the file is free pages; VACUUM gives them back", free_share * 100.0));
        }
        if pages.journal_mode.eq_ignore_ascii_case("off") || pages.journal_mode.eq_ignore_ascii_case("memory") {
            findings.push("the journal is not on disk; a crash in a transaction destroys the file".to_owned());
        }
        findings
    }
}

/// Sizes of the largest tables, and rows where they were analysed.
async fn add_tables(connection: &mut SqliteConnection, sample: &mut RawSample) -> Result<(), sqlx::Error> {
    let mut snapshot = connection.begin().await?;
    let relations = catalog::relations(&mut snapshot, None).await?;
    let figures = catalog::figures(&mut snapshot, &relations).await?;
    sample.points.push(gauge("sqlite.table.count", "{table}", figures.tables as f64));
    if !figures.measured {
        sample.skipped.push(Skipped {
            subject: "sqlite.table.size".to_owned(),
            reason: "the file is larger than 256 MiB, and SQLite reads every page to tell the size of a table"
                .to_owned(),
            remedy: String::new(),
            ..Skipped::default()
        });
    }
    for table in figures.largest.into_iter().take(MAX_TABLE_SERIES) {
        let mut add = |name, unit, value: Option<i64>| {
            if let Some(value) = value {
                let mut point = gauge(name, unit, value as f64);
                point.attributes = vec![("table", table.name.clone())];
                sample.points.push(point);
            }
        };
        add("sqlite.table.size", "By", table.bytes);
        add("sqlite.index.size", "By", table.index_bytes);
        add("sqlite.table.rows", "{row}", table.rows);
    }
    Ok(())
}

fn skip_on_error(outcome: Result<(), sqlx::Error>, subject: &str, sample: &mut RawSample) {
    if let Err(cause) = outcome {
        let reason = if error::is_interrupted(&cause) { "timeout".to_owned() } else { error::message(&cause) };
        sample.skipped.push(Skipped {
            subject: subject.to_owned(),
            reason,
            remedy: String::new(),
            ..Skipped::default()
        });
    }
}

fn gauge(name: &'static str, unit: &'static str, value: f64) -> Point {
    Point { name, unit, kind: MetricKind::Gauge, attributes: Vec::new(), value, epoch: None }
}
