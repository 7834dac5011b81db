//! The main job from end to end, on each engine, through gRPC alone: register, test, inspect, migrate up, down and up,
//! watch, back up, verify, restore into a new database, compare, download, delete.

use dbkeeper::grpc::{client::Client, proto::v1};
use futures::TryStreamExt;
use tonic::Code;
use v1::{
    Ability, MigrationState, download_backup_response::Event as DownloadEvent, stream_metrics_response::Event,
    stream_tables_response::Event as TableEvent,
};

use super::{
    answer::assert_refused,
    support::{apply, file, migration_set, on_every_engine, register, register_sample, settings, succeeded},
};
use crate::{
    conformance::Fixture,
    harness::server::{TestServer, in_time},
};

const CONNECTION: &str = "connections/shop";

on_every_engine!(the_main_job);

async fn the_main_job(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let database = register_sample(&client, fixture, "shop").await;
    connection_works(&client).await;
    migrates_up_down_and_up(&client).await;
    is_watched(&client, fixture).await;

    let backup = back_up_while_watching(&client).await;
    let verify = v1::VerifyBackupRequest { name: backup.clone(), level: v1::VerifyLevel::Decode.into() };
    succeeded(&client, client.backups().verify_backup(verify).await.unwrap().into_inner()).await;
    let counted =
        client.backups().get_backup(v1::GetBackupRequest { name: backup.clone() }).await.unwrap().into_inner();
    assert!(counted.verify_time.is_some() && counted.row_count > 5000, "{counted:?}");

    let target = fixture.unused_database();
    let restored = restore(&client, &backup, &target).await;
    assert_eq!((restored.table_count, restored.row_count), (counted.table_count, counted.row_count));
    same_databases(&client, fixture, &database, &target).await;

    let dump = download(&client, &backup).await;
    let loaded = fixture.create_database().await;
    fixture.load(&loaded, &dump).await;
    assert_eq!(fixture.checksums(&loaded).await, fixture.checksums(&database).await);

    let in_use = v1::DeleteConnectionRequest { name: CONNECTION.to_owned(), ..Default::default() };
    let error = client.connections().delete_connection(in_use.clone()).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "CONNECTION_IN_USE");
    let delete = v1::DeleteBackupRequest { name: backup.clone(), validate_only: false };
    client.backups().delete_backup(delete).await.unwrap();
    let error = client.backups().get_backup(v1::GetBackupRequest { name: backup }).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "BACKUP_NOT_FOUND");
    client.connections().delete_connection(in_use).await.unwrap();
    let gone = v1::GetConnectionRequest { name: CONNECTION.to_owned(), ..Default::default() };
    let error = client.connections().get_connection(gone).await.unwrap_err();
    assert_refused(&error, Code::NotFound, "CONNECTION_NOT_FOUND");
}

async fn connection_works(client: &Client) {
    let target = Some(v1::test_connection_request::Target::Name(CONNECTION.to_owned()));
    let request = v1::TestConnectionRequest { target };
    let tested = client.connections().test_connection(request).await.unwrap().into_inner();
    assert!(tested.connected && tested.error.is_none() && !tested.server_version.is_empty(), "{tested:?}");

    let request = v1::GetCapabilitiesRequest { connection: CONNECTION.to_owned() };
    let capabilities = client.connections().get_capabilities(request).await.unwrap().into_inner();
    for ability in [Ability::Inspect, Ability::Migrate, Ability::Backup, Ability::Restore, Ability::Metrics] {
        let found = capabilities.capabilities.iter().find(|capability| capability.ability() == ability).unwrap();
        assert!(found.supported, "{found:?}");
    }

    let mut request = v1::ListTablesRequest { connection: CONNECTION.to_owned(), page_size: 7, ..Default::default() };
    let mut names = Vec::new();
    loop {
        let page = client.schemas().list_tables(request.clone()).await.unwrap().into_inner();
        assert!(page.tables.len() <= 7);
        names.extend(page.tables.into_iter().map(|table| table.name));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert!(names.len() >= 20 && names.iter().any(|name| name == "orders"), "{names:?}");
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "a page repeats what another had");
}

async fn migrates_up_down_and_up(client: &Client) {
    let files = vec![
        file("000001_shelves.up.sql", "CREATE TABLE shelves (id INTEGER PRIMARY KEY, room VARCHAR(40));"),
        file("000001_shelves.down.sql", "DROP TABLE shelves;"),
        file(
            "000002_boxes.up.sql",
            "CREATE TABLE boxes (id INTEGER PRIMARY KEY, note VARCHAR(40));\n\
             INSERT INTO boxes VALUES (1, 'a; b'), (2, 'naïve');",
        ),
        file("000002_boxes.down.sql", "DROP TABLE boxes;"),
    ];
    let set = migration_set(client, "app", files).await;
    let request = v1::PlanMigrationsRequest {
        migration_set: set.clone(),
        connection: CONNECTION.to_owned(),
        ..Default::default()
    };
    let plan = client.migrations().plan_migrations(request).await.unwrap().into_inner();
    assert_eq!((plan.total_steps, plan.problems.len(), plan.steps[1].statement_count), (2, 0, 2), "{plan:?}");

    let up = apply(&set, CONNECTION);
    succeeded(client, client.migrations().apply_migrations(up.clone()).await.unwrap().into_inner()).await;
    assert_eq!(applied(client, &set).await, 2);
    let down = v1::RevertMigrationsRequest {
        migration_set: set.clone(),
        connection: CONNECTION.to_owned(),
        extent: Some(v1::revert_migrations_request::Extent::Steps(2)),
        ..Default::default()
    };
    succeeded(client, client.migrations().revert_migrations(down).await.unwrap().into_inner()).await;
    assert_eq!(applied(client, &set).await, 0);
    let again = client.migrations().apply_migrations(up).await.unwrap().into_inner();
    let operation = succeeded(client, again).await;
    let Some(v1::operation::Result::MigrateResult(result)) = operation.result else { panic!("{operation:?}") };
    assert_eq!(result.count, 2);
    assert_eq!(applied(client, &set).await, 2);
}

async fn applied(client: &Client, set: &str) -> i32 {
    let request = v1::GetMigrationStatusRequest {
        migration_set: set.to_owned(),
        connection: CONNECTION.to_owned(),
        ..Default::default()
    };
    let status = client.migrations().get_migration_status(request).await.unwrap().into_inner();
    assert_eq!((status.applied_count + status.pending_count, status.drifted_count), (2, 0), "{status:?}");
    let shown = status.entries.iter().filter(|entry| entry.state() == MigrationState::Applied).count();
    assert_eq!(i32::try_from(shown), Ok(status.applied_count));
    status.applied_count
}

async fn is_watched(client: &Client, fixture: &impl Fixture) {
    let request = v1::StreamMetricsRequest {
        connection: CONNECTION.to_owned(),
        interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    let mut stream = client.monitor().stream_metrics(request).await.unwrap().into_inner();
    for sequence in 1..=2 {
        let message = in_time(stream.message()).await.unwrap().unwrap();
        let Some(Event::Sample(sample)) = message.event else { panic!("{message:?}") };
        assert_eq!(message.sequence, sequence);
        if sequence == 1 {
            for name in fixture.day_one_metrics() {
                assert!(sample.metrics.iter().any(|metric| metric.name == *name), "{name} is not in the sample");
            }
        }
    }
    drop(stream);

    let request = v1::GetHealthRequest { connection: CONNECTION.to_owned() };
    let health = client.monitor().get_health(request).await.unwrap().into_inner();
    assert_eq!(health.status(), v1::HealthStatus::Healthy, "{health:?}");

    let request = v1::ListSessionsRequest { connection: CONNECTION.to_owned(), ..Default::default() };
    let sessions = client.monitor().list_sessions(request).await;
    if fixture.target("x").settings.engine == dbkeeper::model::connection::EngineKind::Sqlite {
        assert_refused(&sessions.unwrap_err(), Code::Unimplemented, "ENGINE_UNSUPPORTED");
    } else {
        let sessions = sessions.unwrap().into_inner().sessions;
        assert!(sessions.iter().any(|session| session.own), "our own session is not marked");
    }
}

/// Takes a backup and follows its operation to the end.
async fn back_up_while_watching(client: &Client) -> String {
    let request = v1::CreateBackupRequest {
        connection: CONNECTION.to_owned(),
        backup_id: "first".to_owned(),
        ..Default::default()
    };
    let operation = client.backups().create_backup(request).await.unwrap().into_inner();
    let request = v1::WatchOperationRequest { name: operation.name.clone(), after_sequence: 0 };
    let events = client.operations().watch_operation(request).await.unwrap().into_inner();
    let events: Vec<_> = in_time(events.try_collect()).await.unwrap();
    assert!(events.is_sorted_by(|earlier: &v1::WatchOperationResponse, later| earlier.sequence < later.sequence));
    let last = events.iter().rev().find_map(|event| match &event.event {
        Some(v1::watch_operation_response::Event::Operation(operation)) => Some(operation.clone()),
        _ => None,
    });
    let last = last.expect("a state is told");
    assert_eq!(last.state(), v1::OperationState::Succeeded, "{:?}", last.error);
    format!("{CONNECTION}/backups/first")
}

async fn restore(client: &Client, backup: &str, target: &str) -> v1::RestoreBackupResult {
    let request = v1::RestoreBackupRequest {
        name: backup.to_owned(),
        connection: CONNECTION.to_owned(),
        target_database: target.to_owned(),
        ..Default::default()
    };
    let operation = client.backups().restore_backup(request).await.unwrap().into_inner();
    match succeeded(client, operation).await.result {
        Some(v1::operation::Result::RestoreBackupResult(result)) => result,
        other => panic!("{other:?}"),
    }
}

/// Compares rows and definitions with the engine's own client, and the tables as our API shows them.
async fn same_databases(client: &Client, fixture: &impl Fixture, source: &str, target: &str) {
    assert_eq!(fixture.checksums(target).await, fixture.checksums(source).await);
    assert_eq!(fixture.definitions(target).await, fixture.definitions(source).await);
    register(client, "copy", settings(&fixture.target(target))).await;
    let copies = tables(client, "connections/copy", &fixture.schema(target)).await;
    assert_eq!(copies, tables(client, CONNECTION, &fixture.schema(source)).await);
    let request = v1::DeleteConnectionRequest { name: "connections/copy".to_owned(), ..Default::default() };
    client.connections().delete_connection(request).await.unwrap();
}

/// Every table; what may differ between a database and its copy is left out.
async fn tables(client: &Client, connection: &str, schema: &str) -> Vec<v1::Table> {
    let request = v1::StreamTablesRequest { connection: connection.to_owned(), ..Default::default() };
    let stream = client.schemas().stream_tables(request).await.unwrap().into_inner();
    let messages: Vec<_> = in_time(stream.try_collect()).await.unwrap();
    let mut tables = Vec::new();
    for message in messages {
        match message.event {
            Some(TableEvent::Table(table)) => tables.push(table),
            Some(TableEvent::Summary(summary)) => assert_eq!(summary.table_count, tables.len() as i64),
            None => panic!("an empty event"),
        }
    }
    for table in &mut tables {
        (table.row_estimate, table.data_size_bytes, table.index_size_bytes) = (0, 0, 0);
        table.connection.clear();
        table.schema = table.schema.replace(schema, "");
        table.view_definition = table.view_definition.replace(schema, "");
        table.indexes.iter_mut().for_each(|index| index.size_bytes = 0);
        for key in &mut table.foreign_keys {
            key.referenced_schema = key.referenced_schema.replace(schema, "");
        }
    }
    tables
}

async fn download(client: &Client, backup: &str) -> Vec<u8> {
    let request = v1::DownloadBackupRequest { name: backup.to_owned() };
    let stream = client.backups().download_backup(request).await.unwrap().into_inner();
    let mut messages = in_time(stream.try_collect::<Vec<_>>()).await.unwrap().into_iter();
    let mut next = || messages.next().and_then(|message| message.event);
    let Some(DownloadEvent::Header(header)) = next() else { panic!("no header") };
    let mut dump = Vec::new();
    let trailer = loop {
        match next() {
            Some(DownloadEvent::Data(data)) => dump.extend(data),
            Some(DownloadEvent::Trailer(trailer)) => break trailer,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(dump.len() as i64, header.size_bytes);
    assert_eq!(blake3::hash(&dump).to_hex().to_string(), trailer.blake3);
    dump
}
