//! How a database is right now.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    model::{
        CallContext, ConnectionId, Error, ErrorKind, Reason, Result, Timestamp, connection::ConnectionFailure,
        metric::Vitals,
    },
    pool::Lease,
    service::databases::Databases,
};

/// What a look at a database found.
#[derive(Debug, Clone, PartialEq)]
pub enum HealthFinding {
    /// It answered.
    Answered {
        /// Time of one round trip with a query.
        response_time: Duration,
        /// Version that it reports.
        server_version: String,
        /// What it told; findings make it degraded.
        vitals: Vitals,
    },
    /// It did not answer or refused us.
    Unhealthy(ConnectionFailure),
}

/// How a database is now.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseHealth {
    /// Which.
    pub connection: ConnectionId,
    /// When it was looked at.
    pub checked: Timestamp,
    /// What was found.
    pub finding: HealthFinding,
}

/// Looks at a database. One that is down is an answer; one that is not registered is an error.
pub(super) async fn check(
    databases: &dyn Databases,
    context: &CallContext,
    connection: &ConnectionId,
    limit: Duration,
) -> Result<DatabaseHealth> {
    let checked = Timestamp::now();
    let look = async {
        let database = databases.database(context.account(), connection).await?;
        vitals(&database).await
    };
    let looked = match tokio::time::timeout(context.time_left(limit), look).await {
        Ok(looked) => looked,
        Err(_) => Err(silent(limit)),
    };
    let finding = match looked {
        Ok(answered) => answered,
        Err(error) if is_of_the_database(&error) => HealthFinding::Unhealthy(ConnectionFailure::from_error(&error)),
        Err(error) => return Err(error),
    };
    Ok(DatabaseHealth { connection: connection.clone(), checked, finding })
}

async fn vitals(database: &Lease) -> Result<HealthFinding> {
    let began = Instant::now();
    let vitals = database.require_metrics()?.vitals().await?;
    Ok(HealthFinding::Answered {
        response_time: began.elapsed(),
        server_version: database.server().version.clone(),
        vitals,
    })
}

fn silent(limit: Duration) -> Error {
    let limit = humantime::format_duration(limit);
    Error::new(Reason::DatabaseUnreachable, format!("the database did not answer within {limit}"))
}

/// Whether an error tells of the database and not of the request or of this server.
fn is_of_the_database(error: &Error) -> bool {
    let of_this_server = matches!(
        error.reason(),
        Reason::VaultSealed
            | Reason::StoreUnavailable
            | Reason::ShuttingDown
            | Reason::SealedRecordCorrupt
            | Reason::PoolExhausted
    );
    let sort =
        matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::FailedPrecondition | ErrorKind::ResourceExhausted);
    sort && !of_this_server
}
