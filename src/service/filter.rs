//! Filters of lists: a subset of the filter language of AIP-160, read into a tree. What the fields are is the business
//! of the list; each comparison is checked by it while the text is read, so that a fault is told with its place.
//!
//! ```text
//! filter     = term { "AND" term } | term { "OR" term }       AND and OR side by side need parentheses
//! term       = [ "NOT" ] ( "(" filter ")" | field operator value )
//! operator   = "=" | "!=" | ":"
//! value      = "text in double quotes, \ before a quote or a backslash" | word
//! ```

use crate::model::{Detail, Error, Reason, Result};

/// Longest filter in bytes.
pub const MAX_FILTER: usize = 4096;
/// Deepest nesting of parentheses and NOT.
const MAX_DEPTH: usize = 16;

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `:`, which holds where the field has the value somewhere in it.
    Has,
}

/// A comparison as it was written.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// The field, such as `labels.team`.
    pub field: &'a str,
    /// How it is compared.
    pub operator: Operator,
    /// What with.
    pub value: &'a str,
}

/// A condition over comparisons of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition<T> {
    /// All hold. Without any, everything matches.
    All(Vec<Condition<T>>),
    /// One holds at least.
    Any(Vec<Condition<T>>),
    /// It does not hold.
    Not(Box<Condition<T>>),
    /// A comparison.
    Test(T),
}

impl<T> Condition<T> {
    /// Reads a filter; empty matches everything. `test` makes a comparison of the list, or says what is wrong with it;
    /// `help` says what the list takes.
    pub fn parse(text: &str, help: &str, test: impl Fn(Comparison<'_>) -> Result<T, String>) -> Result<Self> {
        if text.len() > MAX_FILTER {
            return Err(fault(&format!("has {} bytes, must have at most {MAX_FILTER}", text.len()), help));
        }
        let mut parser = Parser { text, at: 0, depth: 0, test: &test };
        parser.whole().map_err(|Fault { at, what }| {
            let place = text[..at].chars().count() + 1;
            fault(&format!("{what} at character {place}"), help)
        })
    }

    /// Whether it holds, by what the comparisons answer.
    pub fn holds(&self, test: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(test)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(test)),
            Self::Not(condition) => !condition.holds(test),
            Self::Test(comparison) => test(comparison),
        }
    }
}

/// A fault with its place in bytes.
struct Fault {
    at: usize,
    what: String,
}

fn fault(description: &str, help: &str) -> Error {
    let description = format!("{description}; {help}");
    Error::new(Reason::FilterInvalid, format!("filter: {description}"))
        .with(Detail::Field { field: "filter".to_owned(), description })
}

struct Parser<'a, F> {
    text: &'a str,
    at: usize,
    depth: usize,
    test: &'a F,
}

impl<F> Parser<'_, F> {
    fn whole<T>(&mut self) -> Result<Condition<T>, Fault>
    where
        F: Fn(Comparison<'_>) -> Result<T, String>,
    {
        self.skip_space();
        if self.rest().is_empty() {
            return Ok(Condition::All(Vec::new()));
        }
        let condition = self.filter()?;
        if self.rest().is_empty() { Ok(condition) } else { Err(self.fault("expected AND or OR")) }
    }

    fn filter<T>(&mut self) -> Result<Condition<T>, Fault>
    where
        F: Fn(Comparison<'_>) -> Result<T, String>,
    {
        let first = self.term()?;
        let mut terms = vec![first];
        let mut joint = None;
        loop {
            let began = self.at;
            let word = if self.take_word("AND") {
                "AND"
            } else if self.take_word("OR") {
                "OR"
            } else {
                break;
            };
            if joint.is_some_and(|joint| joint != word) {
                self.at = began;
                return Err(self.fault("AND and OR side by side need parentheses"));
            }
            joint = Some(word);
            terms.push(self.term()?);
        }
        Ok(match joint {
            None => terms.remove(0),
            Some("AND") => Condition::All(terms),
            Some(_) => Condition::Any(terms),
        })
    }

    fn term<T>(&mut self) -> Result<Condition<T>, Fault>
    where
        F: Fn(Comparison<'_>) -> Result<T, String>,
    {
        if self.depth >= MAX_DEPTH {
            return Err(self.fault("too many NOTs and parentheses in each other"));
        }
        if self.take_word("NOT") {
            self.depth += 1;
            let term = self.term()?;
            self.depth -= 1;
            return Ok(Condition::Not(Box::new(term)));
        }
        if self.take("(") {
            self.depth += 1;
            let inner = self.filter()?;
            self.depth -= 1;
            return if self.take(")") { Ok(inner) } else { Err(self.fault("expected ')'")) };
        }
        self.comparison()
    }

    fn comparison<T>(&mut self) -> Result<Condition<T>, Fault>
    where
        F: Fn(Comparison<'_>) -> Result<T, String>,
    {
        let began = self.at;
        let field = self.word();
        if field.is_empty() {
            return Err(self.fault("expected a field"));
        }
        let field = field.to_owned();
        self.skip_space();
        let operator = if self.take("!=") {
            Operator::NotEqual
        } else if self.take("=") {
            Operator::Equal
        } else if self.take(":") {
            Operator::Has
        } else {
            return Err(self.fault("expected =, != or :"));
        };
        let value = self.value()?;
        let comparison = Comparison { field: &field, operator, value: &value };
        (self.test)(comparison).map(Condition::Test).map_err(|what| Fault { at: began, what })
    }

    fn value(&mut self) -> Result<String, Fault> {
        if !self.rest().starts_with('"') {
            let word = self.word().to_owned();
            self.skip_space();
            return if word.is_empty() { Err(self.fault("expected a value")) } else { Ok(word) };
        }
        let body = &self.rest()[1..];
        let mut value = String::new();
        let mut characters = body.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += at + 2;
                    self.skip_space();
                    return Ok(value);
                }
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                other => value.push(other),
            }
        }
        Err(self.fault("expected a closing double quote for the value that begins"))
    }

    /// Takes a word: letters, digits and what names and labels are made of.
    fn word(&mut self) -> &str {
        let rest = &self.text[self.at..];
        let ends = |character: char| !character.is_alphanumeric() && !"_-./*".contains(character);
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    /// Takes a word that is one of the language.
    fn take_word(&mut self, wanted: &str) -> bool {
        let began = self.at;
        if self.word() == wanted {
            self.skip_space();
            return true;
        }
        self.at = began;
        false
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = self.rest().starts_with(mark);
        if found {
            self.at += mark.len();
            self.skip_space();
        }
        found
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn fault(&self, what: &str) -> Fault {
        Fault { at: self.at, what: what.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Comparisons of single letters: a field holds where it is among the letters of the subject.
    fn parse(text: &str) -> Result<Condition<String>> {
        Condition::parse(text, "it takes letters", |comparison| match comparison.operator {
            Operator::NotEqual => Err("no != here".to_owned()),
            _ => Ok(format!("{}{}", comparison.field, comparison.value)),
        })
    }

    fn holds(text: &str, subject: &[&str]) -> bool {
        parse(text).unwrap().holds(&|test| subject.contains(&test.as_str()))
    }

    #[test]
    fn conditions_are_joined_as_they_are_written() {
        assert!(holds("", &[]));
        assert!(holds("a = 1 AND b:2", &["a1", "b2"]) && !holds("a = 1 AND b:2", &["a1"]));
        assert!(holds("a=1 OR b=2 OR c=3", &["c3"]) && !holds("a=1 OR b=2", &["c3"]));
        assert!(holds("NOT a=1", &[]) && !holds("NOT a=1", &["a1"]) && holds("NOT NOT a=1", &["a1"]));
        assert!(holds("(a=1 OR b=2) AND NOT (c=3 AND d=4)", &["b2", "c3"]));
        assert!(!holds("(a=1 OR b=2) AND NOT (c=3 AND d=4)", &["b2", "c3", "d4"]));
    }

    #[test]
    fn a_value_in_quotes_may_hold_anything() {
        let parsed = parse(r#"a = "x \" ) OR ü\\" "#).unwrap();
        assert_eq!(parsed, Condition::Test(r#"ax " ) OR ü\"#.to_owned()));
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        for (text, place, what) in [
            ("a", 2, "expected =, != or :"),
            ("a =", 4, "expected a value"),
            ("a = \"x", 5, "closing double quote"),
            ("a = 1 b = 2", 7, "expected AND or OR"),
            ("a = 1 AND", 10, "expected a field"),
            ("a = 1 AND b = 2 OR c = 3", 17, "need parentheses"),
            ("(a = 1", 7, "expected ')'"),
            ("a = 1)", 6, "expected AND or OR"),
            ("ü = 1 AND a != 1", 11, "no != here"),
            ("a < 1", 3, "expected =, != or :"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.reason(), Reason::FilterInvalid);
            let message = error.message();
            assert!(message.contains(&format!("at character {place};")) && message.contains(what), "{text}: {message}");
            assert!(matches!(&error.details()[0], Detail::Field { field, .. } if field == "filter"));
        }
    }

    #[test]
    fn length_and_depth_have_bounds() {
        assert!(parse(&format!("a = \"{}\"", "x".repeat(MAX_FILTER))).unwrap_err().message().contains("4096"));
        for text in ["(".repeat(4000), "NOT ".repeat(1000)] {
            assert!(parse(&text).unwrap_err().message().contains("too many"), "{}", &text[..8]);
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "[ab=!:()\"\\\\ ü]{0,40}|.{0,60}") {
            let _ = parse(&text);
        }
    }
}
