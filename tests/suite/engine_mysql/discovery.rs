//! Everything that MariaDB knows of a schema. There is no MySQL here: what differs there is chosen by the server's name and
//! written by its manual.

pub(crate) mod fixture;
mod limits;
pub(crate) mod locks;
mod marker;
mod names;
mod objects;
mod privileges;
mod sample;
mod tables;

use std::sync::Arc;

use dbkeeper::{
    engine::Database,
    model::{
        Result,
        name::{Identifier, QualifiedName},
        schema::{
            DdlSelection, DdlStatement, DdlSubject, MysqlColumn, MysqlTable, Skipped, Table, TableDetails, TableFilter,
            TableLookup,
        },
    },
};
use tokio::sync::mpsc;

use super::{engine, open};
use crate::harness::mariadb::MariadbServer;

fn named(name: &str) -> QualifiedName {
    QualifiedName { schema: None, name: Identifier::parse(name, "table").unwrap() }
}

async fn look_up(database: &Arc<dyn Database>, name: &str) -> Result<Option<TableLookup>> {
    database.require_inspect().unwrap().table(&named(name)).await
}

async fn table(database: &Arc<dyn Database>, name: &str) -> Table {
    look_up(database, name).await.unwrap().unwrap_or_else(|| panic!("no table {name}")).table
}

async fn stream(database: &Arc<dyn Database>) -> (Vec<Table>, Vec<Skipped>) {
    let (sender, mut receiver) = mpsc::channel(4);
    let filter = TableFilter::default();
    let collect = async {
        let mut tables = Vec::new();
        while let Some(table) = receiver.recv().await {
            tables.push(table);
        }
        tables
    };
    let streamed = database.require_inspect().unwrap().stream_tables(&filter, sender);
    let (skipped, tables) = tokio::join!(streamed, collect);
    (tables, skipped.unwrap())
}

fn details(table: &Table) -> &MysqlTable {
    let Some(TableDetails::Mysql(details)) = &table.details else { panic!("{table:?}") };
    details
}

fn column<'a>(table: &'a Table, name: &str) -> (&'a dbkeeper::model::schema::Column, &'a MysqlColumn) {
    let column = table.columns.iter().find(|column| column.name == name).unwrap_or_else(|| panic!("no column {name}"));
    let Some(dbkeeper::model::schema::ColumnDetails::Mysql(details)) = &column.details else { panic!("{column:?}") };
    (column, details)
}

/// The statements of a whole database, and what is not among them.
async fn statements(database: &Arc<dyn Database>) -> (Vec<DdlStatement>, Vec<Skipped>) {
    let (sender, mut receiver) = mpsc::channel(1000);
    let selection = DdlSelection { subject: DdlSubject::Database, owners: false };
    let skipped = database.require_read_ddl().unwrap().stream_ddl(&selection, sender).await.unwrap();
    let mut statements = Vec::new();
    while let Some(statement) = receiver.recv().await {
        statements.push(statement);
    }
    (statements, skipped.expect("the database is there"))
}
