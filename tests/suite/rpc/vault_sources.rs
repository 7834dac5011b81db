//! Where the master key comes from: commands and a key management service, with all that can be wrong with them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use dbkeeper::{
    grpc::{client::Client, proto::v1},
    model::vault::SealReason,
    vault::{KeyCommand, KeySource, MasterKeys, TransitKeys},
};
use tempfile::TempDir;

use super::support::{register, settings, succeeded, until};
use crate::{
    conformance::{Fixture, postgres::PostgresFixture},
    harness::{
        certificates::Certificates,
        server::{TestServer, in_time},
        transit::{Behaviour, TOKEN, TransitServer},
        vault::versions_in_use,
    },
};

fn command(script: &str, timeout: Duration) -> KeySource {
    let arguments = vec!["-c".to_owned(), script.to_owned()];
    KeySource::Command(KeyCommand { program: PathBuf::from("/bin/sh"), arguments, timeout })
}

/// Longer than any loaded machine takes.
const LONG: Duration = Duration::from_secs(60);

/// What a source of the same keys as a file gives.
async fn same(source: &KeySource, keys: &MasterKeys) -> bool {
    let read = source.read().await.expect("it can be read").expect("it has keys");
    read.versions().eq(keys.versions())
        && keys.versions().all(|version| read.check_value(version, b"") == keys.check_value(version, b""))
}

async fn trouble(source: &KeySource) -> (SealReason, String) {
    let trouble = in_time(source.read()).await.err().expect("it gives no keys");
    (trouble.reason, trouble.detail)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_gives_the_key_that_it_prints() {
    let folder = TempDir::new().unwrap();
    let (file, keys) = (folder.path().join("key"), MasterKeys::generate().unwrap().with_new(2).unwrap());
    KeySource::File(file.clone()).write(&keys).await.unwrap();
    // It complains at length and succeeds all the same.
    let script = format!("head -c 200000 /dev/zero >&2 && cat {}", file.display());
    assert!(same(&command(&script, LONG), &keys).await);
    assert!(command("true", LONG).read().await.unwrap().is_none());
    assert!(!command("true", LONG).can_write());
    let refused = command("true", LONG).write(&keys).await.unwrap_err();
    assert_eq!(refused.reason, SealReason::KeyMissing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_is_told_without_its_words() {
    let complains = format!("echo {} >&2; exit 3", "x".repeat(5000));
    let (reason, detail) = trouble(&command(&complains, LONG)).await;
    assert_eq!(reason, SealReason::SourceUnavailable);
    assert!(detail.contains("exit status: 3") && detail.len() < 400, "{detail}");
    let (_, detail) = trouble(&command("echo dbkeeper-master-key:1:1:hunter2 >&2; exit 1", LONG)).await;
    assert!(!detail.contains("hunter2"), "{detail}");
    for (script, expected) in [
        ("echo hunter2", SealReason::KeyMalformed),
        ("head -c 100000 /dev/zero", SealReason::KeyMalformed),
        ("printf '\\377\\376'", SealReason::KeyMalformed),
        ("kill -9 $$", SealReason::SourceUnavailable),
    ] {
        let (reason, detail) = trouble(&command(script, LONG)).await;
        assert_eq!(reason, expected, "{script}: {detail}");
        assert!(!detail.contains("hunter2"), "{detail}");
    }
    let absent = KeyCommand { program: "/nonexistent/fetch".into(), arguments: Vec::new(), timeout: LONG };
    assert_eq!(trouble(&KeySource::Command(absent)).await.0, SealReason::SourceUnavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_hangs_is_killed() {
    let folder = TempDir::new().unwrap();
    let pid = folder.path().join("pid");
    let script = format!("echo $$ > {}; exec sleep 600", pid.display());
    let (reason, detail) = trouble(&command(&script, Duration::from_secs(2))).await;
    assert_eq!(reason, SealReason::SourceUnavailable);
    assert!(detail.contains("did not end within 2s"), "{detail}");
    let pid = fs::read_to_string(pid).unwrap_or_default();
    if !pid.is_empty() {
        let process = PathBuf::from(format!("/proc/{}/cmdline", pid.trim()));
        until(async || fs::read(&process).map_or(true, |line| line.is_empty())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_command_has_started_is_killed_with_it() {
    // The shell waits for what it has started; or it is gone, and what it has started holds its output open.
    for end in ["wait", "exit 0"] {
        let folder = TempDir::new().unwrap();
        let pid = folder.path().join("pid");
        let script = format!("sh -c 'echo $$ > {}; exec sleep 600' & {end}", pid.display());
        // On a loaded machine it may not have come so far in two seconds.
        let mut timeout = Duration::from_secs(2);
        let started = loop {
            let (reason, detail) = trouble(&command(&script, timeout)).await;
            assert_eq!(reason, SealReason::SourceUnavailable);
            assert!(detail.contains("did not end within"), "{end}: {detail}");
            let number = fs::read_to_string(&pid).unwrap_or_default();
            if !number.trim().is_empty() {
                break PathBuf::from(format!("/proc/{}/cmdline", number.trim()));
            }
            timeout *= 2;
        };
        until(async || fs::read(&started).map_or(true, |line| line.is_empty())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_wraps_and_unwraps_the_keys() {
    let (folder, server) = (TempDir::new().unwrap(), TransitServer::start().await);
    let transit = server.keys(folder.path());
    let source = KeySource::Transit(transit.clone());
    assert!(source.read().await.unwrap().is_none());
    let keys = MasterKeys::generate().unwrap().with_new(2).unwrap();
    source.write(&keys).await.unwrap();
    assert!(same(&source, &keys).await);
    assert_eq!(
        server.paths(),
        ["encrypt", "encrypt", "decrypt", "decrypt"].map(|action| format!("/v1/transit/{action}/dbkeeper"))
    );
    let wrapped = fs::read_to_string(&transit.wrapped_key_file).unwrap();
    assert!(wrapped.starts_with("dbkeeper-wrapped-key:1:1:vault:v1:") && wrapped.lines().count() == 2, "{wrapped}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_reached_by_tls_with_its_own_ca_only() {
    let (folder, certificates) = (TempDir::new().unwrap(), Certificates::generate());
    let server = TransitServer::start_tls(&certificates).await;
    let ca_file = folder.path().join("ca.pem");
    fs::write(&ca_file, &certificates.ca_pem).unwrap();
    let trusting = TransitKeys { ca_file: Some(ca_file), ..server.keys(folder.path()) };
    let keys = MasterKeys::generate().unwrap();
    KeySource::Transit(trusting.clone()).write(&keys).await.unwrap();
    assert!(same(&KeySource::Transit(trusting.clone()), &keys).await);

    let calls = server.paths().len();
    let other_ca = folder.path().join("other.pem");
    fs::write(&other_ca, Certificates::generate().ca_pem).unwrap();
    let by_address = server.address().replace("localhost", "127.0.0.1");
    for wrong in [
        TransitKeys { ca_file: None, ..trusting.clone() },
        TransitKeys { ca_file: Some(other_ca), ..trusting.clone() },
        TransitKeys { address: by_address, ..trusting.clone() },
        TransitKeys { ca_file: Some(folder.path().join("absent.pem")), ..trusting.clone() },
    ] {
        assert_eq!(trouble(&KeySource::Transit(wrong)).await.0, SealReason::SourceUnavailable);
    }
    assert_eq!(server.paths().len(), calls, "no token was sent to a server that was not trusted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_misbehaves_is_told_and_changes_nothing() {
    let (folder, server) = (TempDir::new().unwrap(), TransitServer::start().await);
    let transit = server.keys(folder.path());
    let source = KeySource::Transit(transit.clone());
    let keys = MasterKeys::generate().unwrap();
    source.write(&keys).await.unwrap();
    let before = fs::read(&transit.wrapped_key_file).unwrap();

    let answer = |data: &str| Behaviour::Garbage(format!("{{\"data\":{data}}}").into_bytes());
    let misbehaviours = [
        (Behaviour::Status(500), "status 500"),
        (Behaviour::Status(503), "status 503"),
        (Behaviour::Status(404), "vault.transit.mount"),
        (Behaviour::Status(302), "status 302"),
        (Behaviour::Garbage(b"<html>".to_vec()), "no data."),
        (Behaviour::Garbage(Vec::new()), "no data."),
        (Behaviour::Garbage(vec![b'x'; 1_000_000]), ""),
        (answer("{}"), "no data."),
        (answer("{\"plaintext\":7,\"ciphertext\":null}"), "no data."),
    ];
    for (behaviour, expected) in misbehaviours {
        server.behave(behaviour);
        let (reason, detail) = trouble(&source).await;
        assert_eq!(reason, SealReason::SourceUnavailable, "{detail}");
        assert!(detail.contains(expected), "{detail} does not say {expected}");
        assert!(!detail.contains(TOKEN) && !detail.contains("secret words"), "{detail}");
        let refused = source.write(&keys).await.unwrap_err();
        assert_eq!(refused.reason, SealReason::SourceUnavailable);
    }
    for plaintext in ["!", "AAAA"] {
        server.behave(answer(&format!("{{\"plaintext\":\"{plaintext}\"}}")));
        assert_eq!(trouble(&source).await.0, SealReason::KeyMalformed);
    }
    server.behave(answer("{\"ciphertext\":\"two\\nlines\"}"));
    assert!(source.write(&keys).await.is_err());

    server.behave(Behaviour::Silent);
    let hasty = TransitKeys { timeout: Duration::from_secs(1), ..transit.clone() };
    let (reason, detail) = trouble(&KeySource::Transit(hasty)).await;
    assert_eq!(reason, SealReason::SourceUnavailable);
    assert!(detail.contains("no answer within 1s"), "{detail}");

    server.behave(Behaviour::Good);
    fs::write(&transit.token_file, "hvs.wrong").unwrap();
    let (_, detail) = trouble(&source).await;
    assert!(detail.contains("status 403") && detail.contains("vault.transit.token_file"), "{detail}");
    fs::remove_file(&transit.token_file).unwrap();
    assert!(trouble(&source).await.1.contains("token file"));
    fs::write(&transit.token_file, TOKEN).unwrap();
    assert_eq!(fs::read(&transit.wrapped_key_file).unwrap(), before, "a failed write changed the file");
    assert!(same(&source, &keys).await);

    for garbage in ["", "garbage", "dbkeeper-wrapped-key:1:0:x", "dbkeeper-wrapped-key:1:1:"] {
        fs::write(&transit.wrapped_key_file, garbage).unwrap();
        assert_eq!(trouble(&source).await.0, SealReason::KeyMalformed, "{garbage:?}");
    }
    drop(server);
    fs::write(&transit.wrapped_key_file, before).unwrap();
    assert_eq!(trouble(&source).await.0, SealReason::SourceUnavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_and_rotates_with_a_wrapped_key_and_is_sealed_without_the_service() {
    let (folder, transit) = (TempDir::new().unwrap(), TransitServer::start().await);
    let keys = transit.keys(folder.path());
    let server = TestServer::start_with(|config| {
        config.vault.transit.address = Some(keys.address.clone());
        config.vault.transit.token_file = Some(keys.token_file.clone());
    })
    .await;
    assert!(!server.key_file().exists(), "the key is on no disk in clear");
    let status = |server: &TestServer| {
        let client = server.client();
        async move { client.vault().get_vault_status(v1::GetVaultStatusRequest {}).await.unwrap().into_inner() }
    };
    assert_eq!(status(&server).await.source(), v1::MasterKeySource::Transit);
    let client = server.client();
    register(&client, "shop", settings(&PostgresFixture::new().target("postgres"))).await;
    let rotation = client.vault().rotate_master_key(v1::RotateMasterKeyRequest::default()).await.unwrap().into_inner();
    succeeded(&client, rotation).await;
    assert_eq!(versions_in_use(server.store_file()).await, [2]);
    assert_eq!(lines(&server.wrapped_key_file()), ["dbkeeper-wrapped-key:1:2"]);

    transit.behave(Behaviour::Status(503));
    let server = server.stop().await.start().await;
    let told = status(&server).await;
    assert_eq!((told.sealed, told.seal_reason()), (true, v1::SealReason::SourceUnavailable), "{told:?}");
    transit.behave(Behaviour::Good);
    let server = server.stop().await.start().await;
    assert!(!status(&server).await.sealed);
    let test = Some(v1::test_connection_request::Target::Name("connections/shop".to_owned()));
    let request = v1::TestConnectionRequest { target: test };
    assert!(server.client().connections().test_connection(request).await.unwrap().into_inner().connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_comes_back_is_all_that_a_sealed_server_needs() {
    let (folder, transit) = (TempDir::new().unwrap(), TransitServer::start().await);
    let keys = transit.keys(folder.path());
    // It is down at the very first start already, before there is a key.
    transit.behave(Behaviour::Status(503));
    let server = TestServer::start_with(|config| {
        config.vault.transit.address = Some(keys.address.clone());
        config.vault.transit.token_file = Some(keys.token_file.clone());
        config.vault.retry_interval = Duration::from_millis(50);
    })
    .await;
    let nobody = |server: &TestServer| Client::new(&server.url(), None).unwrap();
    // Whoever shows no key is told of a sealed vault only.
    let seal_reason = async |client: &Client| {
        let status = client.vault().get_vault_status(v1::GetVaultStatusRequest {}).await;
        status.ok().map(|status| status.into_inner().seal_reason())
    };
    assert_eq!(seal_reason(&nobody(&server)).await, Some(v1::SealReason::SourceUnavailable));
    assert!(!server.wrapped_key_file().exists());
    transit.behave(Behaviour::Good);
    until(async || seal_reason(&nobody(&server)).await.is_none()).await;
    register(&server.client(), "shop", settings(&PostgresFixture::new().target("postgres"))).await;
    let wrapped = fs::read(server.wrapped_key_file()).unwrap();

    transit.behave(Behaviour::Status(503));
    let server = server.stop().await.start().await;
    let client = nobody(&server);
    assert_eq!(seal_reason(&client).await, Some(v1::SealReason::SourceUnavailable));
    // What is told is what was wrong last.
    transit.behave(Behaviour::Garbage(b"{\"data\":{\"plaintext\":\"AAAA\"}}".to_vec()));
    until(async || seal_reason(&client).await == Some(v1::SealReason::KeyMalformed)).await;
    let another = format!("{{\"data\":{{\"plaintext\":\"{}\"}}}}", STANDARD.encode([7; 32]));
    transit.behave(Behaviour::Garbage(another.into_bytes()));
    until(async || seal_reason(&client).await == Some(v1::SealReason::KeyWrong)).await;
    transit.behave(Behaviour::Good);
    until(async || seal_reason(&client).await.is_none()).await;
    let test = Some(v1::test_connection_request::Target::Name("connections/shop".to_owned()));
    let request = v1::TestConnectionRequest { target: test };
    assert!(server.client().connections().test_connection(request).await.unwrap().into_inner().connected);
    assert_eq!(fs::read(server.wrapped_key_file()).unwrap(), wrapped, "the key was made anew");

    // An open server has no more to ask.
    let calls = transit.paths().len();
    until(async || server.client().connections().list_connections(v1::ListConnectionsRequest::default()).await.is_ok())
        .await;
    let server = server.stop().await;
    assert_eq!(transit.paths().len(), calls);
    drop(server);
}

/// The beginning of each line, up to its version.
fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| line.split(":vault:").next().unwrap().to_owned()).collect()
}
