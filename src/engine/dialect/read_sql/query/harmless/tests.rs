use super::{Harmless, ObjectName, read};
use crate::engine::{dialect::Dialect, mysql::dialect::MysqlDialect, postgres::dialect::PostgresDialect};

/// Knows the table `orders` of the schema `app`.
fn judged(dialect: &dyn Dialect, text: &str) -> Result<Harmless, String> {
    let find = |schema: Option<&str>, name: &str| {
        let is_known = name == "orders" && schema.is_none_or(|schema| schema == "app");
        is_known.then(|| ObjectName { schema: "app".to_owned(), name: "orders".to_owned() })
    };
    read(dialect, &[text.to_owned()], &find).unwrap().remove(0)
}

#[test]
fn what_is_harmless_is_written_anew_with_its_tables_in_full() {
    for (text, written) in [
        (
            "select /* user=7 */ count(*) from Orders o where o.a = $1 and lower(b) like 'x%' -- end",
            r#"SELECT count(*) FROM "app"."orders" o WHERE o.a = $1 AND lower(b) LIKE 'x%'"#,
        ),
        (
            "WITH w AS (SELECT id FROM orders) DELETE FROM app.orders USING w WHERE w.id = orders.id",
            r#"WITH w AS (SELECT id FROM "app"."orders") DELETE FROM "app"."orders" USING w WHERE w.id = orders.id"#,
        ),
        (
            "SELECT w.n FROM (SELECT a, count(*) AS n FROM orders GROUP BY a) w JOIN orders o ON o.a = w.a",
            r#"SELECT w.n FROM (SELECT a, count(*) AS n FROM "app"."orders" GROUP BY a) w JOIN "app"."orders" o ON o.a = w.a"#,
        ),
        (
            "SELECT rank() OVER (ORDER BY a), date_trunc('day', b) FROM orders",
            r#"SELECT rank() OVER (ORDER BY a), date_trunc('day', b) FROM "app"."orders""#,
        ),
    ] {
        assert_eq!(judged(&PostgresDialect, text).map(|found| found.text).as_deref(), Ok(written));
    }
    let found = judged(&MysqlDialect, "SELECT id FROM orders WHERE a = 1 AND now() > placed").unwrap();
    assert_eq!(found.text, "SELECT id FROM `app`.`orders` WHERE a = 1 AND now() > placed");
    assert_eq!(found.tables.len(), 1);
    // What a backslash did is written without one.
    let found = judged(&MysqlDialect, "SELECT 1 FROM orders WHERE a = 'x\\' OR evil() -- '");
    assert_eq!(found.unwrap().text, "SELECT 1 FROM `app`.`orders` WHERE a = 'x'' OR evil() -- '");
}

#[test]
fn what_planning_could_run_is_refused_on_postgresql() {
    let texts = [
        "SELECT 1 FROM orders WHERE a = evil(1)",
        "SELECT 1 FROM orders WHERE a = public.lower('x')",
        "SELECT 1 FROM orders WHERE a = table_to_xml('pg_authid', true, true, '')::text",
        "SELECT 1 FROM orders WHERE a = (SELECT pg_sleep(1))",
        "SELECT 1 FROM orders ORDER BY nextval('s')",
        "SELECT 1 FROM orders GROUP BY evil(a)",
        "SELECT 1 FROM orders WINDOW w AS (PARTITION BY evil(a))",
        "SELECT count(*) FILTER (WHERE evil(a)) FROM orders",
        "SELECT 1 FROM orders LIMIT evil(1)",
        "SELECT 1 FROM orders o JOIN orders p ON evil(o.a)",
        "SELECT 1 FROM orders WHERE a = 'x'::evil",
        "SELECT 1 FROM orders WHERE a = 'pg_authid'::regclass",
        "SELECT 1 FROM orders WHERE a = evil 'x'",
        "SELECT 1 FROM orders WHERE a OPERATOR(public.=) 1",
        "SELECT 1 FROM orders WHERE a ~ '(x*)*y'",
        "SELECT 1 FROM orders ORDER BY a USING <",
        "SELECT 1 FROM orders TABLESAMPLE evil (1)",
        "SELECT 1 FROM orders, generate_series(1, 10)",
        "SELECT 1 FROM pg_authid",
        "SELECT 1 FROM other.orders",
        "SELECT 1 FROM orders WHERE a IN (SELECT 1 FROM hidden)",
        "SELECT 1 FROM orders WHERE EXISTS (TABLE pg_authid)",
        "WITH pg_authid AS (SELECT 1) SELECT 1 FROM pg_authid",
        "SELECT 1 FROM orders FOR UPDATE",
        "INSERT INTO orders SELECT * FROM orders",
        "UPDATE orders SET a = evil(1)",
        "DELETE FROM orders WHERE a = 1 RETURNING evil(a)",
        "SELECT rank(1) FROM orders",
        "SELECT 1 FROM orders WHERE a = curdate()",
        // The writer would end the name at the quote, and takes two quotes in a row for one.
        r#"SELECT "x\""" FROM orders"#,
        "SELECT 1 FROM orders WHERE a = 'two '''' quotes'",
        // What grows with each step.
        "SELECT 1 FROM (SELECT a || a AS a FROM (SELECT a || a AS a FROM orders) o) o",
        "WITH v AS (SELECT a || a AS a FROM orders), w AS (SELECT a || a AS a FROM v) SELECT 1 FROM w",
        "WITH w AS NOT MATERIALIZED (SELECT a FROM orders) SELECT 1 FROM w a, w b",
    ];
    let planned: Vec<_> = texts.into_iter().filter(|text| judged(&PostgresDialect, text).is_ok()).collect();
    assert!(planned.is_empty(), "{planned:#?}");
}

#[test]
fn what_planning_could_run_is_refused_on_mysql() {
    let texts = [
        "SELECT 1 FROM orders WHERE a = extractvalue(1, concat(0x7e, version()))",
        "SELECT 1 FROM orders WHERE a = sleep(1)",
        "SELECT 1 FROM orders WHERE a = (SELECT b FROM orders)",
        "SELECT 1 FROM (SELECT * FROM orders) o",
        "SELECT 1 FROM orders WHERE a IN (SELECT b FROM orders)",
        "WITH w AS (SELECT 1) SELECT 1 FROM orders",
        "SELECT 1 FROM orders WHERE a = \"x\"",
        "SELECT @a FROM orders",
        "SELECT 1 FROM mysql.user",
        "DELETE FROM orders WHERE a = (SELECT b FROM orders LIMIT 1)",
        "UPDATE orders SET a = (SELECT b FROM orders LIMIT 1)",
        // Functions of users, where the server has none of that name, or reads a word of its grammar in quotes as one.
        "SELECT 1 FROM orders WHERE a = date_trunc('day')",
        "SELECT 1 FROM orders WHERE a = btrim('x')",
        "SELECT 1 FROM orders WHERE a = rank()",
        "SELECT 1 FROM orders WHERE a = `if`(1, 2, 3)",
        "SELECT `x\\``` FROM orders",
    ];
    let planned: Vec<_> = texts.into_iter().filter(|text| judged(&MysqlDialect, text).is_ok()).collect();
    assert!(planned.is_empty(), "{planned:#?}");
}

#[test]
fn a_statement_over_too_many_tables_is_not_planned() {
    let join = |count: usize| {
        let tables: Vec<String> = (0..count).map(|number| format!("orders o{number}")).collect();
        judged(&PostgresDialect, &format!("SELECT 1 FROM {}", tables.join(", ")))
    };
    assert!(join(16).is_ok());
    assert_eq!(join(17), Err("it reads more than 16 tables".to_owned()));
}

#[test]
fn a_name_that_would_end_its_quotes_is_not_written() {
    let find = |_: Option<&str>, _: &str| {
        Some(ObjectName { schema: "app".to_owned(), name: r#"x\" WHERE evil() OR "a"#.to_owned() })
    };
    assert!(read(&PostgresDialect, &["SELECT 1 FROM orders".to_owned()], &find).unwrap().remove(0).is_err());
}
