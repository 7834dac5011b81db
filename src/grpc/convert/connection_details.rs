//! All that can be found out about a registered database.

use super::{
    connection::capabilities,
    connection_status::health,
    pool::pool_stats,
    skipped, small_count,
    time::{duration, timestamp},
};
use crate::{
    engine::migrate::HISTORY_TABLE,
    grpc::proto::v1,
    model::{
        connection::Connection,
        facts::{Certificate, FullTextIndex},
        name,
    },
    service::{
        connection::details::{BackupSummary, ConnectionDetails, HistorySummary, TlsFacts},
        replicas::ReplicaStatus,
    },
};

/// A registered database with its details.
pub fn connection(connection: Connection, details: ConnectionDetails) -> v1::Connection {
    let id = connection.id.clone();
    let details = v1::ConnectionDetails {
        tls: details.tls.map(tls),
        pool: Some(pool_stats(&id, details.pool)),
        last_test: details.last_test.map(health),
        last_failure: details.last_failure.map(health),
        uptime: details.uptime.map(duration),
        capabilities: details.capabilities.map(|found| capabilities(&id, found)),
        backups: Some(backups(details.backups)),
        migrations: details.migrations.into_iter().map(history).collect(),
        replicas: details.replicas.into_iter().map(replica).collect(),
        unavailable: details.unavailable.into_iter().map(skipped).collect(),
    };
    v1::Connection { details: Some(Box::new(details)), ..super::connection::connection(connection) }
}

fn tls(facts: TlsFacts) -> v1::TlsStatus {
    v1::TlsStatus {
        enabled: facts.transport.encrypted,
        verified: facts.verified,
        version: facts.transport.version,
        cipher: facts.transport.cipher,
        peer_certificate: facts.certificate.map(certificate),
    }
}

fn certificate(certificate: Certificate) -> v1::PeerCertificate {
    v1::PeerCertificate {
        subject: certificate.subject,
        issuer: certificate.issuer,
        names: certificate.names,
        not_before_time: Some(timestamp(certificate.not_before)),
        expire_time: Some(timestamp(certificate.not_after)),
        sha256_fingerprint: certificate.fingerprint,
    }
}

fn backups(summary: BackupSummary) -> v1::BackupSummary {
    let (last, complete) = summary.last.unzip();
    v1::BackupSummary {
        complete_count: small_count(summary.complete),
        total_count: small_count(summary.total),
        last_backup: last.map(|backup| backup.to_string()).unwrap_or_default(),
        last_backup_time: complete.map(timestamp),
    }
}

fn history(summary: HistorySummary) -> v1::MigrationHistorySummary {
    let (last_version, last_title, applied) = match summary.last {
        Some((version, title, applied)) => (version.to_string(), title, Some(applied)),
        None => Default::default(),
    };
    v1::MigrationHistorySummary {
        table: HISTORY_TABLE.to_owned(),
        migration_set: name::migration_set(&summary.set),
        applied_count: small_count(summary.applied),
        last_version,
        last_title,
        last_apply_time: applied.map(timestamp),
        incomplete_count: small_count(summary.incomplete),
        pending_count: summary.pending.map(small_count),
    }
}

fn replica(status: ReplicaStatus) -> v1::ReplicaStatus {
    v1::ReplicaStatus {
        connection: name::connection(&status.connection),
        serves: status.serves,
        lag: status.lag.map(duration),
        fault: status.fault,
    }
}

/// An index for full-text search.
pub fn full_text_index(index: FullTextIndex) -> v1::FullTextIndex {
    v1::FullTextIndex { schema: index.schema, table: index.table, index: index.index }
}
