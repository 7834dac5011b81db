//! DiffSchemas of two databases with 1,000 tables each, without the time that reading them takes by itself.

use std::time::{Duration, Instant};

use dbkeeper::grpc::proto::v1::{self, schema_source::Source};

use crate::{
    harness::postgres::PostgresServer,
    report::{Figure, Target, Times, seconds},
    server::Server,
};

const TABLES: i64 = 1_000;
const ROUNDS: usize = 5;

/// One table in ten has a column more, one in twenty lacks its index, and one in a hundred has another type.
const CHANGES: &str = "
DO $$ BEGIN
    FOR i IN 1..1000 LOOP
        IF i % 10 = 0 THEN EXECUTE format('ALTER TABLE table_%s ADD COLUMN extra integer', i); END IF;
        IF i % 20 = 0 THEN EXECUTE format('DROP INDEX table_%s_owner_id_idx', i); END IF;
        IF i % 100 = 0 THEN EXECUTE format('ALTER TABLE table_%s ALTER COLUMN name TYPE text', i); END IF;
    END LOOP;
END $$;
";
const CHANGE_COUNT: usize = 160;

pub(super) async fn measure() -> Figure {
    let postgres = PostgresServer::shared();
    let (before, after) = (super::filled(postgres, TABLES), super::filled(postgres, TABLES));
    postgres.psql(&after, CHANGES);
    let server = Server::start().await;
    server.register("before", &before).await;
    server.register("after", &after).await;
    let (mut both, mut reading) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        reading.push(export(&server, "before").await + export(&server, "after").await);
        both.push(compare(&server).await);
    }
    println!("  two schemas of {TABLES} tables");
    both.print("DiffSchemas");
    reading.print("the two as definitions");
    let beside = both.best().saturating_sub(reading.best());
    Figure {
        name: "DiffSchemas, 1,000 tables, beside reading",
        subject: seconds(both.best()),
        peer: seconds(reading.best()),
        value: beside.as_secs_f64(),
        unit: " s",
        target: Target::Under(1.0),
    }
}

fn side(id: &str) -> Option<v1::SchemaSource> {
    let connection = format!("connections/{id}");
    Some(v1::SchemaSource {
        source: Some(Source::Connection(v1::ConnectionSource { connection, ..Default::default() })),
    })
}

async fn export(server: &Server, id: &str) -> Duration {
    let client = server.client();
    let began = Instant::now();
    let request = v1::GenerateDdlRequest { source: side(id), ..Default::default() };
    let answer = client.schemas().generate_ddl(request).await.expect("the schema is read").into_inner();
    assert_eq!(answer.definition.map(|definition| definition.tables.len()), usize::try_from(TABLES).ok());
    began.elapsed()
}

async fn compare(server: &Server) -> Duration {
    let client = server.client();
    let began = Instant::now();
    let request = v1::DiffSchemasRequest { source: side("before"), target: side("after"), ..Default::default() };
    let answer = client.schemas().diff_schemas(request).await.expect("the schemas are compared").into_inner();
    assert_eq!(answer.changes.len(), CHANGE_COUNT);
    began.elapsed()
}
