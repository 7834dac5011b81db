//! Locks of others, and what could not be read for them or for want of a privilege.

use std::collections::BTreeMap;

use sqlx::{
    Row,
    postgres::{PgRow, types::Oid},
};

use super::relation::full_name;
use crate::{
    engine::postgres::database::ReadTransaction,
    model::{
        Error, Reason, Result,
        name::Identifier,
        schema::{Hidden, ObjectName, Skipped},
    },
};

const LOCKED: &str = include_str!("catalog/locked.sql");
const NAMES: &str = include_str!("catalog/names.sql");

/// What could not be read.
#[derive(Default)]
pub(in crate::engine::postgres) struct Gaps {
    skipped: Vec<Skipped>,
    /// Sequences whose last number is locked.
    locked_sequences: Vec<String>,
    /// Sequences without a privilege to read them, by schema.
    closed_sequences: BTreeMap<String, u64>,
}

impl Gaps {
    /// Something that another session keeps locked.
    pub(super) fn add_locked(&mut self, subject: String, hidden: Hidden) {
        self.skipped.push(locked(subject, hidden));
    }

    /// A relation that failed when it was read, for what another session does to it meanwhile.
    pub(super) fn add_changing(&mut self, name: ObjectName, error: &Error) {
        let (subject, hidden) = (full_name(&name), Hidden::Relation(name));
        if error.reason() == Reason::LockTimeout {
            return self.add_locked(subject, hidden);
        }
        self.skipped.push(Skipped {
            subject,
            reason: "another session dropped or changed it while it was read".to_owned(),
            remedy: "try again".to_owned(),
            hidden,
        });
    }

    /// The last number of a sequence, where it could not be read.
    pub(super) fn add_sequence(&mut self, row: &PgRow, locked: &[Oid]) {
        let schema: String = row.get("schema");
        if !row.get::<bool, _>("readable") {
            *self.closed_sequences.entry(schema).or_default() += 1;
        } else if locked.contains(&row.get("oid")) {
            self.locked_sequences.push(format!("{schema}.{}", row.get::<&str, _>("name")));
        }
    }

    /// Takes in what could not be read of a part.
    pub(super) fn append(&mut self, part: Self) {
        self.skipped.extend(part.skipped);
        self.locked_sequences.extend(part.locked_sequences);
        for (schema, count) in part.closed_sequences {
            *self.closed_sequences.entry(schema).or_default() += count;
        }
    }

    /// All of it, with what would mend it for a user.
    pub(super) fn into_skipped(mut self, username: &str) -> Vec<Skipped> {
        let numbers = self
            .locked_sequences
            .iter()
            .map(|name| locked(format!("last number of the sequence {name}"), Hidden::Nothing));
        self.skipped.extend(numbers);
        let quoted = |name: &str| Identifier::parse(name, "name").map(|name| name.double_quoted()).unwrap_or_default();
        self.skipped.extend(self.closed_sequences.iter().map(|(schema, count)| Skipped {
            subject: format!("last numbers of {count} sequences in schema {schema}"),
            reason: format!("user {username:?} holds neither USAGE nor SELECT on them"),
            remedy: format!("GRANT SELECT ON ALL SEQUENCES IN SCHEMA {} TO {}", quoted(schema), quoted(username)),
            ..Skipped::default()
        }));
        self.skipped
    }

    /// What of it is about definitions, to which last numbers do not belong.
    pub(in crate::engine::postgres) fn of_definitions(self) -> Vec<Skipped> {
        self.skipped
    }
}

fn locked(subject: String, hidden: Hidden) -> Skipped {
    Skipped {
        subject,
        reason: "another session holds or waits for an exclusive lock on it, or on what it reads".to_owned(),
        remedy: "try again when it is done".to_owned(),
        hidden,
    }
}

/// Relations whose definitions and sizes would have to be waited for.
pub(super) async fn locked_relations(transaction: &mut ReadTransaction<'_>) -> Result<Vec<Oid>> {
    let query = transaction.query(LOCKED);
    let rows = transaction.rows(query).await?;
    Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
}

/// Names of relations, in the same order.
pub(super) async fn names(transaction: &mut ReadTransaction<'_>, oids: &[Oid]) -> Result<Vec<ObjectName>> {
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let query = transaction.query(NAMES).bind(oids);
    let rows = transaction.rows(query).await?;
    Ok(rows.iter().map(|row| ObjectName { schema: row.get("schema"), name: row.get("name") }).collect())
}

/// A lock that was taken meanwhile, or an object that was dropped between two catalogs.
pub(in crate::engine::postgres) fn is_passing(error: &Error) -> bool {
    error.reason() == Reason::LockTimeout || error.metadata("sql_state") == Some("XX000")
}
