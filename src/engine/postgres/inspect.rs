//! Reads the schema: a list of relations, then one query for each kind of detail over all of them.

mod details;
mod relations;

use async_trait::async_trait;
use sqlx::Row;
use tokio::sync::mpsc;

use self::{
    details::read_details,
    relations::{Relation, RelationQuery},
};
use super::database::{PostgresDatabase, ReadTransaction};
use crate::{
    engine::Inspect,
    model::{
        Error, Reason, Result,
        name::QualifiedName,
        schema::{DatabaseInfo, Skipped, Table, TableFilter, TableList, TableLookup, TablePage},
    },
};

const COUNT: &str = include_str!("inspect/count.sql");
const DATABASE: &str = include_str!("inspect/database.sql");
const LOCKED: &str = include_str!("inspect/locked.sql");
const SUMMARIES: &str = include_str!("inspect/summaries.sql");
/// Tables of the first of the two batches of a stream: small, so that the first message is early.
const FIRST_BATCH: usize = 200;
/// A lock can be taken between the look at the locks and the query that meets it.
const ATTEMPTS: u32 = 3;
/// Where a name without a schema is looked for.
const DEFAULT_SCHEMA: &str = "public";

#[async_trait]
impl Inspect for PostgresDatabase {
    async fn database(&self) -> Result<DatabaseInfo> {
        let mut transaction = self.leases().begin().await?;
        let locked = locked_relations(&mut transaction).await?;
        let query = sqlx::query(DATABASE)
            .persistent(transaction.keeps_statements())
            .bind(&locked)
            .fetch_one(transaction.connection())
            .await;
        let row = query.map_err(|error| transaction.failure(error))?;
        transaction.commit().await?;
        let skipped = (!locked.is_empty()).then(|| Skipped {
            subject: format!("sizes of {} locked relations", locked.len()),
            reason: "another session holds or waits for an exclusive lock on them".to_owned(),
            remedy: "try again when it is done".to_owned(),
        });
        Ok(DatabaseInfo {
            database: row.get(0),
            character_set: row.get(1),
            collation: row.get(2),
            size_bytes: row.get(3),
            data_size_bytes: row.get(4),
            index_size_bytes: row.get(5),
            schema_count: row.get(6),
            table_count: row.get(7),
            view_count: row.get(8),
            index_count: row.get(9),
            row_estimate: row.get(10),
            skipped: skipped.into_iter().collect(),
            ..DatabaseInfo::default()
        })
    }

    async fn list_tables(&self, filter: &TableFilter, page: &TablePage) -> Result<TableList> {
        let query = RelationQuery::page(filter, page);
        let mut transaction = self.leases().begin().await?;
        let locked = locked_relations(&mut transaction).await?;
        let relations = query.run(&mut transaction, &locked).await?;
        let oids: Vec<_> = relations.iter().map(|relation| relation.oid).collect();
        let rows = sqlx::query(SUMMARIES)
            .persistent(transaction.keeps_statements())
            .bind(&oids)
            .bind(&locked)
            .fetch_all(transaction.connection())
            .await;
        let rows = rows.map_err(|error| transaction.failure(error))?;
        let total = match query.needs_all(page) {
            true => relations.len() as u64,
            false => count(&mut transaction, &query).await?,
        };
        transaction.commit().await?;
        // unnest gives the rows back in the order of the array.
        let summaries = relations.into_iter().zip(rows).map(|(relation, row)| relation.summary(row.get(1), row.get(2)));
        Ok(TableList { tables: page.cut(summaries.collect()), total, skipped: Vec::new() })
    }

    async fn stream_tables(&self, filter: &TableFilter, tables: mpsc::Sender<Table>) -> Result<Vec<Skipped>> {
        let mut stream = TableStream { tables, last: None, skipped: Vec::new() };
        let mut attempt = 1;
        loop {
            match stream.run(self, filter).await {
                Err(error) if attempt < ATTEMPTS && is_passing(&error) => attempt += 1,
                outcome => return outcome.map(|()| stream.skipped),
            }
        }
    }

    async fn table(&self, name: &QualifiedName) -> Result<Option<TableLookup>> {
        let mut attempt = 1;
        loop {
            match self.read_table(name).await {
                Err(error) if attempt < ATTEMPTS && is_passing(&error) => attempt += 1,
                outcome => {
                    let found = outcome?;
                    return Ok(found.map(|table| TableLookup { table, ..TableLookup::default() }));
                }
            }
        }
    }
}

impl PostgresDatabase {
    async fn read_table(&self, name: &QualifiedName) -> Result<Option<Table>> {
        let schema = name.schema.as_ref().map_or(DEFAULT_SCHEMA, |schema| schema.as_str());
        let filter = TableFilter::default();
        let query =
            RelationQuery { schema: Some(schema), name: Some(name.name.as_str()), ..RelationQuery::filtered(&filter) };
        let mut transaction = self.leases().begin().await?;
        let locked = locked_relations(&mut transaction).await?;
        let Some(relation) = query.run(&mut transaction, &locked).await?.pop() else {
            transaction.commit().await?;
            return Ok(None);
        };
        if locked.contains(&relation.oid) {
            let text = format!("{schema}.{} is locked by another session; try again when it is done", relation.name);
            return Err(Error::new(Reason::LockTimeout, text));
        }
        let table = read_details(&mut transaction, vec![relation]).await?.pop();
        transaction.commit().await?;
        Ok(table)
    }
}

/// A stream that can go on after a lock was met: what was sent is not sent again.
struct TableStream {
    tables: mpsc::Sender<Table>,
    last: Option<(String, String)>,
    skipped: Vec<Skipped>,
}

impl TableStream {
    async fn run(&mut self, database: &PostgresDatabase, filter: &TableFilter) -> Result<()> {
        let last = self.last.clone();
        let after = last.as_ref().map(|(schema, name)| (schema.as_str(), name.as_str()));
        let query = RelationQuery { after, ..RelationQuery::filtered(filter) };
        let mut transaction = database.leases().begin().await?;
        let locked = locked_relations(&mut transaction).await?;
        let relations = query.run(&mut transaction, &locked).await?;
        let (blocked, mut first): (Vec<_>, Vec<_>) =
            relations.into_iter().partition(|relation| locked.contains(&relation.oid));
        self.skipped = blocked.iter().map(skipped_for_lock).collect();
        let rest = first.split_off(first.len().min(FIRST_BATCH));
        for batch in [first, rest] {
            if batch.is_empty() {
                break;
            }
            let tables = read_details(&mut transaction, batch).await?;
            if !self.send(tables).await {
                break;
            }
        }
        transaction.commit().await
    }

    /// False where the receiver is gone.
    async fn send(&mut self, tables: Vec<Table>) -> bool {
        for table in tables {
            let name = (table.schema.clone(), table.name.clone());
            if self.tables.send(table).await.is_err() {
                return false;
            }
            self.last = Some(name);
        }
        true
    }
}

fn skipped_for_lock(relation: &Relation) -> Skipped {
    Skipped {
        subject: format!("{}.{}", relation.schema, relation.name),
        reason: "another session holds or waits for an exclusive lock on it".to_owned(),
        remedy: "try again when it is done".to_owned(),
    }
}

/// A lock that was taken meanwhile, or an object that was dropped between two catalogs.
fn is_passing(error: &Error) -> bool {
    error.reason() == Reason::LockTimeout || error.metadata("sql_state") == Some("XX000")
}

/// How many relations a query matches in all.
async fn count(transaction: &mut ReadTransaction<'_>, query: &RelationQuery<'_>) -> Result<u64> {
    let counted = sqlx::query_scalar::<_, i64>(COUNT)
        .persistent(transaction.keeps_statements())
        .bind(query.schema)
        .bind(query.kinds())
        .fetch_one(transaction.connection())
        .await;
    let counted = counted.map_err(|error| transaction.failure(error))?;
    Ok(u64::try_from(counted).unwrap_or(0))
}

async fn locked_relations(transaction: &mut ReadTransaction<'_>) -> Result<Vec<sqlx::postgres::types::Oid>> {
    let query =
        sqlx::query_scalar(LOCKED).persistent(transaction.keeps_statements()).fetch_one(transaction.connection()).await;
    query.map_err(|error| transaction.failure(error))
}
