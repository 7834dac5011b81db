//! Reading a schema.

use dbkeeper::model::{
    name::{Identifier, QualifiedName},
    schema::{Generation, IndexTerm, ReferentialAction, Table, TableFilter, TableKind, TablePage},
};
use tokio::sync::mpsc;

use super::{fixture, open};
use crate::harness::mariadb::MariadbServer;

async fn table(database: &str, name: &str) -> Option<Table> {
    let name = QualifiedName { schema: None, name: Identifier::parse(name, "table").unwrap() };
    open(database).await.require_inspect().unwrap().table(&name).await.unwrap().map(|found| found.table)
}

#[tokio::test]
async fn a_table_is_read_in_full() {
    let database = fixture::create();
    let kinds = table(&database, "kinds").await.unwrap();
    assert_eq!((kinds.schema.as_str(), kinds.kind), (database.as_str(), TableKind::Table));
    assert_eq!(kinds.comment, "Alle Arten, 各种");
    assert!(kinds.options.contains("ENGINE=InnoDB"), "{}", kinds.options);
    let column = |name: &str| kinds.columns.iter().find(|column| column.name == name).unwrap();
    assert_eq!(kinds.columns[0].name, "id");
    assert_eq!(column("id").generation, Generation::AutoIncrement);
    assert_eq!(column("id").data_type, "bigint(20) unsigned");
    assert_eq!(column("word").default_expression.as_deref(), Some("'it''s'"));
    assert_eq!(column("made").default_expression, None);
    let seen = column("seen").default_expression.as_deref();
    assert_eq!(seen, Some("current_timestamp()"));
    assert_eq!(column("doubled").generation, Generation::Stored);
    assert_eq!(column("word_length").generation, Generation::Virtual);
    assert_eq!(column("doubled").generation_expression, "`amount` * 2");
    assert_eq!(column("doc").data_type, "json");
    assert_eq!(column("word").collation, "");

    let checks: Vec<&str> = kinds.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(checks, ["amount_positive"], "the check of the JSON column is MariaDB's own");
    assert_eq!(kinds.primary_key.as_ref().unwrap().columns, ["id"]);
    assert_eq!(kinds.unique_constraints[0].name, "word_unique");
    let index = |name: &str| kinds.indexes.iter().find(|index| index.name == name).unwrap();
    assert_eq!(index("body_prefix").parts[0].prefix_length, 10);
    assert!(index("amount_down").parts[0].descending && !index("amount_down").parts[1].descending);
    assert_eq!(index("amount_down").parts[1].term, IndexTerm::Column("small".to_owned()));
    assert_eq!(index("body_text").method, "fulltext");
    assert_eq!(kinds.triggers[0].name, "kinds_log");
    assert!(
        kinds.triggers[0]
            .definition
            .starts_with("CREATE TRIGGER `kinds_log` AFTER INSERT ON `kinds` FOR EACH ROW BEGIN")
    );

    let person = table(&database, "person").await.unwrap();
    let key = &person.foreign_keys[0];
    assert_eq!((key.referenced_table.as_str(), &key.referenced_columns[..]), ("team", &["id".to_owned()][..]));
    assert_eq!((key.on_delete, key.on_update), (ReferentialAction::SetNull, ReferentialAction::Cascade));

    let odd = table(&database, "odd `name; ü").await.unwrap();
    assert_eq!(odd.columns[1].collation, "utf8mb4_bin");
    assert_eq!(odd.columns[1].comment, "a comment");
    assert!(table(&database, "big").await.unwrap().view_definition.contains("`amount` > 10"));
    assert_eq!(table(&database, "numbers").await.unwrap().kind, TableKind::Sequence);
    assert!(table(&database, "KINDS").await.is_none(), "names are compared by code point");
}

#[tokio::test]
async fn tables_are_listed_by_code_point_in_pages() {
    let server = MariadbServer::shared();
    let database = server.create_database();
    for name in ["b", "B", "_", "ü", "a1", "a_"] {
        server.sql(&database, &format!("CREATE TABLE `{name}` (x INT, y INT)"));
    }
    server.sql(&database, "CREATE VIEW v AS SELECT x FROM b");
    let opened = open(&database).await;
    let inspect = opened.require_inspect().unwrap();
    let mut names = Vec::new();
    let mut page = TablePage::first(3);
    loop {
        let list = inspect.list_tables(&TableFilter::default(), &page).await.unwrap();
        assert_eq!(list.total, 7);
        let Some(end) = list.tables.last() else { break };
        page.after = Some(page.order.key(end));
        names.extend(list.tables.into_iter().map(|table| (table.name, table.column_count)));
    }
    let expected = [("B", 2), ("_", 2), ("a1", 2), ("a_", 2), ("b", 2), ("v", 1), ("ü", 2)];
    assert_eq!(names, expected.map(|(name, columns)| (name.to_owned(), columns)));

    let views = TableFilter { kind: Some(TableKind::View), ..TableFilter::default() };
    assert_eq!(inspect.list_tables(&views, &TablePage::first(10)).await.unwrap().total, 1);
    let foreign = TableFilter { schema: Some("mysql".to_owned()), ..TableFilter::default() };
    assert_eq!(inspect.list_tables(&foreign, &TablePage::first(10)).await.unwrap().total, 0);
}

#[tokio::test]
async fn the_stream_and_the_single_look_up_agree() {
    let database = fixture::create();
    let opened = open(&database).await;
    let (sender, mut receiver) = mpsc::channel(100);
    let skipped = opened.require_inspect().unwrap().stream_tables(&TableFilter::default(), sender).await.unwrap();
    assert!(skipped.is_empty(), "{skipped:?}");
    let mut streamed = Vec::new();
    while let Some(found) = receiver.recv().await {
        streamed.push(found);
    }
    assert_eq!(streamed.len(), 9);
    assert!(streamed.is_sorted_by(|one, other| one.name < other.name));
    for found in streamed {
        let single = table(&database, &found.name).await.unwrap();
        assert_eq!((single.columns, single.indexes, single.checks), (found.columns, found.indexes, found.checks));
    }
    let info = opened.require_inspect().unwrap().database().await.unwrap();
    assert_eq!((info.table_count, info.view_count, info.character_set.as_str()), (6, 2, "utf8mb4"));
    assert!(info.size_bytes > 0 && info.index_count >= 10, "{info:?}");
}
