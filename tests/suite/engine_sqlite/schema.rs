use dbkeeper::model::{
    name::{Identifier, QualifiedName},
    schema::{Generation, IndexTerm, Table, TableFilter, TableKind, TablePage},
};
use tokio::sync::mpsc;

use crate::harness::sqlite::SqliteFolder;

async fn table(folder: &SqliteFolder, database: &str, name: &str) -> Table {
    let database = folder.engine().open(folder.target(database)).await.unwrap();
    let name = QualifiedName { schema: None, name: Identifier::parse(name, "name").unwrap() };
    database.inspect().unwrap().table(&name).await.unwrap().unwrap().table
}

#[tokio::test]
async fn what_only_the_definition_tells_is_read() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder
        .run(
            &name,
            "CREATE TABLE parent (a INTEGER, b TEXT, CONSTRAINT parent_key PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID;
             CREATE TABLE child (
                 id INTEGER PRIMARY KEY AUTOINCREMENT,
                 a INTEGER, b TEXT COLLATE NOCASE,
                 twice INTEGER AS (a * 2) VIRTUAL, thrice INTEGER AS (a * 3) STORED,
                 CONSTRAINT child_b UNIQUE (b),
                 CONSTRAINT child_a_positive CHECK (a > 0),
                 CONSTRAINT child_parent FOREIGN KEY (a, b) REFERENCES parent ON DELETE CASCADE
                     DEFERRABLE INITIALLY DEFERRED
             );
             CREATE INDEX child_lower ON child (lower(b) DESC, a) WHERE a > 10;
             CREATE TRIGGER child_touch AFTER UPDATE ON child BEGIN SELECT 1; END;",
        )
        .await;
    let child = table(&folder, &name, "CHILD").await;
    assert_eq!(child.name, "child");
    let generations: Vec<_> = child.columns.iter().map(|column| column.generation).collect();
    assert_eq!(
        generations,
        [Generation::AutoIncrement, Generation::None, Generation::None, Generation::Virtual, Generation::Stored]
    );
    assert_eq!(child.columns[3].generation_expression, "a * 2");
    assert_eq!(child.columns[2].collation, "NOCASE");
    assert!(!child.columns[0].nullable && child.columns[1].nullable);
    assert_eq!(child.unique_constraints[0].name, "child_b");
    assert_eq!((child.checks[0].name.as_str(), child.checks[0].expression.as_str()), ("child_a_positive", "a > 0"));
    let key = &child.foreign_keys[0];
    assert_eq!((key.name.as_str(), key.deferrable), ("child_parent", true));
    assert_eq!(key.referenced_columns, ["a", "b"]);
    let index = child.indexes.iter().find(|index| index.name == "child_lower").unwrap();
    assert_eq!(index.parts[0].term, IndexTerm::Expression("lower(b)".to_owned()));
    assert!(index.parts[0].descending && !index.parts[1].descending);
    assert_eq!(index.predicate, "a > 10");
    assert_eq!(child.triggers[0].name, "child_touch");

    let parent = table(&folder, &name, "parent").await;
    assert_eq!(parent.options, "STRICT, WITHOUT ROWID");
    assert_eq!(parent.primary_key.unwrap().name, "parent_key");
    assert!(parent.columns.iter().all(|column| !column.nullable));
}

#[tokio::test]
async fn virtual_tables_are_listed_and_their_shadows_are_not() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder
        .run(
            &name,
            "CREATE VIRTUAL TABLE notes USING fts5(title, body); CREATE TABLE a (x INTEGER PRIMARY KEY AUTOINCREMENT)",
        )
        .await;
    let database = folder.engine().open(folder.target(&name)).await.unwrap();
    let inspect = database.inspect().unwrap();
    let list = inspect.list_tables(&TableFilter::default(), &TablePage::first(10)).await.unwrap();
    let names: Vec<_> = list.tables.iter().map(|table| (table.name.as_str(), table.kind, table.column_count)).collect();
    assert_eq!(names, [("a", TableKind::Table, 1), ("notes", TableKind::VirtualTable, 2)]);
    assert_eq!(list.total, 2);
    assert_eq!(table(&folder, &name, "notes").await.options, "USING fts5(title, body)");
}

#[tokio::test]
async fn a_broken_view_does_not_hide_the_rest() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder
        .run(
            &name,
            "CREATE TABLE gone (x); CREATE TABLE kept (x); CREATE VIEW broken AS SELECT x FROM gone; DROP TABLE gone",
        )
        .await;
    let database = folder.engine().open(folder.target(&name)).await.unwrap();
    let (sender, mut receiver) = mpsc::channel(10);
    let skipped = database.inspect().unwrap().stream_tables(&TableFilter::default(), sender).await.unwrap();
    let mut names = Vec::new();
    while let Some(table) = receiver.recv().await {
        names.push((table.name, table.columns.len()));
    }
    assert_eq!(names, [("broken".to_owned(), 0), ("kept".to_owned(), 1)]);
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0].subject.contains("broken"), "{skipped:?}");
}

#[tokio::test]
async fn rows_are_estimated_after_analyze_only() {
    let folder = SqliteFolder::new();
    let name = folder.create_database();
    folder
        .run(&name, "CREATE TABLE t (x); CREATE INDEX i ON t (x) WHERE x > 1; INSERT INTO t VALUES (1), (2), (3)")
        .await;
    assert_eq!(table(&folder, &name, "t").await.row_estimate, -1);
    folder.run(&name, "CREATE INDEX whole ON t (x); ANALYZE").await;
    let analysed = table(&folder, &name, "t").await;
    assert_eq!(analysed.row_estimate, 3);
    assert_eq!(analysed.data_size_bytes, 4096);
    assert_eq!(analysed.index_size_bytes, 2 * 4096);
}
