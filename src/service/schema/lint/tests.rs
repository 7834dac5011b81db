use super::*;
use crate::{
    engine::postgres::dialect::PostgresDialect,
    model::schema::{Column, ForeignKey, Index, IndexPart, IndexTerm, KeyConstraint, LintProfile},
};

fn column(name: &str, data_type: &str) -> Column {
    Column { name: name.to_owned(), data_type: data_type.to_owned(), nullable: true, ..Column::default() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn index(name: &str, columns: &[&str]) -> Index {
    Index {
        name: name.to_owned(),
        method: "btree".to_owned(),
        valid: true,
        visible: true,
        parts: columns.iter().map(|column| IndexPart::plain(IndexTerm::Column((*column).to_owned()))).collect(),
        ..Index::default()
    }
}

/// A table that no rule of the default profile has anything against.
fn table(indexes: Vec<Index>) -> Table {
    Table {
        schema: "public".to_owned(),
        name: "line".to_owned(),
        columns: vec![column("id", "bigint"), column("a", "text"), column("b", "text")],
        primary_key: Some(KeyConstraint { columns: names(&["id"]), ..KeyConstraint::default() }),
        indexes,
        ..Table::default()
    }
}

fn found(profile: LintProfile, table: &Table) -> Vec<String> {
    let selection = LintSelection::new(profile, &[], &[]).unwrap();
    let mut linter = Linter::new(selection, Some(&PostgresDialect));
    let found = linter.table(table).into_iter().chain(linter.finish(DefaultCollation::Distinct).0);
    found.map(|finding| format!("{} {:?}", finding.rule.id, finding.subject)).collect()
}

fn with_key(indexes: Vec<Index>) -> Table {
    let key = ForeignKey { columns: names(&["a", "b"]), referenced_table: "other".to_owned(), ..ForeignKey::default() };
    Table { foreign_keys: vec![key], ..table(indexes) }
}

#[test]
fn a_foreign_key_is_covered_by_an_index_that_begins_with_its_columns_in_any_order() {
    let uncovered = [r#"foreign-key-without-index ForeignKey("")"#];
    assert_eq!(found(LintProfile::Default, &with_key(vec![])), uncovered);
    assert!(found(LintProfile::Default, &with_key(vec![index("i", &["b", "a", "id"])])).is_empty());
    for useless in [
        index("i", &["a"]),
        index("i", &["id", "a", "b"]),
        Index { predicate: "a IS NOT NULL".to_owned(), ..index("i", &["a", "b"]) },
        Index { valid: false, ..index("i", &["a", "b"]) },
        Index { method: "gin".to_owned(), ..index("i", &["a", "b"]) },
    ] {
        assert_eq!(found(LintProfile::Default, &with_key(vec![useless.clone()])), uncovered, "{useless:?}");
    }
}

#[test]
fn an_index_that_keeps_a_rule_or_is_used_otherwise_is_not_superfluous() {
    let superfluous = |first: Index, second: Index| found(LintProfile::Default, &table(vec![first, second]));
    assert_eq!(superfluous(index("i", &["a"]), index("j", &["a"])), [r#"duplicate-index Index("j")"#]);
    assert_eq!(superfluous(index("i", &["a"]), index("j", &["a", "b"])), [r#"redundant-index Index("i")"#]);
    let unique = Index { unique: true, ..index("i", &["a"]) };
    assert_eq!(superfluous(unique.clone(), index("j", &["a"])), [r#"duplicate-index Index("j")"#]);
    assert!(superfluous(unique, index("j", &["a", "b"])).is_empty());
    let partial = Index { predicate: "b = 1".to_owned(), ..index("i", &["a"]) };
    assert!(superfluous(partial, index("j", &["a"])).is_empty());
    let including = Index { included_columns: names(&["b"]), ..index("i", &["a"]) };
    assert_eq!(superfluous(including.clone(), index("j", &["a"])), [r#"duplicate-index Index("j")"#]);
    assert_eq!(superfluous(including, index("j", &["a", "b"])), [r#"redundant-index Index("i")"#]);
    let hash = |name: &str, columns: &[&str]| Index { method: "hash".to_owned(), ..index(name, columns) };
    assert!(superfluous(hash("i", &["a"]), hash("j", &["a", "b"])).is_empty());
    let hidden = |name: &str, columns: &[&str]| Index { visible: false, ..index(name, columns) };
    assert!(superfluous(hidden("i", &["a"]), index("j", &["a"])).is_empty(), "no query would have an index any more");
    assert!(superfluous(index("i", &["a"]), hidden("j", &["a", "b"])).is_empty());
}

#[test]
fn views_and_sequences_are_not_looked_at() {
    let odd = Table { name: "Odd Name".to_owned(), primary_key: None, ..table(vec![]) };
    assert!(!found(LintProfile::Strict, &odd).is_empty());
    for kind in [TableKind::View, TableKind::MaterializedView, TableKind::Sequence, TableKind::VirtualTable] {
        assert!(found(LintProfile::Strict, &Table { kind, ..odd.clone() }).is_empty(), "{kind:?}");
    }
}
