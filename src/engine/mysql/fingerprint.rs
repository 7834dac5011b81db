//! One hash over every definition of a database.
//!
//! It tells whether a statement that changes definitions took effect, and whether definitions changed during a dump.
//! The time at which a table was made is part of it, so that a rebuild or a TRUNCATE shows as well; statistics and
//! AUTO_INCREMENT are not, because plain writes move them. Users, grants and server variables are not covered.

use sqlx::{MySqlConnection, Row};

use super::{row, server::Server};

/// One query a view of the catalog, served alike by both products. Every column is text, so that it can be hashed.
const QUERIES: &[&str] = &[
    "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?",
    "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, ROW_FORMAT, TABLE_COLLATION, CREATE_OPTIONS, TABLE_COMMENT, \
     CAST(CREATE_TIME AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?",
    "SELECT TABLE_NAME, COLUMN_NAME, CAST(ORDINAL_POSITION AS CHAR), COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, \
     GENERATION_EXPRESSION, CHARACTER_SET_NAME, COLLATION_NAME, COLUMN_COMMENT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ?",
    "SELECT TABLE_NAME, INDEX_NAME, CAST(SEQ_IN_INDEX AS CHAR), CAST(NON_UNIQUE AS CHAR), INDEX_TYPE, COLUMN_NAME, \
     COLLATION, CAST(SUB_PART AS CHAR), INDEX_COMMENT FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ?",
    "SELECT TABLE_NAME, CONSTRAINT_NAME, CAST(ORDINAL_POSITION AS CHAR), COLUMN_NAME, REFERENCED_TABLE_SCHEMA, \
     REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = ?",
    "SELECT TABLE_NAME, CONSTRAINT_NAME, UPDATE_RULE, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS \
     WHERE CONSTRAINT_SCHEMA = ?",
    "SELECT TABLE_NAME, PARTITION_NAME, SUBPARTITION_NAME, PARTITION_METHOD, PARTITION_EXPRESSION, PARTITION_DESCRIPTION \
     FROM information_schema.PARTITIONS WHERE PARTITION_NAME IS NOT NULL AND TABLE_SCHEMA = ?",
    "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, DEFINER, SQL_MODE \
     FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ?",
    "SELECT TABLE_NAME, VIEW_DEFINITION, CHECK_OPTION, DEFINER, SECURITY_TYPE FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ?",
    "SELECT ROUTINE_NAME, ROUTINE_TYPE, DTD_IDENTIFIER, ROUTINE_DEFINITION, IS_DETERMINISTIC, SQL_DATA_ACCESS, \
     SECURITY_TYPE, ROUTINE_COMMENT, DEFINER, CAST(LAST_ALTERED AS CHAR) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?",
    "SELECT SPECIFIC_NAME, CAST(ORDINAL_POSITION AS CHAR), PARAMETER_MODE, PARAMETER_NAME, DTD_IDENTIFIER \
     FROM information_schema.PARAMETERS WHERE SPECIFIC_SCHEMA = ?",
    "SELECT EVENT_NAME, EVENT_DEFINITION, CAST(EXECUTE_AT AS CHAR), CAST(INTERVAL_VALUE AS CHAR), INTERVAL_FIELD, STATUS, \
     CAST(STARTS AS CHAR), CAST(ENDS AS CHAR), ON_COMPLETION, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?",
];

/// Checks stand in a view that not every version has.
const CHECKS: &str =
    "SELECT CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ?";

/// The hash, 64 hexadecimal digits.
pub(super) async fn fingerprint(
    connection: &mut MySqlConnection,
    server: &Server,
    database: &str,
) -> Result<String, sqlx::Error> {
    let has_checks = server.mariadb_from(10, 5) || server.mysql_from(8, 0);
    let mut whole = blake3::Hasher::new();
    for sql in QUERIES.iter().copied().chain(has_checks.then_some(CHECKS)) {
        let rows = sqlx::query(sql).bind(database).fetch_all(&mut *connection).await?;
        // The servers promise no order, so the hashes of the rows are sorted.
        let mut hashes = Vec::with_capacity(rows.len());
        for found in &rows {
            let mut hasher = blake3::Hasher::new();
            for index in 0..found.len() {
                let value = row::optional_text(found, index)?;
                hasher.update(&[u8::from(value.is_some())]);
                let value = value.unwrap_or_default();
                hasher.update(&(value.len() as u64).to_le_bytes()).update(value.as_bytes());
            }
            hashes.push(*hasher.finalize().as_bytes());
        }
        hashes.sort_unstable();
        whole.update(&(hashes.len() as u64).to_le_bytes());
        hashes.iter().for_each(|hash| {
            whole.update(hash);
        });
    }
    Ok(whole.finalize().to_hex().to_string())
}
