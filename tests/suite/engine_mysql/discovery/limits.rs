//! As much as the server allows.

use super::*;

#[tokio::test]
async fn a_thousand_columns_are_read() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    let columns: Vec<String> =
        (1..=1000).map(|number| format!("c{number} TINYINT NULL COMMENT 'number {number}'")).collect();
    server.sql(&name, &format!("CREATE TABLE wide ({})", columns.join(", ")));
    let database = open(&name).await;
    let wide = table(&database, "wide").await;
    assert_eq!(wide.columns.len(), 1000);
    let last = &wide.columns[999];
    assert_eq!((last.name.as_str(), last.position, last.comment.as_str()), ("c1000", 1000, "number 1000"));
    server.sql(&name, "INSERT INTO wide (c7) VALUES (7)");
    let query =
        dbkeeper::model::schema::SampleQuery { table: named("wide"), columns: vec![], limit: 1, value_length: 10 };
    let sample = database.require_sample_rows().unwrap().sample(&query).await.unwrap().unwrap();
    assert_eq!(sample.rows[0][6], dbkeeper::model::schema::SampleValue::Integer(7));
}

#[tokio::test]
async fn two_hundred_partitions_are_read_in_order() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    // Two files each, of which a user other than root is often allowed 1,024 in all; quick to make, for they need no log.
    let parts: Vec<String> =
        (1..=200).map(|number| format!("PARTITION p{number} VALUES LESS THAN ({number})")).collect();
    server.sql(
        &name,
        &format!("CREATE TABLE parts (id INT) ENGINE=MyISAM PARTITION BY RANGE (id) ({})", parts.join(", ")),
    );
    let database = open(&name).await;
    let table = table(&database, "parts").await;
    let found = details(&table).partitioning.as_ref().unwrap();
    let bounds: Vec<_> = found.partitions.iter().map(|part| part.bound.clone()).collect();
    assert_eq!(bounds, (1..=200).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_goes_on_over_its_batches() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    let tables: String = (0..700)
        .map(|number| format!("CREATE TABLE t{number:03} (id INT PRIMARY KEY, a INT, KEY (a)) ENGINE=MEMORY;"))
        .collect();
    server.sql(&name, &tables);
    let (streamed, skipped) = stream(&open(&name).await).await;
    let names: Vec<_> = streamed.iter().map(|table| table.name.clone()).collect();
    assert_eq!(names, (0..700).map(|number| format!("t{number:03}")).collect::<Vec<_>>());
    assert!(streamed.iter().all(|table| table.columns.len() == 2 && table.indexes.len() == 2) && skipped.is_empty());
}
