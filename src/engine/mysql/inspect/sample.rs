//! Looks at rows. Every value is asked for as a text that the server cuts; the type of its column tells what it is.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, MySqlConnection, mysql::MySqlRow};

use super::{
    assemble::is_valid_json,
    cannot_open,
    catalog::{Part, Scope, columns_query, integer, text},
};
use crate::{
    engine::{
        SampleRows,
        mysql::{database::MysqlDatabase, row, server::Server},
    },
    model::{
        Result,
        name::Identifier,
        schema::{Sample, SampleColumn, SampleQuery, SampleText, SampleValue},
    },
};

/// A transaction that cannot write. What a view calls could do so all the same to tables without transactions.
const BEGIN: &str = "START TRANSACTION READ ONLY";

#[async_trait]
impl SampleRows for MysqlDatabase {
    async fn sample(&self, query: &SampleQuery) -> Result<Option<Sample>> {
        let schema = self.settings().database.as_str();
        if query.table.schema.as_ref().is_some_and(|wanted| wanted.as_str() != schema) {
            return Ok(None);
        }
        let (mut lease, session) = self.reading_lease().await?;
        let work = Box::pin(self.rows_of(&mut lease, schema, query));
        let found = self.abandonment.watch(session.id, work).await?;
        // A view may call functions of the database's users, which can leave anything behind in the session.
        lease.soil();
        lease.give_back().await;
        Ok(found)
    }
}

impl MysqlDatabase {
    async fn rows_of(
        &self,
        connection: &mut MySqlConnection,
        schema: &str,
        query: &SampleQuery,
    ) -> Result<Option<Sample>> {
        let name = query.table.name.as_str();
        let scope = Scope { schema, part: Part::Table(name) };
        let present = columns(connection, &self.server, scope, name).await.map_err(|cause| self.failed(cause))?;
        if present.is_empty() {
            let there = scope.rows(connection, include_str!("catalog/names.sql"), "TABLE_NAME").await;
            let there = there.map_err(|cause| self.failed(cause))?.iter().any(|found| text(found, 0) == name);
            return if there { Err(cannot_open(schema, name, "its columns cannot be read")) } else { Ok(None) };
        }
        let kinds: BTreeMap<String, Kind> = present.iter().map(|(column, kind)| (column.name.clone(), *kind)).collect();
        let columns = query.pick(present.into_iter().map(|(column, _)| column).collect())?;
        let kinds: Vec<Kind> =
            columns.iter().map(|column| kinds.get(&column.name).copied().unwrap_or(Kind::Other)).collect();
        let rows = rows(connection, query, &columns, &kinds).await.map_err(|cause| self.failed(cause))?;
        Ok(Some(Sample { columns, rows }))
    }
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Floating,
    Decimal,
    Text,
    Json,
    Bytes,
    Timestamp,
    Date,
    Time,
    Bits,
    Spatial,
    Other,
}

impl Kind {
    /// By the name of a type without its length.
    fn of(data_type: &str) -> Self {
        match data_type {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => Self::Integer,
            "float" | "double" => Self::Floating,
            "decimal" => Self::Decimal,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => Self::Text,
            "json" => Self::Json,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector" => Self::Bytes,
            "datetime" | "timestamp" => Self::Timestamp,
            "date" => Self::Date,
            "time" => Self::Time,
            "bit" => Self::Bits,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
            | "geometrycollection" | "geomcollection" => Self::Spatial,
            _ => Self::Other,
        }
    }

    /// Two result columns for a column: the value, cut, and its length in characters, or for bytes nothing and their number.
    fn terms(self, column: &str, length: u32) -> String {
        let whole = match self {
            Self::Bytes => return format!("IF({column} IS NULL, NULL, ''), OCTET_LENGTH({column})"),
            Self::Bits => format!("BIN({column})"),
            Self::Spatial => format!("ST_AsText({column})"),
            _ => format!("CONVERT({column} USING utf8mb4)"),
        };
        format!("LEFT({whole}, {length}), CHAR_LENGTH({whole})")
    }

    fn value(self, whole: SampleText, data_type: &str) -> SampleValue {
        let number = whole.text.as_str();
        match self {
            Self::Integer => match number.parse() {
                Ok(number) => SampleValue::Integer(number),
                // Unsigned, and greater than what fits.
                Err(_) => SampleValue::Decimal(whole),
            },
            Self::Floating => match number.parse() {
                Ok(number) => SampleValue::Floating(number),
                Err(_) => SampleValue::Decimal(whole),
            },
            Self::Decimal => SampleValue::Decimal(whole),
            Self::Text => SampleValue::Text(whole),
            Self::Json => SampleValue::Json(whole),
            Self::Bytes => SampleValue::Bytes(0),
            Self::Timestamp => SampleValue::Timestamp(whole.text),
            Self::Date => SampleValue::Date(whole.text),
            Self::Time => SampleValue::Time(whole.text),
            Self::Bits | Self::Spatial | Self::Other => {
                SampleValue::Other { data_type: data_type.to_owned(), text: whole }
            }
        }
    }
}

/// Shortest text that a value without a bound of its own length is cut to: every number and moment fits.
const SHORTEST: u32 = 80;

/// The columns of the table in order; none where there is no such table.
async fn columns(
    connection: &mut MySqlConnection,
    server: &Server,
    scope: Scope<'_>,
    name: &str,
) -> Result<Vec<(SampleColumn, Kind)>, sqlx::Error> {
    let mut rows = scope.rows(connection, columns_query(server), "TABLE_NAME").await?;
    // The catalog compares without regard to case.
    rows.retain(|found| text(found, 0) == name);
    rows.sort_by_key(|found| integer(found, 2));
    let json = match rows.iter().any(|found| text(found, 10) == "longtext") && server.mariadb_from(10, 5) {
        true => json_checks(connection, scope).await?,
        false => BTreeSet::new(),
    };
    let column = |found: &MySqlRow| {
        let (name, kind) = (text(found, 1), Kind::of(&text(found, 10)));
        let is_json = Identifier::parse(&name, "column").is_ok_and(|name| json.contains(&is_valid_json(&name)));
        let data_type = if is_json { "json".to_owned() } else { text(found, 3) };
        (SampleColumn { name, data_type, masked: None }, if is_json { Kind::Json } else { kind })
    };
    Ok(rows.iter().map(column).collect())
}

/// The checks of columns, among them those that MariaDB gives a column of JSON, which is a LONGTEXT to it.
async fn json_checks(connection: &mut MySqlConnection, scope: Scope<'_>) -> Result<BTreeSet<String>, sqlx::Error> {
    let rows = scope.rows(connection, include_str!("catalog/checks_mariadb.sql"), "TABLE_NAME").await?;
    let of_columns = rows.iter().filter(|found| text(found, 3) == "Column");
    Ok(of_columns.map(|found| text(found, 2)).collect())
}

async fn rows(
    connection: &mut MySqlConnection,
    query: &SampleQuery,
    columns: &[SampleColumn],
    kinds: &[Kind],
) -> Result<Vec<Vec<SampleValue>>, sqlx::Error> {
    let term = |(column, kind): (&SampleColumn, &Kind)| {
        let length = match kind {
            Kind::Text | Kind::Json | Kind::Spatial | Kind::Other => query.value_length,
            _ => query.value_length.max(SHORTEST),
        };
        let name = Identifier::parse(&column.name, "column").ok()?;
        Some(kind.terms(&format!("t.{}", name.backquoted()), length))
    };
    let terms: Vec<String> = columns.iter().zip(kinds).filter_map(term).collect();
    // The name of a table that the catalog has, quoted.
    let sql = format!("SELECT {} FROM {} AS t LIMIT {}", terms.join(", "), query.table.name.backquoted(), query.limit);
    sqlx::raw_sql(BEGIN).execute(&mut *connection).await?;
    let rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_all(&mut *connection).await?;
    sqlx::raw_sql("ROLLBACK").execute(connection).await?;
    let value = |found: &MySqlRow, place: usize, column: &SampleColumn, kind: Kind| {
        let Some(whole) = row::optional_text(found, 2 * place)? else { return Ok(SampleValue::Null) };
        let length = u64::try_from(row::number(found, 2 * place + 1)?).unwrap_or(0);
        Ok(match kind {
            Kind::Bytes => SampleValue::Bytes(length),
            kind => kind.value(SampleText::new(whole, length), &column.data_type),
        })
    };
    let values = |found: &MySqlRow| {
        columns
            .iter()
            .zip(kinds)
            .enumerate()
            .map(|(place, (column, kind))| value(found, place, column, *kind))
            .collect()
    };
    rows.iter().map(values).collect()
}
