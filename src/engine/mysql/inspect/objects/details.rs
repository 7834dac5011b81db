//! The objects of a page.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, MySqlConnection, mysql::MySqlRow};

use super::{
    super::{
        assemble::trigger::trigger,
        catalog::{integer, text},
        creation, grant, security, sequence,
    },
    own_grants, routine_kind,
};
use crate::{
    engine::mysql::row,
    model::{
        Timestamp,
        schema::{
            ArgumentMode, Hidden, MysqlRoutine, ObjectDetails, ObjectGrant, ObjectKey, ObjectKind, Routine,
            RoutineArgument, RoutineDetails, ScheduledEvent, SchemaNamespace, SchemaObject, SequenceObject,
            SequenceOptions, Skipped,
        },
    },
};

const SCHEMA: &str = "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA \
    WHERE SCHEMA_NAME = ?";

/// Kind and name of a routine: a function and a procedure may have the same.
type RoutineKey = (ObjectKind, String);

/// What goes into a routine and comes out of it.
#[derive(Default)]
pub(super) struct Parameters {
    pub(super) arguments: Vec<RoutineArgument>,
    return_type: String,
}

/// The rows of the objects of a page, by name.
#[derive(Default)]
pub(super) struct Details {
    schema: Option<MySqlRow>,
    routines: BTreeMap<RoutineKey, MySqlRow>,
    parameters: BTreeMap<RoutineKey, Parameters>,
    triggers: BTreeMap<String, MySqlRow>,
    events: BTreeMap<String, MySqlRow>,
    sequences: BTreeMap<String, SequenceOptions>,
    grants: BTreeMap<(ObjectKind, String), Vec<ObjectGrant>>,
    definitions: BTreeMap<(ObjectKind, String), String>,
}

impl Details {
    /// Reads what the objects of these keys have; a kind that none of them is of is not asked for.
    pub(super) async fn read(
        connection: &mut MySqlConnection,
        schema: &str,
        keys: &[ObjectKey],
    ) -> Result<Self, sqlx::Error> {
        let mut details = Self::default();
        let names = |kinds: &[ObjectKind]| -> BTreeSet<String> {
            keys.iter().filter(|key| kinds.contains(&key.kind)).map(|key| key.name.clone()).collect()
        };
        if !names(&[ObjectKind::Schema]).is_empty() {
            details.schema = sqlx::query(SCHEMA).bind(schema).fetch_optional(&mut *connection).await?;
            details.read_schema_grants(connection, schema).await?;
        }
        let routines = names(&[ObjectKind::Function, ObjectKind::Procedure]);
        if !routines.is_empty() {
            let rows = named(connection, include_str!("../catalog/routines.sql"), schema, &routines).await?;
            let keyed = |found: MySqlRow| routine_kind(&found).map(|kind| ((kind, text(&found, 0)), found));
            details.routines = rows.into_iter().filter_map(keyed).collect();
            details.parameters = parameters(connection, schema).await?;
            details.read_routine_grants(connection, schema).await?;
        }
        let rows =
            named(connection, include_str!("../catalog/trigger_details.sql"), schema, &names(&[ObjectKind::Trigger]))
                .await?;
        details.triggers = rows.into_iter().map(|found| (text(&found, 1), found)).collect();
        let rows =
            named(connection, include_str!("../catalog/events.sql"), schema, &names(&[ObjectKind::Event])).await?;
        details.events = rows.into_iter().map(|found| (text(&found, 0), found)).collect();
        details.sequences = sequence::read(connection, &names(&[ObjectKind::Sequence])).await?;
        details.read_definitions(connection, keys).await?;
        Ok(details)
    }

    async fn read_schema_grants(&mut self, connection: &mut MySqlConnection, schema: &str) -> Result<(), sqlx::Error> {
        let rows = sqlx::query(include_str!("../catalog/schema_grants.sql")).bind(schema).fetch_all(connection).await?;
        self.grants.insert((ObjectKind::Schema, schema.to_owned()), rows.iter().map(grant).collect());
        Ok(())
    }

    /// Without the privilege to see those of all, the user's own are told; the list has said what is missing.
    async fn read_routine_grants(&mut self, connection: &mut MySqlConnection, schema: &str) -> Result<(), sqlx::Error> {
        let query = sqlx::query(include_str!("../catalog/routine_grants.sql")).bind(schema);
        let rows = match query.fetch_all(&mut *connection).await {
            Ok(rows) => rows,
            Err(sqlx::Error::Database(_)) => {
                self.grants.extend(own_grants::read(connection, schema).await?);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for found in &rows {
            let Some(kind) = grant_kind(&text(found, 3)) else { continue };
            let privileges = text(found, 2);
            let grantable = privileges.split(',').any(|privilege| privilege == "Grant");
            let held = privileges.split(',').filter(|privilege| !matches!(*privilege, "Grant" | ""));
            let of_one = |privilege: &str| ObjectGrant {
                grantee: text(found, 1),
                grantor: text(found, 4),
                privilege: privilege.to_ascii_uppercase(),
                grantable,
                column: String::new(),
            };
            self.grants.entry((kind, text(found, 0))).or_default().extend(held.map(of_one));
        }
        Ok(())
    }

    async fn read_definitions(
        &mut self,
        connection: &mut MySqlConnection,
        keys: &[ObjectKey],
    ) -> Result<(), sqlx::Error> {
        let wanted = keys.iter().filter_map(|key| show_create(key.kind).map(|(word, _)| (word, key.name.as_str())));
        let answers = creation::statements(connection, wanted).await?;
        let shown = keys.iter().filter_map(|key| show_create(key.kind).map(|(_, place)| (key, place)));
        for ((key, place), found) in shown.zip(answers) {
            let definition = found.map(|found| text(&found, place)).unwrap_or_default();
            self.definitions.insert((key.kind, key.name.clone()), definition);
        }
        Ok(())
    }

    /// What of these objects is not told.
    pub(super) fn skipped(&self, mariadb: bool) -> Vec<Skipped> {
        let mut skipped = Vec::new();
        let hidden =
            self.routines.values().filter(|found| row::optional_text(found, 2).is_ok_and(|body| body.is_none()));
        let hidden = hidden.count();
        if hidden > 0 {
            let remedy = if mariadb {
                "GRANT SELECT ON mysql.proc, or from MariaDB 11.3 on SHOW CREATE ROUTINE on the database, to the user"
            } else {
                "GRANT SHOW_ROUTINE ON *.* to the user"
            };
            skipped.push(Skipped {
                subject: format!("bodies of {hidden} routines"),
                reason: "the user may use them and not see how they are made".to_owned(),
                remedy: remedy.to_owned(),
                hidden: Hidden::Texts,
            });
        }
        let untimed = self.events.values().filter(|found| integer(found, 13) == 1).count();
        if untimed > 0 {
            skipped.push(Skipped {
                subject: format!("times of {untimed} events"),
                reason: "their time zone has a name, and the server has no tables of time zones".to_owned(),
                remedy: "load the tables with mysql_tzinfo_to_sql".to_owned(),
                hidden: Hidden::Texts,
            });
        }
        skipped
    }

    /// The object of a key; absent where it has just gone.
    pub(super) fn object(&self, key: ObjectKey) -> Option<SchemaObject> {
        let named = (key.kind, key.name.clone());
        let (details, comment) = match key.kind {
            ObjectKind::Schema => (ObjectDetails::Schema(namespace(self.schema.as_ref()?)), String::new()),
            ObjectKind::Sequence => {
                let options = self.sequences.get(&key.name).cloned()?;
                let object = SequenceObject { options, owned_by: None, unlogged: false };
                (ObjectDetails::Sequence(Box::new(object)), String::new())
            }
            ObjectKind::Trigger => {
                (ObjectDetails::Trigger(Box::new(trigger(self.triggers.get(&key.name)?))), String::new())
            }
            ObjectKind::Event => {
                let found = self.events.get(&key.name)?;
                (ObjectDetails::Event(Box::new(event(found))), text(found, 9))
            }
            _ => {
                let found = self.routines.get(&named)?;
                let details = routine(found, self.parameters.get(&named));
                (ObjectDetails::Routine(Box::new(details)), text(found, 8))
            }
        };
        let mut grants = self.grants.get(&named).cloned().unwrap_or_default();
        grants.sort_unstable();
        Some(SchemaObject {
            signature: key.signature,
            table: key.table,
            comment,
            grants,
            definition: self.definitions.get(&named).cloned().unwrap_or_default(),
            ..SchemaObject::new(key.kind, &key.schema, &key.name, details)
        })
    }
}

/// Arguments and results of all routines of a database.
pub(super) async fn parameters(
    connection: &mut MySqlConnection,
    schema: &str,
) -> Result<BTreeMap<RoutineKey, Parameters>, sqlx::Error> {
    let rows = sqlx::query(include_str!("../catalog/parameters.sql")).bind(schema).fetch_all(connection).await?;
    let mut parameters: BTreeMap<RoutineKey, Parameters> = BTreeMap::new();
    for found in &rows {
        let Some(kind) = routine_kind(found) else { continue };
        let of_routine = parameters.entry((kind, text(found, 0))).or_default();
        if integer(found, 2) == 0 {
            of_routine.return_type = data_type(found);
            continue;
        }
        of_routine.arguments.push(RoutineArgument {
            name: text(found, 4),
            data_type: data_type(found),
            mode: match text(found, 3).as_str() {
                "OUT" => ArgumentMode::Out,
                "INOUT" => ArgumentMode::InOut,
                _ => ArgumentMode::In,
            },
            default_expression: None,
        });
    }
    Ok(parameters)
}

/// The type does not name the character set, which need not be that of the database.
fn data_type(found: &MySqlRow) -> String {
    match text(found, 6) {
        set if set.is_empty() => text(found, 5),
        set => format!("{} CHARACTER SET {set}", text(found, 5)),
    }
}

/// Rows of a query that ends before its list of names.
async fn named(
    connection: &mut MySqlConnection,
    sql: &'static str,
    schema: &str,
    names: &BTreeSet<String>,
) -> Result<Vec<MySqlRow>, sqlx::Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("{sql} ({})", vec!["?"; names.len()].join(", "));
    let query = sqlx::query(AssertSqlSafe(sql)).bind(schema);
    names.iter().fold(query, |query, name| query.bind(name)).fetch_all(connection).await
}

/// The word of SHOW CREATE for a kind, and the column of its answer that has the statement.
fn show_create(kind: ObjectKind) -> Option<(&'static str, usize)> {
    match kind {
        ObjectKind::Schema => Some(("DATABASE", 1)),
        ObjectKind::Sequence => Some(("SEQUENCE", 1)),
        ObjectKind::Function => Some(("FUNCTION", 2)),
        ObjectKind::Procedure => Some(("PROCEDURE", 2)),
        ObjectKind::Trigger => Some(("TRIGGER", 2)),
        ObjectKind::Event => Some(("EVENT", 3)),
        _ => None,
    }
}

fn grant_kind(word: &str) -> Option<ObjectKind> {
    match word {
        "FUNCTION" => Some(ObjectKind::Function),
        "PROCEDURE" => Some(ObjectKind::Procedure),
        _ => None,
    }
}

fn namespace(found: &MySqlRow) -> SchemaNamespace {
    SchemaNamespace { character_set: text(found, 0), collation: text(found, 1), default_privileges: Vec::new() }
}

fn routine(found: &MySqlRow, parameters: Option<&Parameters>) -> Routine {
    let language = text(found, 3).to_ascii_lowercase();
    Routine {
        language: if language.is_empty() { "sql".to_owned() } else { language },
        arguments: parameters.map(|found| found.arguments.clone()).unwrap_or_default(),
        return_type: parameters.map(|found| found.return_type.clone()).unwrap_or_default(),
        security: security(&text(found, 6)),
        body: text(found, 2),
        details: Some(RoutineDetails::Mysql(MysqlRoutine {
            definer: text(found, 9),
            deterministic: text(found, 4) == "YES",
            data_access: text(found, 5),
            sql_mode: text(found, 7),
            character_set_client: text(found, 10),
            collation_connection: text(found, 11),
            database_collation: text(found, 12),
        })),
    }
}

fn event(found: &MySqlRow) -> ScheduledEvent {
    let moment = |index| match row::number(found, index) {
        // NULL, for none of them is before 1970.
        Ok(-1) | Err(_) => None,
        Ok(seconds) => Some(Timestamp::from_micros(seconds * 1_000_000)),
    };
    let (value, unit) = (text(found, 3), text(found, 4));
    ScheduledEvent {
        definer: text(found, 8),
        state: text(found, 2),
        execute_at: moment(10),
        interval: if unit.is_empty() { String::new() } else { format!("{value} {unit}") },
        starts: moment(11),
        ends: moment(12),
        preserved: text(found, 5) == "PRESERVE",
        time_zone: text(found, 6),
        sql_mode: text(found, 7),
        body: text(found, 1),
    }
}
