use super::*;

#[test]
fn constraints_of_columns_and_tables() {
    let text = table(
        "CREATE TABLE \"odd (name\" (
            id INTEGER CONSTRAINT pk PRIMARY KEY AUTOINCREMENT, -- CHECK (no)
            \"check\" TEXT NOT NULL COLLATE NOCASE CONSTRAINT \"un, ique\" UNIQUE DEFAULT ('a, b' || ')'),
            price DECIMAL(10, 2) CHECK (price > 0 AND price IN (1, 2)),
            twice INT GENERATED ALWAYS AS (price * (2)) STORED,
            owner INT REFERENCES people (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED CHECK (owner <> 0),
            other INT CONSTRAINT fk_other REFERENCES people NOT DEFERRABLE INITIALLY DEFERRED,
            CONSTRAINT pair UNIQUE (price, \"check\" COLLATE BINARY),
            CONSTRAINT positive CHECK (id > 0),
            CONSTRAINT fk_pair FOREIGN KEY (price, twice) REFERENCES p (a, b)
        ) STRICT",
    );
    let names: Vec<_> = text.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "check", "price", "twice", "owner", "other"]);
    assert_eq!(text.primary_key, Some(Key { name: "pk".into(), columns: vec!["id".into()] }));
    assert!(text.columns[0].autoincrement && !text.columns[1].autoincrement);
    assert_eq!(text.columns[1].collation, "NOCASE");
    assert_eq!(text.columns[3].generated, "price * (2)");
    assert_eq!(
        text.unique,
        [
            Key { name: "un, ique".into(), columns: vec!["check".into()] },
            Key { name: "pair".into(), columns: vec!["price".into(), "check".into()] },
        ]
    );
    let checks: Vec<_> = text.checks.iter().map(|check| (check.name.as_str(), check.expression.as_str())).collect();
    assert_eq!(checks, [("", "price > 0 AND price IN (1, 2)"), ("", "owner <> 0"), ("positive", "id > 0")]);
    assert_eq!(
        text.references,
        [
            Reference { name: String::new(), deferred: true },
            Reference { name: "fk_other".into(), deferred: false },
            Reference { name: "fk_pair".into(), deferred: false },
        ]
    );
}

#[test]
fn terms_and_condition_of_an_index() {
    let text =
        index("CREATE INDEX i ON t (lower(name) DESC, \"a,b\", x + 1) WHERE deleted IS NULL -- live\n AND x > ')' ");
    assert_eq!(text.terms, ["lower(name)", "\"a,b\"", "x + 1"]);
    assert_eq!(text.predicate, "deleted IS NULL -- live\n AND x > ')'");
}

#[test]
fn query_of_a_view_and_module_of_a_virtual_table() {
    assert_eq!(view_query("CREATE VIEW \"as\" (a, b) AS SELECT 1 AS a, 2 AS b;"), "SELECT 1 AS a, 2 AS b");
    assert_eq!(virtual_module("CREATE VIRTUAL TABLE f USING fts5(title, body)"), "USING fts5(title, body)");
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "[a-z(),;'\"\\[\\] CHECKASUNIQ\n]*") {
        table(&text);
        index(&text);
        view_query(&text);
    }
}
