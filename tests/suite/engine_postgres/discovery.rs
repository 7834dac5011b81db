//! Every kind of object of PostgreSQL, and each of its details: what the fixture declares is what discovery tells.

pub(crate) mod access;
mod objects;
mod shapes;

use std::sync::Arc;

use dbkeeper::{
    engine::Database,
    model::schema::{
        ColumnDetails, ColumnStorage, Command, Dependence, Dependent, DependentKind, FiringState, Generation,
        IndexTerm, MatchType, NullsOrder, ObjectName, Parameter, PartitionStrategy, Persistence, PostgresColumn,
        PostgresTable, ReferentialAction, ReplicaIdentity, Table, TableDetails, TriggerEvent, TriggerLevel,
        TriggerTiming,
    },
};

use super::{
    inspect::{all_tables, find, named},
    open_new,
};
use crate::harness::postgres::PostgresServer;

const EVERYTHING: &str = include_str!("everything.sql");

/// A new database with one of everything.
async fn everything() -> (String, Arc<dyn Database>) {
    let (name, database) = open_new().await;
    PostgresServer::shared().psql(&name, EVERYTHING);
    (name, database)
}

async fn everything_streamed() -> (Vec<Table>, Arc<dyn Database>) {
    let (_, database) = everything().await;
    let (tables, skipped) = all_tables(database.as_ref()).await;
    assert_eq!(skipped, []);
    (tables, database)
}

fn details(table: &Table) -> &PostgresTable {
    let Some(TableDetails::Postgres(details)) = &table.details else { panic!("{table:?}") };
    details
}

fn column<'a>(table: &'a Table, name: &str) -> (&'a dbkeeper::model::schema::Column, &'a PostgresColumn) {
    let column = table.columns.iter().find(|column| column.name == name).expect("a column");
    let Some(ColumnDetails::Postgres(details)) = &column.details else { panic!("{column:?}") };
    (column, details)
}

fn object(schema: &str, name: &str) -> ObjectName {
    ObjectName { schema: schema.to_owned(), name: name.to_owned() }
}

fn parameter(name: &str, value: &str) -> Parameter {
    Parameter { name: name.to_owned(), value: value.to_owned() }
}

#[tokio::test]
async fn columns_are_told_with_all_that_they_have() {
    let (tables, _) = everything_streamed().await;
    let account = find(&tables, "account");
    let (id, _) = column(account, "id");
    assert_eq!(id.generation, Generation::IdentityByDefault);
    let generator = id.sequence.as_ref().expect("an identity has a generator");
    assert_eq!(generator.sequence, Some(object("app", "account_id_seq")));
    assert_eq!((generator.start.as_str(), generator.increment.as_str(), generator.cache), ("100", "10", 4));
    assert_eq!((generator.data_type.as_str(), generator.last_value.as_deref()), ("bigint", None));
    let (number, _) = column(account, "number");
    assert_eq!(number.sequence.as_ref().expect("a serial has one").sequence, Some(object("app", "account_number_seq")));
    assert_eq!(number.default_expression.as_deref(), Some("nextval('app.account_number_seq'::regclass)"));
    assert_eq!(column(account, "name").0.collation, "app.german");
    assert_eq!(column(account, "mood").1.user_type, Some(object("app", "mood")));
    let (history, array) = column(account, "history");
    assert_eq!((history.data_type.as_str(), array.array_dimensions), ("app.mood[]", 1));
    assert_eq!(array.user_type, Some(object("app", "mood")));
    assert_eq!(column(account, "share").1.user_type, Some(object("app", "percent")));
    let (_, body) = column(account, "body");
    assert_eq!((body.storage, body.compression.as_str()), (ColumnStorage::External, "pglz"));
    let (_, amount) = column(account, "amount");
    assert_eq!(amount.statistics_target, Some(500));
    assert_eq!(amount.options, [parameter("n_distinct", "-0.5")]);
    assert_eq!((amount.user_type.as_ref(), amount.storage), (None, ColumnStorage::Main));
    let (doubled, _) = column(account, "doubled");
    assert_eq!(
        (doubled.generation, doubled.generation_expression.as_str()),
        (Generation::Stored, "(amount * (2)::numeric)")
    );
    let heir = find(&tables, "heir");
    assert_eq!((column(heir, "a").1.inherited_from, column(heir, "a").1.local), (1, false));
    assert_eq!((column(heir, "c").1.inherited_from, column(heir, "c").1.local), (0, true));
    assert_eq!(column(find(&tables, "remote"), "id").1.foreign_options, [parameter("column_name", "ID")]);
}

#[tokio::test]
async fn constraints_are_told_with_all_that_they_have() {
    let (tables, _) = everything_streamed().await;
    let account = find(&tables, "account");
    let unique = &account.unique_constraints[0];
    assert_eq!(
        (unique.columns.as_slice(), unique.included_columns.as_slice()),
        (&["name".to_owned()][..], &["amount".to_owned()][..])
    );
    assert!(unique.nulls_not_distinct && unique.deferrable && unique.initially_deferred, "{unique:?}");
    assert_eq!(unique.index, "account_name");
    assert_eq!(account.primary_key.as_ref().expect("a key").index, "account_pkey");
    let [amount, late] = account.checks.as_slice() else { panic!("{:?}", account.checks) };
    assert_eq!((amount.no_inherit, amount.validated, amount.comment.as_str()), (true, true, "never owed"));
    assert_eq!((late.no_inherit, late.validated, late.enforced), (false, false, true));

    let [to_account, to_other, to_pair] = find(&tables, "child").foreign_keys.as_slice() else { panic!("three keys") };
    assert_eq!((to_account.on_delete, to_account.validated), (ReferentialAction::Restrict, false));
    assert_eq!((to_account.comment.as_str(), to_account.match_type), ("whose it is", MatchType::Simple));
    assert_eq!(
        (to_other.on_delete, to_other.on_delete_columns.as_slice()),
        (ReferentialAction::SetNull, &["other".to_owned()][..])
    );
    assert_eq!((to_pair.match_type, to_pair.on_update), (MatchType::Full, ReferentialAction::Cascade));
    assert!(to_pair.deferrable && to_pair.initially_deferred && to_pair.on_delete_columns.is_empty());

    let [free] = find(&tables, "booking").exclusions.as_slice() else { panic!("one exclusion") };
    assert_eq!(
        (free.name.as_str(), free.method.as_str(), free.predicate.as_str()),
        ("booking_free", "gist", "(NOT cancelled)")
    );
    assert!(free.deferrable && !free.initially_deferred);
    let elements: Vec<_> =
        free.elements.iter().map(|element| (element.term.clone(), element.operator.as_str())).collect();
    assert_eq!(elements, [(IndexTerm::Column("room".to_owned()), "="), (IndexTerm::Column("during".to_owned()), "&&")]);
    let class = free.elements[0].operator_class.as_ref().expect("a class");
    assert_eq!(class.name, object("public", "gist_int4_ops"));
}

#[tokio::test]
async fn indexes_are_told_with_all_that_they_have() {
    let (tables, _) = everything_streamed().await;
    let account = find(&tables, "account");
    let index = |name: &str| account.indexes.iter().find(|index| index.name == name).expect("an index");
    let mixed = index("account_mixed");
    let [amount, lower, name] = mixed.parts.as_slice() else { panic!("{mixed:?}") };
    assert_eq!(
        (amount.term.clone(), amount.descending, amount.nulls),
        (IndexTerm::Column("amount".to_owned()), true, NullsOrder::Last)
    );
    assert_eq!((lower.term.clone(), lower.nulls), (IndexTerm::Expression("lower(body)".to_owned()), NullsOrder::Last));
    let class = lower.operator_class.as_ref().expect("a class");
    assert_eq!((class.name.clone(), class.default), (object("pg_catalog", "text_pattern_ops"), false));
    assert_eq!((name.collation.as_str(), name.operator_class.as_ref().map(|class| class.default)), ("C", Some(true)));
    assert_eq!(
        (mixed.included_columns.as_slice(), mixed.predicate.as_str()),
        (&["mood".to_owned()][..], "(amount > (10)::numeric)")
    );
    assert_eq!(
        (mixed.storage_parameters.as_slice(), mixed.comment.as_str()),
        (&[parameter("fillfactor", "80")][..], "of all sorts")
    );
    assert!(
        mixed.valid
            && mixed.ready
            && !mixed.unique
            && mixed.definition.starts_with("CREATE INDEX account_mixed ON app.account")
    );
    let signature = &index("account_signature").parts[0];
    assert_eq!(signature.operator_class.as_ref().expect("a class").parameters, [parameter("siglen", "32")]);
    assert_eq!(signature.nulls, NullsOrder::Untold, "GiST has no order");
    assert!(index("account_name").nulls_not_distinct && !index("account_pkey").nulls_not_distinct);
    assert_eq!((index("account_name").constraint.as_str(), index("account_pkey").clustered), ("account_name", true));
    let part = &find(&tables, "event_old").indexes[0];
    assert_eq!(part.partition_of, Some(object("app", "event_day")));
}

#[tokio::test]
async fn triggers_policies_and_rules_are_told_with_all_that_they_have() {
    let (tables, _) = everything_streamed().await;
    let account = find(&tables, "account");
    let [late, seen, touch] = account.triggers.as_slice() else { panic!("{:?}", account.triggers) };
    assert_eq!(
        (touch.timing, touch.level, touch.state),
        (TriggerTiming::Before, TriggerLevel::Row, FiringState::Enabled)
    );
    assert_eq!(touch.events, [TriggerEvent::Insert, TriggerEvent::Update]);
    assert_eq!(touch.columns, ["name", "amount"]);
    assert_eq!(touch.condition, "((new.name <> ') EXECUTE FUNCTION ('::text) AND (new.amount > (0)::numeric))");
    assert_eq!(
        (touch.function.as_ref(), touch.arguments.as_slice()),
        (Some(&object("app", "touch")), &["one".to_owned(), "it's two".to_owned()][..])
    );
    assert_eq!((touch.comment.as_str(), touch.constraint), ("touches", false));
    assert_eq!(
        (seen.timing, seen.level, seen.state),
        (TriggerTiming::After, TriggerLevel::Statement, FiringState::Disabled)
    );
    assert_eq!(
        (seen.old_table.as_str(), seen.new_table.as_str(), seen.condition.as_str()),
        ("before_rows", "after_rows", "")
    );
    assert!(late.constraint && late.deferrable && late.initially_deferred && late.state == FiringState::Always);

    let known = details(account);
    assert!(known.row_security && known.row_security_forced);
    let [policy] = known.policies.as_slice() else { panic!("{known:?}") };
    assert_eq!((policy.name.as_str(), policy.command, policy.permissive), ("own_rows", Command::Update, false));
    assert_eq!((policy.roles.as_slice(), policy.comment.as_str()), (&["PUBLIC".to_owned()][..], "only ours"));
    assert_eq!(
        (policy.using_expression.as_str(), policy.check_expression.as_str()),
        ("(name = CURRENT_USER)", "(amount > (1)::numeric)")
    );
    let [rule] = known.rules.as_slice() else { panic!("{known:?}") };
    assert_eq!(
        (rule.name.as_str(), rule.command, rule.instead, rule.state),
        ("no_delete", Command::Delete, true, FiringState::Enabled)
    );
    assert!(rule.definition.contains("DO INSTEAD NOTHING") && rule.comment == "kept");
    assert!(details(find(&tables, "rich")).rules.is_empty(), "what makes a view is no rule of it");
}

#[tokio::test]
async fn tables_are_told_with_all_that_they_have() {
    let (tables, _) = everything_streamed().await;
    let account = find(&tables, "account");
    let known = details(account);
    assert_eq!(account.owner, "postgres");
    assert_eq!((known.access_method.as_str(), known.persistence), ("heap", Persistence::Permanent));
    assert_eq!(
        known.storage_parameters,
        [parameter("fillfactor", "70"), parameter("toast.autovacuum_enabled", "false")]
    );
    assert_eq!(known.replica_identity, ReplicaIdentity::Full);
    let [pair] = known.statistics.as_slice() else { panic!("{known:?}") };
    assert_eq!((pair.name.clone(), pair.target), (object("app", "account_pair"), Some(300)));
    let granted = |grantee: &str| account.grants.iter().filter(|grant| grant.grantee == grantee).collect::<Vec<_>>();
    let [public] = granted("PUBLIC")[..] else { panic!("{:?}", account.grants) };
    assert_eq!((public.privilege.as_str(), public.grantable, public.column.as_str()), ("SELECT", false, ""));
    let [monitor] = granted("pg_monitor")[..] else { panic!("{:?}", account.grants) };
    assert_eq!((monitor.privilege.as_str(), monitor.grantable, monitor.column.as_str()), ("UPDATE", true, "name"));
    assert_eq!(monitor.grantor, "postgres");
    assert_eq!(details(find(&tables, "booking")).persistence, Persistence::Unlogged);
    assert_eq!(details(find(&tables, "heir")).inherits, [object("app", "parent_one"), object("app", "parent_two")]);
    assert_eq!(details(find(&tables, "typed")).of_type, Some(object("app", "address")));
    let remote = details(find(&tables, "remote")).foreign.as_ref().expect("it is foreign");
    assert_eq!(
        (remote.server.as_str(), remote.options.as_slice()),
        ("elsewhere", &[parameter("schema_name", "far"), parameter("table_name", "away")][..])
    );
    assert!(!details(find(&tables, "waiting")).populated && known.populated);
    assert_eq!(details(find(&tables, "rich")).storage_parameters, [parameter("security_barrier", "true")]);
    assert_eq!(details(find(&tables, "richest")).storage_parameters, [parameter("check_option", "local")]);
    assert_eq!(find(&tables, "no_columns").columns, []);
}

#[tokio::test]
async fn partitions_are_told_with_key_bounds_and_parent() {
    let (tables, _) = everything_streamed().await;
    let key = details(find(&tables, "event")).partitioning.as_ref().expect("it has parts");
    assert_eq!(
        (key.strategy, key.default_partition.as_ref()),
        (PartitionStrategy::Range, Some(&object("app", "event_rest")))
    );
    let terms: Vec<_> = key
        .terms
        .iter()
        .map(|term| (term.term.clone(), term.collation.as_str(), term.operator_class.as_str()))
        .collect();
    let expected = [
        (IndexTerm::Column("day".to_owned()), "", ""),
        (IndexTerm::Expression(r#"(("user" || ', '::text) || (kind)::text)"#.to_owned()), "C", "text_pattern_ops"),
        (IndexTerm::Expression("abs(kind)".to_owned()), "", ""),
    ];
    assert_eq!(terms, expected);
    let old = details(find(&tables, "event_old"));
    assert_eq!(old.partitioning.as_ref().expect("it has parts").strategy, PartitionStrategy::List);
    let of = old.partition_of.as_ref().expect("it is a part");
    assert_eq!(of.parent, object("app", "event"));
    assert_eq!(of.bound, "FOR VALUES FROM ('2020-01-01', MINVALUE, MINVALUE) TO ('2021-01-01', MAXVALUE, MAXVALUE)");
    assert!(old.inherits.is_empty() && details(find(&tables, "event")).partition_of.is_none());
    let rest = details(find(&tables, "event_rest"));
    assert_eq!(rest.partition_of.as_ref().expect("it is a part").bound, "DEFAULT");
    assert_eq!(rest.partitioning.as_ref().expect("it has parts").strategy, PartitionStrategy::Hash);
    let hashed = details(find(&tables, "event_rest_0")).partition_of.as_ref().expect("it is a part");
    assert_eq!(hashed.bound, "FOR VALUES WITH (modulus 2, remainder 0)");
}

#[tokio::test]
async fn dependents_of_a_table_are_told_with_how_they_depend() {
    let (_, database) = everything().await;
    let inspect = database.require_inspect().expect("inspect");
    let look = async |name: &str| {
        let found = inspect.table(&named(Some("app"), name)).await.expect("an answer").expect("a table");
        assert_eq!(found.skipped, []);
        found.dependents
    };
    let dependent = |kind, schema: &str, name: &str, dependence, through: &str, columns: &[&str]| Dependent {
        kind,
        schema: schema.to_owned(),
        name: name.to_owned(),
        dependence,
        through: through.to_owned(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
    };
    use DependentKind as Kind;
    let expected = [
        dependent(Kind::Table, "app", "child", Dependence::References, "child_account", &["id"]),
        dependent(Kind::Table, "app", "keeps_rows", Dependence::RowType, "", &[]),
        dependent(Kind::View, "app", "rich", Dependence::Reads, "", &["id", "name", "amount"]),
        dependent(Kind::MaterializedView, "app", "waiting", Dependence::Reads, "", &[]),
        dependent(Kind::Sequence, "app", "account_id_seq", Dependence::Owned, "", &["id"]),
        dependent(Kind::Sequence, "app", "account_number_seq", Dependence::Owned, "", &["number"]),
        dependent(Kind::Function, "app", "poorest()", Dependence::Reads, "", &["id"]),
        dependent(Kind::Function, "app", "touch()", Dependence::Called, "late", &[]),
        dependent(Kind::Function, "app", "touch()", Dependence::Called, "seen", &[]),
        dependent(Kind::Function, "app", "touch()", Dependence::Called, "touch WHEN (x)", &[]),
        dependent(Kind::Policy, "app", "pair", Dependence::Reads, "by_account", &["id"]),
        dependent(Kind::Publication, "", "changes", Dependence::Publishes, "", &[]),
        dependent(Kind::Publication, "", "whole_schema", Dependence::Publishes, "", &[]),
    ];
    assert_eq!(look("account").await, expected);
    let event = look("event").await;
    let parts: Vec<_> = event
        .iter()
        .filter(|found| found.dependence == Dependence::Partition)
        .map(|found| found.name.as_str())
        .collect();
    assert_eq!(parts, ["event_old", "event_rest"]);
    let heirs = look("parent_one").await;
    assert_eq!(heirs[0], dependent(Kind::Table, "app", "heir", Dependence::Inherits, "", &[]));
    assert_eq!(look("rich").await[0].name, "richest");
}
