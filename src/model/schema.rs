//! The neutral shape of a schema. The fields mean what the messages of `schema_service.proto`, `schema_details.proto`
//! and `schema_object.proto` say; -1 stands for "the engine does not tell", an empty text for "none".
//!
//! What all engines share stands in the types themselves; what one of them alone knows is in [`TableDetails`],
//! [`ColumnDetails`] and the like, a typed variant an engine.

mod advice;
mod change;
mod column;
mod constraint;
mod database;
mod ddl;
pub mod definition;
mod dependent;
pub mod difference;
mod grant;
mod index;
mod lint;
mod mysql;
mod neutral_type;
mod object;
mod pattern;
mod policy;
mod postgres;
mod routine;
mod sample;
mod selection;
mod sequence;
mod size;
mod sqlite;
mod table;
mod trigger;

pub use self::{
    advice::{
        Advice, AdviceRule, AdviceSource, Figure, FigureKind, IndexTrial, IndexUse, Plan, PlanComparison,
        Recommendation, SizeEstimate, StatementUse, TableUse, TrialOutcome, TrialStatement, Usage, WriteCost, Writes,
    },
    change::{ChangedTable, SchemaChange},
    column::{Column, ColumnDetails, Generation},
    constraint::{
        CheckConstraint, ExclusionConstraint, ExclusionElement, ForeignKey, KeyConstraint, MatchType, ReferentialAction,
    },
    database::{DatabaseInfo, FullTextTable, Hidden, Skipped},
    ddl::{DdlKind, DdlObject, DdlSelection, DdlStatement, DdlSubject},
    dependent::{Dependence, Dependent, DependentKind},
    grant::ObjectGrant,
    index::{Index, IndexPart, IndexTerm, NullsOrder, OperatorClass},
    lint::{
        Evidence, LintFinding, LintProfile, LintRule, LintSettings, LintSettingsChange, LintSeverity, LintSubject,
        SkippedRule,
    },
    mysql::{
        MysqlColumn, MysqlPartition, MysqlPartitioning, MysqlTable, MysqlView, SecurityContext, TimePeriod,
        VersioningRole,
    },
    neutral_type::{NeutralType, SECOND_DIGITS},
    object::{
        CollationObject, DomainCheck, DomainType, Extension, ForeignServer, ObjectDetails, ObjectKind, Publication,
        PublishedTable, RangeType, ScheduledEvent, SchemaNamespace, SchemaObject, SequenceObject, TypeAttribute,
    },
    pattern::NamePattern,
    policy::{Command, Policy, Rule},
    postgres::{
        ColumnStorage, ExtendedStatistics, ForeignTable, PartitionOf, PartitionStrategy, PartitionTerm, Persistence,
        PostgresColumn, PostgresPartitioning, PostgresTable, ReplicaIdentity,
    },
    routine::{
        Aggregate, ArgumentMode, MysqlRoutine, ParallelSafety, PostgresRoutine, Routine, RoutineArgument,
        RoutineDetails, Volatility,
    },
    sample::{MAX_SAMPLE_ROWS, MaskReason, Sample, SampleColumn, SampleQuery, SampleText, SampleValue},
    selection::{
        ObjectFilter, ObjectKey, ObjectList, ObjectPage, TableFilter, TableKey, TableList, TableLookup, TableOrder,
        TablePage, TableRank,
    },
    sequence::{ObjectName, Parameter, SequenceOptions},
    size::approximate_size,
    sqlite::{Affinity, ShadowTable, SqliteColumn, SqliteTable, VirtualModule},
    table::{Table, TableDetails, TableKind, TableSummary},
    trigger::{FiringState, Trigger, TriggerEvent, TriggerLevel, TriggerTiming},
};
