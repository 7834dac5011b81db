//! Registers the sample and tests it.

use crate::{
    cli::quickstart::{
        contents, present, sample,
        walk::{Failure, Walk, ensure},
    },
    grpc::{client::answer, proto::v1},
};

/// Makes the sample and registers it.
pub(in crate::cli::quickstart) async fn register(walk: &mut Walk<'_>) -> Result<(), Failure> {
    let file = walk.place.source_file();
    sample::create(&file).await?;
    let contents = contents::read(&file).await?;
    let rows = contents.iter().filter(|relation| !relation.view).map(|relation| relation.rows).sum();
    let size = std::fs::metadata(&file)?.len();
    let text = format!(
        "The sample is a small chain of bookshops: {} tables, {} view, {} rows, {}, in {}.",
        sample::TABLES,
        sample::VIEWS,
        present::count(rows),
        present::bytes(size),
        walk.place.relative(&file)
    );
    walk.step("Register the database", &text)?;

    let request = create_request(walk.place.id(), "Bookshop", &walk.place.source_database(), &walk.place.request_id());
    walk.show("ConnectionService/CreateConnection", &request)?;
    let made = answer(walk.calls().connections().create_connection(request)).await?;
    ensure(made.name == walk.place.connection() && made.engine() == v1::Engine::Sqlite, || {
        format!("the server registered {} and not {}", made.name, walk.place.connection())
    })?;
    ensure(made.database == walk.place.source_database(), || format!("it is for another file, {}", made.database))?;
    Ok(walk.right(&format!("{} stands for {}", made.name, made.database))?)
}

/// What registers an SQLite database.
pub(super) fn create_request(
    id: &str,
    display_name: &str,
    database: &str,
    request_id: &str,
) -> v1::CreateConnectionRequest {
    let connection = v1::Connection {
        display_name: display_name.to_owned(),
        engine: v1::Engine::Sqlite.into(),
        database: database.to_owned(),
        ..v1::Connection::default()
    };
    v1::CreateConnectionRequest {
        connection_id: id.to_owned(),
        connection: Some(connection),
        request_id: request_id.to_owned(),
        validate_only: false,
    }
}

/// Dials it.
pub(in crate::cli::quickstart) async fn test(walk: &mut Walk<'_>) -> Result<(), Failure> {
    walk.step("Test the connection", "Opens the database once, apart from the pool, and asks who answers.")?;
    let target = v1::test_connection_request::Target::Name(walk.place.connection());
    let request = v1::TestConnectionRequest { target: Some(target) };
    walk.show("ConnectionService/TestConnection", &request)?;
    let tested = answer(walk.calls().connections().test_connection(request)).await?;
    ensure(tested.connected, || format!("not connected: {}", tested.message))?;
    ensure(!tested.server_version.is_empty(), || "the database does not tell its version".to_owned())?;
    Ok(walk.right(&format!("SQLite {} answered", tested.server_version))?)
}
