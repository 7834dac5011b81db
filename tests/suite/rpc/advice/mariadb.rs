//! MariaDB: what performance_schema counts, and what is said where it is off.

use std::sync::LazyLock;

use super::*;
use crate::{conformance::mariadb::MariadbFixture, harness::mariadb::MariadbServer};

static COUNTING: LazyLock<MariadbServer> = LazyLock::new(|| {
    MariadbServer::with_settings(&["--performance-schema=ON", "--performance-schema-consumer-statements-digest=ON"])
});

const SCHEMA: &str = "
    CREATE TABLE orders (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, status int, placed date, note varchar(20), code char(8),
                         KEY on_note (note), KEY on_note_again (note), KEY on_code (code), KEY on_code_status (code, status));
    CREATE TABLE post (id int PRIMARY KEY, title varchar(200), body text, tag varchar(40), KEY on_title (title));
    INSERT INTO orders (status, placed, note, code)
    SELECT seq % 500, date '2020-01-01' + interval seq % 3000 day, concat('n', seq), seq FROM seq_1_to_20000;
    INSERT INTO post SELECT seq, concat('t', seq), repeat('word ', 60), 'tag' FROM seq_1_to_3000;
    INSERT INTO orders (id, status) VALUES (2147483000, 1);
    ANALYZE TABLE orders, post;";

/// Asks with statements of the caller's own, and for no index that goes because nobody used it.
fn without_unused(statements: &[&str]) -> v1::RecommendIndexesRequest {
    v1::RecommendIndexesRequest { disabled_rules: vec!["unused-index".to_owned()], ..stating(statements) }
}

/// The same as [`shop`] on the server that counts.
async fn counted(server: &TestServer, schema: &str) -> (Client, &'static MariadbServer, String) {
    let (client, maria) = (server.client(), &*COUNTING);
    let database = maria.create_database();
    maria.sql(&database, schema);
    register(&client, "shop", settings(&maria.target(&database))).await;
    (client, maria, database)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_counted_is_found_and_mended_and_taken_back() {
    let server = TestServer::start().await;
    let (client, maria, database) = counted(&server, SCHEMA).await;
    for _ in 0..3 {
        maria.sql(
            &database,
            "SELECT count(*) FROM orders WHERE status = 7 AND placed > '2021-01-01';
             SELECT count(*) FROM orders WHERE status IN (1, 2, 3) AND id < 0;
             SELECT count(*) FROM post WHERE tag LIKE '%tag%';
             SELECT count(*) FROM orders WHERE note = 'n7' AND status = 1;",
        );
    }
    let advice = advise(&client, asked()).await;
    let found = [
        "sequence-exhaustion orders  (id)",
        "missing-index orders idx_orders_status_placed (status, placed)",
        "full-text-search post idx_post_title_body_words (title, body)",
        "duplicate-index orders on_note_again (note)",
        "redundant-index orders on_code (code)",
        "unused-index post on_title (title)",
    ];
    assert_eq!(told(&advice), expected(&found), "{advice:#?}");
    let missing = only(&advice, "missing-index");
    let digests = "performance_schema.events_statements_summary_by_digest";
    assert_eq!(figure(missing, Kind::Calls), Some((3.0, digests)));
    assert_eq!(figure(missing, Kind::CallsWithoutIndex), Some((3.0, digests)));
    assert!(figure(missing, Kind::RowsExamined).is_some_and(|(rows, _)| rows > 50_000.0), "{missing:?}");
    assert!(missing.plans[0].missing.contains("parameters"), "{:?}", missing.plans);
    assert_eq!(missing.size.as_ref().map(|size| size.method.as_str()), Some("formula"));
    assert_eq!(missing.write_cost.unwrap().inserts, Some(20001));
    assert!(
        missing.up.ends_with("CREATE INDEX idx_orders_status_placed ON orders (status, placed);\n"),
        "{}",
        missing.up
    );
    assert!(
        !advice.recommendations.iter().any(|found| found.up.contains(&database)),
        "a set may run elsewhere: {advice:#?}"
    );
    let words = only(&advice, "full-text-search");
    assert!(words.usage.starts_with("MATCH (title, body) AGAINST (?"), "{}", words.usage);
    let sequence = only(&advice, "sequence-exhaustion");
    assert_eq!(figure(sequence, Kind::LastValue), Some((2147483000.0, "catalog")));
    assert!(sequence.down.contains("MODIFY COLUMN id int(11) NOT NULL AUTO_INCREMENT"), "{}", sequence.down);
    assert!(source(&advice, "statement-statistics").used && advice.statement_count > 0, "{advice:?}");
    assert!(!source(&advice, "hypothetical-indexes").used);

    let own = without_unused(&["SELECT id FROM post WHERE tag = 'x'", "DELETE FROM post WHERE tag = ?"]);
    let advice = advise(&client, own.clone()).await;
    let missing = advice.recommendations.iter().find(|found| found.columns == ["tag"]).expect("the caller's own");
    let plan = missing.plans.iter().find(|plan| plan.missing.is_empty()).expect("one is planned");
    assert!(plan.cost_after.is_none() && plan.plan_before.contains("post: access ALL, key none, rows "), "{plan:?}");
    apply_and_revert(&client, &own, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_counted_that_is_said_and_the_rest_delivered() {
    let server = TestServer::start().await;
    let (client, _) = shop(&server, &MariadbFixture::new(), SCHEMA).await;
    let advice = advise(&client, asked()).await;
    let rules: BTreeSet<&str> = advice.recommendations.iter().map(|found| found.rule.as_str()).collect();
    let without_counts = ["sequence-exhaustion", "full-text-search", "duplicate-index", "redundant-index"];
    assert_eq!(rules, BTreeSet::from(without_counts), "{advice:#?}");
    for name in ["table-statistics", "index-statistics", "statement-statistics"] {
        let source = source(&advice, name);
        assert!(!source.used && source.remedy.contains("performance_schema=ON"), "{source:?}");
    }

    let maria = &*COUNTING;
    let database = maria.create_database();
    maria.sql(&database, SCHEMA);
    let user = maria.fresh_name();
    let password = maria.password().replace('\\', "\\\\").replace('\'', "\\'");
    maria.sql(
        &database,
        &format!("CREATE USER {user} IDENTIFIED BY '{password}'; GRANT SELECT, INDEX ON {database}.* TO {user}"),
    );
    let mut little = maria.settings(&database);
    little.username = user.clone();
    register(&client, "little", settings(&maria.target_of(little))).await;
    let advice =
        advise(&client, v1::RecommendIndexesRequest { connection: "connections/little".to_owned(), ..asked() }).await;
    let statements = source(&advice, "statement-statistics");
    assert!(!statements.used, "{statements:?}");
    assert_eq!(statements.remedy, format!("GRANT SELECT ON performance_schema.* TO '{user}'@'%';"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_planning_would_run_is_not_planned() {
    let server = TestServer::start().await;
    let (client, ..) = counted(&server, SCHEMA).await;
    for (condition, why) in [
        ("tag = extractvalue(1, concat(0x7e, (SELECT body FROM post LIMIT 1)))", "it calls the function extractvalue"),
        ("tag = (SELECT max(note) FROM orders)", "a query within a query"),
        ("tag = 'x' AND title IN (SELECT user FROM mysql.user)", "a query within a query"),
        ("tag = 'x' AND EXISTS (SELECT 1)", "a query within a query"),
    ] {
        let own = without_unused(&[&format!("SELECT id FROM post WHERE {condition}")]);
        let advice = advise(&client, own).await;
        let missing = advice.recommendations.iter().find(|found| found.rule == "missing-index");
        let Some(missing) = missing else { panic!("{condition}: {advice:#?}") };
        let plan = &missing.plans[0];
        assert!(plan.missing.contains(why) && plan.plan_before.is_empty() && plan.cost_before.is_none(), "{plan:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_foreign_keys_need_stays_and_has_no_migration() {
    let server = TestServer::start().await;
    let schema = "CREATE TABLE parent (id int AUTO_INCREMENT PRIMARY KEY, code int, KEY on_code (code));
         CREATE TABLE child (id int PRIMARY KEY, parent int, code int, other int, KEY one (parent, other), KEY two (parent, id),
                             FOREIGN KEY (parent) REFERENCES parent (id), FOREIGN KEY (code) REFERENCES parent (code));
         INSERT INTO parent VALUES (2147483000, 1); INSERT INTO child VALUES (1, 2147483000, 1, 1);";
    let (client, ..) = counted(&server, schema).await;
    let advice = client.schemas().recommend_indexes(asked()).await.unwrap().into_inner();
    let unused = advice.recommendations.iter().filter(|found| found.rule == "unused-index");
    let unused: Vec<&str> = unused.map(|found| found.index.as_str()).collect();
    assert!(unused.len() == 1 && ["one", "two"].contains(&unused[0]), "one of both is needed: {advice:#?}");
    let sequence = only(&advice, "sequence-exhaustion");
    assert!(sequence.up.is_empty() && sequence.message.contains("no ready migration"), "{sequence:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_is_one_that_the_server_makes() {
    let server = TestServer::start().await;
    let schema = "CREATE TABLE old (wide varchar(300), code int) ENGINE = MyISAM CHARACTER SET utf8mb4;
         CREATE TABLE short (wide varchar(300), code int) ENGINE = InnoDB ROW_FORMAT = COMPACT CHARACTER SET utf8mb4;
         CREATE TABLE modern (wide varchar(300), code int) ENGINE = InnoDB CHARACTER SET utf8mb4;
         CREATE TABLE alike (a int, b int, a_b int);
         CREATE TABLE mixed (title varchar(200) CHARACTER SET latin1, body text CHARACTER SET utf8mb4);";
    let (client, ..) = counted(&server, schema).await;
    let mut statements: Vec<String> = ["old", "short", "modern"]
        .iter()
        .map(|table| format!("SELECT 1 FROM {table} WHERE wide = ? AND code = ?"))
        .collect();
    statements.push("SELECT 1 FROM alike WHERE a = ? AND b = ?".to_owned());
    statements.push("SELECT 1 FROM alike WHERE a_b = ?".to_owned());
    let request = v1::RecommendIndexesRequest { statements, min_rows: Some(0), ..without(&["unused-index"]) };
    let found = [
        "missing-index alike idx_alike_a_b (a, b)",
        "missing-index alike idx_alike_a_b_2 (a_b)",
        "missing-index modern idx_modern_wide_code (wide, code)",
        "missing-index old idx_old_code (code)",
        "missing-index short idx_short_code (code)",
        "full-text-search mixed idx_mixed_title_words (title)",
    ];
    assert_eq!(told(&advise(&client, request.clone()).await), expected(&found));
    // Texts of two collations take two indexes.
    apply_and_revert(&client, &request, &["full-text-search mixed idx_mixed_body_words (body)"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_neither_planned_nor_made() {
    let server = TestServer::start().await;
    let (client, maria, database) = counted(&server, SCHEMA).await;
    let advice = advise(&client, without_unused(&["DELETE FROM post WHERE tag = 'tag'"])).await;
    let plan = &only(&advice, "missing-index").plans[0];
    assert!(plan.missing.contains("not planned: it changes rows") && plan.plan_before.is_empty(), "{plan:?}");
    assert!(maria.sql(&database, "SELECT count(*) FROM post").ends_with("3000"));
}
