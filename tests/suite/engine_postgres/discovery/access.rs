//! Locks of others, missing privileges, and callers who go away.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use dbkeeper::{
    engine::Database,
    model::{
        Reason,
        schema::{ObjectFilter, ObjectKind, ObjectPage, SampleQuery, TableFilter, TablePage},
    },
};

use super::everything;
use crate::{
    engine_postgres::{
        inspect::{all_tables, named},
        open, open_new, wait_until,
    },
    harness::postgres::PostgresServer,
};

/// A session that holds what some statements take, until it is dropped.
pub(crate) struct Holder {
    database: String,
    thread: Option<JoinHandle<()>>,
}

impl Holder {
    pub(crate) async fn take(database: &str, sql: &str) -> Self {
        let script = format!("BEGIN; {sql}; SELECT pg_sleep(600)");
        let name = database.to_owned();
        let thread = std::thread::spawn(move || {
            // The end of its session is a failure to psql.
            let _ = std::panic::catch_unwind(|| PostgresServer::shared().psql(&name, &script));
        });
        let holder = Self { database: database.to_owned(), thread: Some(thread) };
        wait_until("the lock is held", || holder.count("wait_event = 'PgSleep' AND query LIKE '%pg_sleep(600)%'") == 1)
            .await;
        holder
    }

    fn count(&self, condition: &str) -> u32 {
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {condition}");
        PostgresServer::shared().psql(&self.database, &sql).parse().expect("a number")
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()";
        PostgresServer::shared().psql(&self.database, end);
        self.thread.take().map(JoinHandle::join);
    }
}

async fn open_as(database: &str, user: &str) -> Arc<dyn Database> {
    let server = PostgresServer::shared();
    let mut settings = server.settings(database);
    settings.username = user.to_owned();
    open(settings).await
}

#[tokio::test]
async fn what_a_lock_hides_is_named_and_the_rest_is_delivered() {
    let (name, database) = everything().await;
    let holder = Holder::take(&name, "LOCK TABLE app.account IN ACCESS EXCLUSIVE MODE").await;
    let (tables, skipped) = all_tables(database.as_ref()).await;
    let subjects: Vec<_> = skipped.iter().map(|skipped| skipped.subject.as_str()).collect();
    // The policy of pair reads the table.
    let blocked = ["app.account", "app.pair", "app.rich", "app.richest", "app.waiting"];
    assert_eq!(subjects, blocked);
    assert!(tables.iter().any(|table| table.name == "child") && tables.iter().all(|table| table.name != "account"));
    let inspect = database.require_inspect().expect("inspect");
    let listed = inspect.list_tables(&TableFilter::default(), &TablePage::first(1)).await.expect("a list");
    assert_eq!(listed.skipped[0].subject, "size of app.account");
    let error = inspect.table(&named(Some("app"), "rich")).await.expect_err("it reads what is locked");
    assert_eq!(error.reason(), Reason::LockTimeout);
    let objects = database.require_inspect_objects().expect("objects");
    let list = objects.list_objects(&ObjectFilter::default(), &ObjectPage::first(1000)).await.expect("a list");
    let mut missing: Vec<_> = list.skipped.iter().map(|skipped| skipped.subject.as_str()).collect();
    missing.sort_unstable();
    let expected = [
        "FUNCTION app.poorest",
        "POLICY app.by_account",
        "POLICY app.own_rows",
        "RULE app.no_delete",
        "TRIGGER app.late",
        "TRIGGER app.seen",
        "TRIGGER app.touch WHEN (x)",
    ];
    assert_eq!(missing, expected);
    assert_eq!(list.objects.len() + list.skipped.len(), list.total as usize);
    drop(holder);
    let (_, skipped) = all_tables(database.as_ref()).await;
    assert_eq!(skipped, []);
}

#[tokio::test]
async fn a_lock_that_no_look_shows_costs_its_own_table_alone() {
    let (name, database) = open_new().await;
    let sql = "CREATE TABLE long (note text); INSERT INTO long SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) AS i; \
               DO $$ BEGIN FOR i IN 1..30 LOOP EXECUTE format('CREATE TABLE other_%s (id integer)', i); END LOOP; END $$";
    PostgresServer::shared().psql(&name, sql);
    let toast = "DO $$ BEGIN EXECUTE 'REINDEX INDEX pg_toast.pg_toast_' || 'long'::regclass::oid || '_index'; END $$";
    let _holder = Holder::take(&name, toast).await;
    let (tables, skipped) = all_tables(database.as_ref()).await;
    assert_eq!(tables.len(), 30);
    let subjects: Vec<_> = skipped.iter().map(|skipped| skipped.subject.as_str()).collect();
    assert_eq!(subjects, ["public.long"]);
}

#[tokio::test]
async fn a_sequence_that_is_locked_or_closed_keeps_its_last_number_alone() {
    let (name, database) = open_new().await;
    let server = PostgresServer::shared();
    let password = server.password().replace('\'', "''");
    let user = format!("reader_of_{name}");
    let sql = format!(
        "CREATE ROLE {user} LOGIN PASSWORD '{password}'; CREATE TABLE counted (id serial, other serial); \
         INSERT INTO counted DEFAULT VALUES"
    );
    server.psql(&name, &sql);
    let objects = ObjectFilter { kinds: vec![ObjectKind::Sequence], ..ObjectFilter::default() };
    let limited = open_as(&name, &user).await;
    let found = limited
        .require_inspect()
        .expect("inspect")
        .table(&named(None, "counted"))
        .await
        .expect("an answer")
        .expect("a table");
    let told: Vec<_> =
        found.table.columns.iter().map(|column| column.sequence.as_ref().expect("one").last_value.clone()).collect();
    assert_eq!(told, [None, None]);
    let [gap] = found.skipped.as_slice() else { panic!("{:?}", found.skipped) };
    assert_eq!(gap.subject, "last numbers of 2 sequences in schema public");
    assert_eq!(gap.remedy, format!(r#"GRANT SELECT ON ALL SEQUENCES IN SCHEMA "public" TO "{user}""#));
    server.psql(&name, &gap.remedy);
    let found = limited
        .require_inspect_objects()
        .expect("objects")
        .list_objects(&objects, &ObjectPage::first(10))
        .await
        .expect("a list");
    assert_eq!(found.skipped, [], "the remedy mends it");

    let _holder = Holder::take(&name, "ALTER SEQUENCE counted_id_seq INCREMENT BY 2").await;
    let found = database
        .require_inspect_objects()
        .expect("objects")
        .list_objects(&objects, &ObjectPage::first(10))
        .await
        .expect("a list");
    let [gap] = found.skipped.as_slice() else { panic!("{:?}", found.skipped) };
    assert_eq!((gap.subject.as_str(), found.objects.len()), ("last number of the sequence public.counted_id_seq", 2));
}

#[tokio::test]
async fn who_may_use_one_schema_of_three_is_told_all_definitions_and_which_grants_lack() {
    let (name, _database) = open_new().await;
    let server = PostgresServer::shared();
    let password = server.password().replace('\'', "''");
    let user = format!("guest of {name}");
    let sql = format!(
        "CREATE ROLE \"{user}\" LOGIN PASSWORD '{password}'; \
         CREATE SCHEMA one; CREATE SCHEMA two; CREATE SCHEMA three; \
         CREATE TABLE one.t (id serial, note text); CREATE TABLE two.t (id serial, note text); CREATE TABLE three.t (id serial, note text); \
         INSERT INTO one.t (note) VALUES ('x'); GRANT USAGE ON SCHEMA one TO \"{user}\"; \
         GRANT SELECT ON ALL TABLES IN SCHEMA one TO \"{user}\"; GRANT SELECT ON ALL SEQUENCES IN SCHEMA one TO \"{user}\"; \
         GRANT SELECT (id) ON two.t TO \"{user}\""
    );
    server.psql(&name, &sql);
    let database = open_as(&name, &user).await;
    let (tables, skipped) = all_tables(database.as_ref()).await;
    let shapes: Vec<_> = tables.iter().map(|table| (table.schema.as_str(), table.columns.len())).collect();
    assert_eq!(shapes, [("one", 2), ("three", 2), ("two", 2)], "the catalog is open to everybody");
    let remedies: Vec<_> = skipped.iter().map(|gap| gap.remedy.as_str()).collect();
    let grant = |schema: &str| format!(r#"GRANT SELECT ON ALL SEQUENCES IN SCHEMA "{schema}" TO "{user}""#);
    assert_eq!(remedies, [grant("three"), grant("two")]);

    let sample = async |schema: &str| {
        let query = SampleQuery { table: named(Some(schema), "t"), columns: Vec::new(), limit: 5, value_length: 10 };
        database.require_sample_rows().expect("rows").sample(&query).await
    };
    assert_eq!(sample("one").await.expect("rows").expect("a table").rows.len(), 1);
    let error = sample("two").await.expect_err("no privilege");
    assert_eq!(error.reason(), Reason::PrivilegeMissing);
    let remedy = error.metadata("hint").expect("a remedy").to_owned();
    assert_eq!(remedy, format!(r#"GRANT USAGE ON SCHEMA "two" TO "{user}"; GRANT SELECT ON "two"."t" TO "{user}""#));
    server.psql(&name, &remedy);
    assert!(sample("two").await.is_ok(), "the remedy mends it");
}

#[tokio::test]
async fn a_reader_who_leaves_ends_the_stream_in_the_middle_of_a_query() {
    let (name, database) = everything().await;
    // A query of the stream waits for this catalog, which no other session of the test needs, and would fail in the end.
    let holder = Holder::take(&name, "LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE").await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let filter = TableFilter::default();
    let leave = async {
        wait_until("the stream waits", || holder.count("wait_event_type = 'Lock'") == 1).await;
        drop(receiver);
    };
    let inspect = database.require_inspect().expect("inspect");
    let (ended, ()) = tokio::join!(inspect.stream_tables(&filter, sender), leave);
    assert_eq!(ended.expect("leaving is no error"), []);
    wait_until("the query is gone", || holder.count("wait_event_type = 'Lock'") == 0).await;
}

#[tokio::test]
async fn a_caller_who_leaves_ends_the_query_of_a_sample() {
    let (name, _database) = open_new().await;
    let server = PostgresServer::shared();
    server.psql(&name, "CREATE VIEW slow AS SELECT pg_sleep(3000)::text AS nothing");
    let mut settings = server.settings(&name);
    settings.pool.statement_timeout = Duration::from_secs(3000);
    let database = open(settings).await;
    let runs = || {
        server.psql(
            &name,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
        )
    };
    let query = SampleQuery { table: named(None, "slow"), columns: Vec::new(), limit: 1, value_length: 10 };
    let look = tokio::spawn(async move { database.require_sample_rows().expect("rows").sample(&query).await });
    wait_until("the view is read", || runs() == "1").await;
    look.abort();
    wait_until("its query is cancelled", || runs() == "0").await;
}
