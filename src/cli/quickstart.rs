//! The quick start: a walk through the main job on a sample database.
//!
//! `sample` makes the database and its migrations; `present` puts steps, tables and figures on paper.

pub mod present;
pub mod sample;
