//! Catalog queries: their texts, which fit the server's version, and the small things that their rows have in common.

use sqlx::{
    AssertSqlSafe, Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use crate::{
    engine::postgres::database::ReadTransaction,
    model::{
        Result,
        schema::{ObjectName, Parameter},
    },
};

/// PostgreSQL 15.20 has it among the options of every column of a table or view, with another value in each database.
const OWN_MARK: &str = "pg_attver";
/// Parts of the names of options whose values are secrets.
const SECRET_WORDS: [&str; 7] = ["password", "passwd", "passphrase", "passcode", "secret", "token", "credential"];

impl ReadTransaction<'_> {
    /// A query over the catalog as the server's version needs it.
    pub(in crate::engine::postgres) fn query(&self, sql: &'static str) -> Query<'static, Postgres, PgArguments> {
        sqlx::query(AssertSqlSafe(for_version(sql, self.version()))).persistent(self.keeps_statements())
    }

    /// All rows of a query.
    pub(in crate::engine::postgres) async fn rows(
        &mut self,
        query: Query<'static, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>> {
        let rows = query.fetch_all(self.connection()).await;
        rows.map_err(|error| self.failure(error))
    }
}

/// Leaves out the lines that are for other versions: those that end with `-- 15+`, `-- before 15` or `-- 15+ before 17`.
fn for_version(sql: &str, version: u32) -> String {
    let lines = sql.lines().filter_map(|line| match line.rsplit_once(" -- ") {
        Some((text, versions)) => match VersionRange::parse(versions) {
            Some(range) => range.contains(version).then_some(text),
            None => Some(line),
        },
        None => Some(line),
    });
    lines.collect::<Vec<_>>().join("\n")
}

struct VersionRange {
    first: u32,
    end: u32,
}

impl VersionRange {
    fn parse(text: &str) -> Option<Self> {
        let mut range = Self { first: 0, end: u32::MAX };
        let mut words = text.split(' ');
        while let Some(word) = words.next() {
            match word.strip_suffix('+') {
                Some(first) => range.first = first.parse().ok()?,
                None if word == "before" => range.end = words.next()?.parse().ok()?,
                None => return None,
            }
        }
        Some(range)
    }

    fn contains(&self, version: u32) -> bool {
        (self.first..self.end).contains(&version)
    }
}

/// A text that may be NULL, which stands for none.
pub(super) fn text(row: &PgRow, column: &str) -> String {
    row.get::<Option<String>, _>(column).unwrap_or_default()
}

/// A name with its schema; absent where the row has none.
pub(super) fn object_name(row: &PgRow, schema: &str, name: &str) -> Option<ObjectName> {
    row.get::<Option<String>, _>(name).map(|name| ObjectName { schema: text(row, schema), name })
}

/// Options as catalogs keep them, `name=value` each; NULL stands for none. What the server keeps among them for itself is none.
pub(super) fn parameters(options: Option<Vec<String>>) -> Vec<Parameter> {
    let parameter = |option: String| match option.split_once('=') {
        Some((name, value)) => Parameter { name: name.to_owned(), value: value.to_owned() },
        None => Parameter { name: option, value: String::new() },
    };
    let options = options.unwrap_or_default().into_iter().map(parameter);
    options.filter(|option| option.name != OWN_MARK).collect()
}

/// Options of something foreign, without the values of those that are named after secrets.
pub(super) fn foreign_options(options: Option<Vec<String>>) -> Vec<Parameter> {
    let mut parameters = parameters(options);
    for parameter in &mut parameters {
        let name = parameter.name.to_lowercase();
        if name.ends_with("key") || SECRET_WORDS.iter().any(|word| name.contains(word)) {
            parameter.value.clear();
        }
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_other_versions_are_left_out() {
        let sql = "-- heading 15\nSELECT a, -- 15+\n b, -- before 15\n c, -- 15+ before 17\n d -- as it is";
        assert_eq!(for_version(sql, 14), "-- heading 15\n b,\n d -- as it is");
        assert_eq!(for_version(sql, 15), "-- heading 15\nSELECT a,\n c,\n d -- as it is");
        assert_eq!(for_version(sql, 17), "-- heading 15\nSELECT a,\n d -- as it is");
    }

    #[test]
    fn a_mark_of_the_server_is_no_option() {
        let options = ["pg_attver=22158952", "n_distinct=5"].map(str::to_owned).to_vec();
        let told = parameters(Some(options));
        assert_eq!(told, [Parameter { name: "n_distinct".to_owned(), value: "5".to_owned() }]);
    }

    #[test]
    fn values_of_secret_options_are_left_out() {
        let options = ["host=a=b", "Password=x", "api_key=y", "access_token=z", "use_remote_estimate"];
        let told = foreign_options(Some(options.map(str::to_owned).to_vec()));
        let told: Vec<_> = told.iter().map(|option| (option.name.as_str(), option.value.as_str())).collect();
        let expected =
            [("host", "a=b"), ("Password", ""), ("api_key", ""), ("access_token", ""), ("use_remote_estimate", "")];
        assert_eq!(told, expected);
    }
}
