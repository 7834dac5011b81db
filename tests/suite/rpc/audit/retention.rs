//! Old events go, batch by batch, and what is left can still be proved; what was altered stays.

use std::time::Duration;

use dbkeeper::{
    grpc::proto::v1::{self, AuditProblem},
    model::{
        RequestId, Timestamp,
        audit::{AuditRecord, AuditedCall},
    },
    service::{
        audit::{AuditService, operators_account},
        vault,
    },
    store::Store,
    vault::{AuditKey, KeySource, Vault},
};
use tokio_util::task::TaskTracker;

use super::{Intruder, call, events, export, until, verify};
use crate::harness::server::TestServer;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How many events are removed in one go.
const BATCH: u64 = 1000;

/// The log of a server, opened beside it with the server's own key.
struct OpenLog {
    store: Store,
    vault: Vault,
    sealed_key: Vec<u8>,
}

impl OpenLog {
    async fn of(server: &TestServer) -> Self {
        let store = Store::open(server.store_file()).await.expect("the store opens beside the server");
        let source = KeySource::File(server.key_file());
        let opened = vault::open(&store, &source).await.expect("the store of the server");
        let vault = opened.expect("the key of the server");
        let sealed_key = store.server_key("audit").await.expect("the store").expect("the server made it");
        Self { store, vault, sealed_key }
    }

    fn key(&self) -> AuditKey {
        self.vault.open_server_key("audit", &self.sealed_key).expect("the key opens").into()
    }

    /// Adds events that were recorded so many days ago.
    async fn add(&self, count: u64, days: u32) {
        let age = i64::try_from((DAY * days).as_micros()).unwrap();
        let event = |_| {
            let (actor, address) = ("key/old".to_owned(), "127.0.0.1".to_owned());
            let method = "dbkeeper.v1.ConnectionService/DeleteConnection".to_owned();
            let call = AuditedCall::new(operators_account(), actor, address, method, &RequestId::generate());
            let time = Timestamp::from_micros(Timestamp::now().as_micros() - age);
            AuditRecord { time, ..AuditRecord::intent(call) }
        };
        let events: Vec<AuditRecord> = (0..count).map(event).collect();
        self.store.append_audit_records(&self.key(), &events).await.expect("the events are added");
    }

    /// The place of an event, as somebody who notes heads would have noted it.
    async fn head_at(&self, sequence: u64) -> v1::AuditHead {
        let found = self.store.audit_events_after(&operators_account(), sequence - 1, 1).await.expect("the events");
        v1::AuditHead { sequence: found[0].sequence, mac: found[0].mac.to_vec() }
    }

    /// What the server does every ten minutes, here until its end.
    async fn remove_older_than(&self, retention: Duration) {
        let service = AuditService::new(self.store.clone(), self.key(), TaskTracker::new());
        service.remove_old(retention).await.expect("the store works");
    }
}

async fn sequences(intruder: &mut Intruder, table: &str) -> Vec<u64> {
    let mut found: Vec<u64> =
        intruder.dump(table, &["sequence"]).await.iter().map(|text| text.parse().unwrap()).collect();
    found.sort_unstable();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_beginning_is_sealed_batch_by_batch_and_the_rest_is_proved_behind_it() {
    let server = TestServer::start().await;
    let log = OpenLog::of(&server).await;
    log.add(2500, 10).await;
    log.add(2, 0).await;
    // The clock had gone back, and what was recorded then stands behind what is kept.
    log.add(1, 10).await;
    let (removed, noted) = (log.head_at(2500).await, log.head_at(2502).await);
    let gone = log.head_at(1700).await;
    log.store.close().await;

    let mut stopped = server.stop().await;
    stopped.config().audit.retention = DAY;
    let server = stopped.start().await;
    let client = server.client();
    until(async || verify(&client, None).await.removed_sequence >= 2500).await;
    let mut intruder = Intruder::of(&server).await;
    assert_eq!(sequences(&mut intruder, "audit_events").await, [2501, 2502, 2503]);
    assert_eq!(sequences(&mut intruder, "audit_checkpoints").await, [BATCH, 2 * BATCH, 2500], "one seal a batch");

    call(&client, "after").await;
    let told: Vec<u64> = events(&client).await.iter().map(|event| event.sequence).collect();
    assert_eq!(told, [2501, 2502, 2503, 2504, 2505]);
    let verified = verify(&client, None).await;
    assert!(verified.intact, "{verified:?}");
    assert_eq!((verified.removed_sequence, verified.head.as_ref().unwrap().sequence), (2500, 2505));
    for (known, compared) in [(noted, true), (removed.clone(), true), (gone, false)] {
        let verified = verify(&client, Some(known.clone())).await;
        assert!(verified.intact && verified.expected_head_compared == compared, "{known:?}: {verified:?}");
    }
    let (start, exported) = export(&client, 0).await;
    assert_eq!((start.removed.unwrap(), exported[0].sequence), (removed, 2501));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_altered_batch_stays_and_is_told() {
    let young = 1501;
    let cases = [
        // What was altered, up to where events are gone, the first bad one.
        ("UPDATE audit_events SET actor = 'key/other' WHERE sequence = 1200", BATCH, 1200, AuditProblem::Altered),
        ("UPDATE audit_events SET actor = 'key/other' WHERE sequence = 1500", BATCH, 1500, AuditProblem::Altered),
        ("UPDATE audit_events SET code = 'OK' WHERE sequence = 3", 0, 3, AuditProblem::Altered),
        ("UPDATE audit_events SET mac = zeroblob(32) WHERE sequence = 1000", 0, 1000, AuditProblem::Altered),
        ("DELETE FROM audit_events WHERE sequence = 5", 0, 5, AuditProblem::Missing),
        ("DELETE FROM audit_events WHERE sequence = 1", 0, 1, AuditProblem::Missing),
        // A young event is made to look old, so that it goes with the others.
        ("UPDATE audit_events SET time = 0 WHERE sequence = 1501", BATCH, young, AuditProblem::Altered),
    ];
    let server = TestServer::start().await;
    let client = server.client();
    let log = OpenLog::of(&server).await;
    log.add(young - 1, 10).await;
    log.add(3, 0).await;
    let mut intruder = Intruder::of(&server).await;
    intruder.drop_triggers().await;
    intruder.run("CREATE TABLE kept AS SELECT * FROM audit_events").await.unwrap();
    for (sql, removed, bad, problem) in cases {
        intruder.run(sql).await.unwrap();
        let mut expected = sequences(&mut intruder, "audit_events").await;
        expected.retain(|sequence| *sequence > removed);
        log.remove_older_than(DAY).await;
        assert_eq!(sequences(&mut intruder, "audit_events").await, expected, "{sql}");
        let verified = verify(&client, None).await;
        assert!(!verified.intact, "{sql}: {verified:?}");
        assert_eq!((verified.first_bad_sequence, verified.problem()), (bad, problem), "{sql}: {verified:?}");
        assert_eq!(verified.removed_sequence, removed, "{sql}");

        // Another round does not come further.
        log.remove_older_than(DAY).await;
        assert_eq!(sequences(&mut intruder, "audit_events").await, expected, "{sql}");
        intruder
            .run(
                "DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM kept;
                 DELETE FROM audit_checkpoints",
            )
            .await
            .unwrap();
        assert!(verify(&client, None).await.intact, "{sql} was not undone");
    }
    log.remove_older_than(DAY).await;
    assert_eq!(verify(&client, None).await.removed_sequence, young - 1, "what was put back goes");
    log.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_checkpoint_is_told_and_nothing_is_removed_behind_it() {
    let cases = [
        // Moved forward over events that somebody wanted to be gone, with the seal of the one that was there.
        (
            "UPDATE audit_checkpoints SET sequence = 12, mac = (SELECT mac FROM audit_events WHERE sequence = 12);
             DELETE FROM audit_events WHERE sequence <= 12",
            12,
            AuditProblem::CheckpointAltered,
        ),
        (
            "INSERT INTO audit_checkpoints
             SELECT c.account, 12, e.mac, c.time, c.seal FROM audit_checkpoints c, audit_events e WHERE e.sequence = 12;
             DELETE FROM audit_events WHERE sequence <= 12",
            12,
            AuditProblem::CheckpointAltered,
        ),
        // The chain is made to begin with another event.
        ("UPDATE audit_checkpoints SET mac = zeroblob(32)", 10, AuditProblem::CheckpointAltered),
        ("UPDATE audit_checkpoints SET mac = x'00'", 10, AuditProblem::CheckpointAltered),
        ("UPDATE audit_checkpoints SET time = time + 1", 10, AuditProblem::CheckpointAltered),
        ("UPDATE audit_checkpoints SET seal = zeroblob(32)", 10, AuditProblem::CheckpointAltered),
        ("UPDATE audit_checkpoints SET sequence = 9", 9, AuditProblem::CheckpointAltered),
        // Nobody is to have removed anything.
        ("DELETE FROM audit_checkpoints", 1, AuditProblem::Missing),
    ];
    let server = TestServer::start().await;
    let client = server.client();
    let log = OpenLog::of(&server).await;
    log.add(10, 10).await;
    log.add(4, 0).await;
    log.remove_older_than(DAY).await;
    assert!(verify(&client, None).await.intact);
    let mut intruder = Intruder::of(&server).await;
    intruder.drop_triggers().await;
    intruder
        .run("CREATE TABLE kept AS SELECT * FROM audit_events; CREATE TABLE sealed AS SELECT * FROM audit_checkpoints")
        .await
        .unwrap();
    for (sql, bad, problem) in cases {
        intruder.run(sql).await.unwrap();
        let left = sequences(&mut intruder, "audit_events").await;
        for round in ["before", "after"] {
            let verified = verify(&client, None).await;
            let found = (verified.intact, verified.first_bad_sequence, verified.problem());
            assert_eq!(found, (false, bad, problem), "{sql}, {round} a round: {verified:?}");
            // Everything is old now. A genuine seal behind a forged one would vouch for it.
            log.remove_older_than(Duration::ZERO).await;
            assert_eq!(sequences(&mut intruder, "audit_events").await, left, "{sql}");
        }
        intruder
            .run(
                "DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM kept;
                 DELETE FROM audit_checkpoints; INSERT INTO audit_checkpoints SELECT * FROM sealed",
            )
            .await
            .unwrap();
        assert!(verify(&client, None).await.intact, "{sql} was not undone");
    }
    log.store.close().await;
}
