//! What a PostgreSQL server tells of itself.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::database::PostgresDatabase;
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

const TRANSPORT: &str =
    "SELECT ssl, coalesce(version, ''), coalesce(cipher, '') FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
const FULL_TEXT: &str = include_str!("facts/full_text.sql");
const REPLICATION: &str = include_str!("facts/replication.sql");
/// What a client sends before anything else to ask for TLS: its length and a number that is no version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

#[async_trait]
impl Describe for PostgresDatabase {
    async fn transport(&self) -> Result<Transport> {
        let mut transaction = self.leases().begin().await?;
        let query = sqlx::query(TRANSPORT).persistent(transaction.keeps_statements());
        let row = query.fetch_optional(transaction.connection()).await;
        let row = row.map_err(|error| transaction.failure(error))?;
        transaction.commit().await?;
        let told =
            |row: sqlx::postgres::PgRow| Transport { encrypted: row.get(0), version: row.get(1), cipher: row.get(2) };
        Ok(row.map(told).unwrap_or_default())
    }

    async fn certificate(&self) -> Result<Option<Certificate>> {
        let dialer = self.dialer();
        if dialer.tls.mode == TlsMode::Disabled {
            return Ok(None);
        }
        let place = &dialer.place;
        let look = async {
            let _gate = self.limits().gates.enter(&place.host, place.port).await;
            // There is no TLS at a socket.
            let Checked::Address(address) = dialer.checked().await? else { return Ok(None) };
            let mut stream = TcpStream::connect((address, place.port)).await.map_err(lost)?;
            stream.write_all(&SSL_REQUEST).await.map_err(lost)?;
            match stream.read_u8().await.map_err(lost)? {
                b'S' => certificate::shown_by(stream, &place.host).await.map(Some),
                _ => Ok(None),
            }
        };
        match tokio::time::timeout(place.timeout, look).await {
            Ok(outcome) => outcome,
            Err(_) => Err(place.timed_out()),
        }
    }

    async fn full_text_indexes(&self) -> Result<Vec<FullTextIndex>> {
        let mut transaction = self.leases().begin().await?;
        let query = sqlx::query(FULL_TEXT).persistent(transaction.keeps_statements());
        let rows = query.bind(i64::from(MAX_FULL_TEXT_INDEXES)).fetch_all(transaction.connection()).await;
        let rows = rows.map_err(|error| transaction.failure(error))?;
        transaction.commit().await?;
        let index =
            |row: &sqlx::postgres::PgRow| FullTextIndex { schema: row.get(0), table: row.get(1), index: row.get(2) };
        Ok(rows.iter().map(index).collect())
    }

    async fn replication(&self) -> Result<Replication> {
        let mut transaction = self.leases().begin().await?;
        let query = sqlx::query(REPLICATION).persistent(transaction.keeps_statements());
        let row = query.fetch_one(transaction.connection()).await;
        let row = row.map_err(|error| transaction.failure(error))?;
        transaction.commit().await?;
        let (replica, receiving): (bool, bool) = (row.get(1), row.get(2));
        let lag: Option<f64> = row.get(3);
        let lag = lag.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
        let fault = match (replica, receiving) {
            (true, false) => "it receives nothing from its primary; check primary_conninfo and the primary".to_owned(),
            _ => String::new(),
        };
        // A primary and its standbys, those of standbys too, share the identifier of their data.
        let id: String = row.get(0);
        let source = if replica { id.clone() } else { String::new() };
        Ok(Replication { id, source, replica, lag: lag.filter(|_| replica), fault })
    }
}
