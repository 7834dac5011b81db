//! Metrics, sessions and abilities that are missing.

use std::collections::BTreeSet;

use dbkeeper::model::{Reason, connection::Ability, metric::SampleTiers};

use super::{Fixture, sample};

pub(crate) async fn the_first_sample_has_the_day_one_metrics(fixture: &impl Fixture) {
    let (_, database) = sample(fixture).await;
    let metrics = database.require_metrics().unwrap();
    metrics.vitals().await.unwrap();
    let sample = metrics.sample(SampleTiers { tables: true }).await.unwrap();
    let names: BTreeSet<&str> = sample.points.iter().map(|point| point.name).collect();
    for name in fixture.day_one_metrics() {
        assert!(names.contains(name), "{name} is not in {names:?}; skipped {:?}", sample.skipped);
    }
    let mut series = BTreeSet::new();
    for point in &sample.points {
        assert!(point.value.is_finite(), "{point:?}");
        assert!(point.attributes.is_sorted(), "{point:?}");
        assert!(series.insert((point.name, point.attributes.clone())), "twice: {point:?}");
    }
}

pub(crate) async fn an_ability_that_is_missing_says_so(fixture: &impl Fixture) {
    let (_, database) = sample(fixture).await;
    let capabilities = database.capabilities().await.unwrap();
    let sessions = capabilities.iter().find(|capability| capability.ability == Ability::Sessions).unwrap();
    match database.require_sessions() {
        Ok(listed) => {
            let found = listed.list().await.unwrap();
            assert!(found.iter().any(|session| session.own), "{found:?}");
        }
        Err(error) => {
            assert_eq!(error.reason(), Reason::EngineUnsupported);
            assert!(!sessions.supported && !sessions.missing.is_empty(), "{sessions:?}");
        }
    }
}
