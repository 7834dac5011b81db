//! Tables that others have locked, and callers who go away.

use std::time::Duration;

use dbkeeper::{
    engine::Engine,
    model::{Reason, schema::SampleQuery, schema::TablePage},
};

use super::*;

/// How often a server is asked before a test gives up.
const ASKED: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// A session that holds a table until the test drops it.
pub(crate) struct Holder {
    session: std::process::Child,
}

impl Holder {
    /// Runs a script that does not end by itself, and waits until a statement like this runs.
    async fn new(name: &str, script: &str, statement: &str) -> Self {
        let server = MariadbServer::shared();
        let session = std::process::Command::new("mariadb")
            .args(["--no-defaults", "--user=root", "--database", name, "--execute", script, "--socket"])
            .arg(server.socket())
            .spawn()
            .expect("mariadb starts");
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{name}' AND INFO LIKE '{statement}' \
             AND ID <> CONNECTION_ID()"
        );
        wait_for(&sql, |count| count != "0").await;
        Self { session }
    }

    /// Holds a table `held`, which is there and which nobody may open.
    pub(crate) async fn of_a_new_table(name: &str) -> Self {
        let holder = Self::new(name, "CREATE TABLE held AS SELECT SLEEP(600) AS x", "CREATE TABLE held%").await;
        wait_for(&Self::count_of_held(name), |count| count == "1").await;
        holder
    }

    /// Asks by a pattern: a table that is asked for by its very name is opened.
    fn count_of_held(name: &str) -> String {
        format!(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{name}' AND TABLE_NAME LIKE 'held%'"
        )
    }

    /// Ends it on the server as well, which otherwise goes on without its client.
    pub(crate) fn end(mut self, name: &str) {
        let server = MariadbServer::shared();
        let sql = format!(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{name}' AND USER = 'root' AND ID <> CONNECTION_ID()"
        );
        for id in server.sql(name, &sql).lines() {
            server.sql(name, &format!("KILL {id}"));
        }
        let _ = self.session.wait();
    }
}

async fn wait_for(sql: &str, is_reached: impl Fn(&str) -> bool) {
    for _ in 0..ASKED {
        if is_reached(&MariadbServer::shared().sql("mysql", sql)) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("never reached: {sql}");
}

#[tokio::test]
async fn a_table_that_is_locked_for_writing_is_read_all_the_same() {
    let name = fixture::create();
    let holder = Holder::new(&name, "LOCK TABLES parent WRITE, child WRITE; SELECT SLEEP(600)", "SELECT SLEEP%").await;
    let database = open(&name).await;
    let (tables, skipped) = stream(&database).await;
    assert_eq!((tables.len(), skipped), (17, vec![]));
    assert_eq!(table(&database, "child").await.foreign_keys.len(), 1);
    let query = SampleQuery { table: named("child"), columns: vec![], limit: 1, value_length: 10 };
    let error = database.require_sample_rows().unwrap().sample(&query).await.unwrap_err();
    assert_eq!(error.reason(), Reason::LockTimeout, "{error}");
    holder.end(&name);
}

#[tokio::test]
async fn a_table_that_nobody_may_open_is_skipped_and_the_rest_is_told() {
    let name = fixture::create();
    // The table is there and held while the query that fills it runs, as by an ALTER TABLE that copies.
    let holder = Holder::of_a_new_table(&name).await;
    let database = open(&name).await;
    let (tables, skipped) = stream(&database).await;
    assert!(tables.len() == 17 && tables.iter().all(|table| !table.columns.is_empty()));
    let subjects: Vec<_> = skipped.iter().map(|it| it.subject.clone()).collect();
    assert_eq!(subjects, [format!("table {name}.held")]);
    assert!(skipped[0].reason.contains("Lock wait timeout") && !skipped[0].remedy.is_empty(), "{skipped:?}");

    let error = look_up(&database, "held").await.unwrap_err();
    assert_eq!(error.reason(), Reason::LockTimeout, "{error}");
    let inspect = database.require_inspect().unwrap();
    let list = inspect.list_tables(&TableFilter::default(), &TablePage::first(100)).await.unwrap();
    assert_eq!((list.total, list.skipped.len()), (18, 1));
    assert_eq!(list.tables.iter().find(|table| table.name == "held").unwrap().row_estimate, -1);
    let info = inspect.database().await.unwrap();
    assert!(info.skipped[0].subject.contains("1 tables") && info.searchable_column_count == 6, "{info:?}");
    // The limit of the session is as before: the table is waited for again.
    holder.end(&name);
    wait_for(&Holder::count_of_held(&name), |count| count == "0").await;
    assert_eq!(stream(&database).await.1, []);
}

#[tokio::test]
async fn what_a_caller_left_is_ended_on_the_server() {
    let server = MariadbServer::shared();
    let name = server.create_database();
    server.sql(&name, "CREATE VIEW slow AS SELECT SLEEP(600) AS x");
    let mut settings = server.settings(&name);
    settings.pool.statement_timeout = Duration::from_secs(600);
    let database = engine().open(server.target_of(settings)).await.unwrap();
    let running = format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{name}' AND INFO LIKE '%slow%' AND USER = 'keeper'"
    );
    let query = SampleQuery { table: named("slow"), columns: vec![], limit: 1, value_length: 10 };
    let sample = {
        let database = Arc::clone(&database);
        tokio::spawn(async move { database.require_sample_rows().unwrap().sample(&query).await })
    };
    wait_for(&running, |count| count == "1").await;
    sample.abort();
    wait_for(&running, |count| count == "0").await;
    database.close().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_receiver() {
    let name = fixture::create();
    let holder = Holder::of_a_new_table(&name).await;
    let database = open(&name).await;
    let (sender, receiver) = mpsc::channel(4);
    let filter = TableFilter::default();
    let leave = async { drop(receiver) };
    let (streamed, ()) = tokio::join!(database.require_inspect().unwrap().stream_tables(&filter, sender), leave);
    assert_eq!(streamed.unwrap(), [], "a stream that went on would have met the table that is held");
    database.close().await;
    let left = format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{name}' AND USER = 'keeper'");
    wait_for(&left, |count| count == "0").await;
    holder.end(&name);
}

#[tokio::test]
async fn statements_leave_out_what_nobody_may_open_and_end_with_their_receiver() {
    let name = fixture::create();
    let database = open(&name).await;
    let (all, skipped) = statements(&database).await;
    assert_eq!(skipped, []);
    let holder = Holder::of_a_new_table(&name).await;
    let (rest, skipped) = statements(&database).await;
    assert_eq!(rest, all);
    let subjects: Vec<_> = skipped.iter().map(|it| it.subject.clone()).collect();
    assert_eq!(subjects, [format!("table {name}.held")]);

    let (sender, receiver) = mpsc::channel(4);
    let selection = DdlSelection { subject: DdlSubject::Database, owners: false };
    let leave = async { drop(receiver) };
    let (written, ()) = tokio::join!(database.require_read_ddl().unwrap().stream_ddl(&selection, sender), leave);
    assert_eq!(written.unwrap(), Some(vec![]), "one that went on would have met the table that is held");
    database.close().await;
    let left = format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{name}' AND USER = 'keeper'");
    wait_for(&left, |count| count == "0").await;
    holder.end(&name);
}
