//! Cuts a script into statements, each with its place in the file.
//!
//! Three parts: the [`lexer`] knows what is a comment, a string or a word in a dialect, the [`body`] trackers
//! know where a `;` belongs to the body of a routine or a trigger, and the loop here puts them together. A
//! statement is a slice of the input from its first to its last token, so nothing is ever rewritten.

mod body;
mod lexer;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::model::migration::{Dialect, Statement};

use body::Body;
use lexer::{Kind, Lexer, Position, Token};

/// Why a script cannot be cut, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitError {
    /// Line of the file, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong and what to do.
    pub message: String,
}

impl SplitError {
    fn at(position: Position, message: impl Into<String>) -> Self {
        Self { line: position.line, column: position.column, message: message.into() }
    }
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for SplitError {}

/// The statements of `text`, whose first line is line `first_line` of its file. Comments and empty
/// statements are none.
pub fn split(dialect: Dialect, text: &str, first_line: u32) -> Result<Vec<Statement>, SplitError> {
    let mut lexer = Lexer::new(dialect, text, first_line);
    let mut statements = Vec::new();
    let mut open: Option<OpenStatement<'_>> = None;
    while let Some(token) = lexer.next(open.is_some())? {
        let ends = match token.kind {
            Kind::Blank => continue,
            Kind::Delimiter => true,
            Kind::Semicolon => open.as_ref().is_none_or(|statement| statement.body.is_closed()),
            Kind::Word | Kind::Quoted | Kind::Symbol | Kind::Marker => false,
        };
        if !ends {
            open.get_or_insert_with(|| OpenStatement::new(dialect, token.start)).take(&token);
        } else if let Some(statement) = open.take() {
            statements.push(statement.finish(text)?);
        }
    }
    if let Some(statement) = open {
        if !statement.body.is_closed() {
            return Err(SplitError::at(
                statement.start,
                "the statement that begins here has a body without its END; close it, and end it with ';'",
            ));
        }
        statements.push(statement.finish(text)?);
    }
    Ok(statements)
}

struct OpenStatement<'a> {
    start: Position,
    end: usize,
    body: Body<'a>,
}

impl<'a> OpenStatement<'a> {
    fn new(dialect: Dialect, start: Position) -> Self {
        Self { start, end: start.offset, body: Body::new(dialect) }
    }

    fn take(&mut self, token: &Token<'a>) {
        self.end = token.start.offset + token.text.len();
        self.body.take(token);
    }

    fn finish(self, text: &str) -> Result<Statement, SplitError> {
        if let Some(message) = self.body.refusal() {
            return Err(SplitError::at(self.start, message));
        }
        Ok(Statement {
            text: text[self.start.offset..self.end].to_owned(),
            line: self.start.line,
            column: self.start.column,
        })
    }
}
