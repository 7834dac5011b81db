//! SQLite's schemas.

use async_trait::async_trait;
use dbkeeper::grpc::proto::v1;

use super::{Site, generate::Abilities};
use crate::harness::sqlite::SqliteFolder;

#[async_trait]
impl Site for SqliteFolder {
    fn abilities(&self) -> Abilities {
        Abilities {
            types: false,
            deferred: true,
            partial_indexes: true,
            full_text: false,
            keyed_texts: true,
            comments: false,
            virtual_columns: true,
        }
    }

    fn keeps_order(&self) -> bool {
        false
    }

    /// A table that is dropped takes rows of others with it, unless the script sees to that.
    fn before_scripts(&self) -> &'static [&'static str] {
        &["PRAGMA foreign_keys = ON"]
    }

    /// A check that stood with its column has no name, and has one of the conventions' once the table was made anew.
    fn normalise(&self, definition: &mut v1::SchemaDefinition) {
        for table in &mut definition.tables {
            for check in table.checks.iter_mut().filter(|check| check.name.starts_with("ck_")) {
                check.name.clear();
            }
            table.checks.sort_by(|one, other| (&one.name, &one.expression).cmp(&(&other.name, &other.expression)));
        }
    }

    async fn forget(&self, database: &str) {
        std::fs::remove_file(self.path(database)).expect("the file can be removed");
    }
}
