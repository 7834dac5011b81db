use crate::{
    engine::Engines,
    model::{
        connection::EngineKind,
        schema::{
            NeutralType,
            definition::{ColumnDefinition, SchemaDefinition},
        },
    },
};

fn read(engine: EngineKind, text: &str) -> SchemaDefinition {
    let definition = Engines::dialect(engine).unwrap().read_sql(text, "sql").unwrap();
    definition.check("sql").unwrap();
    definition
}

/// `name type` of each column, with what else it is.
fn columns(definition: &SchemaDefinition) -> Vec<String> {
    let told = |column: &ColumnDefinition| {
        let nullable = if column.nullable { " null" } else { "" };
        let identity = column.identity.map(|identity| format!(" {identity:?}")).unwrap_or_default();
        let default = column.default.as_ref().map(|default| format!(" = {default:?}")).unwrap_or_default();
        format!("{} {}{nullable}{identity}{default}", column.name, column.column_type)
    };
    definition.tables.iter().flat_map(|table| table.columns.iter().map(told)).collect()
}

#[test]
fn words_of_postgresql_are_understood() {
    let definition = read(
        EngineKind::Postgresql,
        r#"CREATE SCHEMA shop;
        CREATE TYPE shop.mood AS ENUM ('calm', 'it''s loud');
        CREATE TABLE public.Album (
            id bigserial PRIMARY KEY, "Title" varchar(40) NOT NULL UNIQUE, mood shop.mood DEFAULT 'calm'::shop.mood,
            price numeric(10,2) DEFAULT 0.5, at timestamptz DEFAULT now(), n int4 GENERATED ALWAYS AS IDENTITY, ip inet
        );
        ALTER TABLE album ADD COLUMN parent int8 REFERENCES album ON DELETE SET NULL, ADD CONSTRAINT c CHECK (price > 0);
        CREATE UNIQUE INDEX i ON album ("Title" DESC, id) WHERE price IS NOT NULL;
        COMMENT ON TABLE album IS 'All of it'; COMMENT ON COLUMN album."Title" IS 'Its name';
        CREATE VIEW v AS SELECT id FROM album;"#,
    );
    let expected = [
        "id int64 ByDefault",
        "Title text(40)",
        "mood declared:shop.mood null = Literal(\"calm\")",
        "price decimal(10,2) null = Literal(\"0.5\")",
        "at timestamp_tz null = CurrentTimestamp",
        "n int32 Always",
        "ip postgresql:inet null",
        "parent int64 null",
    ];
    assert_eq!(columns(&definition), expected);
    let album = &definition.tables[0];
    assert_eq!(
        (album.full_name().as_str(), album.comment.as_str(), album.columns[1].comment.as_str()),
        ("album", "All of it", "Its name")
    );
    assert_eq!((album.checks[0].name.as_str(), album.checks[0].expression.as_str()), ("c", "price > 0"));
    assert!(album.indexes[0].unique && album.indexes[0].columns[0].descending);
    assert_eq!(album.indexes[0].predicate, "price IS NOT NULL");
    assert_eq!((album.foreign_keys.len(), album.unique_constraints.len(), definition.views.len()), (1, 1, 1));
}

#[test]
fn words_of_mysql_are_understood() {
    let definition = read(
        EngineKind::Mysql,
        "CREATE TABLE `Album` (
            `id` int(11) unsigned NOT NULL AUTO_INCREMENT, `live` tinyint(1) NOT NULL DEFAULT '1', mood enum('a','b') DEFAULT NULL,
            at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), body text COMMENT 'it''s',
            PRIMARY KEY (`id`), UNIQUE KEY `u` (`live`), KEY `k` (`at`), FULLTEXT KEY `f` (`body`)
        ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='All';",
    );
    let expected = [
        "id uint32 ByDefault",
        "live boolean = Literal(\"true\")",
        "mood declared:Album_mood null",
        "at timestamp = CurrentTimestamp",
        "body text null",
    ];
    assert_eq!(columns(&definition), expected);
    let album = &definition.tables[0];
    assert!(album.columns[3].touched_on_update && album.indexes[1].full_text);
    assert_eq!((album.comment.as_str(), album.columns[4].comment.as_str()), ("All", "it's"));
    assert_eq!((album.unique_constraints[0].name.as_str(), album.indexes[0].name.as_str()), ("u", "k"));
}

#[test]
fn words_of_sqlite_are_understood() {
    let definition = read(
        EngineKind::Sqlite,
        "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, name NVARCHAR(40) COLLATE NOCASE, paid BOOLEAN NOT NULL DEFAULT 0,
            price DECIMAL(10,2), at DATETIME DEFAULT CURRENT_TIMESTAMP, raw) STRICT;
        CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INT NOT NULL REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED);",
    );
    let expected = [
        "id int64 ByDefault",
        "name text null",
        "paid boolean = Literal(\"false\")",
        "price decimal(10,2) null",
        "at timestamp null = CurrentTimestamp",
        "raw bytes null",
        "id int64 ByDefault",
        "a_id int64",
    ];
    assert_eq!(columns(&definition), expected);
    assert!(definition.tables[1].foreign_keys[0].deferred);
}

#[test]
fn an_expression_keeps_its_meaning_in_shared_words() {
    let (postgres, mysql) =
        (Engines::dialect(EngineKind::Postgresql).unwrap(), Engines::dialect(EngineKind::Mysql).unwrap());
    let held = |name: &str| matches!(name, "kind" | "name").then_some(NeutralType::Text { length: Some(9) });
    for (written, shared) in [
        ("((price >= (0)::numeric) AND ((a > 1) OR (b < 2)))", "price >= 0 AND (a > 1 OR b < 2)"),
        ("(a - (b - 1))", "a - (b - 1)"),
        ("((a - b) - 1)", "a - b - 1"),
        ("((a + b) * 2)", "(a + b) * 2"),
        ("(NOT (a OR b))", "NOT (a OR b)"),
        (
            "((kind)::text = ANY ((ARRAY['x'::character varying, 'it''s'::character varying])::text[]))",
            "kind IN ('x', 'it''s')",
        ),
        ("((\"order\" IS NOT NULL) = (a > 1))", "(\"order\" IS NOT NULL) = (a > 1)"),
        ("lower((name)::text)", "lower(name)"),
    ] {
        assert_eq!(postgres.shared_expression(written, &held), (shared.to_owned(), None), "{written}");
    }
    assert_eq!(
        mysql.shared_expression("`group` > 1 and `a` is null", &held),
        ("\"group\" > 1 AND a IS NULL".to_owned(), None)
    );
    for own in ["a / 2", "name ~ 'x'", "now() > at", "a || b", "(SELECT 1) = a"] {
        assert_eq!(postgres.shared_expression(own, &held).1, Some(EngineKind::Postgresql), "{own}");
    }
}

#[test]
fn a_tree_that_would_be_too_high_is_refused_before_it_is_made() {
    let joined = |part: &str| format!("CREATE VIEW a AS SELECT a{}", part.repeat(1024 * 1024 / part.len() - 10));
    let inside = format!("SELECT (1{}) ", " + 1".repeat(2_000));
    for text in [
        joined("+(1)"),
        joined(" ISNULL"),
        joined("::int"),
        joined("||f(1,2)"),
        joined(" AND (a, b) IN (SELECT 1, 2)"),
        joined(" UNION SELECT 1, 2"),
        joined(", 1 EXCEPT (SELECT 1)"),
        joined("+ARRAY[1,2]"),
        joined("+CASE WHEN a THEN (1) END"),
        joined(" OR NOT - a"),
        format!("CREATE VIEW a AS SELECT 1::int{}", "[]".repeat(400_000)),
        // Brackets inside of brackets, each long enough to pass alone.
        format!("CREATE VIEW a AS {}1{}", "SELECT (1 = ".repeat(20), format!("{})", " + 1".repeat(400)).repeat(20)),
        format!("CREATE VIEW a AS {inside}{}", "+ 1".repeat(2_000)),
        format!("CREATE TABLE a (id int, CHECK (a{}))", " AND (a > 1)".repeat(50_000)),
    ] {
        assert!(text.len() <= 1024 * 1024);
        let dialect = Engines::dialect(EngineKind::Postgresql).unwrap();
        let error = dialect.read_sql(&text, "sql").err().unwrap_or_else(|| panic!("read: {}", &text[..60]));
        assert!(error.message().contains("more than 2500 words belong together"), "{}: {error}", &text[..60]);
    }
}

#[test]
fn the_highest_tree_that_may_be_is_read() {
    // Each word here makes the tree as much higher as a word can.
    for (begin, part) in [
        ("CREATE VIEW a AS SELECT a", " ISNULL"),
        ("CREATE VIEW a AS SELECT a", " + 1"),
        ("CREATE VIEW a AS SELECT a", "::int"),
        ("CREATE VIEW a AS SELECT 1::int", "[]"),
        ("CREATE VIEW a AS SELECT 1", " UNION SELECT 1"),
        ("CREATE VIEW a AS SELECT 1", " UNION VALUES (1)"),
        ("CREATE VIEW a AS SELECT 1 FROM a", " JOIN a"),
        ("CREATE VIEW a AS SELECT 1", " + (1)"),
        ("CREATE TABLE a (x int DEFAULT 1", " + 1"),
    ] {
        let words = part.replace(['(', ')'], " ").replace("::", " a ").split_whitespace().count();
        let end = if begin.contains("TABLE") { ")" } else { "" };
        let text =
            format!("{begin}{}{end}", part.repeat(2_450 / words.max(1) / if part.contains('(') { 2 } else { 1 }));
        // Some of these are no good statements; they must be told, and the process must live.
        let read = Engines::dialect(EngineKind::Postgresql).unwrap().read_sql(&text, "sql");
        let is_high = read.is_err_and(|error| error.message().contains("belong together"));
        assert!(!is_high, "{}", &text[..40]);
    }
}

#[test]
fn a_long_text_of_low_trees_is_read() {
    let columns: Vec<String> =
        (0..1_500).map(|place| format!("c{place} decimal(10, 2) NOT NULL DEFAULT (1)")).collect();
    let text = format!("CREATE TABLE a ({});", columns.join(", "));
    assert_eq!(read(EngineKind::Postgresql, &text).tables[0].columns.len(), 1_500);
    let text: String = (0..1_500).map(|place| format!("CREATE TABLE t{place} (id int, CHECK (id > 1));")).collect();
    assert_eq!(read(EngineKind::Postgresql, &text).tables.len(), 1_500);
}
