//! Resource names of the contract, and names of objects inside a database.

use std::fmt;

use super::{
    error::{Error, Result},
    id::{AccountId, ApiKeyId, BackupId, ConnectionId, MigrationSetId, OperationId},
};

fn strip<'a>(name: &'a str, collection: &str, field: &str) -> Result<&'a str> {
    name.strip_prefix(collection)
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or_else(|| Error::invalid_field(field, format!("must have the form {collection}/{{id}}")))
}

/// Parses `connections/{id}`.
pub fn parse_connection(name: &str, field: &str) -> Result<ConnectionId> {
    ConnectionId::parse(strip(name, "connections", field)?, field)
}

/// Parses `migrationSets/{id}`.
pub fn parse_migration_set(name: &str, field: &str) -> Result<MigrationSetId> {
    MigrationSetId::parse(strip(name, "migrationSets", field)?, field)
}

/// Parses `operations/{id}`.
pub fn parse_operation(name: &str, field: &str) -> Result<OperationId> {
    OperationId::parse(strip(name, "operations", field)?, field)
}

/// Parses `accounts/{id}`.
pub fn parse_account(name: &str, field: &str) -> Result<AccountId> {
    AccountId::parse(strip(name, "accounts", field)?, field)
}

/// Parses `accounts/{id}/apiKeys/{id}`.
pub fn parse_api_key(name: &str, field: &str) -> Result<(AccountId, ApiKeyId)> {
    let form = || Error::invalid_field(field, "must have the form accounts/{id}/apiKeys/{id}");
    let (account, key) =
        strip(name, "accounts", field).map_err(|_| form())?.split_once("/apiKeys/").ok_or_else(form)?;
    Ok((AccountId::parse(account, field)?, ApiKeyId::parse(key, field)?))
}

/// A backup with the database that it is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct BackupName {
    /// The database that it is of.
    pub connection: ConnectionId,
    /// The backup.
    pub backup: BackupId,
}

impl BackupName {
    /// Parses `connections/{id}/backups/{id}`.
    pub fn parse(name: &str, field: &str) -> Result<Self> {
        let form = || Error::invalid_field(field, "must have the form connections/{id}/backups/{id}");
        let (connection, backup) =
            strip(name, "connections", field).map_err(|_| form())?.split_once("/backups/").ok_or_else(form)?;
        Ok(Self { connection: ConnectionId::parse(connection, field)?, backup: BackupId::parse(backup, field)? })
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connections/{}/backups/{}", self.connection, self.backup)
    }
}

/// `accounts/{id}`.
pub fn account(id: &AccountId) -> String {
    format!("accounts/{id}")
}

/// `accounts/{id}/apiKeys/{id}`.
pub fn api_key(account: &AccountId, key: &ApiKeyId) -> String {
    format!("accounts/{account}/apiKeys/{key}")
}

/// `connections/{id}`.
pub fn connection(id: &ConnectionId) -> String {
    format!("connections/{id}")
}

/// `migrationSets/{id}`.
pub fn migration_set(id: &MigrationSetId) -> String {
    format!("migrationSets/{id}")
}

/// `operations/{id}`.
pub fn operation(id: &OperationId) -> String {
    format!("operations/{id}")
}

/// A name inside a database. It becomes SQL only by the quoting of a dialect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(String);

impl Identifier {
    /// Takes a name of 1 to 255 characters without a NUL.
    pub fn parse(text: &str, field: &str) -> Result<Self> {
        if text.is_empty() || text.chars().count() > 255 || text.contains('\0') {
            return Err(Error::invalid_field(field, "must be 1 to 255 characters and hold no NUL"));
        }
        Ok(Self(text.to_owned()))
    }

    /// A constant of our own.
    pub fn constant(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// A name that a catalog told.
    pub fn of_catalog(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The bare name, for a bind value and never for SQL text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Quoted as standard SQL, PostgreSQL and SQLite do.
    pub fn double_quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }

    /// Quoted as MySQL and MariaDB do.
    pub fn backquoted(&self) -> String {
        format!("`{}`", self.0.replace('`', "``"))
    }
}

/// A table's name with its schema, where the engine has schemas and one was given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QualifiedName {
    /// The schema; absent: the engine's own default.
    pub schema: Option<Identifier>,
    /// The name in it.
    pub name: Identifier,
}
