//! What is no table: the database itself, routines, triggers, events, and the sequences of MariaDB.
//!
//! Keys of all that match are read first, and the rest of those alone that are on the page.

mod details;
mod own_grants;

use async_trait::async_trait;
use sqlx::{MySqlConnection, mysql::MySqlRow};

use self::details::Details;
use super::{catalog::text, names, skipped::Blindness};
use crate::{
    engine::{InspectObjects, mysql::database::MysqlDatabase},
    model::{
        Result,
        schema::{ObjectFilter, ObjectKey, ObjectKind, ObjectList, ObjectPage, RoutineArgument, Skipped, TableKind},
    },
};

const ROUTINES: &str = "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?";
const TRIGGERS: &str =
    "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ?";
const EVENTS: &str = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?";

#[async_trait]
impl InspectObjects for MysqlDatabase {
    async fn list_objects(&self, filter: &ObjectFilter, page: &ObjectPage) -> Result<ObjectList> {
        let (mut lease, session) = self.reading_lease().await?;
        let schema = self.settings().database.as_str();
        let work = Box::pin(list(&mut lease, schema, self.server.is_mariadb(), filter, page));
        let found = self.abandonment.watch(session.id, work).await.map_err(|cause| self.failed(cause))?;
        lease.give_back().await;
        Ok(found)
    }
}

async fn list(
    connection: &mut MySqlConnection,
    schema: &str,
    mariadb: bool,
    filter: &ObjectFilter,
    page: &ObjectPage,
) -> Result<ObjectList, sqlx::Error> {
    let mut found = Keys { schema, filter, keys: Vec::new(), skipped: Vec::new() };
    found.read(connection, mariadb).await?;
    let total = found.keys.len() as u64;
    let keys = page.cut(found.keys);
    let mut skipped = found.skipped;
    let details = Details::read(connection, schema, &keys).await?;
    skipped.extend(details.skipped(mariadb));
    let objects = keys.into_iter().filter_map(|key| details.object(key)).collect();
    Ok(ObjectList { objects, total, skipped })
}

struct Keys<'a> {
    schema: &'a str,
    filter: &'a ObjectFilter,
    keys: Vec<ObjectKey>,
    skipped: Vec<Skipped>,
}

impl Keys<'_> {
    async fn read(&mut self, connection: &mut MySqlConnection, mariadb: bool) -> Result<(), sqlx::Error> {
        let blindness = Blindness::read(connection, self.schema).await?;
        if self.filter.takes_kind(ObjectKind::Schema) && self.filter.schema.is_none() {
            self.add(ObjectKind::Schema, String::new(), self.schema.to_owned(), String::new(), String::new());
        }
        if self.takes_any(&[ObjectKind::Schema, ObjectKind::Function, ObjectKind::Procedure]) {
            self.skipped.extend(blindness.grants_of_others());
        }
        if !self.filter.takes_schema(self.schema) {
            return Ok(());
        }
        if mariadb && self.filter.takes_kind(ObjectKind::Sequence) {
            for name in names::names(connection, self.schema, Some(TableKind::Sequence)).await? {
                self.add_plain(ObjectKind::Sequence, name);
            }
        }
        if self.takes_any(&[ObjectKind::Function, ObjectKind::Procedure]) {
            self.skipped.extend(blindness.without("EXECUTE", "routines on which the user has no privilege"));
            self.read_routines(connection).await?;
        }
        if self.filter.takes_kind(ObjectKind::Trigger) {
            self.skipped.extend(blindness.without("TRIGGER", "triggers of tables on which the user lacks TRIGGER"));
            for found in sqlx::query(TRIGGERS).bind(self.schema).fetch_all(&mut *connection).await? {
                let (name, table) = (text(&found, 0), text(&found, 1));
                self.add(ObjectKind::Trigger, self.schema.to_owned(), name, table, String::new());
            }
        }
        if self.filter.takes_kind(ObjectKind::Event) {
            self.skipped.extend(blindness.without("EVENT", "events"));
            for found in sqlx::query(EVENTS).bind(self.schema).fetch_all(connection).await? {
                self.add_plain(ObjectKind::Event, text(&found, 0));
            }
        }
        Ok(())
    }

    async fn read_routines(&mut self, connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        let routines = sqlx::query(ROUTINES).bind(self.schema).fetch_all(&mut *connection).await?;
        if routines.is_empty() {
            return Ok(());
        }
        let parameters = details::parameters(connection, self.schema).await?;
        for found in &routines {
            let name = text(found, 0);
            let Some(kind) = routine_kind(found) else {
                self.skip_package(&name);
                continue;
            };
            let arguments = parameters.get(&(kind, name.clone())).map_or(&[][..], |found| &found.arguments);
            self.add(kind, self.schema.to_owned(), name, String::new(), signature(arguments));
        }
        Ok(())
    }

    fn skip_package(&mut self, name: &str) {
        let subject = format!("package {}.{name}", self.schema);
        if self.filter.takes_name(name) && !self.skipped.iter().any(|skipped| skipped.subject == subject) {
            let reason = "packages of sql_mode = ORACLE are not described".to_owned();
            self.skipped.push(Skipped { subject, reason, remedy: String::new(), ..Skipped::default() });
        }
    }

    fn takes_any(&self, kinds: &[ObjectKind]) -> bool {
        kinds.iter().any(|kind| self.filter.takes_kind(*kind))
    }

    fn add_plain(&mut self, kind: ObjectKind, name: String) {
        self.add(kind, self.schema.to_owned(), name, String::new(), String::new());
    }

    fn add(&mut self, kind: ObjectKind, schema: String, name: String, table: String, signature: String) {
        if self.filter.takes_kind(kind) && self.filter.takes_name(&name) {
            self.keys.push(ObjectKey { schema, kind, name, table, signature });
        }
    }
}

/// Absent for the packages of MariaDB, which the contract has no kind for.
fn routine_kind(found: &MySqlRow) -> Option<ObjectKind> {
    match text(found, 1).as_str() {
        "FUNCTION" => Some(ObjectKind::Function),
        "PROCEDURE" => Some(ObjectKind::Procedure),
        _ => None,
    }
}

fn signature(arguments: &[RoutineArgument]) -> String {
    arguments.iter().map(|argument| argument.data_type.as_str()).collect::<Vec<_>>().join(", ")
}
