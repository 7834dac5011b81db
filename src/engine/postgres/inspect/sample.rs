//! Looks at rows. The server prints and cuts every value, so that one column of the answer is one text.

use async_trait::async_trait;
use sqlx::{
    AssertSqlSafe, Row,
    postgres::{PgRow, types::Oid},
};

use super::{DEFAULT_SCHEMA, relation};
use crate::{
    engine::{
        SampleRows,
        postgres::database::{PostgresDatabase, ReadTransaction},
    },
    model::{
        Error, Reason, Result,
        name::Identifier,
        schema::{Sample, SampleColumn, SampleQuery, SampleText, SampleValue},
    },
};

const COLUMNS: &str = include_str!("catalog/sample_columns.sql");
/// Views may need the schemas that their functions were written for. The time-outs of the transaction hold on.
const SETTINGS: &str =
    "SET LOCAL search_path TO DEFAULT; SET LOCAL datestyle TO ISO; SET LOCAL intervalstyle TO postgres";

#[async_trait]
impl SampleRows for PostgresDatabase {
    async fn sample(&self, query: &SampleQuery) -> Result<Option<Sample>> {
        let schema = query.table.schema.as_ref().map_or(DEFAULT_SCHEMA, |schema| schema.as_str());
        let mut transaction = self.leases().begin().await?;
        let Some(oid) = relation::lookup(&mut transaction, schema, query.table.name.as_str()).await? else {
            transaction.commit().await?;
            return Ok(None);
        };
        let present = columns(&mut transaction, oid).await?;
        let columns = query.pick(present.iter().map(Column::told).collect())?;
        let columns: Vec<&Column> =
            columns.iter().filter_map(|wanted| present.iter().find(|column| column.told.name == wanted.name)).collect();
        let schema = Identifier::parse(schema, "schema")?;
        check_privileges(&schema, query, &columns, transaction.username())?;
        transaction.execute(SETTINGS.to_owned()).await?;
        // A view, or the printing of a type, runs functions of the database's users.
        transaction.soil();
        let rows = rows(&mut transaction, &schema, query, &columns).await?;
        transaction.commit().await?;
        let rows = rows.iter().map(|row| values(row, &columns)).collect();
        Ok(Some(Sample { columns: columns.into_iter().map(Column::told).collect(), rows }))
    }
}

/// A column with what is needed to read its values.
struct Column {
    told: SampleColumn,
    shape: Shape,
    readable: bool,
    reachable: bool,
}

impl Column {
    fn told(&self) -> SampleColumn {
        self.told.clone()
    }
}

/// What becomes of the values of a type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Boolean,
    Integer,
    Floating,
    Decimal,
    Text,
    Bytes,
    Timestamp,
    Date,
    Time,
    Json,
    Other,
}

impl Shape {
    fn of(base_type: &str, is_text: bool) -> Self {
        match base_type {
            "bool" => Self::Boolean,
            "int2" | "int4" | "int8" | "oid" => Self::Integer,
            "float4" | "float8" => Self::Floating,
            "numeric" => Self::Decimal,
            "bytea" => Self::Bytes,
            "timestamp" | "timestamptz" => Self::Timestamp,
            "date" => Self::Date,
            "time" | "timetz" => Self::Time,
            "json" | "jsonb" => Self::Json,
            _ if is_text => Self::Text,
            _ => Self::Other,
        }
    }

    /// Its text has a length of its own.
    fn is_long(self) -> bool {
        matches!(self, Self::Decimal | Self::Text | Self::Json | Self::Other)
    }
}

async fn columns(transaction: &mut ReadTransaction<'_>, oid: Oid) -> Result<Vec<Column>> {
    let query = transaction.query(COLUMNS).bind(oid);
    let rows = transaction.rows(query).await?;
    let column = |row: &PgRow| Column {
        told: SampleColumn { name: row.get("name"), data_type: row.get("data_type"), masked: None },
        shape: Shape::of(row.get("base_type"), row.get("is_text")),
        readable: row.get("readable"),
        reachable: row.get("reachable"),
    };
    Ok(rows.iter().map(column).collect())
}

/// PRIVILEGE_MISSING with the statements that mend it.
fn check_privileges(schema: &Identifier, query: &SampleQuery, columns: &[&Column], username: &str) -> Result<()> {
    let (quoted_schema, table) = (schema.double_quoted(), query.table.name.double_quoted());
    let user = Identifier::parse(username, "username")?.double_quoted();
    let usage = columns.iter().any(|column| !column.reachable);
    let usage = usage.then(|| format!("GRANT USAGE ON SCHEMA {quoted_schema} TO {user}"));
    let select = columns.iter().any(|column| !column.readable);
    let select = select.then(|| format!("GRANT SELECT ON {quoted_schema}.{table} TO {user}"));
    let remedies: Vec<String> = [usage, select].into_iter().flatten().collect();
    if remedies.is_empty() {
        return Ok(());
    }
    let remedy = remedies.join("; ");
    let text = format!("user {username:?} may not read rows of {quoted_schema}.{table}; let the owner run: {remedy}");
    Err(Error::new(Reason::PrivilegeMissing, text).with_metadata("hint", remedy))
}

async fn rows(
    transaction: &mut ReadTransaction<'_>,
    schema: &Identifier,
    query: &SampleQuery,
    columns: &[&Column],
) -> Result<Vec<PgRow>> {
    let terms: Vec<String> = columns.iter().filter_map(|column| term(column)).collect();
    let terms = terms.join(", ");
    let (schema, table) = (schema.double_quoted(), query.table.name.double_quoted());
    // Names that the catalog has, quoted. The first condition gives the longest text a type where no column needs it.
    let sql = format!("SELECT {terms} FROM {schema}.{table} AS t WHERE $1::int4 > 0 LIMIT $2::int8");
    let length = i32::try_from(query.value_length).unwrap_or(i32::MAX);
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(length).bind(i64::from(query.limit));
    transaction.rows(query).await
}

/// One text a column, because their number is bounded: of bytes their length, of what can be long its length, a colon and what
/// is left of it.
fn term(column: &Column) -> Option<String> {
    let name = Identifier::parse(&column.told.name, "column").ok()?.double_quoted();
    Some(match column.shape {
        Shape::Bytes => format!("octet_length(t.{name})::text"),
        shape if shape.is_long() => format!("length(t.{name}::text) || ':' || \"left\"(t.{name}::text, $1::int4)"),
        _ => format!("t.{name}::text"),
    })
}

fn values(row: &PgRow, columns: &[&Column]) -> Vec<SampleValue> {
    let value = |(place, column): (usize, &&Column)| match row.get::<Option<&str>, _>(place) {
        Some(printed) => value(printed, column),
        None => SampleValue::Null,
    };
    columns.iter().enumerate().map(value).collect()
}

fn value(printed: &str, column: &Column) -> SampleValue {
    let other = |text: SampleText| SampleValue::Other { data_type: column.told.data_type.clone(), text };
    let whole = || SampleText { text: printed.to_owned(), full_length: None };
    match column.shape {
        Shape::Boolean => SampleValue::Boolean(printed == "true"),
        Shape::Integer => printed.parse().map_or_else(|_| other(whole()), SampleValue::Integer),
        Shape::Floating => printed.parse().map_or_else(|_| other(whole()), SampleValue::Floating),
        Shape::Bytes => SampleValue::Bytes(printed.parse().unwrap_or(0)),
        Shape::Timestamp => SampleValue::Timestamp(printed.to_owned()),
        Shape::Date => SampleValue::Date(printed.to_owned()),
        Shape::Time => SampleValue::Time(printed.to_owned()),
        Shape::Decimal => SampleValue::Decimal(cut_text(printed)),
        Shape::Text => SampleValue::Text(cut_text(printed)),
        Shape::Json => SampleValue::Json(cut_text(printed)),
        Shape::Other => other(cut_text(printed)),
    }
}

/// Reads what [`term`] makes of a long value.
fn cut_text(printed: &str) -> SampleText {
    let (length, text) = printed.split_once(':').unwrap_or(("0", printed));
    SampleText::new(text.to_owned(), length.parse().unwrap_or(0))
}
