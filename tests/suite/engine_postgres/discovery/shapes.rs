//! Odd names, odd sizes, and what is half broken.

use dbkeeper::model::{
    name::Identifier,
    schema::{SampleQuery, SampleValue, TableFilter, TablePage},
};

use super::details;
use crate::{
    engine_postgres::{
        inspect::{all_tables, find, named},
        open_new,
    },
    harness::postgres::PostgresServer,
};

const ODD_NAMES: [&str; 8] = [
    "with space",
    "a.b.c",
    r#"say "hi""#,
    "it's",
    "elephant 🐘",
    "select",
    r"back\slash %_",
    "sixty-three-bytes-long-000000000000000000000000000000000000000x",
];

#[tokio::test]
async fn odd_names_are_told_and_looked_up_as_they_are() {
    let (name, database) = open_new().await;
    let quoted = |name: &str| Identifier::parse(name, "name").expect("a name").double_quoted();
    assert_eq!(ODD_NAMES[7].len(), 63);
    for odd in ODD_NAMES {
        let odd = quoted(odd);
        let sql = format!(
            "CREATE SCHEMA {odd}; CREATE TABLE {odd}.{odd} ({odd} integer PRIMARY KEY CONSTRAINT {odd} CHECK ({odd} > 0)); \
             CREATE VIEW {odd}.view AS SELECT {odd} FROM {odd}.{odd}; INSERT INTO {odd}.{odd} VALUES (7)"
        );
        PostgresServer::shared().psql(&name, &sql);
    }
    let inspect = database.require_inspect().expect("inspect");
    let (tables, skipped) = all_tables(database.as_ref()).await;
    assert_eq!((tables.len(), skipped.len()), (2 * ODD_NAMES.len(), 0));
    for odd in ODD_NAMES {
        let found = inspect.table(&named(Some(odd), odd)).await.expect("an answer").expect("a table");
        let table = found.table;
        assert_eq!((table.schema.as_str(), table.name.as_str(), table.columns[0].name.as_str()), (odd, odd, odd));
        assert_eq!(table.primary_key.as_ref().map(|key| key.columns.as_slice()), Some(&[odd.to_owned()][..]));
        assert_eq!(found.dependents[0].name, "view");
        assert!(tables.contains(&table), "{odd}");
        let query = SampleQuery {
            table: named(Some(odd), odd),
            columns: vec![Identifier::parse(odd, "columns").expect("a name")],
            limit: 1,
            value_length: 10,
        };
        let sample =
            database.require_sample_rows().expect("rows").sample(&query).await.expect("rows").expect("a table");
        assert_eq!(sample.rows, [[SampleValue::Integer(7)]]);
    }
    let longer = format!("{}y", ODD_NAMES[7]);
    assert_eq!(inspect.table(&named(Some(ODD_NAMES[7]), &longer)).await.expect("an answer"), None, "names are not cut");
}

#[tokio::test]
async fn a_table_can_have_1600_columns_or_none() {
    let (name, database) = open_new().await;
    let columns: Vec<String> = (1..=1600).map(|number| format!("c{number} smallint")).collect();
    let sql = format!(
        "CREATE TABLE wide ({}); CREATE TABLE none (); INSERT INTO none DEFAULT VALUES; INSERT INTO wide (c1) VALUES (1)",
        columns.join(", ")
    );
    PostgresServer::shared().psql(&name, &sql);
    let inspect = database.require_inspect().expect("inspect");
    let look = async |name: &str| inspect.table(&named(None, name)).await.expect("an answer").expect("a table").table;
    let wide = look("wide").await;
    assert_eq!((wide.columns.len(), wide.columns[1599].name.as_str()), (1600, "c1600"));
    assert_eq!(look("none").await.columns, []);
    let sample = async |name: &str| {
        let query = SampleQuery { table: named(None, name), columns: Vec::new(), limit: 1, value_length: 10 };
        database.require_sample_rows().expect("rows").sample(&query).await.expect("rows").expect("a table")
    };
    assert_eq!(sample("wide").await.rows[0].len(), 1600);
    assert_eq!(sample("none").await.rows, [Vec::new()]);
}

#[tokio::test]
async fn an_index_that_failed_is_told_as_invalid() {
    let (name, database) = open_new().await;
    let server = PostgresServer::shared();
    server.psql(&name, "CREATE TABLE twice (id integer); INSERT INTO twice VALUES (1), (1)");
    let fails =
        std::panic::catch_unwind(|| server.psql(&name, "CREATE UNIQUE INDEX CONCURRENTLY twice_id ON twice (id)"));
    assert!(fails.is_err(), "the values are not unique");
    let (tables, _) = all_tables(database.as_ref()).await;
    let index = &find(&tables, "twice").indexes[0];
    assert_eq!((index.name.as_str(), index.valid, index.unique), ("twice_id", false, true));
}

#[tokio::test]
async fn a_view_on_a_view_follows_a_table_that_was_made_again() {
    let (name, database) = open_new().await;
    let make = "CREATE TABLE base (id integer, label text); CREATE VIEW middle AS SELECT id FROM base; \
                CREATE VIEW top AS SELECT id + 1 AS next FROM middle;";
    let server = PostgresServer::shared();
    server.psql(&name, make);
    let inspect = database.require_inspect().expect("inspect");
    let dependents = async |name: &str| {
        let found = inspect.table(&named(None, name)).await.expect("an answer").expect("a table");
        found.dependents.into_iter().map(|found| found.name).collect::<Vec<_>>()
    };
    assert_eq!(dependents("base").await, ["middle"]);
    server.psql(&name, &format!("DROP TABLE base CASCADE; {make} ALTER VIEW middle RENAME TO centre;"));
    assert_eq!(dependents("base").await, ["centre"]);
    assert_eq!(dependents("centre").await, ["top"]);
    assert_eq!(inspect.table(&named(None, "middle")).await.expect("an answer"), None);
    let (tables, _) = all_tables(database.as_ref()).await;
    assert!(find(&tables, "top").view_definition.contains("public.centre"), "names come back qualified");
}

/// Named for `make soak`, which runs what has the word in its name.
mod soak {
    use std::env;

    use super::*;

    /// PostgreSQL takes a minute to make as many as are promised.
    fn partitions() -> usize {
        if env::var_os("TEST_SOAK").is_some() { 5000 } else { 500 }
    }

    #[tokio::test]
    async fn thousands_of_partitions_are_told_in_order() {
        let (name, database) = open_new().await;
        let partitions = partitions();
        let sql = format!(
            "CREATE TABLE many (id integer NOT NULL, note text) PARTITION BY LIST (id); \
             DO $$ BEGIN FOR i IN 0..{} LOOP EXECUTE format('CREATE TABLE many_%s PARTITION OF many FOR VALUES IN (%s)', \
             lpad(i::text, 4, '0'), i); END LOOP; END $$",
            partitions - 1
        );
        PostgresServer::shared().psql(&name, &sql);
        let (tables, skipped) = all_tables(database.as_ref()).await;
        assert_eq!((tables.len(), skipped.len()), (partitions + 1, 0));
        assert!(tables.is_sorted_by_key(|table| table.name.clone()));
        for (number, table) in tables[1..].iter().enumerate() {
            let of = details(table).partition_of.as_ref().expect("it is a part");
            assert_eq!(
                (of.parent.name.as_str(), of.bound.as_str()),
                ("many", format!("FOR VALUES IN ({number})").as_str())
            );
        }
        let inspect = database.require_inspect().expect("inspect");
        let parent = inspect.table(&named(None, "many")).await.expect("an answer").expect("a table");
        assert_eq!(parent.dependents.len(), partitions);
        let listed = inspect.list_tables(&TableFilter::default(), &TablePage::first(3)).await.expect("a list");
        assert_eq!((listed.total as usize, listed.tables.len()), (partitions + 1, 3));
        let info = inspect.database().await.expect("a database");
        assert_eq!(
            (info.searchable_table_count, info.searchable_column_count),
            (1, 1),
            "partitions are read through their table"
        );
    }
}
