//! What the dialects hold of the words of their engines, asked of the engines themselves.

use std::collections::BTreeSet;

use dbkeeper::engine::{
    Dialect, mysql::dialect::MysqlDialect, postgres::dialect::PostgresDialect, sqlite::dialect::SqliteDialect,
};
use sqlx::{Connection as _, SqliteConnection};

use crate::harness::{mariadb::MariadbServer, postgres::PostgresServer};

/// Prints each keyword that MariaDB does not take for the name of a table and its column.
const MARIADB_WORDS: &str = "
delimiter //
BEGIN NOT ATOMIC
  DECLARE done, refused INT DEFAULT 0;
  DECLARE word_now VARCHAR(64);
  DECLARE words CURSOR FOR SELECT lower(word) FROM information_schema.keywords WHERE word REGEXP '^[A-Za-z_]+$';
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1;
  DECLARE CONTINUE HANDLER FOR 1064 SET refused = 1;
  OPEN words;
  each_word: LOOP
    FETCH words INTO word_now;
    IF done THEN LEAVE each_word; END IF;
    SET refused = 0;
    EXECUTE IMMEDIATE CONCAT('CREATE TEMPORARY TABLE ', word_now, ' (', word_now, ' int)');
    IF refused THEN SELECT word_now; ELSE EXECUTE IMMEDIATE CONCAT('DROP TEMPORARY TABLE ', word_now); END IF;
  END LOOP;
END//
";

fn unknown<'a>(dialect: &dyn Dialect, words: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    words.filter(|word| !dialect.is_reserved(word)).collect()
}

#[test]
fn every_reserved_word_of_postgresql_is_known() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    let words =
        |condition: &str| server.psql(&database, &format!("SELECT word FROM pg_get_keywords() WHERE {condition}"));
    let reserved = words("catcode IN ('R', 'T')");
    assert!(reserved.lines().count() > 90, "{reserved}");
    assert_eq!(unknown(&PostgresDialect, reserved.lines()), BTreeSet::new());
    let free = words("catcode IN ('U', 'C')");
    let taken: Vec<_> = free.lines().filter(|word| PostgresDialect.is_reserved(word)).collect();
    assert!(taken.is_empty(), "words that need no quotes: {taken:?}");
}

#[test]
fn every_reserved_word_of_mariadb_is_known() {
    let server = MariadbServer::shared();
    let database = server.create_database();
    let reserved = server.sql(&database, MARIADB_WORDS);
    let words: Vec<_> = reserved.lines().filter(|line| *line != "word_now").collect();
    assert!(words.len() > 200, "{reserved}");
    assert_eq!(unknown(&MysqlDialect, words.into_iter()), BTreeSet::new());
    assert!(!MysqlDialect.is_reserved("name") && !MysqlDialect.is_reserved("a"));
}

#[tokio::test]
async fn sqlite_takes_a_name_unless_it_is_known_as_reserved() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let mut mistaken = Vec::new();
    for word in SQLITE_KEYWORDS.split_whitespace() {
        let statement = format!("CREATE TABLE {word} ({word} INT)");
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.is_err();
        if refused != SqliteDialect.is_reserved(word) {
            mistaken.push(word);
        }
    }
    assert!(mistaken.is_empty(), "{mistaken:?}");
}

/// <https://www.sqlite.org/lang_keywords.html>
const SQLITE_KEYWORDS: &str = "abort action add after all alter always analyze and as asc attach autoincrement before begin \
     between by cascade case cast check collate column commit conflict constraint create cross current current_date \
     current_time current_timestamp database default deferrable deferred delete desc detach distinct do drop each else \
     end escape except exclude exclusive exists explain fail filter first following for foreign from full generated \
     glob group groups having if ignore immediate in index indexed initially inner insert instead intersect into is \
     isnull join key last left like limit match materialized natural no not nothing notnull null nulls of offset on or \
     order others outer over partition plan pragma preceding primary query raise range recursive references regexp \
     reindex release rename replace restrict returning right rollback row rows savepoint select set table temp \
     temporary then ties to transaction trigger unbounded union unique update using vacuum values view virtual when \
     where window with without";
