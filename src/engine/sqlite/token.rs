//! Cuts SQL of SQLite into tokens, comments and white space left out.
//!
//! SQLite keeps the text of each definition as it was written, and tells the names of constraints and the expressions of
//! indexes nowhere else. The rules are those of its own tokenizer, so that nothing inside a string, a quoted name or a
//! comment is ever taken for a keyword.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A keyword or a bare name.
    Word,
    /// A name in `"`, backquotes or brackets.
    Quoted,
    /// A string or a blob.
    Text,
    /// A number.
    Number,
    /// A bind parameter.
    Parameter,
    /// An operator or punctuation.
    Symbol,
}

/// A token with its place in the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// What it is.
    pub(super) kind: TokenKind,
    /// As it stands in the text.
    pub(super) text: &'a str,
    /// Where it begins.
    pub(super) start: usize,
}

impl Token<'_> {
    /// Where it ends.
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// A bare word, whatever its case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// One of several bare words.
    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// That operator or punctuation.
    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == TokenKind::Symbol && self.text == symbol
    }

    /// The name that it stands for, quotes taken away. SQLite takes strings for names where a name must stand.
    pub(super) fn name(&self) -> Option<String> {
        match self.kind {
            TokenKind::Word => Some(self.text.to_owned()),
            TokenKind::Quoted | TokenKind::Text => Some(unquote(self.text)),
            TokenKind::Number | TokenKind::Parameter | TokenKind::Symbol => None,
        }
    }
}

fn unquote(text: &str) -> String {
    let mut characters = text.chars();
    let Some(open) = characters.next() else {
        return String::new();
    };
    let inner = characters.as_str();
    let close = if open == '[' { ']' } else { open };
    let inner = inner.strip_suffix(close).unwrap_or(inner);
    if open == '[' {
        return inner.to_owned();
    }
    let doubled = String::from_iter([close, close]);
    inner.replace(&doubled, &close.to_string())
}

/// The tokens of a text in order.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut position = 0;
    while let Some(rest) = text.get(position..).filter(|rest| !rest.is_empty()) {
        let (length, kind) = next(rest);
        if let Some(kind) = kind {
            found.push(Token { kind, text: &rest[..length], start: position });
        }
        position += length;
    }
    found
}

/// Length in bytes of what comes next, never 0, and its kind; no kind for white space and comments.
fn next(rest: &str) -> (usize, Option<TokenKind>) {
    let bytes = rest.as_bytes();
    match bytes[0] {
        byte if byte.is_ascii_whitespace() || byte == 0x0b => (1, None),
        // A mark of the byte order is white space, but within a word.
        _ if rest.starts_with('\u{feff}') => ('\u{feff}'.len_utf8(), None),
        b'-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), None),
        b'/' if rest.starts_with("/*") => (rest[2..].find("*/").map_or(rest.len(), |end| end + 4), None),
        quote @ (b'\'' | b'"' | b'`') => {
            let kind = if quote == b'\'' { TokenKind::Text } else { TokenKind::Quoted };
            (quoted_length(bytes, quote), Some(kind))
        }
        b'[' => (rest.find(']').map_or(rest.len(), |end| end + 1), Some(TokenKind::Quoted)),
        b'x' | b'X' if bytes.get(1) == Some(&b'\'') => (1 + quoted_length(&bytes[1..], b'\''), Some(TokenKind::Text)),
        b'?' => (1 + run(&bytes[1..], |byte| byte.is_ascii_digit()), Some(TokenKind::Parameter)),
        b'@' | b':' | b'#' | b'$' => (parameter_length(bytes), Some(TokenKind::Parameter)),
        b'0'..=b'9' => (number_length(bytes), Some(TokenKind::Number)),
        b'.' if bytes.get(1).is_some_and(u8::is_ascii_digit) => (number_length(bytes), Some(TokenKind::Number)),
        byte if is_word(byte) => (run(bytes, is_word), Some(TokenKind::Word)),
        _ => (operator_length(rest), Some(TokenKind::Symbol)),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn run(bytes: &[u8], of: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !of(*byte)).unwrap_or(bytes.len())
}

/// Length of a parameter with a name, which may be one of Tcl: with `::` in it, and text in parentheses at its end.
fn parameter_length(bytes: &[u8]) -> usize {
    let mut length = 1;
    let mut is_named = false;
    loop {
        match &bytes[length..] {
            [byte, ..] if is_word(*byte) => {
                is_named = true;
                length += 1;
            }
            [b':', b':', ..] => length += 2,
            [b'(', inner @ ..] if is_named => {
                let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(*byte, 0x0b | b')');
                let end = inner.iter().position(ends).unwrap_or(inner.len());
                return length + 1 + end + usize::from(inner.get(end) == Some(&b')'));
            }
            _ => return length,
        }
    }
}

/// Length of a quoted text; a doubled quote stands for one inside.
fn quoted_length(bytes: &[u8], quote: u8) -> usize {
    let mut position = 1;
    while position < bytes.len() {
        if bytes[position] != quote {
            position += 1;
        } else if bytes.get(position + 1) == Some(&quote) {
            position += 2;
        } else {
            return position + 1;
        }
    }
    bytes.len()
}

/// Length of a number with fraction and exponent; letters behind it belong to it, as SQLite reports them.
fn number_length(bytes: &[u8]) -> usize {
    let mut position = 0;
    while let Some(byte) = bytes.get(position) {
        let exponent_sign = matches!(byte, b'+' | b'-')
            && matches!(bytes.get(position.wrapping_sub(1)), Some(b'e' | b'E'))
            && !bytes.starts_with(b"0x")
            && !bytes.starts_with(b"0X");
        if !is_word(*byte) && *byte != b'.' && !exponent_sign {
            break;
        }
        position += 1;
    }
    position
}

fn operator_length(rest: &str) -> usize {
    const LONG: [&str; 10] = ["->>", "->", "||", "<=", ">=", "<>", "<<", ">>", "==", "!="];
    LONG.iter().find(|operator| rest.starts_with(**operator)).map_or(1, |operator| operator.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        tokens(sql).iter().map(|token| token.text).collect()
    }

    #[test]
    fn strings_names_and_comments_are_whole() {
        assert_eq!(
            texts("a /* ; ' */ 'it''s' -- ; \"\n \"q\"\"x\" [b]] `c` x'0f' é_1"),
            ["a", "'it''s'", "\"q\"\"x\"", "[b]", "]", "`c`", "x'0f'", "é_1"]
        );
    }

    #[test]
    fn numbers_parameters_and_operators() {
        assert_eq!(
            texts("1.5e-3+.5 0x1F-1 ?1 :a $b a->>'x'||b"),
            ["1.5e-3", "+", ".5", "0x1F", "-", "1", "?1", ":a", "$b", "a", "->>", "'x'", "||", "b"]
        );
    }

    #[test]
    fn what_only_sqlite_reads_so() {
        assert_eq!(texts("\u{feff}a\u{feff}b \u{feff}c"), ["a\u{feff}b", "c"]);
        assert_eq!(texts("$a(';') @a::b(x)y :c('d e') ?1a"), ["$a(';')", "@a::b(x)", "y", ":c('d", "e", "') ?1a"]);
        assert_eq!(texts("?1a $(b) #::e($"), ["?1", "a", "$", "(", "b", ")", "#::e($"]);
    }

    #[test]
    fn an_open_end_ends_with_the_text() {
        assert_eq!(texts("'abc"), ["'abc"]);
        assert_eq!(texts("/* abc"), Vec::<&str>::new());
        assert_eq!(texts("\"é"), ["\"é"]);
    }

    #[test]
    fn names_lose_their_quotes() {
        let names: Vec<_> = tokens("a \"b\"\"c\" [d e] `f``g` 'h'").iter().filter_map(Token::name).collect();
        assert_eq!(names, ["a", "b\"c", "d e", "f`g", "h"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_cut_without_overlap(text in "\\PC*") {
            let mut end = 0;
            for token in tokens(&text) {
                proptest::prop_assert!(token.start >= end && !token.text.is_empty());
                proptest::prop_assert_eq!(&text[token.start..token.end()], token.text);
                end = token.end();
            }
        }
    }
}
