//! What could not be read is neither dropped nor made: not for a lock, and not for want of a privilege.

use dbkeeper::grpc::proto::v1::{self, schema_source::Source};

use super::{
    super::support::{register, settings, succeeded, until},
    assert_no_script, connection, database, difference, run_scripts, sql, unwritten,
};
use crate::{
    conformance::{Fixture, mariadb::MariadbFixture, postgres::PostgresFixture},
    engine_mysql::discovery::locks::Holder as MariadbHolder,
    engine_postgres::discovery::access::Holder,
    harness::{mariadb::MariadbServer, postgres::PostgresServer, server::TestServer},
};

const SHOP: &str = "CREATE TABLE account (id integer PRIMARY KEY, owner text NOT NULL);
    CREATE TABLE pair (id integer PRIMARY KEY, account_id integer CONSTRAINT fk_pair REFERENCES account (id));
    CREATE TABLE rest (id integer PRIMARY KEY);
    CREATE VIEW owners AS SELECT owner FROM account;
    INSERT INTO account VALUES (1, 'somebody');";

/// One lock on one side, whichever it is, takes nothing away: neither the table nor what reads or points to it. The rest is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_on_either_side_drops_and_makes_nothing() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), PostgresFixture::new());
    let production = database(&client, &fixture, "production", SHOP).await;
    let staging =
        database(&client, &fixture, "staging", &format!("{SHOP} ALTER TABLE rest ADD COLUMN note text;")).await;
    let held = Holder::take(&staging, "LOCK TABLE account IN ACCESS EXCLUSIVE MODE").await;
    let found = difference(&client, connection("production"), connection("staging")).await;
    assert_eq!(
        unwritten(&found),
        ["drop foreign key pair.fk_pair: not comparable", "drop table account: unread", "drop view owners: unread"]
    );
    let told = &found.unwritten.iter().find(|found| found.object == "table account").unwrap();
    assert!(told.reason.contains("the target has something of this name"), "{told:?}");
    assert_eq!(told.remedy, "try again when it is done");
    let unread = found.target_unmapped.iter().find(|found| found.object == "public.account").unwrap();
    assert!(unread.unread && !unread.remedy.is_empty(), "{unread:?}");
    let changed: Vec<&str> = found.changes.iter().map(|change| change.name.as_str()).collect();
    assert_eq!(changed, ["note"], "{:#?}", found.up);
    run_scripts(&fixture, &production, &found.up).await;
    run_scripts(&fixture, &production, &found.down).await;
    assert_eq!(PostgresServer::shared().psql(&production, "SELECT owner FROM owners"), "somebody");
    drop(held);
    let found = difference(&client, connection("production"), connection("staging")).await;
    assert_eq!((unwritten(&found), found.changes.len()), (vec![], 1));

    let _held = Holder::take(&production, "LOCK TABLE account IN ACCESS EXCLUSIVE MODE").await;
    let found = difference(&client, connection("production"), connection("staging")).await;
    assert_eq!(
        unwritten(&found),
        ["add foreign key pair.fk_pair: not comparable", "add table account: unread", "add view owners: unread"]
    );
    let changed: Vec<&str> = found.changes.iter().map(|change| change.name.as_str()).collect();
    assert_eq!(changed, ["note"]);
    run_scripts(&fixture, &production, &found.up).await;
}

/// A type is told as it was before somebody began to change it: a lock does not hide it, nor the tables that have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_that_is_locked_is_not_taken_for_one_that_is_gone() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), PostgresFixture::new());
    let sql = "CREATE TYPE point2 AS (x integer, y integer); CREATE TABLE placed (id integer, at point2);";
    database(&client, &fixture, "one", sql).await;
    let other = database(&client, &fixture, "other", sql).await;
    let _held = Holder::take(&other, "ALTER TYPE point2 ADD ATTRIBUTE z integer").await;
    for (source, target) in [("one", "other"), ("other", "one")] {
        let found = difference(&client, connection(source), connection(target)).await;
        assert_no_script(&found);
        assert_eq!(unwritten(&found), [] as [String; 0]);
    }
}

/// A backup that was taken while a table was held keeps in mind that it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_was_taken_under_a_lock_drops_nothing() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), PostgresFixture::new());
    let name = database(&client, &fixture, "shop", SHOP).await;
    let held = Holder::take(&name, "LOCK TABLE account IN ACCESS EXCLUSIVE MODE").await;
    let request = v1::CreateBackupRequest {
        connection: "connections/shop".to_owned(),
        backup_id: "first".to_owned(),
        ..Default::default()
    };
    let operation = client.backups().create_backup(request).await.unwrap().into_inner();
    // The schema is read before the tool begins, which waits for the lock.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'dbkeeper operation/%' \
                 AND wait_event_type = 'Lock'";
    until(async || PostgresServer::shared().psql(&name, waits) != "0").await;
    drop(held);
    succeeded(&client, operation).await;
    let backup = || Source::Backup("connections/shop/backups/first".to_owned());
    let found = difference(&client, connection("shop"), backup()).await;
    assert_no_script(&found);
    assert_eq!(
        unwritten(&found),
        ["drop foreign key pair.fk_pair: not comparable", "drop table account: unread", "drop view owners: unread"]
    );
    let found = difference(&client, backup(), connection("shop")).await;
    assert_no_script(&found);
    assert_eq!(found.unwritten.len(), 3);
}

/// Registers a database under an id as a new user with these grants.
async fn register_as(client: &dbkeeper::grpc::client::Client, id: &str, database: &str, grants: &[String]) {
    let server = MariadbServer::shared();
    let user = format!("reader_{}", server.fresh_name());
    let password = server.password().replace('\\', "\\\\").replace('\'', "\\'");
    server.sql(database, &format!("CREATE USER {user} IDENTIFIED BY '{password}'"));
    grants.iter().for_each(|grant| {
        server.sql(database, &format!("GRANT {grant} TO {user}"));
    });
    let fixture = MariadbFixture::new();
    register(client, id, v1::Connection { username: user, ..settings(&fixture.target(database)) }).await;
}

const READ: &str = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);
    CREATE VIEW v AS SELECT id FROM a;";

/// A view whose query is not told is a view all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_whose_query_is_hidden_is_not_dropped() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), MariadbFixture::new());
    let name = database(&client, &fixture, "seen", READ).await;
    register_as(&client, "hidden", &name, &[format!("SELECT ON {name}.*")]).await;
    for (source, target, action) in [("seen", "hidden", "drop"), ("hidden", "seen", "add")] {
        let found = difference(&client, connection(source), connection(target)).await;
        assert_no_script(&found);
        assert_eq!(unwritten(&found), [format!("{action} view v: unread")]);
        assert!(found.unwritten[0].remedy.contains("SHOW VIEW"), "{:?}", found.unwritten);
    }
}

/// A user who may see single tables is not told that there are others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_a_user_is_not_told_of_are_not_dropped() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), MariadbFixture::new());
    let name = database(&client, &fixture, "seen", READ).await;
    register_as(&client, "part", &name, &[format!("SELECT ON {name}.a")]).await;
    for (source, target, action) in [("seen", "part", "drop"), ("part", "seen", "add")] {
        let found = difference(&client, connection(source), connection(target)).await;
        assert_no_script(&found);
        assert_eq!(unwritten(&found), [format!("{action} table b: unread"), format!("{action} view v: unread")]);
        assert!(found.unwritten[0].remedy.contains("GRANT SELECT ON"), "{:?}", found.unwritten);
    }
}

/// A table that is there and that nobody may open meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_nobody_may_open_is_neither_dropped_nor_made() {
    let server = TestServer::start().await;
    let (client, fixture) = (server.client(), MariadbFixture::new());
    let name = database(&client, &fixture, "busy", "CREATE TABLE a (id int);").await;
    let holder = MariadbHolder::of_a_new_table(&name).await;
    let target = || sql(v1::Engine::Mysql, "CREATE TABLE a (id int); CREATE TABLE held (x int);");
    let found = difference(&client, connection("busy"), target()).await;
    assert_no_script(&found);
    assert_eq!(unwritten(&found), ["add table held: unread"]);
    let found = difference(&client, target(), connection("busy")).await;
    assert_no_script(&found);
    assert_eq!(unwritten(&found), ["drop table held: unread"]);
    holder.end(&name);
}
