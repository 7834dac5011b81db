//! Names, widths and definitions that are hard to read.

use super::*;

#[tokio::test]
async fn odd_names_come_back_as_they_are() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    let long = "ü".repeat(64);
    let odd = [
        "a b",
        "dot.ted",
        "tick`s",
        "quo'te\"s",
        "select",
        "日本語",
        "semi; -- colon",
        "back\\slash",
        "per%cent_",
        &long,
    ];
    for name_of_table in odd {
        let quoted = format!("`{}`", name_of_table.replace('`', "``"));
        let short: String = name_of_table.chars().take(60).collect();
        let view = format!("`v_{}`", short.replace('`', "``"));
        server.sql(
            &name,
            &format!(
                "CREATE TABLE {quoted} ({quoted} INT COMMENT 'x', j JSON, KEY {quoted} ({quoted}), \
                 FULLTEXT KEY words (t), t TEXT, CONSTRAINT {quoted} CHECK ({quoted} > 0)); \
                 CREATE VIEW {view} AS SELECT {quoted} FROM {quoted};"
            ),
        );
    }
    let database = open(&name).await;
    let (streamed, skipped) = stream(&database).await;
    assert_eq!((streamed.len(), skipped), (2 * odd.len(), vec![]));
    for expected in odd {
        let found = look_up(&database, expected).await.unwrap().unwrap();
        let table = &found.table;
        assert_eq!((table.name.as_str(), table.columns[0].name.as_str()), (expected, expected));
        assert_eq!(table.columns[1].data_type, "json");
        assert!(table.indexes.iter().any(|index| index.name == expected), "{table:?}");
        assert_eq!(table.checks.iter().map(|check| check.name.as_str()).collect::<Vec<_>>(), [expected]);
        let views: Vec<_> = found.dependents.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(views.len(), 1, "{expected}: {views:?}");
        assert!(streamed.contains(table));
    }
}

#[tokio::test]
async fn collations_of_database_table_and_column_are_told_apart() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    server.sql(
        &name,
        "CREATE TABLE t (a VARCHAR(5), b VARCHAR(5) COLLATE utf8mb4_swedish_ci, c CHAR(2) CHARACTER SET ucs2, d VARBINARY(3)) \
         COLLATE utf8mb4_bin",
    );
    let database = open(&name).await;
    let table = table(&database, "t").await;
    assert_eq!(details(&table).collation, "utf8mb4_bin");
    let told: Vec<_> = table.columns.iter().map(|it| (it.character_set.as_str(), it.collation.as_str())).collect();
    let expected =
        [("utf8mb4", "utf8mb4_bin"), ("utf8mb4", "utf8mb4_swedish_ci"), ("ucs2", "ucs2_general_ci"), ("", "")];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_view_on_a_view_on_a_table_that_came_back_is_whole_and_a_broken_one_is_named() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    server.sql(
        &name,
        "CREATE TABLE base (id INT); CREATE VIEW low AS SELECT id FROM base; CREATE VIEW high AS SELECT id FROM low; DROP TABLE base",
    );
    let database = open(&name).await;
    let (broken, skipped) = stream(&database).await;
    assert_eq!(broken.iter().map(|view| view.name.as_str()).collect::<Vec<_>>(), ["high", "low"]);
    assert!(broken.iter().all(|view| view.columns.is_empty() && view.view_definition.contains("select")), "{broken:?}");
    let subjects: Vec<_> = skipped.iter().map(|it| it.subject.clone()).collect();
    assert_eq!(subjects, [format!("columns of view {name}.high"), format!("columns of view {name}.low")]);
    assert!(skipped.iter().all(|it| it.reason.contains("invalid") && !it.remedy.is_empty()), "{skipped:?}");

    server.sql(&name, "CREATE TABLE base (id BIGINT, other INT)");
    let (whole, skipped) = stream(&database).await;
    assert_eq!((whole.len(), skipped), (3, vec![]));
    let high = table(&database, "high").await;
    assert_eq!(high.columns[0].name, "id");
}
