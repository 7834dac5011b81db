//! What discovery tells of SQLite's own kinds, of names that are hard to quote, and of what cannot be read.

use std::{sync::Arc, time::Duration};

use dbkeeper::{
    engine::Database,
    model::{
        Reason,
        name::{Identifier, QualifiedName},
        schema::{
            ColumnDetails, Dependence, Dependent, DependentKind, FullTextTable, Generation, Index, IndexTerm,
            MatchType, ObjectFilter, ObjectPage, ReferentialAction, SampleQuery, SampleValue, ShadowTable, SqliteTable,
            Table, TableDetails, TableFilter, TableKind, TableLookup, TablePage, TriggerEvent, TriggerTiming,
        },
    },
};
use sqlx::Connection as _;
use tokio::sync::mpsc;

use crate::harness::sqlite::SqliteFolder;

/// A database with a script in it.
async fn database(folder: &SqliteFolder, sql: &str) -> (String, Arc<dyn Database>) {
    let name = folder.create_database();
    folder.run(&name, sql).await;
    let database = folder.engine().open(folder.target(&name)).await.unwrap();
    (name, database)
}

async fn every_kind(folder: &SqliteFolder) -> Arc<dyn Database> {
    database(folder, include_str!("discovery.sql")).await.1
}

fn name(table: &str) -> QualifiedName {
    QualifiedName { schema: None, name: Identifier::parse(table, "table").unwrap() }
}

async fn look_up(database: &Arc<dyn Database>, table: &str) -> TableLookup {
    database.inspect().unwrap().table(&name(table)).await.unwrap().unwrap()
}

async fn table(database: &Arc<dyn Database>, name: &str) -> Table {
    let found = look_up(database, name).await;
    assert_eq!(found.skipped, []);
    found.table
}

fn details(table: &Table) -> &SqliteTable {
    match &table.details {
        Some(TableDetails::Sqlite(details)) => details,
        other => panic!("{other:?}"),
    }
}

/// The columns that are the rowid.
fn rowids(table: &Table) -> Vec<&str> {
    let is_rowid = |column: &&dbkeeper::model::schema::Column| matches!(&column.details, Some(ColumnDetails::Sqlite(details)) if details.rowid);
    table.columns.iter().filter(is_rowid).map(|column| column.name.as_str()).collect()
}

fn index<'a>(table: &'a Table, name: &str) -> &'a Index {
    table.indexes.iter().find(|index| index.name == name).unwrap()
}

fn dependent(kind: DependentKind, name: &str, dependence: Dependence) -> Dependent {
    Dependent {
        kind,
        schema: "main".to_owned(),
        name: name.to_owned(),
        dependence,
        through: String::new(),
        columns: Vec::new(),
    }
}

#[tokio::test]
async fn constraints_are_told_with_what_their_text_alone_says() {
    let folder = SqliteFolder::new();
    let database = every_kind(&folder).await;
    let people = table(&database, "people").await;
    let unique: Vec<_> =
        people.unique_constraints.iter().map(|key| (key.name.as_str(), key.on_conflict.as_str())).collect();
    assert_eq!(unique, [("people_email", "IGNORE"), ("people_once", "REPLACE")]);
    for key in &people.unique_constraints {
        let index = index(&people, &key.index);
        assert_eq!((&index.constraint, index.unique, index.primary), (&key.name, true, false));
    }
    let checks: Vec<_> = people.checks.iter().map(|check| (check.name.as_str(), check.column.as_str())).collect();
    assert_eq!(checks, [("people_born", ""), ("people_name", "name")]);

    let pairs = table(&database, "pairs").await;
    let key = pairs.primary_key.as_ref().unwrap();
    assert_eq!((key.name.as_str(), key.on_conflict.as_str()), ("pairs_key", "FAIL"));
    assert_eq!(key.columns, ["b", "a"]);
    let index = index(&pairs, &key.index);
    assert!(index.primary && index.constraint == "pairs_key", "{index:?}");
    assert_eq!((index.parts[0].descending, index.parts[0].collation.as_str()), (true, "NOCASE"));
    assert!(details(&pairs).strict && details(&pairs).without_rowid);

    let friends = table(&database, "friends").await;
    let keys: Vec<_> = friends
        .foreign_keys
        .iter()
        .map(|key| (key.name.as_str(), key.referenced_columns.join(" "), key.match_type, key.initially_deferred))
        .collect();
    assert_eq!(
        keys,
        [
            ("friends_pair", "b a".to_owned(), MatchType::Partial, true),
            ("friends_person", "id".to_owned(), MatchType::Full, false),
            ("nobody", String::new(), MatchType::Simple, false),
        ]
    );
    let person = &friends.foreign_keys[1];
    assert_eq!((person.on_delete, person.on_update), (ReferentialAction::Cascade, ReferentialAction::SetDefault));
}

#[tokio::test]
async fn columns_tell_where_their_values_come_from() {
    let folder = SqliteFolder::new();
    let database = every_kind(&folder).await;
    let people = table(&database, "people").await;
    let generated: Vec<_> = people.columns.iter().map(|column| column.generation).collect();
    let none = Generation::None;
    assert_eq!(generated, [Generation::AutoIncrement, none, none, none, Generation::Virtual, Generation::Stored]);
    assert_eq!(people.columns[5].generation_expression, "name || ' ' || born");
    // Two rows were written and one of them deleted: the number of neither is given out again.
    assert_eq!(people.columns[0].sequence.as_ref().unwrap().last_value.as_deref(), Some("2"));
    assert_eq!(rowids(&people), ["id"]);

    let late = table(&database, "counted_late").await;
    assert_eq!(late.columns[1].generation, Generation::AutoIncrement);
    assert_eq!(late.columns[1].sequence.as_ref().unwrap().last_value, None);
    assert_eq!(late.primary_key.as_ref().unwrap().name, "counted");
    assert!(details(&late).autoincrement);

    let no_alias = table(&database, "no_alias").await;
    assert_eq!(rowids(&no_alias), Vec::<&str>::new());
    assert!(no_alias.columns[0].nullable, "SQLite takes NULL there");
    assert!(index(&no_alias, &no_alias.primary_key.as_ref().unwrap().index).parts[0].descending);
}

#[tokio::test]
async fn parts_of_an_index_tell_a_collation_that_is_not_the_columns() {
    let folder = SqliteFolder::new();
    let database = every_kind(&folder).await;
    let people = table(&database, "people").await;
    let partial = index(&people, "people_partial");
    let column = |name: &str| IndexTerm::Column(name.to_owned());
    let parts: Vec<_> =
        partial.parts.iter().map(|part| (part.term.clone(), part.descending, part.collation.as_str())).collect();
    assert_eq!(
        parts,
        [
            (column("born"), true, ""),
            (column("name"), false, "BINARY"),
            (column("name"), false, ""),
            (IndexTerm::Expression("lower(email) COLLATE NOCASE".to_owned()), false, "NOCASE"),
        ]
    );
    assert_eq!(partial.predicate, "born IS NOT NULL");
}

#[tokio::test]
async fn triggers_and_virtual_tables_are_told_in_parts() {
    let folder = SqliteFolder::new();
    let database = every_kind(&folder).await;
    let adults = table(&database, "adults").await;
    let trigger = &adults.triggers[0];
    assert_eq!((trigger.timing, trigger.events.as_slice()), (TriggerTiming::InsteadOf, &[TriggerEvent::Insert][..]));
    assert_eq!(trigger.condition, "new.name <> 'BEGIN'");
    let friends = table(&database, "friends").await;
    assert_eq!(friends.triggers[0].columns, ["a", "b"]);

    let notes = table(&database, "notes").await;
    assert_eq!(notes.kind, TableKind::VirtualTable);
    let module = details(&notes).module.as_ref().unwrap();
    assert_eq!((module.name.as_str(), module.arguments.len()), ("fts5", 4));
    let kinds = |table: &Table| -> Vec<String> {
        let shadows = details(table).shadow_tables.iter();
        shadows.map(|ShadowTable { name, kind }| format!("{name} {kind}")).collect()
    };
    assert_eq!(kinds(&notes), ["notes_config config", "notes_data data", "notes_docsize docsize", "notes_idx idx"]);
    let more = table(&database, "notes_more").await;
    assert!(kinds(&more).contains(&"notes_more_segdir segdir".to_owned()), "{:?}", kinds(&more));
    let areas = table(&database, "areas").await;
    assert_eq!(kinds(&areas), ["areas_node node", "areas_parent parent", "areas_rowid rowid"]);
}

#[tokio::test]
async fn what_depends_on_a_table_is_found() {
    let folder = SqliteFolder::new();
    let database = every_kind(&folder).await;
    let reads = Dependence::Reads;
    let key = Dependent {
        through: "friends_person".to_owned(),
        columns: vec!["id".to_owned()],
        ..dependent(DependentKind::Table, "friends", Dependence::References)
    };
    assert_eq!(
        look_up(&database, "people").await.dependents,
        [
            key,
            dependent(DependentKind::Table, "notes", reads),
            dependent(DependentKind::View, "adults", reads),
            dependent(DependentKind::Trigger, "adults_insert", reads),
            dependent(DependentKind::Trigger, "friends_made", reads),
        ]
    );
    assert_eq!(look_up(&database, "ADULTS").await.dependents, [dependent(DependentKind::View, "counts", reads)]);
    assert_eq!(look_up(&database, "notes").await.dependents, [dependent(DependentKind::Table, "words", reads)]);
    let condition = dependent(DependentKind::Trigger, "pairs_seen", reads);
    assert_eq!(look_up(&database, "no_alias").await.dependents, [condition]);
    assert_eq!(look_up(&database, "counts").await.dependents, []);
}

#[tokio::test]
async fn what_can_be_searched_is_counted() {
    let folder = SqliteFolder::new();
    let database = every_kind(&folder).await;
    let info = database.inspect().unwrap().database().await.unwrap();
    assert_eq!((info.searchable_table_count, info.searchable_column_count), (5, 7));
    let full_text = |table: &str, index: &str, column: &str| FullTextTable {
        schema: "main".to_owned(),
        table: table.to_owned(),
        index: index.to_owned(),
        columns: vec![column.to_owned()],
    };
    assert_eq!(info.full_text_tables, [full_text("notes", "fts5", "name"), full_text("notes_more", "fts4", "title")]);
    assert_eq!((info.full_text_table_count, info.skipped.as_slice()), (2, &[][..]));
}

#[tokio::test]
async fn names_that_are_hard_to_quote_are_read_and_found_again() {
    const NAMES: [&str; 12] = [
        "with space",
        "do.t",
        "quo\"te",
        "apo'strophe",
        "back`tick",
        "brack]et",
        "[open",
        "🦆 名前",
        "select",
        "table",
        "a\"'`]b",
        "100%_\\",
    ];
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut sql = String::new();
    for (place, name) in NAMES.iter().enumerate() {
        let (own, before) = (quoted(name), quoted(NAMES[place.saturating_sub(1)]));
        let view = quoted(&format!("view {name}"));
        sql += &format!(
            "CREATE TABLE {own} ({own} TEXT PRIMARY KEY, other TEXT CONSTRAINT {own} REFERENCES {before} ({before}));
             CREATE INDEX {} ON {own} (other, lower({own})) WHERE {own} <> ')';
             CREATE VIEW {view} AS SELECT {own} FROM {own};
             INSERT INTO {own} VALUES ('found', NULL);",
            quoted(&format!("index {name}")),
        );
    }
    let folder = SqliteFolder::new();
    let (_, database) = database(&folder, &sql).await;
    for (place, odd) in NAMES.iter().enumerate() {
        let found = look_up(&database, odd).await;
        let own = &found.table;
        assert_eq!((own.name.as_str(), own.columns[0].name.as_str()), (*odd, *odd));
        let key = &own.foreign_keys[0];
        assert_eq!((key.name.as_str(), key.referenced_table.as_str()), (*odd, NAMES[place.saturating_sub(1)]));
        let predicate = format!("{} <> ')'", quoted(odd));
        assert_eq!(index(own, &format!("index {odd}")).predicate, predicate);
        let mut expected = vec![dependent(DependentKind::View, &format!("view {odd}"), Dependence::Reads)];
        if let Some(next) = NAMES.get(place + 1) {
            let reference = dependent(DependentKind::Table, next, Dependence::References);
            let columns = vec![(*odd).to_owned()];
            expected.insert(0, Dependent { through: (*next).to_owned(), columns, ..reference });
        }
        assert_eq!(found.dependents, expected, "{odd}");
        let query = SampleQuery { table: name(odd), columns: vec![], limit: 1, value_length: 10 };
        let sample = database.require_sample_rows().unwrap().sample(&query).await.unwrap().unwrap();
        let SampleValue::Text(text) = &sample.rows[0][0] else { panic!("{sample:?}") };
        assert_eq!(text.text, "found");
    }
}

#[tokio::test]
async fn a_table_of_2000_columns_is_whole() {
    let columns: Vec<String> = (0..1999).map(|column| format!("c{column} TEXT COLLATE NOCASE")).collect();
    let sql =
        format!("CREATE TABLE wide ({}, last AS (c0 || 1)); INSERT INTO wide (c1998) VALUES ('x')", columns.join(", "));
    let folder = SqliteFolder::new();
    let (_, database) = database(&folder, &sql).await;
    let wide = table(&database, "wide").await;
    assert_eq!(wide.columns.len(), 2000);
    assert!(wide.columns[..1999].iter().all(|column| column.collation == "NOCASE"));
    assert_eq!((wide.columns[1999].position, wide.columns[1999].generation), (2000, Generation::Virtual));
    let query = SampleQuery { table: name("wide"), columns: vec![], limit: 1, value_length: 10 };
    let sample = database.require_sample_rows().unwrap().sample(&query).await.unwrap().unwrap();
    assert!(matches!(&sample.rows[0][1998], SampleValue::Text(text) if text.text == "x"));
}

#[tokio::test]
async fn a_foreign_key_to_a_broken_view_fails_nothing() {
    let folder = SqliteFolder::new();
    let (_, database) = database(
        &folder,
        "CREATE TABLE gone (x); CREATE VIEW broken AS SELECT x FROM gone; DROP TABLE gone;
         CREATE TABLE child (a REFERENCES broken, b REFERENCES child (c), c PRIMARY KEY)",
    )
    .await;
    let (sender, mut receiver) = mpsc::channel(10);
    let skipped = database.inspect().unwrap().stream_tables(&TableFilter::default(), sender).await.unwrap();
    let mut streamed = Vec::new();
    while let Some(table) = receiver.recv().await {
        streamed.push(table.name);
    }
    assert_eq!((streamed, skipped.len()), (vec!["broken".to_owned(), "child".to_owned()], 1));
    let child = table(&database, "child").await;
    assert_eq!(child.foreign_keys.len(), 2);
    let broken = look_up(&database, "broken").await;
    assert_eq!(broken.table.view_definition, "SELECT x FROM gone");
    let [skipped] = broken.skipped.as_slice() else { panic!("{:?}", broken.skipped) };
    assert!(skipped.subject.contains("broken") && skipped.reason.contains("gone"), "{skipped:?}");
    assert_eq!(broken.dependents.len(), 1);
}

#[tokio::test]
async fn views_follow_a_table_that_was_made_anew() {
    let folder = SqliteFolder::new();
    let (name, database) = database(
        &folder,
        "CREATE TABLE base (x); CREATE VIEW one AS SELECT * FROM base; CREATE VIEW two AS SELECT * FROM one",
    )
    .await;
    assert_eq!(table(&database, "two").await.columns.len(), 1);
    folder.run(&name, "DROP TABLE base; CREATE TABLE base (x, y)").await;
    assert_eq!(table(&database, "two").await.columns.len(), 2);
    let reads = |name| [dependent(DependentKind::View, name, Dependence::Reads)];
    assert_eq!(look_up(&database, "base").await.dependents, reads("one"));
    assert_eq!(look_up(&database, "one").await.dependents, reads("two"));
}

#[tokio::test]
async fn a_file_that_another_holds_alone_is_refused_and_not_waited_for() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder.run(&name, "CREATE TABLE t (x TEXT)").await;
    let mut target = folder.target(&name);
    target.settings.pool.statement_timeout = Duration::from_millis(200);
    let database = folder.engine().open(target).await.unwrap();
    let inspect = database.inspect().unwrap();
    let mut holder = folder.connect(&name).await;
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut holder).await.unwrap();

    let (tables, objects) = (TableFilter::default(), ObjectFilter::default());
    let query = SampleQuery { table: self::name("t"), columns: vec![], limit: 1, value_length: 10 };
    let (sender, _receiver) = mpsc::channel(1);
    let refused = [
        inspect.database().await.err(),
        inspect.list_tables(&tables, &TablePage::first(10)).await.err(),
        inspect.stream_tables(&tables, sender).await.err(),
        inspect.table(&self::name("t")).await.err(),
        inspect.change_marker().await.err(),
        database.require_inspect_objects().unwrap().list_objects(&objects, &ObjectPage::first(10)).await.err(),
        database.require_sample_rows().unwrap().sample(&query).await.err(),
    ];
    for error in refused {
        assert_eq!(error.unwrap().reason(), Reason::LockTimeout);
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    holder.close().await.unwrap();
    assert_eq!(inspect.list_tables(&tables, &TablePage::first(10)).await.unwrap().total, 1);
}
