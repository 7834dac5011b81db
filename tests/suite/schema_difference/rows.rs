//! A row in each table that can keep it, whatever is done to the table.
//!
//! Every value fits every type that its column can get, and one row breaks no unique key; a foreign key points to the one row of its
//! table. What a new column cannot take without a value is left out, because no difference could know one.

use std::collections::BTreeMap;

use dbkeeper::{
    grpc::proto::v1,
    model::schema::{
        NeutralType,
        definition::{ColumnDefinition, ColumnType, SchemaDefinition, TableDefinition, TypeShape},
    },
};

use super::{Pair, Site};

/// The rows that were put, as they are told.
pub(super) struct Rows {
    /// Values by column and table, as the tables are called before.
    values: BTreeMap<(String, String), String>,
    after: SchemaDefinition,
    before: SchemaDefinition,
}

/// A table as it is called after the change.
fn name_after(table: &str, renames: &v1::RenameHints) -> String {
    let renamed = renames.tables.iter().find(|hint| hint.from == table);
    renamed.map_or(table, |hint| &hint.to).to_owned()
}

fn column_after(table: &str, column: &str, renames: &v1::RenameHints) -> String {
    let renamed = renames.columns.iter().find(|hint| hint.table == table && hint.from == column);
    renamed.map_or(column, |hint| &hint.to).to_owned()
}

/// Whether columns that come can be filled without a value.
fn comes_without_value(column: &ColumnDefinition) -> bool {
    column.nullable || column.default.is_some() || column.identity.is_some() || column.generated.is_some()
}

/// The tables that get a row: those whose columns and keys let one through in both directions.
fn chosen<'a>(
    before: &'a SchemaDefinition,
    after: &'a SchemaDefinition,
    renames: &v1::RenameHints,
) -> Vec<&'a TableDefinition> {
    let pair = |table: &'a TableDefinition| Some((table, after.find_table("", &name_after(&table.name, renames))?));
    let mut chosen: Vec<(&TableDefinition, &TableDefinition)> = before.tables.iter().filter_map(pair).collect();
    chosen.retain(|(old, new)| {
        let is_kept =
            |column: &&ColumnDefinition| new.column(&column_after(&old.name, &column.name, renames)).is_some();
        let was_there = |column: &&ColumnDefinition| {
            old.columns.iter().any(|old_column| column_after(&old.name, &old_column.name, renames) == column.name)
        };
        // A column that was computed and goes on as a plain one, or the other way round, can lose its value on the way.
        let stays_fillable = old.columns.iter().all(|column| {
            let after = new.column(&column_after(&old.name, &column.name, renames));
            after.is_none_or(|after| {
                after.generated.is_some() == column.generated.is_some() || (after.nullable && column.nullable)
            })
        });
        stays_fillable
            && new.columns.iter().filter(|column| !was_there(column)).all(comes_without_value)
            && old.columns.iter().filter(|column| !is_kept(column)).all(comes_without_value)
    });
    // A key needs the row that it points to, before and after.
    loop {
        let names: Vec<(String, String)> =
            chosen.iter().map(|(old, new)| (old.name.clone(), new.name.clone())).collect();
        let count = chosen.len();
        chosen.retain(|(old, new)| {
            old.foreign_keys.iter().all(|key| names.iter().any(|(old, _)| *old == key.referenced_table))
                && new.foreign_keys.iter().all(|key| names.iter().any(|(_, new)| *new == key.referenced_table))
        });
        if chosen.len() == count {
            return chosen.into_iter().map(|(old, _)| old).collect();
        }
    }
}

/// Puts the rows.
pub(super) async fn put<S: Site>(
    pair: &Pair<'_, S>,
    database: &str,
    before: &SchemaDefinition,
    after: &SchemaDefinition,
    renames: &v1::RenameHints,
) -> Rows {
    let dialect = dbkeeper::engine::Engines::dialect(pair.site.target("any").settings.engine).unwrap();
    let chosen = chosen(before, after, renames);
    for table in &chosen {
        // Keys that point in a circle are filled in afterwards.
        let filled = |column: &&ColumnDefinition| column.generated.is_none() && !is_key(table, &column.name);
        let columns: Vec<&ColumnDefinition> = table.columns.iter().filter(filled).collect();
        let names: Vec<String> = columns.iter().map(|column| dialect.quoted(&column.name)).collect();
        let values: Vec<String> = columns.iter().map(|column| value(before, &column.column_type)).collect();
        let name = dialect.qualified(&table.object_name());
        let sql = match names.is_empty() {
            true => continue,
            false => format!("INSERT INTO {name} ({}) VALUES ({})", names.join(", "), values.join(", ")),
        };
        pair.site.run_each(database, &[&sql]).await;
    }
    for table in &chosen {
        for key in &table.foreign_keys {
            let (name, column) = (dialect.qualified(&table.object_name()), dialect.quoted(&key.columns[0]));
            pair.site.run_each(database, &[&format!("UPDATE {name} SET {column} = 1")]).await;
        }
    }
    let mut values = BTreeMap::new();
    for table in chosen {
        for (column, value) in row(pair, &table.name).await {
            values.insert((table.name.clone(), column), value);
        }
    }
    Rows { values, after: after.clone(), before: before.clone() }
}

fn is_key(table: &TableDefinition, column: &str) -> bool {
    table.foreign_keys.iter().any(|key| key.columns.iter().any(|name| name == column))
}

fn value(definition: &SchemaDefinition, column_type: &ColumnType) -> String {
    use NeutralType as T;
    match column_type {
        ColumnType::Neutral(T::Integer { .. } | T::Decimal { .. }) => "1".to_owned(),
        ColumnType::Neutral(T::Boolean) => "true".to_owned(),
        ColumnType::Neutral(T::Uuid) => "'7f3b5c1e-0f6d-4c1a-9b7e-2a4d5e6f7081'".to_owned(),
        ColumnType::Neutral(T::Date) => "'2001-02-03'".to_owned(),
        ColumnType::Neutral(T::Timestamp { .. }) => "'2001-02-03 00:00:00'".to_owned(),
        ColumnType::Declared(name) => match &definition.find_type(name).unwrap().shape {
            TypeShape::Composite(fields) => {
                let values: Vec<String> = fields.iter().map(|field| value(definition, &field.column_type)).collect();
                format!("ROW({})", values.join(", "))
            }
            TypeShape::Enum(_) => "'a'".to_owned(),
            TypeShape::Domain { .. } => "1".to_owned(),
        },
        _ => "'a'".to_owned(),
    }
}

/// The one row of a table as it is told.
async fn row<S: Site>(pair: &Pair<'_, S>, table: &str) -> Vec<(String, String)> {
    let request = v1::SampleRowsRequest {
        connection: "connections/a".to_owned(),
        table: table.to_owned(),
        masking: v1::Masking::None.into(),
        ..Default::default()
    };
    let sample = pair.client.schemas().sample_rows(request).await.unwrap().into_inner();
    let columns = sample.columns.iter().map(|column| column.name.clone());
    match sample.rows.as_slice() {
        [] => Vec::new(),
        [row] => columns.zip(row.values.iter().map(|value| format!("{:?}", value.value))).collect(),
        rows => pair.fail(&format!("{table} has {} rows", rows.len())),
    }
}

impl Rows {
    /// Each value whose column is on both sides with one type is what it was.
    pub(super) async fn expect_kept<S: Site>(&self, pair: &Pair<'_, S>, renames: &v1::RenameHints) {
        for table in &self.before.tables {
            let Some(new) = self.after.find_table("", &name_after(&table.name, renames)) else { continue };
            let had: Vec<_> = self.values.iter().filter(|((of, _), _)| *of == table.name).collect();
            if had.is_empty() {
                continue;
            }
            let now: BTreeMap<String, String> = row(pair, &new.name).await.into_iter().collect();
            for ((_, column), value) in had {
                let name = column_after(&table.name, column, renames);
                let (Some(old), Some(kept)) = (table.column(column), new.column(&name)) else { continue };
                let is_same = old.column_type == kept.column_type && old.generated == kept.generated;
                let is_composite =
                    matches!(&kept.column_type, ColumnType::Declared(name) if name.name == super::generate::COMPOSITE);
                if is_same && !is_composite && now.get(&name) != Some(value) {
                    pair.fail(&format!("{}.{name} was {value} and is {:?}", new.name, now.get(&name)));
                }
            }
        }
    }
}
