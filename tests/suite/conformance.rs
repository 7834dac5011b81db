//! The checks that every engine must pass.
//!
//! A [`Fixture`] is an engine with a real server behind it. `checks!` makes one test a check for it, so that a new engine
//! plugs in with a fixture and one line.

mod dumps;
pub(crate) mod mariadb;
mod migrations;
mod monitoring;
pub(crate) mod postgres;
mod schema;
mod sqlite;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use dbkeeper::{
    engine::{Database, Engine, Target},
    model::{
        Reason,
        schema::{Table, TableFilter},
    },
};
use tokio::sync::mpsc;

/// An engine with a real server behind it.
#[async_trait]
pub(crate) trait Fixture: Send + Sync {
    /// The engine.
    fn engine(&self) -> Arc<dyn Engine>;

    /// What opens a database with every privilege.
    fn target(&self, database: &str) -> Target;

    /// A target that is refused, with the reason that is expected.
    fn refused(&self) -> Vec<(Target, Reason)>;

    /// Makes an empty database and returns its name.
    async fn create_database(&self) -> String;

    /// A name that no database has.
    fn unused_database(&self) -> String;

    /// Runs a script with a client that is not dbkeeper's.
    async fn run(&self, database: &str, sql: &str);

    /// Runs statements one by one in one session, with a driver that is not dbkeeper's: each text has to be one statement.
    async fn run_each(&self, database: &str, statements: &[&str]);

    /// Some 20 tables with rows. Those that [`schema`] and [`dumps`] look at have the same names and columns everywhere.
    fn sample_sql(&self) -> &'static str;

    /// The schema in which the tables of `sample_sql` are.
    fn schema(&self, database: &str) -> String;

    /// Checksum of all rows of each table, in any order, read with a client that is not dbkeeper's.
    async fn checksums(&self, database: &str) -> BTreeMap<String, String>;

    /// Every definition, functions and triggers included, read with a client that is not dbkeeper's.
    async fn definitions(&self, database: &str) -> String;

    /// Loads a dump into an empty database with the engine's own tool alone.
    async fn load(&self, database: &str, dump: &[u8]);

    /// Names of the metrics that a first sample has at least.
    fn day_one_metrics(&self) -> &'static [&'static str];

    /// A statement of a migration that runs for minutes.
    fn slow_statement(&self) -> &'static str;

    /// Whether the slow statement runs on the database, seen with a client that is not dbkeeper's.
    async fn runs_slow_statement(&self, database: &str) -> bool;

    /// Indexes can have a condition.
    fn has_partial_indexes(&self) -> bool;

    /// Indexes can have expressions.
    fn has_expression_indexes(&self) -> bool;

    /// The change marker is that of the whole server, on which other tests change definitions meanwhile.
    fn shares_its_marker(&self) -> bool {
        false
    }
}

/// Opens a database.
async fn open(fixture: &impl Fixture, database: &str) -> Arc<dyn Database> {
    fixture.engine().open(fixture.target(database)).await.expect("the database opens")
}

/// A new database with the sample in it.
async fn sample(fixture: &impl Fixture) -> (String, Arc<dyn Database>) {
    let name = fixture.create_database().await;
    fixture.run(&name, fixture.sample_sql()).await;
    let database = open(fixture, &name).await;
    (name, database)
}

/// Every table as it is streamed.
async fn all_tables(database: &dyn Database) -> Vec<Table> {
    let (sender, mut receiver) = mpsc::channel(4);
    let inspect = database.inspect().expect("the engine inspects");
    let filter = TableFilter::default();
    let collect = async {
        let mut tables = Vec::new();
        while let Some(table) = receiver.recv().await {
            tables.push(table);
        }
        tables
    };
    let (skipped, tables) = tokio::join!(inspect.stream_tables(&filter, sender), collect);
    assert_eq!(skipped.expect("the tables are streamed"), []);
    tables
}

/// One test for each check of the suite.
macro_rules! checks {
    ($fixture:expr; $($module:ident :: $check:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                crate::conformance::$module::$check(&$fixture).await;
            }
        )*
    };
    ($fixture:expr) => {
        crate::conformance::checks! { $fixture;
            schema::who_answers_and_who_is_refused,
            schema::pages_stream_and_look_up_agree,
            schema::the_parts_of_a_table_are_found,
            schema::the_database_is_counted,
            schema::every_order_and_pattern_covers_the_list,
            schema::the_change_marker_follows_definitions,
            migrations::up_down_and_up_again,
            migrations::a_failing_statement_is_told_and_taken_back,
            migrations::two_sessions_contend_for_the_lock,
            migrations::a_dropped_session_frees_the_lock,
            migrations::a_running_statement_is_cancelled,
            dumps::a_restored_database_equals_its_source,
            dumps::a_database_with_tables_is_not_restored_into,
            dumps::a_cut_dump_does_not_restore,
            monitoring::the_first_sample_has_the_day_one_metrics,
            monitoring::an_ability_that_is_missing_says_so,
        }
    };
}
pub(crate) use checks;
