//! The objects of a database that are no tables.

use super::{
    Aggregate, ObjectGrant, ObjectName, Parameter, Policy, Routine, Rule, SequenceOptions, Trigger, TriggerEvent,
};
use crate::model::time::Timestamp;

/// Longest definition or body that is told, in bytes.
const MAX_DEFINITION: usize = 256 * 1024;

/// What kind of object it is. The order is that of lists, and of the contract's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// An enumerated type.
    Enum,
    /// A domain.
    Domain,
    /// A composite type.
    CompositeType,
    /// A range type.
    RangeType,
    /// A sequence.
    Sequence,
    /// A function.
    Function,
    /// A procedure.
    Procedure,
    /// An aggregate function.
    Aggregate,
    /// A trigger.
    Trigger,
    /// A row security policy.
    Policy,
    /// A rewrite rule.
    Rule,
    /// An extension.
    Extension,
    /// A scheduled event.
    Event,
    /// A collation.
    Collation,
    /// A publication.
    Publication,
    /// A foreign server.
    ForeignServer,
    /// A schema.
    Schema,
}

impl ObjectKind {
    /// Every kind, in order.
    pub const ALL: [Self; 17] = [
        Self::Enum,
        Self::Domain,
        Self::CompositeType,
        Self::RangeType,
        Self::Sequence,
        Self::Function,
        Self::Procedure,
        Self::Aggregate,
        Self::Trigger,
        Self::Policy,
        Self::Rule,
        Self::Extension,
        Self::Event,
        Self::Collation,
        Self::Publication,
        Self::ForeignServer,
        Self::Schema,
    ];

    /// Its name in the contract, without the prefix.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enum => "ENUM",
            Self::Domain => "DOMAIN",
            Self::CompositeType => "COMPOSITE_TYPE",
            Self::RangeType => "RANGE_TYPE",
            Self::Sequence => "SEQUENCE",
            Self::Function => "FUNCTION",
            Self::Procedure => "PROCEDURE",
            Self::Aggregate => "AGGREGATE",
            Self::Trigger => "TRIGGER",
            Self::Policy => "POLICY",
            Self::Rule => "RULE",
            Self::Extension => "EXTENSION",
            Self::Event => "EVENT",
            Self::Collation => "COLLATION",
            Self::Publication => "PUBLICATION",
            Self::ForeignServer => "FOREIGN_SERVER",
            Self::Schema => "SCHEMA",
        }
    }

    /// Reads what [`ObjectKind::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// An object that is no table.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaObject {
    /// What kind it is. A kind and its details always belong together, but a function and a procedure share theirs.
    pub kind: ObjectKind,
    /// Schema; empty where its kind has none.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Types of the arguments of a routine.
    pub signature: String,
    /// Table of a trigger, policy or rule.
    pub table: String,
    /// Owner; empty where the engine has none.
    pub owner: String,
    /// Comment.
    pub comment: String,
    /// Privileges on it.
    pub grants: Vec<ObjectGrant>,
    /// The CREATE statement as the engine writes it; empty where it writes none.
    pub definition: String,
    /// The definition, and a body with it, were cut.
    pub definition_cut: bool,
    /// What its kind has.
    pub details: ObjectDetails,
}

impl SchemaObject {
    /// An object of which no more is known than this.
    pub fn new(kind: ObjectKind, schema: &str, name: &str, details: ObjectDetails) -> Self {
        Self {
            kind,
            schema: schema.to_owned(),
            name: name.to_owned(),
            signature: String::new(),
            table: String::new(),
            owner: String::new(),
            comment: String::new(),
            grants: Vec::new(),
            definition: String::new(),
            definition_cut: false,
            details,
        }
    }

    /// Cuts the texts that have no bound of their own.
    pub fn cut_texts(&mut self) {
        let mut is_cut = cut(&mut self.definition);
        match &mut self.details {
            ObjectDetails::Routine(routine) => is_cut |= cut(&mut routine.body),
            ObjectDetails::Trigger(trigger) => {
                is_cut |= cut(&mut trigger.body);
                is_cut |= cut(&mut trigger.definition);
            }
            ObjectDetails::Event(event) => is_cut |= cut(&mut event.body),
            ObjectDetails::Rule(rule) => is_cut |= cut(&mut rule.definition),
            _ => {}
        }
        self.definition_cut |= is_cut;
    }
}

fn cut(text: &mut String) -> bool {
    let is_cut = text.len() > MAX_DEFINITION;
    if is_cut {
        text.truncate(text.floor_char_boundary(MAX_DEFINITION));
    }
    is_cut
}

/// What a kind of object has.
#[derive(Debug, Clone, PartialEq)]
pub enum ObjectDetails {
    /// Labels of an enumerated type in order.
    Enum(Vec<String>),
    /// A domain.
    Domain(DomainType),
    /// Attributes of a composite type in order.
    CompositeType(Vec<TypeAttribute>),
    /// A range type.
    RangeType(RangeType),
    /// A sequence.
    Sequence(Box<SequenceObject>),
    /// A function or a procedure.
    Routine(Box<Routine>),
    /// An aggregate function.
    Aggregate(Box<Aggregate>),
    /// A trigger.
    Trigger(Box<Trigger>),
    /// A row security policy.
    Policy(Policy),
    /// A rewrite rule.
    Rule(Rule),
    /// An extension.
    Extension(Extension),
    /// A scheduled event.
    Event(Box<ScheduledEvent>),
    /// A collation.
    Collation(CollationObject),
    /// A publication.
    Publication(Publication),
    /// A foreign server.
    ForeignServer(ForeignServer),
    /// A schema.
    Schema(SchemaNamespace),
}

/// A check of a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainCheck {
    /// Name.
    pub name: String,
    /// Condition as the engine writes it.
    pub expression: String,
    /// Values that were there before were checked.
    pub validated: bool,
}

/// A domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainType {
    /// Type that it narrows, as the engine writes it.
    pub base_type: String,
    /// NULL is refused.
    pub not_null: bool,
    /// Default as the engine writes it.
    pub default_expression: Option<String>,
    /// Collation, where it is not the base type's.
    pub collation: String,
    /// Checks by name.
    pub checks: Vec<DomainCheck>,
}

/// An attribute of a composite type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeAttribute {
    /// Name.
    pub name: String,
    /// Type as the engine writes it.
    pub data_type: String,
    /// Collation, where it is not the type's own.
    pub collation: String,
    /// Comment.
    pub comment: String,
}

/// A range type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeType {
    /// Type of the bounds.
    pub subtype: String,
    /// Operator class of the bounds.
    pub operator_class: String,
    /// Collation of the bounds; empty: none.
    pub collation: String,
    /// Function that makes equal ranges look equal; empty: none.
    pub canonical_function: String,
    /// Function that gives the distance of bounds; empty: none.
    pub subtype_difference_function: String,
    /// Name of its multirange type; empty: none.
    pub multirange_type: String,
}

/// A sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SequenceObject {
    /// What it does.
    pub options: SequenceOptions,
    /// Table and column that it belongs to.
    pub owned_by: Option<(ObjectName, String)>,
    /// Emptied to its start after a crash.
    pub unlogged: bool,
}

/// An extension.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extension {
    /// Version that is installed.
    pub version: String,
    /// Version that the server would install; empty: its files are gone.
    pub available_version: String,
    /// It can be moved to another schema.
    pub relocatable: bool,
}

/// A scheduled event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduledEvent {
    /// Account that made it.
    pub definer: String,
    /// `ENABLED`, `DISABLED` or `SLAVESIDE_DISABLED`.
    pub state: String,
    /// When it runs once; absent: it recurs.
    pub execute_at: Option<Timestamp>,
    /// How often it runs, such as `1 DAY`; empty: once.
    pub interval: String,
    /// First run of one that recurs.
    pub starts: Option<Timestamp>,
    /// Last run of one that recurs.
    pub ends: Option<Timestamp>,
    /// Kept after its last run.
    pub preserved: bool,
    /// Time zone that its schedule is in.
    pub time_zone: String,
    /// SQL mode that it was made with.
    pub sql_mode: String,
    /// Its body.
    pub body: String,
}

/// A collation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollationObject {
    /// `libc`, `icu` or `builtin`.
    pub provider: String,
    /// Locale; for `libc` the LC_COLLATE.
    pub locale: String,
    /// LC_CTYPE, where it differs.
    pub character_type: String,
    /// Rules of ICU; empty: none.
    pub icu_rules: String,
    /// Strings that compare as equal are the same bytes.
    pub deterministic: bool,
    /// Version that it was made with.
    pub version: String,
    /// Version that the system has now.
    pub actual_version: String,
}

/// A table of a publication.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishedTable {
    /// Table.
    pub table: ObjectName,
    /// Columns that are published; empty: all.
    pub columns: Vec<String>,
    /// Which rows; empty: all.
    pub row_filter: String,
}

/// A publication.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publication {
    /// It publishes all tables.
    pub all_tables: bool,
    /// The first [`Publication::MAX_TABLES`] tables that it names.
    pub tables: Vec<PublishedTable>,
    /// Number of tables that it names.
    pub table_count: i64,
    /// Schemas all of whose tables it publishes.
    pub schemas: Vec<String>,
    /// What it publishes.
    pub operations: Vec<TriggerEvent>,
    /// Changes of partitions are published as those of the root.
    pub via_root: bool,
}

impl Publication {
    /// Most tables that are named.
    pub const MAX_TABLES: usize = 1000;
}

/// A foreign server. Options of its user mappings hold passwords and are never read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignServer {
    /// Foreign data wrapper.
    pub wrapper: String,
    /// Type; empty: none.
    pub server_type: String,
    /// Version; empty: none.
    pub version: String,
    /// Options; values of options that are named after secrets are left out.
    pub options: Vec<Parameter>,
    /// Users that have a mapping; `PUBLIC` for all.
    pub mapped_users: Vec<String>,
}

/// A schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaNamespace {
    /// Default character set; empty where schemas have none of their own.
    pub character_set: String,
    /// Default collation.
    pub collation: String,
    /// Privileges that objects made later are granted, as the engine writes them.
    pub default_privileges: Vec<String>,
}
