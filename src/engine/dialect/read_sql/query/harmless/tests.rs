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
    ] {
        assert_eq!(judged(&PostgresDialect, text).map(|found| found.text).as_deref(), Ok(written));
    }
    let found = judged(&MysqlDialect, "SELECT id FROM orders WHERE a = 1 AND now() > placed").unwrap();
    assert_eq!(found.text, "SELECT id FROM `app`.`orders` WHERE a = 1 AND now() > placed");
    assert_eq!(found.tables.len(), 1);
}

#[test]
fn what_planning_could_run_is_refused_on_postgresql() {
    for text in [
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
    ] {
        assert!(judged(&PostgresDialect, text).is_err(), "{text}");
    }
}

#[test]
fn what_planning_could_run_is_refused_on_mysql() {
    for text in [
        "SELECT 1 FROM orders WHERE a = extractvalue(1, concat(0x7e, version()))",
        "SELECT 1 FROM orders WHERE a = sleep(1)",
        "SELECT 1 FROM orders WHERE a = (SELECT b FROM orders)",
        "SELECT 1 FROM (SELECT * FROM orders) o",
        "SELECT 1 FROM orders WHERE a IN (SELECT b FROM orders)",
        "WITH w AS (SELECT 1) SELECT 1 FROM orders",
        "SELECT 1 FROM orders WHERE a = 'x\\' OR evil() -- '",
        "SELECT 1 FROM orders WHERE a = \"x\"",
        "SELECT @a FROM orders",
        "SELECT 1 FROM mysql.user",
    ] {
        assert!(judged(&MysqlDialect, text).is_err(), "{text}");
    }
}
