//! What a MySQL or MariaDB server tells of itself.

use std::{io, time::Duration};

use async_trait::async_trait;
use sqlx::{Column, Row, mysql::MySqlRow};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{database::MysqlDatabase, error, row};
use crate::{
    engine::{
        Describe,
        certificate::{self, lost},
        facts::MAX_FULL_TEXT_INDEXES,
        reach::Checked,
    },
    model::{
        Result,
        connection::TlsMode,
        facts::{Certificate, FullTextIndex, Replication, Transport},
    },
};

const FULL_TEXT: &str = include_str!("facts/full_text.sql");
/// Longest greeting that is read; theirs have about a hundred bytes.
const MAX_GREETING: usize = 4096;
/// Bits of the protocol: it is 4.1, we want TLS, and the authentication of today.
const CAPABILITIES: u32 = CLIENT_PROTOCOL_41 | CLIENT_SSL | 0x8000 | 0x0008_0000;
const CLIENT_PROTOCOL_41: u32 = 0x0200;
const CLIENT_SSL: u32 = 0x0800;
const MAX_PACKET: u32 = 0x0100_0000;
const UTF8MB4: u8 = 45;

#[async_trait]
impl Describe for MysqlDatabase {
    async fn transport(&self) -> Result<Transport> {
        let mut lease = self.lease().await?;
        let failed = |cause| self.failed(cause);
        let rows = sqlx::query("SHOW SESSION STATUS WHERE Variable_name IN ('Ssl_version', 'Ssl_cipher')")
            .fetch_all(&mut *lease)
            .await
            .map_err(failed)?;
        let mut transport = Transport::default();
        for found in &rows {
            let (name, value) = (row::text(found, 0).map_err(failed)?, row::text(found, 1).map_err(failed)?);
            if name.eq_ignore_ascii_case("Ssl_version") {
                transport.version = value;
            } else {
                transport.cipher = value;
            }
        }
        lease.give_back().await;
        transport.encrypted = !transport.cipher.is_empty();
        Ok(transport)
    }

    async fn certificate(&self) -> Result<Option<Certificate>> {
        let settings = self.settings();
        if settings.tls.mode == TlsMode::Disabled {
            return Ok(None);
        }
        let limit = self.connector.dial_timeout;
        let look = async {
            let _gate = self.limits.gates.enter(&settings.host, settings.port).await;
            // There is no TLS at a socket.
            let Checked::Address(address) = self.connector.checked().await? else { return Ok(None) };
            let mut stream = TcpStream::connect((address, settings.port)).await.map_err(lost)?;
            let greeting = read_packet(&mut stream).await.map_err(lost)?;
            if !offers_tls(&greeting) {
                return Ok(None);
            }
            stream.write_all(&tls_request()).await.map_err(lost)?;
            certificate::shown_by(stream, &settings.host).await.map(Some)
        };
        match tokio::time::timeout(limit, look).await {
            Ok(outcome) => outcome,
            Err(_) => Err(error::connect_timeout(settings, limit)),
        }
    }

    async fn full_text_indexes(&self) -> Result<Vec<FullTextIndex>> {
        let mut lease = self.lease().await?;
        let rows = sqlx::query(FULL_TEXT)
            .bind(&self.settings().database)
            .bind(MAX_FULL_TEXT_INDEXES)
            .fetch_all(&mut *lease)
            .await
            .map_err(|cause| self.failed(cause))?;
        lease.give_back().await;
        let index = |found: &MySqlRow| -> Result<FullTextIndex, sqlx::Error> {
            Ok(FullTextIndex { schema: row::text(found, 0)?, table: row::text(found, 1)?, index: row::text(found, 2)? })
        };
        rows.iter().map(index).collect::<Result<_, _>>().map_err(|cause| self.failed(cause))
    }

    async fn replication(&self) -> Result<Replication> {
        let mut lease = self.lease().await?;
        let failed = |cause| self.failed(cause);
        let query = if self.server.says_replica() { "SHOW REPLICA STATUS" } else { "SHOW SLAVE STATUS" };
        // As text, in which every column can be read the same way.
        let found = sqlx::raw_sql(query).fetch_optional(&mut *lease).await.map_err(failed)?;
        // The two products have no id of the data. The id of a server is asked for of a replica as well: others may copy from it.
        let id = sqlx::query("SELECT CAST(@@server_id AS CHAR)").fetch_one(&mut *lease).await.map_err(failed)?;
        let id = row::text(&id, 0).map_err(failed)?;
        lease.give_back().await;
        let Some(found) = found else {
            return Ok(Replication { id, source: String::new(), replica: false, lag: None, fault: String::new() });
        };
        let text = |names: &[&str]| by_name(&found, names).map_err(failed);
        let lag = text(&["Seconds_Behind_Source", "Seconds_Behind_Master"])?;
        let lag = lag.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        let mut fault = text(&["Last_IO_Error"])?.unwrap_or_default();
        if fault.is_empty() {
            fault = text(&["Last_SQL_Error"])?.unwrap_or_default();
        }
        if fault.is_empty() && lag.is_none() {
            fault = "replication is stopped; begin it with START REPLICA".to_owned();
        }
        let source = text(&["Source_Server_Id", "Master_Server_Id"])?.unwrap_or_default();
        Ok(Replication { id, source, replica: true, lag, fault })
    }
}

/// A column by one of its names; absent where it is NULL or not there.
fn by_name(found: &MySqlRow, names: &[&str]) -> Result<Option<String>, sqlx::Error> {
    match found.columns().iter().position(|column| names.contains(&column.name())) {
        Some(index) => row::optional_text(found, index),
        None => Ok(None),
    }
}

/// Reads one packet: three bytes of length, a number, and what it holds.
async fn read_packet(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let length = usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
    if length > MAX_GREETING {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the greeting is too long"));
    }
    let mut packet = vec![0; length];
    stream.read_exact(&mut packet).await?;
    Ok(packet)
}

/// Whether a greeting (protocol 10) says that the server has TLS: after the version come 4 bytes of the thread, 8 of a nonce,
/// one that is empty, and the lower half of the capabilities.
fn offers_tls(greeting: &[u8]) -> bool {
    let Some((10, rest)) = greeting.split_first() else { return false };
    let Some(version_end) = rest.iter().position(|byte| *byte == 0) else { return false };
    let Some(&[low, high]) = rest.get(version_end + 14..version_end + 16) else { return false };
    u32::from(u16::from_le_bytes([low, high])) & CLIENT_SSL != 0
}

/// The packet that asks for TLS: what a login begins with, without the login.
fn tls_request() -> Vec<u8> {
    let mut packet = vec![32, 0, 0, 1];
    packet.extend(CAPABILITIES.to_le_bytes());
    packet.extend(MAX_PACKET.to_le_bytes());
    packet.push(UTF8MB4);
    packet.extend([0; 23]);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_tells_whether_there_is_tls() {
        let greeting = |version: &[u8], low: u16| {
            let mut bytes = vec![10];
            bytes.extend(version);
            bytes.push(0);
            bytes.extend([1; 4 + 8]);
            bytes.push(0);
            bytes.extend(low.to_le_bytes());
            bytes.extend([0; 20]);
            bytes
        };
        assert!(offers_tls(&greeting(b"5.5.5-10.11.6-MariaDB", 0xffff)));
        assert!(!offers_tls(&greeting(b"8.0.36", 0xf7ff)));
        for broken in [&b""[..], &[10], &[9, 0], &[10, b'8', 0, 1, 2], &[255, 1, 2]] {
            assert!(!offers_tls(broken), "{broken:?}");
        }
    }
}
