//! Knows whether a `;` ends a statement or belongs to the body of a routine, trigger or rule.

mod mysql;
mod postgresql;
mod sqlite;

use crate::model::migration::Dialect;

use super::lexer::Token;

/// The tracker of a dialect; one is made for each statement.
pub(super) enum Body<'a> {
    Postgresql(postgresql::Tracker<'a>),
    Mysql(mysql::Tracker<'a>),
    Sqlite(sqlite::Tracker),
}

impl<'a> Body<'a> {
    pub(super) fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Postgresql => Self::Postgresql(postgresql::Tracker::default()),
            Dialect::Mysql => Self::Mysql(mysql::Tracker::default()),
            Dialect::Sqlite => Self::Sqlite(sqlite::Tracker::default()),
        }
    }

    /// Takes note of the next token of the statement.
    pub(super) fn take(&mut self, token: &Token<'a>) {
        match self {
            Self::Postgresql(tracker) => tracker.take(token),
            Self::Mysql(tracker) => tracker.take(token),
            Self::Sqlite(tracker) => tracker.take(token),
        }
    }

    /// No body is open, so that a `;` here ends the statement.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Postgresql(tracker) => tracker.is_closed(),
            Self::Mysql(tracker) => tracker.is_closed(),
            Self::Sqlite(tracker) => tracker.is_closed(),
        }
    }

    /// Why this statement cannot be run at all.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Postgresql(tracker) => tracker.refusal(),
            Self::Mysql(_) | Self::Sqlite(_) => None,
        }
    }
}
