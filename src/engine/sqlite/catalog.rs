//! Reads the catalog of a file: a constant number of queries for any number of tables, in one read transaction.

use std::collections::{BTreeMap, HashMap};

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use crate::model::schema::{Skipped, TableKind};

/// Above this many bytes the sizes of single tables are not told, because SQLite has to read every page for them.
const MAX_MEASURED_BYTES: i64 = 256 * 1024 * 1024;

/// A table or a view as the list of tables has it.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) name: String,
    pub(super) kind: TableKind,
    pub(super) without_rowid: bool,
    pub(super) strict: bool,
}

/// A column.
pub(super) struct ColumnRow {
    pub(super) name: String,
    pub(super) data_type: String,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    /// Place in the primary key from 1; 0: none.
    pub(super) key_place: i64,
    /// 2: generated virtual, 3: generated stored.
    pub(super) hidden: i64,
}

/// A part of an index.
pub(super) struct IndexRow {
    pub(super) index: String,
    pub(super) unique: bool,
    /// `c`: CREATE INDEX, `u`: unique constraint, `pk`: primary key.
    pub(super) origin: String,
    /// Absent for an expression.
    pub(super) column: Option<String>,
    pub(super) descending: bool,
}

/// A column of a foreign key.
pub(super) struct ForeignKeyRow {
    pub(super) id: i64,
    pub(super) table: String,
    pub(super) from: String,
    pub(super) to: Option<String>,
    pub(super) on_update: String,
    pub(super) on_delete: String,
}

/// The text of a definition.
pub(super) struct DefinitionRow {
    /// `table`, `view`, `index` or `trigger`.
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) sql: String,
}

/// Bytes of a table and of its indexes by name.
#[derive(Default)]
pub(super) struct Sizes {
    pub(super) table: i64,
    pub(super) indexes: HashMap<String, i64>,
}

/// What the catalog says about some tables; the maps go by [`key`] of the table's name.
#[derive(Default)]
pub(super) struct Details {
    pub(super) columns: HashMap<String, Vec<ColumnRow>>,
    pub(super) indexes: HashMap<String, Vec<IndexRow>>,
    pub(super) foreign_keys: HashMap<String, Vec<ForeignKeyRow>>,
    pub(super) definitions: HashMap<String, Vec<DefinitionRow>>,
    pub(super) estimates: HashMap<String, i64>,
    /// Absent where the file is too large to measure.
    pub(super) sizes: Option<HashMap<String, Sizes>>,
    /// Tables in which virtual tables keep their data; read where there is a virtual table among the tables.
    pub(super) shadow_tables: Vec<String>,
    /// Tables and views that could not be read.
    pub(super) skipped: Vec<Skipped>,
}

/// SQLite takes names that differ in the case of ASCII letters for the same.
pub(super) fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// All tables and views by name in code-point order, or the one of a name.
pub(super) async fn relations(
    connection: &mut SqliteConnection,
    name: Option<&str>,
) -> Result<Vec<Relation>, sqlx::Error> {
    let rows = sqlx::query(include_str!("catalog/relations.sql")).bind(name).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let kind = match row.try_get(1)? {
                "view" => TableKind::View,
                "virtual" => TableKind::VirtualTable,
                _ => TableKind::Table,
            };
            Ok(Relation { name: row.try_get(0)?, kind, without_rowid: row.try_get(2)?, strict: row.try_get(3)? })
        })
        .collect()
}

/// Only what a list of tables shows.
pub(super) async fn summaries(
    connection: &mut SqliteConnection,
    relations: &[Relation],
) -> Result<Details, sqlx::Error> {
    let names = names(relations);
    let mut details = Details::default();
    read_columns(connection, relations, &mut details).await?;
    details.estimates = estimates(connection).await?;
    details.sizes = sizes(connection, &names).await?;
    Ok(details)
}

/// Everything about some tables.
pub(super) async fn details(connection: &mut SqliteConnection, relations: &[Relation]) -> Result<Details, sqlx::Error> {
    let names = names(relations);
    let mut details = summaries(connection, relations).await?;
    let rows = sqlx::query(include_str!("catalog/indexes.sql")).bind(&names).fetch_all(&mut *connection).await?;
    details.indexes = group(&rows, |row| {
        Ok(IndexRow {
            index: row.try_get(1)?,
            unique: row.try_get(2)?,
            origin: row.try_get(3)?,
            column: row.try_get(5)?,
            descending: row.try_get(6)?,
        })
    })?;
    let rows = sqlx::query(include_str!("catalog/foreign_keys.sql")).bind(&names).fetch_all(&mut *connection).await?;
    details.foreign_keys = group(&rows, |row| {
        Ok(ForeignKeyRow {
            id: row.try_get(1)?,
            table: row.try_get(2)?,
            from: row.try_get(3)?,
            to: row.try_get(4)?,
            on_update: row.try_get(5)?,
            on_delete: row.try_get(6)?,
        })
    })?;
    if relations.iter().any(|relation| relation.kind == TableKind::VirtualTable) {
        let shadows = sqlx::query_scalar(include_str!("catalog/shadow_tables.sql"));
        details.shadow_tables = shadows.fetch_all(&mut *connection).await?;
    }
    let rows = sqlx::query(include_str!("catalog/definitions.sql")).bind(&names).fetch_all(connection).await?;
    for row in &rows {
        let definition = DefinitionRow { kind: row.try_get(0)?, name: row.try_get(1)?, sql: row.try_get(3)? };
        details.definitions.entry(key(row.try_get(2)?)).or_default().push(definition);
    }
    Ok(details)
}

/// The columns of all tables in one query. A view over a table that is gone, or a virtual table whose module is not in
/// this binary, fails the whole query; then they are read one by one, and those that fail are told.
async fn read_columns(
    connection: &mut SqliteConnection,
    relations: &[Relation],
    details: &mut Details,
) -> Result<(), sqlx::Error> {
    let error = match columns(connection, &names(relations)).await {
        Ok(columns) => {
            details.columns = columns;
            return Ok(());
        }
        Err(error) if error.as_database_error().is_some() && !super::error::is_interrupted(&error) => error,
        Err(error) => return Err(error),
    };
    let (sound, fragile): (Vec<Relation>, Vec<Relation>) =
        relations.iter().cloned().partition(|relation| relation.kind == TableKind::Table);
    if fragile.is_empty() {
        return Err(error);
    }
    details.columns = columns(connection, &names(&sound)).await?;
    for relation in fragile {
        match columns(connection, &names(std::slice::from_ref(&relation))).await {
            Ok(found) => details.columns.extend(found),
            Err(error) if error.as_database_error().is_some() => details.skipped.push(Skipped {
                subject: format!("columns of {}", relation.name),
                reason: super::error::message(&error),
                remedy: "make the definition valid again, or drop it".to_owned(),
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The columns of one table or view.
pub(super) async fn columns_of(
    connection: &mut SqliteConnection,
    relation: &Relation,
) -> Result<Vec<ColumnRow>, sqlx::Error> {
    let mut found = columns(connection, &names(std::slice::from_ref(relation))).await?;
    Ok(found.remove(&key(&relation.name)).unwrap_or_default())
}

async fn columns(
    connection: &mut SqliteConnection,
    names: &str,
) -> Result<HashMap<String, Vec<ColumnRow>>, sqlx::Error> {
    let rows = sqlx::query(include_str!("catalog/columns.sql")).bind(names).fetch_all(connection).await?;
    group(&rows, |row| {
        Ok(ColumnRow {
            name: row.try_get(1)?,
            data_type: row.try_get(2)?,
            not_null: row.try_get(3)?,
            default: row.try_get(4)?,
            key_place: row.try_get(5)?,
            hidden: row.try_get(6)?,
        })
    })
}

async fn estimates(connection: &mut SqliteConnection) -> Result<HashMap<String, i64>, sqlx::Error> {
    let analysed: bool = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'")
        .fetch_one(&mut *connection)
        .await?;
    if !analysed {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, i64)> = sqlx::query_as(include_str!("catalog/estimates.sql")).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(table, rows)| (key(&table), rows)).collect())
}

async fn sizes(connection: &mut SqliteConnection, names: &str) -> Result<Option<HashMap<String, Sizes>>, sqlx::Error> {
    let bytes: i64 = sqlx::query_scalar("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        .fetch_one(&mut *connection)
        .await?;
    if bytes > MAX_MEASURED_BYTES {
        return Ok(None);
    }
    let rows: Vec<(String, String, String, i64)> =
        sqlx::query_as(include_str!("catalog/sizes.sql")).bind(names).fetch_all(connection).await?;
    let mut sizes: HashMap<String, Sizes> = HashMap::new();
    for (table, name, kind, bytes) in rows {
        let entry = sizes.entry(key(&table)).or_default();
        if kind == "table" {
            entry.table = bytes;
        } else {
            entry.indexes.insert(name, bytes);
        }
    }
    Ok(Some(sizes))
}

/// The database in figures.
pub(super) struct DatabaseRow {
    pub(super) encoding: String,
    pub(super) bytes: i64,
    pub(super) tables: i64,
    pub(super) views: i64,
    pub(super) indexes: i64,
    /// Sum of the estimates; absent where nothing was analysed.
    pub(super) rows: Option<i64>,
    /// Bytes of tables and of indexes; absent where the file is too large to measure.
    pub(super) measured: Option<(i64, i64)>,
}

/// Reads the figures of the database.
pub(super) async fn database(connection: &mut SqliteConnection) -> Result<DatabaseRow, sqlx::Error> {
    let (encoding, bytes, tables, views, indexes): (String, i64, i64, i64, i64) =
        sqlx::query_as(include_str!("catalog/database.sql")).fetch_one(&mut *connection).await?;
    let estimates = estimates(connection).await?;
    let rows = (!estimates.is_empty()).then(|| estimates.values().sum());
    let measured = if bytes > MAX_MEASURED_BYTES { None } else { Some(measure(connection).await?) };
    Ok(DatabaseRow { encoding, bytes, tables, views, indexes, rows, measured })
}

async fn measure(connection: &mut SqliteConnection) -> Result<(i64, i64), sqlx::Error> {
    // Reads every page once. Shadow tables and SQLite's own count as data.
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT coalesce(s.type, 'table'), sum(d.pgsize)
         FROM dbstat AS d LEFT JOIN sqlite_schema AS s ON s.name = d.name
         WHERE d.schema = 'main' AND d.aggregate = TRUE
         GROUP BY 1",
    )
    .fetch_all(connection)
    .await?;
    let by_kind: BTreeMap<String, i64> = rows.into_iter().collect();
    let of = |kind: &str| by_kind.get(kind).copied().unwrap_or(0);
    Ok((of("table"), of("index")))
}

fn names(relations: &[Relation]) -> String {
    serde_json::Value::from_iter(relations.iter().map(|relation| relation.name.as_str())).to_string()
}

fn group<T>(
    rows: &[SqliteRow],
    read: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
) -> Result<HashMap<String, Vec<T>>, sqlx::Error> {
    let mut groups: HashMap<String, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(key(row.try_get(0)?)).or_default().push(read(row)?);
    }
    Ok(groups)
}

/// Figures of the tables for the metrics.
pub(super) struct Figures {
    pub(super) tables: usize,
    /// The sizes could be read.
    pub(super) measured: bool,
    /// Tables by size, the largest first.
    pub(super) largest: Vec<TableFigures>,
}

/// Figures of one table; absent where SQLite does not tell.
pub(super) struct TableFigures {
    pub(super) name: String,
    pub(super) bytes: Option<i64>,
    pub(super) index_bytes: Option<i64>,
    pub(super) rows: Option<i64>,
}

/// Reads the figures of the tables.
pub(super) async fn figures(connection: &mut SqliteConnection, relations: &[Relation]) -> Result<Figures, sqlx::Error> {
    let tables: Vec<Relation> =
        relations.iter().filter(|relation| relation.kind == TableKind::Table).cloned().collect();
    let sizes = sizes(connection, &names(&tables)).await?;
    let estimates = estimates(connection).await?;
    let figures = |relation: &Relation| {
        let size = sizes.as_ref().and_then(|sizes| sizes.get(&key(&relation.name)));
        TableFigures {
            name: relation.name.clone(),
            bytes: size.map(|size| size.table),
            index_bytes: size.map(|size| size.indexes.values().sum()),
            rows: estimates.get(&key(&relation.name)).copied(),
        }
    };
    let mut largest: Vec<TableFigures> = tables.iter().map(figures).collect();
    largest.sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.name.cmp(&other.name)));
    Ok(Figures { tables: tables.len(), measured: sizes.is_some(), largest })
}
