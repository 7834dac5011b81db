//! What could not be read, and what mends it.

use sqlx::MySqlConnection;

use super::{
    catalog::{Catalog, is_unreadable, text},
    holds_login,
};
use crate::{
    engine::mysql::{capability::Grants, row},
    model::schema::{Hidden, ObjectName, Skipped},
};

/// What the user of a session may not see.
pub(super) struct Blindness {
    schema: String,
    grants: Grants,
}

impl Blindness {
    pub(super) async fn read(connection: &mut MySqlConnection, schema: &str) -> Result<Self, sqlx::Error> {
        Ok(Self { schema: schema.to_owned(), grants: Grants::read_on(connection).await? })
    }

    /// What is left out for want of a privilege on the database.
    pub(super) fn without(&self, privilege: &str, subject: &str) -> Option<Skipped> {
        self.lacking(&self.schema, &[privilege], subject, Hidden::Texts)
    }

    /// Privileges of others, which are kept in the database of the server itself.
    pub(super) fn grants_of_others(&self) -> Option<Skipped> {
        self.lacking("mysql", &["SELECT"], "privileges of other users", Hidden::Privileges)
    }

    /// What is left out for want of a privilege on the whole server.
    pub(super) fn without_global(&self, privilege: &str, subject: &str) -> Option<Skipped> {
        let missing = self.grants.missing("", &[privilege]);
        (!missing.is_empty()).then(|| Skipped {
            subject: subject.to_owned(),
            reason: format!("the user lacks {privilege}"),
            remedy: self.grants.grant(&missing, "*.*"),
            ..Skipped::default()
        })
    }

    fn lacking(&self, database: &str, wanted: &[&str], subject: &str, hidden: Hidden) -> Option<Skipped> {
        let missing = self.grants.missing(database, wanted);
        (!missing.is_empty()).then(|| Skipped {
            subject: subject.to_owned(),
            reason: format!("the user lacks {} on {database:?}", missing.join(", ")),
            remedy: self.grants.grant_on_database(&missing, database),
            hidden,
        })
    }

    /// What of these tables could not be read.
    pub(super) fn of_tables(&self, catalog: &Catalog) -> Vec<Skipped> {
        let unreadable = catalog.tables.iter().filter(|relation| is_unreadable(relation));
        let mut skipped: Vec<Skipped> =
            unreadable.map(|relation| unreadable_table(&self.schema, &text(relation, 0), &text(relation, 6))).collect();
        skipped.extend(catalog.tables.iter().filter_map(|relation| self.broken_view(relation)));
        skipped.extend(catalog.tables.iter().filter_map(|relation| self.login(relation)));
        skipped.sort_by(|one, other| one.subject.cmp(&other.subject));
        for name in &catalog.creations.refused {
            skipped.push(self.creation(name));
        }
        let hidden = catalog.views.iter().filter(|view| row::text(view, 1).is_ok_and(|text| text.is_empty())).count();
        if hidden > 0 {
            let missing = ["SHOW VIEW"];
            skipped.push(Skipped {
                subject: format!("definitions of {hidden} views"),
                reason: "the user lacks SHOW VIEW on them".to_owned(),
                remedy: self.grants.grant_on_database(&missing, &self.schema),
                ..Skipped::default()
            });
        }
        skipped
    }

    /// What of all tables is left out.
    pub(super) fn of_all_tables(&self) -> impl Iterator<Item = Skipped> {
        let triggers = self.without("TRIGGER", "triggers of tables on which the user lacks TRIGGER");
        [triggers, self.grants_of_others()].into_iter().flatten()
    }

    /// Tables on which the user has no privilege, which the server does not name: none where one holds for all of the database.
    pub(super) fn hidden_tables(&self) -> Option<Skipped> {
        (!self.grants.holds_any(&self.schema)).then(|| Skipped {
            subject: "tables on which the user has no privilege".to_owned(),
            reason: format!(
                "the user has privileges on single tables of {:?} alone, and is told of no other",
                self.schema
            ),
            remedy: self.grants.grant_on_database(&["SELECT"], &self.schema),
            hidden: Hidden::Relations,
        })
    }

    /// A view whose tables or columns are gone has no columns, and the server's words in place of its comment.
    fn broken_view(&self, relation: &sqlx::mysql::MySqlRow) -> Option<Skipped> {
        let words = text(relation, 6);
        let is_broken = text(relation, 1) == "VIEW" && words != "VIEW" && !words.is_empty();
        is_broken.then(|| Skipped {
            subject: format!("columns of view {}.{}", self.schema, text(relation, 0)),
            reason: words,
            remedy: "create again what it reads, or the view".to_owned(),
            ..Skipped::default()
        })
    }

    /// Comments and options of a table that may hold the login to another server.
    fn login(&self, relation: &sqlx::mysql::MySqlRow) -> Option<Skipped> {
        holds_login(&text(relation, 2)).then(|| Skipped {
            subject: format!("comments and options of table {}.{}", self.schema, text(relation, 0)),
            reason: "its storage engine reaches another server, and they may hold the login".to_owned(),
            remedy: "look at SHOW CREATE TABLE on the server".to_owned(),
            ..Skipped::default()
        })
    }

    fn creation(&self, name: &str) -> Skipped {
        Skipped {
            subject: format!("parser of full-text indexes and periods of {}.{name}", self.schema),
            reason: "its CREATE statement could not be read".to_owned(),
            remedy: self.grants.grant_on_database(&["SELECT"], &self.schema),
            hidden: Hidden::Texts,
        }
    }
}

/// A table that is there and cannot be opened, with the server's words.
pub(super) fn unreadable_table(schema: &str, name: &str, words: &str) -> Skipped {
    Skipped {
        subject: format!("table {schema}.{name}"),
        reason: format!("it cannot be opened: {words}"),
        remedy: "ask again when no other session holds it; ListSessions shows who does".to_owned(),
        hidden: Hidden::Relation(ObjectName { schema: schema.to_owned(), name: name.to_owned() }),
    }
}
