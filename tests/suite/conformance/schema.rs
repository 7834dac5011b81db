//! Reaching a database and reading its schema.

use dbkeeper::model::{
    connection::Ability,
    name::{Identifier, QualifiedName},
    schema::{Generation, IndexTerm, ReferentialAction, Table, TableFilter, TableKind},
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
    let mut after: Option<(String, String)> = None;
    loop {
        let key = after.as_ref().map(|(schema, name)| (schema.as_str(), name.as_str()));
        let (page, total) = inspect.list_tables(&TableFilter::default(), key, 7).await.unwrap();
        assert_eq!(total as usize, streamed.len());
        let Some(last) = page.last() else { break };
        after = Some((last.schema.clone(), last.name.clone()));
        paged.extend(page);
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
        assert_eq!(inspect.table(&name).await.unwrap().as_ref(), Some(table));
    }
    let missing = QualifiedName { schema: None, name: Identifier::parse("missing", "name").unwrap() };
    assert_eq!(inspect.table(&missing).await.unwrap(), None);
    let views = TableFilter { schema: None, kind: Some(TableKind::View) };
    let (views, total) = inspect.list_tables(&views, None, 100).await.unwrap();
    assert_eq!(total as usize, views.len());
    assert!(views.iter().all(|view| view.kind == TableKind::View) && !views.is_empty());
    let elsewhere = TableFilter { schema: Some("no_such_schema".to_owned()), kind: None };
    assert_eq!(inspect.list_tables(&elsewhere, None, 100).await.unwrap(), (Vec::new(), 0));
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
