//! Reads columns of catalog queries.
//!
//! The catalogs of the two products give the same texts as VARCHAR, LONGTEXT or VARBINARY, so the type that a
//! column declares is not looked at: texts are read as UTF-8, which the session asked for.

use sqlx::{Row, mysql::MySqlRow};

/// A text; NULL is empty.
pub(super) fn text(row: &MySqlRow, index: usize) -> Result<String, sqlx::Error> {
    Ok(optional_text(row, index)?.unwrap_or_default())
}

/// A text or NULL.
pub(super) fn optional_text(row: &MySqlRow, index: usize) -> Result<Option<String>, sqlx::Error> {
    let bytes = row.try_get_unchecked::<Option<Vec<u8>>, _>(index)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// A whole number; NULL is -1, which stands for "the engine does not tell". Cast it AS SIGNED in the query.
pub(super) fn number(row: &MySqlRow, index: usize) -> Result<i64, sqlx::Error> {
    Ok(row.try_get_unchecked::<Option<i64>, _>(index)?.unwrap_or(-1))
}

/// A whole number that is not negative; NULL is 0.
pub(super) fn unsigned(row: &MySqlRow, index: usize) -> Result<u64, sqlx::Error> {
    Ok(row.try_get_unchecked::<Option<u64>, _>(index)?.unwrap_or(0))
}

/// A whole number that is not negative, or NULL. Cast it AS UNSIGNED in the query.
pub(super) fn optional_unsigned(row: &MySqlRow, index: usize) -> Result<Option<u64>, sqlx::Error> {
    row.try_get_unchecked::<Option<u64>, _>(index)
}
