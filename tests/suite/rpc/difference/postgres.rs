//! What is told of each kind of change on PostgreSQL, which locks by its manual.

use dbkeeper::grpc::proto::v1;

use super::{all_told, ask, connection, difference, make, side, yaml};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::server::TestServer,
};

const SHOP: &str = "
types:
  - {name: mood, shape: {enum: [bad, good]}}
  - {name: score, shape: {domain: {base: int32}}}
tables:
  - name: artist
    columns:
      - {name: id, type: int64, identity: by_default}
      - {name: name, type: text(40), nullable: true}
      - {name: born, type: int32, nullable: true}
      - {name: mood, type: 'declared:mood', nullable: true}
      - {name: score, type: 'declared:score', nullable: true}
      - {name: price, type: 'decimal(10,4)', nullable: true}
    primary_key: {columns: [id]}
    checks: [{name: ck_born, expression: born > 0}]
    indexes: [{columns: [{column: name}]}]
  - name: album
    columns:
      - {name: id, type: int64}
      - {name: artist_id, type: int64, nullable: true}
    primary_key: {columns: [id]}
    foreign_keys: [{columns: [artist_id], referenced_table: artist}]
views:
  - {name: names, query: 'SELECT name FROM artist'}
";

/// The shop with a piece of its text in the place of another, and what that change is told as.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_change_is_told() {
    let server = TestServer::start().await;
    let client = server.client();
    make(&client, &PostgresFixture::new(), "shop", SHOP).await;
    for (piece, other, lines) in [
        ("enum: [bad, good]", "enum: [bad, fair, good]", &["alter type mood: none"][..]),
        (
            "enum: [bad, good]",
            "enum: [good]",
            &["alter type mood: all, every row; fails where a row holds a label that goes from the type mood: \"bad\""],
        ),
        (
            "domain: {base: int32}",
            "domain: {base: int32, checks: [{name: low, expression: VALUE > 0}]}",
            &[
                "alter type score: writes, every row; fails where a value does not meet the conditions of the domain score",
            ],
        ),
        (
            "{name: born, type: int32, nullable: true}",
            "{name: born, type: int64, nullable: true}",
            &["alter column artist.born (type): all, every row"],
        ),
        (
            "{name: born, type: int32, nullable: true}",
            "{name: born, type: int16, nullable: true}",
            &[
                "alter column artist.born (type): all, every row; fails where a value of artist.born has no room or no form in int16",
            ],
        ),
        (
            "{name: born, type: int32, nullable: true}",
            "{name: born, type: int32}",
            &[
                "alter column artist.born (nullable): none, every row; fails where a row has NULL in artist.born; give it a value first",
            ],
        ),
        (
            "{name: born, type: int32, nullable: true}",
            "{name: born, type: int32, nullable: true, default: {literal: '1900'}}",
            &["alter column artist.born (default): all"],
        ),
        (
            "{name: born, type: int32, nullable: true}",
            "{name: born, type: int32, nullable: true, comment: year}",
            &["alter column artist.born (comment): none"],
        ),
        ("type: text(40), nullable: true", "type: text(80), nullable: true", &["alter column artist.name (type): all"]),
        (
            "type: text(40), nullable: true",
            "type: text(20), nullable: true",
            &[
                "alter column artist.name (type): all, every row; fails where a value of artist.name has no room or no form in text(20)",
            ],
        ),
        (
            "'decimal(10,4)'",
            "'decimal(10,2)'",
            &[
                "alter column artist.price (type): all, every row; values of the column artist.price lose digits behind the point",
            ],
        ),
        (
            "      - {name: price, type: 'decimal(10,4)', nullable: true}\n",
            "",
            &["drop column artist.price: all; the values of the column artist.price are lost"],
        ),
        (
            "      - {name: artist_id, type: int64, nullable: true}\n",
            "      - {name: artist_id, type: int64, nullable: true}\n      - {name: year, type: int32}\n",
            &[
                "add column album.year: all; fails where the table has rows, because album.year takes no NULL and has no default",
            ],
        ),
        (
            "      - {name: artist_id, type: int64, nullable: true}\n",
            "      - {name: artist_id, type: int64, nullable: true}\n      - {name: token, type: uuid, default: new_uuid}\n",
            &["add column album.token: all, every row"],
        ),
        (
            "    checks: [{name: ck_born, expression: born > 0}]\n",
            "    checks: [{name: ck_born, expression: born > 1}]\n",
            &[
                "add check artist.ck_born: none, every row; fails where a row does not meet born > 1",
                "drop check artist.ck_born: all",
            ],
        ),
        ("    indexes: [{columns: [{column: name}]}]\n", "", &["drop index artist.idx_artist_name: none"]),
        (
            "indexes: [{columns: [{column: name}]}]",
            "indexes: [{columns: [{column: name}]}, {columns: [{column: born}], unique: true}]",
            &["add index artist.idx_artist_born: none, every row; fails where two rows have the same born"],
        ),
        (
            "    foreign_keys: [{columns: [artist_id], referenced_table: artist}]\n",
            "    unique_constraints: [{columns: [artist_id]}]\n",
            &[
                "add unique constraint album.uq_album_artist_id: none, every row; fails where two rows have the same artist_id",
                "drop foreign key album.fk_album_artist: all",
            ],
        ),
        (
            "referenced_table: artist}]",
            "referenced_table: artist, on_delete: cascade}]",
            &[
                "add foreign key album.fk_album_artist: none, every row; fails where a row points to none of artist",
                "drop foreign key album.fk_album_artist: all",
            ],
        ),
        ("  - {name: names, query: 'SELECT name FROM artist'}\n", "  []\n", &["drop view names: all"]),
        ("  - name: artist\n", "  - name: artist\n    comment: who plays\n", &["alter table artist: none"]),
        ("views:\n", "  - {name: track, columns: [{name: id, type: int64}]}\nviews:\n", &["add table track: none"]),
    ] {
        assert!(SHOP.contains(piece), "{piece}");
        // A view is compared in the words of its server, which the text of an author is not in.
        let target = SHOP.replace(piece, other);
        let mut found = difference(&client, connection("shop"), yaml(&target)).await;
        found.changes.retain(|change| change.name != "names" || piece.contains("name: names"));
        assert_eq!(all_told(&found), lines, "{other}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_goes_is_told_with_its_size() {
    let server = TestServer::start().await;
    let client = server.client();
    let fixture = PostgresFixture::new();
    let database = make(&client, &fixture, "shop", SHOP).await;
    fixture
        .run(&database, "INSERT INTO artist (name) SELECT 'x' FROM generate_series(1, 500); VACUUM ANALYZE artist;")
        .await;
    let empty = v1::SchemaDefinition::default();
    let found = difference(&client, connection("shop"), v1::schema_source::Source::Definition(empty)).await;
    let artist = found.changes.iter().find(|change| change.table == "artist").unwrap();
    assert_eq!(artist.data_loss, "all rows of the table artist are lost");
    let size = artist.table_size.unwrap();
    assert_eq!(size.row_estimate, 500);
    assert!(size.size_bytes > 8 * 1024, "{size:?}");
    // What is only to be has no size.
    let back = difference(&client, yaml(""), connection("shop")).await;
    assert!(back.changes.iter().all(|change| change.table_size.is_none()));
}

/// With a hint it is a rename that keeps everything, without one a warning says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rename_is_a_decision() {
    let server = TestServer::start().await;
    let client = server.client();
    let fixture = PostgresFixture::new();
    let database = make(&client, &fixture, "shop", SHOP).await;
    fixture.run(&database, "INSERT INTO artist (name, born) VALUES ('AC/DC', 1973)").await;
    let target = SHOP
        .replace("name: born", "name: year")
        .replace("born > 0", "year > 0")
        .replace("name: album", "name: record")
        .replace("\n  - {name: names, query: 'SELECT name FROM artist'}", " []");
    let found = difference(&client, connection("shop"), yaml(&target)).await;
    let warnings: Vec<(&str, &str, &str)> = found
        .warnings
        .iter()
        .map(|warning| (warning.table.as_str(), warning.from.as_str(), warning.to.as_str()))
        .collect();
    assert_eq!(warnings, [("", "album", "record"), ("artist", "born", "year")]);
    assert!(found.warnings[1].message.contains("renames.columns"), "{}", found.warnings[1].message);
    assert!(found.changes.iter().any(|change| change.data_loss == "the values of the column artist.born are lost"));

    let object =
        |from: &str, to: &str| v1::RenamedObject { schema: String::new(), from: from.to_owned(), to: to.to_owned() };
    let renames = v1::RenameHints {
        tables: vec![object("album", "record")],
        columns: vec![v1::RenamedColumn {
            schema: String::new(),
            table: "artist".to_owned(),
            from: "born".to_owned(),
            to: "year".to_owned(),
        }],
        types: Vec::new(),
    };
    let request = v1::DiffSchemasRequest {
        source: side(connection("shop")),
        target: side(yaml(&target)),
        renames: Some(renames),
        ..Default::default()
    };
    let found = ask(&client, request).await.unwrap();
    assert_eq!(found.warnings, []);
    assert_eq!(
        all_told(&found),
        [
            "add foreign key record.fk_record_artist: none, every row; fails where a row points to none of artist",
            "drop foreign key record.fk_album_artist: all",
            "drop view names: all",
            "rename column artist.year: all",
            "rename table record: all",
        ]
    );
    for script in &found.up {
        let statements: Vec<&str> = script.statements.iter().map(String::as_str).collect();
        fixture.run_each(&database, &statements).await;
    }
    assert_eq!(difference(&client, connection("shop"), yaml(&target)).await.changes, []);
    assert_eq!(
        crate::harness::postgres::PostgresServer::shared().psql(&database, "SELECT name, year FROM artist"),
        "AC/DC|1973"
    );
}
