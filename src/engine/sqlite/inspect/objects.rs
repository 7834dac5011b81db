//! What is no table: of all kinds SQLite has triggers alone.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{super::SCHEMA, SqliteDatabase, UNREADABLE, build, unreadable};
use crate::{
    engine::InspectObjects,
    model::{
        Result,
        schema::{ObjectDetails, ObjectFilter, ObjectKey, ObjectKind, ObjectList, ObjectPage, SchemaObject},
    },
};

#[async_trait]
impl InspectObjects for SqliteDatabase {
    async fn list_objects(&self, filter: &ObjectFilter, page: &ObjectPage) -> Result<ObjectList> {
        if !filter.takes_kind(ObjectKind::Trigger) || !filter.takes_schema(SCHEMA) {
            return Ok(ObjectList::default());
        }
        let mut lease = self.pool.lease(UNREADABLE).await?;
        let rows: Result<Vec<(String, String, String)>, sqlx::Error> =
            sqlx::query_as(include_str!("../catalog/triggers.sql")).fetch_all(&mut *lease).await;
        let rows = rows.map_err(unreadable)?;
        lease.give_back().await;
        let matching = rows.into_iter().filter(|(name, ..)| filter.takes_name(name));
        let mut found: HashMap<ObjectKey, String> =
            matching.map(|(name, table, sql)| (key(name, table), sql)).collect();
        let total = found.len() as u64;
        let keys = page.cut(found.keys().cloned().collect());
        let objects = keys.into_iter().filter_map(|key| found.remove_entry(&key)).map(object).collect();
        Ok(ObjectList { objects, total, skipped: Vec::new() })
    }
}

fn key(name: String, table: String) -> ObjectKey {
    ObjectKey { schema: SCHEMA.to_owned(), kind: ObjectKind::Trigger, name, table, signature: String::new() }
}

fn object((key, sql): (ObjectKey, String)) -> SchemaObject {
    let details = ObjectDetails::Trigger(Box::new(build::trigger(&key.name, &sql)));
    let object = SchemaObject::new(key.kind, &key.schema, &key.name, details);
    SchemaObject { table: key.table, definition: sql, ..object }
}
