//! What statements need beside what discovery tells.

use std::collections::{HashMap, HashSet};

use sqlx::{Row, postgres::PgRow};

use super::{
    order::{Need, Plan},
    piece::{Piece, Place, Step},
};
use crate::{
    engine::postgres::database::ReadTransaction,
    model::{
        Result,
        schema::{DdlStatement, ObjectName, Skipped, Table},
    },
};

const AGGREGATES: &str = include_str!("catalog/aggregates.sql");
const EXTRAS: &str = include_str!("catalog/extras.sql");
const NEEDS: &str = include_str!("catalog/needs.sql");

/// A fact of `extras.sql`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    /// A constraint that comes with a parent of its table.
    InheritedConstraint,
    /// A trigger that comes with the partitioned table.
    ClonedTrigger,
    /// A column whose storage differs from its type's.
    OwnStorage,
    /// A sequence that comes with an identity column.
    IdentitySequence,
    /// An operator class of a range type that is not the default one.
    RangeClass,
    /// A comment on a check of a domain.
    DomainCheckComment,
}

/// An aggregate as CREATE AGGREGATE takes it.
#[derive(Debug, Clone, Default)]
pub(super) struct AggregateText {
    pub(super) arguments: String,
    /// Its arguments where it is named and not made.
    pub(super) identity: String,
    pub(super) options: Vec<String>,
}

/// What is known before statements are written.
#[derive(Debug, Default)]
pub(super) struct Context {
    facts: HashMap<(Fact, ObjectName, String), String>,
    aggregates: HashMap<(ObjectName, String), AggregateText>,
    /// Collations that are not the server's, as discovery writes them.
    collations: HashSet<String>,
    /// Tables that others inherit from or are partitions of.
    pub(super) parents: HashMap<ObjectName, Table>,
    pub(super) plan: Plan,
    /// Owners are asked for.
    pub(super) owners: bool,
}

impl Context {
    pub(super) async fn read(transaction: &mut ReadTransaction<'_>, owners: bool) -> Result<Self> {
        let mut context = Self { owners, ..Self::default() };
        let query = transaction.query(EXTRAS);
        for row in &transaction.rows(query).await? {
            context.add(row);
        }
        let query = transaction.query(AGGREGATES);
        for row in &transaction.rows(query).await? {
            let key = (ObjectName { schema: row.get("schema"), name: row.get("name") }, row.get("signature"));
            let text = AggregateText {
                arguments: row.get("arguments"),
                identity: row.get("identity"),
                options: row.get("options"),
            };
            context.aggregates.insert(key, text);
        }
        Ok(context)
    }

    /// Reads what needs what.
    pub(super) async fn read_plan(&mut self, transaction: &mut ReadTransaction<'_>) -> Result<()> {
        let query = transaction.query(NEEDS);
        let needs: Vec<Need> = transaction.rows(query).await?.iter().filter_map(need).collect();
        self.plan = Plan::new(&needs);
        Ok(())
    }

    fn add(&mut self, row: &PgRow) {
        let value: String = row.get("value");
        let fact = match row.get("fact") {
            "CONSTRAINT" => Fact::InheritedConstraint,
            "TRIGGER" => Fact::ClonedTrigger,
            "STORAGE" => Fact::OwnStorage,
            "IDENTITY" => Fact::IdentitySequence,
            "RANGE_CLASS" => Fact::RangeClass,
            "DOMAIN_CHECK" => Fact::DomainCheckComment,
            _ => {
                self.collations.insert(value);
                return;
            }
        };
        let name = ObjectName { schema: row.get("schema"), name: row.get("name") };
        self.facts.insert((fact, name, row.get("part")), value);
    }

    /// A fact of something, or of a part of it.
    pub(super) fn fact(&self, fact: Fact, name: &ObjectName, part: &str) -> Option<&str> {
        self.facts.get(&(fact, name.clone(), part.to_owned())).map(String::as_str)
    }

    /// Whether a fact holds.
    pub(super) fn holds(&self, fact: Fact, name: &ObjectName, part: &str) -> bool {
        self.fact(fact, name, part).is_some()
    }

    pub(super) fn aggregate(&self, name: &ObjectName, signature: &str) -> AggregateText {
        self.aggregates.get(&(name.clone(), signature.to_owned())).cloned().unwrap_or_default()
    }

    /// ` COLLATE "C"`, or nothing. Discovery writes the server's collations bare and others with their schema.
    pub(super) fn collate(&self, collation: &str) -> String {
        match collation {
            "" => String::new(),
            own if self.collations.contains(own) => format!(" COLLATE {own}"),
            bare => format!(" COLLATE pg_catalog.\"{}\"", bare.replace('"', "\"\"")),
        }
    }

    /// An owner, where owners are asked for.
    pub(super) fn owner<'a>(&self, owner: &'a str) -> Option<&'a str> {
        self.owners.then_some(owner)
    }
}

fn need(row: &PgRow) -> Option<Need> {
    let place = |[step, schema, name, part]: [&str; 4]| {
        let step = match row.get(step) {
            "TYPE" => Step::Type,
            "SEQUENCE" => Step::Sequence,
            "ROUTINE" => Step::Routine,
            "TABLE" => Step::Table,
            "DEFAULT" => Step::Default,
            "CHECK" => Step::Check,
            "KEY" => Step::Key,
            "VIEW" => Step::View,
            "MATERIALIZED_VIEW" => Step::MaterializedView,
            "COLLATION" => Step::Collation,
            _ => return None,
        };
        Some(Place { step, schema: row.get(schema), name: row.get(name), part: row.get(part) })
    };
    let one = place(["step", "schema", "name", "part"])?;
    Some((one, place(["other_step", "other_schema", "other_name", "other_part"])?))
}

/// What was written so far.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) pieces: Vec<Piece>,
    pub(super) skipped: Vec<Skipped>,
}

impl Written {
    /// Adds the statements of one thing, where there are any.
    pub(super) fn add(&mut self, place: Place, statements: impl IntoIterator<Item = DdlStatement>) {
        let statements: Vec<DdlStatement> = statements.into_iter().collect();
        if !statements.is_empty() {
            self.pieces.push(Piece::new(place, statements));
        }
    }

    /// Names what is not written.
    pub(super) fn skip(&mut self, subject: String, reason: &str, remedy: &str) {
        self.skipped.push(Skipped {
            subject,
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
            ..Skipped::default()
        });
    }
}
