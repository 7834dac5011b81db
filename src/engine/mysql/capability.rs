//! What the user of the connection may do, and the statement that would mend what is missing.

use sqlx::MySqlConnection;

use super::{database::MysqlDatabase, dump::tools, row};
use crate::{
    engine::tool,
    model::{
        Error, Reason, Result,
        connection::{Ability, Capability},
    },
};

/// What a migration of the common kind needs on its database.
const MIGRATE_PRIVILEGES: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "INDEX"];
/// Whoever holds one of these on a table is told that it is there.
const TABLE_PRIVILEGES: &[&str] = &[
    "ALL PRIVILEGES",
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "CREATE VIEW",
    "SHOW VIEW",
    "TRIGGER",
];
/// What a dump reads.
const DUMP_PRIVILEGES: &[&str] = &["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"];
/// What a restore makes.
pub(super) const RESTORE_PRIVILEGES: &[&str] = &[
    "SELECT",
    "INSERT",
    "CREATE",
    "DROP",
    "ALTER",
    "INDEX",
    "REFERENCES",
    "CREATE VIEW",
    "TRIGGER",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "EVENT",
];

/// Grants of the user that is logged in.
pub(super) struct Grants {
    lines: Vec<Grant>,
    /// A role may carry any privilege, and the servers do not list those of all roles: nothing is called missing then.
    has_role: bool,
    account: String,
}

struct Grant {
    privileges: Vec<String>,
    /// `*` for all databases, else a pattern as in LIKE.
    database: String,
}

impl Grants {
    /// Asks the server.
    pub(super) async fn read(database: &MysqlDatabase) -> Result<Self> {
        let mut lease = database.lease().await?;
        let grants = Self::read_on(&mut lease).await.map_err(|cause| database.failed(cause))?;
        lease.give_back().await;
        Ok(grants)
    }

    /// The same on a session that is there already.
    pub(super) async fn read_on(connection: &mut MySqlConnection) -> Result<Self, sqlx::Error> {
        let account = sqlx::query("SELECT CURRENT_USER()").fetch_one(&mut *connection).await?;
        let account = row::text(&account, 0)?;
        let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
        let account = format!("'{}'@'{host}'", user.replace('\'', "''"));
        let rows = sqlx::query("SHOW GRANTS").fetch_all(connection).await?;
        let texts = rows.iter().map(|grant| row::text(grant, 0)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::parse(&texts, account))
    }

    fn parse(texts: &[String], account: String) -> Self {
        let lines: Vec<Grant> = texts.iter().filter_map(|text| parse_grant(text)).collect();
        // A grant of a role has no ON.
        let has_role = texts.iter().any(|text| text.starts_with("GRANT ") && !text.contains(" ON "));
        Self { lines, has_role, account }
    }

    /// Which of the privileges the user lacks on a database.
    pub(super) fn missing<'a>(&self, database: &str, wanted: &[&'a str]) -> Vec<&'a str> {
        if self.has_role {
            return Vec::new();
        }
        let holds = |privilege: &str| {
            self.lines.iter().any(|grant| {
                (grant.database == "*" || like(&grant.database, database))
                    && grant.privileges.iter().any(|held| held == privilege || held == "ALL PRIVILEGES")
            })
        };
        wanted.iter().copied().filter(|privilege| !holds(privilege)).collect()
    }

    /// Whether the user has some privilege on the tables of all of a database, so that the server names every one of them.
    pub(super) fn holds_any(&self, database: &str) -> bool {
        let is_of = |grant: &Grant| grant.database == "*" || like(&grant.database, database);
        let holds = |grant: &Grant| grant.privileges.iter().any(|held| TABLE_PRIVILEGES.contains(&held.as_str()));
        self.has_role || self.lines.iter().any(|grant| is_of(grant) && holds(grant))
    }

    /// The statement that gives privileges on `scope`, such as "*.*".
    pub(super) fn grant(&self, privileges: &[&str], scope: &str) -> String {
        format!("GRANT {} ON {scope} TO {};", privileges.join(", "), self.account)
    }

    /// The statement that gives privileges on all of a database.
    pub(super) fn grant_on_database(&self, privileges: &[&str], database: &str) -> String {
        self.grant(privileges, &scope(database))
    }

    /// Refuses where a privilege on a database is missing.
    pub(super) fn require(&self, database: &str, wanted: &[&str]) -> Result<()> {
        let missing = self.missing(database, wanted);
        if missing.is_empty() {
            return Ok(());
        }
        let remedy = self.grant_on_database(&missing, database);
        Err(Error::new(
            Reason::PrivilegeMissing,
            format!("the user of the connection lacks {} on {database:?}; run: {remedy}", missing.join(", ")),
        )
        .with_metadata("hint", remedy))
    }
}

/// `database`.* in a GRANT, where underscores are wildcards unless they are escaped.
fn scope(database: &str) -> String {
    format!("`{}`.*", database.replace('`', "``").replace('_', "\\_"))
}

/// Reads `GRANT a, b ON `database`.* TO ...`; grants on single tables and routines are left out.
fn parse_grant(text: &str) -> Option<Grant> {
    let (privileges, rest) = text.strip_prefix("GRANT ")?.split_once(" ON ")?;
    let (object, _) = rest.split_once(" TO ")?;
    let database = object.strip_suffix(".*")?;
    let database = database.strip_prefix('`').and_then(|name| name.strip_suffix('`')).unwrap_or(database);
    Some(Grant {
        privileges: privileges.split(',').map(|privilege| privilege.trim().to_ascii_uppercase()).collect(),
        database: database.replace("``", "`"),
    })
}

/// LIKE of the grant tables: `%` any text, `_` any character, `\` takes the next one literally.
fn like(pattern: &str, text: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = letters.as_str();
            text.char_indices().any(|(index, _)| like(rest, &text[index..])) || like(rest, "")
        }
        Some(first) => {
            let (wanted, any) = match first {
                '\\' => (letters.next().unwrap_or('\\'), false),
                '_' => ('_', true),
                other => (other, false),
            };
            let mut rest = text.chars();
            rest.next().is_some_and(|found| any || found == wanted) && like(letters.as_str(), rest.as_str())
        }
    }
}

/// Each ability with what is missing.
pub(super) async fn list(database: &MysqlDatabase) -> Result<Vec<Capability>> {
    let grants = Grants::read(database).await?;
    let name = &database.settings().database;
    let by_grants = |ability, wanted: &[&str]| {
        let missing = grants.missing(name, wanted);
        if missing.is_empty() {
            return Capability::supported(ability);
        }
        Capability::missing(
            ability,
            format!("the user lacks {} on {name:?}", missing.join(", ")),
            grants.grant(&missing, &scope(name)),
        )
    };
    let by_tool = |tool_name, granted: Capability| match tool::find(tool_name, &database.tool_directories) {
        Ok(_) => granted,
        Err(error) => Capability::missing(
            granted.ability,
            error.message().to_owned(),
            format!("apt-get install {}", error.metadata("package").unwrap_or_default()),
        ),
    };
    let process = if grants.missing("", &["PROCESS"]).is_empty() {
        Capability::supported(Ability::Sessions)
    } else {
        Capability::missing(
            Ability::Sessions,
            "the user lacks PROCESS, so that it sees its own sessions only",
            grants.grant(&["PROCESS"], "*.*"),
        )
    };
    Ok(vec![
        by_grants(Ability::Inspect, &["SELECT"]),
        by_grants(Ability::Migrate, MIGRATE_PRIVILEGES),
        Capability::missing(
            Ability::TransactionalDdl,
            "MySQL and MariaDB commit each definition by itself; migrations run with a journal of each statement instead",
            "",
        ),
        by_tool(tools::dump_tool(&database.server), by_grants(Ability::Backup, DUMP_PRIVILEGES)),
        by_tool(tools::client_tool(&database.server), by_grants(Ability::Restore, RESTORE_PRIVILEGES)),
        Capability::supported(Ability::Metrics),
        process,
        Capability::supported(Ability::FullTextSearch),
    ])
}

/// Refuses a dump that would leave something out for want of a privilege.
pub(super) async fn require_dump(database: &MysqlDatabase) -> Result<()> {
    Grants::read(database).await?.require(&database.settings().database, DUMP_PRIVILEGES)
}

#[cfg(test)]
mod tests {
    use super::{Grants, like};

    fn grants(texts: &[&str]) -> Grants {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Grants::parse(&texts, "'a'@'%'".to_owned())
    }

    #[test]
    fn a_privilege_counts_on_the_databases_that_its_pattern_names() {
        let held = grants(&["GRANT USAGE ON *.* TO `a`@`%`", "GRANT SELECT, SHOW VIEW ON `shop\\_%`.* TO `a`@`%`"]);
        assert!(held.missing("shop_1", &["SELECT", "SHOW VIEW"]).is_empty());
        assert_eq!(held.missing("shopx1", &["SELECT"]), ["SELECT"]);
        assert_eq!(held.missing("shop_1", &["SELECT", "DROP"]), ["DROP"]);
    }

    #[test]
    fn all_privileges_hold_everything_and_a_role_may() {
        assert!(grants(&["GRANT ALL PRIVILEGES ON *.* TO `a`@`%`"]).missing("x", &["EVENT"]).is_empty());
        assert!(grants(&["GRANT `reader` TO `a`@`%`"]).missing("x", &["EVENT"]).is_empty());
    }

    #[test]
    fn wildcards_of_grants() {
        assert!(like("a%", "abc") && like("%", "") && like("a_c", "abc"));
        assert!(!like("a\\_c", "abc") && !like("a", "ab"));
    }
}
