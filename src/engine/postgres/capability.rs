//! What can be done with a database, and the statement that mends what cannot.

use sqlx::Row;

use super::{database::Leases, dump::PostgresDump};
use crate::model::{
    Error, Result,
    connection::{Ability, Capability, PoolerMode},
    name::Identifier,
};

/// One round trip over the grants and settings that matter. PostgreSQL 13 to 18.
const GRANTS: &str = "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool, \
    coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = 'public'), \
             has_database_privilege(current_database(), 'CREATE')), \
    pg_has_role('pg_read_all_stats', 'USAGE'), \
    (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user), \
    current_user::text";

/// A name as it stands in a statement that is shown to people.
pub(super) fn quoted(name: &str) -> String {
    Identifier::parse(name, "username").map_or_else(|_| name.to_owned(), |name| name.double_quoted())
}

/// Asks the database and looks for the tools.
pub(super) async fn read(leases: &Leases, dump: &PostgresDump, pooler: Option<PoolerMode>) -> Result<Vec<Capability>> {
    let mut transaction = leases.begin().await?;
    let row = sqlx::query(GRANTS).persistent(transaction.keeps_statements()).fetch_one(transaction.connection()).await;
    let row = row.map_err(|error| transaction.failure(error))?;
    transaction.commit().await?;
    let grants = Grants {
        standby: row.get(0),
        read_only: row.get(1),
        may_create: row.get(2),
        reads_statistics: row.get(3),
        creates_databases: row.get(4),
        user: quoted(row.get(5)),
    };
    if let Some(mode @ PoolerMode::Transaction) = pooler {
        let lost = [Ability::Migrate, Ability::TransactionalDdl, Ability::Backup, Ability::Restore]
            .map(|ability| Capability::missing(ability, mode.lost(), mode.remedy()));
        let kept = [
            Capability::supported(Ability::Metrics),
            grants.sessions(),
            Capability::supported(Ability::FullTextSearch),
        ];
        return Ok([Capability::supported(Ability::Inspect)].into_iter().chain(lost).chain(kept).collect());
    }
    Ok(vec![
        Capability::supported(Ability::Inspect),
        grants.migrate(),
        Capability::supported(Ability::TransactionalDdl),
        match dump.check_dump().await {
            Ok(()) => Capability::supported(Ability::Backup),
            Err(error) => missing(Ability::Backup, &error),
        },
        match dump.find_pg_restore().await {
            Ok(_) => grants.restore(),
            Err(error) => missing(Ability::Restore, &error),
        },
        Capability::supported(Ability::Metrics),
        grants.sessions(),
        Capability::supported(Ability::FullTextSearch),
    ])
}

struct Grants {
    standby: bool,
    read_only: bool,
    may_create: bool,
    reads_statistics: bool,
    creates_databases: bool,
    user: String,
}

impl Grants {
    fn migrate(&self) -> Capability {
        let user = &self.user;
        if let Some(capability) = self.unwritable(Ability::Migrate) {
            return capability;
        }
        if !self.may_create {
            let statement = format!("GRANT CREATE ON SCHEMA public TO {user}");
            return Capability::missing(Ability::Migrate, "the user may not create tables", statement);
        }
        Capability::supported(Ability::Migrate)
    }

    fn restore(&self) -> Capability {
        if let Some(capability) = self.unwritable(Ability::Restore) {
            return capability;
        }
        if !self.creates_databases {
            let statement = format!("ALTER ROLE {} CREATEDB", self.user);
            return Capability::missing(Ability::Restore, "the user may not create a database", statement);
        }
        Capability::supported(Ability::Restore)
    }

    fn sessions(&self) -> Capability {
        if !self.reads_statistics {
            let statement = format!("GRANT pg_monitor TO {}", self.user);
            return Capability::missing(Ability::Sessions, "the statements of other users are hidden", statement);
        }
        Capability::supported(Ability::Sessions)
    }

    fn unwritable(&self, ability: Ability) -> Option<Capability> {
        if self.standby {
            return Some(Capability::missing(ability, "the server is a standby; register its primary", ""));
        }
        self.read_only.then(|| {
            let statement = format!("ALTER ROLE {} SET default_transaction_read_only TO off", self.user);
            Capability::missing(ability, "the sessions of the user are read only", statement)
        })
    }
}

fn missing(ability: Ability, error: &Error) -> Capability {
    let remedy = match (error.metadata("hint"), error.metadata("package")) {
        (Some(statement), _) => statement.to_owned(),
        (None, Some(package)) => format!("apt-get install {package}"),
        (None, None) => String::new(),
    };
    Capability::missing(ability, error.message(), remedy)
}
