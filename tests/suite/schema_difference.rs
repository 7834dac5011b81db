//! Random schemas on live engines: what DiffSchemas writes makes one out of the other and takes it back, and no row is hurt
//! that need not be. Every failure names its seed.
//!
//! `make soak` compares 500 pairs an engine, the ordinary run a tenth of that.

mod generate;
mod mariadb;
mod rows;
mod sqlite;

use std::{env, panic::AssertUnwindSafe};

use async_trait::async_trait;
use dbkeeper::{
    grpc::{
        client::Client,
        proto::v1::{self, schema_source::Source},
    },
    model::schema::definition::SchemaDefinition,
};
use futures::FutureExt;

use self::generate::{Abilities, Dice, edited, schema};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{postgres::PostgresServer, server::TestServer},
    rpc::support::{register, settings},
};

/// An engine whose schemas are compared.
#[async_trait]
trait Site: Fixture {
    /// What its schemas can have.
    fn abilities(&self) -> Abilities;

    /// The order of columns cannot be changed, so that it does not count.
    fn keeps_order(&self) -> bool;

    /// What a session begins with before a script is run in it.
    fn before_scripts(&self) -> &'static [&'static str] {
        &[]
    }

    /// Takes out of what a database tells of itself what two schemas that are the same may differ in.
    fn normalise(&self, _definition: &mut v1::SchemaDefinition) {}

    /// Takes a database away that nobody looks at any more.
    async fn forget(&self, database: &str);
}

#[async_trait]
impl Site for PostgresFixture {
    fn abilities(&self) -> Abilities {
        Abilities {
            types: true,
            deferred: true,
            partial_indexes: true,
            full_text: true,
            keyed_texts: true,
            comments: true,
            virtual_columns: false,
        }
    }

    fn keeps_order(&self) -> bool {
        true
    }

    async fn forget(&self, database: &str) {
        PostgresServer::shared().psql("postgres", &format!("DROP DATABASE {database} WITH (FORCE)"));
    }
}

/// How many pairs are compared.
fn pairs() -> u64 {
    if env::var_os("TEST_SOAK").is_some() { 500 } else { 50 }
}

/// Where the seeds begin; a failure is looked at again by its seed.
fn first_seed() -> u64 {
    env::var("SCHEMA_DIFFERENCE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

fn yaml(definition: &SchemaDefinition) -> Source {
    // JSON is YAML.
    Source::Yaml(serde_json::to_string(definition).unwrap())
}

fn connection(id: &str) -> Source {
    Source::Connection(v1::ConnectionSource { connection: format!("connections/{id}"), ..Default::default() })
}

/// A pair of databases that is compared, with all that a failure tells.
struct Pair<'a, S> {
    client: &'a Client,
    site: &'a S,
    seed: u64,
}

impl<S: Site> Pair<'_, S> {
    fn fail(&self, what: &str) -> ! {
        panic!("seed {}: {what}\nlook again with SCHEMA_DIFFERENCE_SEED={}", self.seed, self.seed);
    }

    /// Makes a database of a schema and registers it.
    async fn make(&self, id: &str, definition: &SchemaDefinition) -> String {
        let engine = settings(&self.site.target("any")).engine();
        let request = v1::GenerateDdlRequest {
            source: Some(v1::SchemaSource { source: Some(yaml(definition)) }),
            engine: engine.into(),
            standard_columns: None,
        };
        let generated = self.client.schemas().generate_ddl(request).await;
        let generated = generated.unwrap_or_else(|status| self.fail(&format!("{status:?}"))).into_inner();
        let database = self.site.create_database().await;
        let statements: Vec<&str> = generated.statements.iter().map(|statement| statement.sql.as_str()).collect();
        self.site.run_each(&database, &statements).await;
        register(self.client, id, settings(&self.site.target(&database))).await;
        database
    }

    /// What is compared of a registered database.
    async fn exported(&self, id: &str) -> v1::SchemaDefinition {
        let request = v1::GenerateDdlRequest {
            source: Some(v1::SchemaSource { source: Some(connection(id)) }),
            ..Default::default()
        };
        let answer = self.client.schemas().generate_ddl(request).await.unwrap().into_inner();
        let mut definition = answer.definition.unwrap();
        self.site.normalise(&mut definition);
        if self.site.keeps_order() {
            let columns = definition.tables.iter_mut().map(|table| &mut table.columns);
            columns.for_each(|columns| columns.sort_by(|one, other| one.name.cmp(&other.name)));
        }
        definition
    }

    async fn difference(&self, source: &str, target: &str, renames: v1::RenameHints) -> v1::DiffSchemasResponse {
        let side = |id: &str| Some(v1::SchemaSource { source: Some(connection(id)) });
        let request = v1::DiffSchemasRequest {
            source: side(source),
            target: side(target),
            renames: Some(renames),
            ..Default::default()
        };
        let found = self.client.schemas().diff_schemas(request).await;
        found.unwrap_or_else(|status| self.fail(&format!("{status:?}"))).into_inner()
    }

    /// Runs scripts statement by statement with a driver that is not dbkeeper's, and what leads a script and does nothing inside of
    /// a transaction before that, as the runner of migrations does.
    async fn run(&self, database: &str, scripts: &[v1::DifferenceScript]) {
        for script in scripts {
            let statements: Vec<&str> = script.statements.iter().map(String::as_str).collect();
            let leading = statements.iter().take_while(|sql| sql.starts_with("PRAGMA foreign_keys")).count();
            let (leading, statements) = statements.split_at(leading);
            let begin = script.transactional.then_some("BEGIN");
            let end = script.transactional.then_some("COMMIT");
            let before = self.site.before_scripts().iter().chain(leading).copied().chain(begin);
            let all: Vec<&str> = before.chain(statements.iter().copied()).chain(end).collect();
            let run = AssertUnwindSafe(self.site.run_each(database, &all)).catch_unwind();
            if run.await.is_err() {
                self.fail(&format!("a statement of this failed:\n{}", script.content));
            }
        }
    }

    fn expect_same(
        &self,
        what: &str,
        found: &v1::SchemaDefinition,
        expected: &v1::SchemaDefinition,
        how: &[v1::DifferenceScript],
    ) {
        if found == expected {
            return;
        }
        let scripts: Vec<&str> = how.iter().map(|script| script.content.as_str()).collect();
        let of = |definition: &v1::SchemaDefinition| format!("{definition:#?}");
        let (found, expected) = (of(found), of(expected));
        let lines = found.lines().zip(expected.lines()).enumerate();
        let first = lines.filter(|(_, (one, other))| one != other).map(|(line, _)| line).next().unwrap_or(0);
        let around = |text: &str| text.lines().skip(first.saturating_sub(25)).take(40).collect::<Vec<_>>().join("\n");
        self.fail(&format!(
            "{what}\n{}\n--- found\n{}\n--- expected\n{}",
            scripts.join("\n"),
            around(&found),
            around(&expected)
        ));
    }

    /// Makes both, changes one into the other and back.
    async fn look(&self, before: &SchemaDefinition, after: &SchemaDefinition, renames: v1::RenameHints) {
        let database = self.make("a", before).await;
        let other = self.make("b", after).await;
        let rows = rows::put(self, &database, before, after, &renames).await;
        let (first, second) = (self.exported("a").await, self.exported("b").await);
        let difference = self.difference("a", "b", renames.clone()).await;
        self.run(&database, &difference.up).await;
        self.expect_same("up does not make the target", &self.exported("a").await, &second, &difference.up);
        let again = self.difference("a", "b", v1::RenameHints::default()).await;
        if !again.changes.is_empty() || !again.up.is_empty() || !again.down.is_empty() {
            self.fail(&format!("what is the same differs: {:#?}", again.changes));
        }
        rows.expect_kept(self, &renames).await;
        self.run(&database, &difference.down).await;
        self.expect_same("down does not make the source", &self.exported("a").await, &first, &difference.down);
        for id in ["a", "b"] {
            let request = v1::DeleteConnectionRequest { name: format!("connections/{id}"), ..Default::default() };
            self.client.connections().delete_connection(request).await.unwrap();
        }
        self.site.forget(&database).await;
        self.site.forget(&other).await;
    }
}

/// Pairs of which one is the other after a few edits, and every fourth time two that have nothing to do with each other.
async fn compare_pairs(server: &TestServer, site: &impl Site) {
    let client = server.client();
    let first = first_seed();
    for seed in first..first + pairs() {
        let mut dice = Dice::new(seed);
        let before = schema(&mut dice, site.abilities());
        let (after, renames) = match seed % 4 {
            0 => (schema(&mut dice, site.abilities()), v1::RenameHints::default()),
            _ => edited(&mut dice, site.abilities(), &before),
        };
        Box::pin(Pair { client: &client, site, seed }.look(&before, &after, renames)).await;
    }
}

/// Named for `make soak`, which runs what has the word in its name.
mod soak {
    use super::{PostgresFixture, TestServer, compare_pairs};
    use crate::{conformance::mariadb::MariadbFixture, harness::sqlite::SqliteFolder};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn random_schemas_become_each_other_on_postgres() {
        compare_pairs(&TestServer::start().await, &PostgresFixture::new()).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn random_schemas_become_each_other_on_mariadb() {
        compare_pairs(&TestServer::start().await, &MariadbFixture::new()).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn random_schemas_become_each_other_on_sqlite() {
        let folder = SqliteFolder::new();
        compare_pairs(&TestServer::start_on(&folder).await, &folder).await;
    }
}
