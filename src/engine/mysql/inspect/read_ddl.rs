//! The statements that make a database again: those that SHOW CREATE tells, in an order in which each finds what it needs, and
//! freed from what binds them to this database.

mod script;
mod text;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use sqlx::{MySqlConnection, mysql::MySqlRow};
use tokio::sync::mpsc;

use self::{
    script::{Script, Settings, made_with, plain},
    text::{
        shows_login, with_reference_systems, without_definer, without_foreign_keys, without_option, without_schema,
    },
};
use super::{
    assemble::trigger::trigger,
    catalog::{Patience, integer, text},
    creation, names,
    skipped::Blindness,
};
use crate::{
    engine::{
        ReadDdl,
        mysql::{database::MysqlDatabase, server::Server},
    },
    model::{
        Result,
        name::Identifier,
        schema::{
            DdlKind, DdlObject, DdlSelection, DdlStatement, DdlSubject, ObjectKind, Skipped, TableKind, Trigger,
            TriggerEvent, TriggerTiming,
        },
    },
};

/// An option of Aria.
const CHECKSUM_OPTION: &str = "PAGE_CHECKSUM";
const UNSAID_CHECKSUMS: &str = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND ENGINE = 'Aria' \
    AND CREATE_OPTIONS NOT LIKE '%page_checksum%'";
const EVENTS: &str = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?";
const ROUTINES: &str =
    "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? ORDER BY ROUTINE_NAME";
const SCHEMA: &str = "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA \
    WHERE SCHEMA_NAME = ?";
const TRIGGERS: &str = include_str!("catalog/triggers_in_order.sql");
const VIEW_COLUMNS: &str = "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? \
    ORDER BY ORDINAL_POSITION";
/// What the server says in place of a comment on a view that it can open. MariaDB tries to only where a figure is asked for too.
const SOUND_VIEW: &str = "VIEW";
const VIEW_STATES: &str = "SELECT TABLE_NAME, TABLE_COMMENT, TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'VIEW'";

#[async_trait]
impl ReadDdl for MysqlDatabase {
    async fn stream_ddl(
        &self,
        selection: &DdlSelection,
        statements: mpsc::Sender<DdlStatement>,
    ) -> Result<Option<Vec<Skipped>>> {
        let schema = self.settings().database.as_str();
        let Some(wanted) = Wanted::of(&selection.subject, schema) else { return Ok(None) };
        let (mut lease, session) = self.reading_lease().await?;
        let mut writer = Writer {
            connection: &mut lease,
            server: &self.server,
            schema,
            wanted,
            script: Script::new(schema, selection.owners),
            found: matches!(selection.subject, DdlSubject::Database | DdlSubject::Schema(_)),
        };
        let work = self.abandonment.watch(session.id, Box::pin(writer.write()));
        tokio::select! {
            biased;
            // A receiver that goes away does not wait for the query that runs.
            () = statements.closed() => return Ok(Some(Vec::new())),
            written = work => written.map_err(|cause| self.failed(cause))?,
        }
        let Writer { script, found, .. } = writer;
        lease.give_back().await;
        if !found {
            return Ok(None);
        }
        let (written, skipped) = script.finish();
        for statement in written {
            if statements.send(statement).await.is_err() {
                break;
            }
        }
        Ok(Some(skipped))
    }
}

/// What is asked for, in the one database that a connection sees.
enum Wanted<'a> {
    All,
    Table(&'a str),
    Object(&'a DdlObject),
}

impl<'a> Wanted<'a> {
    /// Absent where another database is meant.
    fn of(subject: &'a DdlSubject, schema: &str) -> Option<Self> {
        let is_here = |wanted: Option<&Identifier>| wanted.is_none_or(|wanted| wanted.as_str() == schema);
        match subject {
            DdlSubject::Database => Some(Self::All),
            DdlSubject::Schema(wanted) => (wanted == schema).then_some(Self::All),
            DdlSubject::Table(name) => is_here(name.schema.as_ref()).then(|| Self::Table(name.name.as_str())),
            DdlSubject::Object(object) => is_here(object.name.schema.as_ref()).then_some(Self::Object(object)),
        }
    }

    fn takes_table(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Table(wanted) => *wanted == name,
            Self::Object(_) => false,
        }
    }

    /// Whether something is wanted that belongs to a table, or to none. Signatures are not compared: no two routines of a kind
    /// have one name.
    fn takes(&self, kind: ObjectKind, name: &str, table: &str) -> bool {
        match self {
            Self::All => true,
            Self::Table(wanted) => !table.is_empty() && *wanted == table,
            Self::Object(object) => DdlObject { signature: None, ..(*object).clone() }.names(kind, name, table, ""),
        }
    }
}

/// A CREATE statement with what it was made with.
struct Created {
    name: String,
    sql: String,
    settings: Settings,
}

struct Writer<'a> {
    connection: &'a mut MySqlConnection,
    server: &'a Server,
    schema: &'a str,
    wanted: Wanted<'a>,
    script: Script,
    /// There is something of the name that was asked for.
    found: bool,
}

impl Writer<'_> {
    async fn write(&mut self) -> Result<(), sqlx::Error> {
        self.character_set().await?;
        self.sequences().await?;
        let keys = self.tables().await?;
        self.routines().await?;
        self.views().await?;
        for (table, name, sql) in keys {
            self.script.add(&plain(), DdlKind::ForeignKey, &name, &table, &sql);
        }
        self.triggers().await?;
        self.events().await
    }

    async fn character_set(&mut self) -> Result<(), sqlx::Error> {
        if !self.wanted.takes(ObjectKind::Schema, self.schema, "") {
            return Ok(());
        }
        for row in &sqlx::query(SCHEMA).bind(self.schema).fetch_all(&mut *self.connection).await? {
            let sql = format!("ALTER DATABASE CHARACTER SET {} COLLATE {}", text(row, 0), text(row, 1));
            self.script.add(&Settings::new(), DdlKind::Schema, self.schema, "", &sql);
            self.found = true;
        }
        Ok(())
    }

    async fn sequences(&mut self) -> Result<(), sqlx::Error> {
        let mut found = names::names(self.connection, self.schema, Some(TableKind::Sequence)).await?;
        let wanted = &self.wanted;
        found.retain(|name| wanted.takes(ObjectKind::Sequence, name, "") || wanted.takes_table(name));
        for created in self.created("SEQUENCE", found, |_, sql| (plain(), sql)).await? {
            self.script.add(&created.settings, DdlKind::Sequence, &created.name, "", &created.sql);
        }
        Ok(())
    }

    /// Writes tables without their foreign keys, and returns these with table and name.
    async fn tables(&mut self) -> Result<Vec<(String, String, String)>, sqlx::Error> {
        let mut found = names::names(self.connection, self.schema, Some(TableKind::Table)).await?;
        found.retain(|name| self.wanted.takes_table(name));
        let systems = self.reference_systems(&found).await?;
        let mut keys = Vec::new();
        let all = self.created("TABLE", found, |_, sql| (plain(), sql)).await?;
        let unsaid = match all.iter().any(|created| created.sql.contains(CHECKSUM_OPTION)) {
            true => self.unsaid_checksums().await?,
            false => BTreeSet::new(),
        };
        for created in all {
            let name = created.name;
            if shows_login(&created.sql) {
                let subject = format!("table {}.{name}", self.schema);
                let reason = "its statement holds the login to another server";
                self.script.skip(subject, reason, "make it by hand, as SHOW CREATE TABLE shows it");
                continue;
            }
            let (sql, own_keys) = without_foreign_keys(&created.sql);
            // The next number is a matter of its rows.
            let mut sql = without_schema(&without_option(&sql, "AUTO_INCREMENT"), self.schema);
            if unsaid.contains(&name) {
                sql = without_option(&sql, CHECKSUM_OPTION);
            }
            let sql = systems.get(&name).map_or(sql.clone(), |systems| with_reference_systems(&sql, systems));
            self.script.add(&plain(), DdlKind::Table, &name, "", &sql);
            for (key, text) in own_keys {
                let sql = format!("ALTER TABLE {} ADD {text}", Identifier::of_catalog(name.as_str()).backquoted());
                keys.push((name.clone(), key, sql));
            }
        }
        Ok(keys)
    }

    /// Tables of Aria that say nothing of checksums: MariaDB shows the option on each of them.
    async fn unsaid_checksums(&mut self) -> Result<BTreeSet<String>, sqlx::Error> {
        let rows = sqlx::query(UNSAID_CHECKSUMS).bind(self.schema).fetch_all(&mut *self.connection).await?;
        Ok(rows.iter().map(|row| text(row, 0)).collect())
    }

    /// Reference systems of spatial columns by table and column, which MariaDB keeps and does not show.
    async fn reference_systems(
        &mut self,
        tables: &[String],
    ) -> Result<BTreeMap<String, BTreeMap<String, u32>>, sqlx::Error> {
        let mut systems: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
        if !self.server.is_mariadb() || tables.is_empty() {
            return Ok(systems);
        }
        let patience = Patience::begin(self.connection, self.server).await?;
        let rows = sqlx::query(include_str!("catalog/geometry_columns.sql")).bind(self.schema);
        let rows = rows.fetch_all(&mut *self.connection).await?;
        patience.end(self.connection).await?;
        for row in &rows {
            if let Some(system) = u32::try_from(integer(row, 2)).ok().filter(|system| *system > 0) {
                systems.entry(text(row, 0)).or_default().insert(text(row, 1), system);
            }
        }
        Ok(systems)
    }

    async fn routines(&mut self) -> Result<(), sqlx::Error> {
        let rows = sqlx::query(ROUTINES).bind(self.schema).fetch_all(&mut *self.connection).await?;
        for (kind, word) in [(ObjectKind::Function, "FUNCTION"), (ObjectKind::Procedure, "PROCEDURE")] {
            let of_kind = rows.iter().filter(|row| text(row, 1) == word).map(|row| text(row, 0));
            let found: Vec<String> = of_kind.filter(|name| self.wanted.takes(kind, name, "")).collect();
            for created in self.created(word, found, |row, _| settings_and_text(row, [1, 2, 3, 4])).await? {
                self.script.add(&created.settings, DdlKind::Routine, &created.name, "", &created.sql);
            }
        }
        if matches!(self.wanted, Wanted::All) {
            for row in rows.iter().filter(|row| !matches!(text(row, 1).as_str(), "FUNCTION" | "PROCEDURE")) {
                let subject = format!("{} {}.{}", text(row, 1).to_lowercase(), self.schema, text(row, 0));
                self.script.skip(subject, "packages of sql_mode = ORACLE are not written", "make it by hand");
            }
            let blindness = Blindness::read(self.connection, self.schema).await?;
            let unseen = [
                blindness.without("EXECUTE", "routines on which the user has no privilege"),
                blindness.without("TRIGGER", "triggers of tables on which the user lacks TRIGGER"),
                blindness.without("EVENT", "events"),
            ];
            self.script.skipped.extend(unseen.into_iter().flatten());
        }
        Ok(())
    }

    async fn views(&mut self) -> Result<(), sqlx::Error> {
        let mut found = names::names(self.connection, self.schema, Some(TableKind::View)).await?;
        found.retain(|name| self.wanted.takes_table(name));
        if found.is_empty() {
            return Ok(());
        }
        for row in &sqlx::query(VIEW_STATES).bind(self.schema).fetch_all(&mut *self.connection).await? {
            let (name, words) = (text(row, 0), text(row, 1));
            if words != SOUND_VIEW && !words.is_empty() && found.contains(&name) {
                found.retain(|view| *view != name);
                self.found = true;
                let remedy = "create again what it reads, or drop the view";
                self.script.skip(format!("view {}.{name}", self.schema), &words, remedy);
            }
        }
        let created = self.created("VIEW", found, |row, _| {
            let sql = text(row, 1);
            let (settings, is_same) = made_with("", &text(row, 2), &text(row, 3), &sql);
            (settings, if is_same { sql } else { String::new() })
        });
        let created = created.await?;
        let texts: BTreeMap<String, String> =
            created.iter().map(|created| (created.name.clone(), created.sql.clone())).collect();
        let mut by_name: BTreeMap<String, Created> =
            created.into_iter().map(|created| (created.name.clone(), created)).collect();
        for group in view::groups(&texts) {
            let is_circle = group.len() > 1;
            if is_circle {
                for name in &group {
                    let columns = self.columns(name).await?;
                    self.script.add(&plain(), DdlKind::View, name, "", &view::placeholder(name, &columns));
                }
            }
            for created in group.iter().filter_map(|name| by_name.remove(name)) {
                let again = created.sql.replacen("CREATE ", "CREATE OR REPLACE ", 1);
                let sql = if is_circle { &again } else { &created.sql };
                self.script.add(&created.settings, DdlKind::View, &created.name, "", sql);
            }
        }
        Ok(())
    }

    async fn columns(&mut self, view: &str) -> Result<Vec<String>, sqlx::Error> {
        let rows = sqlx::query(VIEW_COLUMNS).bind(self.schema).bind(view).fetch_all(&mut *self.connection).await?;
        Ok(rows.iter().map(|row| text(row, 0)).collect())
    }

    async fn triggers(&mut self) -> Result<(), sqlx::Error> {
        let rows = sqlx::query(TRIGGERS).bind(self.schema).fetch_all(&mut *self.connection).await?;
        let all = rows.iter().map(|row| (trigger(row), text(row, 0)));
        let wanted: Vec<(Trigger, String)> =
            all.filter(|(found, table)| self.wanted.takes(ObjectKind::Trigger, &found.name, table)).collect();
        let names = wanted.iter().map(|(found, _)| found.name.clone()).collect();
        for created in self.created("TRIGGER", names, |row, _| settings_and_text(row, [1, 2, 3, 4])).await? {
            let Some((found, table)) = wanted.iter().find(|(found, _)| found.name == created.name) else { continue };
            let sql = match stands_alone(&created.sql, &found.body) {
                true => created.sql,
                false => trigger_text(found, table, self.script.owners),
            };
            self.script.add(&created.settings, DdlKind::Trigger, &created.name, table, &sql);
        }
        Ok(())
    }

    async fn events(&mut self) -> Result<(), sqlx::Error> {
        let rows = sqlx::query(EVENTS).bind(self.schema).fetch_all(&mut *self.connection).await?;
        let mut found: Vec<String> = rows.iter().map(|row| text(row, 0)).collect();
        found.retain(|name| self.wanted.takes(ObjectKind::Event, name, ""));
        found.sort_unstable();
        let created = self.created("EVENT", found, |row, _| {
            let (mut settings, sql) = settings_and_text(row, [1, 3, 4, 5]);
            settings.insert("time_zone", format!("'{}'", text(row, 2).replace('\'', "''")));
            (settings, sql)
        });
        for created in created.await? {
            self.script.add(&created.settings, DdlKind::Event, &created.name, "", &created.sql);
        }
        Ok(())
    }

    /// What SHOW CREATE tells of some objects of a kind, with the settings that `read` finds in its answer. An empty text is that of
    /// a statement that cannot be told, and none at all that of one that was refused.
    async fn created(
        &mut self,
        word: &'static str,
        names: Vec<String>,
        read: impl Fn(&MySqlRow, String) -> (Settings, String),
    ) -> Result<Vec<Created>, sqlx::Error> {
        let answers = creation::statements(self.connection, names.iter().map(|name| (word, name.as_str()))).await?;
        let mut all = Vec::with_capacity(names.len());
        for (name, answer) in names.into_iter().zip(answers) {
            self.found = true;
            let Some(row) = answer else {
                self.refused(word, &name);
                continue;
            };
            let (settings, sql) = read(&row, text(&row, 1));
            match sql.as_str() {
                "" => self.untold_character_set(word, &name),
                REFUSED => self.refused(word, &name),
                sql => {
                    let sql = if self.script.owners { sql.to_owned() } else { without_definer(sql) };
                    all.push(Created { name, sql, settings });
                }
            }
        }
        Ok(all)
    }

    fn refused(&mut self, word: &str, name: &str) {
        let subject = format!("{} {}.{name}", word.to_lowercase(), self.schema);
        let remedy = "end the session that locks it, which ListSessions shows; or grant SELECT, SHOW VIEW, EVENT and SELECT ON mysql.proc";
        self.script.skip(
            subject,
            "the server does not show its statement: it is locked, or the user may not see it",
            remedy,
        );
    }

    fn untold_character_set(&mut self, word: &str, name: &str) {
        let subject = format!("{} {}.{name}", word.to_lowercase(), self.schema);
        let reason = "it was made in a character set in which its text cannot be sent";
        self.script.skip(subject, reason, "make it again by a client that speaks utf8mb4");
    }
}

/// Stands for a statement that the server does not show, though it names the object.
const REFUSED: &str = "\0";

/// Settings and text of a routine or an event, out of the columns of its mode, its text, its character set and its collation.
fn settings_and_text(row: &MySqlRow, [mode, create, set, collation]: [usize; 4]) -> (Settings, String) {
    let sql = text(row, create);
    if sql.is_empty() {
        return (Settings::new(), REFUSED.to_owned());
    }
    let (settings, is_same) = made_with(&text(row, mode), &text(row, set), &text(row, collation), &sql);
    (settings, if is_same { sql } else { String::new() })
}

/// Whether the statement of a trigger, which is as somebody wrote it, names neither the database nor another trigger before its body.
fn stands_alone(sql: &str, body: &str) -> bool {
    let Some(head) = sql.strip_suffix(body) else { return false };
    let head = without_definer(head).to_ascii_uppercase();
    !head.contains('.') && !head.contains(" FOLLOWS ") && !head.contains(" PRECEDES ")
}

/// A trigger out of its parts.
fn trigger_text(trigger: &Trigger, table: &str, owners: bool) -> String {
    let quoted = |name: &str| Identifier::of_catalog(name).backquoted();
    let definer = match trigger.definer.rsplit_once('@') {
        Some((user, host)) if owners => format!(" DEFINER={}@{}", quoted(user), quoted(host)),
        _ => String::new(),
    };
    let timing = if trigger.timing == TriggerTiming::Before { "BEFORE" } else { "AFTER" };
    let event = |event: &TriggerEvent| match event {
        TriggerEvent::Update => "UPDATE",
        TriggerEvent::Delete => "DELETE",
        _ => "INSERT",
    };
    let events: Vec<&str> = trigger.events.iter().map(event).collect();
    let (name, table, body) = (quoted(&trigger.name), quoted(table), &trigger.body);
    format!("CREATE{definer} TRIGGER {name} {timing} {} ON {table} FOR EACH ROW {body}", events.join(" OR "))
}
