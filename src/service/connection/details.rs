//! All that can be found out about a registered database right now.

use std::{collections::BTreeMap, future::Future, time::Duration};

use tokio::time::Instant;

use super::ConnectionService;
use crate::{
    model::{
        CallContext, ConnectionId, Error, MigrationSetId, Reason, Result, Timestamp,
        connection::{Capabilities, Connection, ConnectionHealth, EngineKind, PoolFigures, TlsMode},
        facts::{Certificate, Transport},
        migration::{HistoryEntry, Version},
        name::BackupName,
        schema::Skipped,
    },
    pool::Lease,
    service::replicas::ReplicaStatus,
};

/// Longest that the database and its replicas are asked.
const LIMIT: Duration = Duration::from_secs(10);

/// Until when everything is asked, and how long that is.
#[derive(Clone, Copy)]
struct Limit {
    until: Instant,
    span: Duration,
}

impl Limit {
    fn from_now(span: Duration) -> Self {
        Self { until: Instant::now() + span, span }
    }

    async fn hold<T>(self, ask: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout_at(self.until, ask).await.unwrap_or_else(|_| Err(self.passed()))
    }

    fn passed(self) -> Error {
        let span = humantime::format_duration(self.span);
        Error::new(Reason::DatabaseUnreachable, format!("the database did not answer within {span}"))
    }
}

/// TLS of a connection as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsFacts {
    /// As a session of ours has it.
    pub transport: Transport,
    /// The sessions check the certificate against a CA.
    pub verified: bool,
    /// The certificate that the server shows, where it could be looked at.
    pub certificate: Option<Certificate>,
}

/// Backups of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupSummary {
    /// Complete ones.
    pub complete: u64,
    /// All, those that failed or run included.
    pub total: u64,
    /// The newest complete one and when it was complete.
    pub last: Option<(BackupName, Timestamp)>,
}

/// What the history table says of one migration set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistorySummary {
    /// The set.
    pub set: MigrationSetId,
    /// Versions that are applied.
    pub applied: u64,
    /// The newest of them, its title, and when it was applied.
    pub last: Option<(Version, String, Timestamp)>,
    /// Versions that stopped part of the way.
    pub incomplete: u64,
    /// Versions that this server's set has beyond them; absent where it has no such set.
    pub pending: Option<u64>,
}

/// All that can be found out. What could not is absent, and `unavailable` says why.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConnectionDetails {
    /// TLS; absent for SQLite.
    pub tls: Option<TlsFacts>,
    /// The pool and when it was opened.
    pub pool: Option<(PoolFigures, Timestamp)>,
    /// The last test that somebody asked for.
    pub last_test: Option<ConnectionHealth>,
    /// The last look that failed, since the settings changed.
    pub last_failure: Option<ConnectionHealth>,
    /// How long the server has been up.
    pub uptime: Option<Duration>,
    /// What can be done with it.
    pub capabilities: Option<Capabilities>,
    /// Its backups.
    pub backups: BackupSummary,
    /// Its migrations, by set.
    pub migrations: Vec<HistorySummary>,
    /// Its replicas.
    pub replicas: Vec<ReplicaStatus>,
    /// What could not be found out.
    pub unavailable: Vec<Skipped>,
}

impl ConnectionService {
    /// A registered database with all that can be found out about it. One that is down is an answer.
    pub async fn get_with_details(
        &self,
        context: &CallContext,
        id: &ConnectionId,
    ) -> Result<(Connection, ConnectionDetails)> {
        let account = context.account();
        let connection = self.get(context, id).await?;
        let (complete, total, last) = self.store.backup_counts(account, id).await?;
        let mut details =
            ConnectionDetails { backups: BackupSummary { complete, total, last }, ..ConnectionDetails::default() };
        let limit = Limit::from_now(context.time_left(LIMIT));
        let asked = async {
            let lease = limit.hold(self.pools.database(account, id)).await;
            if let Some(lease) = details.take("database", lease) {
                Box::pin(self.ask(context, &connection, &lease, limit, &mut details)).await;
            }
        };
        let ((), replicas) = tokio::join!(asked, limit.hold(self.readers.replicas(account, id)));
        details.replicas = details.take("replicas", replicas).unwrap_or_default();
        details.pool = self.pools.figures(account, id);
        // Asking is a look as well: what it found belongs to the answer.
        (details.last_test, details.last_failure) = self.store.last_looks(account, id).await?;
        let connection = self.get(context, id).await?;
        if let Some(test) = self.pools.statuses().last_test(account, &connection) {
            let newest = details.last_failure.as_ref().is_none_or(|failure| failure.checked <= test.checked);
            if test.failure.is_some() && newest {
                details.last_failure = Some(test.clone());
            }
            details.last_test = Some(test);
        }
        Ok((connection, details))
    }

    async fn ask(
        &self,
        context: &CallContext,
        connection: &Connection,
        lease: &Lease,
        limit: Limit,
        details: &mut ConnectionDetails,
    ) {
        let server = connection.settings.engine != EngineKind::Sqlite;
        let encrypted = server && connection.settings.tls.mode != TlsMode::Disabled;
        let transport = timed(limit, lease, async { lease.require_describe()?.transport().await });
        let certificate = timed(limit, lease, async {
            if encrypted { lease.require_describe()?.certificate().await } else { Ok(None) }
        });
        let vitals = timed(limit, lease, async { lease.require_metrics()?.vitals().await });
        let capabilities = timed(limit, lease, Self::capabilities_of(lease));
        let history = timed(limit, lease, async { lease.require_migrate()?.history().await });
        let (transport, certificate, vitals, capabilities, history) =
            tokio::join!(transport, certificate, vitals, capabilities, history);

        let certificate = details.take("certificate", certificate).flatten();
        if let Some(transport) = details.take("tls", transport)
            && server
        {
            let verified = matches!(connection.settings.tls.mode, TlsMode::VerifyCa | TlsMode::VerifyFull);
            details.tls = Some(TlsFacts { verified: verified && transport.encrypted, transport, certificate });
        }
        details.uptime = details.take("uptime", vitals).and_then(|vitals| vitals.uptime);
        details.capabilities = details.take("capabilities", capabilities);
        if let Some(history) = details.take("migrations", history) {
            let summaries = self.summaries(context, &history).await;
            details.migrations = details.take("migrations", summaries).unwrap_or_default();
        }
    }

    /// The history by set, each with what this server's set of that name has beyond it.
    async fn summaries(&self, context: &CallContext, history: &[HistoryEntry]) -> Result<Vec<HistorySummary>> {
        let mut sets: BTreeMap<&MigrationSetId, Vec<&HistoryEntry>> = BTreeMap::new();
        for entry in history {
            sets.entry(&entry.set).or_default().push(entry);
        }
        let mut summaries = Vec::with_capacity(sets.len());
        for (set, entries) in sets {
            let whole: Vec<_> = entries.iter().filter(|entry| entry.incomplete.is_none()).collect();
            let last = whole.iter().max_by(|left, right| left.version.cmp(&right.version));
            let registered = match self.store.migration_set(context.account(), set).await {
                Ok(_) => Some(self.store.migration_summaries(context.account(), set).await?),
                Err(error) if error.reason() == Reason::MigrationSetNotFound => None,
                Err(error) => return Err(error),
            };
            let pending = registered.map(|known| {
                let missing = |version: &Version| !whole.iter().any(|entry| entry.version == *version);
                known.iter().filter(|migration| missing(&migration.version)).count() as u64
            });
            summaries.push(HistorySummary {
                set: set.clone(),
                applied: whole.len() as u64,
                last: last.map(|entry| (entry.version.clone(), entry.title.clone(), entry.applied)),
                incomplete: (entries.len() - whole.len()) as u64,
                pending,
            });
        }
        Ok(summaries)
    }
}

impl ConnectionDetails {
    /// What was found; what was not is noted.
    fn take<T>(&mut self, subject: &str, found: Result<T>) -> Option<T> {
        match found {
            Ok(found) => Some(found),
            Err(error) => self.miss(subject, &error),
        }
    }

    fn miss<T>(&mut self, subject: &str, error: &Error) -> Option<T> {
        self.unavailable.push(Skipped {
            subject: subject.to_owned(),
            reason: error.message().to_owned(),
            remedy: error.metadata("hint").unwrap_or_default().to_owned(),
            ..Skipped::default()
        });
        None
    }
}

/// Asks, for so long and no longer than the connection stays as it is.
async fn timed<T>(limit: Limit, lease: &Lease, ask: impl Future<Output = Result<T>>) -> Result<T> {
    limit.hold(lease.run(ask)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_asked_later_has_no_more_time_than_what_was_asked_first() {
        let limit = Limit { until: Instant::now(), span: Duration::from_secs(3600) };
        let patience = Duration::from_secs(60);
        for _ in 0..2 {
            let asked = limit.hold(std::future::pending::<Result<()>>());
            let error = tokio::time::timeout(patience, asked).await.expect("the time is over").unwrap_err();
            assert!(error.message().contains("within 1h"), "{error}");
        }
    }
}
