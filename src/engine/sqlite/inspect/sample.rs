//! Looks at rows. Values have the type that SQLite stored them with; what the column was declared as only tells truth
//! values, moments and JSON apart from numbers and texts.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection as _, Row, SqliteConnection, TypeInfo, ValueRef, sqlite::SqliteRow};

use super::{
    super::{SCHEMA, catalog},
    SqliteDatabase, UNREADABLE, unreadable,
};
use crate::{
    engine::SampleRows,
    model::{
        Result,
        name::Identifier,
        schema::{Sample, SampleColumn, SampleQuery, SampleText, SampleValue},
    },
};

/// Longest text that can be a moment.
const MAX_MOMENT: u64 = 40;

#[async_trait]
impl SampleRows for SqliteDatabase {
    async fn sample(&self, query: &SampleQuery) -> Result<Option<Sample>> {
        if query.table.schema.as_ref().is_some_and(|schema| !schema.as_str().eq_ignore_ascii_case(SCHEMA)) {
            return Ok(None);
        }
        let mut lease = self.pool.lease(UNREADABLE).await?;
        let mut snapshot = lease.begin().await.map_err(unreadable)?;
        let found = match columns(&mut snapshot, query).await.map_err(unreadable)? {
            Some(present) => {
                let columns = query.pick(present)?;
                let rows = rows(&mut snapshot, query, &columns).await.map_err(unreadable)?;
                Some(Sample { columns, rows })
            }
            None => None,
        };
        snapshot.rollback().await.map_err(unreadable)?;
        lease.give_back().await;
        Ok(found)
    }
}

/// The columns of the table; absent where there is no such table.
async fn columns(
    connection: &mut SqliteConnection,
    query: &SampleQuery,
) -> Result<Option<Vec<SampleColumn>>, sqlx::Error> {
    let relations = catalog::relations(connection, Some(query.table.name.as_str())).await?;
    let Some(relation) = relations.into_iter().next() else { return Ok(None) };
    let column = |row: catalog::ColumnRow| SampleColumn { name: row.name, data_type: row.data_type, masked: None };
    let rows = catalog::columns_of(connection, &relation).await?;
    Ok(Some(rows.into_iter().map(column).collect()))
}

async fn rows(
    connection: &mut SqliteConnection,
    query: &SampleQuery,
    columns: &[SampleColumn],
) -> Result<Vec<Vec<SampleValue>>, sqlx::Error> {
    let terms: Vec<String> = columns.iter().filter_map(|column| term(&column.name)).collect();
    // The name of a table that the catalog has, quoted.
    let sql = format!("SELECT {} FROM {SCHEMA}.{} AS t LIMIT ?2", terms.join(", "), query.table.name.double_quoted());
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(query.value_length).bind(query.limit).fetch_all(connection).await?;
    rows.iter().map(|row| values(row, columns)).collect()
}

/// One result column for each column, because their number is bounded: texts come as `t`, their length, a colon and what is
/// left of them; bytes as `b` and their length; numbers and NULL as they are. With the table's name before it, a column's
/// is never taken for a string.
fn term(name: &str) -> Option<String> {
    let column = format!("t.{}", Identifier::parse(name, "column").ok()?.double_quoted());
    Some(format!(
        "CASE typeof({column}) WHEN 'text' THEN 't' || length({column}) || ':' || substr({column}, 1, ?1) \
         WHEN 'blob' THEN 'b' || length({column}) ELSE {column} END"
    ))
}

fn values(row: &SqliteRow, columns: &[SampleColumn]) -> Result<Vec<SampleValue>, sqlx::Error> {
    columns.iter().enumerate().map(|(place, column)| value(row, place, &column.data_type)).collect()
}

fn value(row: &SqliteRow, place: usize, declared: &str) -> Result<SampleValue, sqlx::Error> {
    let raw = row.try_get_raw(place)?;
    if raw.is_null() {
        return Ok(SampleValue::Null);
    }
    match raw.type_info().name() {
        "INTEGER" => Ok(integer(row.try_get_unchecked(place)?, declared)),
        "REAL" => Ok(SampleValue::Floating(row.try_get_unchecked(place)?)),
        // A text need not be UTF-8.
        _ => Ok(encoded(&String::from_utf8_lossy(row.try_get_unchecked::<&[u8], _>(place)?), declared)),
    }
}

fn integer(value: i64, declared: &str) -> SampleValue {
    match value {
        0 | 1 if declared.to_ascii_uppercase().starts_with("BOOL") => SampleValue::Boolean(value == 1),
        _ => SampleValue::Integer(value),
    }
}

/// Reads what [`term`] makes of texts and bytes.
fn encoded(value: &str, declared: &str) -> SampleValue {
    if let Some(length) = value.strip_prefix('b') {
        return SampleValue::Bytes(length.parse().unwrap_or(0));
    }
    let (length, text) = value.strip_prefix('t').and_then(|rest| rest.split_once(':')).unwrap_or(("0", value));
    let length = length.parse().unwrap_or(0);
    let text = SampleText::new(text.to_owned(), length);
    match declared.to_ascii_uppercase().as_str() {
        "JSON" => SampleValue::Json(text),
        "DATE" if length <= MAX_MOMENT => SampleValue::Date(text.text),
        "TIME" if length <= MAX_MOMENT => SampleValue::Time(text.text),
        "DATETIME" | "TIMESTAMP" if length <= MAX_MOMENT => SampleValue::Timestamp(text.text),
        _ => SampleValue::Text(text),
    }
}
