use std::time::{Duration, Instant};

use dbkeeper::{
    engine::Metrics,
    model::{
        metric::{MetricKind, SampleTiers},
        schema::TableFilter,
    },
};
use tokio::sync::mpsc;

use crate::harness::sqlite::SqliteFolder;

async fn cache_counts(metrics: &dyn Metrics) -> Vec<f64> {
    let sample = metrics.sample(SampleTiers { tables: false }).await.unwrap();
    assert!(sample.skipped.is_empty(), "{:?}", sample.skipped);
    let count = |name: &str| {
        let point = sample.points.iter().find(|point| point.name == name).unwrap();
        assert!(point.kind == MetricKind::Counter && point.epoch.is_some(), "{point:?}");
        point.value
    };
    ["sqlite.cache.hits", "sqlite.cache.misses", "sqlite.cache.spills"].map(count).to_vec()
}

#[tokio::test]
async fn the_page_caches_of_the_pool_are_counted() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder.run(&name, "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)").await;
    let database = folder.engine().open(folder.target(&name)).await.unwrap();
    let metrics = database.require_metrics().unwrap();
    let give_up = Instant::now() + Duration::from_secs(60);

    // A connection is counted when its lease has ended, which happens behind the back of the one who had it.
    let first = loop {
        let (sender, mut tables) = mpsc::channel(16);
        database.inspect().unwrap().stream_tables(&TableFilter::default(), sender).await.unwrap();
        assert_eq!(tables.recv().await.unwrap().name, "t");
        let counts = cache_counts(metrics).await;
        if counts[0] > 0.0 && counts[1] > 0.0 {
            break counts;
        }
        assert!(Instant::now() < give_up, "{counts:?}");
    };
    let later = cache_counts(metrics).await;
    assert!(later.iter().zip(&first).all(|(later, first)| later >= first), "{first:?} then {later:?}");
    assert_eq!(later[2], 0.0, "a pool that only reads spills nothing");
}
