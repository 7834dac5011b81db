//! Which rules of LintSchema hold for an account.

use sqlx::{Executor, Row, Sqlite, sqlite::SqliteRow};

use super::{Store, failed, from_stored, to_stored, unreadable};
use crate::model::{
    AccountId, Error, Result, Timestamp,
    schema::{LintProfile, LintSettings, LintSettingsChange},
};

impl Store {
    /// What an account has set; the default where it never did.
    pub async fn lint_settings(&self, account: &AccountId) -> Result<LintSettings> {
        settings(self.reader(), account).await
    }

    /// Changes what an account has set. ETAG_MISMATCH where its revision is not the expected one. With `dry`, only the checks
    /// are made.
    pub async fn change_lint_settings(
        &self,
        account: &AccountId,
        change: LintSettingsChange,
        expected: Option<u64>,
        dry: bool,
    ) -> Result<LintSettings> {
        let mut transaction = self.begin().await?;
        let current = settings(&mut *transaction, account).await?;
        if expected.is_some_and(|expected| expected != current.revision) {
            return Err(Error::etag_mismatch("lint settings", "lintSettings"));
        }
        let changed = LintSettings {
            profile: change.profile.unwrap_or(current.profile),
            enabled: change.enabled.unwrap_or(current.enabled),
            disabled: change.disabled.unwrap_or(current.disabled),
            updated: Some(Timestamp::now()),
            revision: current.revision + 1,
        };
        if dry {
            return Ok(LintSettings { updated: current.updated, revision: current.revision, ..changed });
        }
        sqlx::query(
            "INSERT INTO lint_settings (account, profile, enabled, disabled, updated, revision)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (account) DO UPDATE
             SET profile = excluded.profile, enabled = excluded.enabled, disabled = excluded.disabled,
                 updated = excluded.updated, revision = excluded.revision",
        )
        .bind(account.as_str())
        .bind(changed.profile.as_str())
        .bind(changed.enabled.join("\n"))
        .bind(changed.disabled.join("\n"))
        .bind(changed.updated.map(Timestamp::as_micros))
        .bind(to_stored(changed.revision))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(changed)
    }
}

async fn settings<'e>(executor: impl Executor<'e, Database = Sqlite>, account: &AccountId) -> Result<LintSettings> {
    let row = sqlx::query("SELECT profile, enabled, disabled, updated, revision FROM lint_settings WHERE account = $1")
        .bind(account.as_str())
        .fetch_optional(executor)
        .await
        .map_err(failed)?;
    row.as_ref().map(read).transpose().map(Option::unwrap_or_default)
}

fn read(row: &SqliteRow) -> Result<LintSettings> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(failed);
    let rules = |column: &str| Ok::<_, Error>(text(column)?.lines().map(str::to_owned).collect());
    let profile = text("profile")?;
    Ok(LintSettings {
        profile: LintProfile::parse(&profile)
            .ok_or_else(|| unreadable("lint settings", format!("profile {profile}")))?,
        enabled: rules("enabled")?,
        disabled: rules("disabled")?,
        updated: Some(Timestamp::from_micros(row.try_get("updated").map_err(failed)?)),
        revision: from_stored(row.try_get("revision").map_err(failed)?),
    })
}
