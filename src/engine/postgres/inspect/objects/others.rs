//! Sequences, parts of tables, and what stands beside all tables.

use std::collections::HashMap;

use sqlx::{
    Row,
    postgres::{PgRow, types::Oid},
};

use super::{ObjectReader, Part};
use crate::{
    engine::postgres::inspect::{
        catalog::{foreign_options, object_name, text},
        details::sequence,
        rewrite, trigger,
    },
    model::{
        Result,
        schema::{
            CollationObject, Extension, ForeignServer, ObjectDetails, ObjectName, Publication, PublishedTable,
            SchemaNamespace, SequenceObject, TriggerEvent,
        },
    },
};

const COLLATIONS: &str = include_str!("../catalog/objects/collations.sql");
const EXTENSIONS: &str = include_str!("../catalog/objects/extensions.sql");
const POLICIES: &str = include_str!("../catalog/policies.sql");
const PUBLICATIONS: &str = include_str!("../catalog/objects/publications.sql");
const PUBLISHED_TABLES: &str = include_str!("../catalog/objects/published_tables.sql");
const RULES: &str = include_str!("../catalog/rules.sql");
const SCHEMAS: &str = include_str!("../catalog/objects/schemas.sql");
const SEQUENCES: &str = include_str!("../catalog/objects/sequences.sql");
const SERVERS: &str = include_str!("../catalog/objects/servers.sql");
const TRIGGERS: &str = include_str!("../catalog/triggers.sql");

/// The details of an object.
type ReadObject = fn(&PgRow) -> ObjectDetails;
/// The details of an object, with its definition where the server writes one.
type ReadPart = fn(&PgRow) -> (ObjectDetails, String);

impl ObjectReader<'_, '_> {
    /// Triggers, policies and rules are read by their tables, of which none is locked.
    pub(super) async fn parts_of_tables(&mut self) -> Result<()> {
        let parts: [(&'static str, &'static str, ReadPart); 3] = [
            ("pg_trigger", TRIGGERS, trigger_part),
            ("pg_policy", POLICIES, policy_part),
            ("pg_rewrite", RULES, rule_part),
        ];
        for (catalog, sql, read) in parts {
            let Some(mut tables) = self.wanted_of(catalog) else { continue };
            tables.retain(|table| !self.locked.contains(table));
            tables.sort_unstable_by_key(|table| table.0);
            tables.dedup();
            let query = self.transaction.query(sql).bind(&tables);
            for row in &self.transaction.rows(query).await? {
                self.found.insert(Part { catalog, oid: row.get("relation"), name: row.get("name") }, read(row));
            }
        }
        Ok(())
    }

    pub(super) async fn sequences(&mut self) -> Result<()> {
        let Some(oids) = self.wanted_of("pg_class") else { return Ok(()) };
        let query = self.transaction.query(SEQUENCES).bind(&oids).bind(self.locked);
        for row in &self.transaction.rows(query).await? {
            self.gaps.add_sequence(row, self.locked);
            let owner = object_name(row, "table_schema", "table_name");
            let details = SequenceObject {
                options: sequence(row),
                owned_by: owner.map(|table| (table, text(row, "column_name"))),
                unlogged: row.get("unlogged"),
            };
            self.add("pg_class", row.get("oid"), ObjectDetails::Sequence(Box::new(details)), String::new());
        }
        Ok(())
    }

    /// Kinds that take one query each and need nothing else.
    pub(super) async fn others(&mut self) -> Result<()> {
        let kinds: [(&'static str, &'static str, ReadObject); 4] = [
            ("pg_extension", EXTENSIONS, extension),
            ("pg_collation", COLLATIONS, collation),
            ("pg_foreign_server", SERVERS, server),
            ("pg_namespace", SCHEMAS, schema),
        ];
        for (catalog, sql, read) in kinds {
            let Some(oids) = self.wanted_of(catalog) else { continue };
            let query = self.transaction.query(sql).bind(&oids);
            for row in &self.transaction.rows(query).await? {
                self.add(catalog, row.get("oid"), read(row), String::new());
            }
        }
        self.publications().await
    }

    async fn publications(&mut self) -> Result<()> {
        let Some(oids) = self.wanted_of("pg_publication") else { return Ok(()) };
        let most = self.most_published;
        let query = self.transaction.query(PUBLISHED_TABLES).bind(&oids).bind(self.locked).bind(most);
        let mut tables: HashMap<Oid, Vec<PublishedTable>> = HashMap::new();
        for row in &self.transaction.rows(query).await? {
            tables.entry(row.get("oid")).or_default().push(published_table(row));
        }
        let query = self.transaction.query(PUBLICATIONS).bind(&oids);
        for row in &self.transaction.rows(query).await? {
            let oid = row.get("oid");
            let publication = publication(row, tables.remove(&oid).unwrap_or_default());
            self.add("pg_publication", oid, ObjectDetails::Publication(publication), String::new());
        }
        Ok(())
    }
}

fn trigger_part(row: &PgRow) -> (ObjectDetails, String) {
    let trigger = trigger::read(row);
    let definition = trigger.definition.clone();
    (ObjectDetails::Trigger(Box::new(trigger)), definition)
}

fn policy_part(row: &PgRow) -> (ObjectDetails, String) {
    (ObjectDetails::Policy(rewrite::policy(row)), String::new())
}

fn rule_part(row: &PgRow) -> (ObjectDetails, String) {
    let rule = rewrite::rule(row);
    let definition = rule.definition.clone();
    (ObjectDetails::Rule(rule), definition)
}

fn extension(row: &PgRow) -> ObjectDetails {
    ObjectDetails::Extension(Extension {
        version: row.get("version"),
        available_version: text(row, "available"),
        relocatable: row.get("relocatable"),
    })
}

fn collation(row: &PgRow) -> ObjectDetails {
    ObjectDetails::Collation(CollationObject {
        provider: text(row, "provider"),
        locale: text(row, "locale"),
        character_type: text(row, "character_type"),
        icu_rules: text(row, "rules"),
        deterministic: row.get("deterministic"),
        version: text(row, "version"),
        actual_version: text(row, "actual_version"),
    })
}

fn server(row: &PgRow) -> ObjectDetails {
    ObjectDetails::ForeignServer(ForeignServer {
        wrapper: row.get("wrapper"),
        server_type: text(row, "server_type"),
        version: text(row, "version"),
        options: foreign_options(row.get("options")),
        mapped_users: row.get("mapped_users"),
    })
}

fn schema(row: &PgRow) -> ObjectDetails {
    ObjectDetails::Schema(SchemaNamespace {
        default_privileges: row.get("default_privileges"),
        ..SchemaNamespace::default()
    })
}

fn publication(row: &PgRow, tables: Vec<PublishedTable>) -> Publication {
    let operations = [
        ("inserts", TriggerEvent::Insert),
        ("updates", TriggerEvent::Update),
        ("deletes", TriggerEvent::Delete),
        ("truncates", TriggerEvent::Truncate),
    ];
    Publication {
        all_tables: row.get("all_tables"),
        tables,
        table_count: row.get("table_count"),
        schemas: row.get("schemas"),
        operations: operations.into_iter().filter(|(column, _)| row.get(*column)).map(|(_, event)| event).collect(),
        via_root: row.get("via_root"),
    }
}

fn published_table(row: &PgRow) -> PublishedTable {
    PublishedTable {
        table: ObjectName { schema: row.get("schema"), name: row.get("name") },
        columns: row.get("columns"),
        row_filter: text(row, "filter"),
    }
}
