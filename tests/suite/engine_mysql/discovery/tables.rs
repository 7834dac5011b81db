//! Tables and views in full.

use dbkeeper::model::schema::{
    Dependence, DependentKind, Generation, IndexTerm, ReferentialAction, SecurityContext, TableKind, TriggerEvent,
    TriggerTiming, VersioningRole,
};

use super::*;

#[tokio::test]
async fn a_table_tells_its_storage_and_its_columns() {
    let database = open(&fixture::create()).await;
    let wide = table(&database, "wide").await;
    let storage = details(&wide);
    assert_eq!((storage.storage_engine.as_str(), storage.row_format.as_str()), ("InnoDB", "Compressed"));
    assert_eq!((storage.character_set.as_str(), storage.collation.as_str()), ("utf8mb4", "utf8mb4_general_ci"));
    assert_eq!(storage.auto_increment, Some(18_446_744_073_709_551_600), "more than 63 bits");
    let option =
        |name: &str| storage.create_options.iter().find(|option| option.name == name).map(|it| it.value.as_str());
    assert_eq!((option("row_format"), option("key_block_size")), (Some("COMPRESSED"), Some("8")));
    assert_eq!(
        (wide.comment.as_str(), storage.system_versioned, storage.partitioning.as_ref()),
        ("a wide one", false, None)
    );

    assert_eq!(column(&wide, "id").0.generation, Generation::AutoIncrement);
    let (packed, found) = column(&wide, "packed");
    assert_eq!((packed.data_type.as_str(), found.compressed), ("text", true));
    assert_eq!((column(&wide, "hidden").1.invisible, column(&wide, "id").1.invisible), (true, false));
    let (code, found) = column(&wide, "code");
    assert_eq!((code.character_set.as_str(), code.collation.as_str()), ("latin1", "latin1_german1_ci"));
    assert_eq!((code.comment.as_str(), found.on_update.as_str()), ("a `code`, \"quoted\"", ""));
    let (seen, found) = column(&wide, "seen");
    assert_eq!(
        (seen.default_expression.as_deref(), found.on_update.as_str()),
        (Some("current_timestamp(3)"), "current_timestamp(3)")
    );
    let (changed, found) = column(&wide, "changed");
    assert_eq!((changed.default_expression.as_deref(), found.on_update.as_str()), (None, "current_timestamp()"));
    assert_eq!(column(&wide, "doc").0.data_type, "json");
    assert_eq!(column(&wide, "plus").0.default_expression.as_deref(), Some("(1 + 2)"));
    let (stored, shown) = (column(&wide, "stored").0, column(&wide, "shown"));
    assert_eq!((stored.generation, stored.generation_expression.as_str()), (Generation::Stored, "`plus` * 2"));
    assert_eq!((shown.0.generation, shown.1.invisible), (Generation::Virtual, true));
    assert_eq!((column(&wide, "place").1.srid, column(&wide, "id").1.srid), (Some(4326), None));
    assert_eq!(column(&wide, "other").0.data_type, "uuid");

    let checks: Vec<_> = wide.checks.iter().map(|check| (check.name.as_str(), check.column.as_str())).collect();
    assert_eq!(checks, [("small", "small"), ("wide_plus", "")], "the check of the JSON column is MariaDB's own");
    assert!(wide.checks.iter().all(|check| check.enforced && check.validated));
    let index = |name: &str| wide.indexes.iter().find(|index| index.name == name).unwrap();
    assert_eq!((index("by_place").method.as_str(), index("by_place").parts[0].prefix_length), ("spatial", 0));
    assert_eq!((index("by_words").method.as_str(), index("by_words").comment.as_str()), ("fulltext", "words"));
    assert_eq!((index("ignored").visible, index("ignored").valid, index("by_start").visible), (false, true, true));
    let start = index("by_start");
    assert_eq!((start.parts[0].prefix_length, start.parts[0].descending, start.parts[1].descending), (3, true, false));
    assert_eq!((start.comment.as_str(), start.constraint.as_str()), ("the start", ""));
    assert_eq!((index("by_code").constraint.as_str(), index("by_code").unique), ("by_code", true));

    let plain = table(&database, "plain").await;
    let found = details(&plain);
    assert_eq!((found.storage_engine.as_str(), found.character_set.as_str()), ("Aria", "latin1"));
    let options: Vec<_> = found.create_options.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect();
    assert_eq!(options, [("max_rows", "100"), ("transactional", "1")]);
}

#[tokio::test]
async fn histories_and_periods_are_told() {
    let database = open(&fixture::create()).await;
    let history = table(&database, "history").await;
    assert!(details(&history).system_versioned && details(&history).periods.is_empty(), "{history:?}");
    assert_eq!((history.kind, column(&history, "y").1.versioning), (TableKind::Table, VersioningRole::Excluded));
    let told = table(&database, "told_history").await;
    let roles = ["x", "since", "until"].map(|name| column(&told, name).1.versioning);
    assert_eq!(roles, [VersioningRole::None, VersioningRole::RowStart, VersioningRole::RowEnd]);
    let period = &details(&told).periods[0];
    let names = [&period.name, &period.start_column, &period.end_column].map(String::as_str);
    assert_eq!(names, ["SYSTEM_TIME", "since", "until"]);

    let booking = table(&database, "booking").await;
    let period = &details(&booking).periods[0];
    assert_eq!([&period.name, &period.start_column, &period.end_column].map(String::as_str), ["stay", "from", "to"]);
    let key = &booking.unique_constraints[0];
    assert_eq!((key.without_overlaps, key.columns.as_slice()), (true, &["room".to_owned(), "stay".to_owned()][..]));
    let checks: Vec<_> = booking.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(checks, ["ordered"], "the check of the period is MariaDB's own");
}

#[tokio::test]
async fn partitions_are_told_in_order() {
    let database = open(&fixture::create()).await;
    let by_year = table(&database, "by_year").await;
    let found = details(&by_year).partitioning.as_ref().unwrap();
    assert_eq!((found.method.as_str(), found.expression.as_str()), ("RANGE", "year(`d`)"));
    assert_eq!((found.subpartition_method.as_str(), found.subpartition_expression.as_str()), ("HASH", "to_days(`d`)"));
    let bounds: Vec<_> = found.partitions.iter().map(|part| (part.name.as_str(), part.bound.as_str())).collect();
    assert_eq!(bounds, [("old", "2000"), ("new", "MAXVALUE")]);
    let old = &found.partitions[0];
    let names: Vec<_> = old.subpartitions.iter().map(|part| part.name.as_str()).collect();
    assert_eq!((old.comment.as_str(), names), ("long ago", vec!["oldsp0", "oldsp1"]));
    assert_eq!(old.data_size_bytes, old.subpartitions.iter().map(|part| part.data_size_bytes).sum::<i64>());
    assert!(old.data_size_bytes > 0);

    let method = async |name: &str| {
        let table = table(&database, name).await;
        let found = details(&table).partitioning.clone().unwrap();
        (found.method, found.partitions.into_iter().map(|part| (part.name, part.bound)).collect::<Vec<_>>())
    };
    let pair = |name: &str, bound: &str| (name.to_owned(), bound.to_owned());
    let list = vec![pair("a", "'x','it''s'"), pair("d", "MAXVALUE")];
    assert_eq!(method("by_list").await, ("LIST COLUMNS".to_owned(), list));
    let keys = vec![pair("p0", ""), pair("p1", ""), pair("p2", "")];
    assert_eq!(method("by_key").await, ("LINEAR KEY".to_owned(), keys));
    assert_eq!(method("versions").await.0, "SYSTEM_TIME");
}

#[tokio::test]
async fn views_sequences_and_triggers_are_told() {
    let name = fixture::create();
    let database = open(&name).await;
    let checked = table(&database, "checked").await;
    let view = details(&checked).view.as_ref().unwrap();
    assert_eq!((view.security, view.check_option.as_str()), (SecurityContext::Invoker, "CASCADED"));
    assert_eq!((view.algorithm.as_str(), view.updatable, view.definer.as_str()), ("MERGE", true, "root@localhost"));
    assert_eq!((view.character_set_client.as_str(), checked.comment.as_str()), ("utf8mb4", ""));
    let over_it = table(&database, "over_it").await;
    let view = details(&over_it).view.as_ref().unwrap();
    assert_eq!(
        (view.algorithm.as_str(), view.updatable, view.security),
        ("TEMPTABLE", false, SecurityContext::Definer)
    );

    let numbers = table(&database, "numbers").await;
    let options = details(&numbers).sequence.as_ref().unwrap();
    let texts = [&options.start, &options.increment, &options.minimum, &options.maximum].map(String::as_str);
    assert_eq!((numbers.kind, texts), (TableKind::Sequence, ["7", "3", "1", "1000"]));
    assert_eq!((options.cache, options.cycle, options.last_value.as_deref()), (0, true, Some("10")));
    let cached = table(&database, "cached").await;
    let options = details(&cached).sequence.as_ref().unwrap();
    assert_eq!((options.start.as_str(), options.increment.as_str(), options.cache), ("-5", "-1", 50));
    assert_eq!((options.cycle, options.last_value.as_deref()), (false, None), "with a cache it is not known");

    let child = table(&database, "child").await;
    let triggers: Vec<_> = child.triggers.iter().map(|it| (it.name.as_str(), it.action_order)).collect();
    assert_eq!(triggers, [("child_before", 1), ("child_first", 2)]);
    let trigger = &child.triggers[0];
    assert_eq!((trigger.timing, trigger.events.as_slice()), (TriggerTiming::Before, &[TriggerEvent::Update][..]));
    assert_eq!((trigger.body.as_str(), trigger.definer.as_str()), ("SET NEW.parent_id = NULL", "root@localhost"));
    assert!(trigger.sql_mode.contains("STRICT_TRANS_TABLES"), "{trigger:?}");
    let key = &child.foreign_keys[0];
    assert_eq!(
        (key.columns.len(), key.on_delete, key.on_update),
        (2, ReferentialAction::Cascade, ReferentialAction::SetNull)
    );
}

#[tokio::test]
async fn what_depends_on_a_table_is_found() {
    let name = fixture::create();
    let database = open(&name).await;
    let found = look_up(&database, "parent").await.unwrap().unwrap();
    let told: Vec<_> = found
        .dependents
        .iter()
        .map(|it| (it.kind, it.name.as_str(), it.dependence, it.through.as_str(), it.columns.join(",")))
        .collect();
    let columns = || "id,part".to_owned();
    let (references, reads) = (Dependence::References, Dependence::Reads);
    let expected = [
        (DependentKind::Table, "child", references, "child_parent", columns()),
        (DependentKind::Table, "odd, child; ü", references, "odd key ü", columns()),
        (DependentKind::View, "checked", reads, "", String::new()),
    ];
    assert_eq!(told, expected);
    assert!(found.dependents.iter().all(|it| it.schema == name) && found.skipped.is_empty(), "{found:?}");
    let of = async |name: &str| {
        let found = look_up(&database, name).await.unwrap().unwrap();
        found.dependents.into_iter().map(|it| it.name).collect::<Vec<_>>()
    };
    assert_eq!(of("checked").await, ["over_it"], "a view on a view");
    assert_eq!(of("self").await, Vec::<String>::new(), "a key of its own");
}

#[tokio::test]
async fn the_stream_tells_the_same_as_the_look_up_and_the_totals_add_up() {
    let name = fixture::create();
    let database = open(&name).await;
    let (streamed, skipped) = stream(&database).await;
    assert_eq!((skipped, streamed.len()), (vec![], 17));
    for found in &streamed {
        assert_eq!(&table(&database, &found.name).await, found);
    }
    let info = database.require_inspect().unwrap().database().await.unwrap();
    // wide: packed, code, doc (a LONGTEXT to MariaDB) and body; by_list: k; parent: note. Those of views do not count.
    assert_eq!((info.searchable_table_count, info.searchable_column_count), (3, 6));
    let full_text = &info.full_text_tables[0];
    assert_eq!((info.full_text_table_count, info.full_text_tables.len()), (1, 1));
    assert_eq!(
        (full_text.table.as_str(), full_text.index.as_str(), full_text.columns.join(",")),
        ("wide", "by_words", "body".to_owned())
    );
    assert_eq!((info.table_count, info.view_count, info.skipped.as_slice()), (13, 2, &[][..]));
    assert!(streamed[0].indexes.iter().all(|index| matches!(index.parts[0].term, IndexTerm::Column(_))));
}
