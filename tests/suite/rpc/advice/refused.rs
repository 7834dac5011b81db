//! What is asked wrongly, by whom it may not be asked, and that nothing of a statement is run.

use tonic::{Code, Status};

use super::*;
use crate::{
    harness::sqlite::SqliteFolder,
    rpc::{
        answer::{assert_field, assert_refused},
        support::{issue, viewer},
    },
};

const SCHEMA: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY, b INT REFERENCES a (id));";

async fn refusal(client: &Client, request: v1::RecommendIndexesRequest) -> Status {
    client.schemas().recommend_indexes(request).await.expect_err("the request is refused")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_cannot_be_is_refused_with_its_field() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let (client, _) = shop(&server, &folder, SCHEMA).await;
    let ok = "SELECT 1 FROM a";
    for (statements, field, cure) in [
        (vec![ok, "SELECT *\nFROM a WHERE )"], "statements[1]", "line 2, column"),
        (vec!["DROP TABLE a"], "statements[0]", "no SELECT, INSERT, UPDATE or DELETE"),
        (vec!["SELECT 1; DROP TABLE a"], "statements[0]", "expected the end of the one statement"),
        (vec!["SELECT 1 /* ; */; PRAGMA writable_schema = 1"], "statements[0]", "line 1, column 19"),
        (vec![""], "statements[0]", "there is no statement"),
        (vec!["ATTACH 'other.db' AS other"], "statements[0]", "no SELECT"),
        (vec!["EXPLAIN SELECT 1"], "statements[0]", "no SELECT"),
        (vec![ok; 51], "statements", "at most 50"),
    ] {
        assert_field(&refusal(&client, stating(&statements)).await, field, cure);
    }
    let long = format!("SELECT 1 FROM a WHERE b IN ({})", "1, ".repeat(8000));
    assert_field(&refusal(&client, stating(&[ok, &long])).await, "statements[1]", "at most 16384 bytes");
    let high = format!("SELECT 1 WHERE {}1{}", "(".repeat(4000), ")".repeat(4000));
    assert_field(&refusal(&client, stating(&[&high])).await, "statements[0]", "take them apart");

    let unknown = without(&["unused-index", "no-such-rule"]);
    assert_field(&refusal(&client, unknown).await, "disabled_rules[1]", "sequence-exhaustion");
    let pattern = v1::RecommendIndexesRequest { name_pattern: "a\\".to_owned(), ..asked() };
    assert_field(&refusal(&client, pattern).await, "name_pattern", "backslash");
    for (field, request) in [
        ("limit", v1::RecommendIndexesRequest { limit: -1, ..asked() }),
        ("min_rows", v1::RecommendIndexesRequest { min_rows: Some(-1), ..asked() }),
        ("min_unused_bytes", v1::RecommendIndexesRequest { min_unused_bytes: Some(-1), ..asked() }),
        ("min_text_length", v1::RecommendIndexesRequest { min_text_length: Some(-1), ..asked() }),
    ] {
        assert_field(&refusal(&client, request).await, field, "must not be negative");
    }
    let window = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let status = refusal(&client, v1::RecommendIndexesRequest { min_window: window, ..asked() }).await;
    assert_field(&status, "min_window", "");
    let nowhere = v1::RecommendIndexesRequest { connection: "connections/nowhere".to_owned(), ..asked() };
    assert_refused(&refusal(&client, nowhere).await, Code::NotFound, "CONNECTION_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_recommended_is_not_imported() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let (client, _) = shop(&server, &folder, SCHEMA).await;
    let set =
        migration_set(&client, "advice", vec![crate::rpc::support::file("99999999999999_a.sql", "SELECT 1;")]).await;
    let advice = advise(&client, asked()).await;
    let id = only(&advice, "foreign-key-without-index").id.clone();
    let refused = async |request: v1::ImportRecommendationsRequest| {
        client.schemas().import_recommendations(request).await.expect_err("it is refused")
    };
    let unknown = refused(import(&asked(), vec![id.clone(), "no-such-0".to_owned()])).await;
    assert_refused(&unknown, Code::NotFound, "RECOMMENDATION_NOT_FOUND");
    assert!(unknown.message().contains("no-such-0") && !unknown.message().contains(&id), "{unknown:?}");
    let off = refused(import(&without(&["foreign-key-without-index"]), vec![id.clone()])).await;
    assert_refused(&off, Code::NotFound, "RECOMMENDATION_NOT_FOUND");
    assert_field(&refused(import(&asked(), vec![])).await, "recommendation_ids", "1 to 200");
    assert_field(&refused(import(&asked(), vec![id.clone(), id.clone()])).await, "recommendation_ids", "each once");
    let mut other = import(&asked(), vec![id.clone()]);
    other.request.as_mut().unwrap().connection = "connections/other".to_owned();
    assert_field(&refused(other).await, "request.connection", "the same");
    for (request, field) in [
        (v1::RecommendIndexesRequest { limit: -1, ..asked() }, "request.limit"),
        (without(&["no-such-rule"]), "request.disabled_rules[0]"),
        (stating(&["DROP TABLE a"]), "request.statements[0]"),
    ] {
        assert_field(&refused(import(&request, vec![id.clone()])).await, field, "");
    }
    let nowhere = v1::ImportRecommendationsRequest {
        migration_set: "migrationSets/nowhere".to_owned(),
        ..import(&asked(), vec![id.clone()])
    };
    assert_refused(&refused(nowhere).await, Code::NotFound, "MIGRATION_SET_NOT_FOUND");

    // Who looks may ask, and may not put anything anywhere.
    let key = issue(&client, "accounts/default", viewer("who looks")).await.1;
    let looker = server.client_with(&key);
    assert_eq!(advise(&looker, asked()).await.recommendations.len(), 1);
    let status = looker.schemas().import_recommendations(import(&asked(), vec![id.clone()])).await.unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "PERMISSION_MISSING");

    let report = client.schemas().import_recommendations(import(&asked(), vec![id])).await.unwrap().into_inner();
    let latest = report.migration_set.expect("the set").latest_version;
    assert_eq!((report.added, latest.as_str()), (1, "100000000000000"), "a version behind the newest");
    let list = v1::ListMigrationsRequest { migration_set: set, ..Default::default() };
    let migrations = client.migrations().list_migrations(list).await.unwrap().into_inner().migrations;
    assert!(migrations.iter().any(|found| found.title == "create_idx_a_b" && found.reversible), "{migrations:?}");
    let events = v1::ListAuditEventsRequest::default();
    let events = client.access().list_audit_events(events).await.unwrap().into_inner().audit_events;
    let imported = events.iter().find(|event| event.method.ends_with("/ImportRecommendations")).expect("it is audited");
    let named = |name: &str| imported.resources.iter().any(|resource| resource == name);
    assert!(named("connections/shop") && named("migrationSets/advice"), "{imported:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_cuts_the_answer_and_tells_of_the_rest() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let tables: String = (0..5).map(|number| SCHEMA.replace(" a ", &format!(" a{number} "))).collect();
    let (client, _) = shop(&server, &folder, &tables).await;
    let advice = advise(&client, v1::RecommendIndexesRequest { limit: 2, ..asked() }).await;
    assert_eq!((advice.recommendations.len(), advice.total_size), (2, 5));
    let all = advise(&client, asked()).await;
    assert_eq!(advice.recommendations[..], all.recommendations[..2], "the order stays");
    let some = v1::RecommendIndexesRequest { name_pattern: "a3".to_owned(), ..asked() };
    assert_eq!(told(&advise(&client, some).await), expected(&["foreign-key-without-index a3 idx_a3_b (b)"]));
}
