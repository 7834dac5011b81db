//! Which connections are listed, in what order, and the cutting of the page.

use std::cmp::Ordering;

use crate::model::{
    ConnectionId, Error, Reason, Result,
    connection::{Connection, ConnectionState, EngineKind},
    page::{Page, PageRequest},
};

/// Longest filter in bytes.
const MAX_FILTER: usize = 1024;

/// A condition on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Engine(EngineKind),
    State(ConnectionState),
    Label(String, String),
    NameHolds(String),
    DisplayNameHolds(String),
}

/// Conditions that all must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionFilter(Vec<Term>);

impl ConnectionFilter {
    /// Reads `field = "value" AND field : "part" ...`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_FILTER {
            return Err(fault(format!("must be at most {MAX_FILTER} bytes")));
        }
        let mut terms = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (term, after) = parse_term(rest)?;
            terms.push(term);
            rest = after.trim_start();
            if rest.is_empty() {
                break;
            }
            rest = rest
                .strip_prefix("AND")
                .filter(|after| after.starts_with(char::is_whitespace))
                .ok_or_else(|| fault(format!("expected AND at {rest:?}")))?
                .trim_start();
            if rest.is_empty() {
                return Err(fault("ends with AND; a condition must follow".to_owned()));
            }
        }
        Ok(Self(terms))
    }

    fn matches(&self, connection: &Connection) -> bool {
        let holds = |text: &str, part: &str| text.to_lowercase().contains(part);
        self.0.iter().all(|term| match term {
            Term::Engine(engine) => connection.settings.engine == *engine,
            Term::State(state) => connection.state == *state,
            Term::Label(key, value) => connection.settings.labels.get(key) == Some(value),
            Term::NameHolds(part) => holds(connection.id.as_str(), part),
            Term::DisplayNameHolds(part) => holds(&connection.settings.display_name, part),
        })
    }
}

fn fault(description: String) -> Error {
    let help = "terms joined by AND: engine = \"postgresql\", state = \"online\", labels.KEY = \"value\", \
                name : \"part\", display_name : \"part\"";
    Error::new(Reason::FilterInvalid, format!("filter: {description}; it takes {help}"))
        .with(crate::model::Detail::Field { field: "filter".to_owned(), description })
}

fn parse_term(text: &str) -> Result<(Term, &str)> {
    let end = text.find(['=', ':']).ok_or_else(|| fault(format!("no '=' or ':' in {text:?}")))?;
    let (field, operator) = (text[..end].trim(), &text[end..=end]);
    let (value, rest) = parse_quoted(text[end + 1..].trim_start())?;
    let term = match (field, operator) {
        ("engine", "=") => EngineKind::parse(&value).map(Term::Engine),
        ("state", "=") => match ConnectionState::parse(&value) {
            ConnectionState::Untested if value != "untested" => None,
            state => Some(Term::State(state)),
        },
        ("name", ":") => Some(Term::NameHolds(value.to_lowercase())),
        ("display_name", ":") => Some(Term::DisplayNameHolds(value.to_lowercase())),
        (field, "=") => match field.strip_prefix("labels.") {
            Some(key) => Some(Term::Label(key.to_owned(), value.clone())),
            None => return Err(fault(format!("unknown field {field:?} for '='"))),
        },
        (field, operator) => return Err(fault(format!("unknown field {field:?} for {operator:?}"))),
    };
    term.map(|term| (term, rest)).ok_or_else(|| fault(format!("{field} has no value {value:?}")))
}

fn parse_quoted(text: &str) -> Result<(String, &str)> {
    let body = text.strip_prefix('"').ok_or_else(|| fault(format!("expected a value in double quotes at {text:?}")))?;
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &body[at + 1..])),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    Err(fault("a value has no closing double quote".to_owned()))
}

/// The order of a list. The id decides between equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionOrder {
    by_create_time: bool,
    descending: bool,
}

impl ConnectionOrder {
    /// Reads `name` or `create_time`, with ` desc` for the reverse. Empty: `name`.
    pub fn parse(text: &str) -> Result<Self> {
        let mut words = text.split_whitespace();
        let by_create_time = match words.next() {
            None | Some("name") => false,
            Some("create_time") => true,
            Some(_) => return Err(order_fault()),
        };
        let descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(order_fault()),
        };
        if words.next().is_some() {
            return Err(order_fault());
        }
        Ok(Self { by_create_time, descending })
    }

    fn key(self, connection: &Connection) -> (i64, ConnectionId) {
        let created = if self.by_create_time { connection.created.as_micros() } else { 0 };
        (created, connection.id.clone())
    }

    fn compare(self, left: &(i64, ConnectionId), right: &(i64, ConnectionId)) -> Ordering {
        if self.descending { right.cmp(left) } else { left.cmp(right) }
    }
}

fn order_fault() -> Error {
    let description = "must be name or create_time, with desc after it for the reverse".to_owned();
    Error::new(Reason::FilterInvalid, format!("order_by: {description}"))
        .with(crate::model::Detail::Field { field: "order_by".to_owned(), description })
}

/// The page of the connections that match.
pub(super) fn page(
    connections: impl Iterator<Item = Connection>,
    filter: &ConnectionFilter,
    order: ConnectionOrder,
    request: &PageRequest,
) -> Page<Connection> {
    let mut matching: Vec<Connection> = connections.filter(|connection| filter.matches(connection)).collect();
    let total = matching.len() as u64;
    matching.sort_by(|left, right| order.compare(&order.key(left), &order.key(right)));
    if let Some([created, id]) = request.after.as_deref() {
        let after = (created.parse().unwrap_or(0), ConnectionId::from_stored(id.clone()));
        matching.retain(|connection| order.compare(&order.key(connection), &after) == Ordering::Greater);
    }
    matching.truncate(request.size as usize + 1);
    let key = |connection: &Connection| {
        let (created, id) = order.key(connection);
        vec![created.to_string(), id.to_string()]
    };
    Page::cut(matching, request.size, key).with_total(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read() {
        for text in [
            "",
            "engine = \"postgresql\"",
            "engine=\"mysql\" AND state = \"online\"",
            "labels.team = \"a \\\" b\" AND name : \"prod\" AND display_name:\"Ü\"",
        ] {
            assert!(ConnectionFilter::parse(text).is_ok(), "{text}");
        }
        let parsed = ConnectionFilter::parse("labels.team = \"a \\\" b\"").unwrap();
        assert_eq!(parsed.0, [Term::Label("team".to_owned(), "a \" b".to_owned())]);
    }

    #[test]
    fn filters_that_cannot_be_read_say_where() {
        for text in [
            "engine",
            "engine = postgresql",
            "engine = \"oracle\"",
            "state = \"happy\"",
            "host = \"a\"",
            "name = \"a\"",
            "engine = \"mysql\" OR name : \"a\"",
            "engine = \"mysql\" AND ",
            "name : \"a",
        ] {
            let error = ConnectionFilter::parse(text).unwrap_err();
            assert_eq!(error.reason(), Reason::FilterInvalid, "{text}");
        }
    }

    #[test]
    fn orders_are_read() {
        assert_eq!(ConnectionOrder::parse("").unwrap(), ConnectionOrder::parse("name").unwrap());
        assert!(ConnectionOrder::parse("create_time desc").unwrap().descending);
        for text in ["host", "name down", "name desc desc"] {
            assert!(ConnectionOrder::parse(text).is_err(), "{text}");
        }
    }
}
