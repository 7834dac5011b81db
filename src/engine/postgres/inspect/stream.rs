//! Every table of a database, in parts, out of one snapshot.

use sqlx::postgres::types::Oid;
use tokio::sync::mpsc;

use super::{
    details::Details,
    lock::{Gaps, is_passing, locked_relations, names},
    relation::{self, full_name},
};
use crate::{
    engine::postgres::database::{PostgresDatabase, ReadTransaction},
    model::{
        Error, Reason, Result,
        schema::{Hidden, Skipped, Table, TableFilter},
    },
};

/// Tables of the first part: few, so that the first message is early.
const FIRST_PART: usize = 100;
/// Tables of the other parts, of which three are held in memory at one time: one that is read, one that waits, one that is sent.
const PART: usize = 500;
/// How often a lock is waited for in vain in one stream: a few times for each relation whose lock the look at the locks does not
/// show. More mean that a catalog itself is locked.
const MAX_LOCKS_MET: u32 = 32;
/// How long a lock is waited for once one was waited for in vain, in milliseconds.
const IMPATIENT: &str = "SET LOCAL lock_timeout TO 100";

/// Sends every table that matches and returns what could not be read.
pub(super) async fn run(
    database: &PostgresDatabase,
    filter: &TableFilter,
    tables: mpsc::Sender<Table>,
) -> Result<Vec<Skipped>> {
    let mut transaction = database.leases().begin().await?;
    let oids = relation::keys(&mut transaction, filter, None).await?;
    let mut reader = PartReader::default();
    let (parts, read) = mpsc::channel(1);
    let reading = async move {
        let (first, others) = oids.split_at(oids.len().min(FIRST_PART));
        for part in std::iter::once(first).chain(others.chunks(PART)) {
            for details in reader.read(&mut transaction, part).await? {
                // Nobody takes it any more once the caller has left.
                let _ = parts.send(details).await;
            }
        }
        let username = transaction.username().to_owned();
        transaction.commit().await?;
        Ok(reader.into_gaps().into_skipped(&username))
    };
    let reading = async {
        tokio::select! {
            biased;
            // The transaction is dropped in the middle of a query, which closes its connection and so ends the query.
            () = tables.closed() => Ok(Vec::new()),
            read = reading => read,
        }
    };
    let (skipped, sent) = tokio::join!(reading, send(read, &tables));
    sent?;
    skipped
}

/// Puts the tables of parts together and sends them, while the server answers for the next part.
async fn send(mut parts: mpsc::Receiver<Details>, tables: &mpsc::Sender<Table>) -> Result<()> {
    while let Some(part) = parts.recv().await {
        let put_together = tokio::task::spawn_blocking(move || part.into_tables());
        for table in put_together.await.map_err(Error::internal)? {
            if tables.send(table).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Reads parts of a database, and notes what could not be read.
#[derive(Default)]
pub(in crate::engine::postgres) struct PartReader {
    gaps: Gaps,
    locks_met: u32,
}

impl PartReader {
    /// The details of a part. Where one of its tables cannot be read, the part is halved until it stands alone, and left out.
    async fn read(&mut self, transaction: &mut ReadTransaction<'_>, part: &[Oid]) -> Result<Vec<Details>> {
        let mut details = Vec::new();
        let mut pending = vec![part.to_vec()];
        while let Some(part) = pending.pop() {
            let locked = locked_relations(transaction).await?;
            let (blocked, free): (Vec<_>, Vec<_>) = part.into_iter().partition(|oid| locked.contains(oid));
            for name in names(transaction, &blocked).await? {
                self.gaps.add_locked(full_name(&name), Hidden::Relation(name));
            }
            if free.is_empty() {
                continue;
            }
            let mut gaps = Gaps::default();
            transaction.execute("SAVEPOINT part".to_owned()).await?;
            match Details::read(transaction, &free, &locked, &mut gaps).await {
                Ok(read) => {
                    transaction.execute("RELEASE part".to_owned()).await?;
                    self.gaps.append(gaps);
                    details.push(read);
                }
                Err(error) if is_passing(&error) && self.locks_met < MAX_LOCKS_MET => {
                    transaction.execute("ROLLBACK TO part".to_owned()).await?;
                    if error.reason() == Reason::LockTimeout {
                        self.locks_met += 1;
                        transaction.execute(IMPATIENT.to_owned()).await?;
                    }
                    match free.as_slice() {
                        [alone] => {
                            let name = names(transaction, &[*alone]).await?;
                            name.into_iter().for_each(|name| self.gaps.add_changing(name, &error));
                        }
                        several => {
                            let (one, other) = several.split_at(several.len() / 2);
                            // The last is read first.
                            pending.extend([other.to_vec(), one.to_vec()]);
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(details)
    }

    /// The tables of a part, put together.
    pub(in crate::engine::postgres) async fn read_tables(
        &mut self,
        transaction: &mut ReadTransaction<'_>,
        part: &[Oid],
    ) -> Result<Vec<Table>> {
        let details = self.read(transaction, part).await?;
        Ok(details.into_iter().flat_map(Details::into_tables).collect())
    }

    /// What could not be read.
    pub(in crate::engine::postgres) fn into_gaps(self) -> Gaps {
        self.gaps
    }
}
