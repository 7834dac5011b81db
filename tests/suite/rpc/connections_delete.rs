//! Deleting a connection that others depend on.

use dbkeeper::grpc::proto::v1;
use tonic::{Code, metadata::MetadataMap};
use tonic_types::StatusExt;

use super::{
    answer::{assert_refused, assert_says},
    support::{apply, back_up, ended, file, migration_set, register, settings, until},
};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{postgres::PostgresServer, server::TestServer},
};

fn told(metadata: &MetadataMap) -> (Option<&str>, Vec<&str>) {
    let count = metadata.get("dbkeeper-removed-count").map(|count| count.to_str().unwrap());
    (count, metadata.get_all("dbkeeper-removed").iter().map(|name| name.to_str().unwrap()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_goes_with_its_dependents_only_where_that_is_asked_for() {
    let server = TestServer::start().await;
    let client = server.client();
    let fixture = PostgresFixture::new();
    let database = fixture.create_database().await;
    let shop = register(&client, "shop", settings(&fixture.target(&database))).await;
    let reader = v1::Connection {
        replicas: Some(v1::ReplicaSettings { connections: vec![shop.name.clone()], max_lag: None }),
        ..settings(&fixture.target(&database))
    };
    register(&client, "reader", reader).await;
    let backup = back_up(&client, &shop.name, "first").await;
    let set = migration_set(&client, "slow", vec![file("1_a.up.sql", "SELECT pg_sleep(600);")]).await;
    let operation = client.migrations().apply_migrations(apply(&set, &shop.name)).await.unwrap().into_inner();
    let sleeps =
        format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE '%pg_sleep(600)%'");
    until(async || PostgresServer::shared().psql("postgres", &sleeps) == "1").await;

    let delete = |validate_only, force, etag: &str| v1::DeleteConnectionRequest {
        name: shop.name.clone(),
        etag: etag.to_owned(),
        validate_only,
        force,
    };
    for validate_only in [true, false] {
        let error = client.connections().delete_connection(delete(validate_only, false, "")).await.unwrap_err();
        assert_refused(&error, Code::FailedPrecondition, "CONNECTION_IN_USE");
        assert_says(&error, "the first of 3 dependents");
        let failure = error.get_details_precondition_failure().unwrap();
        let subjects: Vec<&str> = failure.violations.iter().map(|violation| violation.subject.as_str()).collect();
        assert_eq!(subjects, [operation.name.as_str(), &backup, "connections/reader"]);
        assert!(failure.violations.iter().all(|violation| violation.r#type == "DEPENDENT"));
    }
    let error = client.connections().delete_connection(delete(false, true, "r99")).await.unwrap_err();
    assert_refused(&error, Code::Aborted, "ETAG_MISMATCH");

    let expected = [operation.name.as_str(), &backup, "connections/reader/replicas"];
    let would = client.connections().delete_connection(delete(true, true, &shop.etag)).await.unwrap();
    assert_eq!(told(would.metadata()), (Some("3"), expected.to_vec()));
    let backups = client.backups().list_backups(v1::ListBackupsRequest::default()).await.unwrap().into_inner();
    assert_eq!(backups.backups.len(), 1, "validate_only removed something");

    let gone = client.connections().delete_connection(delete(false, true, &shop.etag)).await.unwrap();
    assert_eq!(told(gone.metadata()), (Some("3"), expected.to_vec()));
    // The audit log has them, too, and of the calls that removed nothing none.
    let deletions = v1::ListAuditEventsRequest { method: "DeleteConnection".to_owned(), ..Default::default() };
    let events = client.access().list_audit_events(deletions).await.unwrap().into_inner().audit_events;
    let [outcome, intent, dry, ..] = &events[..] else { panic!("{events:?}") };
    assert_eq!(outcome.intent_sequence, intent.sequence);
    assert_eq!(outcome.resources, [&[shop.name.as_str()][..], &expected].concat());
    assert_eq!((&intent.resources[..], &intent.parameters[..]), (&[shop.name.clone()][..], &["force".to_owned()][..]));
    assert_eq!(outcome.parameters, ["force", "removed:3"]);
    assert_eq!(dry.parameters, ["validate_only", "force", "removed:3"]);
    let refused = events.iter().find(|event| event.reason == "CONNECTION_IN_USE" && event.intent_sequence > 0).unwrap();
    assert_eq!(refused.resources, [shop.name.as_str()]);
    let whole = client.access().verify_audit_log(v1::VerifyAuditLogRequest::default()).await.unwrap().into_inner();
    assert!(whole.intact, "{whole:?}");

    let ended = ended(&client, operation).await;
    assert_eq!(ended.state(), v1::OperationState::Cancelled, "{:?}", ended.error);
    let error = client.backups().get_backup(v1::GetBackupRequest { name: backup }).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "BACKUP_NOT_FOUND");
    let request = v1::GetConnectionRequest { name: "connections/reader".to_owned(), ..Default::default() };
    let reader = client.connections().get_connection(request).await.unwrap().into_inner();
    assert!(reader.replicas.unwrap().connections.is_empty());
    let own = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'");
    until(async || PostgresServer::shared().psql("postgres", &own) == "0").await;
    let again = client.connections().delete_connection(delete(false, true, "")).await.unwrap_err();
    assert_refused(&again, Code::NotFound, "CONNECTION_NOT_FOUND");

    // Without dependents there is nothing to tell.
    let request =
        v1::DeleteConnectionRequest { name: "connections/reader".to_owned(), force: true, ..Default::default() };
    let plain = client.connections().delete_connection(request).await.unwrap();
    assert_eq!(told(plain.metadata()), (None, Vec::new()));
}
