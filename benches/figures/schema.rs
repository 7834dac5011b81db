//! StreamTables over 10,000 tables, against the same catalog queries through psql and against `pg_dump -s`; and GetTable as the
//! number of other tables grows, against its own queries through psql; and DiffSchemas.

mod difference;

use std::{
    fmt::Write as _,
    process::Command,
    time::{Duration, Instant},
};

use dbkeeper::grpc::proto::v1::{self, stream_tables_response::Event};

use crate::{
    harness::postgres::PostgresServer,
    report::{Figure, Target, Times, seconds},
    server::Server,
};

const TABLES: i64 = 10_000;
const ROUNDS: usize = 5;
/// Sizes of the databases that one table is looked up in, and look-ups of a round.
const SIZES: [i64; 3] = [100, 1_000, TABLES];
const LOOKUPS: usize = 50;

/// Six columns and two indexes a table. Commits now and then, for a transaction has only so many locks.
const FILL: &str = "
DO $$ BEGIN
    FOR i IN 1..{tables} LOOP
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

macro_rules! catalog {
    ($name:literal) => {
        include_str!(concat!("../../src/engine/postgres/inspect/catalog/", $name, ".sql"))
    };
}

/// The queries that read the details of relations by their numbers. Those for unusual indexes and for grants are not asked here.
const DETAILS: [&str; 12] = [
    catalog!("relations"),
    catalog!("columns"),
    catalog!("constraints"),
    catalog!("indexes"),
    catalog!("comments"),
    catalog!("triggers"),
    catalog!("views"),
    catalog!("policies"),
    catalog!("rules"),
    catalog!("statistics"),
    catalog!("parents"),
    catalog!("partitioning"),
];
const SEQUENCES: &str = catalog!("sequences");
const LOCKED: &str = catalog!("locked");
const KEYS: &str = catalog!("keys");
const LOOKUP: &str = catalog!("lookup");
const DEPENDENTS: &str = catalog!("dependents");

pub(crate) async fn measure() -> Vec<Figure> {
    let mut figures = whole_database().await;
    figures.extend(one_table().await);
    figures.push(Box::pin(difference::measure()).await);
    figures
}

/// A database with so many tables.
fn filled(postgres: &PostgresServer, tables: i64) -> String {
    let database = postgres.create_database();
    postgres.psql(&database, &FILL.replace("{tables}", &tables.to_string()));
    database
}

async fn whole_database() -> Vec<Figure> {
    let postgres = PostgresServer::shared();
    let database = filled(postgres, TABLES);
    let script = stream_script(postgres, &database);
    let server = Server::start().await;
    server.register("wide", &database).await;
    let before = server.memory("VmHWM");

    let (mut subject, mut first, mut queries, mut dump) =
        (Times::default(), Times::default(), Times::default(), Times::default());
    for _ in 0..ROUNDS {
        queries.push(run(postgres, &database, &script));
        let (to_first, to_end) = stream(&server).await;
        first.push(to_first);
        subject.push(to_end);
        dump.push(time(postgres.client("pg_dump", &database).args(["-s", "-f", "/dev/null"])));
    }
    subject.print("dbkeeper");
    first.print("dbkeeper, first message");
    queries.print("catalog queries by psql");
    dump.print("pg_dump -s");
    let grown = server.memory("VmHWM").saturating_sub(before) as f64 / 1024.0 / 1024.0;
    vec![
        Figure::of_times("StreamTables, time of psql", subject.best(), queries.best(), Target::AtMost(1.3)),
        Figure::of_times("StreamTables, time of pg_dump -s", subject.best(), dump.best(), Target::Under(0.5)),
        Figure::of_times("StreamTables, first message in its time", first.best(), subject.best(), Target::AtMost(0.1)),
        Figure {
            name: "StreamTables, peak memory above the start",
            subject: String::new(),
            peer: String::new(),
            value: grown,
            unit: " MiB",
            target: Target::AtMost(64.0),
        },
    ]
}

async fn one_table() -> Vec<Figure> {
    let postgres = PostgresServer::shared();
    let server = Server::start().await;
    let mut figures = Vec::new();
    for size in SIZES {
        let database = filled(postgres, size);
        let id = format!("tables-{size}");
        server.register(&id, &database).await;
        let script = lookup_script(postgres, &database);
        let (mut subject, mut queries) = (Times::default(), Times::default());
        for _ in 0..ROUNDS {
            queries.push(run(postgres, &database, &script));
            subject.push(look_up(&server, &id).await);
        }
        println!("  one of {size} tables, {LOOKUPS} times");
        subject.print("dbkeeper");
        queries.print("its queries by psql");
        println!("  a look-up takes {}", seconds(subject.best() / u32::try_from(LOOKUPS).unwrap_or(1)));
        if size == TABLES {
            let target = Target::AtMost(3.0);
            figures.push(Figure::of_times("50 GetTable, time of psql", subject.best(), queries.best(), target));
        }
    }
    figures
}

/// Time to the first table, and to the end.
async fn stream(server: &Server) -> (Duration, Duration) {
    let client = server.client();
    let began = Instant::now();
    let request = v1::StreamTablesRequest { connection: "connections/wide".to_owned(), ..Default::default() };
    let mut stream = client.schemas().stream_tables(request).await.expect("the stream begins").into_inner();
    let (mut tables, mut counted, mut first) = (0, None, None);
    while let Some(message) = stream.message().await.expect("the stream goes on") {
        match message.event {
            Some(Event::Table(table)) => {
                assert_eq!((table.columns.len(), table.indexes.len()), (6, 2), "{} is not whole", table.name);
                first.get_or_insert_with(|| began.elapsed());
                tables += 1;
            }
            Some(Event::Summary(summary)) => counted = Some(summary.table_count),
            None => {}
        }
    }
    assert_eq!((tables, counted), (TABLES, Some(TABLES)), "the stream is not whole");
    (first.unwrap_or_default(), began.elapsed())
}

async fn look_up(server: &Server, id: &str) -> Duration {
    let client = server.client();
    let began = Instant::now();
    for _ in 0..LOOKUPS {
        let request = v1::GetTableRequest {
            connection: format!("connections/{id}"),
            table: "table_7".to_owned(),
            ..Default::default()
        };
        let table = client.schemas().get_table(request).await.expect("the table is there").into_inner();
        assert_eq!((table.columns.len(), table.indexes.len()), (6, 2));
    }
    began.elapsed()
}

/// The settings that the queries run under, and those that read details, prepared.
fn prologue(postgres: &PostgresServer, database: &str) -> String {
    let version = postgres.psql(database, "SELECT current_setting('server_version_num')::int / 10000");
    let version: u32 = version.trim().parse().expect("a version");
    let mut script =
        "SET default_transaction_isolation TO 'repeatable read'; SET default_transaction_read_only TO on;\n\
                      SET search_path TO pg_catalog; SET jit TO off; SET max_parallel_workers_per_gather TO 0;\n\
                      SET work_mem TO '32MB';\n"
            .to_owned();
    for (position, query) in DETAILS.iter().enumerate() {
        let query = for_version(query, version);
        writeln!(script, "PREPARE details_{position} (oid[]) AS {query};").expect("a string takes text");
    }
    let others = [
        ("sequences (oid[], oid[])", SEQUENCES),
        ("keys (name, \"char\"[], text, name, name, bigint)", KEYS),
        ("lookup (name, name)", LOOKUP),
        ("dependents (oid)", DEPENDENTS),
    ];
    for (name, query) in others {
        let query = for_version(query, version);
        writeln!(script, "PREPARE {name} AS {query};").expect("a string takes text");
    }
    script
}

fn details(oids: &str) -> String {
    let steps = (0..DETAILS.len()).map(|position| format!("EXECUTE details_{position} ('{oids}');\n"));
    steps.chain([format!("EXECUTE sequences ('{oids}', '{{}}');\n")]).collect()
}

/// The queries of a stream, as one transaction.
fn stream_script(postgres: &PostgresServer, database: &str) -> String {
    let oids = postgres.psql(database, OIDS);
    let details = details(oids.trim());
    let keys = "EXECUTE keys (NULL, '{r,p,v,m,f}', NULL, NULL, NULL, NULL);";
    format!("{}BEGIN;\n{LOCKED};\n{keys}\n{details}COMMIT;\n", prologue(postgres, database))
}

/// The queries of so many look-ups, a transaction each.
fn lookup_script(postgres: &PostgresServer, database: &str) -> String {
    let oid = postgres.psql(database, "SELECT 'public.table_7'::regclass::oid");
    let oid = oid.trim();
    let details = details(&format!("{{{oid}}}"));
    let one = format!(
        "BEGIN;\nEXECUTE lookup ('public', 'table_7');\n{LOCKED};\n{details}EXECUTE dependents ({oid});\nCOMMIT;\n"
    );
    prologue(postgres, database) + &one.repeat(LOOKUPS)
}

/// Leaves out the lines that are for other versions, as the engine does: those that end with `-- 15+` or `-- before 15`.
fn for_version(sql: &str, version: u32) -> String {
    let is_for = |mark: &str| {
        let number = |text: &str| text.trim().parse::<u32>().ok();
        let (first, end) = match mark.split_once("before ") {
            Some((first, end)) => (first, number(end)),
            None => (mark, None),
        };
        let first = first.trim().strip_suffix('+').and_then(number);
        (first.is_some() || end.is_some())
            .then(|| first.is_none_or(|first| version >= first) && end.is_none_or(|end| version < end))
    };
    let lines = sql.lines().filter_map(|line| match line.rsplit_once(" -- ") {
        Some((text, mark)) => is_for(mark).map_or(Some(line), |is_for| is_for.then_some(text)),
        None => Some(line),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn run(postgres: &PostgresServer, database: &str, script: &str) -> Duration {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), script).expect("the script is written");
    let psql = &mut postgres.client("psql", database);
    time(psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f"]).arg(file.path()))
}

fn time(command: &mut Command) -> Duration {
    let began = Instant::now();
    assert!(command.status().expect("the program starts").success(), "{command:?} failed");
    began.elapsed()
}
