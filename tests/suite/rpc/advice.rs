//! RecommendIndexes: on each engine what is lacking or superfluous is found with its figures, the migrations run up and down, and
//! what was done is no longer recommended.

mod mariadb;
mod postgres;
mod refused;
mod sqlite;

use std::collections::BTreeSet;

use dbkeeper::{
    engine::{Credentials, Target},
    grpc::{client::Client, proto::v1},
    model::{AccountId, connection::ConnectionSettings},
};
use v1::AdviceFigureKind as Kind;

use super::support::{apply, migration_set, register, settings, succeeded};
use crate::{conformance::Fixture, harness::server::TestServer};

const CONNECTION: &str = "connections/shop";

/// Asks for whatever the tables are like: nothing is too small, and no window too short.
fn asked() -> v1::RecommendIndexesRequest {
    v1::RecommendIndexesRequest {
        connection: CONNECTION.to_owned(),
        min_rows: Some(1000),
        min_unused_bytes: Some(0),
        min_window: Some(prost_types::Duration::default()),
        ..Default::default()
    }
}

/// The same with statements of the caller's own.
fn stating(statements: &[&str]) -> v1::RecommendIndexesRequest {
    v1::RecommendIndexesRequest { statements: statements.iter().map(|text| (*text).to_owned()).collect(), ..asked() }
}

/// Makes the database of a schema that is asked about, and returns its name there.
async fn shop(server: &TestServer, fixture: &impl Fixture, schema: &str) -> (Client, String) {
    let (client, database) = (server.client(), fixture.create_database().await);
    fixture.run(&database, schema).await;
    register(&client, "shop", settings(&fixture.target(&database))).await;
    (client, database)
}

fn without(rules: &[&str]) -> v1::RecommendIndexesRequest {
    v1::RecommendIndexesRequest { disabled_rules: rules.iter().map(|rule| (*rule).to_owned()).collect(), ..asked() }
}

async fn advise(client: &Client, request: v1::RecommendIndexesRequest) -> v1::RecommendIndexesResponse {
    let advice = client.schemas().recommend_indexes(request).await.unwrap().into_inner();
    let ids: BTreeSet<&str> = advice.recommendations.iter().map(|found| found.id.as_str()).collect();
    assert_eq!(ids.len(), advice.recommendations.len(), "an id stands twice: {advice:#?}");
    for found in &advice.recommendations {
        assert!(!found.message.is_empty() && !found.title.is_empty(), "{found:?}");
        assert!(!found.up.is_empty() && !found.down.is_empty(), "no migration: {found:?}");
    }
    advice
}

/// `rule table index (columns)` of each.
fn told(advice: &v1::RecommendIndexesResponse) -> BTreeSet<String> {
    let line = |found: &v1::IndexRecommendation| {
        format!("{} {} {} ({})", found.rule, found.table, found.index, found.columns.join(", "))
    };
    advice.recommendations.iter().map(line).collect()
}

fn expected(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[track_caller]
fn only<'a>(advice: &'a v1::RecommendIndexesResponse, rule: &str) -> &'a v1::IndexRecommendation {
    let mut found = advice.recommendations.iter().filter(|found| found.rule == rule);
    let first = found.next().unwrap_or_else(|| panic!("no {rule}: {advice:#?}"));
    assert!(found.next().is_none(), "more than one {rule}: {advice:#?}");
    first
}

fn figure(found: &v1::IndexRecommendation, kind: Kind) -> Option<(f64, &str)> {
    let figure = found.evidence.iter().find(|figure| figure.kind() == kind)?;
    Some((figure.value, figure.source.as_str()))
}

#[track_caller]
fn source<'a>(advice: &'a v1::RecommendIndexesResponse, name: &str) -> &'a v1::AdviceSource {
    advice
        .sources
        .iter()
        .find(|source| source.name == name)
        .unwrap_or_else(|| panic!("no {name}: {:?}", advice.sources))
}

/// A database of a server of its own.
fn registration(settings_of: ConnectionSettings, password: &str) -> v1::Connection {
    settings(&Target {
        account: AccountId::from_stored("default".to_owned()),
        connection: None,
        settings: settings_of,
        credentials: Credentials { password: password.into(), client_key_pem: None },
    })
}

fn import(request: &v1::RecommendIndexesRequest, ids: Vec<String>) -> v1::ImportRecommendationsRequest {
    v1::ImportRecommendationsRequest {
        connection: CONNECTION.to_owned(),
        migration_set: "migrationSets/advice".to_owned(),
        request: Some(request.clone()),
        recommendation_ids: ids,
        ..Default::default()
    }
}

/// Puts all that is recommended into a set, runs that, sees nothing recommended but `left`, reverts it, and sees the same as before.
async fn apply_and_revert(client: &Client, request: &v1::RecommendIndexesRequest, left: &[&str]) {
    let before = advise(client, request.clone()).await;
    let set = migration_set(client, "advice", vec![super::support::file("1_first.sql", "SELECT 1;")]).await;
    let ids: Vec<String> = before.recommendations.iter().map(|found| found.id.clone()).collect();
    let count = i32::try_from(ids.len()).unwrap();
    let rehearsal = v1::ImportRecommendationsRequest { validate_only: true, ..import(request, ids.clone()) };
    for (request, before) in [(rehearsal, 0), (import(request, ids.clone()), 0), (import(request, ids), count)] {
        let stored = request.clone();
        let report = client.schemas().import_recommendations(request).await.unwrap().into_inner();
        assert_eq!((report.added, report.unchanged), (count - before, before), "{stored:?} {report:?}");
    }
    let operation = client.migrations().apply_migrations(apply(&set, CONNECTION)).await.unwrap().into_inner();
    succeeded(client, operation).await;
    let after = advise(client, request.clone()).await;
    assert_eq!(told(&after), expected(left), "what was done is recommended again: {after:#?}");
    let revert = v1::RevertMigrationsRequest {
        migration_set: set,
        connection: CONNECTION.to_owned(),
        extent: Some(v1::revert_migrations_request::Extent::Steps(count)),
        ..Default::default()
    };
    let operation = client.migrations().revert_migrations(revert).await.unwrap().into_inner();
    succeeded(client, operation).await;
}
