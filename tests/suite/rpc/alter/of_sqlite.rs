//! Files of SQLite: tables that are changed in place, and tables that are made anew.

use dbkeeper::grpc::proto::v1;

use super::{Rows as _, change, connection, diff, hints, make, revert, statements, yaml};
use crate::{
    harness::{server::TestServer, sqlite::SqliteFolder},
    rpc::support::{apply, ended, file, migration_set, register, settings, succeeded},
};

/// The new table takes the place of the old one by a migration that the runner applies: rows of other tables stay, though they are
/// deleted with theirs, and so do views, triggers of other tables and the numbers of rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_made_anew_takes_nothing_with_it() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let database = folder.create_database();
    let sql = "CREATE TABLE artist (id INTEGER PRIMARY KEY, name TEXT, born TEXT);
               CREATE TABLE album (id INTEGER PRIMARY KEY, artist_id INTEGER NOT NULL REFERENCES artist(id) ON DELETE CASCADE,
                                   self_id INTEGER REFERENCES album (id) ON DELETE CASCADE);
               CREATE TABLE log (line TEXT);
               CREATE TABLE loose (line TEXT);
               CREATE TRIGGER noted AFTER INSERT ON log BEGIN UPDATE artist SET name = NEW.line WHERE id = 3; END;
               CREATE VIEW names AS SELECT name /* as it is */ FROM artist;
               INSERT INTO artist (id, name) VALUES (3, 'a'), (70, 'b');
               INSERT INTO album VALUES (1, 3, NULL), (2, 70, 1);
               INSERT INTO loose (rowid, line) VALUES (5, 'x'), (9, 'y');";
    folder.run(&database, sql).await;
    register(&client, "is", settings(&folder.target(&database))).await;
    let to = "
tables:
  - name: artist
    columns:
      - {name: id, type: int64, identity: by_default}
      - {name: full_name, type: text, nullable: true}
    primary_key: {columns: [id]}
    checks: [{name: ck_artist, expression: id > 0}]
  - name: album
    columns:
      - {name: id, type: int64, identity: by_default}
      - {name: self_id, type: int64, nullable: true}
      - {name: artist_id, type: int64}
    primary_key: {columns: [id]}
    foreign_keys:
      - {columns: [artist_id], referenced_table: artist, referenced_columns: [id], on_delete: cascade}
      - {columns: [self_id], referenced_table: album, referenced_columns: [id], on_delete: cascade}
  - name: log
    columns: [{name: line, type: text, nullable: true}]
  - name: loose
    columns: [{name: line, type: text, default: {literal: z}, nullable: true}]
views:
  - {name: names, query: SELECT full_name /* as it is */ FROM artist}
";
    let renames = hints(&[], &[("artist", "name", "full_name")]);
    let answer = diff(&client, connection("is"), yaml(to), renames.clone()).await;
    assert!(answer.up[0].statements[0].starts_with("PRAGMA foreign_keys = OFF"), "{:#?}", answer.up);
    let unmapped: Vec<&str> = answer.source_unmapped.iter().map(|found| found.object.as_str()).collect();
    assert_eq!(unmapped, ["trigger log.noted"], "{:#?}", answer.source_unmapped);
    let set = migration_set(&client, "set", vec![file("1_anew.up.sql", &answer.up[0].content)]).await;
    let operation = client.migrations().apply_migrations(apply(&set, "connections/is")).await.unwrap().into_inner();
    succeeded(&client, operation).await;

    let all = "SELECT group_concat(id || ':' || full_name, ' ') FROM artist";
    assert_eq!(folder.rows(&database, all).await, ["3:a 70:b"]);
    let all = "SELECT group_concat(id || ':' || artist_id || ':' || ifnull(self_id, '-'), ' ') FROM album";
    assert_eq!(folder.rows(&database, all).await, ["1:3:- 2:70:1"]);
    assert_eq!(folder.rows(&database, "SELECT group_concat(rowid || line, ' ') FROM loose").await, ["5x 9y"]);
    assert_eq!(folder.rows(&database, "SELECT count(*) FROM pragma_foreign_key_check").await, ["0"]);
    // The other table points to the one that there is now.
    folder.run(&database, "PRAGMA foreign_keys = ON; DELETE FROM artist WHERE id = 70").await;
    assert_eq!(folder.rows(&database, "SELECT count(*) FROM album").await, ["1"]);
    folder.run(&database, "INSERT INTO log VALUES ('by the trigger')").await;
    assert_eq!(folder.rows(&database, "SELECT full_name FROM names").await, ["by the trigger"]);
    let strange = "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%\\_new%' ESCAPE '\\'";
    assert_eq!(folder.rows(&database, strange).await, ["0"]);
    let answer = diff(&client, connection("is"), yaml(to), v1::RenameHints::default()).await;
    let views_only = answer.changes.iter().all(|change| change.kind() == v1::ChangedKind::View);
    assert!(views_only, "{:#?}", answer.changes);
}

/// A trigger of somebody else would go with the old table, and has no place in a definition to come back from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_that_would_be_lost_is_refused() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let database = folder.create_database();
    let sql = "CREATE TABLE \"it's\" (a INTEGER);
               CREATE TRIGGER mine AFTER INSERT ON \"it's\" BEGIN SELECT 1; END;
               INSERT INTO \"it's\" VALUES (1);";
    folder.run(&database, sql).await;
    register(&client, "is", settings(&folder.target(&database))).await;
    let to = "tables: [{name: it's, columns: [{name: a, type: int64}]}]";
    let answer = diff(&client, connection("is"), yaml(to), v1::RenameHints::default()).await;
    let [unmapped] = answer.source_unmapped.as_slice() else { panic!("{answer:#?}") };
    assert_eq!(unmapped.object, "trigger it's.mine");
    let set = migration_set(&client, "set", vec![file("1_anew.up.sql", &answer.up[0].content)]).await;
    let operation = client.migrations().apply_migrations(apply(&set, "connections/is")).await.unwrap().into_inner();
    let error = ended(&client, operation).await.error.expect("the trigger is in the way");
    assert!(error.message.contains("trigger"), "{error:?}");
    assert_eq!(folder.rows(&database, "SELECT name FROM sqlite_schema WHERE type = 'trigger'").await, ["mine"]);

    folder.run(&database, "DROP TRIGGER mine").await;
    let again = v1::ApplyMigrationsRequest { ..apply(&set, "connections/is") };
    let operation = client.migrations().apply_migrations(again).await.unwrap().into_inner();
    succeeded(&client, operation).await;
}

const IN_PLACE_BEFORE: &str = "
tables:
  - name: item
    columns:
      - {name: id, type: int64, identity: by_default}
      - {name: title, type: text}
      - {name: gone, type: int64, nullable: true}
      - {name: seen, type: timestamp, nullable: true, touched_on_update: true}
    primary_key: {columns: [id]}
    checks: [{name: ck_item_title, expression: title <> ''}]
    indexes: [{name: idx_item_gone, columns: [{column: gone}]}, {name: idx_item_title, columns: [{column: title}]}]
";
const IN_PLACE_AFTER: &str = "
tables:
  - name: thing
    columns:
      - {name: id, type: int64, identity: by_default}
      - {name: name, type: text}
      - {name: looked_at, type: timestamp, nullable: true, touched_on_update: true}
      - {name: note, type: text, nullable: true}
      - {name: amount, type: int64, default: {literal: '4'}}
      - {name: twice, type: int64, nullable: true, generated: {expression: amount * 2}}
    primary_key: {columns: [id]}
    checks: [{name: ck_item_title, expression: name <> ''}]
    indexes: [{name: idx_item_title, columns: [{column: name}]}, {name: idx_thing_amount, columns: [{column: amount}]}]
";

/// What SQLite can change in place is not copied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_changed_in_place_where_it_can_be() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let rows = "INSERT INTO item (id, title) VALUES (4, 'a')";
    let renames = hints(&[("item", "thing")], &[("item", "title", "name"), ("item", "seen", "looked_at")]);
    let changed = change(&server, &folder, [IN_PLACE_BEFORE, IN_PLACE_AFTER], rows, renames).await;
    let up: Vec<&str> = changed.up().into_iter().map(|sql| sql.lines().next().unwrap()).collect();
    assert_eq!(
        up,
        [
            "DROP TRIGGER trg_item_seen;",
            "DROP INDEX idx_item_gone;",
            "ALTER TABLE item RENAME TO thing;",
            "ALTER TABLE thing RENAME COLUMN title TO name;",
            "ALTER TABLE thing RENAME COLUMN seen TO looked_at;",
            "ALTER TABLE thing ADD COLUMN note TEXT;",
            "ALTER TABLE thing ADD COLUMN amount INTEGER NOT NULL DEFAULT 4;",
            "ALTER TABLE thing ADD COLUMN twice INTEGER GENERATED ALWAYS AS (amount * 2) VIRTUAL;",
            "ALTER TABLE thing DROP COLUMN gone;",
            "CREATE INDEX idx_thing_amount ON thing (amount);",
            "CREATE TRIGGER trg_thing_looked_at AFTER UPDATE ON thing",
        ]
    );
    folder.run(&changed.database, "UPDATE thing SET name = 'b' WHERE id = 4").await;
    let found = "SELECT count(*) FROM thing WHERE name = 'b' AND twice = 8 AND looked_at LIKE '20%'";
    assert_eq!(folder.rows(&changed.database, found).await, ["1"]);
    assert!(changed.answer.changes.iter().all(|change| change.lock() == v1::ChangeLock::Writes));
    revert(&server, &folder, &changed).await;
    assert_eq!(folder.rows(&changed.database, "SELECT title FROM item WHERE id = 4").await, ["b"]);
}

/// What ADD COLUMN and DROP COLUMN refuse is made anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sqlite_refuses_in_place_is_made_anew() {
    let folder = SqliteFolder::new();
    let server = TestServer::start_on(&folder).await;
    let client = server.client();
    let table = |columns: &str, rest: &str| {
        format!("tables: [{{name: t, columns: [{{name: a, type: int64, nullable: true}}, {columns}], {rest}}}]")
    };
    let plain = "{name: b, type: int64, nullable: true}";
    for (place, (before, after)) in [
        (table(plain, ""), table(&format!("{{name: c, type: text, nullable: true}}, {plain}"), "")),
        (table(plain, ""), table(&format!("{plain}, {{name: c, type: timestamp, default: current_timestamp}}"), "")),
        (table(plain, ""), table(&format!("{plain}, {{name: c, type: uuid, default: new_uuid}}"), "")),
        (
            table(plain, ""),
            table(
                &format!(
                    "{plain}, {{name: c, type: int64, nullable: true, generated: {{expression: a + 1, stored: true}}}}"
                ),
                "",
            ),
        ),
        (
            table(&format!("{plain}, {{name: c, type: int64, nullable: true, generated: {{expression: b + 1}}}}"), ""),
            table("{name: c, type: int64, nullable: true, generated: {expression: a + 1}}", ""),
        ),
        (table(plain, ""), table("{name: b, type: bytes, nullable: true}", "")),
        (table("{name: b, type: bytes, nullable: true}", ""), table("{name: b, type: text, nullable: true}", "")),
        (table(plain, ""), table(plain, "unique_constraints: [{name: u, columns: [b]}]")),
        (table(plain, ""), table("{name: b, type: int64, nullable: true, collation: NOCASE}", "")),
        (table(plain, ""), table("{name: b, type: 'sqlite:DATETIME', nullable: true}", "")),
    ]
    .into_iter()
    .enumerate()
    {
        let (is, to_be) = (format!("is-{place}"), format!("to-be-{place}"));
        let database = make(&client, &folder, &is, &before).await;
        make(&client, &folder, &to_be, &after).await;
        folder.run(&database, "INSERT INTO t (a) VALUES (1), (2)").await;
        let answer = diff(&client, connection(&is), connection(&to_be), v1::RenameHints::default()).await;
        let up = statements(&answer.up);
        assert!(up.iter().any(|sql| sql.starts_with("INSERT INTO")), "{after}: {up:#?}");
        crate::conformance::Fixture::run_each(&folder, &database, &up).await;
        let rest = diff(&client, connection(&is), connection(&to_be), v1::RenameHints::default()).await;
        assert_eq!(rest.changes, [], "{after}");
        assert_eq!(folder.rows(&database, "SELECT count(*) FROM t WHERE a IN (1, 2)").await, ["2"], "{after}");
    }
}
