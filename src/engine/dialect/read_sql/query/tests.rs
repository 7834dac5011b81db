use super::{QueryShape, read};
use crate::engine::dialect::Dialect;
use crate::engine::postgres::dialect::PostgresDialect;

fn shape(text: &str) -> QueryShape {
    read(&PostgresDialect, &[text.to_owned()]).unwrap().remove(0).unwrap_or_else(|fault| panic!("{fault:?}: {text}"))
}

/// `tables: qualifier.column kind` of each query of a text.
fn told(text: &str) -> Vec<String> {
    let scope = |scope: &super::QueryScope| {
        let tables: Vec<_> = scope.tables.iter().map(|table| format!("{} {}", table.name, table.alias)).collect();
        let terms: Vec<_> = scope
            .terms
            .iter()
            .map(|term| format!("{}.{} {:?}", term.qualifier.as_deref().unwrap_or("?"), term.column, term.kind))
            .collect();
        format!("{}: {}", tables.join(", "), terms.join(", "))
    };
    shape(text).scopes.iter().map(scope).collect()
}

#[test]
fn conditions_are_told_by_what_they_do_with_a_column() {
    let text = "SELECT * FROM Orders o JOIN \"Line\" l ON l.order_id = o.id
                WHERE o.status = $1 AND (total > 5 AND o.placed BETWEEN $2 AND $3) AND kind IN (1, 2) AND note <> 'x'";
    let expected =
        "orders o, Line l: l.order_id Joined, o.id Joined, o.status Equal, ?.total Range, o.placed Range, ?.kind Equal";
    assert_eq!(told(text), [expected]);
    assert!(shape(text).has_parameters && !shape("SELECT 1 FROM a").has_parameters);
}

#[test]
fn what_is_compared_with_other_columns_is_no_value() {
    let text = "SELECT 1 FROM a, b WHERE a.x = b.y + 1 AND a.changed > a.made + interval '1 day' AND a.z = (1 + 2)
                AND a.w < (SELECT max(n) FROM c WHERE c.k = 1)";
    assert_eq!(told(text), ["a a, b b: a.x Joined, a.z Equal, a.w Range", "c c: c.k Equal"]);
}

#[test]
fn queries_in_a_query_have_conditions_of_their_own() {
    let text = "WITH recent AS (SELECT id FROM a WHERE x = 1)
                DELETE FROM b USING c WHERE b.id IN (SELECT id FROM recent WHERE y > 2) AND EXISTS (SELECT 1 FROM d WHERE d.b = b.id)";
    let told = told(text);
    assert_eq!(told[0], "a a: ?.x Equal");
    assert_eq!(told[1], "b b, c c: b.id Equal");
    assert_eq!(told[2..], [": ?.y Range", "d d: d.b Joined, b.id Joined"]);
    assert_eq!(shape(text).scopes[3].parent, Some(1));
}

#[test]
fn a_search_is_told_apart_from_a_prefix() {
    let text =
        "UPDATE post SET seen = true WHERE (title LIKE '%a%' OR lower(body) ILIKE '%' || $1 || '%') AND name LIKE 'a%'
                AND content LIKE $2 AND tag LIKE concat('%', $3)";
    assert_eq!(told(text), ["post post: ?.title Searched, ?.body Searched, ?.content SearchedPerhaps, ?.tag Searched"]);
}

#[test]
fn what_is_no_query_is_refused_with_its_place() {
    let refused = |text: &str| {
        let fault = read(&PostgresDialect, &[text.to_owned()]).unwrap().remove(0).unwrap_err();
        format!("{}:{} {}", fault.line, fault.column, fault.problem)
    };
    assert!(refused("SELECT *\n  FROM a WHERE )").starts_with("2:"), "{}", refused("SELECT *\n  FROM a WHERE )"));
    assert!(refused("SELECT 1;\nDROP TABLE a").starts_with("2:1 expected the end"));
    assert!(refused("SELECT 1\nFROM a WHERE (").starts_with("2:15 "), "{}", refused("SELECT 1\nFROM a WHERE ("));
    for text in [
        "DROP TABLE a",
        "EXPLAIN ANALYZE SELECT 1",
        "CREATE INDEX i ON a (b)",
        "SET a = 1",
        "",
        "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE",
    ] {
        assert!(refused(text).starts_with("1:"), "{text}: {}", refused(text));
    }
}

#[test]
fn a_long_chain_of_conditions_is_read() {
    let conditions: Vec<String> = (0..600).map(|number| format!("c{number} = 1")).collect();
    let read = shape(&format!("SELECT 1 FROM a WHERE {}", conditions.join(" AND ")));
    assert_eq!(read.scopes[0].terms.len(), 600);
    assert_eq!(PostgresDialect.default_schema(), Some("public"));
}
