//! The quick start: its sample, and the real binary as a newcomer runs it.

use std::{
    io::{BufRead, BufReader, Read as _},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
};

use dbkeeper::cli::quickstart::sample;
use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::harness::process::binary;

async fn number(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn the_sample_is_whole_and_its_migrations_go_up_and_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bookshop.db");
    sample::create(&file).await.unwrap();

    let options = SqliteConnectOptions::new().filename(&file).foreign_keys(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'";
    assert_eq!(number(&mut connection, tables).await, i64::try_from(sample::TABLES).unwrap());
    assert_eq!(number(&mut connection, "SELECT count(*) FROM purchase").await, 2_000);
    assert_eq!(number(&mut connection, "SELECT count(*) FROM book WHERE title IS NULL").await, 0);
    assert_eq!(number(&mut connection, "SELECT count(*) FROM author WHERE name IS NULL").await, 0);
    assert_eq!(number(&mut connection, "SELECT count(*) FROM pragma_foreign_key_check").await, 0);

    let [reviews, no_reviews, loyalty, no_loyalty] = sample::MIGRATIONS.map(|file| file.content);
    for migration in [reviews, loyalty, no_loyalty, no_reviews, reviews, loyalty] {
        connection.execute(sqlx::raw_sql(migration)).await.unwrap();
    }
    assert!(number(&mut connection, "SELECT count(*) FROM review").await > 100);
    assert!(number(&mut connection, "SELECT max(points) FROM customer").await > 0);
}

/// A quick start in a folder, on any free port.
fn quickstart(data_dir: &Path, more: &[&str]) -> Command {
    let mut command = binary();
    command.arg("quickstart").arg("--data-dir").arg(data_dir).args(["--listen", "127.0.0.1:0"]).args(more);
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A quick start whose output is read while it runs. It ends with the test.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// What it writes up to a line that begins so.
    fn read_to(&mut self, beginning: &str) -> String {
        let mut read = String::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "it ended before {beginning:?}:\n{read}");
            let found = line.starts_with(beginning);
            read.push_str(&line);
            if found {
                return read;
            }
        }
    }

    /// The rest of what it writes, and how it ends.
    fn end(mut self) -> (String, ExitStatus) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap())
    }

    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The commands in the output: each begins with grpcurl and ends before an empty line.
fn commands(output: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut lines = output.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("grpcurl ") {
            let rest = lines.by_ref().take_while(|line| !line.is_empty());
            commands.push([line].into_iter().chain(rest).collect::<Vec<_>>().join("\n"));
        }
    }
    commands
}

/// Runs a command as somebody does who pastes it.
fn paste(command: &str) -> Output {
    Command::new("sh").args(["-c", command]).output().unwrap()
}

/// Runs a command that goes on, until it has written two messages.
fn paste_for_two_messages(command: &str) {
    let mut shell = Command::new("sh");
    let mut running = Running::start({
        shell.args(["-c", &format!("exec {}", command.trim_start())]);
        shell
    });
    running.read_to("  \"sequence\": \"1\"");
    running.read_to("  \"sequence\": \"2\"");
}

#[test]
fn every_step_is_right_on_a_new_directory_and_on_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    for backup in ["connections/bookshop/backups/first", "connections/bookshop-2/backups/first"] {
        let output = quickstart(folder.path(), &["--exit"]).output().unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{stdout}{stderr}");
        assert!(stdout.contains("10/10 Compare") && stdout.ends_with("Every step was right.\n"), "{stdout}");
        assert!(stdout.contains(backup), "{stdout}");
        assert!(!stdout.contains('\u{1b}') && !stdout.contains('\r'), "a pipe takes no colours and no bars: {stdout}");
        assert!(!stdout.lines().any(|line| line.ends_with(' ')), "{stdout}");
        assert_eq!(stderr, "");
    }
}

#[test]
fn its_commands_can_be_pasted_while_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("Anna's try out");
    let mut running = Running::start(quickstart(&data_dir, &[]));
    let output = running.read_to("Every step was right.");
    let commands = commands(&output);
    assert_eq!(commands.len(), 14, "{output}");
    for command in &commands {
        if command.ends_with("MonitorService/StreamMetrics") {
            paste_for_two_messages(command);
            continue;
        }
        let pasted = paste(command);
        assert!(pasted.status.success(), "{command}\n{}", text(&pasted.stderr));
    }

    let held = quickstart(&data_dir, &["--exit"]).output().unwrap();
    assert_eq!(held.status.code(), Some(1));
    assert!(text(&held.stderr).contains("another dbkeeper holds the data directory"), "{}", text(&held.stderr));

    running.interrupt();
    let (rest, status) = running.end();
    assert!(status.success(), "{status}: {rest}");
    assert!(rest.contains("admin.key"), "it tells where the key lies: {rest}");
}

#[test]
fn a_step_that_is_wrong_makes_the_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(quickstart(folder.path(), &["--exit"]));
    running.read_to("6/10 ");
    std::fs::remove_file(folder.path().join("sqlite/default/bookshop.db")).unwrap();
    let (rest, status) = running.end();
    assert_eq!(status.code(), Some(1), "{rest}");
    assert!(rest.contains("    WRONG  ") && !rest.contains("Every step was right"), "{rest}");
}

#[test]
fn a_walk_that_is_interrupted_has_not_shown_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(quickstart(folder.path(), &["--exit"]));
    running.read_to("6/10 ");
    running.interrupt();
    let (rest, status) = running.end();
    assert_eq!(status.code(), Some(1), "{rest}");
}

#[test]
fn a_busy_port_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let mut command = binary();
    command.arg("quickstart").arg("--data-dir").arg(folder.path()).args(["--listen", &address, "--exit"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains(&address) && stderr.contains("name another port with --listen"), "{stderr}");
}
