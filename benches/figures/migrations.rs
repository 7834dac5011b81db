//! 1,000 small migrations, against psql running the same transactions with their history rows.

use std::{
    fs,
    time::{Duration, Instant},
};

use dbkeeper::grpc::proto::v1;

use crate::{
    harness::postgres::PostgresServer,
    report::{Figure, Target, Times},
    server::Server,
};

const MIGRATIONS: usize = 1000;
const ROUNDS: usize = 5;
const SET: &str = "migrationSets/small";
/// The history table as dbkeeper makes it.
const HISTORY: &str =
    "CREATE TABLE public.dbkeeper_migrations (migration_set text NOT NULL, version text NOT NULL, title text NOT NULL,
    checksum text NOT NULL, applied_at timestamptz NOT NULL, duration_us bigint NOT NULL,
    direction text, statements_done integer, statements_total integer, statement_open boolean, fingerprint text,
    PRIMARY KEY (migration_set, version));\n";

pub(crate) async fn measure() -> Vec<Figure> {
    let postgres = PostgresServer::shared();
    let server = Server::start().await;
    import(&server).await;
    let script = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(script.path(), psql_script()).expect("the script is written");

    let (mut subject, mut peer) = (Times::default(), Times::default());
    for round in 0..ROUNDS {
        peer.push(run_psql(&postgres.create_database(), script.path()));
        let id = format!("round-{round}");
        server.register(&id, &postgres.create_database()).await;
        subject.push(apply(&server, &id).await);
    }
    subject.print("dbkeeper");
    peer.print("psql");
    vec![Figure::of_times("1,000 migrations, time of psql", subject.best(), peer.best(), Target::AtMost(1.25))]
}

fn statements(number: usize) -> String {
    format!(
        "CREATE TABLE item_{number} (id bigint NOT NULL, name text NOT NULL, created timestamptz);\n\
         CREATE INDEX item_{number}_name ON item_{number} (name);\n"
    )
}

async fn import(server: &Server) {
    let set = v1::MigrationSet { display_name: "small".to_owned(), ..Default::default() };
    let request = v1::CreateMigrationSetRequest {
        migration_set_id: "small".to_owned(),
        migration_set: Some(set),
        ..Default::default()
    };
    let client = server.client();
    client.migrations().create_migration_set(request).await.expect("the set is made");
    let files = (1..=MIGRATIONS).map(|number| v1::MigrationFile {
        path: format!("{number:04}_item_{number}.sql"),
        content: statements(number),
    });
    let request =
        v1::ImportMigrationsRequest { migration_set: SET.to_owned(), files: files.collect(), ..Default::default() };
    client.migrations().import_migrations(request).await.expect("the files are taken");
}

async fn apply(server: &Server, id: &str) -> Duration {
    let client = server.client();
    let began = Instant::now();
    let request = v1::ApplyMigrationsRequest {
        migration_set: SET.to_owned(),
        connection: format!("connections/{id}"),
        ..Default::default()
    };
    let operation = client.migrations().apply_migrations(request).await.expect("the run begins").into_inner();
    let ended = server.finish(operation).await;
    let elapsed = began.elapsed();
    let Some(v1::operation::Result::MigrateResult(result)) = ended.result else { panic!("no result") };
    assert_eq!(result.count, MIGRATIONS as i64, "the run is not whole");
    elapsed
}

fn psql_script() -> String {
    let checksum = "0".repeat(64);
    let transactions = (1..=MIGRATIONS).map(|number| {
        format!(
            "BEGIN;\n{}INSERT INTO public.dbkeeper_migrations (migration_set, version, title, checksum, applied_at, duration_us) \
             VALUES ('small', '{number:04}', 'item_{number}', '{checksum}', now(), 1000);\nCOMMIT;\n",
            statements(number)
        )
    });
    HISTORY.to_owned() + &transactions.collect::<String>()
}

fn run_psql(database: &str, script: &std::path::Path) -> Duration {
    let mut psql = PostgresServer::shared().client("psql", database);
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(script);
    let began = Instant::now();
    assert!(psql.status().expect("psql starts").success(), "psql failed");
    began.elapsed()
}
