//! MariaDB's schemas.

use async_trait::async_trait;

use super::{Site, generate::Abilities};
use crate::{conformance::mariadb::MariadbFixture, harness::mariadb::MariadbServer};

#[async_trait]
impl Site for MariadbFixture {
    fn abilities(&self) -> Abilities {
        Abilities {
            types: false,
            deferred: false,
            partial_indexes: false,
            full_text: true,
            keyed_texts: false,
            comments: true,
            virtual_columns: true,
        }
    }

    fn keeps_order(&self) -> bool {
        false
    }

    async fn forget(&self, database: &str) {
        MariadbServer::shared().sql("mysql", &format!("DROP DATABASE {database}"));
    }
}
