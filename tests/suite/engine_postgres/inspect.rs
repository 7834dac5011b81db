//! The schema of a database with everything in it.

use std::time::Duration;

use dbkeeper::{
    engine::Database,
    model::{
        Reason,
        name::{Identifier, QualifiedName},
        schema::{Generation, IndexTerm, ReferentialAction, Skipped, Table, TableFilter, TableKind, TablePage},
    },
};

use super::open_new;
use crate::harness::postgres::PostgresServer;

pub(super) const FIXTURE: &str = include_str!("fixture.sql");

pub(super) async fn all_tables(database: &(dyn Database + 'static)) -> (Vec<Table>, Vec<Skipped>) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
    let filter = TableFilter::default();
    let inspect = database.require_inspect().expect("inspect");
    let read = async {
        let mut tables = Vec::new();
        while let Some(table) = receiver.recv().await {
            tables.push(table);
        }
        tables
    };
    let (tables, skipped) = tokio::join!(read, inspect.stream_tables(&filter, sender));
    (tables, skipped.expect("the stream ends well"))
}

pub(super) fn find<'a>(tables: &'a [Table], name: &str) -> &'a Table {
    tables.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("no table {name}"))
}

pub(super) fn named(schema: Option<&str>, name: &str) -> QualifiedName {
    let identifier = |text: &str| Identifier::parse(text, "name").expect("a name");
    QualifiedName { schema: schema.map(identifier), name: identifier(name) }
}

#[tokio::test]
async fn everything_of_the_fixture_is_seen() {
    let (database, opened) = open_new().await;
    PostgresServer::shared().psql(&database, FIXTURE);
    let (tables, skipped) = all_tables(opened.as_ref()).await;
    assert_eq!(skipped, []);
    let names: Vec<String> = tables.iter().map(|table| format!("{}.{}", table.schema, table.name)).collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted, "schema and name in code-point order");

    let types = find(&tables, "every_type");
    let column = |name: &str| types.columns.iter().find(|column| column.name == name).expect("a column");
    assert_eq!(column("amount").data_type, "numeric(12,2)");
    assert_eq!(column("mood").data_type, "app.mood");
    assert_eq!(column("tags").data_type, "text[]");
    assert_eq!(column("doubled").generation, Generation::Stored);
    assert_eq!(column("doubled").generation_expression, "(amount * (2)::numeric)");
    assert_eq!(column("doubled").default_expression, None);
    assert_eq!(column("id").generation, Generation::IdentityAlways);
    assert_eq!(column("german").collation, "C");
    assert_eq!(column("label").comment, "Ünïcode ✓");
    assert_eq!(column("label").default_expression.as_deref(), Some("'it''s'::text"));
    assert!(!column("label").nullable);
    let positions: Vec<i32> = types.columns.iter().map(|column| column.position).collect();
    assert_eq!(positions, (1..=i32::try_from(types.columns.len()).expect("few")).collect::<Vec<_>>());
    assert_eq!(types.comment, "all the types");
    assert_eq!(types.checks[0].expression, "(amount > (0)::numeric)");

    let left = find(&tables, "cycle_left");
    assert_eq!(left.primary_key.as_ref().expect("a key").columns, ["a", "b"]);
    let key = &left.foreign_keys[0];
    assert_eq!((key.referenced_schema.as_str(), key.referenced_table.as_str()), ("app", "cycle_right"));
    assert_eq!(key.referenced_columns, ["id"]);
    assert_eq!(key.on_delete, ReferentialAction::Cascade);
    assert!(key.deferrable);
    assert_eq!(find(&tables, "cycle_right").foreign_keys[0].columns, ["left_a", "left_b"]);

    let indexed = find(&tables, "indexed");
    let index = |name: &str| indexed.indexes.iter().find(|index| index.name == name).expect("an index");
    assert_eq!(index("indexed_lower").parts[0].term, IndexTerm::Expression("lower(name)".to_owned()));
    assert!(index("indexed_mixed").parts[0].descending);
    assert_eq!(index("indexed_mixed").parts[1].term, IndexTerm::Expression("(size + 1)".to_owned()));
    assert_eq!(index("indexed_mixed").included_columns, ["id"]);
    assert_eq!(index("indexed_partial").predicate, "(size > 10)");
    assert_eq!(index("indexed_gin").method, "gin");
    assert!(index("indexed_pkey").primary);
    assert_eq!(indexed.unique_constraints[0].columns, ["name", "size"]);
    assert_eq!(indexed.triggers.len(), 1);
    assert!(indexed.triggers[0].definition.contains("EXECUTE FUNCTION app.touch()"));
    assert!(indexed.index_size_bytes > 0 && indexed.data_size_bytes > 0);

    assert_eq!(find(&tables, "part").kind, TableKind::PartitionedTable);
    assert_eq!(find(&tables, "part").options, "PARTITION BY RANGE (day)");
    assert!(find(&tables, "part_2024").options.starts_with("PARTITION OF app.part FOR VALUES FROM"));
    assert_eq!(find(&tables, "refers_to_part").foreign_keys.len(), 1, "one key, not one a partition");
    assert_eq!(find(&tables, "a view").kind, TableKind::View);
    assert!(find(&tables, "a view").view_definition.contains("app.indexed"));
    assert_eq!(find(&tables, "counts").kind, TableKind::MaterializedView);
    assert_eq!(find(&tables, "Quoted \"Name\"").columns[0].name, "Spalte ß");
    assert!(!names.iter().any(|name| name.contains("pg_")));
}

#[tokio::test]
async fn one_table_is_the_same_as_in_the_stream() {
    let (database, opened) = open_new().await;
    PostgresServer::shared().psql(&database, FIXTURE);
    let (tables, _) = all_tables(opened.as_ref()).await;
    let inspect = opened.require_inspect().expect("inspect");
    for table in &tables {
        let alone = inspect.table(&named(Some(&table.schema), &table.name)).await.expect("a table");
        assert_eq!(alone.map(|found| found.table).as_ref(), Some(table));
    }
    assert_eq!(inspect.table(&named(None, "every_type")).await.expect("an answer"), None, "not in public");
    assert!(inspect.table(&named(None, "in_public")).await.expect("an answer").is_some());
}

#[tokio::test]
async fn pages_cover_the_list_and_count_it() {
    let (database, opened) = open_new().await;
    PostgresServer::shared().psql(&database, FIXTURE);
    let inspect = opened.require_inspect().expect("inspect");
    let filter = TableFilter { schema: Some("app".to_owned()), ..TableFilter::default() };
    let all = inspect.list_tables(&filter, &TablePage::first(1000)).await.expect("a list");
    assert_eq!(all.total, all.tables.len() as u64);
    let all = all.tables;
    let mut paged = Vec::new();
    let mut page = TablePage::first(3);
    loop {
        let list = inspect.list_tables(&filter, &page).await.expect("a page");
        let Some(last) = list.tables.last() else { break };
        page.after = Some(page.order.key(last));
        paged.extend(list.tables);
    }
    assert_eq!(paged, all);
    let types = all.iter().find(|table| table.name == "every_type").expect("it is listed");
    assert_eq!(types.column_count, 20);
    let views = TableFilter { kind: Some(TableKind::View), ..TableFilter::default() };
    assert_eq!(inspect.list_tables(&views, &TablePage::first(10)).await.expect("a list").total, 1);

    let info = inspect.database().await.expect("a database");
    assert_eq!(info.database, database);
    assert_eq!((info.character_set.as_str(), info.view_count, info.schema_count), ("UTF8", 2, 2));
    assert!(info.size_bytes > info.data_size_bytes && info.data_size_bytes > 0 && info.index_size_bytes > 0);
}

#[tokio::test]
async fn an_exclusive_lock_of_another_hangs_nothing() {
    let (database, opened) = open_new().await;
    let server = PostgresServer::shared();
    server.psql(&database, FIXTURE);
    let holder = {
        let database = database.clone();
        std::thread::spawn(move || {
            let sql = "BEGIN; LOCK TABLE app.indexed IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)";
            std::panic::catch_unwind(|| PostgresServer::shared().psql(&database, sql))
        })
    };
    let locks =
        "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'app.indexed'::regclass";
    super::wait_until("the table is locked", || server.psql(&database, locks) == "1").await;

    let work = async {
        let (tables, skipped) = all_tables(opened.as_ref()).await;
        assert!(tables.iter().any(|table| table.name == "every_type"));
        let subjects: Vec<&str> = skipped.iter().map(|skipped| skipped.subject.as_str()).collect();
        assert_eq!(subjects, ["app.a view", "app.counts", "app.indexed"], "the table and what reads it");
        let inspect = opened.require_inspect().expect("inspect");
        let error = inspect.table(&named(Some("app"), "indexed")).await.expect_err("it is locked");
        assert_eq!(error.reason(), Reason::LockTimeout);
        let listed = inspect.list_tables(&TableFilter::default(), &TablePage::first(100)).await.expect("a list");
        let locked = listed.tables.iter().find(|table| table.name == "indexed").expect("it is listed");
        assert_eq!((locked.data_size_bytes, locked.index_size_bytes), (-1, -1));
        assert_eq!(inspect.database().await.expect("a database").skipped.len(), 1);
    };
    let done = tokio::time::timeout(Duration::from_secs(60), work).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' \
               AND datname = current_database() AND pid <> pg_backend_pid()";
    server.psql(&database, end);
    assert!(holder.join().expect("the thread ends").is_err(), "the holder was ended");
    done.expect("nothing waits for the lock");
}
