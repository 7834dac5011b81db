//! What is no table, and the database as a whole.

use dbkeeper::model::schema::{
    ArgumentMode, NamePattern, ObjectDetails, ObjectFilter, ObjectKind, ObjectPage, ParallelSafety, RoutineDetails,
    SchemaObject, SecurityContext, TriggerEvent, Volatility,
};

use super::{everything, object, parameter};
use crate::{engine_postgres::open_new, harness::postgres::PostgresServer};

async fn all_objects() -> Vec<SchemaObject> {
    let (_, database) = everything().await;
    let objects = database.require_inspect_objects().expect("objects");
    let list = objects.list_objects(&ObjectFilter::default(), &ObjectPage::first(1000)).await.expect("a list");
    assert_eq!((list.total as usize, list.skipped.as_slice()), (list.objects.len(), &[][..]));
    list.objects
}

fn find<'a>(objects: &'a [SchemaObject], kind: ObjectKind, name: &str) -> &'a SchemaObject {
    objects.iter().find(|object| object.kind == kind && object.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn every_kind_is_listed_and_nothing_of_extensions() {
    let objects = all_objects().await;
    let names: Vec<String> =
        objects.iter().map(|object| format!("{} {}.{}", object.kind.as_str(), object.schema, object.name)).collect();
    let expected = [
        "EXTENSION pg_catalog.plpgsql",
        "ENUM app.mood",
        "DOMAIN app.percent",
        "COMPOSITE_TYPE app.address",
        "RANGE_TYPE app.float_range",
        "SEQUENCE app.account_id_seq",
        "SEQUENCE app.account_number_seq",
        "SEQUENCE app.tickets",
        "FUNCTION app.add",
        "FUNCTION app.add",
        "FUNCTION app.numbers",
        "FUNCTION app.poorest",
        "FUNCTION app.touch",
        "PROCEDURE app.tidy",
        "AGGREGATE app.product",
        "TRIGGER app.late",
        "TRIGGER app.seen",
        "TRIGGER app.touch WHEN (x)",
        "POLICY app.by_account",
        "POLICY app.own_rows",
        "RULE app.no_delete",
        "COLLATION app.german",
        "EXTENSION public.btree_gist",
        "EXTENSION public.postgres_fdw",
        "PUBLICATION .changes",
        "PUBLICATION .whole_schema",
        "FOREIGN_SERVER .elsewhere",
        "SCHEMA .app",
        "SCHEMA .public",
    ];
    let mut sorted = names.clone();
    sorted.sort();
    let mut expected_sorted = expected.map(str::to_owned).to_vec();
    expected_sorted.sort();
    assert_eq!(sorted, expected_sorted);
}

#[tokio::test]
async fn types_are_told_with_all_that_they_have() {
    let objects = all_objects().await;
    let mood = find(&objects, ObjectKind::Enum, "mood");
    assert_eq!(mood.details, ObjectDetails::Enum(["sad", "it's ok", "happy 😀"].map(str::to_owned).to_vec()));
    assert_eq!((mood.comment.as_str(), mood.owner.as_str()), ("how it is", "postgres"));
    let ObjectDetails::Domain(percent) = &find(&objects, ObjectKind::Domain, "percent").details else {
        panic!("a domain")
    };
    assert_eq!((percent.base_type.as_str(), percent.not_null), ("numeric(5,2)", true));
    assert_eq!(percent.default_expression.as_deref(), Some("0"));
    let checks: Vec<_> = percent.checks.iter().map(|check| (check.name.as_str(), check.validated)).collect();
    assert_eq!(checks, [("percent_even", false), ("percent_range", true)]);
    let ObjectDetails::CompositeType(address) = &find(&objects, ObjectKind::CompositeType, "address").details else {
        panic!("a row")
    };
    let attributes: Vec<_> = address
        .iter()
        .map(|one| [&one.name, &one.data_type, &one.collation, &one.comment].map(String::as_str))
        .collect();
    assert_eq!(attributes, [["street", "text", "C", ""], ["number", "integer", "", "of the house"]]);
    let ObjectDetails::RangeType(range) = &find(&objects, ObjectKind::RangeType, "float_range").details else {
        panic!("a range")
    };
    assert_eq!((range.subtype.as_str(), range.operator_class.as_str()), ("double precision", "float8_ops"));
    assert_eq!(
        (range.subtype_difference_function.as_str(), range.multirange_type.as_str()),
        ("float8mi", "app.float_multirange")
    );
    let ObjectDetails::Collation(german) = &find(&objects, ObjectKind::Collation, "german").details else {
        panic!("a collation")
    };
    assert_eq!(
        (german.provider.as_str(), german.locale.as_str(), german.deterministic),
        ("icu", "de-u-ks-level2", false)
    );
    assert!(!german.version.is_empty() && german.version == german.actual_version);
}

#[tokio::test]
async fn sequences_and_routines_are_told_with_all_that_they_have() {
    let objects = all_objects().await;
    let tickets = find(&objects, ObjectKind::Sequence, "tickets");
    let ObjectDetails::Sequence(sequence) = &tickets.details else { panic!("a sequence") };
    let options = &sequence.options;
    let numbers = [&options.data_type, &options.start, &options.increment, &options.minimum, &options.maximum]
        .map(String::as_str);
    assert_eq!(numbers, ["integer", "20", "5", "10", "1000"]);
    assert_eq!((options.cache, options.cycle, options.last_value.as_deref()), (3, true, Some("30")));
    assert_eq!((tickets.comment.as_str(), sequence.owned_by.as_ref()), ("numbers to draw", None));
    assert!(
        tickets
            .grants
            .iter()
            .any(|grant| (grant.grantee.as_str(), grant.privilege.as_str()) == ("pg_monitor", "USAGE"))
    );
    let ObjectDetails::Sequence(owned) = &find(&objects, ObjectKind::Sequence, "account_number_seq").details else {
        panic!("a sequence")
    };
    assert_eq!(owned.owned_by, Some((object("app", "account"), "number".to_owned())));

    let add =
        objects.iter().find(|object| object.name == "add" && object.signature == "integer, integer").expect("add");
    assert!(
        add.definition.starts_with("CREATE OR REPLACE FUNCTION app.add(a integer, b integer DEFAULT 2"),
        "{}",
        add.definition
    );
    assert_eq!(add.comment, "adds");
    let ObjectDetails::Routine(routine) = &add.details else { panic!("a routine") };
    assert_eq!(
        (routine.language.as_str(), routine.security, routine.body.as_str()),
        ("sql", SecurityContext::Definer, "SELECT a + b")
    );
    let arguments: Vec<_> =
        routine.arguments.iter().map(|one| (one.name.as_str(), one.mode, one.default_expression.as_deref())).collect();
    assert_eq!(
        arguments,
        [("a", ArgumentMode::In, None), ("b", ArgumentMode::In, Some("2")), ("sum", ArgumentMode::Out, None)]
    );
    let Some(RoutineDetails::Postgres(details)) = &routine.details else { panic!("{routine:?}") };
    assert_eq!(
        (details.volatility, details.parallel, details.cost),
        (Volatility::Immutable, ParallelSafety::Safe, 7.0)
    );
    assert!(details.strict && details.leakproof && !details.returns_set);
    assert_eq!(details.settings, [parameter("work_mem", "1MB")]);
    let ObjectDetails::Routine(numbers) = &find(&objects, ObjectKind::Function, "numbers").details else {
        panic!("a routine")
    };
    assert_eq!(
        (numbers.return_type.as_str(), numbers.arguments[1].mode),
        ("TABLE(n integer, square bigint)", ArgumentMode::Table)
    );
    let ObjectDetails::Routine(poorest) = &find(&objects, ObjectKind::Function, "poorest").details else {
        panic!("a routine")
    };
    assert!(poorest.body.contains("app.account"), "{}", poorest.body);
    let ObjectDetails::Routine(tidy) = &find(&objects, ObjectKind::Procedure, "tidy").details else {
        panic!("a routine")
    };
    assert_eq!((tidy.return_type.as_str(), tidy.arguments[0].mode), ("", ArgumentMode::InOut));
    let ObjectDetails::Aggregate(product) = &find(&objects, ObjectKind::Aggregate, "product").details else {
        panic!("an aggregate")
    };
    assert_eq!((product.state_function.as_str(), product.state_type.as_str()), ("float8mul", "double precision"));
    assert_eq!((product.initial_state.as_deref(), product.kind.as_str()), (Some("1"), "normal"));
}

#[tokio::test]
async fn what_stands_beside_the_tables_is_told_without_secrets() {
    let objects = all_objects().await;
    let ObjectDetails::Publication(changes) = &find(&objects, ObjectKind::Publication, "changes").details else {
        panic!("a publication")
    };
    assert_eq!((changes.table_count, changes.via_root, changes.all_tables), (2, true, false));
    assert_eq!(changes.operations, [TriggerEvent::Insert, TriggerEvent::Truncate]);
    assert_eq!(
        (changes.tables[0].table.clone(), changes.tables[0].row_filter.as_str()),
        (object("app", "account"), "(amount > (3)::numeric)")
    );
    assert_eq!((changes.tables[0].columns.len(), changes.tables[1].columns.len()), (2, 0));
    let ObjectDetails::Publication(whole) = &find(&objects, ObjectKind::Publication, "whole_schema").details else {
        panic!("a publication")
    };
    assert_eq!(whole.schemas, ["app"]);
    let elsewhere = find(&objects, ObjectKind::ForeignServer, "elsewhere");
    let ObjectDetails::ForeignServer(server) = &elsewhere.details else { panic!("a server") };
    assert_eq!(
        (server.wrapper.as_str(), server.server_type.as_str(), server.version.as_str()),
        ("postgres_fdw", "postgresql", "15")
    );
    assert_eq!(
        (server.options[0].clone(), server.mapped_users.as_slice()),
        (parameter("host", "nowhere.invalid"), &["PUBLIC".to_owned()][..])
    );
    assert_eq!(elsewhere.comment, "far away");
    assert!(!format!("{objects:?}").contains("hunter2"));
    let app = find(&objects, ObjectKind::Schema, "app");
    let ObjectDetails::Schema(namespace) = &app.details else { panic!("a schema") };
    assert_eq!(namespace.default_privileges, ["FOR ROLE postgres GRANT SELECT ON TABLES TO PUBLIC"]);
    assert_eq!(app.comment, "the application");
    let ObjectDetails::Extension(gist) = &find(&objects, ObjectKind::Extension, "btree_gist").details else {
        panic!("an extension")
    };
    assert!(!gist.version.is_empty() && gist.version == gist.available_version && gist.relocatable);
    let rule = find(&objects, ObjectKind::Rule, "no_delete");
    assert_eq!((rule.table.as_str(), rule.comment.as_str()), ("account", "kept"));
    assert!(rule.definition.starts_with("CREATE RULE no_delete"));
}

#[tokio::test]
async fn filters_take_schemas_and_names_apart() {
    let (_, database) = everything().await;
    let objects = database.require_inspect_objects().expect("objects");
    let pattern = |text: &str| Some(NamePattern::parse(text, "name_pattern").expect("a pattern"));
    let filter = ObjectFilter { name_pattern: pattern(r"account\_%"), ..ObjectFilter::default() };
    let found = objects.list_objects(&filter, &ObjectPage::first(1)).await.expect("a list");
    assert_eq!((found.total, found.objects[0].name.as_str()), (2, "account_id_seq"));
    let filter = ObjectFilter { schema: Some("public".to_owned()), ..ObjectFilter::default() };
    let found = objects.list_objects(&filter, &ObjectPage::first(10)).await.expect("a list");
    let names: Vec<_> = found.objects.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names, ["btree_gist", "postgres_fdw"]);
}

#[tokio::test]
async fn totals_count_texts_and_full_text_indexes() {
    let (_, database) = everything().await;
    let info = database.require_inspect().expect("inspect").database().await.expect("a database");
    assert_eq!((info.searchable_table_count, info.searchable_column_count), (3, 4));
    assert_eq!(info.full_text_table_count, 1);
    let indexes: Vec<_> =
        info.full_text_tables.iter().map(|found| (found.table.as_str(), found.index.as_str())).collect();
    assert_eq!(indexes, [("account", "account_signature"), ("account", "account_words")]);
    assert_eq!(info.full_text_tables[0].columns, ["words"]);
}

#[tokio::test]
async fn the_change_marker_counts_every_kind_of_definition() {
    let (name, database) = open_new().await;
    let inspect = database.require_inspect().expect("inspect");
    let mut marker = inspect.change_marker().await.expect("an answer").expect("a marker");
    for sql in [
        "CREATE TABLE t (id integer)",
        "ALTER TABLE t ALTER id SET NOT NULL",
        "COMMENT ON TABLE t IS 'x'",
        "CREATE INDEX i ON t (id)",
        "GRANT SELECT ON t TO PUBLIC",
        "CREATE TYPE e AS ENUM ('a')",
        "ALTER TYPE e ADD VALUE 'b'",
        "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE VIEW v AS SELECT 1 AS one",
        "CREATE OR REPLACE VIEW v AS SELECT 2 AS one",
        "CREATE POLICY p ON t",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "DROP TABLE t",
    ] {
        PostgresServer::shared().psql(&name, sql);
        let mut changed = None;
        for _ in 0..600 {
            changed = inspect.change_marker().await.expect("an answer").filter(|now| *now != marker);
            if changed.is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        marker = changed.unwrap_or_else(|| panic!("the marker does not change with {sql}"));
    }
}
