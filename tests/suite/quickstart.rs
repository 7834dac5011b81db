//! The parts of the quick start that need no server.

use dbkeeper::cli::quickstart::sample;
use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

async fn number(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn the_sample_is_whole_and_its_migrations_go_up_and_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bookshop.db");
    sample::create(&file).await.unwrap();

    let options = SqliteConnectOptions::new().filename(&file).foreign_keys(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
    assert_eq!(number(&mut connection, tables).await, i64::try_from(sample::TABLES).unwrap());
    assert_eq!(number(&mut connection, "SELECT count(*) FROM purchase").await, 2_000);
    assert_eq!(number(&mut connection, "SELECT count(*) FROM book WHERE title IS NULL").await, 0);
    assert_eq!(number(&mut connection, "SELECT count(*) FROM author WHERE name IS NULL").await, 0);
    assert_eq!(number(&mut connection, "SELECT count(*) FROM pragma_foreign_key_check").await, 0);

    let [reviews, no_reviews, loyalty, no_loyalty] = sample::MIGRATIONS.map(|file| file.content);
    for migration in [reviews, loyalty, no_loyalty, no_reviews, reviews, loyalty] {
        connection.execute(sqlx::raw_sql(migration)).await.unwrap();
    }
    assert!(number(&mut connection, "SELECT count(*) FROM review").await > 100);
    assert!(number(&mut connection, "SELECT max(points) FROM customer").await > 0);
}
