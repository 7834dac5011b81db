//! Somebody who can write the store, but has no master key.

use dbkeeper::grpc::proto::v1::{self, AuditProblem};
use sqlx::{AssertSqlSafe, Row};

use super::{Intruder, call, events, verify};
use crate::harness::server::TestServer;

/// A log of ten events, and somebody who has dropped the triggers.
async fn scene() -> (TestServer, Intruder) {
    let server = TestServer::start().await;
    for number in 0..5 {
        call(&server.client(), &format!("c{number}")).await;
    }
    let mut intruder = Intruder::of(&server).await;
    intruder.drop_triggers().await;
    (server, intruder)
}

#[track_caller]
fn assert_bad(verified: &v1::VerifyAuditLogResponse, sequence: u64, problem: AuditProblem) {
    assert_eq!((verified.first_bad_sequence, verified.problem()), (sequence, problem), "{verified:?}");
    assert!(!verified.intact && verified.description.contains(&format!("event {sequence}:")), "{verified:?}");
    assert_eq!(verified.head.as_ref().unwrap().sequence, sequence - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_altered_field_of_an_event_is_found_in_its_place() {
    let (server, mut intruder) = scene().await;
    let client = server.client();
    let fields = [
        ("time", "time + 1"),
        ("kind", "'outcome'"),
        ("kind", "'nothing'"),
        ("intent", "77"),
        ("intent", "-1"),
        ("actor", "'key/other'"),
        ("address", "'192.0.2.1'"),
        ("method", "'dbkeeper.v1.ConnectionService/GetConnection'"),
        ("request_id", "'other'"),
        ("resources", "char(10) || 'connections/other' || char(10)"),
        ("resources", "''"),
        ("resources", "'connections/c2'"),
        ("parameters", "'x'"),
        ("parameters", "char(10) || 'validate_only' || char(10)"),
        ("parameters", "x'00'"),
        ("code", "'OK'"),
        ("reason", "'X'"),
        ("versions", "char(10) || 'connections/c2 r1' || char(10)"),
        ("left_out", "1"),
        ("left_out", "-1"),
        ("mac", "zeroblob(32)"),
        ("mac", "x'00'"),
        ("account", "'other'"),
    ];
    let row = "account = 'default' AND sequence = 5";
    for (column, value) in fields {
        let sql = format!("SELECT {column} IS {value} FROM audit_events WHERE {row}");
        let same: bool = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut intruder.0).await.unwrap();
        assert!(!same, "{column} has the value {value} already");
        intruder
            .run(format!(
                "CREATE TABLE kept AS SELECT * FROM audit_events WHERE {row};
                 UPDATE audit_events SET {column} = {value} WHERE {row};"
            ))
            .await
            .unwrap();
        let problem = if column == "account" { AuditProblem::Missing } else { AuditProblem::Altered };
        let verified = verify(&client, None).await;
        assert!(!verified.intact, "{column} = {value} was not noticed");
        assert_bad(&verified, 5, problem);
        intruder
            .run(
                "DELETE FROM audit_events WHERE sequence = 5; INSERT INTO audit_events SELECT * FROM kept; DROP TABLE kept;",
            )
            .await
            .unwrap();
        assert!(verify(&client, None).await.intact, "{column} was not put back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_swapped_and_added_events_are_found() {
    let (server, mut intruder) = scene().await;
    let client = server.client();
    let cases = [
        ("DELETE FROM audit_events WHERE sequence = 4", 4, AuditProblem::Missing),
        ("DELETE FROM audit_events WHERE sequence = 1", 1, AuditProblem::Missing),
        (
            "UPDATE audit_events SET sequence = -sequence WHERE sequence IN (6, 7);
             UPDATE audit_events SET sequence = 13 + sequence WHERE sequence < 0",
            6,
            AuditProblem::Altered,
        ),
        ("DELETE FROM audit_events WHERE sequence > 8", 9, AuditProblem::Missing),
        (
            "DELETE FROM audit_events WHERE sequence = 10; UPDATE audit_heads SET sequence = 9, mac = (SELECT mac FROM audit_events WHERE sequence = 9)",
            10,
            AuditProblem::HeadAltered,
        ),
        ("DELETE FROM audit_events; DELETE FROM audit_heads WHERE sequence < 0", 1, AuditProblem::Missing),
        ("UPDATE audit_heads SET seal = zeroblob(32)", 11, AuditProblem::HeadAltered),
        ("DELETE FROM audit_heads", 11, AuditProblem::HeadAltered),
        (
            "INSERT INTO audit_events SELECT account, 11, time, kind, 0, actor, address, method, request_id, resources,
                 parameters, code, reason, versions, left_out, mac FROM audit_events WHERE sequence = 10",
            11,
            AuditProblem::Altered,
        ),
        (
            "INSERT INTO audit_checkpoints SELECT account, 3, mac, time, mac FROM audit_events WHERE sequence = 3;
             DELETE FROM audit_events WHERE sequence <= 3",
            3,
            AuditProblem::CheckpointAltered,
        ),
    ];
    intruder
        .run("CREATE TABLE kept AS SELECT * FROM audit_events; CREATE TABLE kept_head AS SELECT * FROM audit_heads")
        .await
        .unwrap();
    for (sql, sequence, problem) in cases {
        intruder.run(sql).await.unwrap();
        let verified = verify(&client, None).await;
        assert_eq!((verified.first_bad_sequence, verified.problem()), (sequence, problem), "{sql}: {verified:?}");
        intruder
            .run(
                "DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM kept; DELETE FROM audit_checkpoints;
                 DELETE FROM audit_heads; INSERT INTO audit_heads SELECT * FROM kept_head",
            )
            .await
            .unwrap();
        assert!(verify(&client, None).await.intact, "{sql} was not undone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_one_account_is_not_taken_for_that_of_another() {
    let (server, mut intruder) = scene().await;
    let stranger = server.client_with(&server.second_account().await);
    assert!(verify(&stranger, None).await.intact, "it has no events yet");
    intruder
        .run(
            "UPDATE audit_events SET account = 'stranger';
             UPDATE audit_heads SET account = 'stranger'",
        )
        .await
        .unwrap();
    assert_bad(&verify(&stranger, None).await, 1, AuditProblem::Altered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_head_kept_elsewhere_shows_that_an_older_copy_was_put_back() {
    let (server, mut intruder) = scene().await;
    let client = server.client();
    intruder.run("CREATE TABLE kept_head AS SELECT * FROM audit_heads").await.unwrap();
    call(&client, "to-be-hidden").await;
    intruder.run("CREATE TABLE hidden AS SELECT * FROM audit_events WHERE sequence = 11").await.unwrap();
    let noted = verify(&client, None).await.head.unwrap();
    assert_eq!(noted.sequence, 12);
    intruder
        .run(
            "DELETE FROM audit_events WHERE sequence > 10; DELETE FROM audit_heads;
             INSERT INTO audit_heads SELECT * FROM kept_head",
        )
        .await
        .unwrap();
    assert!(verify(&client, None).await.intact, "by itself the older copy is whole");
    assert_bad(&verify(&client, Some(noted.clone())).await, 11, AuditProblem::Truncated);
    // Going on from there makes another chain.
    call(&client, "later").await;
    assert_bad(&verify(&client, Some(noted)).await, 12, AuditProblem::HeadDiffers);
    // And an event of the one fits nowhere in the other, though it is genuine and has the right number.
    intruder
        .run("DELETE FROM audit_events WHERE sequence = 11; INSERT INTO audit_events SELECT * FROM hidden")
        .await
        .unwrap();
    assert_bad(&verify(&client, None).await, 12, AuditProblem::Altered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_cut_short_does_not_heal_by_going_on() {
    let (server, mut intruder) = scene().await;
    let client = server.client();
    intruder
        .run(
            "DELETE FROM audit_events WHERE sequence > 8;
             UPDATE audit_heads SET sequence = 8, mac = (SELECT mac FROM audit_events WHERE sequence = 8)",
        )
        .await
        .unwrap();
    call(&client, "after").await;
    assert_bad(&verify(&client, None).await, 9, AuditProblem::DamageNoted);
    let told = events(&client).await;
    assert_eq!(told.iter().map(|event| event.sequence).collect::<Vec<_>>(), (1..=11).collect::<Vec<_>>());
    assert_eq!(told[8].kind(), v1::AuditEventKind::Damage);

    let (server, mut intruder) = scene().await;
    intruder.run("DELETE FROM audit_heads").await.unwrap();
    call(&server.client(), "after").await;
    assert_bad(&verify(&server.client(), None).await, 11, AuditProblem::DamageNoted);

    let (server, mut intruder) = scene().await;
    intruder.run("DELETE FROM audit_events WHERE sequence > 8").await.unwrap();
    call(&server.client(), "after").await;
    assert_bad(&verify(&server.client(), None).await, 9, AuditProblem::Missing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_somebody_put_behind_the_end_is_told_and_stops_nothing() {
    let server = TestServer::start().await;
    let client = server.client();
    call(&client, "before").await;
    let mut intruder = Intruder::of(&server).await;
    intruder
        .run(
            "INSERT INTO audit_events SELECT account, 3, time, kind, 0, actor, address, method, request_id, resources,
                 parameters, code, reason, versions, left_out, mac FROM audit_events WHERE sequence = 2",
        )
        .await
        .unwrap();
    call(&client, "after").await;
    assert_bad(&verify(&client, None).await, 3, AuditProblem::Altered);
    let told = events(&client).await;
    assert_eq!(told.iter().map(|event| event.sequence).collect::<Vec<_>>(), (1..=6).collect::<Vec<_>>());
    assert_eq!(told[3].kind(), v1::AuditEventKind::Damage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_refuses_changes_of_what_was_written() {
    let server = TestServer::start().await;
    for number in 0..3 {
        call(&server.client(), &format!("c{number}")).await;
    }
    let mut intruder = Intruder::of(&server).await;
    let append_only = "append-only";
    let checkpoint = "INSERT INTO audit_checkpoints VALUES ('default', 2, x'00', 0, x'00')";
    let refused = [
        ("UPDATE audit_events SET reason = 'x' WHERE sequence = 2", append_only),
        ("UPDATE audit_events SET sequence = 99 WHERE sequence = 2", append_only),
        ("DELETE FROM audit_events WHERE sequence = 2", "checkpoint"),
        ("DELETE FROM audit_events", "checkpoint"),
        ("INSERT OR REPLACE INTO audit_events SELECT * FROM audit_events WHERE sequence = 2", append_only),
        ("UPDATE audit_heads SET mac = x'00'", "forward only"),
        ("UPDATE audit_heads SET sequence = 2", "forward only"),
        ("DELETE FROM audit_heads", "forward only"),
        (checkpoint, ""),
        ("UPDATE audit_checkpoints SET sequence = 6", append_only),
        ("INSERT OR REPLACE INTO audit_checkpoints VALUES ('default', 2, x'01', 0, x'01')", append_only),
        ("DELETE FROM audit_checkpoints", append_only),
        ("DELETE FROM audit_events WHERE sequence = 3", "checkpoint"),
    ];
    for (sql, expected) in refused {
        match intruder.run(sql).await {
            Ok(()) => assert_eq!(expected, "", "{sql} was let through"),
            Err(error) => assert!(!expected.is_empty() && error.to_string().contains(expected), "{sql}: {error}"),
        }
    }
    let count = sqlx::query("SELECT COUNT(*) FROM audit_events").fetch_one(&mut intruder.0).await.unwrap();
    assert_eq!(count.get::<i64, _>(0), 6);
}
