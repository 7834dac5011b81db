//! The logic of a run against a database that can be told to misbehave: real ones rarely lose a connection in the very
//! moment of a commit.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;

use super::*;
use crate::{
    model::{
        Reason, StatementFailure, Timestamp,
        migration::{Dialect, IncompleteRun},
    },
    service::migration::import::{MigrationFile, read_files},
};

/// What the next step, or the next attempt at it, meets.
enum Fault {
    Statement { index: usize, offset: Option<usize>, retryable: bool, statements_done: usize, sql_state: &'static str },
    LostInCommit { applied: bool },
    Lost,
    Cancelled { statements_done: usize },
}

#[derive(Default)]
struct State {
    history: Vec<HistoryEntry>,
    /// Attempts to lock that are refused.
    locks_refused: u32,
    /// Dials that are refused after the first.
    dials_refused: u32,
    dials: u32,
    faults: VecDeque<Option<Fault>>,
    /// Applied by another server while we waited for the lock.
    applied_meanwhile: Vec<HistoryEntry>,
    /// What ran, in order, with the way it ran.
    ran: Vec<String>,
    ended_runs: u32,
    open_sessions: i32,
}

#[derive(Clone, Default)]
struct FakeDatabase {
    state: Arc<Mutex<State>>,
    transactional: bool,
}

struct FakeSession {
    database: FakeDatabase,
    locked: bool,
}

impl FakeDatabase {
    fn new() -> Self {
        Self { transactional: true, ..Self::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn ran(&self) -> Vec<String> {
        self.state().ran.clone()
    }
}

#[async_trait]
impl Migrate for FakeDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::Postgresql
    }

    fn transactional_ddl(&self) -> bool {
        self.transactional
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>> {
        Ok(self.state().history.clone())
    }

    async fn begin_run(
        &self,
        _operation: &OperationId,
        _limits: &MigrationLimits,
        _cancellation: CancellationToken,
    ) -> Result<Box<dyn MigrationSession>> {
        let mut state = self.state();
        state.dials += 1;
        if state.dials > 1 && state.dials_refused > 0 {
            state.dials_refused -= 1;
            return Err(unreachable_database());
        }
        state.open_sessions += 1;
        Ok(Box::new(FakeSession { database: self.clone(), locked: false }))
    }

    async fn end_run(&self, _operation: &OperationId) -> Result<()> {
        self.state().ended_runs += 1;
        Ok(())
    }
}

impl FakeSession {
    fn run(&mut self, step: &MigrationStep, way: &str) -> Result<(), Box<StepError>> {
        assert!(self.locked, "a step runs under the lock only");
        let mut state = self.database.state();
        match state.faults.pop_front().flatten() {
            Some(Fault::Statement { index, offset, retryable, statements_done, sql_state }) => {
                return Err(Box::new(StepError::Statement {
                    index,
                    offset,
                    failure: StatementFailure {
                        sql_state: sql_state.to_owned(),
                        message: "it does not work".to_owned(),
                        ..StatementFailure::default()
                    },
                    retryable,
                    statements_done,
                }));
            }
            Some(Fault::Cancelled { statements_done }) => {
                return Err(Box::new(StepError::Cancelled { statements_done }));
            }
            Some(Fault::Lost) => {
                let error = unreachable_database();
                return Err(Box::new(StepError::Other { error, outcome_unknown: false, statements_done: 0 }));
            }
            Some(Fault::LostInCommit { applied }) => {
                if applied {
                    take(&mut state, step, way);
                }
                let error = unreachable_database();
                return Err(Box::new(StepError::Other { error, outcome_unknown: true, statements_done: 0 }));
            }
            None => take(&mut state, step, way),
        }
        Ok(())
    }
}

fn take(state: &mut State, step: &MigrationStep, way: &str) {
    state.ran.push(format!("{way} {}", step.version));
    state.history.retain(|entry| entry.version != step.version);
    if step.direction == Direction::Up {
        state.history.push(entry(step.version.as_str(), &step.checksum));
    }
}

fn unreachable_database() -> Error {
    Error::new(Reason::DatabaseUnreachable, "the connection was lost")
}

#[async_trait]
impl MigrationSession for FakeSession {
    async fn try_lock(&mut self) -> Result<bool> {
        let mut state = self.database.state();
        if state.locks_refused > 0 {
            state.locks_refused -= 1;
            return Ok(false);
        }
        let meanwhile = std::mem::take(&mut state.applied_meanwhile);
        state.history.extend(meanwhile);
        self.locked = true;
        Ok(true)
    }

    async fn prepare_history(&mut self) -> Result<()> {
        Ok(())
    }

    async fn history(&mut self) -> Result<Vec<HistoryEntry>> {
        Ok(self.database.state().history.clone())
    }

    async fn run_in_transaction(&mut self, step: &MigrationStep) -> Result<(), StepError> {
        self.run(step, "transaction").map_err(|error| *error)
    }

    async fn run_journaled(&mut self, step: &MigrationStep) -> Result<(), StepError> {
        self.run(step, "journal").map_err(|error| *error)
    }

    async fn close(self: Box<Self>) {}
}

impl Drop for FakeSession {
    fn drop(&mut self) {
        self.database.state().open_sessions -= 1;
    }
}

#[derive(Default)]
struct Lines {
    log: Mutex<Vec<String>>,
    done: Mutex<Vec<u64>>,
}

impl Report for Lines {
    fn progress(&self, progress: Progress) {
        self.done.lock().unwrap().push(progress.done);
    }

    fn log(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }
}

fn set_id() -> MigrationSetId {
    MigrationSetId::from_stored("s".to_owned())
}

fn entry(version: &str, checksum: &str) -> HistoryEntry {
    HistoryEntry {
        set: set_id(),
        version: Version::from_stored(version.to_owned()),
        title: String::new(),
        checksum: checksum.to_owned(),
        applied: Timestamp::from_micros(0),
        duration: Duration::ZERO,
        incomplete: None,
    }
}

/// Three migrations; the second one has two statements on three lines and runs without a transaction.
fn migrations() -> Vec<Migration> {
    let file = |path: &str, content: &str| MigrationFile { path: path.to_owned(), content: content.to_owned() };
    let files = [
        file("1_a.up.sql", "BEGIN;\nSELECT 'a';\nSELECT 'b';\nCOMMIT;"),
        file("1_a.down.sql", "SELECT 'undo a'"),
        file("2_b.up.sql", "-- dbkeeper: no-transaction\nSELECT 'c';\nSELECT\n  'ä', wrong;"),
        file("2_b.down.sql", "SELECT 'undo b'"),
        file("3_c.up.sql", "SELECT 'd'"),
    ];
    read_files(&files, None).expect("good files").migrations
}

struct Outcome {
    result: Result<OperationResult>,
    log: Vec<String>,
    done: Vec<u64>,
}

impl Outcome {
    fn versions(self) -> (Vec<String>, Option<String>) {
        let OperationResult::Migrate { versions, count, current_version } = self.result.expect("it succeeds") else {
            panic!("another kind of result")
        };
        assert_eq!(versions.len() as u64, count);
        let versions = versions.iter().map(ToString::to_string).collect();
        (versions, current_version.map(|version| version.to_string()))
    }

    fn error(self) -> Error {
        self.result.expect_err("it fails")
    }
}

enum Task {
    Run,
    Recover,
}

async fn work(
    database: &FakeDatabase,
    task: &Task,
    direction: Direction,
    versions: &[&str],
    cancellation: CancellationToken,
) -> Outcome {
    let versions: Vec<_> = versions.iter().map(|text| Version::from_stored((*text).to_owned())).collect();
    let lines = Lines::default();
    let limits =
        MigrationLimits { run_lock_timeout: Duration::from_millis(300), lock_retries: 2, ..Default::default() };
    let (migrations, operation, set) = (migrations(), OperationId::generate(), set_id());
    let job = Job {
        migrate: database,
        operation: &operation,
        set: &set,
        migrations: &migrations,
        direction,
        versions: &versions,
        allow_out_of_order: false,
        limits: &limits,
        cancellation: &cancellation,
        report: &lines,
    };
    let result = match task {
        Task::Run => run(&job).await,
        Task::Recover => recover(&job).await,
    };
    assert_eq!(database.state().open_sessions, 0, "no session is left open");
    Outcome { result, log: lines.log.into_inner().unwrap(), done: lines.done.into_inner().unwrap() }
}

async fn apply(database: &FakeDatabase, versions: &[&str]) -> Outcome {
    work(database, &Task::Run, Direction::Up, versions, CancellationToken::new()).await
}

async fn revert(database: &FakeDatabase, versions: &[&str]) -> Outcome {
    work(database, &Task::Run, Direction::Down, versions, CancellationToken::new()).await
}

fn with_faults(faults: impl IntoIterator<Item = Option<Fault>>) -> FakeDatabase {
    let database = FakeDatabase::new();
    database.state().faults.extend(faults);
    database
}

fn lock_timeout() -> Option<Fault> {
    Some(Fault::Statement { index: 0, offset: None, retryable: true, statements_done: 0, sql_state: "55P03" })
}

#[tokio::test]
async fn up_and_down_in_order_each_in_its_way() {
    let database = FakeDatabase::new();
    let outcome = apply(&database, &["1", "2", "3"]).await;
    assert_eq!(outcome.done.last(), Some(&3));
    assert!(outcome.log.iter().any(|line| line.contains("applied 2_b.up.sql (2 statements")), "{:?}", outcome.log);
    assert_eq!(outcome.versions(), (vec!["1".into(), "2".into(), "3".into()], Some("3".into())));
    assert_eq!(database.ran(), ["transaction 1", "journal 2", "transaction 3"]);

    database.state().history.retain(|entry| entry.version.as_str() != "3");
    assert_eq!(revert(&database, &["2", "1"]).await.versions(), (vec!["2".into(), "1".into()], None));
    assert_eq!(database.ran()[3..], ["transaction 2", "transaction 1"]);
}

#[tokio::test]
async fn an_engine_without_transactional_ddl_keeps_a_journal() {
    let database = FakeDatabase::default();
    apply(&database, &["1"]).await.versions();
    assert_eq!(database.ran(), ["journal 1"]);
}

#[tokio::test]
async fn the_lock_is_waited_for_and_given_up() {
    let database = FakeDatabase::new();
    database.state().locks_refused = 2;
    let outcome = apply(&database, &["1"]).await;
    assert!(outcome.log[0].contains("another run"), "{:?}", outcome.log);
    assert_eq!(outcome.versions().0, ["1"]);

    let database = FakeDatabase::new();
    database.state().locks_refused = u32::MAX;
    assert_eq!(apply(&database, &["1"]).await.error().reason(), Reason::DatabaseBusy);
    assert!(database.ran().is_empty());
}

#[tokio::test]
async fn what_another_server_applied_meanwhile_is_not_applied_again() {
    let database = FakeDatabase::new();
    let checksum = migrations()[0].checksum.clone();
    database.state().applied_meanwhile.push(entry("1", &checksum));
    let outcome = apply(&database, &["1", "2"]).await;
    assert!(outcome.log.iter().any(|line| line.contains("1 of the planned")), "{:?}", outcome.log);
    assert_eq!(outcome.versions().0, ["2"]);
    assert_eq!(database.ran(), ["journal 2"]);
}

#[tokio::test]
async fn drift_that_came_meanwhile_is_refused() {
    let database = FakeDatabase::new();
    database.state().applied_meanwhile.push(entry("1", "other"));
    assert_eq!(apply(&database, &["1", "2"]).await.error().reason(), Reason::MigrationDrift);
    assert!(database.ran().is_empty());
}

#[tokio::test]
async fn a_lock_time_out_is_tried_again_and_then_told() {
    let database = with_faults([lock_timeout(), lock_timeout()]);
    assert_eq!(apply(&database, &["1"]).await.versions().0, ["1"]);

    let database = with_faults([None, lock_timeout(), lock_timeout(), lock_timeout()]);
    let error = apply(&database, &["1", "2"]).await.error();
    assert_eq!(error.reason(), Reason::LockTimeout);
    assert!(error.message().contains("1 of 2 migrations of this run were applied"), "{error}");
    assert!(database.state().faults.is_empty(), "two repeats and no more");
}

#[tokio::test]
async fn a_commit_whose_outcome_is_unknown_is_looked_up() {
    let database = with_faults([Some(Fault::LostInCommit { applied: true })]);
    database.state().dials_refused = 1;
    assert_eq!(apply(&database, &["1", "3"]).await.versions().0, ["1", "3"]);
    assert_eq!(database.ran(), ["transaction 1", "transaction 3"]);
    assert_eq!(database.state().ended_runs, 2, "what is left of the lost session is ended first");

    let database = with_faults([None, Some(Fault::LostInCommit { applied: false })]);
    let error = apply(&database, &["1", "3"]).await.error();
    assert_eq!(error.reason(), Reason::DatabaseUnreachable);
    assert!(error.message().contains("did not take effect") && error.message().contains("1 of 2"), "{error}");
}

#[tokio::test]
async fn a_lost_connection_tells_how_far_it_came() {
    let database = with_faults([None, Some(Fault::Lost)]);
    let error = apply(&database, &["1", "3"]).await.error();
    assert_eq!((error.reason(), error.metadata("version")), (Reason::DatabaseUnreachable, Some("3")));
    assert!(error.message().contains("1 of 2 migrations of this run were applied (the last is 1)"), "{error}");
    assert_eq!(database.ran(), ["transaction 1"]);
}

#[tokio::test]
async fn a_cancelled_run_tells_how_far_it_came() {
    let database = with_faults([None, Some(Fault::Cancelled { statements_done: 1 })]);
    let error = apply(&database, &["1", "2", "3"]).await.error();
    assert_eq!(error.reason(), Reason::Cancelled);
    assert!(error.message().contains("1 of 3") && error.message().contains("1 of 2 statements"), "{error}");

    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let error = work(&database, &Task::Run, Direction::Up, &["2", "3"], cancelled).await.error();
    assert_eq!(error.reason(), Reason::Cancelled);
    assert_eq!(database.ran(), ["transaction 1"]);
}

#[tokio::test]
async fn a_failed_statement_is_told_with_its_place() {
    let fault =
        Fault::Statement { index: 1, offset: Some(14), retryable: false, statements_done: 1, sql_state: "42703" };
    let database = with_faults([None, Some(fault)]);
    let error = apply(&database, &["1", "2", "3"]).await.error();
    assert_eq!((error.reason(), error.metadata("statements_done")), (Reason::StatementFailed, Some("1")));
    let failure = error.statement().expect("a statement");
    assert_eq!((failure.file.as_str(), failure.line, failure.column), ("2_b.up.sql", 4, 8));
    assert_eq!((failure.statement_index, failure.statement_count), (2, 2));
    assert_eq!((failure.sql_state.as_str(), failure.statement.as_str()), ("42703", "SELECT\n  'ä', wrong"));
    for part in
        ["1 of 3 migrations", "1 of 2 statements of version 2 took effect", "allow_changes", "goes on with this"]
    {
        assert!(failure.hint.contains(part), "{part:?} in {:?}", failure.hint);
    }
    assert_eq!(database.ran(), ["transaction 1"]);
}

#[tokio::test]
async fn a_begin_that_was_left_out_counts_in_the_file() {
    let fault = Fault::Statement { index: 1, offset: None, retryable: false, statements_done: 0, sql_state: "25001" };
    let error = apply(&with_faults([Some(fault)]), &["1"]).await.error();
    let failure = error.statement().expect("a statement");
    assert_eq!((failure.statement_index, failure.statement_count, failure.line), (3, 4, 3));
    assert!(failure.hint.contains("nothing of version 1 stays"), "{}", failure.hint);
    assert!(failure.hint.contains("-- dbkeeper: no-transaction"), "{}", failure.hint);
}

#[tokio::test]
async fn a_statement_time_out_is_told_as_such() {
    let fault = Fault::Statement { index: 0, offset: None, retryable: false, statements_done: 0, sql_state: "57014" };
    assert_eq!(apply(&with_faults([Some(fault)]), &["1"]).await.error().reason(), Reason::StatementTimeout);
}

#[tokio::test]
async fn a_killed_run_is_told_truthfully() {
    let recover = |history: Vec<HistoryEntry>| async {
        let database = FakeDatabase::new();
        database.state().history = history;
        let token = CancellationToken::new();
        let outcome = work(&database, &Task::Recover, Direction::Up, &["1", "2"], token).await;
        assert_eq!(database.state().ended_runs, 1, "its session is ended before the history is read");
        assert!(database.ran().is_empty(), "nothing is begun anew");
        outcome
    };
    assert_eq!(recover(vec![entry("1", ""), entry("2", "")]).await.versions().0, ["1", "2"]);

    let error = recover(vec![entry("1", "")]).await.error();
    assert_eq!(error.reason(), Reason::Interrupted);
    assert!(error.message().contains("1 of 2") && error.message().contains("ApplyMigrations again"), "{error}");

    let run = IncompleteRun {
        direction: Direction::Up,
        statements_done: 1,
        statements_total: 2,
        statement_open: false,
        fingerprint: String::new(),
    };
    let error = recover(vec![entry("1", ""), HistoryEntry { incomplete: Some(run), ..entry("2", "") }]).await.error();
    assert!(error.message().contains("version 2 up to statement 1 of 2"), "{error}");
}
