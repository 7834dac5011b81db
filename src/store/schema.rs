//! The store's own schema: numbered scripts, each applied once in a transaction together with its number.

use sqlx::SqlitePool;

use super::failed;
use crate::model::{Error, Reason, Result, Timestamp};

/// The scripts in order. A script that was released is never edited; a change is a new script.
const SCRIPTS: &[(i64, &str)] = &[
    (1, include_str!("schema/0001_base.sql")),
    (2, include_str!("schema/0002_backups.sql")),
    (3, include_str!("schema/0003_connection_transitions.sql")),
    (4, include_str!("schema/0004_audit.sql")),
    (5, include_str!("schema/0005_master_keys.sql")),
    (6, include_str!("schema/0006_access.sql")),
    (7, include_str!("schema/0007_pending_credentials.sql")),
    (8, include_str!("schema/0008_lint_settings.sql")),
    (9, include_str!("schema/0009_audit_appends.sql")),
    (10, include_str!("schema/0010_known_audit_ends.sql")),
];

/// Brings the schema to the version of this binary.
pub(super) async fn migrate(writer: &SqlitePool) -> Result<()> {
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)")
        .execute(writer)
        .await
        .map_err(failed)?;
    let current: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM schema_versions")
        .fetch_one(writer)
        .await
        .map_err(failed)?;
    let newest = SCRIPTS.last().map_or(0, |(version, _)| *version);
    if current > newest {
        return Err(Error::new(
            Reason::StoreUnavailable,
            format!(
                "the store has schema version {current} and this dbkeeper knows {newest} at most; \
                 start the newer dbkeeper that wrote it"
            ),
        ));
    }
    for (version, script) in SCRIPTS.iter().filter(|(version, _)| *version > current) {
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        sqlx::raw_sql(*script).execute(&mut *transaction).await.map_err(failed)?;
        sqlx::query("INSERT INTO schema_versions (version, applied) VALUES ($1, $2)")
            .bind(version)
            .bind(Timestamp::now().as_micros())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        tracing::info!(version, "store schema applied");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Store;

    #[tokio::test]
    async fn a_newer_schema_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.sqlite");
        let store = Store::open(&path).await.unwrap();
        sqlx::query("INSERT INTO schema_versions (version, applied) VALUES (999, 0)")
            .execute(store.writer())
            .await
            .unwrap();
        store.close().await;

        let error = Store::open(&path).await.err().unwrap();
        assert!(error.message().contains("999"), "{error}");
    }

    #[tokio::test]
    async fn a_second_start_finds_the_schema_in_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.sqlite");
        Store::open(&path).await.unwrap().close().await;
        let store = Store::open(&path).await.unwrap();
        let applied: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM schema_versions").fetch_one(store.reader()).await.unwrap();
        assert_eq!(applied, i64::try_from(super::SCRIPTS.len()).unwrap());
    }
}
