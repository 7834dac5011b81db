//! A user who may see a part.

use dbkeeper::{
    engine::Engine,
    model::schema::{ObjectFilter, ObjectKind, ObjectPage},
};

use super::*;

/// A user with these grants on a database, which is opened as that user.
async fn open_as(name: &str, grants: &[&str]) -> Arc<dyn Database> {
    let server = MariadbServer::shared();
    let user = format!("reader_{}", server.fresh_name());
    let password = server.password().replace('\\', "\\\\").replace('\'', "\\'");
    server.sql(name, &format!("CREATE USER {user} IDENTIFIED BY '{password}'"));
    for grant in grants {
        server.sql(name, &format!("GRANT {grant} TO {user}"));
    }
    let mut settings = server.settings(name);
    settings.username = user;
    engine().open(server.target_of(settings)).await.unwrap()
}

#[tokio::test]
async fn one_table_is_told_with_what_is_missing() {
    let name = fixture::create();
    let database = open_as(&name, &[&format!("SELECT, INSERT (id) ON {name}.parent")]).await;
    let (tables, skipped) = stream(&database).await;
    assert_eq!(tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["parent"]);
    let own: Vec<_> = tables[0].grants.iter().map(|it| (it.privilege.as_str(), it.column.as_str())).collect();
    assert_eq!(own, [("INSERT", "id"), ("SELECT", "")]);
    assert!(tables[0].grants[0].grantee.starts_with("'reader_"), "{:?}", tables[0].grants);
    let subjects: Vec<_> = skipped.iter().map(|it| it.subject.as_str()).collect();
    assert_eq!(
        subjects,
        [
            "tables on which the user has no privilege",
            "triggers of tables on which the user lacks TRIGGER",
            "privileges of other users"
        ]
    );
    assert!(skipped.iter().all(|it| it.remedy.starts_with("GRANT ")), "{skipped:?}");

    let found = look_up(&database, "parent").await.unwrap().unwrap();
    let missing: Vec<_> =
        found.skipped.iter().map(|it| (it.subject.as_str(), it.remedy.contains("PROCESS ON *.*"))).collect();
    assert!(missing.contains(&("foreign keys of other tables", true)), "{missing:?}");
    assert!(missing.contains(&("views that read the table", false)), "{missing:?}");
    assert!(look_up(&database, "child").await.unwrap().is_none(), "what is hidden is not there");

    let objects = database.require_inspect_objects().unwrap();
    let list = objects.list_objects(&ObjectFilter::default(), &ObjectPage::first(100)).await.unwrap();
    assert!(list.objects.iter().all(|it| matches!(it.kind, ObjectKind::Schema | ObjectKind::Sequence)), "{list:?}");
    let subjects: Vec<_> = list.skipped.iter().map(|it| it.subject.as_str()).collect();
    assert!(
        subjects.contains(&"events") && subjects.contains(&"routines on which the user has no privilege"),
        "{subjects:?}"
    );
}

#[tokio::test]
async fn one_database_is_told_without_the_texts_that_are_hidden() {
    let name = fixture::create();
    let grants =
        [format!("SELECT, EXECUTE, TRIGGER, EVENT ON {name}.*"), format!("ALTER ROUTINE ON FUNCTION {name}.tidy")];
    let database = open_as(&name, &grants.each_ref().map(String::as_str)).await;
    let (tables, skipped) = stream(&database).await;
    assert_eq!(tables.len(), 17);
    let views: Vec<_> = tables.iter().filter(|table| details(table).view.is_some()).collect();
    assert!(views.len() == 2 && views.iter().all(|view| view.view_definition.is_empty()), "{views:?}");
    assert!(
        skipped.iter().any(|it| it.subject == "definitions of 2 views" && it.remedy.contains("SHOW VIEW")),
        "{skipped:?}"
    );
    let objects = database.require_inspect_objects().unwrap();
    let list = objects.list_objects(&ObjectFilter::default(), &ObjectPage::first(100)).await.unwrap();
    assert_eq!(list.total, 9);
    let function = list.objects.iter().find(|it| it.kind == ObjectKind::Function).unwrap();
    let own: Vec<_> = function.grants.iter().map(|it| it.privilege.as_str()).collect();
    assert_eq!(own, ["ALTER ROUTINE"]);
    assert!(
        list.skipped.iter().any(|it| it.subject == "bodies of 2 routines" && !it.remedy.is_empty()),
        "{:?}",
        list.skipped
    );
}

#[tokio::test]
async fn statements_that_the_user_may_not_see_are_named() {
    let name = fixture::create();
    let grants = [format!("SELECT, EXECUTE, TRIGGER ON {name}.*")];
    let database = open_as(&name, &grants.each_ref().map(String::as_str)).await;
    let (statements, skipped) = statements(&database).await;
    assert!(statements.iter().any(|statement| statement.name == "wide"), "{statements:?}");
    let hidden = ["tidy", "checked", "nightly"];
    assert!(!statements.iter().any(|statement| hidden.contains(&statement.name.as_str())), "{statements:?}");
    let subjects: Vec<_> = skipped.iter().map(|it| it.subject.as_str()).collect();
    for subject in ["function {}.tidy", "procedure {}.tidy", "view {}.checked", "view {}.over_it", "events"] {
        assert!(subjects.contains(&subject.replace("{}", &name).as_str()), "{subject} is missing: {subjects:?}");
    }
    assert!(skipped.iter().all(|it| !it.reason.is_empty() && !it.remedy.is_empty()), "{skipped:?}");
}
