//! Servers that speak MySQL's protocol to do harm.

use std::sync::Arc;

use dbkeeper::grpc::proto::v1::{Engine, TlsMode};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::{TlsAcceptor, rustls};

use super::{Loot, Rogue, Wire};

const CLEAR: (Engine, TlsMode) = (Engine::Mysql, TlsMode::Disabled);
const ENCRYPTED: (Engine, TlsMode) = (Engine::Mysql, TlsMode::Required);
/// Capabilities of a server, the second half with logins by name.
const WITH_TLS: [u8; 2] = [0xff, 0xff];
const WITHOUT_TLS: [u8; 2] = [0xff, 0xf7];

pub(super) async fn rogues() -> Vec<Rogue> {
    let unsafe_login = &["LOGIN_UNSAFE"];
    let given_up = &["CONNECT_TIMEOUT", "DATABASE_UNREACHABLE"];
    vec![
        Rogue::start("clear at first", CLEAR, unsafe_login, clear_at_first).await,
        Rogue::start("clear at first with tls", ENCRYPTED, unsafe_login, clear_at_first).await,
        Rogue::start("clear by switch", CLEAR, unsafe_login, clear_by_switch).await,
        Rogue::start("clear by switch within tls", ENCRYPTED, given_up, clear_within_tls).await,
        Rogue::start("old at first", CLEAR, unsafe_login, old_at_first).await,
        Rogue::start("old by switch", CLEAR, unsafe_login, old_by_switch).await,
        Rogue::start("tls stripped", ENCRYPTED, &["TLS_UNAVAILABLE"], tls_stripped).await,
        Rogue::start("lure to tls", CLEAR, &["CREDENTIALS_REJECTED"], lures_to_tls).await,
        Rogue::start("storm of packets", CLEAR, &["DATABASE_UNREACHABLE"], storm).await,
        Rogue::start("endless answer", CLEAR, &["DATABASE_UNREACHABLE"], endless_answer).await,
        Rogue::start("silence", CLEAR, &["CONNECT_TIMEOUT"], silence).await,
        Rogue::start("local infile", CLEAR, given_up, local_infile).await,
    ]
}

fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&length[..3], &[sequence], body].concat()
}

async fn greet(wire: &mut impl Wire, plugin: &str, [low, high]: [u8; 2]) {
    let mut body = b"\x0a10.11.6-MariaDB\0\x01\0\0\0abcdefgh\0".to_vec();
    body.extend([low, high, 8, 2, 0, 0xff, 0x81, 21]);
    body.extend([0; 10]);
    body.extend(b"ijklmnopqrst\0");
    body.extend(plugin.as_bytes());
    body.push(0);
    let _ = wire.write_all(&packet(0, &body)).await;
}

async fn send(wire: &mut impl Wire, sequence: u8, body: &[u8]) {
    // A victim that has gone is what the test is about.
    let _ = wire.write_all(&packet(sequence, body)).await;
}

async fn clear_at_first(mut wire: TcpStream, loot: Loot) {
    greet(&mut wire, "mysql_clear_password", WITH_TLS).await;
    loot.read_all(&mut wire).await;
}

async fn clear_by_switch(mut wire: TcpStream, loot: Loot) {
    greet(&mut wire, "mysql_native_password", WITH_TLS).await;
    loot.read(&mut wire).await;
    send(&mut wire, 2, b"\xfemysql_clear_password\0abcdefghijklmnopqrst\0").await;
    loot.read_all(&mut wire).await;
}

async fn clear_within_tls(mut wire: TcpStream, loot: Loot) {
    greet(&mut wire, "mysql_native_password", WITH_TLS).await;
    loot.read(&mut wire).await;
    let Ok(mut wire) = acceptor().accept(wire).await else { return };
    loot.read(&mut wire).await;
    send(&mut wire, 3, b"\xfemysql_clear_password\0abcdefghijklmnopqrst\0").await;
    let _ = wire.flush().await;
    loot.read_all(&mut wire).await;
}

fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn old_at_first(mut wire: TcpStream, loot: Loot) {
    greet(&mut wire, "mysql_old_password", WITH_TLS).await;
    loot.read_all(&mut wire).await;
}

async fn old_by_switch(mut wire: TcpStream, loot: Loot) {
    greet(&mut wire, "mysql_native_password", WITH_TLS).await;
    loot.read(&mut wire).await;
    send(&mut wire, 2, b"\xfe").await;
    loot.read_all(&mut wire).await;
}

async fn tls_stripped(mut wire: TcpStream, loot: Loot) {
    greet(&mut wire, "mysql_native_password", WITHOUT_TLS).await;
    loot.read_all(&mut wire).await;
}

/// Refuses a login in clear, so that the victim tries again with TLS, and asks for the password in clear there.
async fn lures_to_tls(mut wire: TcpStream, loot: Loot) {
    greet(&mut wire, "mysql_native_password", WITH_TLS).await;
    let first = loot.read(&mut wire).await;
    if first.len() > 36 {
        send(&mut wire, 2, b"\xff\x15\x04#28000Access denied for user 'app'@'host' (using password: YES)").await;
    } else if let Ok(mut wire) = acceptor().accept(wire).await {
        loot.read(&mut wire).await;
        send(&mut wire, 3, b"\xfesha256_password\0abcdefghijklmnopqrst\0").await;
        let _ = wire.flush().await;
        loot.read_all(&mut wire).await;
    }
}

async fn storm(mut wire: TcpStream, loot: Loot) {
    greet(&mut wire, "mysql_native_password", WITH_TLS).await;
    loot.read(&mut wire).await;
    loot.flood(&mut wire, &packet(2, &vec![1; 0x00ff_ffff])).await;
}

/// Lets anybody in and answers the first statement with one packet that goes on for ever.
async fn endless_answer(mut wire: TcpStream, loot: Loot) {
    greet(&mut wire, "mysql_native_password", WITH_TLS).await;
    loot.read(&mut wire).await;
    send(&mut wire, 2, b"\0\0\0\x02\0\0\0").await;
    loot.read(&mut wire).await;
    loot.flood(&mut wire, &packet(1, &vec![1; 0x00ff_ffff])).await;
}

async fn silence(mut wire: TcpStream, loot: Loot) {
    loot.read_all(&mut wire).await;
}

/// Lets anybody in and answers every statement with the wish for a file.
async fn local_infile(mut wire: TcpStream, loot: Loot) {
    greet(&mut wire, "mysql_native_password", WITH_TLS).await;
    loot.read(&mut wire).await;
    send(&mut wire, 2, b"\0\0\0\x02\0\0\0").await;
    while !loot.read(&mut wire).await.is_empty() {
        send(&mut wire, 1, b"\xfb/etc/passwd").await;
    }
}
