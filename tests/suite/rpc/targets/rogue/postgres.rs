//! Servers that speak PostgreSQL's protocol to do harm.

use dbkeeper::grpc::proto::v1::{Engine, TlsMode};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{Loot, Rogue, Wire};

const CLEAR: (Engine, TlsMode) = (Engine::Postgresql, TlsMode::Disabled);
const ENCRYPTED: (Engine, TlsMode) = (Engine::Postgresql, TlsMode::Required);

pub(super) async fn rogues() -> Vec<Rogue> {
    let unreachable = &["DATABASE_UNREACHABLE"];
    vec![
        Rogue::start("clear password", CLEAR, &["LOGIN_UNSAFE"], clear_password).await,
        Rogue::start("endless rounds", CLEAR, &["LOGIN_UNSAFE"], endless_rounds).await,
        Rogue::start("four gigabytes", CLEAR, unreachable, four_gigabytes).await,
        Rogue::start("large row", CLEAR, unreachable, large_row).await,
        Rogue::start("notices", CLEAR, unreachable, notices).await,
        Rogue::start("silence", CLEAR, &["CONNECT_TIMEOUT"], silence).await,
        Rogue::start("tls stripped", ENCRYPTED, &["TLS_UNAVAILABLE"], tls_stripped).await,
        Rogue::start("tls with a tail", ENCRYPTED, unreachable, tls_with_a_tail).await,
        Rogue::start("tls silence", ENCRYPTED, &["CONNECT_TIMEOUT"], tls_silence).await,
    ]
}

async fn send(wire: &mut impl Wire, kind: u8, body: &[u8]) {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    // A victim that has gone is what the test is about.
    let _ = wire.write_all(&[&[kind], &length[..], body].concat()).await;
}

async fn clear_password(mut wire: TcpStream, loot: Loot) {
    loot.read(&mut wire).await;
    send(&mut wire, b'R', &[0, 0, 0, 3]).await;
    loot.read_all(&mut wire).await;
}

async fn endless_rounds(mut wire: TcpStream, loot: Loot) {
    loot.read(&mut wire).await;
    send(&mut wire, b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0").await;
    let said = String::from_utf8_lossy(&loot.read(&mut wire).await).into_owned();
    let nonce = said.rsplit("r=").next().unwrap_or_default().to_owned();
    send(&mut wire, b'R', format!("\0\0\0\u{b}r={nonce}x,s=c2FsdHNhbHQ=,i=4294967295").as_bytes()).await;
    loot.read_all(&mut wire).await;
}

async fn four_gigabytes(mut wire: TcpStream, loot: Loot) {
    loot.read(&mut wire).await;
    let _ = wire.write_all(b"R\xff\xff\xff\xff").await;
    loot.flood(&mut wire, &[0; 65536]).await;
}

/// Lets anybody in, and answers the first statement with a row of 4 GiB.
async fn large_row(mut wire: TcpStream, loot: Loot) {
    loot.read(&mut wire).await;
    send(&mut wire, b'R', &[0; 4]).await;
    send(&mut wire, b'K', &[0; 8]).await;
    send(&mut wire, b'Z', b"I").await;
    loot.read(&mut wire).await;
    let _ = wire.write_all(b"D\xff\xff\xff\xf0").await;
    loot.flood(&mut wire, &[0; 65536]).await;
}

async fn notices(mut wire: TcpStream, loot: Loot) {
    loot.read(&mut wire).await;
    let body = b"SNOTICE\0VNOTICE\0C00000\0Mmore to come\0\0";
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    loot.flood(&mut wire, &[&b"N"[..], &length, body].concat()).await;
}

async fn silence(mut wire: TcpStream, loot: Loot) {
    loot.read_all(&mut wire).await;
}

async fn tls_stripped(mut wire: TcpStream, loot: Loot) {
    loot.read(&mut wire).await;
    let _ = wire.write_all(b"N").await;
    loot.read_all(&mut wire).await;
}

/// Says yes to TLS and sends in clear what the victim shall take for the encrypted stream.
async fn tls_with_a_tail(mut wire: TcpStream, loot: Loot) {
    loot.read(&mut wire).await;
    let _ = wire.write_all(b"SR\0\0\0\x08\0\0\0\x03").await;
    loot.read_all(&mut wire).await;
}

async fn tls_silence(mut wire: TcpStream, loot: Loot) {
    loot.read(&mut wire).await;
    let _ = wire.write_all(b"S").await;
    loot.read_all(&mut wire).await;
}
