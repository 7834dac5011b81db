//! What is no table: keys of all that match first, and the rest for those of the page alone, one query a catalog.

mod others;
mod routines;
mod types;

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::{Row, postgres::types::Oid};

use super::{
    ATTEMPTS,
    catalog::text,
    details::grant,
    lock::{Gaps, is_passing, locked_relations},
};
use crate::{
    engine::{
        InspectObjects,
        postgres::database::{PostgresDatabase, ReadTransaction},
    },
    model::{
        Result,
        schema::{
            Hidden, ObjectDetails, ObjectFilter, ObjectGrant, ObjectKey, ObjectKind, ObjectList, ObjectName,
            ObjectPage, Publication, SchemaObject,
        },
    },
};

const COMMON: &str = include_str!("catalog/objects/common.sql");
const KEYS: &str = include_str!("catalog/objects/keys.sql");

#[async_trait]
impl InspectObjects for PostgresDatabase {
    async fn list_objects(&self, filter: &ObjectFilter, page: &ObjectPage) -> Result<ObjectList> {
        let mut attempt = 1;
        loop {
            match Box::pin(self.read_objects(filter, page)).await {
                Err(error) if attempt < ATTEMPTS && is_passing(&error) => attempt += 1,
                outcome => return outcome,
            }
        }
    }
}

impl PostgresDatabase {
    async fn read_objects(&self, filter: &ObjectFilter, page: &ObjectPage) -> Result<ObjectList> {
        let mut transaction = self.leases().begin().await?;
        let found = read_objects(&mut transaction, filter, page, Publication::MAX_TABLES as i64).await?;
        let skipped = found.gaps.into_skipped(transaction.username());
        transaction.commit().await?;
        Ok(ObjectList { objects: found.objects, total: found.total, skipped })
    }
}

/// Objects that were read.
pub(in crate::engine::postgres) struct FoundObjects {
    /// By their keys.
    pub(in crate::engine::postgres) objects: Vec<SchemaObject>,
    /// How many match in all.
    total: u64,
    /// What could not be read.
    pub(in crate::engine::postgres) gaps: Gaps,
}

/// A part of the objects that match, with at most so many tables of each publication.
pub(in crate::engine::postgres) async fn read_objects(
    transaction: &mut ReadTransaction<'_>,
    filter: &ObjectFilter,
    page: &ObjectPage,
    most_published: i64,
) -> Result<FoundObjects> {
    let mut found = keys(transaction, filter).await?;
    let total = found.len() as u64;
    let wanted: Vec<(ObjectKey, Oid)> =
        page.cut(found.keys().cloned().collect()).into_iter().filter_map(|key| found.remove_entry(&key)).collect();
    let locked = locked_relations(transaction).await?;
    let mut reader = ObjectReader {
        transaction,
        wanted: &wanted,
        locked: &locked,
        most_published,
        gaps: Gaps::default(),
        found: HashMap::new(),
    };
    reader.types().await?;
    reader.routines().await?;
    reader.parts_of_tables().await?;
    reader.sequences().await?;
    reader.others().await?;
    let mut common = reader.common().await?;
    let mut objects = Vec::with_capacity(wanted.len());
    let ObjectReader { mut found, mut gaps, .. } = reader;
    for (key, oid) in wanted {
        match found.remove(&Part::of(&key, oid)) {
            Some((details, definition)) => {
                let common = common.remove(&(catalog(key.kind), oid)).unwrap_or_default();
                objects.push(object(key, details, definition, common));
            }
            None => {
                let subject = format!("{} {}.{}", key.kind.as_str(), key.schema, key.name);
                gaps.add_locked(subject, Hidden::Object(key.kind, ObjectName { schema: key.schema, name: key.name }));
            }
        }
    }
    Ok(FoundObjects { objects, total, gaps })
}

/// Keys of all objects that match.
async fn keys(transaction: &mut ReadTransaction<'_>, filter: &ObjectFilter) -> Result<HashMap<ObjectKey, Oid>> {
    let kinds = ObjectKind::ALL.into_iter().filter(|kind| filter.takes_kind(*kind));
    let kinds: Vec<&str> = kinds.map(ObjectKind::as_str).collect();
    let query = transaction
        .query(KEYS)
        .bind(kinds)
        .bind(filter.schema.as_deref())
        .bind(filter.name_pattern.as_ref().map(|pattern| pattern.as_str()));
    let rows = transaction.rows(query).await?;
    let key = |row: &sqlx::postgres::PgRow| {
        let key = ObjectKey {
            schema: row.get("schema"),
            kind: ObjectKind::parse(row.get("kind"))?,
            name: row.get("name"),
            table: row.get("relation"),
            signature: row.get("signature"),
        };
        Some((key, row.get("oid")))
    };
    Ok(rows.iter().filter_map(key).collect())
}

/// Where the details of an object are found: by catalog and oid, and for parts of a table by the table's oid and their name.
#[derive(PartialEq, Eq, Hash)]
struct Part {
    catalog: &'static str,
    oid: Oid,
    name: String,
}

impl Part {
    fn of(key: &ObjectKey, oid: Oid) -> Self {
        let name = if key.table.is_empty() { String::new() } else { key.name.clone() };
        Self { catalog: catalog(key.kind), oid, name }
    }
}

/// The catalog that a kind is in.
fn catalog(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Enum | ObjectKind::Domain | ObjectKind::CompositeType | ObjectKind::RangeType => "pg_type",
        ObjectKind::Sequence => "pg_class",
        ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate => "pg_proc",
        ObjectKind::Trigger => "pg_trigger",
        ObjectKind::Policy => "pg_policy",
        ObjectKind::Rule => "pg_rewrite",
        ObjectKind::Extension => "pg_extension",
        ObjectKind::Collation => "pg_collation",
        ObjectKind::Publication => "pg_publication",
        ObjectKind::ForeignServer => "pg_foreign_server",
        ObjectKind::Schema => "pg_namespace",
        // PostgreSQL has none.
        ObjectKind::Event => "",
    }
}

/// Reads the details of a page of objects.
struct ObjectReader<'a, 'b> {
    transaction: &'a mut ReadTransaction<'b>,
    wanted: &'a [(ObjectKey, Oid)],
    locked: &'a [Oid],
    /// Most tables of a publication that are told.
    most_published: i64,
    gaps: Gaps,
    found: HashMap<Part, (ObjectDetails, String)>,
}

impl ObjectReader<'_, '_> {
    /// The objects of a catalog on the page; where there are none, no query is needed.
    fn wanted_of(&self, wanted: &str) -> Option<Vec<Oid>> {
        let of_catalog = self.wanted.iter().filter(|(key, _)| catalog(key.kind) == wanted);
        let oids: Vec<Oid> = of_catalog.map(|(_, oid)| *oid).collect();
        (!oids.is_empty()).then_some(oids)
    }

    fn add(&mut self, catalog: &'static str, oid: Oid, details: ObjectDetails, definition: String) {
        self.found.insert(Part { catalog, oid, name: String::new() }, (details, definition));
    }

    /// Owners, comments and privileges.
    async fn common(&mut self) -> Result<HashMap<(&'static str, Oid), Common>> {
        let (catalogs, oids): (Vec<&'static str>, Vec<Oid>) =
            self.wanted.iter().map(|(key, oid)| (catalog(key.kind), *oid)).unzip();
        let query = self.transaction.query(COMMON).bind(&catalogs).bind(&oids);
        let mut all: HashMap<(&'static str, Oid), Common> = HashMap::new();
        for row in &self.transaction.rows(query).await? {
            let class: &str = row.get("class");
            let Some(catalog) = catalogs.iter().find(|catalog| **catalog == class) else { continue };
            let common = all.entry((catalog, row.get("oid"))).or_default();
            common.owner = text(row, "owner");
            common.comment = text(row, "comment");
            if row.get::<Option<&str>, _>("privilege").is_some() {
                common.grants.push(grant(row));
            }
        }
        Ok(all)
    }
}

/// What objects of most kinds have.
#[derive(Default)]
struct Common {
    owner: String,
    comment: String,
    grants: Vec<ObjectGrant>,
}

fn object(key: ObjectKey, details: ObjectDetails, definition: String, common: Common) -> SchemaObject {
    let comment = match &details {
        ObjectDetails::Trigger(trigger) => trigger.comment.clone(),
        ObjectDetails::Policy(policy) => policy.comment.clone(),
        ObjectDetails::Rule(rule) => rule.comment.clone(),
        _ => common.comment,
    };
    let mut grants = common.grants;
    grants.sort_unstable();
    SchemaObject {
        signature: key.signature,
        table: key.table,
        owner: common.owner,
        comment,
        grants,
        definition,
        ..SchemaObject::new(key.kind, &key.schema, &key.name, details)
    }
}
