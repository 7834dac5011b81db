//! Reads the catalog of a file: a constant number of queries for any number of tables, in one read transaction.

mod totals;

use std::{collections::HashMap, sync::Arc};

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

pub(super) use self::totals::database;
use crate::model::schema::{Skipped, TableKind};

/// Above this many bytes the sizes of single tables are not told, because SQLite has to read every page for them.
const MAX_MEASURED_BYTES: i64 = 256 * 1024 * 1024;
/// Up to so many tables are measured one by one. For each of them dbstat walks over the whole schema table, so that one pass
/// over all pages of the file costs less for more.
const MAX_MEASURED_ALONE: usize = 8;

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
    pub(super) collation: String,
}

/// A column of a foreign key.
pub(super) struct ForeignKeyRow {
    pub(super) id: i64,
    /// Place in the key from 0.
    pub(super) place: usize,
    pub(super) table: String,
    pub(super) from: String,
    /// Absent where it points to a key of a table that is not there.
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

/// Bytes of tables by [`key`] of their name; absent where the file is too large to measure.
pub(super) type Measured = Option<Arc<HashMap<String, Sizes>>>;

/// What the catalog says about some tables; the maps go by [`key`] of the table's name.
#[derive(Default)]
pub(super) struct Details {
    pub(super) columns: HashMap<String, Vec<ColumnRow>>,
    pub(super) indexes: HashMap<String, Vec<IndexRow>>,
    pub(super) foreign_keys: HashMap<String, Vec<ForeignKeyRow>>,
    pub(super) definitions: HashMap<String, Vec<DefinitionRow>>,
    pub(super) estimates: HashMap<String, i64>,
    /// The last numbers that AUTOINCREMENT gave out.
    pub(super) sequences: HashMap<String, i64>,
    pub(super) sizes: Measured,
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
    let measured = sizes(connection, relations).await?;
    figures_and_columns(connection, relations, measured).await
}

async fn figures_and_columns(
    connection: &mut SqliteConnection,
    relations: &[Relation],
    sizes: Measured,
) -> Result<Details, sqlx::Error> {
    let mut details = Details { sizes, ..Details::default() };
    read_columns(connection, relations, &mut details).await?;
    details.estimates = estimates(connection).await?;
    Ok(details)
}

/// Everything about some tables, whose sizes were read before.
pub(super) async fn details(
    connection: &mut SqliteConnection,
    relations: &[Relation],
    sizes: Measured,
) -> Result<Details, sqlx::Error> {
    let names = names(relations);
    let mut details = figures_and_columns(connection, relations, sizes).await?;
    let rows = sqlx::query(include_str!("catalog/indexes.sql")).bind(&names).fetch_all(&mut *connection).await?;
    details.indexes = group(&rows, |row| {
        Ok(IndexRow {
            index: row.try_get(1)?,
            unique: row.try_get(2)?,
            origin: row.try_get(3)?,
            column: row.try_get(5)?,
            descending: row.try_get(6)?,
            collation: row.try_get(7)?,
        })
    })?;
    details.foreign_keys = foreign_keys(connection, &names).await?;
    details.sequences = sequences(connection, &names).await?;
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

/// Foreign keys of some tables (a JSON array of names) in the order of declaration, by [`key`] of the table's name.
pub(super) async fn foreign_keys(
    connection: &mut SqliteConnection,
    names: &str,
) -> Result<HashMap<String, Vec<ForeignKeyRow>>, sqlx::Error> {
    let rows = sqlx::query(include_str!("catalog/foreign_keys.sql")).bind(names).fetch_all(&mut *connection).await?;
    let mut found = group(&rows, |row| {
        Ok(ForeignKeyRow {
            id: row.try_get(1)?,
            place: usize::try_from(row.try_get::<i64, _>(2)?).unwrap_or_default(),
            table: row.try_get(3)?,
            from: row.try_get(4)?,
            to: row.try_get(5)?,
            on_update: row.try_get(6)?,
            on_delete: row.try_get(7)?,
        })
    })?;
    point_to_primary_keys(connection, &mut found).await?;
    Ok(found)
}

/// A reference without columns means the primary key of the other table.
async fn point_to_primary_keys(
    connection: &mut SqliteConnection,
    found: &mut HashMap<String, Vec<ForeignKeyRow>>,
) -> Result<(), sqlx::Error> {
    let mut unsaid: Vec<&mut ForeignKeyRow> = found.values_mut().flatten().filter(|row| row.to.is_none()).collect();
    if unsaid.is_empty() {
        return Ok(());
    }
    let tables = json_names(unsaid.iter().map(|row| row.table.as_str()));
    let rows = sqlx::query(include_str!("catalog/primary_keys.sql")).bind(tables).fetch_all(connection).await?;
    let keys: HashMap<String, Vec<String>> = group(&rows, |row| row.try_get(1))?;
    for row in &mut unsaid {
        row.to = keys.get(&key(&row.table)).and_then(|columns| columns.get(row.place)).cloned();
    }
    Ok(())
}

async fn sequences(connection: &mut SqliteConnection, names: &str) -> Result<HashMap<String, i64>, sqlx::Error> {
    if !exists(connection, "sqlite_sequence").await? {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, i64)> =
        sqlx::query_as(include_str!("catalog/sequences.sql")).bind(names).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(table, number)| (key(&table), number)).collect())
}

/// Whether SQLite made one of its own tables.
async fn exists(connection: &mut SqliteConnection, table: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = ?1").bind(table).fetch_one(connection).await
}

/// A definition that may name another table.
pub(super) struct Mention {
    /// `table`, `view` or `trigger`.
    pub(super) kind: String,
    pub(super) name: String,
    /// The table of a trigger.
    pub(super) table: String,
    pub(super) sql: String,
}

/// Definitions in whose text a name may stand, by kind and name: quoting doubles quotes, so that the longest part without
/// one is looked for.
pub(super) async fn mentions(connection: &mut SqliteConnection, name: &str) -> Result<Vec<Mention>, sqlx::Error> {
    let part = name.split(['"', '\'', '`', '[', ']']).max_by_key(|part| part.len()).unwrap_or_default();
    let rows = sqlx::query(include_str!("catalog/mentions.sql")).bind(key(part)).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            Ok(Mention { kind: row.try_get(0)?, name: row.try_get(1)?, table: row.try_get(2)?, sql: row.try_get(3)? })
        })
        .collect()
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
                ..Skipped::default()
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Only the columns of some tables, and those that have none that can be read.
pub(super) async fn columns_or_skipped(
    connection: &mut SqliteConnection,
    relations: &[Relation],
) -> Result<Details, sqlx::Error> {
    let mut details = Details::default();
    read_columns(connection, relations, &mut details).await?;
    Ok(details)
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
    if !exists(connection, "sqlite_stat1").await? {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, i64)> = sqlx::query_as(include_str!("catalog/estimates.sql")).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(table, rows)| (key(&table), rows)).collect())
}

/// Measures some tables.
pub(super) async fn sizes(connection: &mut SqliteConnection, relations: &[Relation]) -> Result<Measured, sqlx::Error> {
    let bytes: i64 = sqlx::query_scalar("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        .fetch_one(&mut *connection)
        .await?;
    if bytes > MAX_MEASURED_BYTES {
        return Ok(None);
    }
    let query = match relations.len() <= MAX_MEASURED_ALONE {
        true => include_str!("catalog/sizes_of_few.sql"),
        false => include_str!("catalog/sizes.sql"),
    };
    let rows: Vec<(String, String, String, i64)> =
        sqlx::query_as(query).bind(names(relations)).fetch_all(connection).await?;
    let mut sizes: HashMap<String, Sizes> = HashMap::new();
    for (table, name, kind, bytes) in rows {
        let entry = sizes.entry(key(&table)).or_default();
        if kind == "table" {
            entry.table = bytes;
        } else {
            entry.indexes.insert(name, bytes);
        }
    }
    Ok(Some(Arc::new(sizes)))
}

fn names(relations: &[Relation]) -> String {
    json_names(relations.iter().map(|relation| relation.name.as_str()))
}

/// Names as the one bind value of a query.
pub(super) fn json_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    serde_json::Value::from_iter(names).to_string()
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
    let sizes = sizes(connection, &tables).await?;
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
