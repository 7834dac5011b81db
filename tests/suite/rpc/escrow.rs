//! The master key out to escrow and back, by the real binary.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::Duration,
};

use age::{secrecy::ExposeSecret, x25519};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use dbkeeper::{
    grpc::proto::v1::{self, AuditEventKind},
    vault::{KeySource, MasterKeys},
};
use tempfile::TempDir;

use super::support::{register, settings};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        process::{ServerProcess, binary},
        server::{StoppedServer, TestServer},
        transit::TransitServer,
        vault::versions_in_file,
    },
};

/// Somebody who may have to bring a key back.
struct Person {
    identity: x25519::Identity,
    identity_file: PathBuf,
}

impl Person {
    fn new(folder: &Path, name: &str) -> Self {
        let identity = x25519::Identity::generate();
        let identity_file = folder.join(name);
        let text = format!("# {name}\n{}\n", identity.to_string().expose_secret());
        fs::write(&identity_file, text).unwrap();
        Self { identity, identity_file }
    }

    fn recipient(&self) -> String {
        self.identity.to_public().to_string()
    }

    /// What the `age` command would print.
    fn decrypt(&self, export: &Path) -> String {
        String::from_utf8(age::decrypt(&self.identity, &fs::read(export).unwrap()).unwrap()).unwrap()
    }
}

/// What the binary says: its standard output where it succeeds, else its complaint.
fn told(output: &Output) -> Result<String, String> {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(stdout.into_owned()) } else { Err(stderr.into_owned()) }
}

fn export(data_directory: &Path, recipient: &str, output: &Path, settings: &[String]) -> Result<String, String> {
    let mut command = binary();
    command.args(["master-key", "export", "--recipient", recipient, "--output"]).arg(output);
    command.arg("--data-dir").arg(data_directory);
    for setting in settings {
        command.args(["--set", setting]);
    }
    command.env("ESCROW_TEST_KEY", fs::read_to_string(data_directory.join("in-the-environment")).unwrap_or_default());
    run(&mut command)
}

fn import(data_directory: &Path, identity: &Path, input: &Path, settings: &[String]) -> Result<String, String> {
    let mut command = binary();
    command.args(["master-key", "import", "--identity"]).arg(identity).arg("--input").arg(input);
    command.arg("--data-dir").arg(data_directory);
    for setting in settings {
        command.args(["--set", setting]);
    }
    run(&mut command)
}

/// Runs the binary, for a second anew while the data directory is held: a child that another test has just forked holds the lock
/// of a server that was stopped until it runs its program.
fn run(command: &mut Command) -> Result<String, String> {
    let mut attempts = 0;
    loop {
        let told = told(&command.output().expect("the binary runs"));
        attempts += 1;
        if attempts > 50 || !told.as_ref().is_err_and(|complaint| complaint.contains("another dbkeeper holds")) {
            return told;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn assert_refused(told: Result<String, String>, expected: &str) {
    let complaint = told.expect_err("it is refused");
    assert!(complaint.contains(expected), "{complaint:?} does not say {expected:?}");
}

/// The key itself, as a key file has it, and its bytes.
fn secrets_of(key_file: &Path) -> (String, Vec<u8>) {
    let line = fs::read_to_string(key_file).unwrap();
    let encoded = line.trim().rsplit(':').next().unwrap().to_owned();
    let bytes = STANDARD.decode(&encoded).unwrap();
    (encoded, bytes)
}

fn contains(content: &[u8], part: &[u8]) -> bool {
    content.windows(part.len()).any(|window| window == part)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lost_its_key_opens_its_passwords_again_after_an_import() {
    let folder = TempDir::new().unwrap();
    let (one, other) = (Person::new(folder.path(), "one"), Person::new(folder.path(), "other"));
    let recipients_file = folder.path().join("recipients");
    fs::write(&recipients_file, format!("# of the board\n\n{}\n{}\n", other.recipient(), one.recipient())).unwrap();
    let mut server = ServerProcess::start(&[]).await;
    register(&server.client(), "shop", settings(&PostgresFixture::new().target("postgres"))).await;
    server.kill();
    let data_directory = server.data_directory();
    let key_file = data_directory.join("master.key");
    let text = fs::read(&key_file).unwrap();
    let (encoded, bytes) = secrets_of(&key_file);

    let escrow = folder.path().join("escrow.age");
    let mut command = binary();
    command.args(["master-key", "export", "--log", "trace", "--recipient", &one.recipient(), "--recipients-file"]);
    command.arg(&recipients_file).arg("--output").arg(&escrow).arg("--data-dir").arg(&data_directory);
    let output = command.output().expect("the binary runs");
    let said = told(&output).unwrap();
    assert!(
        said.contains("version 1 ") && said.contains("2 recipients") && said.contains("master-key import"),
        "{said}"
    );
    assert_eq!(fs::metadata(&escrow).unwrap().permissions().mode() & 0o777, 0o600);
    let exported = fs::read(&escrow).unwrap();
    let armored = String::from_utf8(exported.clone()).unwrap();
    assert!(armored.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"), "{armored}");
    // In the file as it is, and behind its armour.
    let body: String = armored.lines().filter(|line| !line.starts_with("-----")).collect();
    let body = STANDARD.decode(body).unwrap_or_default();
    for place in [&exported, &body, &output.stdout, &output.stderr] {
        for canary in [encoded.as_bytes(), bytes.as_slice(), b"dbkeeper-master-key:"] {
            assert!(!contains(place, canary), "a key in clear");
        }
    }
    assert!(contains(&body, b"age-encryption.org/v1"));
    for person in [&one, &other] {
        let content = person.decrypt(&escrow);
        let keys: String =
            content.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        assert_eq!(keys.as_bytes(), text, "the age command gives the text of the key file");
    }
    assert_refused(export(&data_directory, &one.recipient(), &escrow, &[]), "is not overwritten");
    assert_eq!(fs::read(&escrow).unwrap(), exported);

    assert_refused(import(&data_directory, &one.identity_file, &escrow, &[]), "is not overwritten");
    fs::remove_file(&key_file).unwrap();
    let said = import(&data_directory, &other.identity_file, &escrow, &[]).unwrap();
    assert!(said.contains("version 1 ") && said.contains("It opens the store") && said.contains("serve"), "{said}");
    assert_eq!(fs::read(&key_file).unwrap(), text);
    assert_eq!(fs::metadata(&key_file).unwrap().permissions().mode() & 0o777, 0o600);

    server.launch();
    server.wait_until_serving().await;
    let client = server.client();
    let test = Some(v1::test_connection_request::Target::Name("connections/shop".to_owned()));
    let tested = client.connections().test_connection(v1::TestConnectionRequest { target: test }).await.unwrap();
    assert!(tested.into_inner().connected);
    let events = async |method: &str| {
        let request = v1::ListAuditEventsRequest { method: method.to_owned(), ..Default::default() };
        client.access().list_audit_events(request).await.unwrap().into_inner().audit_events
    };
    for method in ["ExportMasterKey", "ImportMasterKey"] {
        let told = events(method).await;
        let [outcome, intent] = &told[..] else { panic!("{told:?}") };
        assert_eq!((intent.kind(), outcome.kind()), (AuditEventKind::Intent, AuditEventKind::Outcome));
        assert_eq!((intent.actor.clone(), outcome.code.as_str()), (format!("user/{}", user()), "OK"), "{told:?}");
        assert_eq!(intent.resources, ["vault/masterKeyVersions/1"]);
    }
    let recipients = [&one, &other].map(|person| format!("recipient:{}", person.recipient()));
    assert_eq!(events("ExportMasterKey").await[1].parameters, recipients);
    let verified = client.access().verify_audit_log(v1::VerifyAuditLogRequest::default()).await.unwrap().into_inner();
    assert!(verified.intact, "{verified:?}");
}

fn user() -> u32 {
    rustix::process::getuid().as_raw()
}

/// A data directory with a store that has sealed records, and its key in a file of two versions.
async fn with_two_versions() -> StoppedServer {
    let server = TestServer::start().await;
    register(&server.client(), "shop", settings(&PostgresFixture::new().target("postgres"))).await;
    let stopped = server.stop().await;
    let source = KeySource::File(stopped.data_directory().join("master.key"));
    let keys = source.read().await.unwrap().unwrap().with_new(2).unwrap();
    source.write(&keys).await.unwrap();
    stopped
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_is_exported_from_every_source_and_goes_back_where_the_server_can_put_it() {
    let stopped = with_two_versions().await;
    let data_directory = stopped.data_directory();
    let (key_file, elsewhere) = (data_directory.join("master.key"), data_directory.join("in-the-environment"));
    let text = fs::read_to_string(&key_file).unwrap();
    let keys = KeySource::File(key_file.clone()).read().await.unwrap().unwrap();
    fs::rename(&key_file, &elsewhere).unwrap();
    let folder = TempDir::new().unwrap();
    let person = Person::new(folder.path(), "person");
    let transit = TransitServer::start().await;
    let wrapped = transit.keys(&data_directory);
    KeySource::Transit(wrapped.clone()).write(&keys).await.unwrap();
    let sources = [
        ("variable", vec!["vault.key_env=ESCROW_TEST_KEY".to_owned()]),
        ("command", vec![format!("vault.key_command=/bin/cat:{}", elsewhere.display())]),
        (
            "transit",
            vec![
                format!("vault.transit.address={}", wrapped.address),
                format!("vault.transit.token_file={}", wrapped.token_file.display()),
            ],
        ),
    ];
    for (name, settings) in &sources {
        let escrow = folder.path().join(name);
        let said = export(&data_directory, &person.recipient(), &escrow, settings).unwrap();
        assert!(said.contains("versions 1, 2 "), "{name}: {said}");
        assert!(person.decrypt(&escrow).ends_with(&text), "{name}");
        assert!(!key_file.exists());
    }
    for (name, settings) in &sources[..2] {
        let complaint = import(&data_directory, &person.identity_file, &folder.path().join(name), settings);
        assert_refused(complaint, "age --decrypt");
        assert!(!key_file.exists(), "{name}");
    }
    let (escrow, settings) = (folder.path().join("transit"), &sources[2].1);
    assert_refused(import(&data_directory, &person.identity_file, &escrow, settings), "is not overwritten");
    fs::remove_file(&wrapped.wrapped_key_file).unwrap();
    import(&data_directory, &person.identity_file, &escrow, settings).unwrap();
    assert_eq!(fs::metadata(&wrapped.wrapped_key_file).unwrap().permissions().mode() & 0o777, 0o600);
    let back = KeySource::Transit(wrapped).read().await.unwrap().unwrap();
    assert!(
        back.versions().eq([1, 2])
            && [1, 2].map(|version| back.check_value(version, b""))
                == [1, 2].map(|version| keys.check_value(version, b""))
    );
    assert!(!key_file.exists(), "the key is on no disk in clear");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_key_of_the_store_is_not_written() {
    let mut stopped = with_two_versions().await;
    let data_directory = stopped.data_directory();
    let (key_file, store_file) = (data_directory.join("master.key"), stopped.config().store.file.clone());
    let folder = TempDir::new().unwrap();
    let (person, stranger) = (Person::new(folder.path(), "person"), Person::new(folder.path(), "stranger"));
    let good = folder.path().join("good");
    export(&data_directory, &person.recipient(), &good, &[]).unwrap();
    let foreign = folder.path().join("foreign");
    let other = TestServer::start().await.stop().await;
    export(&other.data_directory(), &person.recipient(), &foreign, &[]).unwrap();
    let encrypted = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, age::encrypt(&person.identity.to_public(), content.as_bytes()).unwrap()).unwrap();
        path
    };
    let written = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let text = fs::read_to_string(&key_file).unwrap();
    let newer = text.lines().find(|line| line.contains(":1:2:")).unwrap();
    let whole = fs::read(&good).unwrap();
    fs::remove_file(&key_file).unwrap();
    let before = fs::read(&store_file).unwrap();

    let identity = &person.identity_file;
    let absent = folder.path().join("absent");
    let attempts = [
        (&stranger.identity_file, good.clone(), "other recipients"),
        (identity, written("short", &whole[..whole.len() / 2]), "cut short"),
        (identity, written("empty", b""), "cut short"),
        (identity, written("text", b"hello\n"), "another sort of file"),
        (identity, written("in-clear", text.as_bytes()), "another sort of file"),
        (identity, encrypted("letter", "Dear board,\n"), "no master key of dbkeeper"),
        (identity, foreign.clone(), "of another store"),
        (identity, encrypted("newer", newer), "of another store"),
        (identity, absent.clone(), "cannot be read"),
        (&absent, good.clone(), "cannot be read"),
        (&good, good.clone(), "no identity"),
    ];
    for (identity, input, expected) in attempts {
        let told = import(&data_directory, identity, &input, &[]);
        assert!(
            !told.as_ref().is_err_and(|complaint| complaint.contains("AGE-SECRET-KEY-1") && complaint.len() > 2000)
        );
        assert_refused(told, expected);
        assert!(!key_file.exists(), "{expected}");
        assert!(!key_file.with_added_extension("new").exists(), "{expected}");
        assert_eq!(fs::read(&store_file).unwrap(), before, "{expected}: the store was written");
    }
    let nowhere = folder.path().join("nowhere");
    assert_refused(import(&nowhere, identity, &good, &[]), "no folder");
    assert!(!nowhere.exists(), "a mistyped folder is not made");

    // Where there is no store yet, nothing can tell.
    let fresh = folder.path().join("fresh");
    fs::create_dir(&fresh).unwrap();
    let said = import(&fresh, identity, &good, &[]).unwrap();
    assert!(said.contains("no store yet"), "{said}");
    assert_eq!(versions_in_file(&fresh.join("master.key")), ["1", "2"]);

    import(&data_directory, identity, &good, &[]).unwrap();
    assert_eq!(fs::read_to_string(&key_file).unwrap(), text);
    let server = stopped.start().await;
    assert_refused(import(&data_directory, identity, &good, &[]), "is not overwritten");
    fs::remove_file(&key_file).unwrap();
    assert_refused(import(&data_directory, identity, &good, &[]), "another dbkeeper holds");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_from_before_a_rotation_is_told_as_such() {
    let stopped = TestServer::start().await.stop().await;
    let folder = TempDir::new().unwrap();
    let person = Person::new(folder.path(), "person");
    let (data_directory, escrow) = (stopped.data_directory(), folder.path().join("escrow"));
    export(&data_directory, &person.recipient(), &escrow, &[]).unwrap();
    let source = KeySource::File(data_directory.join("master.key"));
    let keys = source.read().await.unwrap().unwrap().with_new(2).unwrap();
    source.write(&keys).await.unwrap();
    // A rotation that did not come to its end: both versions are in use.
    note_current(&data_directory, &keys).await;
    fs::remove_file(data_directory.join("master.key")).unwrap();
    assert_refused(import(&data_directory, &person.identity_file, &escrow, &[]), "made before a rotation");
    assert!(!data_directory.join("master.key").exists());
}

async fn note_current(data_directory: &Path, keys: &MasterKeys) {
    use dbkeeper::store::{Store, setting::STORE_ID};
    let store = Store::open(&data_directory.join("store.db")).await.unwrap();
    let id = store.setting(STORE_ID).await.unwrap().unwrap();
    store.make_master_key_current(2, &keys.check_value(2, &id).unwrap()).await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_exported_that_does_not_open_the_store_or_to_nobody() {
    let stopped = TestServer::start().await.stop().await;
    let data_directory = stopped.data_directory();
    let folder = TempDir::new().unwrap();
    let person = Person::new(folder.path(), "person");
    let (recipient, escrow) = (person.recipient(), folder.path().join("escrow"));
    let key_file = data_directory.join("master.key");

    let secret = person.identity.to_string();
    let complaint = export(&data_directory, secret.expose_secret(), &escrow, &[]).unwrap_err();
    assert!(complaint.contains("no recipient") && !complaint.contains(secret.expose_secret()), "{complaint}");
    assert_refused(export(&data_directory, "age1yubikey1qqqq", &escrow, &[]), "plugins are not taken");
    let mut command = binary();
    command.args(["master-key", "export", "--data-dir"]).arg(&data_directory).arg("--output").arg(&escrow);
    assert_refused(told(&command.output().unwrap()), "--recipient");
    let nobody = folder.path().join("nobody");
    fs::write(&nobody, "# nobody\n").unwrap();
    command.arg("--recipients-file").arg(&nobody);
    assert_refused(told(&command.output().unwrap()), "no recipient is named");
    assert_refused(export(&folder.path().join("nowhere"), &recipient, &escrow, &[]), "no store");
    assert_refused(
        export(&data_directory, &recipient, &folder.path().join("no/such/folder"), &[]),
        "cannot be written",
    );

    let right = fs::read(&key_file).unwrap();
    let other = TestServer::start().await.stop().await;
    fs::copy(other.data_directory().join("master.key"), &key_file).unwrap();
    assert_refused(export(&data_directory, &recipient, &escrow, &[]), "another key than that of the store");
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o640)).unwrap();
    assert_refused(export(&data_directory, &recipient, &escrow, &[]), "can be read by others");
    fs::remove_file(&key_file).unwrap();
    assert_refused(export(&data_directory, &recipient, &escrow, &[]), "is empty, or lacks a version");
    assert!(!key_file.exists(), "no key is made");
    fs::write(&key_file, right).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    let server = stopped.start().await;
    assert_refused(export(&data_directory, &recipient, &escrow, &[]), "another dbkeeper holds");
    assert!(!escrow.exists());
    let request = v1::ListAuditEventsRequest { method: "ExportMasterKey".to_owned(), ..Default::default() };
    let told = server.client().access().list_audit_events(request).await.unwrap().into_inner().audit_events;
    let codes: Vec<&str> = told.iter().map(|event| event.code.as_str()).collect();
    assert_eq!(codes, ["UNAVAILABLE"; 2], "the export that could not be written, and nothing of the others: {told:?}");
}
