//! Functions, procedures and aggregates.

use super::{Parameter, SecurityContext};

/// Which way an argument goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ArgumentMode {
    /// In.
    #[default]
    In,
    /// Out.
    Out,
    /// Both.
    InOut,
    /// In, any number of them.
    Variadic,
    /// A column of the table that is returned.
    Table,
}

/// An argument of a routine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoutineArgument {
    /// Name; empty: none.
    pub name: String,
    /// Type as the engine writes it.
    pub data_type: String,
    /// Which way it goes.
    pub mode: ArgumentMode,
    /// Default as the engine writes it.
    pub default_expression: Option<String>,
}

/// How much a function's answer can change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Volatility {
    /// Never, for the same arguments.
    Immutable,
    /// Not within a statement.
    Stable,
    /// At any time.
    #[default]
    Volatile,
}

/// Whether a function may run in a parallel worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ParallelSafety {
    /// Not told.
    #[default]
    Untold,
    /// It may.
    Safe,
    /// Only in the leader.
    Restricted,
    /// It forbids a parallel plan.
    Unsafe,
}

/// What PostgreSQL knows of a routine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PostgresRoutine {
    /// How much its answer can change.
    pub volatility: Volatility,
    /// Whether it may run in a parallel worker.
    pub parallel: ParallelSafety,
    /// Not called where an argument is NULL.
    pub strict: bool,
    /// It tells nothing of its arguments but its answer.
    pub leakproof: bool,
    /// Cost by estimate.
    pub cost: f64,
    /// Rows by estimate; 0 where it returns no set.
    pub rows: f64,
    /// Returns a set.
    pub returns_set: bool,
    /// It is a window function.
    pub window: bool,
    /// Settings that hold while it runs.
    pub settings: Vec<Parameter>,
    /// Planner support function; empty: none.
    pub support_function: String,
}

/// What MySQL and MariaDB know of a routine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MysqlRoutine {
    /// Account that made it.
    pub definer: String,
    /// Declared to give the same answer for the same arguments.
    pub deterministic: bool,
    /// `CONTAINS SQL`, `NO SQL`, `READS SQL DATA` or `MODIFIES SQL DATA`.
    pub data_access: String,
    /// SQL mode that it was made with.
    pub sql_mode: String,
    /// Character set of the session that made it.
    pub character_set_client: String,
    /// Collation of the session that made it.
    pub collation_connection: String,
    /// Collation of the database then.
    pub database_collation: String,
}

/// What one engine alone knows of a routine.
#[derive(Debug, Clone, PartialEq)]
pub enum RoutineDetails {
    /// PostgreSQL.
    Postgres(PostgresRoutine),
    /// MySQL and MariaDB.
    Mysql(MysqlRoutine),
}

/// A function or a procedure.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Routine {
    /// Language, lower case.
    pub language: String,
    /// Arguments in order.
    pub arguments: Vec<RoutineArgument>,
    /// What is returned, as the engine writes it; empty for a procedure.
    pub return_type: String,
    /// Whose privileges it runs with.
    pub security: SecurityContext,
    /// Its body as the engine keeps it.
    pub body: String,
    /// What its engine knows beside that.
    pub details: Option<RoutineDetails>,
}

/// An aggregate function.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Aggregate {
    /// Arguments in order; those before the ORDER BY of an ordered-set aggregate first.
    pub arguments: Vec<RoutineArgument>,
    /// Type of its answer.
    pub return_type: String,
    /// Function that takes in the next value.
    pub state_function: String,
    /// Type of its state.
    pub state_type: String,
    /// Function that makes the answer out of the state; empty: the state is the answer.
    pub final_function: String,
    /// Function that joins two states; empty: none.
    pub combine_function: String,
    /// State at the start; absent: NULL.
    pub initial_state: Option<String>,
    /// Operator that lets an index answer it; empty: none.
    pub sort_operator: String,
    /// `normal`, `ordered-set`, `hypothetical-set` or `udf`.
    pub kind: String,
    /// Whether it may run in a parallel worker.
    pub parallel: ParallelSafety,
}
