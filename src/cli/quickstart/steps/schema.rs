//! Lists the tables.

use crate::{
    cli::quickstart::{
        contents,
        present::{self, Align, Table},
        sample,
        walk::{Failure, Walk, ensure},
    },
    grpc::{client::answer, proto::v1},
};

/// Lists tables and views, and holds them against the file.
pub(in crate::cli::quickstart) async fn list_tables(walk: &mut Walk<'_>) -> Result<(), Failure> {
    walk.step("List the tables", "Reads the catalog: tables and views with columns, estimated rows and sizes.")?;
    let request = v1::ListTablesRequest { connection: walk.place.connection(), ..v1::ListTablesRequest::default() };
    walk.show("SchemaService/ListTables", &request)?;
    let listed = answer(walk.calls().schemas().list_tables(request)).await?.tables;
    walk.screen.table(&as_table(&listed))?;

    let mut names: Vec<&str> = listed.iter().map(|table| table.name.as_str()).collect();
    names.sort_unstable();
    let contents = contents::read(&walk.place.source_file()).await?;
    let expected: Vec<&str> = contents.iter().map(|relation| relation.name.as_str()).collect();
    ensure(names == expected, || format!("the file has {}, listed are {}", expected.join(", "), names.join(", ")))?;
    let tables = listed.iter().filter(|table| table.kind() == v1::TableKind::Table).count();
    ensure(tables == sample::TABLES, || format!("{tables} tables are listed, the sample has {}", sample::TABLES))?;
    Ok(walk.right(&format!("{tables} tables and {} view, as in the file", listed.len() - tables))?)
}

fn as_table(listed: &[v1::TableSummary]) -> Table {
    let columns = [
        ("NAME", Align::Left),
        ("KIND", Align::Left),
        ("COLUMNS", Align::Right),
        ("ROWS", Align::Right),
        ("DATA", Align::Right),
        ("INDEXES", Align::Right),
    ];
    let mut table = Table::new(&columns);
    for found in listed {
        let kind = if found.kind() == v1::TableKind::View { "view" } else { "table" };
        table.row([
            found.name.clone(),
            kind.to_owned(),
            found.column_count.to_string(),
            known(found.row_estimate, present::count),
            known(found.data_size_bytes, present::bytes),
            known(found.index_size_bytes, present::bytes),
        ]);
    }
    table
}

/// A figure that is negative where the engine does not tell it.
fn known(figure: i64, shown: impl Fn(u64) -> String) -> String {
    u64::try_from(figure).map_or_else(|_| "-".to_owned(), shown)
}
