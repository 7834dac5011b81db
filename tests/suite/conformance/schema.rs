//! Reaching a database and reading its schema.

use std::time::Duration;

use dbkeeper::{
    engine::Inspect,
    model::{
        Reason,
        connection::Ability,
        name::{Identifier, QualifiedName},
        schema::{
            Generation, IndexTerm, NamePattern, ObjectDetails, ObjectFilter, ObjectKey, ObjectKind, ObjectPage,
            ReferentialAction, SampleQuery, SampleValue, Table, TableFilter, TableKind, TableList, TableOrder,
            TablePage, TriggerEvent, TriggerTiming,
        },
    },
};

use super::{Fixture, all_tables, open, sample};

pub(crate) async fn who_answers_and_who_is_refused(fixture: &impl Fixture) {
    let name = fixture.create_database().await;
    let probe = fixture.engine().probe(&fixture.target(&name)).await.unwrap();
    assert!(!probe.server.version.is_empty() && probe.server.version_number > (0, 0), "{:?}", probe.server);
    let database = open(fixture, &name).await;
    assert_eq!(database.server().version, probe.server.version);
    let capabilities = database.capabilities().await.unwrap();
    for ability in [Ability::Inspect, Ability::Migrate, Ability::Backup, Ability::Restore, Ability::Metrics] {
        let found = capabilities.iter().find(|capability| capability.ability == ability).unwrap();
        assert!(found.supported, "{found:?}");
    }
    for (target, reason) in fixture.refused() {
        let error = fixture.engine().probe(&target).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
        assert_eq!(fixture.engine().open(target).await.err().unwrap().reason(), reason);
    }
    database.close().await;
    assert!(database.inspect().unwrap().database().await.is_err(), "a closed pool gives no lease");
}

pub(crate) async fn pages_stream_and_look_up_agree(fixture: &impl Fixture) {
    let (_, database) = sample(fixture).await;
    let inspect = database.inspect().unwrap();
    let streamed = all_tables(&*database).await;
    assert!(streamed.len() >= 20, "{}", streamed.len());

    let mut paged = Vec::new();
    let mut page = TablePage::first(7);
    loop {
        let list = inspect.list_tables(&TableFilter::default(), &page).await.unwrap();
        assert_eq!(list.total as usize, streamed.len());
        let Some(last) = list.tables.last() else { break };
        page.after = Some(page.order.key(last));
        paged.extend(list.tables);
    }
    let key = |table: &Table| (table.schema.clone(), table.name.clone(), table.kind, table.columns.len());
    let streamed_keys: Vec<_> = streamed.iter().map(key).collect();
    let paged_keys: Vec<_> =
        paged.into_iter().map(|table| (table.schema, table.name, table.kind, table.column_count as usize)).collect();
    assert_eq!(paged_keys, streamed_keys);
    assert!(streamed_keys.is_sorted_by_key(|(schema, name, ..)| (schema.clone(), name.clone())));

    for table in &streamed {
        let name = QualifiedName {
            schema: Some(Identifier::parse(&table.schema, "schema").unwrap()),
            name: Identifier::parse(&table.name, "name").unwrap(),
        };
        assert_eq!(inspect.table(&name).await.unwrap().map(|found| found.table).as_ref(), Some(table));
    }
    let missing = QualifiedName { schema: None, name: Identifier::parse("missing", "name").unwrap() };
    assert_eq!(inspect.table(&missing).await.unwrap(), None);
    let views = TableFilter { kind: Some(TableKind::View), ..TableFilter::default() };
    let listed = inspect.list_tables(&views, &TablePage::first(100)).await.unwrap();
    let views = listed.tables;
    assert_eq!(listed.total as usize, views.len());
    assert!(views.iter().all(|view| view.kind == TableKind::View) && !views.is_empty());
    let elsewhere = TableFilter { schema: Some("no_such_schema".to_owned()), ..TableFilter::default() };
    assert_eq!(inspect.list_tables(&elsewhere, &TablePage::first(100)).await.unwrap(), TableList::default());
}

pub(crate) async fn the_parts_of_a_table_are_found(fixture: &impl Fixture) {
    let (name, database) = sample(fixture).await;
    let tables = all_tables(&*database).await;
    let schema = fixture.schema(&name);
    let table = |name: &str| tables.iter().find(|table| table.name == name && table.schema == schema).unwrap();

    let orders = table("orders");
    let columns: Vec<_> = orders.columns.iter().map(|column| (column.position, column.name.as_str())).collect();
    assert_eq!(columns, [(1, "id"), (2, "customer_id"), (3, "placed_at"), (4, "total"), (5, "total_with_tax")]);
    assert!(!orders.columns[1].nullable);
    assert_eq!(orders.columns[4].generation, Generation::Stored);
    assert!(orders.columns[4].generation_expression.contains("total"), "{:?}", orders.columns[4]);
    assert_eq!(orders.primary_key.as_ref().unwrap().columns, ["id"]);
    let check = orders.checks.iter().find(|check| check.name == "orders_total_positive").unwrap();
    assert!(check.expression.contains("> 0") && check.validated, "{check:?}");
    let key = orders.foreign_keys.iter().find(|key| key.name == "orders_customer").unwrap();
    assert_eq!((key.referenced_schema.as_str(), key.referenced_table.as_str()), (schema.as_str(), "customers"));
    assert_eq!((&key.columns, &key.referenced_columns), (&vec!["customer_id".to_owned()], &vec!["id".to_owned()]));
    assert_eq!((key.on_delete, key.validated), (ReferentialAction::Cascade, true));
    let index = orders.indexes.iter().find(|index| index.name == "orders_by_customer").unwrap();
    assert_eq!(index.method, "btree");
    let parts: Vec<_> = index.parts.iter().map(|part| (part.term.clone(), part.descending)).collect();
    let column = |name: &str| IndexTerm::Column(name.to_owned());
    assert_eq!(parts, [(column("customer_id"), false), (column("placed_at"), true)]);
    assert!(orders.triggers.iter().any(|trigger| trigger.name == "orders_audit"));

    let customers = table("customers");
    let unique = customers.unique_constraints.iter().find(|key| key.name == "customers_email").unwrap();
    assert_eq!(unique.columns, ["email"]);
    assert!(customers.indexes.iter().any(|index| index.unique && index.parts[0].term == column("email")));
    assert_eq!(table("order_lines").primary_key.as_ref().unwrap().columns, ["order_id", "line"]);
    assert_eq!(table("departments").foreign_keys[0].referenced_table, "employees");
    assert_eq!(table("employees").foreign_keys[0].referenced_table, "departments");
    let composite = &table("composite_child").foreign_keys[0];
    assert_eq!(composite.referenced_columns, ["a", "b"]);
    assert_eq!((composite.on_update, composite.on_delete), (ReferentialAction::Cascade, ReferentialAction::SetNull));
    let view = table("order_totals");
    assert_eq!(view.kind, TableKind::View);
    assert!(view.view_definition.contains("orders") && view.columns.len() == 2, "{view:?}");
    assert!(table("Größen und \"Maße\"").columns.iter().any(|column| column.name == "名前"));
    assert_eq!(table("no_key").primary_key, None);

    if fixture.has_partial_indexes() {
        let partial = orders.indexes.iter().find(|index| index.name == "orders_large").unwrap();
        assert!(partial.predicate.contains("100"), "{partial:?}");
    }
    if fixture.has_expression_indexes() {
        let expression = customers.indexes.iter().find(|index| index.name == "customers_lower_email").unwrap();
        assert!(matches!(&expression.parts[0].term, IndexTerm::Expression(text) if text.contains("lower")));
    }
}

pub(crate) async fn the_database_is_counted(fixture: &impl Fixture) {
    let (name, database) = sample(fixture).await;
    let tables = all_tables(&*database).await;
    let info = database.inspect().unwrap().database().await.unwrap();
    assert_eq!(info.database, name);
    let is_view = |table: &&Table| matches!(table.kind, TableKind::View | TableKind::MaterializedView);
    let views = tables.iter().filter(is_view).count();
    assert_eq!(info.view_count as usize, views);
    assert_eq!(info.table_count as usize, tables.len() - views);
    assert!(info.size_bytes > 0 && info.index_count > 0 && !info.character_set.is_empty(), "{info:?}");
}

pub(crate) async fn every_order_and_pattern_covers_the_list(fixture: &impl Fixture) {
    let (_, database) = sample(fixture).await;
    let inspect = database.inspect().unwrap();
    let all = inspect.list_tables(&TableFilter::default(), &TablePage::first(1000)).await.unwrap();
    for order in ["name", "name desc", "size", "size desc", "rows", "rows desc"] {
        let order = TableOrder::parse(order).unwrap();
        let expected = TablePage { order, ..TablePage::first(1000) }.cut(all.tables.clone());
        let mut page = TablePage { order, ..TablePage::first(7) };
        let mut paged = Vec::new();
        loop {
            let list = inspect.list_tables(&TableFilter::default(), &page).await.unwrap();
            assert_eq!(list.total, all.total, "{order:?}");
            let Some(last) = list.tables.last() else { break };
            page.after = Some(order.key(last));
            paged.extend(list.tables);
        }
        assert_eq!(paged, expected, "{order:?}");
    }
    for pattern in ["order%", "%_e_", r"order\_lines", "ORDERS"] {
        let pattern = NamePattern::parse(pattern, "name_pattern").unwrap();
        let expected: Vec<_> = all.tables.iter().filter(|table| pattern.matches(&table.name)).cloned().collect();
        let filter = TableFilter { name_pattern: Some(pattern), ..TableFilter::default() };
        let list = inspect.list_tables(&filter, &TablePage::first(1000)).await.unwrap();
        assert_eq!((list.total as usize, &list.tables), (expected.len(), &expected), "{filter:?}");
    }
}

/// Every engine has the sample's trigger; its parts are told as what they are.
pub(crate) async fn objects_are_listed_with_what_their_kind_has(fixture: &impl Fixture) {
    let (name, database) = sample(fixture).await;
    let objects = database.require_inspect_objects().unwrap();
    let all = objects.list_objects(&ObjectFilter::default(), &ObjectPage::first(1000)).await.unwrap();
    assert_eq!((all.total as usize, all.skipped.as_slice()), (all.objects.len(), &[][..]));
    let trigger = all.objects.iter().find(|object| object.name == "orders_audit").unwrap();
    assert_eq!((trigger.kind, trigger.table.as_str()), (ObjectKind::Trigger, "orders"));
    assert_eq!(trigger.schema, fixture.schema(&name));
    let ObjectDetails::Trigger(details) = &trigger.details else { panic!("{trigger:?}") };
    assert_eq!((details.timing, details.events.as_slice()), (TriggerTiming::After, &[TriggerEvent::Insert][..]));
    let tables = all_tables(&*database).await;
    let of_table = tables.iter().flat_map(|table| &table.triggers).find(|found| found.name == "orders_audit");
    assert_eq!(of_table, Some(&**details), "the table tells the same");

    let mut page = ObjectPage::first(2);
    let mut paged = Vec::new();
    loop {
        let list = objects.list_objects(&ObjectFilter::default(), &page).await.unwrap();
        assert_eq!(list.total, all.total);
        let Some(last) = list.objects.last() else { break };
        page.after = Some(ObjectKey::of(last));
        paged.extend(list.objects);
    }
    assert_eq!(paged, all.objects);
    for kind in ObjectKind::ALL {
        let filter = ObjectFilter { kinds: vec![kind], ..ObjectFilter::default() };
        let list = objects.list_objects(&filter, &ObjectPage::first(1000)).await.unwrap();
        let expected: Vec<_> = all.objects.iter().filter(|object| object.kind == kind).cloned().collect();
        assert_eq!(list.objects, expected);
    }
    let pattern = Some(NamePattern::parse("orders\\_aud%", "name_pattern").unwrap());
    let named = ObjectFilter { name_pattern: pattern, ..ObjectFilter::default() };
    assert!(objects.list_objects(&named, &ObjectPage::first(10)).await.unwrap().total >= 1);
    let elsewhere = ObjectFilter { schema: Some("no_such_schema".to_owned()), ..ObjectFilter::default() };
    assert_eq!(objects.list_objects(&elsewhere, &ObjectPage::first(10)).await.unwrap().objects, []);
}

pub(crate) async fn rows_are_sampled_with_their_types(fixture: &impl Fixture) {
    let (_, database) = sample(fixture).await;
    let samples = database.require_sample_rows().unwrap();
    let query = |table: &str, columns: &[&str]| SampleQuery {
        table: QualifiedName { schema: None, name: Identifier::parse(table, "table").unwrap() },
        columns: columns.iter().map(|column| Identifier::parse(column, "columns").unwrap()).collect(),
        limit: 2,
        value_length: 4,
    };
    let found = samples.sample(&query("customers", &["email", "id", "name"])).await.unwrap().unwrap();
    let names: Vec<_> = found.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!((names, found.rows.len()), (vec!["email", "id", "name"], 2));
    for row in &found.rows {
        let [SampleValue::Text(email), SampleValue::Integer(id), _] = row.as_slice() else { panic!("{row:?}") };
        assert!(email.text.chars().count() == 4 && email.full_length > Some(4) && *id >= 1, "{row:?}");
    }
    let all = samples.sample(&query("orders", &[])).await.unwrap().unwrap();
    assert_eq!((all.columns.len(), all.rows[0].len()), (5, 5));
    let odd = samples.sample(&query("Größen und \"Maße\"", &["名前"])).await.unwrap().unwrap();
    assert_eq!(odd.columns[0].name, "名前");
    assert_eq!(samples.sample(&query("order_totals", &[])).await.unwrap().unwrap().rows.len(), 2, "a view");
    assert_eq!(samples.sample(&query("empty_table", &[])).await.unwrap().unwrap().rows, Vec::<Vec<_>>::new());
    assert_eq!(samples.sample(&query("missing", &[])).await.unwrap(), None);
    let error = samples.sample(&query("orders", &["id", "weight"])).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ColumnNotFound, "{error}");
}

/// Where an engine has a marker, it changes with every definition. A server may count a change only when the session that
/// made it is idle or gone, so each is waited for.
pub(crate) async fn the_change_marker_follows_definitions(fixture: &impl Fixture) {
    let (name, database) = sample(fixture).await;
    let inspect = database.inspect().unwrap();
    let Some(first) = inspect.change_marker().await.unwrap() else { return };
    let first = if fixture.shares_its_marker() { first } else { settled(inspect, first).await };
    fixture.run(&name, "CREATE TABLE one_more (id INTEGER)").await;
    let second = changed(inspect, &first).await;
    fixture.run(&name, "DROP TABLE one_more").await;
    changed(inspect, &second).await;
}

/// The marker when nothing that was done before changes it any more.
async fn settled(inspect: &dyn Inspect, mut marker: String) -> String {
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = inspect.change_marker().await.unwrap().unwrap();
        if now == marker {
            return marker;
        }
        marker = now;
    }
    panic!("the marker changes by itself: {marker}");
}

/// The marker once it is another.
async fn changed(inspect: &dyn Inspect, marker: &str) -> String {
    for _ in 0..600 {
        let now = inspect.change_marker().await.unwrap().unwrap();
        if now != marker {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the marker stays {marker}");
}
