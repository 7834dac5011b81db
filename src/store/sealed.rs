//! The registry of sealed fields: every column that holds what the master key sealed. A rotation walks it, a start guards
//! it, and the count of what a version of the key still seals comes from it. A test fails for a column of bytes that is
//! neither here nor listed there as something else, so that a new one cannot be forgotten.

use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

use super::{Store, failed, from_stored, master_key::mark};
use crate::model::Result;

/// A column of sealed records. The parts of the place that a record is sealed for are SQL over the columns of its row.
pub struct SealedField {
    table: &'static str,
    column: &'static str,
    /// The columns of the primary key, all of them texts.
    key: &'static [&'static str],
    account: &'static str,
    resource: &'static str,
    field: &'static str,
    version: &'static str,
}

/// Every sealed field of the store.
pub const SEALED_FIELDS: &[SealedField] = &[
    SealedField {
        table: "server_keys",
        column: "sealed",
        key: &["name"],
        account: "''",
        resource: "'server'",
        field: "name",
        version: "1",
    },
    SealedField {
        table: "connections",
        column: "sealed_password",
        key: &["account", "id"],
        account: "account",
        resource: "'connections/' || id",
        field: "'password'",
        version: "credential_revision",
    },
    SealedField {
        table: "connections",
        column: "sealed_client_key",
        key: &["account", "id"],
        account: "account",
        resource: "'connections/' || id",
        field: "'client_key'",
        version: "credential_revision",
    },
    SealedField {
        table: "pending_credentials",
        column: "sealed_password",
        key: &["account", "connection"],
        account: "account",
        resource: "'connections/' || connection",
        field: "'password'",
        version: "credential_revision",
    },
    SealedField {
        table: "pending_credentials",
        column: "sealed_client_key",
        key: &["account", "connection"],
        account: "account",
        resource: "'connections/' || connection",
        field: "'client_key'",
        version: "credential_revision",
    },
];

/// What the store answers to a record that is sealed with a retired version.
pub(super) const RETIRED: &str = "sealed with a retired master key";

/// A sealed record with the place that it is sealed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// The primary key of its row.
    pub key: Vec<String>,
    /// Whose it is; empty for the server's own.
    pub account: String,
    /// The resource.
    pub resource: String,
    /// The field of the resource.
    pub field: String,
    /// The version of the secret.
    pub version: u64,
    /// The record.
    pub sealed: Vec<u8>,
}

/// A record that was sealed anew.
pub struct Resealed {
    /// As it was read.
    pub row: SealedRow,
    /// As it is to be.
    pub sealed: Vec<u8>,
}

/// The SQL that counts sealed records by the mark of their version.
pub(super) fn references(condition: &str) -> String {
    let counts = SEALED_FIELDS.iter().map(|field| {
        let SealedField { table, column, .. } = field;
        format!("(SELECT COUNT(*) FROM {table} WHERE substr({column}, 2, 4) {condition})")
    });
    format!("SELECT {}", counts.collect::<Vec<_>>().join(" + "))
}

/// Makes the store refuse records that are sealed with a retired version. A call that sealed its secret before a rotation
/// and stores it after the end of that rotation would else leave a record that no key opens.
pub(super) async fn guard(writer: &SqlitePool) -> Result<()> {
    for SealedField { table, column, .. } in SEALED_FIELDS {
        for (event, when) in [("insert", "INSERT".to_owned()), ("update", format!("UPDATE OF {column}"))] {
            let trigger = format!(
                "CREATE TRIGGER IF NOT EXISTS {table}_{column}_{event}_not_retired BEFORE {when} ON {table}
                 WHEN EXISTS (SELECT 1 FROM master_keys
                              WHERE state = 'retired' AND mark = substr(NEW.{column}, 2, 4))
                 BEGIN SELECT RAISE(ABORT, '{RETIRED}'); END"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(writer).await.map_err(failed)?;
        }
    }
    Ok(())
}

impl Store {
    /// True where anything is stored that only the master key opens, so that a new one must not be made.
    pub async fn holds_sealed_records(&self) -> Result<bool> {
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(references("IS NOT NULL")))
            .fetch_one(self.writer())
            .await
            .map_err(failed)?;
        Ok(count > 0)
    }

    /// How many records are sealed with a version of the master key.
    pub async fn sealed_with(&self, version: u32) -> Result<u64> {
        self.count_sealed("= $1", version).await
    }

    /// How many records are sealed with another version than this.
    pub async fn sealed_without(&self, version: u32) -> Result<u64> {
        self.count_sealed("<> $1", version).await
    }

    async fn count_sealed(&self, condition: &str, version: u32) -> Result<u64> {
        sqlx::query_scalar(sqlx::AssertSqlSafe(references(condition)))
            .bind(mark(version))
            .fetch_one(self.reader())
            .await
            .map(from_stored)
            .map_err(failed)
    }

    /// Records of a field that are sealed with another version than this, in the order of their keys after `after`.
    pub async fn sealed_rows(
        &self,
        field: &SealedField,
        version: u32,
        after: Option<&[String]>,
        limit: u32,
    ) -> Result<Vec<SealedRow>> {
        let SealedField { table, column, key, account, resource, field: name, version: revision } = field;
        let keys = key.join(", ");
        let first = vec![String::new(); key.len()];
        let marks = (0..key.len()).map(|place| format!("${}", place + 3)).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT {keys}, {account} AS sealed_account, {resource} AS sealed_resource, {name} AS sealed_field,
                    {revision} AS sealed_version, {column} AS sealed_record
             FROM {table}
             WHERE substr({column}, 2, 4) <> $1 AND ({keys}) > ({marks})
             ORDER BY {keys} LIMIT $2"
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(mark(version)).bind(i64::from(limit));
        for part in after.unwrap_or(&first) {
            query = query.bind(part);
        }
        let rows = query.fetch_all(self.reader()).await.map_err(failed)?;
        rows.iter().map(|row| read(row, key)).collect::<Result<_, _>>().map_err(failed)
    }

    /// Puts records that were sealed anew in the place of what was read, in one transaction. One that was changed or deleted
    /// meanwhile stays as it is.
    pub async fn replace_sealed(&self, field: &SealedField, resealed: &[Resealed]) -> Result<()> {
        let SealedField { table, column, key, .. } = field;
        let same = key.iter().enumerate().map(|(place, name)| format!("{name} = ${}", place + 3));
        let sql = format!(
            "UPDATE {table} SET {column} = $1 WHERE {column} = $2 AND {}",
            same.collect::<Vec<_>>().join(" AND ")
        );
        let mut transaction = self.begin().await?;
        for Resealed { row, sealed } in resealed {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone())).bind(sealed).bind(&row.sealed);
            for part in &row.key {
                query = query.bind(part);
            }
            query.execute(&mut *transaction).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        // What is in memory holds the records as they were.
        self.connections.clear();
        Ok(())
    }
}

fn read(row: &SqliteRow, key: &[&str]) -> Result<SealedRow, sqlx::Error> {
    Ok(SealedRow {
        key: key.iter().map(|column| row.try_get(*column)).collect::<Result<_, _>>()?,
        account: row.try_get("sealed_account")?,
        resource: row.try_get("sealed_resource")?,
        field: row.try_get("sealed_field")?,
        version: from_stored(row.try_get("sealed_version")?),
        sealed: row.try_get("sealed_record")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reason;

    /// Columns of bytes that are not sealed, each with what it holds.
    const NOT_SEALED: &[(&str, &str)] = &[
        ("settings.value", "the store's id, in clear"),
        ("master_keys.mark", "the number of a version"),
        ("master_keys.key_check", "an HMAC"),
        ("api_keys.digest", "an HMAC"),
        ("api_keys.previous_digest", "an HMAC"),
        ("requests.digest", "a keyed digest"),
        ("pending_credentials.request_digest", "a keyed digest"),
        ("audit_events.mac", "an HMAC"),
        ("audit_heads.mac", "an HMAC"),
        ("audit_heads.seal", "an HMAC"),
        ("audit_checkpoints.mac", "an HMAC"),
        ("audit_checkpoints.seal", "an HMAC"),
    ];

    async fn open() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("store.db")).await.unwrap();
        (directory, store)
    }

    #[tokio::test]
    async fn every_column_of_bytes_is_registered_or_known_to_be_no_secret() {
        let (_directory, store) = open().await;
        let columns: Vec<(String, String)> = sqlx::query_as(
            "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
             WHERE t.type = 'table' AND upper(c.type) = 'BLOB'",
        )
        .fetch_all(store.writer())
        .await
        .unwrap();
        let mut found: Vec<String> = columns.into_iter().map(|(table, column)| format!("{table}.{column}")).collect();
        let sealed = SEALED_FIELDS.iter().map(|field| format!("{}.{}", field.table, field.column));
        let mut known: Vec<String> = sealed.chain(NOT_SEALED.iter().map(|(name, _)| (*name).to_owned())).collect();
        found.sort();
        known.sort();
        assert_eq!(found, known, "register a new sealed column in SEALED_FIELDS, or say here what else it holds");
    }

    #[tokio::test]
    async fn a_version_is_retired_only_without_references_and_refused_from_then_on() {
        let (_directory, store) = open().await;
        let record = |version: u32| [&[1][..], &version.to_be_bytes(), b"rest"].concat();
        store.make_master_key_current(1, &[1; 32]).await.unwrap();
        store.add_server_key("token", &record(1)).await.unwrap();
        store.make_master_key_current(2, &[2; 32]).await.unwrap();
        assert_eq!((store.sealed_with(1).await.unwrap(), store.sealed_without(2).await.unwrap()), (1, 1));
        assert!(!store.retire_master_key(1).await.unwrap());

        let row = store.sealed_rows(&SEALED_FIELDS[0], 2, None, 10).await.unwrap().remove(0);
        assert_eq!((row.resource.as_str(), row.field.as_str(), row.version), ("server", "token", 1));
        let changed = SealedRow { sealed: b"something else".to_vec(), ..row.clone() };
        store.replace_sealed(&SEALED_FIELDS[0], &[Resealed { row: changed, sealed: record(2) }]).await.unwrap();
        assert_eq!(store.sealed_with(1).await.unwrap(), 1, "what was changed meanwhile stays");
        store.replace_sealed(&SEALED_FIELDS[0], &[Resealed { row, sealed: record(2) }]).await.unwrap();
        assert!(store.retire_master_key(1).await.unwrap());
        let error = store.add_server_key("late", &record(1)).await.unwrap_err();
        assert_eq!(error.reason(), Reason::MasterKeyRotated);
        store.add_server_key("new", &record(2)).await.unwrap();
    }

    #[tokio::test]
    async fn records_are_walked_in_batches_by_their_whole_key() {
        let (_directory, store) = open().await;
        for name in ["a", "b", "c", "d", "e"] {
            store.add_server_key(name, &[1, 0, 0, 0, 1, 9]).await.unwrap();
        }
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let rows = store.sealed_rows(&SEALED_FIELDS[0], 2, after.as_deref(), 2).await.unwrap();
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            seen.extend(rows.into_iter().map(|row| row.field));
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }
}
