//! How large a definition may be.

/// Longest text of SQL or YAML, in bytes.
pub const MAX_DEFINITION_TEXT: usize = 1024 * 1024;
/// Most bytes of YAML and statements that a definition may come to.
pub const MAX_GENERATED: usize = 2 * 1024 * 1024;
/// Longest expression, query or comment, in bytes.
pub const MAX_EXPRESSION: usize = 64 * 1024;
/// Most tables, and most views.
pub const MAX_TABLES: usize = 5_000;
/// Most types.
pub(super) const MAX_TYPES: usize = 1_000;
/// Most columns of a table: as many as a table of PostgreSQL can have.
pub(super) const MAX_COLUMNS: usize = 1_600;
/// Most keys, checks and indexes of a table, of each kind, and most columns of one of them.
pub(super) const MAX_PARTS: usize = 500;
/// Most labels of an enumerated type.
pub(super) const MAX_LABELS: usize = 1_000;
/// How many times over a type may be made of others.
pub(super) const MAX_NESTING: usize = 16;
/// Most violations that one error tells.
pub(in crate::model::schema) const MAX_VIOLATIONS: usize = 50;
