//! In what order connections are listed, and the cutting of the page.

use std::cmp::Ordering;

use super::filter::ConnectionFilter;
use crate::model::{
    ConnectionId, Detail, Error, Reason, Result,
    connection::Connection,
    page::{Page, PageRequest},
};

/// Longest order in bytes: each key once, each with a direction.
const MAX_ORDER: usize = 200;

/// A field that can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Name,
    DisplayName,
    CreateTime,
    UpdateTime,
}

/// The order of a list. The id decides between equals, so that a page ends where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionOrder(Vec<(Key, Direction)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ascending,
    Descending,
}

/// What one key of a connection is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Number(i64),
    Text(String),
}

impl ConnectionOrder {
    /// Reads keys with commas between them, each with `asc` or `desc` after it or nothing. Empty: `name`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_ORDER {
            return Err(fault("is too long"));
        }
        let mut keys: Vec<(Key, Direction)> = Vec::new();
        for part in text.split(',').filter(|_| !text.trim().is_empty()) {
            let words: Vec<&str> = part.split_whitespace().collect();
            let (key, direction) = match words.as_slice() {
                [key] | [key, "asc"] => (*key, Direction::Ascending),
                [key, "desc"] => (*key, Direction::Descending),
                _ => return Err(fault(&format!("cannot be read at {:?}", part.trim()))),
            };
            let key = match key {
                "name" => Key::Name,
                "display_name" => Key::DisplayName,
                "create_time" => Key::CreateTime,
                "update_time" => Key::UpdateTime,
                other => return Err(fault(&format!("has no field {other:?}"))),
            };
            if keys.iter().any(|(known, _)| *known == key) {
                return Err(fault("names a field twice"));
            }
            keys.push((key, direction));
        }
        if !keys.iter().any(|(key, _)| *key == Key::Name) {
            keys.push((Key::Name, Direction::Ascending));
        }
        Ok(Self(keys))
    }

    fn places(&self, connection: &Connection) -> Vec<Place> {
        let place = |(key, _): &(Key, Direction)| match key {
            Key::Name => Place::Text(connection.id.to_string()),
            Key::DisplayName => Place::Text(connection.settings.display_name.clone()),
            Key::CreateTime => Place::Number(connection.created.as_micros()),
            Key::UpdateTime => Place::Number(connection.updated.as_micros()),
        };
        self.0.iter().map(place).collect()
    }

    fn compare(&self, left: &[Place], right: &[Place]) -> Ordering {
        let pairs = self.0.iter().zip(left.iter().zip(right));
        pairs.fold(Ordering::Equal, |order, ((_, direction), (left, right))| {
            order.then_with(|| match direction {
                Direction::Ascending => left.cmp(right),
                Direction::Descending => right.cmp(left),
            })
        })
    }

    /// Reads what [`ConnectionOrder::page`] put into a page token.
    fn read(&self, key: &[String]) -> Result<Vec<Place>> {
        let places: Option<Vec<Place>> = self.0.iter().zip(key).map(|((kind, _), text)| read(*kind, text)).collect();
        places.filter(|places| places.len() == self.0.len()).ok_or_else(|| {
            Error::new(Reason::PageTokenInvalid, "page_token is not one of this order; begin again without one")
        })
    }

    /// The page of the connections that match, with the count of all of them.
    pub(super) fn page(
        &self,
        connections: impl Iterator<Item = Connection>,
        filter: &ConnectionFilter,
        request: &PageRequest,
    ) -> Result<Page<Connection>> {
        let matching = connections.filter(|connection| filter.matches(connection));
        let mut matching: Vec<_> = matching.map(|connection| (self.places(&connection), connection)).collect();
        let total = matching.len() as u64;
        matching.sort_by(|(left, _), (right, _)| self.compare(left, right));
        if let Some(after) = request.after.as_deref() {
            let after = self.read(after)?;
            matching.retain(|(places, _)| self.compare(places, &after) == Ordering::Greater);
        }
        let key = |(places, _): &(Vec<Place>, Connection)| places.iter().map(Place::to_string).collect();
        let page = Page::cut_to_bytes(matching, request.size, key, |(_, connection)| connection.approximate_bytes());
        let items = page.items.into_iter().map(|(_, connection)| connection).collect();
        Ok(Page { items, next: page.next, total: Some(total) })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

fn read(key: Key, text: &str) -> Option<Place> {
    match key {
        Key::Name => Some(Place::Text(ConnectionId::from_stored(text.to_owned()).to_string())),
        Key::DisplayName => Some(Place::Text(text.to_owned())),
        Key::CreateTime | Key::UpdateTime => text.parse().ok().map(Place::Number),
    }
}

fn fault(what: &str) -> Error {
    let description = format!(
        "{what}; it takes name, display_name, create_time and update_time with commas between them, \
         each with desc after it for the reverse"
    );
    Error::new(Reason::FilterInvalid, format!("order_by: {description}"))
        .with(Detail::Field { field: "order_by".to_owned(), description })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{
        Timestamp,
        connection::{ConnectionSettings, ConnectionState, EngineKind, PoolSettings, TlsMode, TlsSettings},
    };

    /// A connection that was registered at a moment.
    pub(in crate::service::connection) fn connection(id: &str, display_name: &str, created: i64) -> Connection {
        Connection {
            id: ConnectionId::from_stored(id.to_owned()),
            settings: ConnectionSettings {
                display_name: display_name.to_owned(),
                engine: EngineKind::Postgresql,
                host: "localhost".to_owned(),
                port: 5432,
                database: "shop".to_owned(),
                username: "keeper".to_owned(),
                tls: TlsSettings { mode: TlsMode::Disabled, ca_pem: String::new(), client_cert_pem: String::new() },
                pool: PoolSettings::default(),
                labels: Default::default(),
                read_only: false,
                replicas: Default::default(),
            },
            password_set: false,
            client_key_set: false,
            state: ConnectionState::Untested,
            health: None,
            server_version: String::new(),
            created: Timestamp::from_micros(created),
            updated: Timestamp::from_micros(-created),
            last_tested: None,
            revision: 1,
            credential_revision: 1,
        }
    }

    /// The ids in the order, read page by page.
    fn ordered(order: &str, size: u32) -> Vec<String> {
        let order = ConnectionOrder::parse(order).unwrap();
        let all = [connection("c", "Same", 3), connection("a", "Same", 3), connection("b", "Another", 1)];
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let request = PageRequest { size, after };
            let page = order.page(all.iter().cloned(), &ConnectionFilter::default(), &request).unwrap();
            assert_eq!(page.total, Some(3));
            ids.extend(page.items.iter().map(|connection| connection.id.to_string()));
            match page.next {
                Some(next) => after = Some(next),
                None => return ids,
            }
        }
    }

    #[test]
    fn every_order_is_whole_whatever_the_size_of_the_page() {
        for (order, expected) in [
            ("", ["a", "b", "c"]),
            ("name desc", ["c", "b", "a"]),
            ("display_name", ["b", "a", "c"]),
            ("display_name desc", ["a", "c", "b"]),
            ("create_time", ["b", "a", "c"]),
            ("create_time desc, name desc", ["c", "a", "b"]),
            ("update_time", ["a", "c", "b"]),
        ] {
            for size in [1, 2, 3, 50] {
                assert_eq!(ordered(order, size), expected, "{order} by {size}");
            }
        }
    }

    #[test]
    fn orders_that_cannot_be_read_are_refused() {
        for text in ["host", "name down", "name desc desc", "name, name desc", ",", "name,", &"name ".repeat(100)] {
            let error = ConnectionOrder::parse(text).unwrap_err();
            assert_eq!(error.reason(), Reason::FilterInvalid, "{text}");
            assert!(matches!(&error.details()[0], Detail::Field { field, .. } if field == "order_by"));
        }
        let order = ConnectionOrder::parse("create_time").unwrap();
        assert!(order.read(&["x".to_owned(), "a".to_owned()]).is_err() && order.read(&[]).is_err());
    }
}
