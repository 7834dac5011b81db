//! What is no table.

use dbkeeper::model::schema::{
    ArgumentMode, ObjectDetails, ObjectFilter, ObjectKind, ObjectPage, Routine, RoutineDetails, SchemaObject,
    SecurityContext,
};

use super::*;

async fn objects(database: &Arc<dyn Database>) -> Vec<SchemaObject> {
    let objects = database.require_inspect_objects().unwrap();
    let list = objects.list_objects(&ObjectFilter::default(), &ObjectPage::first(1000)).await.unwrap();
    assert_eq!((list.total as usize, list.skipped.as_slice()), (list.objects.len(), &[][..]));
    list.objects
}

fn find<'a>(objects: &'a [SchemaObject], kind: ObjectKind, name: &str) -> &'a SchemaObject {
    let found = objects.iter().find(|object| object.kind == kind && object.name == name);
    found.unwrap_or_else(|| panic!("no {kind:?} {name}"))
}

fn routine(object: &SchemaObject) -> &Routine {
    let ObjectDetails::Routine(routine) = &object.details else { panic!("{object:?}") };
    routine
}

#[tokio::test]
async fn every_kind_is_listed_in_full() {
    let server = MariadbServer::shared();
    let name = fixture::create();
    let grants = format!(
        "CREATE USER caller_{name}; GRANT EXECUTE ON PROCEDURE {name}.tidy TO caller_{name} WITH GRANT OPTION; \
         GRANT SELECT, INSERT ON {name}.* TO caller_{name}"
    );
    server.sql(&name, &grants);
    let database = open(&name).await;
    let objects = objects(&database).await;
    let keys: Vec<_> = objects.iter().map(|object| (object.kind, object.name.as_str())).collect();
    let expected = [
        (ObjectKind::Schema, name.as_str()),
        (ObjectKind::Sequence, "cached"),
        (ObjectKind::Sequence, "numbers"),
        (ObjectKind::Function, "tidy"),
        (ObjectKind::Procedure, "tidy"),
        (ObjectKind::Trigger, "child_before"),
        (ObjectKind::Trigger, "child_first"),
        (ObjectKind::Event, "nightly"),
        (ObjectKind::Event, "once"),
    ];
    assert_eq!(keys, expected);
    assert!(objects.iter().all(|object| object.definition.starts_with("CREATE ")), "{objects:?}");

    let procedure = find(&objects, ObjectKind::Procedure, "tidy");
    let found = routine(procedure);
    let modes: Vec<_> = found.arguments.iter().map(|it| (it.name.as_str(), it.mode)).collect();
    assert_eq!(modes, [("days", ArgumentMode::In), ("left_over", ArgumentMode::Out), ("total", ArgumentMode::InOut)]);
    assert_eq!(procedure.signature, "int(11), varchar(10) CHARACTER SET latin1, decimal(5,2)");
    assert_eq!(
        (procedure.comment.as_str(), found.security, found.language.as_str()),
        ("tidies", SecurityContext::Invoker, "sql")
    );
    assert_eq!((found.body.as_str(), found.return_type.as_str()), ("BEGIN SET left_over = 'x'; END", ""));
    let Some(RoutineDetails::Mysql(details)) = &found.details else { panic!("{found:?}") };
    assert_eq!((details.data_access.as_str(), details.deterministic), ("READS SQL DATA", false));
    assert_eq!(details.definer, "root@localhost");
    let grants: Vec<_> = procedure.grants.iter().map(|it| (it.privilege.as_str(), it.grantable)).collect();
    assert_eq!(grants, [("EXECUTE", true)]);
    assert!(procedure.grants[0].grantee.contains("caller_") && !procedure.grants[0].grantor.is_empty());

    let function = find(&objects, ObjectKind::Function, "tidy");
    assert_eq!(
        (routine(function).return_type.as_str(), function.signature.as_str()),
        ("bigint(20) unsigned", "int(11)")
    );
    let Some(RoutineDetails::Mysql(details)) = &routine(function).details else { panic!("{function:?}") };
    assert_eq!((details.data_access.as_str(), details.deterministic), ("NO SQL", true));
    assert_eq!(function.grants, [], "the procedure of the same name has them");

    let schema = find(&objects, ObjectKind::Schema, &name);
    let ObjectDetails::Schema(found) = &schema.details else { panic!("{schema:?}") };
    assert_eq!((found.character_set.as_str(), found.collation.as_str()), ("utf8mb4", "utf8mb4_general_ci"));
    let held: Vec<_> = schema.grants.iter().map(|it| it.privilege.as_str()).collect();
    assert_eq!(held, ["INSERT", "SELECT"]);
    let ObjectDetails::Sequence(found) = &find(&objects, ObjectKind::Sequence, "numbers").details else { panic!() };
    assert_eq!((found.options.start.as_str(), found.options.cycle), ("7", true));
}

#[tokio::test]
async fn events_have_their_schedule_in_universal_time() {
    let name = fixture::create();
    let objects = objects(&open(&name).await).await;
    let ObjectDetails::Event(nightly) = &find(&objects, ObjectKind::Event, "nightly").details else { panic!() };
    assert_eq!(
        (nightly.interval.as_str(), nightly.state.as_str(), nightly.preserved),
        ("'1:30' HOUR_MINUTE", "DISABLED", true)
    );
    assert_eq!((nightly.body.as_str(), nightly.execute_at), ("DELETE FROM parent", None));
    assert!(nightly.starts.is_some() && nightly.ends.is_some(), "{nightly:?}");
    let ObjectDetails::Event(once) = &find(&objects, ObjectKind::Event, "once").details else { panic!() };
    // 03:05:05 in universal time.
    assert_eq!(once.execute_at.map(|moment| moment.as_micros()), Some(2_061_947_105_000_000));
    assert_eq!((once.time_zone.as_str(), once.interval.as_str(), once.state.as_str()), ("+02:00", "", "ENABLED"));
    assert_eq!((once.preserved, once.starts), (false, None));
}
