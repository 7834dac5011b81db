//! Secrets that can be recognised go through a real server that logs all that there is to log. Afterwards they are looked for
//! everywhere: in the logs, in every answer and refusal, in the data directory, and in what the system tells of the processes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use dbkeeper::grpc::{client::Client, proto::v1};
use tonic::{Response, Status};

use super::support::{succeeded, until, viewer};
use crate::harness::{
    mariadb::MariadbServer,
    postgres::PostgresServer,
    process::{ServerProcess, files_below},
};

/// The password that works, one that does not, one that replaces it, and things that are sent where a secret belongs.
const RIGHT: &str = "canary-right-5e1f7a90c3";
const WRONG: &str = "canary-wrong-b84d02e6f1";
const LATER: &str = "canary-later-0d9c63b27e";
/// The password that a rotation gives, and one that cannot be given.
const ROTATED: &str = "canary-rotated-93d1c7e5a0";
const UNUSABLE: &str = "canary unusable 4b7e";
const CLIENT_KEY: &str = "-----BEGIN PRIVATE KEY-----\ncanary-client-key-71aa\n-----END PRIVATE KEY-----\n";
const MASTER_KEY: &str = "dbkeeper-master-key:1:1:canary-master-key-2b6d";
const CANARIES: [&str; 7] =
    [RIGHT, WRONG, LATER, ROTATED, UNUSABLE, "canary-client-key-71aa", "canary-master-key-2b6d"];

/// All that callers were told.
#[derive(Default)]
struct Told(String);

impl Told {
    fn hear<T: std::fmt::Debug>(&mut self, answer: Result<Response<T>, Status>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.0.push_str(&format!("{answer:?}\n"));
                Some(answer.into_inner())
            }
            Err(status) => {
                self.0.push_str(&format!("{status:?} {}\n", String::from_utf8_lossy(status.details())));
                None
            }
        }
    }
}

/// What the system tells of the server and of the processes that it starts, gathered again and again.
struct Watch {
    seen: Arc<Mutex<BTreeMap<u32, String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    fn start(server: u32) -> Self {
        let (seen, stop) = (Arc::new(Mutex::new(BTreeMap::new())), Arc::new(AtomicBool::new(false)));
        let (into, stopped) = (seen.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                look(server, &mut into.lock().unwrap());
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { seen, stop, thread: Some(thread) }
    }

    /// The names of the programs that were seen.
    fn programs(&self) -> BTreeSet<String> {
        let seen = self.seen.lock().unwrap();
        seen.values().filter_map(|text| text.split(['\0', ' ']).next()?.rsplit('/').next().map(str::to_owned)).collect()
    }

    fn everything(mut self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.seen.lock().unwrap().values().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Adds what can be read of a process and of its children.
fn look(process: u32, seen: &mut BTreeMap<u32, String>) {
    let mut text = String::new();
    for file in ["cmdline", "environ", "status", "stat", "comm"] {
        let bytes = fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        text.push_str(&String::from_utf8_lossy(&bytes));
        text.push('\n');
    }
    if !text.trim().is_empty() {
        let known = seen.entry(process).or_default();
        // The arguments of the program that a child becomes are seen later than its beginning.
        if !known.contains(text.lines().next().unwrap_or_default()) || known.is_empty() {
            *known = format!("{text}{known}");
        }
    }
    for task in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            look(child, seen);
        }
    }
}

fn connection(engine: v1::Engine, port: u16, database: &str, password: &str) -> v1::Connection {
    v1::Connection {
        display_name: database.to_owned(),
        engine: engine.into(),
        host: "localhost".to_owned(),
        port: port.into(),
        database: database.to_owned(),
        username: "canary".to_owned(),
        password: password.to_owned(),
        tls: Some(v1::TlsSettings { mode: v1::TlsMode::Disabled.into(), ..Default::default() }),
        ..Default::default()
    }
}

async fn use_secrets(client: &Client, told: &mut Told, id: &str, registration: v1::Connection) {
    let request = |password: &str, id: &str| v1::CreateConnectionRequest {
        connection_id: id.to_owned(),
        connection: Some(v1::Connection { password: password.to_owned(), ..registration.clone() }),
        request_id: format!("make-{id}-{}", password.len()),
        ..Default::default()
    };
    let mut connections = client.connections();
    told.hear(connections.create_connection(request(RIGHT, id)).await).expect("it is registered");
    // The same request_id with another password, a password that is too long, and a key that is none.
    told.hear(connections.create_connection(request(WRONG, id)).await);
    told.hear(connections.create_connection(request(&WRONG.repeat(1000), "long")).await);
    let mut bad_key = request(RIGHT, "bad-key");
    let tls = v1::TlsSettings {
        mode: v1::TlsMode::VerifyFull.into(),
        client_cert_pem: "no certificate".to_owned(),
        client_key_pem: CLIENT_KEY.to_owned(),
        ..Default::default()
    };
    bad_key.connection.as_mut().unwrap().tls = Some(tls);
    told.hear(connections.create_connection(bad_key).await);

    let name = format!("connections/{id}");
    use v1::test_connection_request::Target;
    let wrong = v1::Connection { password: WRONG.to_owned(), ..registration.clone() };
    for (target, connected) in [(Target::Name(name.clone()), true), (Target::Connection(wrong), false)] {
        let request = v1::TestConnectionRequest { target: Some(target) };
        let tested = told.hear(connections.test_connection(request).await).expect("it is tested");
        assert_eq!(tested.connected, connected, "{tested:?}");
    }
    for password in [LATER, RIGHT] {
        let changed = v1::Connection { name: name.clone(), password: password.to_owned(), ..Default::default() };
        let request = v1::UpdateConnectionRequest { connection: Some(changed), ..Default::default() };
        told.hear(connections.update_connection(request).await).expect("it is changed");
        let request = v1::GetDatabaseRequest { connection: name.clone(), ..Default::default() };
        assert_eq!(told.hear(client.schemas().get_database(request).await).is_some(), password == RIGHT);
    }
    told.hear(connections.get_connection(v1::GetConnectionRequest { name: name.clone(), ..Default::default() }).await);
    told.hear(connections.list_connections(v1::ListConnectionsRequest::default()).await);
    let request = v1::ListConnectionStatusesRequest { refresh: true, ..Default::default() };
    told.hear(connections.list_connection_statuses(request).await);
}

/// A restore, for which a tool is given the password, and a rotation, which gives the database another one.
async fn restore_and_rotate(client: &Client, told: &mut Told, id: &str, database: &str) {
    let name = format!("connections/{id}");
    let restore = v1::RestoreBackupRequest {
        name: format!("{name}/backups/number-1"),
        connection: name.clone(),
        target_database: format!("{database}_restored"),
        ..Default::default()
    };
    let operation = told.hear(client.backups().restore_backup(restore).await).expect("the restore begins");
    told.0.push_str(&format!("{:?}\n", succeeded(client, operation).await));
    let rotation = |password: &str| v1::RotateCredentialsRequest {
        name: name.clone(),
        new_password: password.to_owned(),
        request_id: format!("rotate-{id}-{}", password.len()),
        ..Default::default()
    };
    let mut connections = client.connections();
    assert!(told.hear(connections.rotate_credentials(rotation(UNUSABLE)).await).is_none());
    for _ in 0..2 {
        told.hear(connections.rotate_credentials(rotation(ROTATED)).await).expect("it is rotated");
    }
    let target = Some(v1::test_connection_request::Target::Name(name));
    let tested = told.hear(connections.test_connection(v1::TestConnectionRequest { target }).await);
    assert!(tested.expect("it is tested").connected);
}

/// The secrets of API keys that are made and rotated. They are told in the first answer and in no other.
async fn key_secrets(client: &Client, told: &mut Told) -> Vec<String> {
    let mut access = client.access();
    let create = v1::CreateApiKeyRequest {
        parent: "accounts/default".to_owned(),
        api_key: Some(viewer("canary")),
        request_id: "make-key".to_owned(),
        ..Default::default()
    };
    let made = access.create_api_key(create.clone()).await.expect("the key is made").into_inner();
    told.hear(access.create_api_key(create).await).expect("the repeat is answered");
    let name = made.api_key.expect("the key").name;
    let rotate =
        v1::RotateApiKeyRequest { name: name.clone(), request_id: "rotate-key".to_owned(), ..Default::default() };
    let rotated = access.rotate_api_key(rotate.clone()).await.expect("the key is rotated").into_inner();
    told.hear(access.rotate_api_key(rotate).await).expect("the repeat is answered");
    told.hear(access.get_api_key(v1::GetApiKeyRequest { name }).await).expect("the key is told");
    let texts = [made.key, rotated.key];
    for text in &texts {
        let caller = client.clone().with_key(&text.clone().into()).expect("a printable key");
        told.hear(caller.access().who_am_i(v1::WhoAmIRequest {}).await);
    }
    // The secret is the long part: the id before it is public, and so is the checksum behind it.
    texts.iter().map(|text| text.split('_').nth(2).expect("a secret").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_anywhere() {
    let (postgres, mariadb) = (PostgresServer::shared(), MariadbServer::shared());
    let databases = [postgres.create_database(), mariadb.create_database()];
    postgres.psql("postgres", &format!("CREATE ROLE canary LOGIN SUPERUSER PASSWORD '{RIGHT}'"));
    postgres.psql(&databases[0], "CREATE TABLE item (id int)");
    mariadb.sql("mysql", &format!("CREATE USER canary IDENTIFIED BY '{RIGHT}'; GRANT ALL PRIVILEGES ON *.* TO canary"));
    mariadb.sql(&databases[1], "CREATE TABLE item (id INT)");

    let server = ServerProcess::start(&["telemetry.log=trace".to_owned()]).await;
    let (client, mut told, watch) = (server.client(), Told::default(), Watch::start(server.id()));
    let registrations = [
        ("postgres", "pg_dump", connection(v1::Engine::Postgresql, postgres.port(), &databases[0], RIGHT)),
        ("mariadb", "mariadb-dump", connection(v1::Engine::Mysql, mariadb.port(), &databases[1], RIGHT)),
    ];
    for (id, tool, registration) in registrations {
        use_secrets(&client, &mut told, id, registration).await;
        let mut number = 0;
        // A dump of so little is soon over, so it is taken until its tool was seen at work.
        until(async || {
            number += 1;
            let request = v1::CreateBackupRequest {
                connection: format!("connections/{id}"),
                backup_id: format!("number-{number}"),
                ..Default::default()
            };
            let operation = told.hear(client.backups().create_backup(request).await).expect("the backup begins");
            let operation = succeeded(&client, operation).await;
            told.0.push_str(&format!("{operation:?}\n"));
            watch.programs().contains(tool)
        })
        .await;
        restore_and_rotate(&client, &mut told, id, &databases[usize::from(id == "mariadb")]).await;
    }
    let mut vault = client.vault();
    let rotation = told.hear(vault.rotate_master_key(v1::RotateMasterKeyRequest::default()).await).expect("it begins");
    told.0.push_str(&format!("{:?}\n", succeeded(&client, rotation).await));
    told.hear(vault.unseal(v1::UnsealRequest { master_key: MASTER_KEY.to_owned() }).await);
    told.hear(vault.get_vault_status(v1::GetVaultStatusRequest {}).await);

    let admin_key = fs::read_to_string(server.data_directory().join("admin.key")).unwrap().trim().to_owned();
    let master_key = fs::read_to_string(server.data_directory().join("master.key")).unwrap();
    let master_key = master_key.trim().rsplit(':').next().unwrap().to_owned();
    let mut secrets: Vec<String> = CANARIES.iter().map(|canary| (*canary).to_owned()).collect();
    secrets.extend(CANARIES.iter().map(|canary| STANDARD.encode(canary).trim_end_matches('=').to_owned()));
    secrets.extend(CANARIES.iter().map(hex::encode));
    secrets.extend([admin_key, master_key]);
    secrets.extend(key_secrets(&client, &mut told).await);

    let log = server.log();
    assert!(log.contains("\"TRACE\""), "the log has not all that there is");
    assert_absent(&secrets, "the log", log.as_bytes());
    assert_absent(&secrets, "an answer", told.0.as_bytes());
    let processes = watch.everything();
    assert!(processes.contains("VmRSS") && processes.contains("pg_dump"), "the processes were not seen");
    assert_absent(&secrets, "what the system tells of the processes", processes.as_bytes());
    assert_absent_in_files(&secrets, &server.data_directory());
}

fn assert_absent(secrets: &[String], place: &str, bytes: &[u8]) {
    for secret in secrets {
        let found = bytes.windows(secret.len()).position(|window| window == secret.as_bytes());
        let around = found.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(300)..at]).into_owned());
        assert!(found.is_none(), "{secret} is in {place}, after: {}", around.unwrap_or_default());
    }
}

/// Every file but the two that hold a key in clear because that is what they are for.
fn assert_absent_in_files(secrets: &[String], folder: &Path) {
    let files = files_below(folder);
    assert!(files.iter().any(|file| file == "store.db") && files.iter().any(|file| file.starts_with("backups/")));
    for file in files.iter().filter(|file| !["admin.key", "master.key"].contains(&file.as_str())) {
        assert_absent(secrets, file, &fs::read(folder.join(file)).unwrap_or_default());
    }
}
