//! Reads statements that make a schema. What is not understood is refused with its place, never passed over.

mod column;
mod constraint;
mod height;
pub(super) mod query;
mod statement;

use std::thread;

use sqlparser::{
    ast::{Ident, ObjectName as SqlName, Statement},
    parser::{Parser, ParserError},
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};

use super::Dialect;
use crate::model::{
    Error, Result,
    schema::{
        ObjectName,
        definition::{SchemaDefinition, TableDefinition},
    },
};

/// Room for the highest tree that [`height`] lets pass, which is walked by recursion. Memory that is not used is not taken.
const STACK: usize = 256 * 1024 * 1024;

/// What a statement holds that a definition does not, in a sentence's part; its place is that of the statement.
type Understood<T> = std::result::Result<T, String>;

/// Reads a text; `field` is what errors are told of.
pub(super) fn read(dialect: &(dyn Dialect + '_), text: &str, field: &str) -> Result<SchemaDefinition> {
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || read_all(dialect, text));
        let read = reader.map_err(Error::internal)?.join();
        let read = read.map_err(|_| Error::internal("the reader of SQL panicked"))?;
        read.map_err(|fault| fault.placed(text).told(field))
    })
}

/// What is wrong, and where.
struct Fault {
    place: Location,
    problem: String,
}

impl Fault {
    /// The parser has no place for the end of a text.
    fn placed(self, text: &str) -> Self {
        if self.place.line > 0 {
            return self;
        }
        let text = text.trim_end();
        let (line, last) = text.lines().enumerate().last().unwrap_or_default();
        let count = |number: usize| u64::try_from(number + 1).unwrap_or(u64::MAX);
        let place = Location { line: count(line), column: count(last.chars().count()) };
        Self { place, ..self }
    }

    fn told(self, field: &str) -> Error {
        let Location { line, column } = self.place;
        Error::invalid_field(field, format!("line {line}, column {column}: {}", self.problem))
            .with_metadata("line", line.to_string())
            .with_metadata("column", column.to_string())
    }
}

fn read_all(dialect: &(dyn Dialect + '_), text: &str) -> std::result::Result<SchemaDefinition, Fault> {
    let grammar = dialect.grammar();
    let tokens = Tokenizer::new(grammar.as_ref(), text)
        .tokenize_with_location()
        .map_err(|error| Fault { place: error.location, problem: error.message })?;
    height::refuse_high(&tokens)?;
    let end = end(&tokens);
    let has_hard_text = tokens.iter().any(|token| is_hard(&token.token));
    let mut parser = Parser::new(grammar.as_ref()).with_tokens_with_locations(tokens);
    let mut draft = SqlDraft { dialect, definition: SchemaDefinition::default(), has_hard_text };
    loop {
        while parser.consume_token(&Token::SemiColon) {}
        let begin = parser.peek_token();
        if begin.token == Token::EOF {
            return Ok(draft.definition);
        }
        let statement = parser.parse_statement().map_err(|error| syntax(&error, &parser, end))?;
        let next = parser.peek_token();
        if !matches!(next.token, Token::SemiColon | Token::EOF) {
            let problem = format!("expected a semicolon, found {}", next.token);
            return Err(Fault { place: next.span.start, problem });
        }
        draft.take(statement).map_err(|problem| Fault { place: begin.span.start, problem })?;
    }
}

/// Where the last word of a text ends, which the parser calls line 0.
fn end(tokens: &[TokenWithSpan]) -> Location {
    let is_word = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_)) && token.span.end.line > 0;
    tokens.iter().rev().find(is_word).map_or(Location { line: 1, column: 1 }, |token| token.span.end)
}

/// The parser says the place at the end of its words, and not always.
fn syntax(error: &ParserError, parser: &Parser<'_>, end: Location) -> Fault {
    let mut fault = said(error, parser);
    if fault.place.line == 0 {
        fault.place = end;
    }
    fault
}

fn said(error: &ParserError, parser: &Parser<'_>) -> Fault {
    let words = match error {
        ParserError::TokenizerError(words) | ParserError::ParserError(words) => words.clone(),
        ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
    };
    let said = words.rsplit_once(" at Line: ").and_then(|(problem, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        let place = Location { line: line.parse().ok()?, column: column.parse().ok()? };
        Some(Fault { place, problem: problem.to_owned() })
    });
    said.unwrap_or_else(|| Fault { place: parser.peek_token().span.start, problem: words })
}

/// A definition while statements are read into it.
struct SqlDraft<'a> {
    dialect: &'a (dyn Dialect + 'a),
    definition: SchemaDefinition,
    /// There is a text that the parser does not write again as it was.
    has_hard_text: bool,
}

/// The parser takes two quotes in a row for one that is written already, and leaves a backslash as it is.
fn is_hard(token: &Token) -> bool {
    matches!(token, Token::SingleQuotedString(text) if text.contains("''") || text.contains('\\'))
}

impl SqlDraft<'_> {
    fn take(&mut self, statement: Statement) -> Understood<()> {
        match statement {
            Statement::CreateTable(table) => self.create_table(table),
            Statement::CreateIndex(index) => self.create_index(&index),
            Statement::CreateView(view) => self.create_view(&view),
            Statement::CreateType { name, representation: Some(representation) } => {
                self.create_type(&name, &representation)
            }
            Statement::CreateDomain(domain) => self.create_domain(&domain),
            Statement::AlterTable(change) => self.alter_table(change),
            Statement::Comment { object_type, object_name, comment, .. } => {
                self.comment(&object_type, &object_name, &comment.unwrap_or_default())
            }
            // A definition has the schemas that its tables are in.
            Statement::CreateSchema { .. } => Ok(()),
            other => {
                let words: Vec<String> = other.to_string().split_whitespace().take(3).map(str::to_owned).collect();
                Err(format!("a statement {} ... does not make a part of a definition; take it out", words.join(" ")))
            }
        }
    }

    /// What the parser wrote again of a part that is kept in the words of the engine.
    fn own_words(&self, text: String) -> Understood<String> {
        if self.has_hard_text && text.contains('\'') {
            let text: String = text.chars().take(60).collect();
            return Err(format!(
                "{text} ... is kept as it is, for which no text may have two quotes in a row or a backslash"
            ));
        }
        Ok(text)
    }

    /// A name as the engine takes it.
    fn name(&self, name: &Ident) -> String {
        if name.quote_style.is_some() { name.value.clone() } else { self.dialect.fold(&name.value) }
    }

    fn names(&self, names: &[Ident]) -> Vec<String> {
        names.iter().map(|name| self.name(name)).collect()
    }

    /// A name with its schema; the default one has no name in a definition.
    fn object_name(&self, name: &SqlName) -> Understood<ObjectName> {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(|part| self.name(part)).collect();
        match parts.as_slice() {
            [name] => Ok(ObjectName { schema: String::new(), name: name.clone() }),
            [schema, name] => {
                let is_default = self.dialect.default_schema() == Some(schema.as_str());
                Ok(ObjectName { schema: if is_default { String::new() } else { schema.clone() }, name: name.clone() })
            }
            _ => Err(format!("the name {name} has more than a schema and a name")),
        }
    }

    /// The table that a statement changes.
    fn table(&mut self, name: &SqlName) -> Understood<&mut TableDefinition> {
        let name = self.object_name(name)?;
        let found =
            self.definition.tables.iter_mut().find(|table| table.schema == name.schema && table.name == name.name);
        found.ok_or_else(|| format!("there is no table {:?} before this statement", name.name))
    }
}

#[cfg(test)]
mod tests;
