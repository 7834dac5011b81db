//! What a server says of the servers that it replicates from.

use sqlx::{MySqlConnection, Row, mysql::MySqlRow};

use crate::{
    engine::mysql::{row, server::Server},
    model::metric::{MetricKind, Point},
};

/// One server that is replicated from.
pub(super) struct Channel {
    /// Empty for the one without a name.
    name: String,
    receives: bool,
    applies: bool,
    /// Seconds behind; absent while it is stopped.
    lag: Option<f64>,
}

/// The privilege that the statement needs, and the statement, by product and version.
pub(super) fn statement(server: &Server) -> (&'static str, &'static str) {
    if server.is_mariadb() {
        let privilege = if server.mariadb_from(10, 5) { "REPLICA MONITOR" } else { "REPLICATION CLIENT" };
        return (privilege, "SHOW ALL SLAVES STATUS");
    }
    let sql = if server.says_replica() { "SHOW REPLICA STATUS" } else { "SHOW SLAVE STATUS" };
    ("REPLICATION CLIENT", sql)
}

/// One channel a row; none on a server that replicates from nobody.
pub(super) async fn channels(
    connection: &mut MySqlConnection,
    statement: &'static str,
) -> Result<Vec<Channel>, sqlx::Error> {
    let rows = sqlx::query(statement).fetch_all(connection).await?;
    let yes = |found: &MySqlRow, names: &[&str]| column(found, names).is_some_and(|text| text == "Yes");
    let channel = |found: &MySqlRow| Channel {
        name: column(found, &["Connection_name", "Channel_Name"]).unwrap_or_default(),
        receives: yes(found, &["Slave_IO_Running", "Replica_IO_Running"]),
        applies: yes(found, &["Slave_SQL_Running", "Replica_SQL_Running"]),
        lag: column(found, &["Seconds_Behind_Master", "Seconds_Behind_Source"]).and_then(|text| text.parse().ok()),
    };
    Ok(rows.iter().map(channel).collect())
}

impl Channel {
    pub(super) fn points(&self) -> impl Iterator<Item = Point> {
        let point = |name, unit, value| {
            let attributes = vec![("channel", self.name.clone())];
            Point { name, unit, kind: MetricKind::Gauge, attributes, value, epoch: None }
        };
        let flag = |value: bool| f64::from(u8::from(value));
        [
            point("mysql.replica.io_running", "1", flag(self.receives)),
            point("mysql.replica.sql_running", "1", flag(self.applies)),
        ]
        .into_iter()
        .chain(self.lag.map(|lag| point("mysql.replica.lag", "s", lag)))
    }

    /// A sentence, where it does not run.
    pub(super) fn finding(&self) -> Option<String> {
        let stopped = match (self.receives, self.applies) {
            (true, true) => return None,
            (false, true) => "receives nothing",
            (true, false) => "applies nothing",
            (false, false) => "is stopped",
        };
        let name = if self.name.is_empty() { String::new() } else { format!(" \"{}\"", self.name) };
        Some(format!("the replication channel{name} {stopped}"))
    }
}

/// The text or the number of the first of these columns that the version has.
fn column(found: &MySqlRow, names: &[&str]) -> Option<String> {
    let named =
        |name: &&str| found.columns().iter().position(|column| sqlx::Column::name(column).eq_ignore_ascii_case(name));
    let index = names.iter().find_map(named)?;
    // MariaDB gives its numbers without a sign.
    if let Ok(Some(number)) = found.try_get::<Option<u64>, _>(index) {
        return Some(number.to_string());
    }
    if let Ok(Some(number)) = found.try_get::<Option<i64>, _>(index) {
        return Some(number.to_string());
    }
    row::optional_text(found, index).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_asked_in_words_that_it_knows() {
        for (version, statement) in [
            ("5.7.44", "SHOW SLAVE STATUS"),
            ("8.0.11", "SHOW SLAVE STATUS"),
            ("8.0.21", "SHOW SLAVE STATUS"),
            ("8.0.36-0ubuntu0.22.04.1", "SHOW SLAVE STATUS"),
            ("8.4.0", "SHOW REPLICA STATUS"),
            ("9.1.0", "SHOW REPLICA STATUS"),
            ("10.4.34-MariaDB", "SHOW ALL SLAVES STATUS"),
            ("11.4.2-MariaDB", "SHOW ALL SLAVES STATUS"),
        ] {
            assert_eq!(super::statement(&Server::of(version.to_owned(), 1, false)).1, statement, "{version}");
        }
    }
}
