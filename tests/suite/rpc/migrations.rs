//! Migrations that are at fault: told with file, statement and way on, and nothing lost.

use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::Code;

use super::{
    answer::{assert_field, assert_refused, assert_says},
    support::{apply, failed, file, import, migration_set, on_every_engine, register, settings, succeeded},
};
use crate::{
    conformance::Fixture,
    harness::{server::TestServer, sqlite::SqliteFolder},
};

const CONNECTION: &str = "connections/shop";

on_every_engine!(
    a_syntax_error_in_the_third_statement_is_placed,
    a_changed_migration_that_was_applied_is_drift,
    a_run_is_checked_and_repeated_by_its_request_id,
);

async fn registered(client: &Client, fixture: &impl Fixture) -> String {
    let database = fixture.create_database().await;
    register(client, "shop", settings(&fixture.target(&database))).await;
    database
}

async fn table_names(client: &Client) -> Vec<String> {
    let request = v1::ListTablesRequest { connection: CONNECTION.to_owned(), ..Default::default() };
    let tables = client.schemas().list_tables(request).await.unwrap().into_inner().tables;
    tables.into_iter().map(|table| table.name).filter(|name| !name.starts_with("dbkeeper")).collect()
}

async fn status(client: &Client, set: &str) -> v1::MigrationStatus {
    let request = v1::GetMigrationStatusRequest {
        migration_set: set.to_owned(),
        connection: CONNECTION.to_owned(),
        ..Default::default()
    };
    client.migrations().get_migration_status(request).await.unwrap().into_inner()
}

async fn a_syntax_error_in_the_third_statement_is_placed(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    registered(&client, fixture).await;
    let broken = "CREATE TABLE one (id INTEGER);\nCREATE TABLE two (id INTEGER);\n\nCREATE TABEL three (id INTEGER);\n";
    let files = vec![
        file("1_good.up.sql", "CREATE TABLE zero (id INTEGER);"),
        file("1_good.down.sql", "DROP TABLE zero;"),
        file("2_broken.up.sql", broken),
        file("2_broken.down.sql", "DROP TABLE two; DROP TABLE one;"),
    ];
    let set = migration_set(&client, "app", files).await;
    let run = client.migrations().apply_migrations(apply(&set, CONNECTION)).await.unwrap().into_inner();
    let error = failed(&client, run, "STATEMENT_FAILED").await;
    let failure = error.statement.expect("the statement is told");
    assert_eq!((failure.file.as_str(), failure.statement_index, failure.statement_count), ("2_broken.up.sql", 3, 3));
    assert_eq!(failure.line, 4, "{failure:?}");
    assert!(failure.statement.contains("CREATE TABEL three"), "{failure:?}");
    assert!(!failure.message.is_empty() && !failure.hint.is_empty(), "{failure:?}");

    let after = status(&client, &set).await;
    assert_eq!((after.current_version.as_str(), after.applied_count), ("1", 1), "{after:?}");
    let capabilities = v1::GetCapabilitiesRequest { connection: CONNECTION.to_owned() };
    let capabilities = client.connections().get_capabilities(capabilities).await.unwrap().into_inner();
    let transactional = capabilities
        .capabilities
        .iter()
        .any(|capability| capability.ability() == v1::Ability::TransactionalDdl && capability.supported);
    if transactional {
        assert_eq!(table_names(&client).await, ["zero"], "the failed migration was taken back");
    } else {
        // DDL that commits by itself is journalled: what was done stands there, and the next run goes on after it.
        assert_eq!(table_names(&client).await, ["one", "two", "zero"]);
        let entry = after.entries.iter().find(|entry| entry.version == "2").unwrap();
        assert_eq!((entry.state(), entry.statements_done), (v1::MigrationState::Incomplete, 2), "{entry:?}");
    }

    // The way on that the error tells: mend the file, import it anew, apply again.
    let request = v1::ImportMigrationsRequest {
        migration_set: set.clone(),
        files: vec![
            file("2_broken.up.sql", &broken.replace("TABEL", "TABLE")),
            file("2_broken.down.sql", "DROP TABLE one;"),
        ],
        allow_changes: true,
        ..Default::default()
    };
    client.migrations().import_migrations(request).await.unwrap();
    let run = client.migrations().apply_migrations(apply(&set, CONNECTION)).await.unwrap().into_inner();
    succeeded(&client, run).await;
    assert_eq!(table_names(&client).await, ["one", "three", "two", "zero"]);
}

async fn a_changed_migration_that_was_applied_is_drift(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    registered(&client, fixture).await;
    let set = migration_set(&client, "app", vec![file("1_a.sql", "CREATE TABLE a (id INTEGER);")]).await;
    let run = client.migrations().apply_migrations(apply(&set, CONNECTION)).await.unwrap().into_inner();
    succeeded(&client, run).await;

    let changed = vec![
        file("1_a.sql", "CREATE TABLE a (id INTEGER, b INTEGER);"),
        file("2_b.sql", "CREATE TABLE b (id INTEGER);"),
    ];
    let error = import(&client, &set, changed.clone()).await.unwrap_err();
    assert_refused(&error, Code::AlreadyExists, "MIGRATION_CHANGED");
    assert_says(&error, "new migration");
    let request = v1::ImportMigrationsRequest {
        migration_set: set.clone(),
        files: changed,
        allow_changes: true,
        ..Default::default()
    };
    client.migrations().import_migrations(request).await.unwrap();
    let error = client.migrations().apply_migrations(apply(&set, CONNECTION)).await.unwrap_err();
    assert_refused(&error, Code::FailedPrecondition, "MIGRATION_DRIFT");
    assert_says(&error, "1");
    let status = status(&client, &set).await;
    assert_eq!(status.drifted_count, 1, "{status:?}");
    assert_eq!(status.entries[0].state(), v1::MigrationState::Changed);
    assert_eq!(table_names(&client).await, ["a"]);
}

async fn a_run_is_checked_and_repeated_by_its_request_id(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    registered(&client, fixture).await;
    let set = migration_set(
        &client,
        "app",
        vec![file("1_a.up.sql", "CREATE TABLE a (id INTEGER);"), file("1_a.down.sql", "DROP TABLE a;")],
    )
    .await;
    let check = v1::ApplyMigrationsRequest { validate_only: true, ..apply(&set, CONNECTION) };
    let checked = client.migrations().apply_migrations(check).await.unwrap().into_inner();
    assert_eq!((checked.name.as_str(), checked.progress.unwrap().total), ("", 1));
    assert!(table_names(&client).await.is_empty());

    let request = v1::ApplyMigrationsRequest { request_id: "apply-once".to_owned(), ..apply(&set, CONNECTION) };
    let first = client.migrations().apply_migrations(request.clone()).await.unwrap().into_inner();
    let first = succeeded(&client, first).await;
    let again = client.migrations().apply_migrations(request.clone()).await.unwrap().into_inner();
    assert_eq!(again, first);
    let other = v1::ApplyMigrationsRequest { target_version: "1".to_owned(), ..request };
    let error = client.migrations().apply_migrations(other).await.unwrap_err();
    assert_refused(&error, Code::AlreadyExists, "REQUEST_ID_REUSED");

    let revert = v1::RevertMigrationsRequest {
        migration_set: set.clone(),
        connection: CONNECTION.to_owned(),
        extent: Some(v1::revert_migrations_request::Extent::Steps(1)),
        validate_only: true,
        ..Default::default()
    };
    let checked = client.migrations().revert_migrations(revert).await.unwrap().into_inner();
    assert!(checked.name.is_empty());
    assert_eq!(table_names(&client).await, ["a"]);
    let operations = v1::ListOperationsRequest::default();
    assert_eq!(client.operations().list_operations(operations).await.unwrap().into_inner().operations.len(), 1);
}

#[tokio::test]
async fn a_set_takes_no_two_migrations_of_one_version() {
    let server = TestServer::start().await;
    let client = server.client();
    let set = migration_set(&client, "app", vec![file("1_a.sql", "SELECT 1;")]).await;
    let twice = vec![file("2_b.sql", "SELECT 1;"), file("2_c.sql", "SELECT 2;")];
    let error = import(&client, &set, twice).await.unwrap_err();
    assert_refused(&error, Code::InvalidArgument, "DUPLICATE_MIGRATION_VERSION");
    assert_field(&error, "files[1].path", "2_b.sql");
    assert_says(&error, "2_c.sql");
    let list = v1::ListMigrationsRequest { migration_set: set, ..Default::default() };
    assert_eq!(client.migrations().list_migrations(list).await.unwrap().into_inner().migrations.len(), 1);
}

#[tokio::test]
async fn sets_and_imports_are_checked_without_a_change() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let create = v1::CreateMigrationSetRequest {
        migration_set_id: "app".to_owned(),
        migration_set: Some(v1::MigrationSet { display_name: "App".to_owned(), ..Default::default() }),
        request_id: "set-once".to_owned(),
        validate_only: true,
    };
    client.migrations().create_migration_set(create.clone()).await.unwrap();
    let missing = import(&client, "migrationSets/app", vec![file("1_a.sql", "SELECT 1;")]).await.unwrap_err();
    assert_refused(&missing, Code::NotFound, "MIGRATION_SET_NOT_FOUND");

    let create = v1::CreateMigrationSetRequest { validate_only: false, ..create };
    let made = client.migrations().create_migration_set(create.clone()).await.unwrap().into_inner();
    assert_eq!(client.migrations().create_migration_set(create.clone()).await.unwrap().into_inner(), made);
    let other = v1::CreateMigrationSetRequest { migration_set_id: "other".to_owned(), ..create };
    let error = client.migrations().create_migration_set(other).await.unwrap_err();
    assert_refused(&error, Code::AlreadyExists, "REQUEST_ID_REUSED");

    let check = v1::ImportMigrationsRequest {
        migration_set: made.name.clone(),
        files: vec![file("1_a.sql", "SELECT 1;")],
        validate_only: true,
        ..Default::default()
    };
    let checked = client.migrations().import_migrations(check).await.unwrap().into_inner();
    assert_eq!(checked.added, 1);
    let list = v1::ListMigrationsRequest { migration_set: made.name, ..Default::default() };
    assert!(client.migrations().list_migrations(list).await.unwrap().into_inner().migrations.is_empty());
}

#[tokio::test]
async fn a_set_that_is_another_by_now_takes_no_import() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let database = folder.create_database();
    let lacking =
        "CREATE TABLE pointed (id INTEGER PRIMARY KEY); CREATE TABLE pointing (id INTEGER REFERENCES pointed);";
    folder.run(&database, lacking).await;
    register(&client, "shop", settings(&Fixture::target(&folder, &database))).await;
    let asked = v1::RecommendIndexesRequest { connection: CONNECTION.to_owned(), ..Default::default() };
    let advice = client.schemas().recommend_indexes(asked).await.unwrap().into_inner();
    let recommendation = advice.recommendations.first().expect("something is lacking").id.clone();
    let create = v1::CreateMigrationSetRequest {
        migration_set: Some(v1::MigrationSet { display_name: "App".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let made = client.migrations().create_migration_set(create).await.unwrap().into_inner();
    let import = async |path: &str, etag: &str, validate_only: bool| {
        let request = v1::ImportMigrationsRequest {
            migration_set: made.name.clone(),
            files: vec![file(path, "SELECT 1;")],
            etag: etag.to_owned(),
            validate_only,
            ..Default::default()
        };
        let report = client.migrations().import_migrations(request).await?.into_inner();
        Ok::<_, tonic::Status>(report.migration_set.unwrap())
    };
    let put_in = async |etag: &str, validate_only: bool| {
        let request = v1::ImportRecommendationsRequest {
            connection: CONNECTION.to_owned(),
            migration_set: made.name.clone(),
            recommendation_ids: vec![recommendation.clone()],
            etag: etag.to_owned(),
            validate_only,
            ..Default::default()
        };
        let report = Box::pin(client.schemas().import_recommendations(request)).await?.into_inner();
        Ok::<_, tonic::Status>(report.migration_set.unwrap())
    };

    let first = import("1_a.sql", &made.etag, false).await.unwrap();
    assert_ne!(first.etag, made.etag);
    for stale in [made.etag.as_str(), "r77", "x"] {
        for validate_only in [true, false] {
            for refused in [import("2_b.sql", stale, validate_only).await, put_in(stale, validate_only).await] {
                assert_refused(&refused.unwrap_err(), Code::Aborted, "ETAG_MISMATCH");
            }
        }
    }
    // It stands as it was, for those who saw it last and for those who did not look.
    assert_eq!(import("2_b.sql", &first.etag, true).await.unwrap(), first);
    let second = put_in(&first.etag, false).await.unwrap();
    assert_eq!((second.migration_count, second.etag == first.etag), (2, false));
    assert_refused(&import("3_c.sql", &first.etag, false).await.unwrap_err(), Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(import("3_c.sql", "", false).await.unwrap().migration_count, 3);
}
