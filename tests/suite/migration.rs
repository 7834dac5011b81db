//! Migration sets, and runs of them on real databases.

mod scene;

use dbkeeper::{
    model::{
        Reason, RequestKey,
        migration::{Direction, MigrationFormat, Version},
        operation::{OperationResult, OperationState},
    },
    service::migration::{ApplyMigrations, ImportOptions, RevertExtent, StartedRun, view::MigrationState},
};
use scene::{Scene, apply, context, page, set_id, succeeded};

use crate::harness::postgres::PostgresServer;

/// Two tables and a trigger whose body holds a semicolon, in the three dialects' common ground and SQLite's own.
const SQLITE_FILES: &[(&str, &str)] = &[
    (
        "001_people.up.sql",
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO people VALUES (1, 'a;b');",
    ),
    ("001_people.down.sql", "DROP TABLE people;"),
    (
        "002_log.up.sql",
        "CREATE TABLE log (entry TEXT);\nCREATE TRIGGER people_log AFTER INSERT ON people BEGIN\n  \
         INSERT INTO log VALUES (new.name); INSERT INTO log VALUES ('x'); END;",
    ),
    ("002_log.down.sql", "DROP TRIGGER people_log; DROP TABLE log;"),
];

const POSTGRES_FILES: &[(&str, &str)] = &[
    (
        "20240101120000_people.sql",
        "-- migrate:up\nCREATE TABLE people (id int PRIMARY KEY, name text);\n-- migrate:down\nDROP TABLE people;",
    ),
    (
        "20240101120001_log.sql",
        "-- migrate:up\nCREATE TABLE log (entry text);\nCREATE FUNCTION f() RETURNS int AS $$ BEGIN RETURN 1; END $$ LANGUAGE \
         plpgsql;\n-- migrate:down\nDROP FUNCTION f(); DROP TABLE log;",
    ),
];

async fn up_down_and_up(scene: &Scene, files: &[(&str, &str)], format: MigrationFormat, versions: [&str; 2]) {
    let report = scene.import(files).await.unwrap();
    assert_eq!((report.format, report.added, report.set.migration_count), (format, 2, 2));
    let plan = scene.plan(Direction::Up, &page(1, None)).await;
    assert_eq!((plan.steps.items.len(), plan.steps.total, plan.problems.len()), (1, Some(2), 0));
    assert_eq!(plan.current, None);
    let rest = scene.plan(Direction::Up, &page(1, plan.steps.next)).await;
    assert_eq!(rest.steps.items[0].migration.version.as_str(), versions[1]);
    assert_eq!((rest.steps.items[0].statement_count, rest.steps.next), (2, None));
    assert!(scene.tables().await.is_empty(), "a plan changes nothing");

    let ended = succeeded(scene.apply(None).await);
    let Some(OperationResult::Migrate { versions: ran, count, current_version }) = ended.result else {
        panic!("{:?}", ended.result)
    };
    assert_eq!(ran.iter().map(Version::as_str).collect::<Vec<_>>(), versions);
    assert_eq!((count, current_version.as_ref().map(Version::as_str)), (2, Some(versions[1])));
    assert_eq!((ended.progress.done, ended.progress.total), (2, 2));
    assert_eq!(scene.tables().await, ["log", "people"]);
    assert_eq!(scene.states().await, versions.map(|version| (version.to_owned(), MigrationState::Applied)));

    succeeded(scene.revert(RevertExtent::Steps(1)).await);
    assert_eq!(scene.tables().await, ["people"]);
    let zero = Version::parse("0", "target_version").unwrap();
    succeeded(scene.revert(RevertExtent::To(zero)).await);
    assert!(scene.tables().await.is_empty());
    let status = scene.status().await;
    assert_eq!((status.applied, status.pending, status.current), (0, 2, None));

    succeeded(scene.apply(Some(versions[0])).await);
    assert_eq!(scene.tables().await, ["people"]);
    succeeded(scene.apply(None).await);
    assert_eq!(scene.tables().await, ["log", "people"]);
    let nothing = succeeded(scene.apply(None).await);
    assert_eq!(nothing.progress.total, 0, "there is nothing left to do");
}

#[tokio::test]
async fn up_down_and_up_on_sqlite() {
    let scene = Scene::sqlite().await;
    up_down_and_up(&scene, SQLITE_FILES, MigrationFormat::GolangMigrate, ["001", "002"]).await;
}

#[tokio::test]
async fn up_down_and_up_on_postgresql() {
    let scene = Scene::postgres().await;
    up_down_and_up(&scene, POSTGRES_FILES, MigrationFormat::Dbmate, ["20240101120000", "20240101120001"]).await;
}

/// The third statement of the second migration is at fault.
async fn a_fault_and_its_cure(scene: &Scene) {
    let good = ("1_a.sql", "CREATE TABLE a (id int);");
    let bad = "CREATE TABLE b (id int);\nCREATE TABLE c (id int);\n  SELEKT 1;\nCREATE TABLE d (id int);";
    scene.import(&[good, ("2_b.sql", bad), ("3_c.sql", "CREATE TABLE e (id int)")]).await.unwrap();
    let ended = scene.apply(None).await;
    assert_eq!(ended.state, OperationState::Failed);
    let error = ended.error.unwrap();
    assert_eq!((error.reason.as_str(), error.metadata["version"].as_str()), ("STATEMENT_FAILED", "2"));
    let failure = error.statement.unwrap();
    assert_eq!((failure.file.as_str(), failure.line, failure.column), ("2_b.sql", 3, 3));
    assert_eq!((failure.statement_index, failure.statement_count), (3, 4));
    assert_eq!(failure.statement, "SELEKT 1");
    assert!(failure.message.contains("SELEKT") && failure.hint.contains("nothing of version 2 stays"), "{failure:?}");
    if !scene.database.is_empty() {
        assert_eq!(failure.sql_state, "42601");
    }
    assert_eq!(scene.tables().await, ["a"]);

    let mended = bad.replace("SELEKT", "SELECT");
    let refused = scene.import(&[("2_b.sql", &mended)]).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::MigrationChanged);
    assert_eq!(scene.import_changes(&[("2_b.sql", &mended)]).await.unwrap().changed, 1);
    succeeded(scene.apply(None).await);
    assert_eq!(scene.tables().await, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_fault_and_its_cure_on_sqlite() {
    a_fault_and_its_cure(&Scene::sqlite().await).await;
}

#[tokio::test]
async fn a_fault_and_its_cure_on_postgresql() {
    a_fault_and_its_cure(&Scene::postgres().await).await;
}

#[tokio::test]
async fn a_run_without_a_transaction_goes_on_where_it_stopped() {
    let scene = Scene::postgres().await;
    let text = "-- dbkeeper: no-transaction\nCREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n\
                INSERT INTO b VALUES (1);\nCREATE TABLE c (id int);";
    scene.import(&[("1_a.sql", text)]).await.unwrap();
    let error = scene.apply(None).await.error.unwrap();
    assert_eq!((error.reason.as_str(), error.metadata["statements_done"].as_str()), ("STATEMENT_FAILED", "2"));
    let entry = scene.status().await.entries.items.remove(0);
    assert_eq!((entry.state, entry.statements), (MigrationState::Incomplete, Some((2, 4))));
    let plan = scene.plan(Direction::Up, &page(10, None)).await;
    assert_eq!((plan.steps.items[0].statements_done, plan.steps.items[0].transactional), (2, false));

    PostgresServer::shared().psql(&scene.database, "CREATE TABLE b (id int)");
    succeeded(scene.apply(None).await);
    assert_eq!(scene.tables().await, ["a", "b", "c"]);
    assert_eq!(PostgresServer::shared().psql(&scene.database, "SELECT count(*) FROM b").trim(), "1");
}

#[tokio::test]
async fn a_migration_that_changed_after_it_was_applied_is_refused() {
    let scene = Scene::sqlite().await;
    scene.import(&[("1_a.sql", "CREATE TABLE a (id int);"), ("2_b.sql", "SELECT 1;")]).await.unwrap();
    succeeded(scene.apply(Some("1")).await);
    assert_eq!(scene.import(&[("1_a.sql", "CREATE TABLE a (id int);\r\n\r\n")]).await.unwrap().unchanged, 1);
    scene.import_changes(&[("1_a.sql", "CREATE TABLE a (id text);")]).await.unwrap();
    let error = scene.apply_refused().await;
    assert_eq!((error.reason(), error.metadata("version")), (Reason::MigrationDrift, Some("1")));
    let expected = [("1".to_owned(), MigrationState::Changed), ("2".to_owned(), MigrationState::Pending)];
    assert_eq!(scene.states().await, expected);
    assert_eq!(scene.plan(Direction::Up, &page(10, None)).await.problems.len(), 1);
}

#[tokio::test]
async fn a_script_that_cannot_be_cut_is_refused_before_any_runs() {
    let scene = Scene::sqlite().await;
    scene.import(&[("1_a.sql", "CREATE TABLE a (id int);"), ("2_b.sql", "SELECT 1;\nSELECT 'x;")]).await.unwrap();
    let error = scene.apply_refused().await;
    assert_eq!((error.reason(), error.metadata("line")), (Reason::MigrationFileInvalid, Some("2")));
    assert_eq!(scene.plan(Direction::Up, &page(10, None)).await.problems[0].reason, Reason::MigrationFileInvalid);
    assert!(scene.tables().await.is_empty());
}

#[tokio::test]
async fn two_versions_that_are_one_number_do_not_meet_in_a_set() {
    let scene = Scene::sqlite().await;
    scene.import(&[("001_a.sql", "SELECT 1")]).await.unwrap();
    let error = scene.import(&[("1_b.sql", "SELECT 2")]).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DuplicateMigrationVersion);
    assert!(error.message().contains("001_a.sql") && error.message().contains("1_b.sql"), "{error}");
    let listed = scene.service.list(&scene.context, &set_id(), &page(10, None)).await.unwrap();
    assert_eq!((listed.items.len(), listed.total), (1, Some(1)));
}

#[tokio::test]
async fn nothing_is_stored_where_only_a_check_was_asked_for() {
    let scene = Scene::sqlite().await;
    let check = ImportOptions { validate_only: true, ..ImportOptions::default() };
    let report = scene.import_with(&[("1_a.sql", "CREATE TABLE a (id int)")], check).await.unwrap();
    assert_eq!((report.added, report.set.migration_count), (1, 0));
    scene.import(&[("1_a.sql", "CREATE TABLE a (id int)")]).await.unwrap();
    let check = ApplyMigrations { validate_only: true, ..apply(None) };
    let started = scene.service.apply(&scene.context, &check, None).await.unwrap();
    assert!(matches!(started, StartedRun::Valid(ref new) if new.progress.total == 1));
    assert!(scene.tables().await.is_empty());
}

#[tokio::test]
async fn a_repeated_call_gives_the_same_operation() {
    let scene = Scene::sqlite().await;
    scene.import(&[("1_a.sql", "CREATE TABLE a (id int)")]).await.unwrap();
    let key = |digest| RequestKey { method: "ApplyMigrations", id: "one".to_owned(), digest: [digest; 32] };
    let first = scene.start(&key(1)).await;
    succeeded(scene.wait(&first).await);
    assert_eq!(scene.start(&key(1)).await.id, first.id);
    let reused = scene.service.apply(&scene.context, &apply(None), Some(&key(2))).await.err().unwrap();
    assert_eq!(reused.reason(), Reason::RequestIdReused);
}

#[tokio::test]
async fn a_read_only_connection_is_not_migrated() {
    let scene = Scene::new(dbkeeper::model::connection::EngineKind::Sqlite, true).await;
    scene.import(&[("1_a.sql", "CREATE TABLE a (id int)")]).await.unwrap();
    assert_eq!(scene.apply_refused().await.reason(), Reason::ConnectionReadOnly);
}

#[tokio::test]
async fn a_set_is_seen_by_its_account_only() {
    let scene = Scene::sqlite().await;
    let foreign = scene.service.get_set(&context("other"), &set_id()).await.unwrap_err();
    assert_eq!(foreign.reason(), Reason::MigrationSetNotFound);
    let taken = scene.service.create_set(&scene.context, Some(set_id()), "App".to_owned(), None, false).await;
    assert_eq!(taken.unwrap_err().reason(), Reason::MigrationSetExists);
}

#[tokio::test]
async fn migrations_are_listed_by_number_page_by_page() {
    let scene = Scene::sqlite().await;
    scene.import(&[("10_c.sql", "SELECT 3"), ("9_b.sql", "SELECT 2"), ("001_a.sql", "SELECT 1")]).await.unwrap();
    let first = scene.service.list(&scene.context, &set_id(), &page(2, None)).await.unwrap();
    let second = scene.service.list(&scene.context, &set_id(), &page(2, first.next.clone())).await.unwrap();
    let files: Vec<_> = first.items.iter().chain(&second.items).map(|summary| summary.file.as_str()).collect();
    assert_eq!(files, ["001_a.sql", "9_b.sql", "10_c.sql"]);
    assert_eq!((first.total, second.next), (Some(3), None));
}
