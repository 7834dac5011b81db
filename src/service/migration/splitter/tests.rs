use proptest::prelude::*;

use super::*;

const ALL: [Dialect; 3] = [Dialect::Postgresql, Dialect::Mysql, Dialect::Sqlite];

fn texts(dialect: Dialect, script: &str) -> Vec<String> {
    match split(dialect, script, 1) {
        Ok(statements) => statements.into_iter().map(|statement| statement.text).collect(),
        Err(error) => panic!("{dialect:?} {script:?}: {error}"),
    }
}

fn refused(dialect: Dialect, script: &str) -> SplitError {
    match split(dialect, script, 1) {
        Ok(statements) => panic!("{dialect:?} took {script:?}: {statements:?}"),
        Err(error) => error,
    }
}

/// Each of these is one statement, though it holds semicolons, and is followed by another.
fn assert_whole(dialect: Dialect, statements: &[&str]) {
    for statement in statements {
        let script = format!("{statement};\nSELECT 1;");
        assert_eq!(texts(dialect, &script), [*statement, "SELECT 1"], "{dialect:?}");
        assert_eq!(texts(dialect, statement), [*statement], "{dialect:?} without an end");
    }
}

#[test]
fn statements_end_at_semicolons() {
    for dialect in ALL {
        assert_eq!(texts(dialect, "SELECT 1; SELECT 2;\nSELECT 3"), ["SELECT 1", "SELECT 2", "SELECT 3"]);
        assert_eq!(texts(dialect, ";;\n ; SELECT 1 ;;"), ["SELECT 1"]);
        assert_eq!(texts(dialect, "SELECT 1\r\n;\r\nSELECT\r\n 2;\r\n"), ["SELECT 1", "SELECT\r\n 2"]);
    }
}

#[test]
fn comments_are_no_statements() {
    for dialect in ALL {
        assert!(texts(dialect, "").is_empty());
        assert!(texts(dialect, " \r\n\t").is_empty());
        assert!(texts(dialect, "-- only; a comment\n/* and; another */\n").is_empty());
        assert_eq!(texts(dialect, "-- a;b\nSELECT 1 -- c;d\n; /* e;f */ SELECT 2 /* g */"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(texts(dialect, "SELECT /* a;b */ 1 -- c;d\n + 2;"), ["SELECT /* a;b */ 1 -- c;d\n + 2"]);
    }
}

#[test]
fn a_statement_knows_its_place() {
    for dialect in ALL {
        let statements = split(dialect, "-- ä\r\n  SELECT 'ö';  SELECT\r\n2;\n\tSELECT 3", 10).unwrap();
        let places: Vec<_> = statements.iter().map(|statement| (statement.line, statement.column)).collect();
        assert_eq!(places, [(11, 3), (11, 16), (13, 2)]);
    }
}

#[test]
fn strings_and_names_hold_semicolons() {
    for dialect in ALL {
        assert_whole(
            dialect,
            &["SELECT ';'", "SELECT 'it''s; so'", "SELECT ';' AS \"a;\"\"b\"", "SELECT '--;', '/*;'"],
        );
    }
    assert_whole(Dialect::Mysql, &["SELECT `a;``b`", r"SELECT 'it\'s; so'", r#"SELECT "a\";b""#, r"SELECT '\\'"]);
    assert_whole(Dialect::Sqlite, &["SELECT `a;``b`", "SELECT [a;b]", r"SELECT '\'"]);
    assert_whole(Dialect::Postgresql, &[r"SELECT '\'", r"SELECT E'it\'s; so'", r"SELECT e'\\'", "SELECT U&'d;61t'"]);
    assert_whole(Dialect::Postgresql, &["SELECT E'a'\n  'it\\'s; so'", "SELECT 1E'x'"]);
}

#[test]
fn postgresql_bodies() {
    assert_whole(
        Dialect::Postgresql,
        &[
            "DO $$ BEGIN PERFORM 1; END $$",
            "CREATE FUNCTION f() RETURNS int AS $body$ SELECT ';$$'; $body$ LANGUAGE sql",
            "CREATE FUNCTION f() RETURNS int AS $_$ SELECT $1; $_$ LANGUAGE sql",
            "CREATE FUNCTION f() RETURNS int AS $ä$ SELECT 1; $ä$ LANGUAGE sql",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
            "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC INSERT INTO t SELECT CASE WHEN a THEN CASE b WHEN 1 THEN 2 END \
             END; SELECT t.end, 1 AS case; END",
            "create function f() returns int begin/* x */atomic select 1; end",
            "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO a VALUES (1); INSERT INTO b VALUES (2))",
            "SELECT 1 /* a /* nested; */ comment; */ + 2",
            "SELECT $1, a$b$c",
            "SELECT * FROM t WHERE a @> '{1}' AND b ?| array['x;y']",
        ],
    );
    assert_eq!(texts(Dialect::Postgresql, "SELECT 1 AS begin; SELECT 2"), ["SELECT 1 AS begin", "SELECT 2"]);
    assert_eq!(texts(Dialect::Postgresql, "CREATE TABLE t (a int; SELECT 2;"), ["CREATE TABLE t (a int", "SELECT 2"]);
    assert_eq!(texts(Dialect::Postgresql, "BEGIN; SELECT 1; END;"), ["BEGIN", "SELECT 1", "END"]);
}

#[test]
fn postgresql_meta_commands() {
    let dump = "\\restrict aBc\n\nSELECT 1;\n\\unrestrict aBc\n";
    assert_eq!(texts(Dialect::Postgresql, dump), ["SELECT 1"]);
    let error = refused(Dialect::Postgresql, "SELECT 1;\n  \\connect other\n");
    assert_eq!((error.line, error.column), (2, 3));
    assert!(error.message.contains("\\connect"), "{error}");
    let error = refused(Dialect::Postgresql, "SELECT 1;\nCOPY public.t (a, b) FROM stdin;\n1\t'\n\\.\n");
    assert_eq!((error.line, error.column), (2, 1));
    assert!(error.message.contains("INSERT"), "{error}");
    assert_whole(Dialect::Postgresql, &["COPY t FROM '/tmp/stdin'", "COPY t TO STDOUT"]);
}

#[test]
fn mysql_bodies_without_delimiter() {
    assert_whole(
        Dialect::Mysql,
        &[
            "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET NEW.b = 1; SET NEW.c = 2; END",
            "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.b = IF(NEW.c, 1, 2)",
            "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW IF NEW.b THEN SET NEW.c = 1; END IF",
            "CREATE DEFINER=`root`@`localhost` PROCEDURE p(IN begin INT) BEGIN IF a THEN SELECT 1; ELSEIF b THEN \
             SELECT 2; ELSE SELECT 3; END IF; END",
            "CREATE OR REPLACE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN CASE WHEN a THEN 1 ELSE IF(a, 2, 3) END",
            "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; DROP TABLE IF EXISTS x; \
             SET @end = 1; UPDATE t SET end = 2, start = REPEAT('a', 3); END",
            "CREATE PROCEDURE p() l: LOOP SELECT 1; LEAVE l; END LOOP l",
            "CREATE PROCEDURE p() BEGIN REPEAT SET @x = @x + 1; UNTIL @x > 5 END REPEAT; WHILE @x DO SELECT 1; END WHILE; END",
            "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN SELECT 1; ELSE BEGIN END; END CASE; SELECT 2; END",
            "CREATE PROCEDURE p() BEGIN SELECT CASE WHEN a THEN IF(b, 1, 2) ELSE REPEAT('x', 2) END; SELECT 3; END",
            "CREATE EVENT IF NOT EXISTS e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM a; DELETE FROM b; END",
            "ALTER EVENT e DO BEGIN DELETE FROM a; DELETE FROM b; END",
            "CREATE PACKAGE p AS PROCEDURE a; FUNCTION b RETURN INT; END",
            "CREATE PACKAGE BODY p AS PROCEDURE a AS BEGIN SELECT 1; END; END",
            "BEGIN NOT ATOMIC SELECT 1; FOR i IN 1..3 DO SELECT i; END FOR; END",
            "CREATE TABLE event (begin INT, `case` INT)",
        ],
    );
    assert_eq!(texts(Dialect::Mysql, "BEGIN; SELECT 1; COMMIT"), ["BEGIN", "SELECT 1", "COMMIT"]);
}

#[test]
fn mysql_delimiter_lines() {
    let script = "DELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT 1; END$$\ndelimiter ;\nSELECT 2; SELECT 'DELIMITER';";
    let expected = ["CREATE PROCEDURE p() BEGIN SELECT 1; END", "SELECT 2", "SELECT 'DELIMITER'"];
    assert_eq!(texts(Dialect::Mysql, script), expected);
    assert_eq!(
        texts(Dialect::Mysql, "DELIMITER //\r\nSELECT 1; SELECT 2 //\r\nDELIMITER ;\r\n"),
        ["SELECT 1; SELECT 2"]
    );
    assert_eq!(texts(Dialect::Mysql, "DELIMITER ;;\nSELECT 1; END ;;\nDELIMITER ;"), ["SELECT 1; END"]);
    assert_eq!(texts(Dialect::Mysql, "DELIMITER //\nSELECT '//', `//` // SELECT 2"), ["SELECT '//', `//`", "SELECT 2"]);
    assert_whole(Dialect::Mysql, &["CREATE TABLE t (a INT,\ndelimiter VARCHAR(1))"]);
    assert_eq!(refused(Dialect::Mysql, "SELECT 1;\nDELIMITER\n").line, 2);
}

#[test]
fn mysql_comments() {
    assert!(texts(Dialect::Mysql, "# a; b\n--\n-- c; d\n--\te\n/*M!999999\\- sandbox */").is_empty());
    assert_whole(Dialect::Mysql, &["SELECT 5--2", "SELECT 1 # it's; so\n + 2", "/*!40101 SET NAMES utf8; */"]);
    let trigger = "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`%`*/ /*!50003 TRIGGER t BEFORE INSERT ON a FOR EACH ROW \
                   BEGIN SET NEW.b = ';'; END */";
    assert_whole(Dialect::Mysql, &[trigger]);
    let dump = format!("DELIMITER ;;\n{trigger};;\nDELIMITER ;\n/*!40000 ALTER TABLE a ENABLE KEYS */;");
    assert_eq!(texts(Dialect::Mysql, &dump), [trigger, "/*!40000 ALTER TABLE a ENABLE KEYS */"]);
}

#[test]
fn sqlite_triggers() {
    assert_whole(
        Dialect::Sqlite,
        &[
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = 1; DELETE FROM d; END",
            "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE WHEN new.x THEN 1 END; END",
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET begin = 1, end = 2; SELECT new.end; END",
            "CREATE TABLE trigger_log (begin, end)",
        ],
    );
    assert_eq!(texts(Dialect::Sqlite, "BEGIN; SELECT 1; END;"), ["BEGIN", "SELECT 1", "END"]);
}

#[test]
fn what_is_not_closed_is_refused_with_its_line() {
    for dialect in ALL {
        for open in ["'abc;", "\"abc;", "/* abc;"] {
            let error = refused(dialect, &format!("SELECT 1;\n SELECT {open}\n"));
            assert_eq!((error.line, error.column), (2, 9), "{dialect:?} {open}");
        }
    }
    let bodies = [
        (Dialect::Postgresql, "DO $x$ BEGIN; $$;", 4),
        (Dialect::Postgresql, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;", 1),
        (Dialect::Postgresql, "/* a /* b */", 1),
        (Dialect::Mysql, "CREATE PROCEDURE p() BEGIN SELECT 1;", 1),
        (Dialect::Mysql, "/*!50003 SELECT 1", 1),
        (Dialect::Mysql, "SELECT `a", 8),
        (Dialect::Sqlite, "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1;", 1),
        (Dialect::Sqlite, "SELECT [a", 8),
    ];
    for (dialect, body, column) in bodies {
        let error = refused(dialect, &format!("SELECT 1;\n{body}\n"));
        assert_eq!((error.line, error.column), (2, column), "{body}");
    }
}

/// A statement that has no trailing blank, so that it comes back as it is.
fn statement(dialect: Dialect) -> BoxedStrategy<String> {
    let shared = prop_oneof![
        "[a-z]{1,6}( [a-z]{1,6}){0,3}",
        "SELECT '[a-z;äö \n-]{0,8}'",
        "SELECT \"[a-z;/*]{1,8}\"",
        "SELECT /\\*[a-z;' ]{0,8}\\*/ [0-9]{1,3}",
        "SELECT 1 --[ ][a-z;']{0,8}\n [+] 2",
    ]
    .boxed();
    let own = match dialect {
        Dialect::Postgresql => prop_oneof![
            "DO \\$[a-z]{1,3}\\$[A-Z;' \n]{0,12}\\$zzzz\\$ \\$\\$;".prop_map(|text| {
                let tag: String = text.chars().skip(4).take_while(|character| *character != '$').collect();
                format!("{text} ${tag}$")
            }),
            "SELECT E'[a-z;]{0,4}\\\\\\\\'",
            Just("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE a WHEN 1 THEN 2 END; END".to_owned()),
        ]
        .boxed(),
        Dialect::Mysql => prop_oneof![
            "SELECT `[a-z;']{1,8}`",
            "SELECT '[a-z;]{0,4}\\\\''",
            Just("CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN IF a THEN SET b = 1; END IF; END".to_owned()),
        ]
        .boxed(),
        Dialect::Sqlite => prop_oneof![
            "SELECT \\[[a-z;']{1,8}\\]",
            Just("CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; END".to_owned()),
        ]
        .boxed(),
    };
    // A lone word such as `delimiter` may be a line for the client, and `case` opens nothing here.
    prop_oneof![3 => shared, 2 => own].prop_filter("no client line", |text| !text.starts_with("delimiter")).boxed()
}

fn dialect_and_statements() -> impl Strategy<Value = (Dialect, Vec<String>)> {
    prop::sample::select(ALL.to_vec())
        .prop_flat_map(|dialect| (Just(dialect), prop::collection::vec(statement(dialect), 0..8)))
}

/// Text made of the pieces that the lexer gives a meaning.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = [
        "'",
        "\"",
        "`",
        "[",
        "]",
        "$$",
        "$a$",
        "$",
        "/*",
        "*/",
        "/*!5",
        "--",
        "-- ",
        "#",
        "\\",
        "\n",
        "\r\n",
        ";",
        "(",
        ")",
        "E'",
        "BEGIN ",
        "ATOMIC ",
        "CASE ",
        "END ",
        "CREATE ",
        "FUNCTION ",
        "TRIGGER ",
        "PACKAGE ",
        "DELIMITER ",
        "REPEAT ",
        "ä",
        "😀",
        "\u{0}",
        "\\restrict x",
        "COPY ",
        "FROM ",
        "STDIN ",
        ".",
        ":",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn joined_statements_come_apart_again((dialect, parts) in dialect_and_statements(), gap in "[ \n]{0,3}(-- x;\n)?") {
        let script: String = parts.iter().map(|part| format!("{part};{gap}")).collect();
        prop_assert_eq!(texts(dialect, &script), parts);
    }

    #[test]
    fn any_input_is_cut_or_refused(text in prop_oneof![hostile(), any::<String>()]) {
        for dialect in ALL {
            let mut lexer = Lexer::new(dialect, &text, 1);
            let mut seen = String::new();
            let refused = loop {
                match lexer.next(false) {
                    Ok(Some(token)) => seen.push_str(token.text),
                    Ok(None) => break false,
                    Err(_) => break true,
                }
            };
            prop_assert!(text.starts_with(&seen) && (refused || seen == text));

            let Ok(statements) = split(dialect, &text, 1) else { continue };
            let mut rest = text.as_str();
            for statement in statements {
                let found = rest.find(&statement.text);
                prop_assert!(found.is_some());
                rest = &rest[found.unwrap_or_default() + statement.text.len()..];
                let line = text.split('\n').nth(statement.line as usize - 1).unwrap_or_default();
                let from: String = line.chars().skip(statement.column as usize - 1).collect();
                let first_line = statement.text.split('\n').next().unwrap_or_default();
                prop_assert!(from.starts_with(first_line), "{:?}", statement);
            }
        }
    }
}
