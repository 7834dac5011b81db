//! Migration sets and the migrations in them.

use serde::{Deserialize, Serialize};
use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    Store, failed, from_stored, is_duplicate,
    request::{Inserted, remember},
    to_stored, unreadable,
};
use crate::model::{
    AccountId, Detail, Error, MigrationSetId, Reason, RequestKey, Result, Timestamp,
    migration::{Migration, MigrationScript, MigrationSet, MigrationSummary, Version},
    name,
    page::{Page, PageRequest},
};

/// The texts of a migration, in one column.
#[derive(Serialize, Deserialize)]
struct Scripts {
    up: MigrationScript,
    down: Option<MigrationScript>,
}

const SUMMARY: &str =
    "SELECT sort_key, version, title, checksum, file, reversible, transactional, up_size FROM migrations
     WHERE account = $1 AND migration_set = $2";

impl Store {
    /// Makes an empty set. MIGRATION_SET_EXISTS where its id is taken.
    pub async fn insert_migration_set(
        &self,
        account: &AccountId,
        set: &MigrationSet,
        request: Option<&RequestKey>,
    ) -> Result<Inserted> {
        let mut transaction = self.begin().await?;
        let earlier = remember(&mut transaction, account, request, &name::migration_set(&set.id)).await?;
        if earlier != Inserted::New {
            return Ok(earlier);
        }
        sqlx::query(
            "INSERT INTO migration_sets (account, id, display_name, revision, created, updated)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(account.as_str())
        .bind(set.id.as_str())
        .bind(&set.display_name)
        .bind(to_stored(set.revision))
        .bind(set.created.as_micros())
        .bind(set.updated.as_micros())
        .execute(&mut *transaction)
        .await
        .map_err(|cause| if is_duplicate(&cause) { exists(&set.id) } else { failed(cause) })?;
        transaction.commit().await.map_err(failed)?;
        Ok(Inserted::New)
    }

    /// One set. MIGRATION_SET_NOT_FOUND where the account has none of that id.
    pub async fn migration_set(&self, account: &AccountId, id: &MigrationSetId) -> Result<MigrationSet> {
        let row = sqlx::query(
            "SELECT s.id, s.display_name, s.revision, s.created, s.updated, COUNT(m.version) AS migration_count,
                    (SELECT version FROM migrations
                     WHERE account = s.account AND migration_set = s.id ORDER BY sort_key DESC LIMIT 1) AS latest
             FROM migration_sets s
             LEFT JOIN migrations m ON m.account = s.account AND m.migration_set = s.id
             WHERE s.account = $1 AND s.id = $2
             GROUP BY s.account, s.id, s.display_name, s.revision, s.created, s.updated",
        )
        .bind(account.as_str())
        .bind(id.as_str())
        .fetch_optional(self.reader())
        .await
        .map_err(failed)?;
        row.as_ref().map(read_set).transpose().map_err(failed)?.ok_or_else(|| not_found(id))
    }

    /// Every migration of a set with its texts, by version. Empty where there is no such set.
    pub async fn migrations(&self, account: &AccountId, set: &MigrationSetId) -> Result<Vec<Migration>> {
        sqlx::query(
            "SELECT version, title, checksum, scripts FROM migrations
             WHERE account = $1 AND migration_set = $2 ORDER BY sort_key",
        )
        .bind(account.as_str())
        .bind(set.as_str())
        .fetch_all(self.reader())
        .await
        .map_err(failed)?
        .iter()
        .map(read_migration)
        .collect()
    }

    /// What a list shows of every migration of a set, by version.
    pub async fn migration_summaries(
        &self,
        account: &AccountId,
        set: &MigrationSetId,
    ) -> Result<Vec<MigrationSummary>> {
        sqlx::query(sqlx::AssertSqlSafe(format!("{SUMMARY} ORDER BY sort_key")))
            .bind(account.as_str())
            .bind(set.as_str())
            .fetch_all(self.reader())
            .await
            .map_err(failed)?
            .iter()
            .map(|row| read_summary(row).map_err(failed))
            .collect()
    }

    /// A page of what a list shows, by version. The sort key is that of the version.
    pub async fn migration_page(
        &self,
        account: &AccountId,
        set: &MigrationSetId,
        page: &PageRequest,
    ) -> Result<Page<MigrationSummary>> {
        let after = page.after.as_ref().and_then(|key| key.first()).map_or("", String::as_str);
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{SUMMARY} AND sort_key > $3 ORDER BY sort_key LIMIT $4")))
            .bind(account.as_str())
            .bind(set.as_str())
            .bind(after)
            .bind(i64::from(page.size) + 1)
            .fetch_all(self.reader())
            .await
            .map_err(failed)?;
        let summaries = rows.iter().map(read_summary).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        Ok(Page::cut(summaries, page.size, |summary| vec![summary.version.sort_key()]))
    }

    /// Writes migrations into a set, new ones and new texts, all or none. ETAG_MISMATCH where the set's revision is no
    /// longer `expected`, the one that the migrations were compared with.
    pub async fn write_migrations(
        &self,
        account: &AccountId,
        set: &MigrationSetId,
        migrations: &[Migration],
        expected: u64,
    ) -> Result<()> {
        let mut transaction = self.begin().await?;
        let changed = sqlx::query(
            "UPDATE migration_sets SET revision = revision + 1, updated = $1
             WHERE account = $2 AND id = $3 AND revision = $4",
        )
        .bind(Timestamp::now().as_micros())
        .bind(account.as_str())
        .bind(set.as_str())
        .bind(to_stored(expected))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?
        .rows_affected();
        if changed == 0 {
            return Err(changed_meanwhile(set));
        }
        for migration in migrations {
            write_migration(&mut transaction, account, set, migration).await?;
        }
        transaction.commit().await.map_err(failed)
    }
}

async fn write_migration(
    transaction: &mut Transaction<'static, Sqlite>,
    account: &AccountId,
    set: &MigrationSetId,
    migration: &Migration,
) -> Result<()> {
    let scripts = Scripts { up: migration.up.clone(), down: migration.down.clone() };
    let summary = migration.summary();
    sqlx::query(
        "INSERT INTO migrations (account, migration_set, sort_key, version, title, checksum, file, reversible,
                                 transactional, up_size, scripts)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (account, migration_set, sort_key) DO UPDATE
         SET version = excluded.version, title = excluded.title, checksum = excluded.checksum, file = excluded.file,
             reversible = excluded.reversible, transactional = excluded.transactional, up_size = excluded.up_size,
             scripts = excluded.scripts",
    )
    .bind(account.as_str())
    .bind(set.as_str())
    .bind(summary.version.sort_key())
    .bind(summary.version.as_str())
    .bind(&summary.title)
    .bind(&summary.checksum)
    .bind(&summary.file)
    .bind(i64::from(summary.reversible))
    .bind(i64::from(summary.transactional))
    .bind(to_stored(summary.up_size))
    .bind(serde_json::to_string(&scripts).map_err(|cause| unreadable("migration", cause))?)
    .execute(&mut **transaction)
    .await
    .map_err(failed)?;
    Ok(())
}

/// MIGRATION_SET_NOT_FOUND for an id.
pub fn not_found(id: &MigrationSetId) -> Error {
    Error::not_found(Reason::MigrationSetNotFound, "migrationSet", name::migration_set(id))
}

/// MIGRATION_SET_EXISTS for an id.
pub fn exists(id: &MigrationSetId) -> Error {
    let name = name::migration_set(id);
    Error::new(Reason::MigrationSetExists, format!("{name} exists; take another migration_set_id or leave it empty"))
        .with(Detail::Resource { kind: "migrationSet", name })
}

fn changed_meanwhile(id: &MigrationSetId) -> Error {
    Error::new(
        Reason::EtagMismatch,
        format!("{} was changed by another call at the same time; repeat the call", name::migration_set(id)),
    )
    .with(Detail::Resource { kind: "migrationSet", name: name::migration_set(id) })
}

fn read_set(row: &SqliteRow) -> Result<MigrationSet, sqlx::Error> {
    Ok(MigrationSet {
        id: MigrationSetId::from_stored(row.try_get("id")?),
        display_name: row.try_get("display_name")?,
        migration_count: u32::try_from(row.try_get::<i64, _>("migration_count")?).unwrap_or(u32::MAX),
        latest: row.try_get::<Option<String>, _>("latest")?.map(Version::from_stored),
        created: Timestamp::from_micros(row.try_get("created")?),
        updated: Timestamp::from_micros(row.try_get("updated")?),
        revision: from_stored(row.try_get("revision")?),
    })
}

fn read_migration(row: &SqliteRow) -> Result<Migration> {
    let scripts: String = row.try_get("scripts").map_err(failed)?;
    let scripts: Scripts = serde_json::from_str(&scripts).map_err(|cause| unreadable("migration", cause))?;
    let text = |column: &str| row.try_get::<String, _>(column).map_err(failed);
    Ok(Migration {
        version: Version::from_stored(text("version")?),
        title: text("title")?,
        checksum: text("checksum")?,
        up: scripts.up,
        down: scripts.down,
    })
}

fn read_summary(row: &SqliteRow) -> Result<MigrationSummary, sqlx::Error> {
    Ok(MigrationSummary {
        version: Version::from_stored(row.try_get("version")?),
        title: row.try_get("title")?,
        checksum: row.try_get("checksum")?,
        file: row.try_get("file")?,
        reversible: row.try_get::<i64, _>("reversible")? != 0,
        transactional: row.try_get::<i64, _>("transactional")? != 0,
        up_size: from_stored(row.try_get("up_size")?),
    })
}
