//! The audit log: what a call leaves in it, that a call without a record is not made, and that nobody changes a record
//! unseen.

mod ends;
mod retention;
mod tampering;
mod unseal;

use std::collections::HashSet;

use dbkeeper::grpc::{client::Client, proto::v1};
use futures::{TryStreamExt, future::join_all};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use tonic::Code;
use v1::{AuditCompletion, AuditEventKind};

use super::{
    answer::{assert_field, assert_refused, assert_says},
    support::{file, import, migration_set, register, settings, until},
};
use crate::harness::{
    server::{PATIENCE, TestServer, in_time},
    sqlite::SqliteFolder,
};

/// The store of a server, changed behind its back.
struct Intruder(SqliteConnection);

impl Intruder {
    async fn of(server: &TestServer) -> Self {
        let options = SqliteConnectOptions::new().filename(server.store_file()).busy_timeout(PATIENCE);
        Self(options.connect().await.unwrap())
    }

    /// Runs a script.
    async fn run(&mut self, sql: impl Into<String>) -> Result<(), sqlx::Error> {
        self.0.execute(sqlx::raw_sql(AssertSqlSafe(sql.into()))).await.map(drop)
    }

    /// Takes away what refuses changes of the log.
    async fn drop_triggers(&mut self) {
        let triggers: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_master
             WHERE type = 'trigger' AND tbl_name IN ('audit_events', 'audit_heads', 'audit_checkpoints')",
        )
        .fetch_all(&mut self.0)
        .await
        .unwrap();
        assert_eq!(triggers.len(), 8, "{triggers:?}");
        for trigger in triggers {
            self.run(format!("DROP TRIGGER {trigger}")).await.unwrap();
        }
    }

    /// Every value of a table, as text.
    async fn dump(&mut self, table: &str, columns: &[&str]) -> Vec<String> {
        let texts: Vec<String> = columns.iter().map(|column| format!("CAST({column} AS TEXT)")).collect();
        let sql = format!("SELECT {} FROM {table}", texts.join(" || ' ' || "));
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut self.0).await.unwrap()
    }
}

async fn list(client: &Client, request: v1::ListAuditEventsRequest) -> Vec<v1::AuditEvent> {
    client.access().list_audit_events(request).await.unwrap().into_inner().audit_events
}

/// All events, the oldest first.
async fn events(client: &Client) -> Vec<v1::AuditEvent> {
    let mut events = list(client, v1::ListAuditEventsRequest { page_size: 1000, ..Default::default() }).await;
    events.reverse();
    events
}

async fn export(client: &Client, after_sequence: u64) -> (v1::AuditExportStart, Vec<v1::AuditEvent>) {
    use v1::export_audit_events_response::Item;
    let request = v1::ExportAuditEventsRequest { after_sequence };
    let items = client.access().export_audit_events(request).await.unwrap().into_inner();
    let items: Vec<v1::ExportAuditEventsResponse> = in_time(items.try_collect()).await.unwrap();
    let mut items = items.into_iter().map(|item| item.item.unwrap());
    let Some(Item::Start(start)) = items.next() else { panic!("the export begins with the head") };
    let events = items.map(|item| match item {
        Item::Event(event) => event,
        Item::Start(_) => panic!("a second head"),
    });
    (start, events.collect())
}

async fn verify(client: &Client, expected_head: Option<v1::AuditHead>) -> v1::VerifyAuditLogResponse {
    client.access().verify_audit_log(v1::VerifyAuditLogRequest { expected_head }).await.unwrap().into_inner()
}

/// An audited call that changes nothing: there is no such connection.
async fn call(client: &Client, id: &str) {
    let request = v1::DeleteConnectionRequest { name: format!("connections/{id}"), ..Default::default() };
    let error = client.connections().delete_connection(request).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "CONNECTION_NOT_FOUND");
}

fn short(event: &v1::AuditEvent) -> (AuditEventKind, &str, &str) {
    (event.kind(), event.method.rsplit('/').next().unwrap(), &event.code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_leaves_intent_and_outcome_and_nothing_of_its_content() {
    const CANARY: &str = "canary-5f1c9e";
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let mut connection = settings(&folder.target(&folder.create_database()));
    (connection.display_name, connection.password) = (CANARY.to_owned(), CANARY.to_owned());
    connection.labels = [("team".to_owned(), CANARY.to_owned())].into();
    let shop = register(&client, "shop", connection).await;
    let set = migration_set(&client, "app", vec![file("1_a.sql", &format!("SELECT '{CANARY}';"))]).await;
    import(&client, &set, vec![file(CANARY, CANARY)]).await.unwrap_err();
    let renamed = v1::Connection { display_name: format!("{CANARY} 2"), ..shop.clone() };
    let mask = prost_types::FieldMask { paths: vec!["display_name".to_owned()] };
    let update =
        v1::UpdateConnectionRequest { connection: Some(renamed), update_mask: Some(mask), ..Default::default() };
    client.connections().update_connection(update).await.unwrap();
    let delete = v1::DeleteConnectionRequest { name: shop.name, validate_only: true, ..Default::default() };
    client.connections().delete_connection(delete).await.unwrap();
    client.connections().list_connections(v1::ListConnectionsRequest::default()).await.unwrap();

    let told = events(&client).await;
    use AuditEventKind::{Intent, Outcome};
    let expected = [
        (Intent, "CreateConnection", "OK"),
        (Outcome, "CreateConnection", "OK"),
        (Intent, "CreateMigrationSet", "OK"),
        (Outcome, "CreateMigrationSet", "OK"),
        (Intent, "ImportMigrations", "OK"),
        (Outcome, "ImportMigrations", "OK"),
        (Intent, "ImportMigrations", "INVALID_ARGUMENT"),
        (Outcome, "ImportMigrations", "INVALID_ARGUMENT"),
        (Intent, "UpdateConnection", "OK"),
        (Outcome, "UpdateConnection", "OK"),
        (Intent, "DeleteConnection", "OK"),
        (Outcome, "DeleteConnection", "OK"),
    ];
    assert_eq!(told.iter().map(short).collect::<Vec<_>>(), expected);
    for (index, event) in told.iter().enumerate() {
        assert_eq!(event.sequence, index as u64 + 1);
        assert!(event.actor.starts_with("key/") && event.address == "127.0.0.1", "{event:?}");
        assert!(!event.request_id.is_empty() && event.mac.len() == 32, "{event:?}");
        if event.kind() == Outcome {
            assert_eq!(event.intent_sequence, event.sequence - 1);
            assert_eq!(event.request_id, told[index - 1].request_id);
        } else {
            assert_eq!((event.completion(), event.outcome_sequence), (AuditCompletion::Ended, event.sequence + 1));
        }
    }
    assert_eq!(told[0].resources, ["connections/shop"]);
    assert_eq!(told[1].versions, [v1::AuditedVersion { name: "connections/shop".to_owned(), etag: "r1".to_owned() }]);
    assert_eq!(told[7].reason, "MIGRATION_FILE_INVALID");
    assert_eq!(
        (&told[6].resources[..], &told[8].parameters[..]),
        (&[set][..], &["update_mask:display_name".to_owned()][..])
    );
    assert_eq!(told[9].versions[0].etag, "r2");
    assert_eq!(told[10].parameters, ["validate_only"]);

    let (start, exported) = export(&client, 0).await;
    assert_eq!(start.head.unwrap().sequence, 13);
    assert_eq!(short(exported.last().unwrap()), (Intent, "ExportAuditEvents", ""));
    assert_eq!(exported.len(), 13);
    let (_, rest) = export(&client, 12).await;
    assert_eq!(rest.iter().map(|event| event.sequence).collect::<Vec<_>>(), [13, 14, 15]);
    assert_eq!(short(&rest[1]), (Outcome, "ExportAuditEvents", "OK"), "a stream's end is its outcome");
    let stored = Intruder::of(&server).await.dump("audit_events", COLUMNS).await;
    assert!(stored.len() > 12 && stored[0].contains("connections/shop"), "{stored:?}");
    let everything = format!("{stored:?} {told:?} {exported:?}");
    assert!(!everything.contains(CANARY), "{everything}");
    assert!(verify(&client, None).await.intact);
}

/// The columns of an event that hold text.
const COLUMNS: &[&str] = &[
    "account",
    "kind",
    "actor",
    "address",
    "method",
    "request_id",
    "resources",
    "parameters",
    "code",
    "reason",
    "versions",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_recorded_until_they_would_fill_the_disk() {
    let server = TestServer::start().await;
    let stranger = server.client_with(&"dbk_forged".into());
    for _ in 0..100 {
        let request = v1::DeleteConnectionRequest { name: "connections/shop".to_owned(), ..Default::default() };
        let error = stranger.connections().delete_connection(request).await.unwrap_err();
        assert_eq!(error.code(), Code::Unauthenticated, "{error:?}");
        let error = stranger.connections().list_connections(v1::ListConnectionsRequest::default()).await.unwrap_err();
        assert_eq!(error.code(), Code::Unauthenticated, "{error:?}");
    }
    let client = server.client();
    let told = events(&client).await;
    assert_eq!(told.len(), 5, "{told:?}");
    for event in &told {
        assert_eq!(short(event), (AuditEventKind::Refusal, "DeleteConnection", "UNAUTHENTICATED"));
        assert_eq!((event.reason.as_str(), event.actor.as_str()), ("API_KEY_INVALID", ""));
        assert!(event.resources.is_empty() && event.address == "127.0.0.1", "{event:?}");
    }
    // What was left out is told at the latest when the server stops.
    let server = server.stop().await.start().await;
    let told = events(&server.client()).await;
    let last = told.last().unwrap();
    assert_eq!(
        (told.len(), last.kind(), last.left_out, last.actor.as_str()),
        (6, AuditEventKind::LeftOut, 95, "server")
    );
    assert!(verify(&server.client(), None).await.intact);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_one_time_stand_in_one_order() {
    let server = TestServer::start().await;
    let client = server.client();
    let calls = (0..50).map(|number| {
        let client = client.clone();
        async move { call(&client, &format!("c{number}")).await }
    });
    join_all(calls).await;
    let told = events(&client).await;
    let sequences: Vec<u64> = told.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=100).collect::<Vec<_>>());
    let (intents, outcomes): (Vec<_>, Vec<_>) = told.iter().partition(|event| event.kind() == AuditEventKind::Intent);
    assert_eq!((intents.len(), outcomes.len()), (50, 50));
    let of: HashSet<u64> = outcomes.iter().map(|event| event.intent_sequence).collect();
    assert_eq!(of.len(), 50, "each outcome is of an intent of its own");
    for outcome in &outcomes {
        let intent = told.iter().find(|event| event.sequence == outcome.intent_sequence).unwrap();
        assert!(intent.sequence < outcome.sequence && intent.resources == outcome.resources, "{intent:?} {outcome:?}");
    }
    let verified = verify(&client, None).await;
    assert!(verified.intact && verified.head.unwrap().sequence == 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_of_a_server_that_lives_is_told_as_unknown() {
    let server = TestServer::start().await;
    let client = server.client();
    let done = std::sync::atomic::AtomicBool::new(false);
    let calling = (0..4).map(|number| {
        let (client, done) = (client.clone(), &done);
        async move {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                call(&client, &format!("c{number}")).await;
            }
        }
    });
    let looking = async {
        for _ in 0..400 {
            for event in list(&client, v1::ListAuditEventsRequest { page_size: 20, ..Default::default() }).await {
                assert_ne!(event.completion(), AuditCompletion::Unknown, "{event:?}");
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    tokio::join!(join_all(calling), looking);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_found_by_time_actor_method_and_resource_page_by_page() {
    let server = TestServer::start().await;
    let client = server.client();
    for number in 0..6 {
        call(&client, &format!("c{}", number % 2)).await;
    }
    let all = events(&client).await;
    let find = async |request: v1::ListAuditEventsRequest| {
        list(&client, request).await.iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    let request = v1::ListAuditEventsRequest::default;
    let on = |resource: &str| v1::ListAuditEventsRequest { resource: resource.to_owned(), ..request() };
    assert_eq!(find(on("connections/c1")).await, [12, 11, 8, 7, 4, 3]);
    assert_eq!(find(on("connections")).await.len(), 12);
    assert_eq!(find(on("connections/c")).await, [0u64; 0], "a name is not found by its beginning");
    let of = |method: &str| v1::ListAuditEventsRequest { method: method.to_owned(), ..request() };
    assert_eq!(find(of("DeleteConnection")).await.len(), 12);
    assert_eq!(find(of("dbkeeper.v1.ConnectionService/DeleteConnection")).await.len(), 12);
    assert_eq!(find(of("Connection")).await, [0u64; 0]);
    let by = |actor: &str| v1::ListAuditEventsRequest { actor: actor.to_owned(), ..request() };
    assert_eq!(find(by(&all[0].actor)).await.len(), 12);
    assert_eq!(find(by("key/other")).await, [0u64; 0]);
    let between = v1::ListAuditEventsRequest { start_time: all[4].time, end_time: all[8].time, ..request() };
    let found = list(&client, between).await;
    assert!(!found.is_empty() && found.iter().all(|event| (5..=8).contains(&event.sequence)), "{found:?}");

    let mut paged = Vec::new();
    let mut page = v1::ListAuditEventsRequest { page_size: 5, ..request() };
    loop {
        let answer = client.access().list_audit_events(page.clone()).await.unwrap().into_inner();
        paged.extend(answer.audit_events.iter().map(|event| event.sequence));
        page.page_token = answer.next_page_token;
        if page.page_token.is_empty() {
            break;
        }
        // A new event does not move the pages that follow.
        call(&client, "new").await;
    }
    assert_eq!(paged, (1..=12).rev().collect::<Vec<u64>>());

    for (field, bad) in [("resource", on("connections/%")), ("method", of("Delete_")), ("actor", by("a\nb"))] {
        assert_field(&client.access().list_audit_events(bad).await.unwrap_err(), field, "must be");
    }
    let head = Some(v1::AuditHead { sequence: 1, mac: vec![1; 31] });
    let error = client.access().verify_audit_log(v1::VerifyAuditLogRequest { expected_head: head }).await.unwrap_err();
    assert_field(&error, "expected_head.mac", "32 bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_sees_its_own_log_alone() {
    let server = TestServer::start().await;
    let (client, stranger) = (server.client(), server.client_with(&server.second_account().await));
    for _ in 0..3 {
        call(&client, "shop").await;
    }
    assert!(events(&stranger).await.is_empty());
    let verified = verify(&stranger, None).await;
    assert_eq!((verified.intact, verified.head.unwrap().sequence), (true, 0));
    call(&stranger, "other").await;
    let (start, told) = export(&stranger, 0).await;
    assert_eq!((start.head.unwrap().sequence, told.len()), (3, 3));
    assert!(told.iter().all(|event| event.resources == ["connections/other"] || event.resources.is_empty()));
    let page = v1::ListAuditEventsRequest { page_size: 2, ..Default::default() };
    let token = client.access().list_audit_events(page.clone()).await.unwrap().into_inner().next_page_token;
    let foreign = v1::ListAuditEventsRequest { page_token: token, ..page };
    let error = stranger.access().list_audit_events(foreign).await.unwrap_err();
    assert_refused(&error, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    assert_eq!(events(&client).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_events_go_and_the_rest_can_still_be_proved() {
    let server = TestServer::start().await;
    for number in 0..5 {
        call(&server.client(), &format!("c{number}")).await;
    }
    let head = verify(&server.client(), None).await.head.unwrap();
    let mut stopped = server.stop().await;
    // Everything is old: the configuration allows no less than a day, this test does.
    stopped.config().audit.retention = std::time::Duration::ZERO;
    let server = stopped.start().await;
    let client = server.client();
    until(async || verify(&client, None).await.removed_sequence == 10).await;
    assert!(events(&client).await.is_empty());
    call(&client, "after").await;
    let told = events(&client).await;
    assert_eq!(told.iter().map(|event| event.sequence).collect::<Vec<_>>(), [11, 12]);
    let verified = verify(&client, Some(head.clone())).await;
    assert!(verified.intact && verified.expected_head_compared, "{verified:?}");
    let forged = v1::AuditHead { mac: vec![7; 32], ..head.clone() };
    let verified = verify(&client, Some(forged)).await;
    assert_eq!((verified.first_bad_sequence, verified.problem()), (10, v1::AuditProblem::HeadDiffers));
    let older = verify(&client, Some(v1::AuditHead { sequence: 3, ..head.clone() })).await;
    assert!(older.intact && !older.expected_head_compared, "what is gone cannot be compared: {older:?}");
    let (start, _) = export(&client, 0).await;
    assert_eq!(start.removed.unwrap(), head);
}
