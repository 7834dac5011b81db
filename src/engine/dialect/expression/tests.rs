use super::MeantDefault;
use crate::{
    engine::Engines,
    model::{
        connection::EngineKind::{self, Mysql, Postgresql, Sqlite},
        schema::{NeutralType as T, definition::DefaultValue},
    },
};

const TEXT: Option<T> = Some(T::Text { length: None });
const SHORT: Option<T> = Some(T::Text { length: Some(2) });
const INTEGER: Option<T> = Some(T::Integer { bits: 32, unsigned: false });
const FLOAT: Option<T> = Some(T::Float { bits: 64 });
const MOMENT: Option<T> = Some(T::timestamp(false));
const TIME: Option<T> = Some(T::time(false));

fn held(name: &str) -> Option<T> {
    match name {
        "n" => INTEGER,
        "rating" => FLOAT,
        "day" => Some(T::Date),
        "name" => TEXT,
        _ => None,
    }
}

fn default(engine: EngineKind, text: &str, neutral: Option<T>) -> MeantDefault {
    Engines::dialect(engine).unwrap().meant_default(text, neutral)
}

fn literal(text: &str) -> MeantDefault {
    MeantDefault::Value(DefaultValue::Literal(text.to_owned()))
}

fn own(engine: EngineKind, text: &str) -> MeantDefault {
    MeantDefault::Value(DefaultValue::Expression { text: text.to_owned(), engine: Some(engine) })
}

const NOW: MeantDefault = MeantDefault::Value(DefaultValue::CurrentTimestamp);

#[test]
fn a_cast_that_changes_what_is_said_stays_with_its_engine() {
    let postgres = Engines::dialect(Postgresql).unwrap();
    for text in [
        "x > (1.5)::integer",
        "n > '70000'::smallint",
        "(n)::text < '10'",
        "(unknown)::text = 'a'",
        "(name)::varchar(3) = 'abc'",
        "name = ('abc')::varchar(1)",
        "price > (0.1)::double precision",
        "name = 'a '::bpchar",
        "day > 'today'::date",
        "x > '2020-01-01'::date",
        "(n)::text = ANY ((ARRAY[1, 2])::text[])",
        "name = (1)::text",
    ] {
        assert_eq!(postgres.shared_expression(text, &held), (text.to_owned(), Some(Postgresql)));
    }
    let mysql = Engines::dialect(Mysql).unwrap();
    assert_eq!(mysql.shared_expression("x > CAST(1.5 AS DECIMAL)", &held).1, Some(Mysql));
    for (text, shared) in [
        ("((name)::text <> ''::text)", "name <> ''"),
        ("(n > '-1'::integer)", "n > -1"),
        ("(x >= ('-1'::integer)::numeric)", "x >= -1"),
        ("(rating >= (0.5)::double precision)", "rating >= 0.5"),
        ("(day > '2020-01-01'::date)", "day > '2020-01-01'"),
        ("(code = 'a'::bpchar)", "code = 'a'"),
        ("(n = ANY (ARRAY[1, 2]))", "n IN (1, 2)"),
    ] {
        assert_eq!(postgres.shared_expression(text, &held), (shared.to_owned(), None));
    }
}

#[test]
fn a_default_with_a_cast_that_changes_it_stays_with_its_engine() {
    for (text, neutral) in [
        ("('abc')::varchar(1)", TEXT),
        ("('abc')::varchar(2)", SHORT),
        ("(1.5)::integer", INTEGER),
        ("'\\x00'::bytea", Some(T::Bytes)),
    ] {
        assert_eq!(default(Postgresql, text, neutral), own(Postgresql, text));
    }
    for (text, neutral, value) in [
        ("'abc'::text", TEXT, "abc"),
        ("'ab'::character varying", SHORT, "ab"),
        ("'ab'::varchar(2)", SHORT, "ab"),
        ("'-1'::integer", INTEGER, "-1"),
        ("(0)::numeric", Some(T::Decimal { digits: Some((10, 2)) }), "0"),
        ("'{}'::jsonb", Some(T::Json { parsed: true }), "{}"),
        ("'2020-01-01'::date", Some(T::Date), "2020-01-01"),
        ("'calm'::shop.mood", None, "calm"),
        ("'{}'::text[]", None, "{}"),
        ("true", Some(T::Boolean), "true"),
    ] {
        assert_eq!(default(Postgresql, text, neutral), literal(value), "{text}");
    }
    assert_eq!(default(Postgresql, "NULL::character varying", SHORT), MeantDefault::Nothing);
}

#[test]
fn what_tells_the_time_is_taken_by_the_type_of_the_column() {
    for (engine, text, neutral) in [
        (Postgresql, "CURRENT_DATE", Some(T::Date)),
        (Postgresql, "LOCALTIME", TIME),
        (Postgresql, "now()", MOMENT),
        (Mysql, "curdate()", Some(T::Date)),
        (Mysql, "curtime(6)", TIME),
        (Mysql, "current_timestamp(6)", MOMENT),
        (Sqlite, "CURRENT_TIMESTAMP", TEXT),
        (Sqlite, "strftime('%Y-%m-%d %H:%M:%f', 'now')", TEXT),
        (Sqlite, "strftime('%H:%M:%f', 'now')", TIME),
    ] {
        assert_eq!(default(engine, text, neutral), NOW, "{text}");
    }
    for (engine, text, neutral) in [
        (Postgresql, "CURRENT_DATE", MOMENT),
        (Postgresql, "LOCALTIME", TEXT),
        (Postgresql, "clock_timestamp()", MOMENT),
        (Sqlite, "CURRENT_DATE", TEXT),
        (Sqlite, "CURRENT_TIMESTAMP", Some(T::Date)),
        (Sqlite, "strftime('%H:%M:%f', 'now')", TEXT),
    ] {
        assert_eq!(default(engine, text, neutral), own(engine, text));
    }
}

#[test]
fn a_quoted_name_is_a_string_of_sqlite() {
    for (text, value) in [("\"new\"", "new"), ("\"now\"", "now"), ("\"current_date\"", "current_date")] {
        assert_eq!(default(Sqlite, text, TEXT), literal(value));
    }
}

#[test]
fn a_function_of_another_schema_is_not_the_servers() {
    for text in ["app.now()", "app.gen_random_uuid()", "x.nextval('s')"] {
        assert_eq!(default(Postgresql, text, MOMENT), own(Postgresql, text));
    }
    assert_eq!(default(Postgresql, "pg_catalog.now()", MOMENT), NOW);
    assert_eq!(default(Postgresql, "nextval('s'::regclass)", INTEGER), MeantDefault::NextNumber);
}

#[test]
fn what_could_be_high_is_left_as_the_engine_writes_it() {
    let sum = |parts: usize| vec!["1"; parts].join(" + ");
    assert_eq!(default(Postgresql, &sum(600), INTEGER), own(Postgresql, &sum(600)));
    assert_eq!(default(Postgresql, "(SELECT 1)", INTEGER), own(Postgresql, "(SELECT 1)"));
    assert!(default(Postgresql, &sum(20), INTEGER) != own(Postgresql, &sum(20)));
}
