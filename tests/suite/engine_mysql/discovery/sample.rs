//! Rows by the types of their columns.

use dbkeeper::model::schema::{SampleQuery, SampleText, SampleValue};

use super::*;

#[tokio::test]
async fn values_are_told_by_their_types() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    server.sql(
        &name,
        "CREATE TABLE kinds (a TINYINT(1), b BIGINT UNSIGNED, c DOUBLE, d DECIMAL(30,10), e TEXT, f ENUM('x','y'), g JSON, h BLOB, \
         i DATETIME(6), j DATE, k TIME, l YEAR, m BIT(5), n POINT, o UUID, p VARCHAR(5) CHARACTER SET latin1, q INT); \
         INSERT INTO kinds VALUES (1, 18446744073709551615, 0.25, 1.5, 'näive 日本語 🦀', 'y', '{\"a\": [1]}', 0x00ff0102, \
         '2024-02-29 12:00:00.123456', '2024-02-29', '-12:30:00', 1999, b'10101', ST_GeomFromText('POINT(1 2)'), \
         '123e4567-e89b-12d3-a456-426655440000', 'é', NULL)",
    );
    let database = open(&name).await;
    let query = SampleQuery { table: named("kinds"), columns: vec![], limit: 5, value_length: 8 };
    let sample = database.require_sample_rows().unwrap().sample(&query).await.unwrap().unwrap();
    let whole = |text: &str| SampleText { text: text.to_owned(), full_length: None };
    let cut = |text: &str, length: u64| SampleText { text: text.to_owned(), full_length: Some(length) };
    let other = |data_type: &str, text: SampleText| SampleValue::Other { data_type: data_type.to_owned(), text };
    let expected = vec![
        SampleValue::Integer(1),
        SampleValue::Decimal(whole("18446744073709551615")),
        SampleValue::Floating(0.25),
        SampleValue::Decimal(whole("1.5000000000")),
        SampleValue::Text(cut("näive 日本", 11)),
        SampleValue::Text(whole("y")),
        SampleValue::Json(cut("{\"a\": [1", 10)),
        SampleValue::Bytes(4),
        SampleValue::Timestamp("2024-02-29 12:00:00.123456".to_owned()),
        SampleValue::Date("2024-02-29".to_owned()),
        SampleValue::Time("-12:30:00".to_owned()),
        SampleValue::Integer(1999),
        other("bit(5)", whole("10101")),
        other("point", cut("POINT(1 ", 10)),
        other("uuid", cut("123e4567", 36)),
        SampleValue::Text(whole("é")),
        SampleValue::Null,
    ];
    assert_eq!(sample.rows, [expected]);
    let types: Vec<_> = sample.columns.iter().map(|column| column.data_type.as_str()).collect();
    assert_eq!((types[6], types[1]), ("json", "bigint(20) unsigned"));
}

#[tokio::test]
async fn a_look_at_rows_writes_nothing() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    server.sql(
        &name,
        "DELIMITER ;;\nCREATE TABLE log (x INT);;\n\
         CREATE FUNCTION note() RETURNS INT BEGIN INSERT INTO log VALUES (1); RETURN 1; END;;\n\
         CREATE VIEW noting AS SELECT note() AS x;;\n",
    );
    let database = open(&name).await;
    let query = SampleQuery { table: named("noting"), columns: vec![], limit: 1, value_length: 10 };
    assert!(database.require_sample_rows().unwrap().sample(&query).await.is_err());
    assert_eq!(server.sql(&name, "SELECT COUNT(*) FROM log"), "0");
}
