//! What is refused, with its place.

use dbkeeper::grpc::proto::v1::{self, schema_source::Source};
use tonic::Code;

use super::{
    super::answer::{assert_field, assert_refused, assert_says},
    ask, assert_no_script, connection, side, unwritten, yaml,
};
use crate::harness::{server::TestServer, sqlite::SqliteFolder};

const ARTIST: &str = "tables: [{name: artist, columns: [{name: id, type: int64}, {name: born, type: int32}]}]";
const PERSON: &str = "tables: [{name: person, columns: [{name: id, type: int64}, {name: year, type: int32}]}]";

fn request(source: Source, target: Source, engine: v1::Engine) -> v1::DiffSchemasRequest {
    v1::DiffSchemasRequest { source: side(source), target: side(target), engine: engine.into(), ..Default::default() }
}

fn table(from: &str, to: &str) -> v1::RenamedObject {
    v1::RenamedObject { schema: String::new(), from: from.to_owned(), to: to.to_owned() }
}

fn column(from: &str, to: &str) -> v1::RenamedColumn {
    v1::RenamedColumn { schema: String::new(), table: "artist".to_owned(), from: from.to_owned(), to: to.to_owned() }
}

#[tokio::test]
async fn a_hint_that_names_nothing_or_one_thing_twice_is_refused() {
    let server = TestServer::start_on(&SqliteFolder::new()).await;
    let client = server.client();
    let tables = |tables| v1::RenameHints { tables, ..Default::default() };
    let columns = |columns| v1::RenameHints { columns, ..Default::default() };
    let both = "tables: [{name: artist, columns: [{name: id, type: int64}]}, {name: person, columns: [{name: id, type: int64}]}]";
    for (target, renames, field, words) in [
        (PERSON, tables(vec![table("nobody", "person")]), "tables[0].from", "the source has no table \"nobody\""),
        (PERSON, tables(vec![table("artist", "nobody")]), "tables[0].to", "the target has no table \"nobody\""),
        (both, tables(vec![table("artist", "person")]), "tables[0].from", "it keeps its name"),
        (
            PERSON,
            tables(vec![table("artist", "person"), table("artist", "person")]),
            "tables[1].from",
            "is renamed twice",
        ),
        (PERSON, tables(vec![table("artist", "person"), table("other", "person")]), "tables[1].to", "two are renamed"),
        (ARTIST, columns(vec![column("nothing", "born")]), "columns[0].from", "the source has no column \"nothing\""),
        (ARTIST, columns(vec![column("id", "born")]), "columns[0].to", "it keeps its name"),
        (PERSON, columns(vec![column("born", "year")]), "columns[0].table", "the target has no table \"artist\""),
    ] {
        let request = v1::DiffSchemasRequest {
            renames: Some(renames),
            ..request(yaml(ARTIST), yaml(target), v1::Engine::Postgresql)
        };
        let status = ask(&client, request).await.unwrap_err();
        assert_refused(&status, Code::InvalidArgument, "INVALID_FIELD");
        assert_field(&status, &format!("renames.{field}"), words);
    }
}

#[tokio::test]
async fn a_side_at_fault_is_named() {
    let server = TestServer::start_on(&SqliteFolder::new()).await;
    let client = server.client();
    let status = ask(&client, request(yaml(ARTIST), yaml(PERSON), v1::Engine::Unspecified)).await.unwrap_err();
    assert_refused(&status, Code::InvalidArgument, "INVALID_FIELD");
    assert_field(&status, "engine", "neither the source nor the target is of an engine");

    let text = "CREATE TABLE a (id int);\nCREATE TABEL b (id int);".to_owned();
    let sql = Source::Sql(v1::SqlSource { engine: v1::Engine::Postgresql.into(), text });
    let status = ask(&client, request(yaml(ARTIST), sql, v1::Engine::Unspecified)).await.unwrap_err();
    assert_refused(&status, Code::InvalidArgument, "INVALID_FIELD");
    assert_field(&status, "target.sql.text", "line 2, column 8");

    let status = ask(&client, request(connection("nobody"), yaml(ARTIST), v1::Engine::Unspecified)).await.unwrap_err();
    assert_refused(&status, Code::NotFound, "CONNECTION_NOT_FOUND");

    let request = v1::DiffSchemasRequest { source: side(yaml(ARTIST)), ..Default::default() };
    let status = ask(&client, request).await.unwrap_err();
    assert_field(&status, "target", "is required");
}

/// Across engines, what only one of them has is named on the side that has it.
#[tokio::test]
async fn what_the_engine_cannot_express_is_named() {
    let server = TestServer::start_on(&SqliteFolder::new()).await;
    let client = server.client();
    let native = "tables: [{name: artist, columns: [{name: id, type: int64}, {name: born, type: 'mysql:year'}]}]";
    for (source, target, side) in [(ARTIST, native, "target.yaml"), (native, ARTIST, "source.yaml")] {
        let status = ask(&client, request(yaml(source), yaml(target), v1::Engine::Postgresql)).await.unwrap_err();
        assert_refused(&status, Code::FailedPrecondition, "DEFINITION_UNSUPPORTED");
        assert_says(&status, "column artist.born has the type year, which only mysql has");
        assert!(format!("{status:?}").contains(side), "{status:?}");
        // The column stays as the source has it, or stays away.
        let request = v1::DiffSchemasRequest {
            leave_out_unsupported: true,
            ..request(yaml(source), yaml(target), v1::Engine::Postgresql)
        };
        let found = ask(&client, request).await.unwrap();
        assert_no_script(&found);
        assert_eq!(unwritten(&found), ["alter column artist.born: unsupported"]);
        assert!(found.unwritten[0].reason.contains("has the type year, which only mysql has"), "{:?}", found.unwritten);
    }
}
