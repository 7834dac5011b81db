//! Cuts a script into tokens: just enough of each dialect to know what is inside a string or a comment.

use crate::model::migration::Dialect;

use super::SplitError;

/// A place in the script.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// Bytes from the start of the script.
    pub(super) offset: usize,
    /// Line of the file, from 1.
    pub(super) line: u32,
    /// Column in characters, from 1.
    pub(super) column: u32,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space, a comment, or a line that is meant for a client program.
    Blank,
    /// A name, keyword or number without quotes.
    Word,
    /// A string or a quoted name.
    Quoted,
    /// Any other character.
    Symbol,
    /// Where a conditional comment of MySQL begins or ends; what stands between is code.
    Marker,
    /// A `;`, which ends a statement unless it stands in a body.
    Semicolon,
    /// The delimiter that a DELIMITER line chose, which always ends a statement.
    Delimiter,
}

/// A piece of the script.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: Position,
}

impl Token<'_> {
    /// An unquoted word, in whatever case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }
}

/// Reads the tokens of a script from front to back. The texts of the tokens, put together, are the script.
pub(super) struct Lexer<'a> {
    dialect: Dialect,
    text: &'a str,
    position: Position,
    delimiter: Option<&'a str>,
    /// Where the conditional comment begins that is open.
    conditional: Option<Position>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(dialect: Dialect, text: &'a str, first_line: u32) -> Self {
        let position = Position { offset: 0, line: first_line, column: 1 };
        Self { dialect, text, position, delimiter: None, conditional: None }
    }

    /// The next token. `in_statement` tells that a statement is open, so that a line for a client cannot begin.
    pub(super) fn next(&mut self, in_statement: bool) -> Result<Option<Token<'a>>, SplitError> {
        let start = self.position;
        let Some(first) = self.peek() else {
            return match self.conditional {
                Some(opened) => Err(SplitError::at(opened, "this comment is not closed; add '*/'")),
                None => Ok(None),
            };
        };
        let kind = self.consume(first, in_statement)?;
        Ok(Some(Token { kind, text: &self.text[start.offset..self.position.offset], start }))
    }

    fn consume(&mut self, first: char, in_statement: bool) -> Result<Kind, SplitError> {
        if self.at_delimiter() {
            self.skip_bytes(self.delimiter.map_or(0, str::len));
            return Ok(Kind::Delimiter);
        }
        if is_space(first) {
            self.skip_while(is_space);
            return Ok(Kind::Blank);
        }
        if self.at_line_comment() {
            self.skip_while(|character| character != '\n');
            return Ok(Kind::Blank);
        }
        if self.rest().starts_with("/*") {
            return self.block_comment();
        }
        if self.conditional.is_some() && self.rest().starts_with("*/") {
            self.conditional = None;
            self.skip_bytes(2);
            return Ok(Kind::Marker);
        }
        match (self.dialect, first) {
            (_, ';') => {
                self.skip_bytes(1);
                let ends = self.delimiter.is_none() && self.conditional.is_none();
                Ok(if ends { Kind::Semicolon } else { Kind::Symbol })
            }
            (Dialect::Mysql, '\'' | '"') => self.quoted(first, true),
            (_, '\'' | '"') | (Dialect::Mysql | Dialect::Sqlite, '`') => self.quoted(first, false),
            (Dialect::Sqlite, '[') => self.bracketed(),
            (Dialect::Postgresql, '$') => self.dollar_quoted(),
            (Dialect::Postgresql, '\\') => self.meta_command(),
            (Dialect::Mysql, 'd' | 'D') if !in_statement && self.at_delimiter_line() => self.delimiter_line(),
            _ if is_word_start(first) => self.word(),
            _ => {
                self.advance();
                Ok(Kind::Symbol)
            }
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.position.offset..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self) {
        let Some(character) = self.peek() else { return };
        self.position.offset += character.len_utf8();
        if character == '\n' {
            self.position.line += 1;
            self.position.column = 1;
        } else {
            self.position.column += 1;
        }
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.advance();
        }
    }

    fn skip_bytes(&mut self, bytes: usize) {
        let end = self.position.offset + bytes;
        while self.position.offset < end {
            self.advance();
        }
    }

    fn at_delimiter(&self) -> bool {
        self.conditional.is_none() && self.delimiter.is_some_and(|delimiter| self.rest().starts_with(delimiter))
    }

    /// MySQL takes `--` for a comment only before white space, because `5--2` is a subtraction there.
    fn at_line_comment(&self) -> bool {
        let rest = self.rest();
        match self.dialect {
            Dialect::Postgresql | Dialect::Sqlite => rest.starts_with("--"),
            Dialect::Mysql => {
                rest.starts_with('#')
                    || rest.strip_prefix("--").is_some_and(|after| {
                        after.chars().next().is_none_or(|next| next.is_ascii_control() || next == ' ')
                    })
            }
        }
    }

    fn block_comment(&mut self) -> Result<Kind, SplitError> {
        if self.dialect == Dialect::Mysql
            && self.conditional.is_none()
            && let Some(length) = conditional_comment_head(self.rest())
        {
            self.conditional = Some(self.position);
            self.skip_bytes(length);
            return Ok(Kind::Marker);
        }
        let opened = self.position;
        let mut depth = 0_u32;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") && (depth == 0 || self.dialect == Dialect::Postgresql) {
                depth += 1;
                self.skip_bytes(2);
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.skip_bytes(2);
                if depth == 0 {
                    return Ok(Kind::Blank);
                }
            } else if rest.is_empty() {
                return Err(SplitError::at(opened, "this comment is not closed; add '*/'"));
            } else {
                self.advance();
            }
        }
    }

    fn quoted(&mut self, quote: char, backslash_escapes: bool) -> Result<Kind, SplitError> {
        let opened = self.position;
        self.advance();
        while let Some(character) = self.peek() {
            self.advance();
            if character == '\\' && backslash_escapes {
                self.advance();
            } else if character == quote {
                if self.peek() != Some(quote) {
                    return Ok(Kind::Quoted);
                }
                self.advance();
            }
        }
        Err(SplitError::at(opened, format!("what is quoted from here on is not closed; add {quote}")))
    }

    fn bracketed(&mut self) -> Result<Kind, SplitError> {
        let opened = self.position;
        self.skip_while(|character| character != ']');
        if self.peek().is_none() {
            return Err(SplitError::at(opened, "the name that begins here is not closed; add ]"));
        }
        self.advance();
        Ok(Kind::Quoted)
    }

    /// `$$ ... $$` or `$tag$ ... $tag$`; a lone `$` as in the parameter `$1` is a symbol.
    fn dollar_quoted(&mut self) -> Result<Kind, SplitError> {
        let opened = self.position;
        let rest = self.rest();
        let tag_length = rest[1..].find(|character: char| !is_word(character) || character == '$');
        let tag = match tag_length {
            Some(length) if rest[1 + length..].starts_with('$') => &rest[..length + 2],
            _ => "",
        };
        if tag.is_empty() || tag[1..].starts_with(|character: char| character.is_ascii_digit()) {
            self.advance();
            return Ok(Kind::Symbol);
        }
        let Some(length) = rest[tag.len()..].find(tag) else {
            return Err(SplitError::at(opened, format!("the text that begins here is not closed; add {tag}")));
        };
        self.skip_bytes(length + 2 * tag.len());
        Ok(Kind::Quoted)
    }

    /// Newer versions of pg_dump frame their output with `\restrict` and `\unrestrict`, which tell psql
    /// to take no other command; nothing is lost without them. Any other command would be.
    fn meta_command(&mut self) -> Result<Kind, SplitError> {
        let line = self.rest().lines().next().unwrap_or_default();
        let command = line.split_ascii_whitespace().next().unwrap_or_default();
        if matches!(command, "\\restrict" | "\\unrestrict") {
            self.skip_bytes(line.len());
            return Ok(Kind::Blank);
        }
        let message = format!("{command} is a command of psql, not SQL; take it out or say it in SQL");
        Err(SplitError::at(self.position, message))
    }

    fn at_delimiter_line(&self) -> bool {
        const KEYWORD: &str = "DELIMITER";
        let rest = self.rest();
        let before = self.text[..self.position.offset].rsplit('\n').next().unwrap_or_default();
        rest.get(..KEYWORD.len()).is_some_and(|word| word.eq_ignore_ascii_case(KEYWORD))
            && rest[KEYWORD.len()..].starts_with([' ', '\t', '\r', '\n'])
            && before.trim().is_empty()
    }

    fn delimiter_line(&mut self) -> Result<Kind, SplitError> {
        let line = self.rest().lines().next().unwrap_or_default();
        let Some(delimiter) = line.split_ascii_whitespace().nth(1).filter(|word| !word.contains('\\')) else {
            let message = "DELIMITER needs the new delimiter behind it, without a backslash, such as DELIMITER //";
            return Err(SplitError::at(self.position, message));
        };
        self.delimiter = (delimiter != ";").then_some(delimiter);
        self.skip_bytes(line.len());
        Ok(Kind::Blank)
    }

    fn word(&mut self) -> Result<Kind, SplitError> {
        let start = self.position.offset;
        // A delimiter such as $$ is made of characters that a word may hold, and ends it all the same.
        while self.peek().is_some_and(is_word) && !self.at_delimiter() {
            self.advance();
        }
        let text = &self.text[start..self.position.offset];
        if self.dialect == Dialect::Postgresql && text.eq_ignore_ascii_case("e") && self.peek() == Some('\'') {
            return self.escape_string();
        }
        Ok(Kind::Word)
    }

    /// `E'...'` with backslashes. It may go on in a further string on another line, under the same rules.
    fn escape_string(&mut self) -> Result<Kind, SplitError> {
        self.quoted('\'', true)?;
        loop {
            let rest = self.rest();
            let gap = rest.len() - rest.trim_start_matches(is_space).len();
            if !rest[..gap].contains('\n') || !rest[gap..].starts_with('\'') {
                return Ok(Kind::Quoted);
            }
            self.skip_bytes(gap);
            self.quoted('\'', true)?;
        }
    }
}

/// Bytes of `/*!` or `/*M!` with its version, where the text begins with one. No server is of
/// version 999999, so that such a comment never becomes code.
fn conditional_comment_head(text: &str) -> Option<usize> {
    let after = text.strip_prefix("/*!").or_else(|| text.strip_prefix("/*M!"))?;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let never = after[..digits].starts_with("999999");
    (!never).then(|| text.len() - after.len() + digits)
}

fn is_space(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\u{b}'
}

fn is_word_start(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || !character.is_ascii()
}

fn is_word(character: char) -> bool {
    is_word_start(character) || character == '$'
}
