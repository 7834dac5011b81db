//! PostgreSQL: the catalog, the statistics of tables, indexes and statements, and plans with HypoPG.

use super::*;
use crate::harness::postgres::PostgresServer;

const SCHEMA: &str = "
    CREATE TABLE customer (id bigint PRIMARY KEY, name text, bio varchar(40));
    CREATE TABLE orders (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id bigint REFERENCES customer, status int, placed date, note text
    );
    CREATE TABLE post (id bigint PRIMARY KEY, title text, body text, tag text);
    INSERT INTO customer SELECT n, 'c' || n FROM generate_series(1, 2000) n;
    INSERT INTO orders (customer_id, status, placed, note)
    SELECT 1 + n % 2000, n % 5000, date '2020-01-01' + n % 3000, 'n' FROM generate_series(1, 20000) n;
    INSERT INTO post SELECT n, 't' || n, repeat('word ', 60) || n, repeat('tag ', 60) || n FROM generate_series(1, 3000) n;
    CREATE INDEX idx_note ON orders (note);
    CREATE INDEX idx_note_again ON orders (note);
    CREATE INDEX idx_placed ON orders (placed);
    CREATE INDEX idx_placed_status ON orders (placed, status);
    ANALYZE;";

/// A registered database with the schema, on a server that counts.
async fn shop(client: &Client, script: &str) -> String {
    let server = PostgresServer::counting();
    let database = server.create_database();
    server.psql(&database, "CREATE EXTENSION pg_stat_statements; CREATE EXTENSION hypopg");
    server.psql(&database, SCHEMA);
    server.psql(&database, script);
    register(client, "shop", registration(server.settings(&database), server.password())).await;
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_catalog_shows_is_found_and_mended_and_taken_back() {
    let server = TestServer::start().await;
    let client = server.client();
    let pg = PostgresServer::counting();
    let script = "SELECT setval(pg_get_serial_sequence('orders', 'id'), 2000000000);
        CREATE TABLE \"Odd Name\" (\"the key\" bigint REFERENCES customer);";
    let database = shop(&client, script).await;
    // A unique index on what is not unique is left behind invalid.
    pg.psql(&database, "\\set ON_ERROR_STOP 0\nCREATE UNIQUE INDEX CONCURRENTLY broken ON orders (status);");
    pg.psql(&database, "UPDATE orders SET status = id");
    let request = without(&["unused-index", "missing-index"]);
    let advice = advise(&client, request.clone()).await;
    let found = [
        "sequence-exhaustion orders  (id)",
        "invalid-index orders broken (status)",
        "foreign-key-without-index Odd Name idx_odd_name_the_key (the key)",
        "foreign-key-without-index orders idx_orders_customer_id (customer_id)",
        "full-text-search post idx_post_body_words (body)",
        "duplicate-index orders idx_note_again (note)",
        "redundant-index orders idx_placed (placed)",
    ];
    assert_eq!(told(&advice), expected(&found), "{advice:#?}");
    assert_eq!((advice.total_size, advice.recommendations.len()), (7, 7));
    assert!(advice.skipped.is_empty() && advice.statistics_since.is_some(), "{advice:?}");

    let sequence = only(&advice, "sequence-exhaustion");
    assert_eq!(figure(sequence, Kind::LastValue), Some((2_000_000_000.0, "catalog")));
    assert_eq!(figure(sequence, Kind::LargestValue), Some((2_147_483_647.0, "catalog")));
    assert!(sequence.write_cost.is_none() && sequence.size.is_none());
    let key = advice.recommendations.iter().find(|found| found.columns == ["customer_id"]).unwrap();
    assert_eq!(
        key.up,
        "-- Recommended by the rule foreign-key-without-index.\n-- dbkeeper: no-transaction\n\
         CREATE INDEX CONCURRENTLY idx_orders_customer_id ON public.orders (customer_id);\n"
    );
    assert!(key.down.ends_with("DROP INDEX CONCURRENTLY public.idx_orders_customer_id;\n"), "{}", key.down);
    assert_eq!(figure(key, Kind::RowEstimate), Some((20000.0, "catalog")));
    let cost = key.write_cost.expect("a new index costs writers something");
    assert_eq!(cost.entries_per_row, 1);
    assert!(cost.inserts.is_some_and(|inserts| inserts >= 20000), "{cost:?}");
    let words = only(&advice, "full-text-search");
    assert_eq!(words.usage, "to_tsvector('simple', coalesce(body, '')) @@ plainto_tsquery('simple', $1)");
    let (length, source) = figure(words, Kind::AverageLengthBytes).expect("the server knows the length");
    assert!((290.0..320.0).contains(&length) && source == "pg_stats body", "{length} {source}");
    let dropped = only(&advice, "redundant-index");
    assert_eq!(dropped.write_cost.unwrap().entries_per_row, -1);
    assert!(dropped.down.contains("CREATE INDEX CONCURRENTLY idx_placed ON public.orders USING btree (placed);"));
    let size: f64 = pg.psql(&database, "SELECT pg_relation_size('idx_placed')").parse().unwrap();
    assert_eq!(figure(dropped, Kind::IndexSizeBytes), Some((size, "catalog")));

    apply_and_revert(&client, &request, &[]).await;
    let again = advise(&client, request).await;
    // What was built anew stays so.
    let left: BTreeSet<String> = expected(&found).into_iter().filter(|line| !line.starts_with("invalid")).collect();
    assert_eq!(told(&again), left, "{again:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_estimate_of_the_size_is_near_the_size() {
    let server = TestServer::start().await;
    let client = server.client();
    let pg = PostgresServer::counting();
    let database = shop(&client, "DROP EXTENSION hypopg; UPDATE orders SET customer_id = NULL; ANALYZE orders;").await;
    let rules = ["missing-index", "unused-index", "full-text-search", "duplicate-index", "redundant-index"];
    let found = advise(&client, without(&rules)).await;
    let key = only(&found, "foreign-key-without-index");
    let estimate = key.size.clone().expect("the length of the column is known");
    assert_eq!(estimate.method, "formula");
    // Values that are all different, as the formula takes them to be.
    pg.psql(&database, "ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey; UPDATE orders SET customer_id = id; VACUUM FULL orders");
    pg.psql(&database, "CREATE INDEX real ON orders (customer_id)");
    let real: f64 = pg.psql(&database, "SELECT pg_relation_size('real')").parse().unwrap();
    let ratio = estimate.bytes as f64 / real;
    assert!((0.9..1.1).contains(&ratio), "{} for {real}", estimate.bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_lack_an_index_are_planned_with_one() {
    let server = TestServer::start().await;
    let client = server.client();
    let pg = PostgresServer::counting();
    let database = shop(&client, "SELECT pg_stat_statements_reset();").await;
    for _ in 0..3 {
        pg.psql(
            &database,
            "SELECT * FROM orders WHERE status = 7 AND placed > '2027-01-01';
             SELECT count(*) FROM post WHERE tag LIKE '%tag%' OR title LIKE '%t%';
             SELECT o.id FROM orders o JOIN customer c ON c.id = o.customer_id WHERE c.name = 'c7';
             DELETE FROM orders WHERE id = -5;
             VALUES (1);",
        );
    }
    // What two users ran is one statement.
    let other = format!("{database}_other");
    pg.psql(
        &database,
        &format!(
            "CREATE ROLE {other}; GRANT SELECT ON orders TO {other}; SET ROLE {other};
             SELECT * FROM orders WHERE status = 7 AND placed > '2027-01-01';"
        ),
    );
    let own = "SELECT id FROM orders WHERE \"status\" = 12";
    let request = v1::RecommendIndexesRequest {
        statements: vec![own.to_owned()],
        ..without(&["duplicate-index", "redundant-index", "unused-index"])
    };
    let advice = advise(&client, request.clone()).await;
    let found = [
        "missing-index orders idx_orders_status_placed (status, placed)",
        "missing-index orders idx_orders_customer_id (customer_id)",
        "full-text-search post idx_post_body_tag_words (body, tag)",
    ];
    // The name of a customer is looked up once in the join: that is less than a tenth of it.
    assert_eq!(told(&advice), expected(&found), "{advice:#?}");
    let missing = advice.recommendations.iter().find(|found| found.columns == ["status", "placed"]).unwrap();
    assert_eq!(figure(missing, Kind::Calls), Some((4.0, "pg_stat_statements")));
    assert!(missing.message.starts_with("one statement looks rows up by status, placed,"), "{}", missing.message);
    assert!(figure(missing, Kind::TotalTimeMs).is_some_and(|(time, _)| time > 0.0));
    assert!(figure(missing, Kind::SequentialScans).is_some_and(|(scans, _)| scans >= 3.0), "{missing:?}");
    let size = missing.size.as_ref().expect("HypoPG estimates it");
    assert!(size.method == "HypoPG" && size.bytes > 100_000, "{size:?}");
    let owned = missing.plans.iter().find(|plan| plan.own).expect("the caller's own is planned");
    assert_eq!(owned.statement, own);
    for plan in &missing.plans {
        let (before, after) = (plan.cost_before.expect("a cost"), plan.cost_after.expect("a cost"));
        assert!(after < before / 2.0, "{plan:?}");
        assert!(plan.missing.is_empty() && plan.plan_before.is_empty(), "{plan:?}");
    }
    let counted = missing.plans.iter().find(|plan| !plan.own).expect("the counted one is planned");
    assert!(counted.calls == 4 && counted.mean_time_ms > 0.0 && counted.statement.contains("$1"), "{counted:?}");
    let joined = advice.recommendations.iter().find(|found| found.columns == ["customer_id"]).unwrap();
    assert_eq!(joined.answers, ["foreign-key-without-index"], "the rule of keys is answered by the same index");
    assert!(advice.statement_count >= 4 && advice.unread_statement_count < advice.statement_count, "{advice:?}");
    for (name, detail) in [
        ("table-statistics", "pg_stat_user_tables"),
        ("statement-statistics", "pg_stat_statements"),
        ("hypothetical-indexes", "HypoPG"),
        ("own-statements", "1 of the request"),
    ] {
        let source = source(&advice, name);
        assert!(source.used && source.detail == detail, "{source:?}");
    }
    let scanned: Vec<&str> = advice.scanned_tables.iter().map(|used| used.table.as_str()).collect();
    assert!(scanned.contains(&"post"), "{scanned:?}");
    // Of two ranges the one that leaves less is told, wherever it stands.
    let ranges = v1::RecommendIndexesRequest {
        statements: vec!["SELECT id FROM orders WHERE placed > '2028-03-10' AND status BETWEEN 7 AND 8".to_owned()],
        ..without(&["duplicate-index", "redundant-index", "unused-index", "full-text-search"])
    };
    pg.psql(&database, "SELECT pg_stat_statements_reset(); DROP INDEX idx_placed, idx_placed_status;");
    let advice_on_ranges = advise(&client, ranges).await;
    assert_eq!(only(&advice_on_ranges, "missing-index").columns, ["status"], "{advice_on_ranges:#?}");
    // An index is made and the cost comes down to what was said, for the server itself says it now.
    pg.psql(&database, "CREATE INDEX idx_orders_status_placed ON orders (status, placed)");
    let explained = pg.psql(&database, &format!("EXPLAIN (FORMAT JSON) {own}"));
    let explained: serde_json::Value = serde_json::from_str(&explained).unwrap();
    let real = explained[0]["Plan"]["Total Cost"].as_f64().unwrap();
    let said = owned.cost_after.unwrap();
    assert!((real / said - 1.0).abs() < 0.5, "{said} was said, and it is {real}");
    let later = advise(&client, request).await;
    assert!(!told(&later).contains(found[0]), "{later:#?}");
}

fn source_of_window(advice: &v1::RecommendIndexesResponse) -> Option<&str> {
    advice.sources.iter().find(|source| source.name == "window").map(|source| source.detail.as_str())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_is_unused_over_a_window_and_where_no_replica_reads_it() {
    let server = TestServer::start().await;
    let client = server.client();
    let (primary, standby) = PostgresServer::replicated();
    let database = primary.create_database();
    primary.psql(
        &database,
        "CREATE TABLE big (id bigint PRIMARY KEY, a int, b int, c int, d int UNIQUE);
         INSERT INTO big SELECT n, n, n, n, n FROM generate_series(1, 20000) n;
         CREATE INDEX on_a ON big (a); CREATE INDEX on_b ON big (b); CREATE INDEX on_c ON big (c); ANALYZE;",
    );
    let standby_has = || standby.psql(&database, "SELECT count(*) FROM pg_class WHERE relname = 'on_c'") == "1";
    crate::rpc::support::until(async || {
        let databases =
            standby.psql("postgres", &format!("SELECT count(*) FROM pg_database WHERE datname = '{database}'"));
        databases == "1" && standby_has()
    })
    .await;
    let read = |server: &PostgresServer, column: &str| {
        let sql =
            format!("SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT id FROM big WHERE {column} = 7");
        server.psql(&database, &sql)
    };
    read(primary, "a");
    read(standby, "b");
    let replica = registration(standby.settings(&database), standby.password());
    register(&client, "copy", replica).await;
    let mut connection = registration(primary.settings(&database), primary.password());
    connection.replicas =
        Some(v1::ReplicaSettings { connections: vec!["connections/copy".to_owned()], ..Default::default() });
    register(&client, "shop", connection).await;

    // The servers tell of scans a moment after they made them.
    crate::rpc::support::until(async || {
        told(&advise(&client, asked()).await) == expected(&["unused-index big on_c (c)"])
    })
    .await;
    let advice = advise(&client, asked()).await;
    let unused = only(&advice, "unused-index");
    let scans: Vec<_> = unused.evidence.iter().filter(|figure| figure.kind() == Kind::IndexScans).collect();
    assert_eq!(scans.len(), 2, "{unused:?}");
    assert!(scans.iter().all(|figure| figure.value == 0.0), "{unused:?}");
    assert!(scans.iter().any(|figure| figure.source == "connections/copy pg_stat_user_indexes"), "{scans:?}");
    assert!(source(&advice, "replica").used);

    let needed =
        v1::RecommendIndexesRequest { statements: vec!["SELECT id FROM big WHERE c = 7".to_owned()], ..asked() };
    assert!(told(&advise(&client, needed).await).is_empty(), "a statement of the caller needs it");
    let patient = v1::RecommendIndexesRequest { min_window: None, ..asked() };
    let advice = advise(&client, patient).await;
    assert!(told(&advice).is_empty(), "the statistics are no week old: {advice:#?}");
    assert!(source(&advice, "window").detail.contains("7days"), "{:?}", advice.sources);
    // The statistics of the replica alone are too young.
    let hours = |seconds| v1::RecommendIndexesRequest {
        min_window: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..asked()
    };
    let (age, now) = (advice.statistics_window.unwrap().seconds, standby.psql(&database, "SELECT pg_stat_reset()"));
    assert!(now.is_empty() && age >= 0);
    crate::rpc::support::until(async || {
        // A window that the primary has, and the replica that was just reset has not.
        let age = advise(&client, asked()).await.statistics_window.unwrap().seconds;
        age > 1
            && source_of_window(&advise(&client, hours(age)).await)
                .is_some_and(|detail| detail.contains("connections/copy"))
    })
    .await;
    let large = v1::RecommendIndexesRequest { min_unused_bytes: Some(1 << 30), ..asked() };
    assert!(told(&advise(&client, large).await).is_empty(), "it is no gigabyte");

    let request =
        v1::DeleteConnectionRequest { name: "connections/copy".to_owned(), force: true, ..Default::default() };
    client.connections().delete_connection(request).await.unwrap();
    crate::rpc::support::until(async || told(&advise(&client, asked()).await).len() == 2).await;
    let advice = advise(&client, asked()).await;
    assert_eq!(told(&advice), expected(&["unused-index big on_b (b)", "unused-index big on_c (c)"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_calls_no_index_unused() {
    let server = TestServer::start().await;
    let client = server.client();
    let (primary, standby) = PostgresServer::replicated();
    let database = primary.create_database();
    let script = "CREATE TABLE big AS SELECT n FROM generate_series(1, 20000) n; CREATE INDEX on_n ON big (n);";
    primary.psql(&database, script);
    crate::rpc::support::until(async || {
        let there = format!("SELECT count(*) FROM pg_database WHERE datname = '{database}'");
        standby.psql("postgres", &there) == "1"
            && standby.psql(&database, "SELECT count(*) FROM pg_class WHERE relname = 'on_n'") == "1"
    })
    .await;
    register(&client, "shop", registration(standby.settings(&database), standby.password())).await;
    let advice = advise(&client, asked()).await;
    assert!(told(&advice).is_empty(), "what it never reads, its primary may: {advice:#?}");
    assert!(source(&advice, "index-statistics").detail.contains("is a replica"), "{:?}", advice.sources);
    register(&client, "first", registration(primary.settings(&database), primary.password())).await;
    let request = v1::RecommendIndexesRequest { connection: "connections/first".to_owned(), ..asked() };
    assert_eq!(told(&advise(&client, request).await), expected(&["unused-index big on_n (n)"]));
}

/// A session that reads its statements from here until it is dropped.
fn session(server: &PostgresServer, database: &str, sql: &str) -> std::process::Child {
    use std::{io::Write, process::Stdio};
    let mut psql = server.client("psql", database);
    psql.args(["-X", "-q", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut session = psql.spawn().expect("psql starts");
    session.stdin.as_mut().expect("an input").write_all(sql.as_bytes()).expect("psql reads");
    session
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_being_built_is_not_called_invalid() {
    let server = TestServer::start().await;
    let client = server.client();
    let pg = PostgresServer::counting();
    let database = shop(&client, "").await;
    let mut holder = session(pg, &database, "BEGIN; UPDATE orders SET note = 'held' WHERE id = 1;\n");
    let held = || {
        pg.psql(
            &database,
            "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass AND mode = 'RowExclusiveLock'",
        )
    };
    crate::rpc::support::until(async || held() == "1").await;
    let mut builder = session(pg, &database, "CREATE INDEX CONCURRENTLY slow ON orders (status);\n");
    let invalid = || pg.psql(&database, "SELECT count(*) FROM pg_index WHERE NOT indisvalid");
    crate::rpc::support::until(async || invalid() == "1").await;
    let rules = |advice: &v1::RecommendIndexesResponse| {
        advice.recommendations.iter().filter(|found| found.rule == "invalid-index").count()
    };
    assert_eq!(rules(&advise(&client, asked()).await), 0, "it is being built");
    builder.kill().expect("the session ends");
    builder.wait().expect("it ended");
    pg.psql(
        &database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index WHERE datname = current_database()",
    );
    let building =
        || pg.psql(&database, "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()");
    crate::rpc::support::until(async || building() == "0").await;
    assert_eq!(rules(&advise(&client, asked()).await), 1, "it was left behind");
    drop(holder.stdin.take());
    holder.wait().expect("it ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_named_with_what_mends_it() {
    let server = TestServer::start().await;
    let client = server.client();
    let plain = PostgresServer::shared();
    let database = plain.create_database();
    plain.psql(&database, SCHEMA);
    register(&client, "shop", registration(plain.settings(&database), plain.password())).await;
    let own = |text: &str| v1::RecommendIndexesRequest {
        statements: vec![text.to_owned()],
        ..without(&[
            "duplicate-index",
            "redundant-index",
            "unused-index",
            "full-text-search",
            "foreign-key-without-index",
        ])
    };
    let advice = advise(&client, own("SELECT 1 FROM orders WHERE status = 3")).await;
    let missing = only(&advice, "missing-index");
    let plan = &missing.plans[0];
    assert!(plan.cost_before.is_some() && plan.cost_after.is_none(), "{plan:?}");
    let statements = source(&advice, "statement-statistics");
    assert!(!statements.used && statements.remedy.contains("shared_preload_libraries"), "{statements:?}");
    let hypothetical = source(&advice, "hypothetical-indexes");
    assert!(!hypothetical.used && hypothetical.remedy == "CREATE EXTENSION hypopg", "{hypothetical:?}");
    // A statement that the server cannot plan is told so, and the index is not hidden.
    let advice = advise(&client, own("SELECT no_such_function(1) FROM orders WHERE status = 3")).await;
    assert!(only(&advice, "missing-index").plans[0].missing.contains("no_such_function"), "{advice:#?}");

    let counting = PostgresServer::counting();
    let database = counting.create_database();
    counting.psql(&database, SCHEMA);
    let password = counting.password().replace('\'', "''");
    counting.psql(&database, &format!("CREATE ROLE \"Some One\" LOGIN PASSWORD '{password}'"));
    let mut settings = counting.settings(&database);
    settings.username = "Some One".to_owned();
    register(&client, "little", registration(settings, counting.password())).await;
    let little = || v1::RecommendIndexesRequest { connection: "connections/little".to_owned(), ..asked() };
    let advice = advise(&client, little()).await;
    assert_eq!(source(&advice, "statement-statistics").remedy, "CREATE EXTENSION pg_stat_statements");
    counting.psql(&database, "CREATE EXTENSION pg_stat_statements; SELECT 1 FROM orders WHERE status = 3");
    let advice = advise(&client, little()).await;
    assert_eq!(source(&advice, "statement-statistics").remedy, "GRANT pg_read_all_stats TO \"Some One\"");
    counting.psql(&database, "GRANT pg_read_all_stats TO \"Some One\"");
    let advice = advise(&client, little()).await;
    assert!(source(&advice, "statement-statistics").used, "{:?}", advice.sources);
    assert!(told(&advice).iter().any(|line| line.starts_with("foreign-key-without-index orders")), "{advice:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_planning_would_run_is_not_planned() {
    let server = TestServer::start().await;
    let client = server.client();
    let pg = PostgresServer::counting();
    // In a transaction that cannot write each of these fails with SQLSTATE 25006 where it is run.
    let script = "CREATE SEQUENCE runs;
        CREATE FUNCTION evil(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM nextval(''runs''); RETURN $1; END';
        CREATE FUNCTION public.lower(int) RETURNS text LANGUAGE plpgsql IMMUTABLE
            AS 'BEGIN PERFORM nextval(''runs''); RETURN ''a''; END';
        CREATE OPERATOR public.+ (LEFTARG = int, RIGHTARG = text, FUNCTION = evil_plus);
        CREATE TABLE guarded (id int, a int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
        CREATE TABLE filling (id int, a int DEFAULT evil(1));
        CREATE FUNCTION evil_diff(float8, float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE
            AS 'BEGIN PERFORM nextval(''runs''); RETURN $1 - $2; END';
        CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = evil_diff);
        CREATE DOMAIN picky AS int CHECK (evil(VALUE) > 0);
        CREATE TYPE pair AS (one picky);
        CREATE DOMAIN filled AS int DEFAULT evil(1);
        CREATE TABLE ranged (r span, a int); CREATE TABLE listed (l picky[], a int);
        CREATE TABLE paired (p pair, a int); CREATE TABLE supplied (s filled, a int);
        INSERT INTO guarded SELECT n, n FROM generate_series(1, 5000) n;
        INSERT INTO filling SELECT n, n FROM generate_series(1, 5000) n;
        INSERT INTO ranged SELECT span(n, n + 1), n FROM generate_series(1, 5000) n;
        INSERT INTO listed SELECT NULL, n FROM generate_series(1, 5000) n;
        INSERT INTO paired SELECT NULL, n FROM generate_series(1, 5000) n;
        INSERT INTO supplied SELECT n, n FROM generate_series(1, 5000) n;
        ANALYZE;
        SELECT pg_stat_statements_reset();";
    let script = script.replace(
        "        CREATE OPERATOR",
        "        CREATE FUNCTION evil_plus(int, text) RETURNS int LANGUAGE plpgsql IMMUTABLE
            AS 'BEGIN PERFORM nextval(''runs''); RETURN 1; END';
        CREATE OPERATOR",
    );
    let database = shop(&client, &script).await;
    let mut planned = Vec::new();
    for (text, why) in [
        ("SELECT 1 FROM orders WHERE status = evil(7)", "it calls the function evil"),
        ("SELECT 1 FROM orders WHERE status = 7 AND note = lower(7)", "does not plan it: SQLSTATE 42883"),
        ("SELECT 1 FROM orders WHERE status = 7 AND note = public.lower(7)", "it calls the function public.lower"),
        ("SELECT 1 FROM orders WHERE status = 7 + 'a'::text", "does not plan it: SQLSTATE 42883"),
        ("SELECT 1 FROM orders WHERE status = (7 OPERATOR(public.+) 'a'::text)", "it uses the operator"),
        (
            "SELECT 1 FROM orders WHERE status = 7 AND note = table_to_xml('pg_authid', true, true, '')::text",
            "it calls the function table_to_xml",
        ),
        ("SELECT 1 FROM orders WHERE status = 7 AND customer_id IN (SELECT 1 FROM pg_authid)", "it reads pg_authid"),
        ("SELECT 1 FROM guarded WHERE a = 7", "has row security"),
        ("UPDATE filling SET id = DEFAULT WHERE a = 7", "has row security"),
        ("SELECT 1 FROM ranged WHERE a = 7 AND r < '[1,2)'", "has row security"),
        ("SELECT 1 FROM listed WHERE a = 7 AND l = '{1}'", "has row security"),
        ("SELECT 1 FROM paired WHERE a = 7 AND p = '(1)'", "has row security"),
        ("UPDATE supplied SET s = DEFAULT WHERE a = 7", "has row security"),
    ] {
        let own = v1::RecommendIndexesRequest { statements: vec![text.to_owned()], ..without(&["unused-index"]) };
        let advice = advise(&client, own).await;
        let missing = advice.recommendations.iter().find(|found| found.rule == "missing-index");
        let Some(missing) = missing else { panic!("{text}: {advice:#?}") };
        let plan = &missing.plans[0];
        if !plan.missing.contains(why) || plan.cost_before.is_some() {
            planned.push((text, plan.clone()));
        }
    }
    assert!(planned.is_empty(), "{planned:#?}");
    // Of the statistics, too, and without what a comment says.
    pg.psql(
        &database,
        "/* user=secret */ SELECT 1 FROM orders WHERE status = evil(id) AND placed = '2020-01-01'::date AND status = 3",
    );
    let advice = advise(&client, without(&["unused-index"])).await;
    assert!(source(&advice, "plans").detail.contains("it calls the function evil"), "{advice:#?}");
    let all = format!("{advice:?}");
    assert!(!all.contains("secret") && !all.contains("25006"), "{advice:#?}");
}
