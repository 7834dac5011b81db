//! The schema that a backup was taken of, without a restore.

use dbkeeper::grpc::proto::v1::{self, schema_source::Source};
use tonic::Code;

use super::{
    super::{
        answer::{assert_refused, assert_says},
        support::{back_up, on_every_engine, register, register_sample, settings},
    },
    ask, connection, side,
};
use crate::{
    conformance::Fixture,
    harness::{server::TestServer, sqlite::SqliteFolder},
};

async fn generated(server: &TestServer, source: Source) -> v1::GenerateDdlResponse {
    let request = v1::GenerateDdlRequest { source: side(source), ..Default::default() };
    server.client().schemas().generate_ddl(request).await.unwrap().into_inner()
}

/// The schema stays what it was, whatever becomes of the database.
async fn a_backup_knows_its_schema(server: &TestServer, fixture: &impl Fixture) {
    let client = server.client();
    let database = register_sample(&client, fixture, "shop").await;
    let before = generated(server, connection("shop")).await;
    let backup = back_up(&client, "connections/shop", "first").await;
    fixture.run(&database, "CREATE TABLE came_later (id int)").await;
    let kept = generated(server, Source::Backup(backup.clone())).await;
    assert_eq!((kept.definition, kept.unmapped), (before.definition, before.unmapped));
    let request = v1::DiffSchemasRequest {
        source: side(Source::Backup(backup)),
        target: side(connection("shop")),
        ..Default::default()
    };
    let found = ask(&client, request).await.unwrap();
    let names: Vec<&str> = found.changes.iter().map(|change| change.name.as_str()).collect();
    assert_eq!(names, ["came_later"]);
}

on_every_engine! {
    a_backup_knows_its_schema,
}

/// A schema that is too large is not recorded, and the backup is taken all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_without_its_schema_says_so() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let database = Fixture::create_database(&folder).await;
    let tables: String = (0..5_002).map(|number| format!("CREATE TABLE t{number} (id int);\n")).collect();
    Fixture::run(&folder, &database, &format!("BEGIN;\n{tables}COMMIT;")).await;
    register(&client, "large", settings(&Fixture::target(&folder, &database))).await;
    let backup = back_up(&client, "connections/large", "first").await;
    let request = v1::DiffSchemasRequest {
        source: side(Source::Backup(backup)),
        target: side(connection("large")),
        ..Default::default()
    };
    let status = ask(&client, request).await.unwrap_err();
    assert_refused(&status, Code::FailedPrecondition, "BACKUP_SCHEMA_MISSING");
    assert_says(&status, "take another backup");

    let unknown = Source::Backup("connections/large/backups/second".to_owned());
    let request =
        v1::DiffSchemasRequest { source: side(unknown), target: side(connection("large")), ..Default::default() };
    assert_refused(&ask(&client, request).await.unwrap_err(), Code::NotFound, "BACKUP_NOT_FOUND");
}
