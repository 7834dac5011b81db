//! SQLite: plans of the caller's statements in an empty copy of the schema.

use super::*;
use crate::harness::sqlite::SqliteFolder;

const SCHEMA: &str = "
    CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, city TEXT);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT REFERENCES customer (id), status INT, placed TEXT);
    CREATE TABLE post (id INTEGER PRIMARY KEY, title TEXT, body TEXT);
    CREATE TABLE \"Keyless\" (body TEXT);
    CREATE INDEX on_placed ON orders (placed);
    CREATE INDEX on_placed_again ON orders (placed);
    CREATE VIEW recent AS SELECT * FROM orders;
    INSERT INTO post VALUES (1, 'one', 'a body of words'), (2, 'two', 'other words');";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_statements_lack_is_planned_and_mended_and_taken_back() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let (client, database) = shop(&server, &folder, SCHEMA).await;
    let request = stating(&[
        "SELECT * FROM orders WHERE status = ? AND placed > ?",
        "UPDATE customer SET name = 'a' WHERE \"name\" = 'it''s'; ",
        "SELECT id FROM post WHERE body LIKE '%words%'",
        "SELECT body FROM \"Keyless\" WHERE body LIKE '%words%'",
        "SELECT * FROM orders WHERE placed = '2026-01-01'",
        "SELECT id FROM customer WHERE name = 'a' UNION SELECT id FROM customer WHERE city = 'b'",
    ]);
    let advice = advise(&client, request.clone()).await;
    let found = [
        "missing-index customer idx_customer_city (city)",
        "missing-index customer idx_customer_name (name)",
        "missing-index orders idx_orders_status_placed (status, placed)",
        "foreign-key-without-index orders idx_orders_customer_id (customer_id)",
        "full-text-search post post_fts (body)",
        "duplicate-index orders on_placed_again (placed)",
    ];
    assert_eq!(told(&advice), expected(&found), "{advice:#?}");
    let missing = advice.recommendations.iter().find(|found| found.columns == ["status", "placed"]).unwrap();
    let plan = &missing.plans[0];
    assert!(plan.own && plan.cost_before.is_none() && plan.cost_after.is_none(), "{plan:?}");
    assert!(plan.plan_before.contains("on_placed") || plan.plan_before.contains("SCAN"), "{plan:?}");
    assert_eq!(plan.plan_after, "SEARCH orders USING INDEX idx_orders_status_placed (status=? AND placed>?)");
    assert!(source(&advice, "hypothetical-indexes").used);
    assert!(!source(&advice, "index-statistics").used && advice.statistics_since.is_none());
    let names = folder.column(&database, "SELECT name FROM sqlite_schema WHERE name LIKE 'idx%'").await;
    assert!(names.is_empty(), "the file was changed: {names:?}");

    apply_and_revert(&client, &request, &[]).await;
    let again = advise(&client, request).await;
    assert_eq!(told(&again), expected(&found), "{again:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_text_table_follows_its_table() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let (client, database) = shop(&server, &folder, SCHEMA).await;
    let statement = "SELECT id FROM post WHERE title LIKE '%o%' OR body LIKE '%words%'";
    let request = stating(&[statement]);
    let advice = advise(&client, request).await;
    let words = only(&advice, "full-text-search");
    folder.run(&database, &words.up).await;
    let changes = "INSERT INTO post VALUES (3, 'three', 'late words'); DELETE FROM post WHERE id = 1;
                   UPDATE post SET body = 'nothing' WHERE id = 2;";
    folder.run(&database, changes).await;
    let query = words.usage.replace('?', "'words'");
    let found = folder.column(&database, &format!("SELECT CAST(id AS TEXT) FROM post WHERE {query}")).await;
    assert_eq!(found, ["3"], "{query}");
    folder.run(&database, "INSERT INTO post_fts (post_fts, rank) VALUES ('integrity-check', 1)").await;
    folder.run(&database, &words.down).await;
    let left = folder.column(&database, "SELECT name FROM sqlite_schema WHERE name LIKE 'post\\_%' ESCAPE '\\'").await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_of_the_schema_is_taken_twice() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let taken = "CREATE TABLE post_fts_data (a TEXT); CREATE INDEX idx_orders_customer_id ON customer (name);";
    let (client, _) = shop(&server, &folder, &format!("{SCHEMA}{taken}")).await;
    let statement = "SELECT id FROM post WHERE body LIKE '%words%'";
    let request = stating(&[statement]);
    let advice = advise(&client, request.clone()).await;
    let found = [
        "foreign-key-without-index orders idx_orders_customer_id_2 (customer_id)",
        "duplicate-index orders on_placed_again (placed)",
    ];
    assert_eq!(told(&advice), expected(&found), "{advice:#?}");
    assert!(source(&advice, "names").detail.contains("post_fts_data"), "{:?}", advice.sources);
    // Names of what is not asked for are names all the same.
    let narrow = v1::RecommendIndexesRequest { name_pattern: "orders".to_owned(), ..asked() };
    assert_eq!(told(&advise(&client, narrow).await), expected(&found));
    apply_and_revert(&client, &request, &[]).await;
}
