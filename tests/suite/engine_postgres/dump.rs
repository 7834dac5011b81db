//! Dumps and restores with the real tools.

use std::{io, pin::Pin, sync::Arc, task};

use dbkeeper::{
    engine::{
        Database,
        dump::{DumpReader, RestoreTarget},
    },
    model::{OperationId, Reason, backup::TableCount},
};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::{inspect::FIXTURE, open, open_new};
use crate::harness::postgres::PostgresServer;

async fn dump(database: &Arc<dyn Database>) -> (Vec<u8>, Vec<TableCount>) {
    let dump = database.require_dump().expect("dump");
    let mut running = dump.start_dump(&OperationId::generate(), CancellationToken::new()).await.expect("a dump");
    let mut bytes = Vec::new();
    running.take_reader().read_to_end(&mut bytes).await.expect("it can be read");
    (bytes, running.finish().await.expect("it ends well").table_counts)
}

fn reader(bytes: &[u8]) -> DumpReader {
    Box::new(io::Cursor::new(bytes.to_vec()))
}

/// A checksum of all rows of all tables, the definitions, and nothing that differs between equal databases.
fn contents(database: &str) -> String {
    let server = PostgresServer::shared();
    let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
                  WHERE schemaname IN ('app', 'public') ORDER BY 1";
    let sums: Vec<String> = server
        .psql(database, tables)
        .lines()
        .map(|table| {
            server.psql(
                database,
                &format!(
                    "SELECT '{}', count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t",
                    table.replace('\'', "''")
                ),
            )
        })
        .collect();
    let definitions = "SELECT pg_get_constraintdef(oid), conname FROM pg_constraint WHERE connamespace::regnamespace::text IN ('app', 'public') ORDER BY 2, 1; \
        SELECT indexdef FROM pg_indexes WHERE schemaname IN ('app', 'public') ORDER BY 1; \
        SELECT definition FROM pg_views WHERE schemaname = 'app'; SELECT definition FROM pg_matviews; \
        SELECT prosrc FROM pg_proc WHERE pronamespace::regnamespace::text = 'app'; SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal";
    format!("{}\n{}", sums.join("\n"), server.psql(database, definitions))
}

fn exists(database: &str) -> bool {
    let sql = format!("SELECT count(*) FROM pg_database WHERE datname = '{database}'");
    PostgresServer::shared().psql("postgres", &sql) == "1"
}

#[tokio::test]
async fn a_dump_comes_back_equal_in_a_new_and_in_an_empty_database() {
    let server = PostgresServer::shared();
    let (database, opened) = open_new().await;
    server.psql(&database, FIXTURE);
    let ability = opened.require_dump().expect("dump");
    let plan = ability.plan_dump().await.expect("a plan");
    assert!(plan.tool.starts_with("pg_dump "), "{}", plan.tool);
    assert!(plan.estimated_size > 0);
    let (bytes, counts) = dump(&opened).await;
    let count = |table: &str| counts.iter().find(|count| count.table == table).map(|count| count.rows);
    assert_eq!(
        (count("every_type"), count("part_2024"), count("part"), count("counts")),
        (Some(51), Some(1), None, None)
    );
    ability.decode(reader(&bytes)).await.expect("it can be decoded");

    let new = format!("{database} new's \"one\"=x");
    assert_eq!(ability.check_restore(&new).await.expect("a check"), RestoreTarget::New);
    let operation = OperationId::generate();
    let token = CancellationToken::new;
    ability.restore(&operation, &new, RestoreTarget::New, reader(&bytes), token()).await.expect("restored");
    assert_eq!(ability.count_rows(&new).await.expect("counts"), counts);
    assert_eq!(contents(&new), contents(&database));
    let mark = format!("SELECT count(*) FROM pg_shdescription WHERE description LIKE '%{operation}%'");
    assert_eq!(server.psql("postgres", &mark), "0", "the mark is gone");
    assert!(!ability.discard_restore(&operation, &new).await.expect("nothing of a dead restore"));

    let empty = server.create_database();
    assert_eq!(ability.check_restore(&empty).await.expect("a check"), RestoreTarget::Empty);
    ability.restore(&operation, &empty, RestoreTarget::Empty, reader(&bytes), token()).await.expect("restored");
    assert_eq!(contents(&empty), contents(&database));
    let error = ability.check_restore(&empty).await.expect_err("it is full now");
    assert_eq!(error.reason(), Reason::TargetNotEmpty);
    assert!(error.message().contains("app."), "{error}");
    for bad in ["", "template1", "a\nb", &"x".repeat(64)] {
        assert_eq!(ability.check_restore(bad).await.expect_err("refused").reason(), Reason::InvalidField);
    }
}

#[tokio::test]
async fn a_failed_restore_takes_away_what_it_made() {
    let server = PostgresServer::shared();
    let (database, opened) = open_new().await;
    server.psql(&database, FIXTURE);
    let (mut bytes, _) = dump(&opened).await;
    bytes.truncate(bytes.len() - 2000);
    let ability = opened.require_dump().expect("dump");
    assert_eq!(ability.decode(reader(&bytes)).await.expect_err("cut short").reason(), Reason::BackupCorrupt);
    let operation = OperationId::generate();
    let new = format!("{database}_new");
    let outcome = ability.restore(&operation, &new, RestoreTarget::New, reader(&bytes), CancellationToken::new()).await;
    assert_eq!(outcome.expect_err("cut short").reason(), Reason::ToolFailed);
    assert!(!exists(&new));
    let empty = server.create_database();
    let outcome =
        ability.restore(&operation, &empty, RestoreTarget::Empty, reader(&bytes), CancellationToken::new()).await;
    outcome.expect_err("cut short");
    assert_eq!(ability.check_restore(&empty).await.expect("empty again"), RestoreTarget::Empty);
}

/// Gives its bytes and then nothing more, without an end.
struct Endless(io::Cursor<Vec<u8>>);

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> task::Poll<io::Result<()>> {
        if self.0.position() >= self.0.get_ref().len() as u64 {
            return task::Poll::Pending;
        }
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

#[tokio::test]
async fn a_restore_can_be_cancelled_and_a_dead_one_discarded() {
    let server = PostgresServer::shared();
    let (database, opened) = open_new().await;
    server.psql(&database, FIXTURE);
    let (mut bytes, _) = dump(&opened).await;
    bytes.truncate(bytes.len() - 2000);
    let stuck = || -> DumpReader { Box::new(Endless(io::Cursor::new(bytes.clone()))) };
    for cancel in [true, false] {
        let new = format!("{database}_stuck_{cancel}");
        let operation = OperationId::generate();
        let token = CancellationToken::new();
        let restoring = {
            let (opened, operation, new, token, input) =
                (opened.clone(), operation.clone(), new.clone(), token.clone(), stuck());
            tokio::spawn(async move {
                let ability = opened.require_dump().expect("dump");
                ability.restore(&operation, &new, RestoreTarget::New, input, token).await
            })
        };
        let marked = format!("SELECT count(*) FROM pg_shdescription WHERE description LIKE '%{operation}'");
        let working = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%{operation}' AND datname = '{new}'"
        );
        super::wait_until("pg_restore works", || {
            server.psql("postgres", &marked) == "1" && server.psql("postgres", &working) == "1"
        })
        .await;
        let ability = opened.require_dump().expect("dump");
        if cancel {
            assert_eq!(
                ability.check_restore(&new).await.expect_err("it is being filled").reason(),
                Reason::DatabaseBusy
            );
            token.cancel();
            let error = restoring.await.expect("no panic").expect_err("cancelled");
            assert_eq!(error.reason(), Reason::Cancelled, "{error:?}");
        } else {
            // As if killed: the future is gone, and nothing was cleaned up.
            restoring.abort();
            let _ = restoring.await;
            assert!(exists(&new));
            let other = OperationId::generate();
            assert!(!ability.discard_restore(&other, &new).await.expect("not of that operation"));
            assert!(ability.discard_restore(&operation, &new).await.expect("there was something"));
        }
        assert!(!exists(&new));
        assert_eq!(server.psql("postgres", &working), "0");
    }
}

#[tokio::test]
async fn a_database_that_a_killed_restore_had_not_named_yet_is_discarded() {
    let server = PostgresServer::shared();
    let (database, opened) = open_new().await;
    let operation = OperationId::generate();
    let unfinished = format!("dbkeeper restore {}", &blake3::hash(operation.as_str().as_bytes()).to_hex()[..32]);
    server.psql("postgres", &format!("CREATE DATABASE \"{unfinished}\""));
    let new = format!("{database}_new");
    let ability = opened.require_dump().expect("dump");
    assert!(!ability.discard_restore(&OperationId::generate(), &new).await.expect("not of that operation"));
    assert!(exists(&unfinished));
    assert!(ability.discard_restore(&operation, &new).await.expect("there was something"));
    assert!(!exists(&unfinished) && !exists(&new));

    // A name that is taken in the last moment leaves nothing unfinished behind.
    let (bytes, _) = dump(&opened).await;
    server.psql("postgres", &format!("CREATE DATABASE {new}"));
    let restore = ability.restore(&operation, &new, RestoreTarget::New, reader(&bytes), CancellationToken::new());
    restore.await.expect_err("the name is taken");
    assert!(!exists(&unfinished) && exists(&new));
}

#[tokio::test]
async fn a_cancelled_dump_does_not_end_like_a_whole_one() {
    let server = PostgresServer::shared();
    let (database, opened) = open_new().await;
    server.psql(
        &database,
        "CREATE TABLE big AS SELECT n, repeat('x', 1000) AS filler FROM generate_series(1, 50000) AS n",
    );
    let dump = opened.require_dump().expect("dump");
    let token = CancellationToken::new();
    let operation = OperationId::generate();
    let mut running = dump.start_dump(&operation, token.clone()).await.expect("a dump");
    let mut source = running.take_reader();
    let mut begin = vec![0; 1000];
    source.read_exact(&mut begin).await.expect("the begin");
    token.cancel();
    source.read_to_end(&mut begin).await.expect_err("no end of file");
    drop(source);
    assert_eq!(running.finish().await.expect_err("cancelled").reason(), Reason::Cancelled);
    let left = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%{operation}'");
    super::wait_until("its sessions are gone", || server.psql("postgres", &left) == "0").await;
}

#[tokio::test]
async fn a_dump_of_a_dead_server_that_waits_for_a_lock_is_ended() {
    let server = PostgresServer::shared();
    let (database, opened) = open_new().await;
    server.psql(&database, "CREATE TABLE locked ()");
    let holder = {
        let database = database.clone();
        std::thread::spawn(move || {
            let sql = "BEGIN; LOCK TABLE locked; SELECT pg_sleep(600)";
            std::panic::catch_unwind(|| PostgresServer::shared().psql(&database, sql))
        })
    };
    let holds = "SELECT count(*) FROM pg_locks WHERE relation = 'locked'::regclass AND granted";
    super::wait_until("it is locked", || server.psql(&database, holds) == "1").await;

    let operation = OperationId::generate();
    let running = {
        let (opened, operation) = (opened.clone(), operation.clone());
        tokio::spawn(async move {
            let dump = opened.require_dump().expect("dump");
            let mut running = dump.start_dump(&operation, CancellationToken::new()).await?;
            let mut bytes = Vec::new();
            running.take_reader().read_to_end(&mut bytes).await.expect("it can be read");
            running.finish().await
        })
    };
    let of_the_dump = format!("FROM pg_stat_activity WHERE application_name = 'dbkeeper operation/{operation}'");
    let waiting = format!("SELECT count(*) > 0 {of_the_dump} AND wait_event_type = 'Lock'");
    super::wait_until("it waits", || server.psql("postgres", &waiting) == "t").await;

    opened.require_dump().expect("dump").end_dump(&operation).await.expect("it ends them");
    assert_eq!(server.psql("postgres", &format!("SELECT count(*) {of_the_dump}")), "0");
    running.await.expect("no panic").expect_err("the dump was cut off");
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE '%pg_sleep(600)'"
    );
    server.psql("postgres", &end);
    holder.join().expect("the panic was caught").expect_err("it was ended");
}

#[tokio::test]
async fn a_missing_privilege_is_told_with_its_grant() {
    let server = PostgresServer::shared();
    let (database, _) = open_new().await;
    server.psql(&database, "CREATE TABLE secret (); CREATE ROLE reader LOGIN");
    let password = server.password().replace('\'', "''");
    server.psql(&database, &format!("ALTER ROLE reader PASSWORD '{password}'"));
    let mut settings = server.settings(&database);
    settings.username = "reader".to_owned();
    let opened = open(settings).await;
    let error = opened.require_dump().expect("dump").plan_dump().await.expect_err("it may not read");
    assert_eq!(error.reason(), Reason::PrivilegeMissing);
    assert!(error.metadata("hint").expect("a hint").starts_with("GRANT "), "{error:?}");
    let error = opened.require_dump().expect("dump").check_restore("other").await.expect_err("it may not create");
    assert_eq!(error.metadata("hint"), Some("ALTER ROLE \"reader\" CREATEDB"));
}
