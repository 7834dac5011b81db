//! SQLite: a trigger ends at `; END`, by which SQLite's own shell tells it too. BEGIN and END are
//! fit for names of columns there, so that counting them would not do.

use super::super::lexer::{Kind, Token};

/// How far the end of the statement has been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// CREATE was read, and not yet what is created.
    Create,
    /// In a trigger.
    Trigger,
    /// Behind a `;` in a trigger.
    TriggerStatement,
    /// Behind `; END` in a trigger.
    TriggerEnd,
    Other,
}

#[derive(Default)]
pub(in super::super) struct Tracker {
    state: State,
}

impl Tracker {
    pub(in super::super) fn take(&mut self, token: &Token<'_>) {
        self.state = match self.state {
            State::Start if token.is_word("CREATE") => State::Create,
            State::Start | State::Other => State::Other,
            State::Create if token.is_word("TEMP") || token.is_word("TEMPORARY") => State::Create,
            State::Create if token.is_word("TRIGGER") => State::Trigger,
            State::Create => State::Other,
            State::Trigger | State::TriggerStatement | State::TriggerEnd if token.kind == Kind::Semicolon => {
                State::TriggerStatement
            }
            State::TriggerStatement if token.is_word("END") => State::TriggerEnd,
            State::Trigger | State::TriggerStatement | State::TriggerEnd => State::Trigger,
        };
    }

    pub(in super::super) fn is_closed(&self) -> bool {
        !matches!(self.state, State::Trigger | State::TriggerStatement)
    }
}
