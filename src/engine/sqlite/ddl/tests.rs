use super::*;

fn key(name: &str, columns: &[&str], on_conflict: &str) -> Key {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    Key { name: name.to_owned(), columns, on_conflict: on_conflict.to_owned() }
}

fn reference(name: &str, deferred: bool, match_type: MatchType) -> Reference {
    Reference { name: name.to_owned(), deferred, match_type }
}

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
    assert_eq!(text.primary_key, Some(key("pk", &["id"], "")));
    assert!(text.columns[0].autoincrement && !text.columns[1].autoincrement);
    assert_eq!(text.columns[1].collation, "NOCASE");
    assert_eq!(text.columns[3].generated, "price * (2)");
    assert_eq!(text.unique, [key("un, ique", &["check"], ""), key("pair", &["price", "check"], ""),]);
    let part = |check: &Check| (check.name.clone(), check.expression.clone(), check.column.clone());
    let checks: Vec<_> = text.checks.iter().map(part).collect();
    let told = |name: &str, expression: &str, column: &str| (name.into(), expression.into(), column.into());
    assert_eq!(
        checks,
        [
            told("", "price > 0 AND price IN (1, 2)", "price"),
            told("", "owner <> 0", "owner"),
            told("positive", "id > 0", ""),
        ]
    );
    assert_eq!(
        text.references,
        [
            reference("", true, MatchType::Simple),
            reference("fk_other", false, MatchType::Simple),
            reference("fk_pair", false, MatchType::Simple),
        ]
    );
}

#[test]
fn what_follows_a_key_belongs_to_it() {
    let text = table(
        "CREATE TABLE t (
            a INTEGER PRIMARY KEY DESC ON CONFLICT replace AUTOINCREMENT CHECK (a > 0),
            b TEXT UNIQUE ON CONFLICT IGNORE NOT NULL ON CONFLICT FAIL REFERENCES p (x) MATCH FULL,
            c INT CONSTRAINT later REFERENCES p MATCH PARTIAL ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
            UNIQUE (a, b) ON CONFLICT ROLLBACK CONSTRAINT no_comma CHECK (b <> ''))",
    );
    assert_eq!(text.primary_key, Some(key("", &["a"], "REPLACE")));
    assert!(text.columns[0].autoincrement);
    assert_eq!(text.unique, [key("", &["b"], "IGNORE"), key("", &["a", "b"], "ROLLBACK")]);
    assert_eq!(text.checks[1].name, "no_comma");
    assert_eq!(text.references, [reference("", false, MatchType::Full), reference("later", true, MatchType::Partial)]);
    let text =
        table("CREATE TABLE t (x, \"Id\" INTEGER, CONSTRAINT k PRIMARY KEY (id AUTOINCREMENT) ON CONFLICT FAIL)");
    assert_eq!(text.primary_key, Some(key("k", &["id"], "FAIL")));
    assert!(text.columns[1].autoincrement && !text.columns[0].autoincrement);
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
        names_table(&text, "a");
    }
}
