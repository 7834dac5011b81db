//! Which connections are listed.

use crate::{
    model::{
        Result,
        connection::{Connection, ConnectionState, EngineKind},
    },
    service::filter::{Comparison, Condition, Operator},
};

const HELP: &str = "it takes name, display_name, engine, state, read_only and labels.KEY with =, != or :, joined by AND or OR, \
                    with NOT and parentheses";

/// A comparison with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Engine(EngineKind),
    State(ConnectionState),
    ReadOnly(bool),
    Name(String),
    NameHolds(String),
    DisplayName(String),
    DisplayNameHolds(String),
    Label(String, String),
    LabelHolds(String, String),
    HasLabel(String),
    /// `!=`: what `=` does not match, so a connection without the label is among them.
    Not(Box<Test>),
}

/// Which connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionFilter(Condition<Test>);

impl Default for ConnectionFilter {
    fn default() -> Self {
        Self(Condition::All(Vec::new()))
    }
}

impl ConnectionFilter {
    /// Reads a filter; empty is all.
    pub fn parse(text: &str) -> Result<Self> {
        Condition::parse(text, HELP, read).map(Self)
    }

    /// Whether a connection is among them.
    pub fn matches(&self, connection: &Connection) -> bool {
        self.0.holds(&|test| holds(test, connection))
    }
}

fn holds(test: &Test, connection: &Connection) -> bool {
    let settings = &connection.settings;
    let within = |text: &str, part: &str| text.to_lowercase().contains(part);
    match test {
        Test::Engine(engine) => settings.engine == *engine,
        Test::State(state) => connection.state == *state,
        Test::ReadOnly(read_only) => settings.read_only == *read_only,
        Test::Name(id) => connection.id.as_str() == id,
        Test::NameHolds(part) => within(connection.id.as_str(), part),
        Test::DisplayName(name) => settings.display_name == *name,
        Test::DisplayNameHolds(part) => within(&settings.display_name, part),
        Test::Label(key, value) => settings.labels.get(key) == Some(value),
        Test::LabelHolds(key, part) => settings.labels.get(key).is_some_and(|value| within(value, part)),
        Test::HasLabel(key) => settings.labels.contains_key(key),
        Test::Not(test) => !holds(test, connection),
    }
}

fn read(comparison: Comparison<'_>) -> Result<Test, String> {
    let Comparison { field, operator, value } = comparison;
    let has = operator == Operator::Has;
    let test = match field {
        "engine" => Test::Engine(engine(value).ok_or_else(|| {
            format!("engine has no value {value:?}; it is ENGINE_POSTGRESQL, ENGINE_MYSQL or ENGINE_SQLITE")
        })?),
        "state" => Test::State(
            state(value)
                .ok_or_else(|| format!("state has no value {value:?}; it is UNTESTED, ONLINE, OFFLINE or REFUSED"))?,
        ),
        "read_only" => match value {
            "true" => Test::ReadOnly(true),
            "false" => Test::ReadOnly(false),
            _ => return Err(format!("read_only has no value {value:?}; it is true or false")),
        },
        "name" if has => Test::NameHolds(value.to_lowercase()),
        "name" => Test::Name(value.strip_prefix("connections/").unwrap_or(value).to_owned()),
        "display_name" if has => Test::DisplayNameHolds(value.to_lowercase()),
        "display_name" => Test::DisplayName(value.to_owned()),
        "labels" if has => Test::HasLabel(value.to_owned()),
        _ => match field.strip_prefix("labels.").filter(|key| !key.is_empty()) {
            Some(key) if has && value == "*" => Test::HasLabel(key.to_owned()),
            Some(key) if has => Test::LabelHolds(key.to_owned(), value.to_lowercase()),
            Some(key) => Test::Label(key.to_owned(), value.to_owned()),
            None => return Err(format!("unknown field {field:?}")),
        },
    };
    Ok(if operator == Operator::NotEqual { Test::Not(Box::new(test)) } else { test })
}

/// As the contract names it, with or without what its names begin with, in any case.
fn engine(text: &str) -> Option<EngineKind> {
    let text = text.to_ascii_lowercase();
    EngineKind::parse(text.strip_prefix("engine_").unwrap_or(&text))
}

fn state(text: &str) -> Option<ConnectionState> {
    let text = text.to_ascii_lowercase();
    match text.strip_prefix("connection_state_").unwrap_or(&text) {
        "untested" => Some(ConnectionState::Untested),
        other => Some(ConnectionState::parse(other)).filter(|state| *state != ConnectionState::Untested),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Reason, service::connection::order::tests::connection};

    fn matching(filter: &str) -> Vec<String> {
        let filter = ConnectionFilter::parse(filter).unwrap();
        let mut shop = connection("shop-prod", "Shop", 1);
        shop.settings.labels = [("env".to_owned(), "prod".to_owned()), ("team".to_owned(), "a \" b".to_owned())].into();
        shop.state = ConnectionState::Online;
        let mut crm = connection("crm", "Kundschaft Ü", 2);
        crm.settings.engine = EngineKind::Mysql;
        crm.settings.read_only = true;
        crm.settings.labels = [("env".to_owned(), "test".to_owned())].into();
        let bare = connection("bare", "Bare", 3);
        [shop, crm, bare].iter().filter(|each| filter.matches(each)).map(|each| each.id.to_string()).collect()
    }

    #[test]
    fn each_field_can_be_compared() {
        for (filter, expected) in [
            ("", vec!["shop-prod", "crm", "bare"]),
            ("engine = ENGINE_MYSQL", vec!["crm"]),
            ("engine = \"mysql\"", vec!["crm"]),
            ("engine != mysql", vec!["shop-prod", "bare"]),
            ("state = \"online\"", vec!["shop-prod"]),
            ("state = CONNECTION_STATE_UNTESTED", vec!["crm", "bare"]),
            ("read_only = true", vec!["crm"]),
            ("name = connections/crm", vec!["crm"]),
            ("name = \"crm\"", vec!["crm"]),
            ("name : PROD", vec!["shop-prod"]),
            ("display_name = Shop", vec!["shop-prod"]),
            ("display_name : \"ü\"", vec!["crm"]),
            ("labels.env = prod", vec!["shop-prod"]),
            ("labels.env != prod", vec!["crm", "bare"]),
            ("labels.env : ro", vec!["shop-prod"]),
            ("labels.env : *", vec!["shop-prod", "crm"]),
            ("labels : team", vec!["shop-prod"]),
            ("labels.team = \"a \\\" b\"", vec!["shop-prod"]),
            ("NOT labels:env", vec!["bare"]),
            ("(labels.env = test OR labels.env = prod) AND NOT read_only = true", vec!["shop-prod"]),
        ] {
            assert_eq!(matching(filter), expected, "{filter}");
        }
    }

    #[test]
    fn what_no_connection_has_is_refused_with_its_place() {
        for (text, place) in [
            ("host = a", 1),
            ("engine = oracle", 1),
            ("state = happy", 1),
            ("name : a AND labels. = b", 14),
            ("labels = a", 1),
            ("read_only = maybe", 1),
        ] {
            let error = ConnectionFilter::parse(text).unwrap_err();
            assert_eq!(error.reason(), Reason::FilterInvalid, "{text}");
            assert!(error.message().contains(&format!("at character {place};")), "{text}: {error}");
        }
    }
}
