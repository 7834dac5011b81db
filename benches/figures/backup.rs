//! Backups of a 1 GB database, against `pg_dump -Fc -Z0 | zstd -1 -T1` into a file.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use dbkeeper::grpc::proto::v1;

use crate::{
    harness::postgres::PostgresServer,
    report::{Figure, Target, Times, mebibytes, seconds},
    server::Server,
};

const ROUNDS: usize = 3;
const ROWS: u64 = 4_400_000;
/// Half of a row is words, half is noise, as in a table of events.
const FILL: &str = "
CREATE TABLE event (id bigint NOT NULL, account_id integer NOT NULL, kind text NOT NULL, payload text NOT NULL,
    token text NOT NULL, created timestamptz NOT NULL);
INSERT INTO event SELECT i, (i * 7919) % 50000, (ARRAY['created', 'changed', 'deleted', 'viewed'])[1 + i % 4],
    'order ' || i || ' of customer ' || (i * 7919) % 50000 || ' was handled by warehouse ' || i % 17 || ', carrier ' || i % 5,
    md5(i::text) || md5((i * 31)::text), timestamptz '2026-01-01' + i * interval '3 seconds'
    FROM generate_series(1::bigint, 4400000) AS i;
ALTER TABLE event ADD PRIMARY KEY (id);
VACUUM ANALYZE event;
CHECKPOINT;
";
/// One contiguous range of ids, one row in a hundred.
const CHANGE: &str = "
UPDATE event SET kind = 'changed again', token = md5(token) WHERE id BETWEEN 2000001 AND 2044000;
VACUUM ANALYZE event;
CHECKPOINT;
";

pub(crate) async fn measure() -> Vec<Figure> {
    let postgres = PostgresServer::shared();
    let database = postgres.create_database();
    postgres.psql(&database, FILL);
    let size = postgres.psql(&database, "SELECT pg_database_size(current_database())");
    let size: f64 = size.parse().expect("a number of bytes");
    println!("  a database of {:.2} GB, {ROWS} rows", size / 1e9);

    let (mut subject, mut peer) = (Times::default(), Times::default());
    let mut last = None;
    for _ in 0..ROUNDS {
        peer.push(dump(&database));
        // A repository that has the chunks already would have little to do.
        drop(last.take());
        let server = Server::start().await;
        server.register("events", &database).await;
        let (time, backup) = back_up(&server, "first").await;
        subject.push(time);
        last = Some((server, backup));
    }
    let (server, first) = last.expect("at least one round");
    let memory = server.memory("VmHWM");
    postgres.psql(&database, CHANGE);
    let (time, second) = back_up(&server, "second").await;
    subject.print("dbkeeper");
    peer.print("pg_dump | zstd");
    println!("  {:<28} {}", "second backup", seconds(time));
    println!("  {:<28} {:.0} MiB", "memory after the second", mebibytes(server.memory("VmHWM")));
    let (first, second) = (first.stored_size_bytes, second.stored_size_bytes);
    vec![
        Figure::of_times(
            "CreateBackup of 1 GB, time of pg_dump | zstd",
            subject.best(),
            peer.best(),
            Target::AtMost(1.25),
        ),
        Figure {
            name: "CreateBackup, peak memory of the server",
            subject: String::new(),
            peer: String::new(),
            value: mebibytes(memory),
            unit: " MiB",
            target: Target::Under(256.0),
        },
        Figure {
            name: "Second backup after 1 % changed, stored bytes of the first",
            subject: format!("{:.1} MiB", mebibytes(second.unsigned_abs())),
            peer: format!("{:.1} MiB", mebibytes(first.unsigned_abs())),
            value: second as f64 / first as f64,
            unit: "",
            target: Target::Under(0.1),
        },
    ]
}

async fn back_up(server: &Server, id: &str) -> (Duration, v1::CreateBackupResult) {
    let client = server.client();
    let began = Instant::now();
    let request = v1::CreateBackupRequest {
        connection: "connections/events".to_owned(),
        backup_id: id.to_owned(),
        ..Default::default()
    };
    let operation = client.backups().create_backup(request).await.expect("the backup begins").into_inner();
    let ended = server.finish(operation).await;
    let elapsed = began.elapsed();
    let Some(v1::operation::Result::CreateBackupResult(result)) = ended.result else { panic!("no result") };
    (elapsed, result)
}

fn dump(database: &str) -> Duration {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let began = Instant::now();
    run_dump(database, &folder.path().join("dump.zst"));
    began.elapsed()
}

fn run_dump(database: &str, file: &Path) {
    let mut pg_dump = PostgresServer::shared()
        .client("pg_dump", database)
        .args(["-Fc", "-Z0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("pg_dump starts");
    let output = pg_dump.stdout.take().expect("pg_dump has an output");
    let zstd = Command::new("zstd").args(["-1", "-T1", "-q", "-o"]).arg(file).stdin(output).status();
    assert!(zstd.expect("zstd starts; install it with: apt-get install zstd").success(), "zstd failed");
    assert!(pg_dump.wait().expect("pg_dump ends").success(), "pg_dump failed");
}
