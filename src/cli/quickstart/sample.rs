//! The sample database of the quick start, and the migrations that the walk applies to it.

use std::path::Path;

use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::model::{Error, Reason, Result};

/// Tables of the sample.
pub const TABLES: usize = 8;
/// Views of the sample.
pub const VIEWS: usize = 1;
/// Purchases that one call of [`sell`] adds.
pub const SOLD_AT_ONCE: u64 = 500;

const SAMPLE: &str = include_str!("sample.sql");
const SALES: &str = include_str!("sales.sql");

/// A migration file as ImportMigrations takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationFile {
    /// Path.
    pub path: &'static str,
    /// Text.
    pub content: &'static str,
}

/// Two migrations, each with its way back.
pub const MIGRATIONS: [MigrationFile; 4] = [
    MigrationFile { path: "0001_reviews.up.sql", content: include_str!("migrations/0001_reviews.up.sql") },
    MigrationFile { path: "0001_reviews.down.sql", content: include_str!("migrations/0001_reviews.down.sql") },
    MigrationFile { path: "0002_loyalty.up.sql", content: include_str!("migrations/0002_loyalty.up.sql") },
    MigrationFile { path: "0002_loyalty.down.sql", content: include_str!("migrations/0002_loyalty.down.sql") },
];

/// Makes the sample as a new file. All of it is one transaction, so that a file that is there is whole.
pub async fn create(file: &Path) -> Result<()> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true).foreign_keys(true);
    run(options, SAMPLE).await.map_err(|cause| {
        let message = "the sample database cannot be made; look whether its folder can be written and has room";
        Error::new(Reason::StoreUnavailable, message).caused_by(cause)
    })
}

/// Sells books, as the shops would while somebody watches.
pub async fn sell(file: &Path) -> Result<()> {
    let options = SqliteConnectOptions::new().filename(file).foreign_keys(true);
    run(options, SALES).await.map_err(|cause| {
        Error::new(Reason::DatabaseUnreachable, "nothing can be written to the sample database").caused_by(cause)
    })
}

/// Runs statements in one transaction.
async fn run(options: SqliteConnectOptions, statements: &'static str) -> Result<(), sqlx::Error> {
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut transaction = connection.begin().await?;
    transaction.execute(sqlx::raw_sql(statements)).await?;
    transaction.commit().await?;
    connection.close().await
}
