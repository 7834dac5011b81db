use super::*;

fn table(name: &str, size: i64, rows: i64) -> TableSummary {
    TableSummary {
        schema: "main".to_owned(),
        name: name.to_owned(),
        data_size_bytes: size,
        index_size_bytes: if size < 0 { -1 } else { 1 },
        row_estimate: rows,
        ..TableSummary::default()
    }
}

/// The names in the order, read page by page.
fn paged(order: &str, size: u32) -> String {
    let all = || vec![table("b", 10, 5), table("d", -1, -1), table("a", 10, 7), table("c", 4, 5)];
    let order = TableOrder::parse(order).unwrap();
    let (mut names, mut after) = (String::new(), None);
    loop {
        let page = TablePage { order, after, limit: size }.cut(all());
        let Some(last) = page.last() else { return names };
        let words = order.key(last).to_words();
        after = Some(TableKey::from_words(&words).unwrap());
        names.extend(page.into_iter().map(|table| table.name));
    }
}

#[test]
fn every_order_of_tables_is_whole_whatever_the_size_of_the_page() {
    for (order, expected) in [
        ("", "abcd"),
        ("name asc", "abcd"),
        ("name desc", "dcba"),
        ("size", "dcab"),
        ("size desc", "abcd"),
        ("rows", "dbca"),
        ("rows desc", "abcd"),
    ] {
        for size in [1, 2, 3, 50] {
            assert_eq!(paged(order, size), expected, "{order} by {size}");
        }
    }
}

#[test]
fn orders_that_cannot_be_read_are_refused() {
    for text in ["bytes", "size down", "size desc desc", "name,size", "desc"] {
        assert_eq!(TableOrder::parse(text).unwrap_err().reason(), Reason::FilterInvalid, "{text}");
    }
}

#[test]
fn words_of_another_list_are_no_key() {
    let words = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    for texts in [words(&["main", "a"]), words(&["x", "main", "a"]), words(&[])] {
        assert_eq!(TableKey::from_words(&texts).unwrap_err().reason(), Reason::PageTokenInvalid, "{texts:?}");
        assert_eq!(ObjectKey::from_words(&texts).unwrap_err().reason(), Reason::PageTokenInvalid, "{texts:?}");
    }
    let unknown = words(&["main", "PLANET", "a", "", ""]);
    assert_eq!(ObjectKey::from_words(&unknown).unwrap_err().reason(), Reason::PageTokenInvalid);
}

#[test]
fn objects_are_paged_by_schema_kind_name_table_and_signature() {
    let key = |schema: &str, kind, name: &str, signature: &str| ObjectKey {
        schema: schema.to_owned(),
        kind,
        name: name.to_owned(),
        table: String::new(),
        signature: signature.to_owned(),
    };
    let sorted = vec![
        key("a", ObjectKind::Enum, "z", ""),
        key("a", ObjectKind::Function, "f", "integer"),
        key("a", ObjectKind::Function, "f", "text"),
        key("b", ObjectKind::Enum, "a", ""),
    ];
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let shuffled = sorted.iter().rev().cloned().collect();
        let page = ObjectPage { after, limit: 3 }.cut(shuffled);
        let Some(last) = page.last() else { break };
        after = Some(ObjectKey::from_words(&last.to_words()).unwrap());
        seen.extend(page);
    }
    assert_eq!(seen, sorted);
    assert!(ObjectKind::ALL.is_sorted());
}
