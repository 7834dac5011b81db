//! What depends on a table.

/// What kind of thing depends on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DependentKind {
    /// A table.
    Table,
    /// A view.
    View,
    /// A materialised view.
    MaterializedView,
    /// A sequence.
    Sequence,
    /// A function.
    Function,
    /// A procedure.
    Procedure,
    /// A trigger of another table.
    Trigger,
    /// A row security policy of another table.
    Policy,
    /// A rule of another relation.
    Rule,
    /// A publication.
    Publication,
    /// A scheduled event.
    Event,
    /// A type.
    Type,
}

/// How something depends on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependence {
    /// Its query or body reads the table.
    Reads,
    /// A foreign key of it points to the table.
    References,
    /// It belongs to the table and goes with it.
    Owned,
    /// It is a partition of the table.
    Partition,
    /// It inherits from the table.
    Inherits,
    /// A trigger of the table calls it.
    Called,
    /// It publishes the table.
    Publishes,
    /// It uses the row type of the table.
    RowType,
}

/// Something that depends on a table. The order is the one in which they are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependent {
    /// What it is.
    pub kind: DependentKind,
    /// Its schema; empty where its kind has none.
    pub schema: String,
    /// Its name; for a function with the types of its arguments.
    pub name: String,
    /// How it depends.
    pub dependence: Dependence,
    /// The foreign key, trigger or rule through which it does; empty: nothing that has a name.
    pub through: String,
    /// Columns of the table that it depends on; empty: the whole, or the engine does not tell.
    pub columns: Vec<String>,
}
