//! StreamTables over 10,000 tables, against the same catalog queries through psql and against `pg_dump -s`.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use dbkeeper::grpc::proto::v1::{self, stream_tables_response::Event};

use crate::{
    harness::postgres::PostgresServer,
    report::{Figure, Target, Times},
    server::Server,
};

const TABLES: i64 = 10_000;
const ROUNDS: usize = 5;

/// Six columns and two indexes a table. Commits now and then, for a transaction has only so many locks.
const FILL: &str = "
DO $$ BEGIN
    FOR i IN 1..10000 LOOP
        EXECUTE format('CREATE TABLE table_%s (id bigint PRIMARY KEY, owner_id bigint NOT NULL, name varchar(80) NOT NULL,
            amount numeric(12,2), note text, created timestamptz NOT NULL DEFAULT now())', i);
        EXECUTE format('CREATE INDEX ON table_%s (owner_id)', i);
        IF i % 500 = 0 THEN COMMIT; END IF;
    END LOOP;
END $$;
VACUUM ANALYZE pg_class; VACUUM ANALYZE pg_attribute; VACUUM ANALYZE pg_attrdef; VACUUM ANALYZE pg_index;
VACUUM ANALYZE pg_constraint; VACUUM ANALYZE pg_depend; VACUUM ANALYZE pg_type; CHECKPOINT;
";
const OIDS: &str = "SELECT array_agg(oid ORDER BY relname) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";

/// The queries that read the details of relations.
const DETAILS: [&str; 5] = [
    include_str!("../../src/engine/postgres/inspect/columns.sql"),
    include_str!("../../src/engine/postgres/inspect/constraints.sql"),
    include_str!("../../src/engine/postgres/inspect/indexes.sql"),
    include_str!("../../src/engine/postgres/inspect/triggers.sql"),
    include_str!("../../src/engine/postgres/inspect/views.sql"),
];
const LOCKED: &str = include_str!("../../src/engine/postgres/inspect/locked.sql");
const RELATIONS: &str = include_str!("../../src/engine/postgres/inspect/relations.sql");

pub(crate) async fn measure() -> Vec<Figure> {
    let postgres = PostgresServer::shared();
    let database = postgres.create_database();
    postgres.psql(&database, FILL);
    let script = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(script.path(), catalog_script(&postgres.psql(&database, OIDS))).expect("the script is written");
    let server = Server::start().await;
    server.register("wide", &database).await;

    let (mut subject, mut queries, mut dump) = (Times::default(), Times::default(), Times::default());
    for _ in 0..ROUNDS {
        let psql = &mut postgres.client("psql", &database);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f"]).arg(script.path());
        queries.push(time(psql));
        subject.push(stream(&server).await);
        dump.push(time(postgres.client("pg_dump", &database).args(["-s", "-f", "/dev/null"])));
    }
    subject.print("dbkeeper");
    queries.print("catalog queries by psql");
    dump.print("pg_dump -s");
    vec![
        Figure::of_times("StreamTables, time of psql", subject.best(), queries.best(), Target::AtMost(2.0)),
        Figure::of_times("StreamTables, time of pg_dump -s", subject.best(), dump.best(), Target::Under(0.5)),
    ]
}

async fn stream(server: &Server) -> Duration {
    let client = server.client();
    let began = Instant::now();
    let request = v1::StreamTablesRequest { connection: "connections/wide".to_owned(), ..Default::default() };
    let mut stream = client.schemas().stream_tables(request).await.expect("the stream begins").into_inner();
    let mut tables = 0;
    let mut counted = None;
    while let Some(message) = stream.message().await.expect("the stream goes on") {
        match message.event {
            Some(Event::Table(table)) => {
                assert_eq!((table.columns.len(), table.indexes.len()), (6, 2), "{} is not whole", table.name);
                tables += 1;
            }
            Some(Event::Summary(summary)) => counted = Some(summary.table_count),
            None => {}
        }
    }
    assert_eq!((tables, counted), (TABLES, Some(TABLES)), "the stream is not whole");
    began.elapsed()
}

/// The queries of a stream, as one transaction with the same settings.
fn catalog_script(oids: &str) -> String {
    let mut script = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path TO pg_catalog;\n\
         SET LOCAL jit TO off; SET LOCAL max_parallel_workers_per_gather TO 0; SET LOCAL work_mem TO '32MB';\n{LOCKED};\n\
         PREPARE relations (name, \"char\"[], name, name, bigint, oid[], name) AS {RELATIONS};\n\
         EXECUTE relations (NULL, '{{r,p,v,m,f}}', NULL, NULL, NULL, '{{}}', NULL);\n"
    );
    for (position, query) in DETAILS.iter().enumerate() {
        script += &format!("PREPARE details_{position} (oid[]) AS {query};\nEXECUTE details_{position} ('{oids}');\n");
    }
    script + "COMMIT;\n"
}

fn time(command: &mut Command) -> Duration {
    let began = Instant::now();
    assert!(command.status().expect("the program starts").success(), "{command:?} failed");
    began.elapsed()
}
