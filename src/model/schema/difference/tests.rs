use super::{Change, Rename, RenameColumn, Renames, SchemaDifference, TableChange};
use crate::model::schema::{
    ObjectName,
    definition::{CheckDefinition, ColumnDefinition, SchemaDefinition, TableDefinition},
};

fn table(name: &str, columns: &[&str]) -> TableDefinition {
    let column = |name: &&str| ColumnDefinition { name: (*name).to_owned(), ..ColumnDefinition::default() };
    TableDefinition {
        name: name.to_owned(),
        columns: columns.iter().map(column).collect(),
        ..TableDefinition::default()
    }
}

fn schema(tables: Vec<TableDefinition>) -> SchemaDefinition {
    SchemaDefinition { tables, ..SchemaDefinition::default() }
}

fn name(name: &str) -> ObjectName {
    ObjectName { schema: String::new(), name: name.to_owned() }
}

fn changes(before: TableDefinition, after: TableDefinition, renames: &Renames, order_counts: bool) -> Vec<TableChange> {
    let found = SchemaDifference::between(schema(vec![before]), schema(vec![after]), renames, order_counts);
    let change = |change| match change {
        Change::AlterTable { change, .. } => change,
        other => panic!("{other:?}"),
    };
    found.changes.into_iter().map(change).collect()
}

#[test]
fn the_fewest_columns_move() {
    let moved = |before: &[&str], after: &[&str]| -> Vec<(String, Option<String>)> {
        let found = changes(table("t", before), table("t", after), &Renames::default(), true);
        let place = |change| match change {
            TableChange::MoveColumn { column, after } => Some((column, after)),
            _ => None,
        };
        found.into_iter().filter_map(place).collect()
    };
    let behind = |column: &str, after: &str| (column.to_owned(), Some(after.to_owned()));
    assert_eq!(moved(&["a", "b", "c"], &["a", "b", "c"]), []);
    assert_eq!(moved(&["a", "b", "c", "d"], &["b", "c", "d", "a"]), [behind("a", "d")]);
    assert_eq!(moved(&["a", "b", "c", "d"], &["d", "a", "b", "c"]), [("d".to_owned(), None)]);
    assert_eq!(moved(&["a", "x", "b"], &["a", "new", "b"]), [], "what comes and goes moves nothing");
    assert_eq!(changes(table("t", &["a", "b"]), table("t", &["b", "a"]), &Renames::default(), false), []);
}

#[test]
fn a_rename_reaches_whatever_names_the_column() {
    let check =
        |expression: &str| CheckDefinition { name: "rule".to_owned(), expression: expression.to_owned(), engine: None };
    let renames = Renames {
        columns: vec![RenameColumn { table: name("t"), from: "size".to_owned(), to: "The size".to_owned() }],
        ..Renames::default()
    };
    for (before, after) in [
        ("size > 0 AND 'size' <> x", "\"The size\" > 0 AND 'size' <> x"),
        ("\"size\" > 0", "\"The size\" > 0"),
        ("size(x) > resize", "size(x) > resize"),
        ("'it''s size' = size", "'it''s size' = \"The size\""),
    ] {
        let mut old = table("t", &["size", "x", "resize"]);
        old.checks.push(check(before));
        let mut new = table("t", &["The size", "x", "resize"]);
        new.checks.push(check(after));
        let renamed = TableChange::RenameColumn { from: "size".to_owned(), to: "The size".to_owned() };
        assert_eq!(changes(old, new, &renames, false), [renamed], "{before}");
    }
}

#[test]
fn what_only_its_case_tells_apart_is_renamed() {
    let found = changes(table("Artist", &["Id"]), table("artist", &["id"]), &Renames::default(), true);
    let column = TableChange::RenameColumn { from: "Id".to_owned(), to: "id".to_owned() };
    assert_eq!(found, [TableChange::Rename { from: name("Artist") }, column]);
}

#[test]
fn renames_seen_from_the_other_side_lead_back() {
    let renames = Renames {
        tables: vec![Rename { from: name("a"), to: name("b") }],
        columns: vec![RenameColumn { table: name("a"), from: "x".to_owned(), to: "y".to_owned() }],
        types: Vec::new(),
    };
    let back = renames.swapped();
    assert_eq!(back.columns[0].table, name("b"));
    assert_eq!(back.swapped(), renames);
}

fn hints(tables: &[(&str, &str)], columns: &[(&str, &str, &str)]) -> Renames {
    Renames {
        types: Vec::new(),
        tables: tables.iter().map(|(from, to)| Rename { from: name(from), to: name(to) }).collect(),
        columns: columns
            .iter()
            .map(|(table, from, to)| RenameColumn {
                table: name(table),
                from: (*from).to_owned(),
                to: (*to).to_owned(),
            })
            .collect(),
    }
}

#[test]
fn hints_are_brought_to_the_spelling_of_the_schemas() {
    let (source, target) =
        (schema(vec![table("Artist", &["Id", "Born"])]), schema(vec![table("Person", &["ID", "Year"])]));
    let mut given = hints(&[("ARTIST", "person")], &[("artist", "BORN", "year"), ("artist", "id", "id")]);
    given.tables[0].from.schema = "Public".to_owned();
    given.columns[0].table.schema = "public".to_owned();
    let found = given.resolved(&source, &target, Some("public"), "renames").unwrap();
    assert_eq!(found, hints(&[("Artist", "Person")], &[("Artist", "Born", "Year"), ("Artist", "Id", "ID")]));
    // What is hinted is not renamed for its case once more.
    let made = SchemaDifference::between(source, target, &found, false).changes;
    assert_eq!(made.len(), 3, "{made:?}");
}

#[test]
fn a_hint_to_the_name_that_it_has_is_refused() {
    let whole = schema(vec![table("artist", &["id"])]);
    let refused = |hints: Renames| hints.resolved(&whole, &whole, None, "renames").unwrap_err().message().to_owned();
    assert!(refused(hints(&[("artist", "ARTIST")], &[])).starts_with("renames.tables[0].to: "));
    assert!(refused(hints(&[], &[("artist", "id", "id")])).starts_with("renames.columns[0].to: "));
}

#[test]
fn hints_and_what_is_told_of_them_are_bounded() {
    let whole = schema(vec![table("artist", &["id"])]);
    let many = |count| hints(&[], &vec![("nothing", "a", "b"); count]);
    let error = many(5_000).resolved(&whole, &whole, None, "renames").unwrap_err();
    assert_eq!(error.message().matches("the source has no table").count(), 50);
    let error = many(5_001).resolved(&whole, &whole, None, "renames").unwrap_err();
    assert_eq!(error.message(), "renames: must be at most 5000 in all; there are 5001");
}
