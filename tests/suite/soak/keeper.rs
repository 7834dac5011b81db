//! A server that is killed and started again, and the calls that are made to it.

use std::time::{Duration, Instant};

use dbkeeper::grpc::{client::Client, proto::v1};
use prost_types::Duration as ProtoDuration;

use super::{random_part, site::Site};
use crate::harness::process::ServerProcess;

/// Longest wait for an operation; one that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(180);
/// A start that is killed too lives no longer than this.
const SHORT_LIFE: Duration = Duration::from_millis(700);

/// The server.
pub(super) struct Keeper {
    pub(super) process: ServerProcess,
    /// How many starts were killed before they had told what became of an operation.
    pub(super) starts_killed: u32,
}

/// When a server is killed.
pub(super) enum Moment {
    /// After a part of so long.
    Within(Duration),
    /// When so many percent of the work are done.
    Percent(u32),
}

impl Keeper {
    pub(super) async fn start(site: &dyn Site) -> Self {
        Self { process: ServerProcess::start(&site.settings()).await, starts_killed: 0 }
    }

    pub(super) fn client(&self) -> Client {
        self.process.client()
    }

    /// Registers a database and returns its name.
    pub(super) async fn register(&self, site: &dyn Site, database: &str) -> String {
        let request = v1::CreateConnectionRequest {
            connection: Some(site.connection(database)),
            ..v1::CreateConnectionRequest::default()
        };
        let answer = self.client().connections().create_connection(request).await;
        answer.expect("the database is registered").into_inner().name
    }

    pub(super) async fn forget(&self, connection: &str) {
        let request = v1::DeleteConnectionRequest { name: connection.to_owned(), ..Default::default() };
        self.client().connections().delete_connection(request).await.expect("nothing needs the connection");
    }

    /// Kills the server and starts it again. In every fourth round the start is killed too.
    pub(super) async fn kill_and_restart(&mut self, round: u32) {
        self.process.kill();
        self.restart(round).await;
    }

    /// Starts the server again after a kill.
    pub(super) async fn restart(&mut self, round: u32) {
        self.process.launch();
        if round % 4 == 1 {
            tokio::time::sleep(random_part(SHORT_LIFE)).await;
            self.process.kill();
            self.starts_killed += 1;
            self.process.launch();
        }
        self.process.wait_until_serving().await;
    }

    /// Waits for the moment of the kill, or for the end of the operation where that comes first.
    pub(super) async fn until(&self, moment: Moment, operation: &v1::Operation) {
        match moment {
            Moment::Within(span) => tokio::time::sleep(random_part(span)).await,
            Moment::Percent(percent) => self.until_percent(percent, operation).await,
        }
    }

    async fn until_percent(&self, percent: u32, operation: &v1::Operation) {
        use v1::watch_operation_response::Event;
        let request = v1::WatchOperationRequest { name: operation.name.clone(), after_sequence: 0 };
        let mut events = self.client().operations().watch_operation(request).await.expect("it is there").into_inner();
        let reached = |progress: &v1::Progress| progress.done * 100 >= progress.total.max(1) * u64::from(percent);
        while let Some(event) = events.message().await.expect("the watch goes on") {
            match event.event {
                Some(Event::Operation(operation)) if is_final(&operation) => return,
                Some(Event::Progress(progress)) if reached(&progress) => return,
                _ => {}
            }
        }
    }

    /// Waits for the end of an operation.
    pub(super) async fn ended(&self, name: &str) -> v1::Operation {
        let began = Instant::now();
        loop {
            let timeout = Some(ProtoDuration { seconds: 30, nanos: 0 });
            let request = v1::WaitOperationRequest { name: name.to_owned(), timeout };
            let answer = self.client().operations().wait_operation(request).await;
            let operation = answer.expect("the operation is there").into_inner();
            if is_final(&operation) {
                return operation;
            }
            assert!(began.elapsed() < PATIENCE, "{name} does not end: {operation:?}\n{}", self.process.log());
        }
    }

    /// Waits for the end of an operation that has to succeed.
    pub(super) async fn succeeded(&self, name: &str) -> v1::Operation {
        let operation = self.ended(name).await;
        let state = operation.state();
        assert_eq!(state, v1::OperationState::Succeeded, "{operation:?}\n{}", self.process.log());
        operation
    }

    /// Takes a backup and returns its operation.
    pub(super) async fn back_up(&self, connection: &str, id: &str) -> v1::Operation {
        let request = v1::CreateBackupRequest {
            connection: connection.to_owned(),
            backup_id: id.to_owned(),
            ..v1::CreateBackupRequest::default()
        };
        self.client().backups().create_backup(request).await.expect("the backup is begun").into_inner()
    }

    /// Compares every byte of a backup.
    pub(super) async fn verify(&self, backup: &str) {
        let request = v1::VerifyBackupRequest { name: backup.to_owned(), level: v1::VerifyLevel::Content.into() };
        let operation = self.client().backups().verify_backup(request).await.expect("the check is begun").into_inner();
        self.succeeded(&operation.name).await;
    }

    /// Begins a restore.
    pub(super) async fn restore(&self, backup: &str, connection: &str, target: &str) -> v1::Operation {
        let request = v1::RestoreBackupRequest {
            name: backup.to_owned(),
            connection: connection.to_owned(),
            target_database: target.to_owned(),
            ..v1::RestoreBackupRequest::default()
        };
        self.client().backups().restore_backup(request).await.expect("the restore is begun").into_inner()
    }
}

fn is_final(operation: &v1::Operation) -> bool {
    !matches!(operation.state(), v1::OperationState::Queued | v1::OperationState::Running)
}

/// The last part of a resource name.
pub(super) fn id_of(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// What an operation that was killed is told to have come to: `SUCCEEDED`, or the reason of its failure. Any other end, such as one
/// that a person has to look at, is wrong here.
pub(super) fn told(operation: &v1::Operation, log: &str) -> String {
    match operation.state() {
        v1::OperationState::Succeeded => "SUCCEEDED".to_owned(),
        v1::OperationState::Failed => {
            let error = operation.error.as_ref().expect("a failure has an error");
            assert_eq!(error.reason, "INTERRUPTED", "{operation:?}\n{log}");
            error.reason.clone()
        }
        _ => panic!("a killed operation ended so: {operation:?}\n{log}"),
    }
}
