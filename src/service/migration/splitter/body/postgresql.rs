//! PostgreSQL: `BEGIN ATOMIC ... END` of a function, the statements of a rule, and COPY from the client.

use super::super::lexer::{Kind, Token};

/// What kind of statement it is, as far as it matters here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Statement {
    #[default]
    Unread,
    /// CREATE was read, and not yet what is created.
    Create,
    Routine,
    Rule,
    Copy,
    Other,
}

#[derive(Default)]
pub(in super::super) struct Tracker<'a> {
    statement: Statement,
    /// BEGIN ATOMIC and CASE that wait for their END.
    blocks: u32,
    parentheses: u32,
    previous: Option<Token<'a>>,
    copies_from_client: bool,
}

impl<'a> Tracker<'a> {
    pub(in super::super) fn take(&mut self, token: &Token<'a>) {
        match self.statement {
            Statement::Unread if token.is_word("CREATE") => self.statement = Statement::Create,
            Statement::Unread if token.is_word("COPY") => self.statement = Statement::Copy,
            Statement::Unread => self.statement = Statement::Other,
            Statement::Create => self.statement = created(token),
            Statement::Routine => self.track_blocks(token),
            Statement::Rule => self.track_parentheses(token),
            Statement::Copy => self.copies_from_client |= token.is_word("STDIN") && self.follows("FROM"),
            Statement::Other => {}
        }
        self.previous = Some(*token);
    }

    pub(in super::super) fn is_closed(&self) -> bool {
        self.blocks == 0 && self.parentheses == 0
    }

    pub(in super::super) fn refusal(&self) -> Option<&'static str> {
        self.copies_from_client.then_some(
            "COPY ... FROM stdin reads its rows from the client and cannot be run; use INSERT (pg_dump --inserts)",
        )
    }

    fn follows(&self, word: &str) -> bool {
        self.previous.is_some_and(|previous| previous.is_word(word))
    }

    /// Keywords are plain names behind a dot and behind AS.
    fn track_blocks(&mut self, token: &Token<'a>) {
        if self.follows("AS") || self.previous.is_some_and(|previous| previous.text == ".") {
            return;
        }
        let opens = match self.blocks {
            0 => token.is_word("ATOMIC") && self.follows("BEGIN"),
            _ => token.is_word("CASE"),
        };
        if opens {
            self.blocks += 1;
        } else if token.is_word("END") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }

    fn track_parentheses(&mut self, token: &Token<'a>) {
        match token.text {
            "(" if token.kind == Kind::Symbol => self.parentheses += 1,
            ")" if token.kind == Kind::Symbol => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
    }
}

fn created(token: &Token<'_>) -> Statement {
    if token.is_word("OR") || token.is_word("REPLACE") {
        Statement::Create
    } else if token.is_word("FUNCTION") || token.is_word("PROCEDURE") {
        Statement::Routine
    } else if token.is_word("RULE") {
        Statement::Rule
    } else {
        Statement::Other
    }
}
