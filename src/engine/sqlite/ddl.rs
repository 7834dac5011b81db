//! Reads out of a definition's text what no pragma tells: names of constraints, checks, expressions and conditions.
//!
//! The text was accepted by SQLite before, so that it need not be checked, only understood; where it is not, the answer
//! is empty and never an error.

mod mention;
mod trigger;

pub(super) use self::{
    mention::names_table,
    trigger::{module, trigger},
};

use super::token::{Token, TokenKind, tokens};
use crate::model::schema::MatchType;

/// What begins a constraint of a column.
const COLUMN_CONSTRAINTS: [&str; 10] =
    ["CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED"];

/// A key with the name of its constraint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Key {
    /// Name; empty: none.
    pub(super) name: String,
    /// Columns as written, quotes taken away.
    pub(super) columns: Vec<String>,
    /// ON CONFLICT, upper case; empty: not said.
    pub(super) on_conflict: String,
}

/// A check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Check {
    /// Name; empty: none.
    pub(super) name: String,
    /// The condition without its brackets.
    pub(super) expression: String,
    /// The column that it was declared with; empty: the table.
    pub(super) column: String,
}

/// What a foreign key says beside its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reference {
    /// Name; empty: none.
    pub(super) name: String,
    /// `DEFERRABLE INITIALLY DEFERRED`: the only form that waits.
    pub(super) deferred: bool,
    /// MATCH, which SQLite reads and does not heed.
    pub(super) match_type: MatchType,
}

/// What a column's definition says beside its type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ColumnText {
    /// Name.
    pub(super) name: String,
    /// AUTOINCREMENT.
    pub(super) autoincrement: bool,
    /// Expression of a generated column.
    pub(super) generated: String,
    /// Collation; empty: none given.
    pub(super) collation: String,
}

/// What the definition of a table says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TableText {
    /// Columns in order.
    pub(super) columns: Vec<ColumnText>,
    /// Primary key.
    pub(super) primary_key: Option<Key>,
    /// Unique constraints in order.
    pub(super) unique: Vec<Key>,
    /// Checks in order.
    pub(super) checks: Vec<Check>,
    /// Foreign keys in order.
    pub(super) references: Vec<Reference>,
}

/// Reads a CREATE TABLE.
pub(super) fn table(sql: &str) -> TableText {
    let tokens = tokens(sql);
    let mut text = TableText::default();
    let Some((body, _)) = first_group(&tokens) else {
        return text;
    };
    for item in split(body) {
        if is_table_constraint(item) {
            Item { sql, tokens: item, column: None }.read(0, &mut text);
        } else if let Some(name) = item.first().and_then(Token::name) {
            text.columns.push(ColumnText { name: name.clone(), ..ColumnText::default() });
            let constraints = 1 + item[1..].iter().take_while(|token| !begins_constraint(token)).count();
            Item { sql, tokens: item, column: Some(name) }.read(constraints, &mut text);
        }
    }
    text
}

/// What the definition of an index says: its terms in order, without their direction, and its condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct IndexText {
    /// Terms as written.
    pub(super) terms: Vec<String>,
    /// Condition; empty: none.
    pub(super) predicate: String,
}

/// Reads a CREATE INDEX.
pub(super) fn index(sql: &str) -> IndexText {
    let tokens = tokens(sql);
    let Some((body, after)) = first_group(&tokens) else {
        return IndexText::default();
    };
    let terms = split(body).map(|item| {
        let direction = item.last().is_some_and(|token| token.is_any(&["ASC", "DESC"]));
        source(sql, &item[..item.len() - usize::from(direction)])
    });
    let predicate = match tokens.get(after) {
        Some(token) if token.is("WHERE") => source(sql, without_semicolon(&tokens[after + 1..])),
        _ => String::new(),
    };
    IndexText { terms: terms.collect(), predicate }
}

/// Whether a text is a name alone, in quotes or not.
pub(super) fn is_name(text: &str, name: &str) -> bool {
    matches!(tokens(text).as_slice(), [token] if token.name().is_some_and(|found| found.eq_ignore_ascii_case(name)))
}

/// The query of a CREATE VIEW.
pub(super) fn view_query(sql: &str) -> String {
    let tokens = tokens(sql);
    let Some(header) = tokens.iter().position(|token| token.is("AS")) else {
        return String::new();
    };
    source(sql, without_semicolon(&tokens[header + 1..]))
}

/// `USING module(arguments)` of a CREATE VIRTUAL TABLE.
pub(super) fn virtual_module(sql: &str) -> String {
    let tokens = tokens(sql);
    let Some(using) = tokens.iter().position(|token| token.is("USING")) else {
        return String::new();
    };
    source(sql, without_semicolon(&tokens[using..]))
}

/// One item between the commas of a table's definition.
struct Item<'a> {
    sql: &'a str,
    tokens: &'a [Token<'a>],
    /// The column that it defines; absent for a constraint of the table.
    column: Option<String>,
}

impl Item<'_> {
    /// Reads the constraints from a position on. Groups are skipped as a whole, so that a keyword inside an expression
    /// is never taken for a constraint.
    fn read(&self, from: usize, text: &mut TableText) {
        let mut position = from;
        let mut name = String::new();
        while let Some(token) = self.tokens.get(position) {
            let next = position + 1;
            if token.is("CONSTRAINT") {
                name = self.tokens.get(next).and_then(Token::name).unwrap_or_default();
                position += 2;
                continue;
            }
            position = match () {
                () if token.is("PRIMARY") => {
                    let (key, end) = self.key(next, &mut name);
                    if self.tokens[next..end].iter().any(|token| token.is("AUTOINCREMENT")) {
                        mark_autoincrement(text, &key);
                    }
                    text.primary_key = Some(key);
                    end
                }
                () if token.is("UNIQUE") => {
                    let (key, end) = self.key(next, &mut name);
                    text.unique.push(key);
                    end
                }
                () if token.is("CHECK") => {
                    let (expression, end) = self.group(next);
                    let column = self.column.clone().unwrap_or_default();
                    text.checks.push(Check { name: std::mem::take(&mut name), expression, column });
                    end
                }
                () if token.is("REFERENCES") => {
                    text.references.push(self.reference(next, &mut name));
                    next
                }
                () if token.is("COLLATE") => {
                    let collation = self.tokens.get(next).and_then(Token::name).unwrap_or_default();
                    self.with_column(text, |column| column.collation = collation);
                    position + 2
                }
                () if token.is("AS") => {
                    let (expression, end) = self.group(next);
                    self.with_column(text, |column| column.generated = expression);
                    end
                }
                () if token.is_symbol("(") => closing(self.tokens, position) + 1,
                () => next,
            };
        }
    }

    fn with_column(&self, text: &mut TableText, change: impl FnOnce(&mut ColumnText)) {
        if let (Some(_), Some(column)) = (&self.column, text.columns.last_mut()) {
            change(column);
        }
    }

    /// A key, the column itself or the columns of the next group, and the position after it.
    fn key(&self, from: usize, name: &mut String) -> (Key, usize) {
        let (columns, after) = match &self.column {
            Some(column) => {
                let words = self.tokens[from..].iter().take_while(|token| token.is_any(&["KEY", "ASC", "DESC"]));
                (vec![column.clone()], from + words.count())
            }
            None => {
                let open = (from..self.tokens.len()).find(|at| self.tokens[*at].is_symbol("("));
                let close = open.map_or(self.tokens.len(), |open| closing(self.tokens, open));
                let group = open.map_or(&[][..], |open| &self.tokens[open + 1..close]);
                let columns = split(group).filter_map(|item| item.first().and_then(Token::name)).collect();
                (columns, (close + 1).min(self.tokens.len()))
            }
        };
        let (on_conflict, after) = match &self.tokens[after..] {
            [on, conflict, action, ..] if on.is("ON") && conflict.is("CONFLICT") => {
                (action.text.to_ascii_uppercase(), after + 3)
            }
            _ => (String::new(), after),
        };
        let counts = self.column.is_some() && self.tokens.get(after).is_some_and(|token| token.is("AUTOINCREMENT"));
        (Key { name: std::mem::take(name), columns, on_conflict }, after + usize::from(counts))
    }

    /// The text of the group that begins at a position, and the position after it.
    fn group(&self, from: usize) -> (String, usize) {
        match self.tokens.get(from) {
            Some(token) if token.is_symbol("(") => {
                let close = closing(self.tokens, from);
                (source(self.sql, &self.tokens[from + 1..close]), close + 1)
            }
            _ => (String::new(), from),
        }
    }

    /// The foreign key whose target begins at a position.
    fn reference(&self, from: usize, name: &mut String) -> Reference {
        let rest = &self.tokens[from..];
        let own = rest.iter().position(|token| token.is_any(&["CONSTRAINT", "CHECK", "REFERENCES", "AS"]));
        let own = &rest[..own.unwrap_or(rest.len())];
        let matched = own.windows(2).find(|pair| pair[0].is("MATCH")).map(|pair| pair[1]);
        let match_type = match matched {
            Some(word) if word.is("FULL") => MatchType::Full,
            Some(word) if word.is("PARTIAL") => MatchType::Partial,
            _ => MatchType::Simple,
        };
        Reference { name: std::mem::take(name), deferred: is_deferred(own), match_type }
    }
}

/// Whether the words of a foreign key let it wait for the end of the transaction.
fn is_deferred(words: &[Token<'_>]) -> bool {
    let Some(deferrable) = words.iter().position(|token| token.is("DEFERRABLE")) else {
        return false;
    };
    let negated = deferrable > 0 && words[deferrable - 1].is("NOT");
    !negated && words[deferrable..].iter().any(|token| token.is("DEFERRED"))
}

/// AUTOINCREMENT can stand in a key of the table as well, which then has one column.
fn mark_autoincrement(text: &mut TableText, key: &Key) {
    let named =
        |column: &&mut ColumnText| key.columns.first().is_some_and(|name| name.eq_ignore_ascii_case(&column.name));
    if let Some(column) = text.columns.iter_mut().find(named) {
        column.autoincrement = true;
    }
}

fn is_table_constraint(item: &[Token<'_>]) -> bool {
    item.first().is_some_and(|token| token.is_any(&["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]))
}

fn begins_constraint(token: &Token<'_>) -> bool {
    token.is_any(&COLUMN_CONSTRAINTS) || token.is("AS")
}

/// The tokens inside the first bracketed group, and the position after it.
fn first_group<'a, 'b>(tokens: &'b [Token<'a>]) -> Option<(&'b [Token<'a>], usize)> {
    let open = tokens.iter().position(|token| token.is_symbol("("))?;
    let close = closing(tokens, open);
    Some((&tokens[open + 1..close], close + 1))
}

/// Position of the bracket that closes the one at `open`, or the end.
fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (position, token) in tokens.iter().enumerate().skip(open) {
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            depth -= 1;
            if depth == 0 {
                return position;
            }
        }
    }
    tokens.len()
}

/// Cuts at the commas outside brackets.
fn split<'a, 'b>(tokens: &'b [Token<'a>]) -> impl Iterator<Item = &'b [Token<'a>]> {
    let mut depth = 0_i32;
    tokens.split(move |token| {
        if token.kind == TokenKind::Symbol {
            match token.text {
                "(" => depth += 1,
                ")" => depth -= 1,
                "," => return depth == 0,
                _ => {}
            }
        }
        false
    })
}

/// The text from the first to the last of some tokens, as it was written.
fn source(sql: &str, tokens: &[Token<'_>]) -> String {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => sql[first.start..last.end()].to_owned(),
        _ => String::new(),
    }
}

fn without_semicolon<'a, 'b>(tokens: &'b [Token<'a>]) -> &'b [Token<'a>] {
    match tokens.split_last() {
        Some((last, rest)) if last.is_symbol(";") => rest,
        _ => tokens,
    }
}

#[cfg(test)]
mod tests;
