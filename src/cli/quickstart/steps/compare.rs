//! Compares the restored database with its source.

use super::connection::create_request;
use crate::{
    cli::quickstart::{
        contents::{self, Relation},
        present::{self, Align, Table},
        walk::{Failure, Walk, ensure},
    },
    grpc::{
        client::{ClientError, answer},
        proto::v1,
    },
};

/// Compares schemas by the service, and rows and definitions by reading both files.
pub(in crate::cli::quickstart) async fn compare(walk: &mut Walk<'_>) -> Result<(), Failure> {
    walk.step(
        "Compare",
        "The second database is registered, and the schemas of both are streamed and compared. Then rows, a checksum of \
         them and the definitions are compared, read from both files without dbkeeper.",
    )?;
    let request = create_request(
        &walk.place.restored_id(),
        "Bookshop, restored",
        &walk.place.restored_database(),
        &format!("{}-restored", walk.place.request_id()),
    );
    walk.show("ConnectionService/CreateConnection", &request)?;
    answer(walk.calls().connections().create_connection(request)).await?;

    let request = v1::StreamTablesRequest { connection: walk.place.restored_connection(), ..Default::default() };
    walk.show("SchemaService/StreamTables", &request)?;
    let restored_schema = schema(walk, request).await?;
    let request = v1::StreamTablesRequest { connection: walk.place.connection(), ..Default::default() };
    walk.show("SchemaService/StreamTables", &request)?;
    let source_schema = schema(walk, request).await?;

    let source = contents::read(&walk.place.source_file()).await?;
    let restored = contents::read(&walk.place.restored_file()).await?;
    walk.screen.table(&as_table(&source, &restored))?;
    ensure(source_schema == restored_schema, || "the schemas differ".to_owned())?;
    ensure(source_schema.len() == source.len(), || {
        format!("{} tables and views were streamed, the file has {}", source_schema.len(), source.len())
    })?;
    let differing: Vec<&str> = source
        .iter()
        .filter(|relation| !restored.contains(relation))
        .chain(restored.iter().filter(|relation| !source.contains(relation)))
        .map(|relation| relation.name.as_str())
        .collect();
    ensure(differing.is_empty(), || format!("these differ: {}", differing.join(", ")))?;
    Ok(walk.right("both databases are the same: tables, rows, checksums and definitions")?)
}

/// The schema of a database, without what tells nothing of its shape.
async fn schema(walk: &Walk<'_>, request: v1::StreamTablesRequest) -> Result<Vec<v1::Table>, Failure> {
    use v1::stream_tables_response::Event;
    let mut stream = answer(walk.streams().schemas().stream_tables(request)).await?;
    let mut tables = Vec::new();
    while let Some(message) = stream.message().await.map_err(ClientError::from)? {
        match message.event {
            Some(Event::Table(table)) => tables.push(shape(table)),
            Some(Event::Summary(_)) => return Ok(tables),
            None => {}
        }
    }
    Err(Failure::Wrong("the stream of tables ended without its summary".to_owned()))
}

/// Where a table lies and how many pages it fills may differ.
fn shape(mut table: v1::Table) -> v1::Table {
    table.connection.clear();
    (table.data_size_bytes, table.index_size_bytes) = (0, 0);
    for index in &mut table.indexes {
        index.size_bytes = 0;
    }
    table
}

fn as_table(source: &[Relation], restored: &[Relation]) -> Table {
    let columns = [
        ("NAME", Align::Left),
        ("RESULT", Align::Left),
        ("ROWS", Align::Right),
        ("RESTORED", Align::Right),
        ("CHECKSUM", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for relation in source {
        let found = restored.iter().find(|other| other.name == relation.name);
        let same = if found == Some(relation) { "same" } else { "DIFFERENT" };
        table.row([
            relation.name.clone(),
            same.to_owned(),
            present::count(relation.rows),
            found.map_or_else(|| "-".to_owned(), |found| present::count(found.rows)),
            relation.checksum.chars().take(12).collect(),
        ]);
    }
    table
}
