//! The tour of the README, pasted as it stands into a shell, on each engine.

use std::{fs, os::unix::fs::symlink, process::Command};

use crate::harness::{mariadb::MariadbServer, postgres::PostgresServer, process::ServerProcess};

/// What a reader fills in: an engine, where it is, and an empty database.
struct Reader {
    /// How the block of the engine begins.
    block: &'static str,
    /// What stands in the README, and what the reader puts there.
    filled_in: Vec<(String, String)>,
}

impl Reader {
    fn new(block: &'static str, port: u16, user: &str, password: &str, database: &str) -> Self {
        let pairs = [
            ("DB_HOST=localhost", "DB_HOST=127.0.0.1".to_owned()),
            ("DB_PORT=5432", format!("DB_PORT={port}")),
            ("DB_PORT=3306", format!("DB_PORT={port}")),
            ("DB_USER=postgres", format!("DB_USER={user}")),
            ("DB_USER=app", format!("DB_USER={user}")),
            ("'the password'", format!("'{}'", password.replace('\'', r"'\''"))),
            ("DATABASE=shop COPY=shop_copy", format!("DATABASE={database} COPY={database}_copy")),
            ("database: \"shop\"", format!("database: \"{database}\"")),
        ];
        Self { block, filled_in: pairs.map(|(from, to)| (from.to_owned(), to)).to_vec() }
    }
}

/// The blocks of a language between the head of the tour and the next part of the README.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, tour) = readme.split_once("\n## The tour").expect("the tour");
    let (tour, _) = tour.split_once("\n## ").expect("a part behind the tour");
    let fence = format!("\n```{language}\n");
    let parts = tour.split(&fence).skip(1);
    parts.map(|part| part.split_once("\n```").expect("its end").0.to_owned()).collect()
}

/// Runs the tour and gives what it printed.
async fn walk(reader: Reader) -> String {
    let server = ServerProcess::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    symlink(server.data_directory(), folder.path().join("dbkeeper-data")).unwrap();
    let chosen = |block: &String| !block.starts_with("# ") || block.starts_with(reader.block);
    let mut script = blocks("sh").into_iter().filter(chosen).collect::<Vec<_>>().join("\n");
    let address = server.url().trim_start_matches("http://");
    assert!(script.contains("ADDRESS=127.0.0.1:7341\n") && script.contains(reader.block), "{script}");
    script = script.replace("ADDRESS=127.0.0.1:7341\n", &format!("ADDRESS={address}\n"));
    for (from, to) in &reader.filled_in {
        script = script.replace(from, to);
    }
    let mut bash = Command::new("bash");
    bash.args(["-u", "-c", &script]).current_dir(folder.path());
    let ended = tokio::task::spawn_blocking(move || bash.output().unwrap()).await.unwrap();
    let (told, wrong) = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap());
    assert!(ended.status.success(), "{told}\n{wrong}");
    assert!(!wrong.contains("ERROR") && !wrong.contains("jq:") && !wrong.contains("bash:"), "{told}\n{wrong}");
    for words in [
        "\"connected\": true",
        "\"name\":\"connections/shop\"",
        "[\"OPERATION_STATE_SUCCEEDED\",{\"versions\":[\"001\",\"002\"],\"count\":\"2\",\"currentVersion\":\"002\"}]",
        "\"STATEMENT_FAILED\"",
        "{\"versions\":[\"003\"],\"count\":\"1\",\"currentVersion\":\"003\"}",
        "\"HEALTH_STATUS_HEALTHY\"",
        "[\"3\",",
        "\"BACKUP_STATE_COMPLETE\"",
    ] {
        assert!(told.contains(words), "{words}\n{told}\n{wrong}");
    }
    assert!(told.ends_with("the schemas are equal\n"), "{told}\n{wrong}");
    told
}

/// Every line of an answer that the README shows, as far as it shows it.
#[track_caller]
fn assert_shown(told: &str, answer: &str) {
    for line in answer.lines() {
        assert!(told.contains(line.trim_end_matches("...")), "the README shows {line}\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tour_can_be_pasted_for_sqlite() {
    let told = walk(Reader { block: "# SQLite", filled_in: Vec::new() }).await;
    let answer = &blocks("text")[0];
    let of_a_moment = |line: &&str| {
        line.contains("\"latency\"") || line.contains("ersion") || line.contains("essage") || line.contains("discovery")
    };
    let lasting: Vec<&str> = answer.lines().filter(|line| !of_a_moment(line)).collect();
    assert!(lasting.len() > 8, "{lasting:?}");
    assert_shown(&told, &lasting.join("\n"));
    assert_shown(&told, &blocks("text")[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tour_can_be_pasted_for_postgresql() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    let reader = Reader::new("# PostgreSQL", server.port(), "postgres", server.password(), &database);
    walk(reader).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tour_can_be_pasted_for_mariadb() {
    let server = MariadbServer::shared();
    let database = server.create_database();
    let username = server.settings(&database).username;
    walk(Reader::new("# MariaDB", server.port(), &username, server.password(), &database)).await;
}
