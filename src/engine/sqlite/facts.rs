//! What a SQLite file tells of itself.

use async_trait::async_trait;

use super::{SCHEMA, SqliteDatabase, error::from_sqlx};
use crate::{
    engine::{Describe, facts::MAX_FULL_TEXT_INDEXES},
    model::{
        Error, Result,
        facts::{Certificate, FullTextIndex, Replication, Transport},
    },
};

const UNREADABLE: &str = "cannot read the full-text tables";
/// Virtual tables of the modules fts3 to fts5. Each is an index and what it searches in one.
const FULL_TEXT: &str = "SELECT name FROM sqlite_schema \
    WHERE type = 'table' AND lower(sql) LIKE 'create virtual table%' AND lower(sql) GLOB '* using[ \n\t]*fts[345]*' \
    ORDER BY name LIMIT ?1";

#[async_trait]
impl Describe for SqliteDatabase {
    async fn transport(&self) -> Result<Transport> {
        Ok(Transport::default())
    }

    async fn certificate(&self) -> Result<Option<Certificate>> {
        Ok(None)
    }

    async fn full_text_indexes(&self) -> Result<Vec<FullTextIndex>> {
        let mut lease = self.pool.lease(UNREADABLE).await?;
        let names: Vec<String> = sqlx::query_scalar(FULL_TEXT)
            .bind(i64::from(MAX_FULL_TEXT_INDEXES))
            .fetch_all(&mut *lease)
            .await
            .map_err(|error| from_sqlx(error, UNREADABLE))?;
        lease.give_back().await;
        let index = |name: String| FullTextIndex { schema: SCHEMA.to_owned(), table: name.clone(), index: name };
        Ok(names.into_iter().map(index).collect())
    }

    async fn replication(&self) -> Result<Replication> {
        Err(Error::unsupported("sqlite", "replicas"))
    }
}
