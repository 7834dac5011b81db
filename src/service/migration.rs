//! Migration sets, and bringing databases to a version of them.
//!
//! Files become migrations in [`import`], a set and a history become steps in [`plan`], a
//! script becomes statements in [`script`] by the [`splitter`] of the dialect.

pub mod import;
pub mod plan;
mod runner;
pub mod script;
pub mod splitter;
