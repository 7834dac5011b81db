//! Puts migrations that the server wrote itself behind the newest of a set.

use std::{collections::BTreeSet, time::SystemTime};

use super::{
    ImportOptions, ImportReport, MigrationService,
    import::{MigrationFile, read_files},
};
use crate::model::{
    CallContext, MigrationSetId, Result,
    migration::{MigrationFormat, Version},
};

/// A migration without a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMigration {
    /// What it does, as a part of a file's name.
    pub title: String,
    /// Text of the up part.
    pub up: String,
    /// Text of the down part.
    pub down: String,
}

impl NewMigration {
    fn files(&self, version: &str) -> [MigrationFile; 2] {
        let file = |part: &str, content: &String| MigrationFile {
            path: format!("{version}_{}.{part}.sql", self.title),
            content: content.clone(),
        };
        [file("up", &self.up), file("down", &self.down)]
    }
}

impl MigrationService {
    /// Gives each migration that the set has not yet, by its texts, a version behind the newest, all or none. `expected` is the
    /// revision that the set must have.
    pub async fn append(
        &self,
        context: &CallContext,
        id: &MigrationSetId,
        migrations: &[NewMigration],
        expected: Option<u64>,
        validate_only: bool,
    ) -> Result<ImportReport> {
        let set = self.get_set_at(context, id, expected).await?;
        let known = self.store.migration_summaries(context.account(), id).await?;
        let known: BTreeSet<&str> = known.iter().map(|summary| summary.checksum.as_str()).collect();
        let (mut files, mut unchanged) = (Vec::new(), 0);
        let mut version = first_version(set.latest.as_ref(), SystemTime::now());
        for migration in migrations {
            let pair = migration.files(&version);
            let read = read_files(&pair, Some(MigrationFormat::GolangMigrate))?;
            if read.migrations.iter().all(|migration| known.contains(migration.checksum.as_str())) {
                unchanged += 1;
                continue;
            }
            files.extend(pair);
            version = following(&version);
        }
        let format = MigrationFormat::GolangMigrate;
        if files.is_empty() {
            return Ok(ImportReport { format, added: 0, changed: 0, unchanged, set });
        }
        let options = ImportOptions { format: Some(format), allow_changes: false, expected, validate_only };
        let report = self.import(context, id, &files, options).await?;
        Ok(ImportReport { unchanged: report.unchanged + unchanged, ..report })
    }
}

/// The moment in digits, as many tools write it, or the number behind the newest version where that is higher.
fn first_version(latest: Option<&Version>, now: SystemTime) -> String {
    let moment = humantime::format_rfc3339_seconds(now).to_string();
    let moment: String = moment.chars().filter(char::is_ascii_digit).collect();
    match latest {
        Some(latest) if *latest >= Version::from_stored(moment.clone()) => {
            following(latest.as_str().split(['.', '_']).next().unwrap_or_default())
        }
        _ => moment,
    }
}

/// The next number, whatever its length.
fn following(number: &str) -> String {
    let mut digits: Vec<u8> = number.bytes().collect();
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return String::from_utf8_lossy(&digits).into_owned();
        }
        *digit = b'0';
    }
    format!("1{}", String::from_utf8_lossy(&digits))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_version_is_behind_the_newest() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let first = |latest: &str| first_version(Some(&Version::from_stored(latest.to_owned())), now);
        assert_eq!(first_version(None, now), "20231114221320");
        assert_eq!(first("7"), "20231114221320");
        assert_eq!(first("20231114221320"), "20231114221321");
        assert_eq!(first("99999999999999.5"), "100000000000000");
        assert_eq!(following("0999"), "1000");
    }
}
