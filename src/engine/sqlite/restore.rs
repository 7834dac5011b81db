//! Restores by writing a file beside the target, checking it, and giving it the target's name in one step.
//!
//! The file beside the target carries the operation in its name: that is the mark of a restore that has not ended.

use std::{fs::File, path::Path};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio_util::sync::CancellationToken;

use super::{
    SqliteDatabase, connect,
    dump::inspect_copy,
    error::{self, from_io, from_sqlx},
    migrate::LOCK_FILE,
    path::{DatabaseFile, DatabasePath},
    run_lock::RunLock,
    scratch::{self, ScratchFile},
};
use crate::{
    engine::dump::{DumpReader, RestoreTarget},
    model::{Error, OperationId, Reason, Result},
};

impl SqliteDatabase {
    /// Whether a file can be restored into.
    pub(super) async fn check_target(&self, path: &DatabasePath) -> Result<RestoreTarget> {
        let file = match path.locate() {
            Ok(file) => file,
            // Its folder is made with it.
            Err(error) if error.reason() == Reason::DatabaseUnknown => return Ok(RestoreTarget::New),
            Err(error) => return Err(error),
        };
        match file.size {
            None => Ok(RestoreTarget::New),
            Some(0) => Ok(RestoreTarget::Empty),
            Some(_) => self.require_empty(&file).await.map(|()| RestoreTarget::Empty),
        }
    }

    async fn require_empty(&self, file: &DatabaseFile) -> Result<()> {
        let objects = async {
            let mut connection = connect::reading_options(&file.path, self.pool_busy_timeout()).connect().await?;
            let objects: i64 =
                sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(objects)
        };
        match objects.await.map_err(|error| from_sqlx(error, "cannot look into the target"))? {
            0 => Ok(()),
            objects => Err(not_empty(file, &format!("it holds {objects} tables, indexes, views or triggers"))),
        }
    }

    /// Restores into a file.
    pub(super) async fn restore_file(
        &self,
        operation: &OperationId,
        path: &DatabasePath,
        target: RestoreTarget,
        input: DumpReader,
        cancellation: CancellationToken,
    ) -> Result<()> {
        let file = path.prepare_new()?;
        let lock = RunLock::try_take(&file.side_file(LOCK_FILE), operation)
            .map_err(|cause| from_io(cause, "cannot take the lock of the run beside the database"))?
            .ok_or_else(|| Error::new(Reason::DatabaseBusy, "another run changes the target; try again after it"))?;
        let copy = ScratchFile::create(file.side_file(&mark(operation)))
            .map_err(|cause| from_io(cause, "cannot write beside the target"))?;
        let stop = cancellation.child_token();
        let _stop_on_drop = stop.clone().drop_guard();
        copy.fill(input, &stop).await?;
        inspect_copy(&copy, &stop).await.map_err(|fault| fault.into_corrupt_dump(&stop))?;
        self.tell_violations(copy.path()).await?;
        if stop.is_cancelled() {
            return Err(Error::cancelled());
        }
        match target {
            RestoreTarget::New => publish_new(copy, &file)?,
            RestoreTarget::Empty => self.publish_over_empty(copy, path, &file).await?,
        }
        drop(lock);
        Ok(())
    }

    /// Rows that point nowhere were so in the source too, where enforcement is a matter of each connection. The restore
    /// is faithful, so that they are told and not refused.
    async fn tell_violations(&self, copy: &Path) -> Result<()> {
        let violations = async {
            let mut connection = connect::reading_options(copy, self.pool_busy_timeout()).connect().await?;
            let violations: i64 =
                sqlx::query_scalar("SELECT count(*) FROM pragma_foreign_key_check").fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(violations)
        };
        match violations.await {
            Ok(0) => {}
            Ok(violations) => tracing::warn!(violations, "restored rows point to rows that are not there"),
            // A key that points to a table without a fitting index cannot be checked at all.
            Err(sqlx::Error::Database(error)) => {
                tracing::warn!(error = %error, "foreign keys of the restored database cannot be checked");
            }
            Err(error) => return Err(from_sqlx(error, "cannot check the restored database")),
        }
        Ok(())
    }

    /// Takes the place of an empty database. Its write-ahead log must be gone before, or SQLite would read the old log
    /// into the new file.
    async fn publish_over_empty(&self, copy: ScratchFile, path: &DatabasePath, file: &DatabaseFile) -> Result<()> {
        if file.size.is_none() {
            return publish_new(copy, file);
        }
        if path.find()?.path == self.file.path {
            self.pool.close_idle().await;
        }
        if file.size != Some(0) {
            self.retire_log(file).await?;
            self.require_empty(file).await?;
        }
        if file.with_suffix("-wal").exists() {
            return Err(in_use());
        }
        std::fs::rename(copy.path(), &file.path).map_err(|cause| from_io(cause, "cannot replace the target"))?;
        copy.keep();
        sync_folder(file)
    }

    /// Leaves WAL mode, which SQLite does only where nobody else has the file open, and takes the log away with it.
    async fn retire_log(&self, file: &DatabaseFile) -> Result<()> {
        let switched = async {
            let mut connection = connect::options(&file.path, self.pool_busy_timeout()).connect().await?;
            let mode: String = sqlx::query_scalar("PRAGMA journal_mode = DELETE").fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(mode)
        };
        match switched.await {
            Ok(mode) if mode.eq_ignore_ascii_case("delete") => Ok(()),
            Ok(_) => Err(in_use()),
            Err(error) if error::is_busy(&error) => Err(in_use()),
            Err(error) => Err(from_sqlx(error, "cannot prepare the target")),
        }
    }

    /// Takes away what a killed restore left beside its target.
    pub(super) fn discard_file(&self, operation: &OperationId, path: &DatabasePath) -> Result<bool> {
        let file = match path.locate() {
            Ok(file) => file,
            Err(error) if error.reason() == Reason::DatabaseUnknown => return Ok(false),
            Err(error) => return Err(error),
        };
        scratch::remove(&file.side_file(&mark(operation)))
            .map_err(|cause| from_io(cause, "cannot remove what the restore left"))
    }
}

/// Takes a name that nobody has. A file that appeared meanwhile is never written over.
fn publish_new(copy: ScratchFile, file: &DatabaseFile) -> Result<()> {
    match renameat_with(CWD, copy.path(), CWD, &file.path, RenameFlags::NOREPLACE) {
        Ok(()) => copy.keep(),
        Err(rustix::io::Errno::EXIST) => {
            return Err(not_empty(file, "a file of this name appeared during the restore"));
        }
        Err(cause) => return Err(from_io(cause.into(), "cannot publish the restored database")),
    }
    sync_folder(file)
}

/// Makes the new name durable.
fn sync_folder(file: &DatabaseFile) -> Result<()> {
    let folder = file.path.parent().unwrap_or(Path::new("/"));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|cause| from_io(cause, "cannot make the restored database durable"))
}

fn mark(operation: &OperationId) -> String {
    format!("restore-{operation}")
}

fn not_empty(file: &DatabaseFile, what: &str) -> Error {
    let text = format!("the database to restore into is not empty: {what}; name a new file or empty this one first");
    Error::target_not_empty(&file.path.file_name().unwrap_or_default().to_string_lossy(), text)
}

fn in_use() -> Error {
    Error::new(
        Reason::DatabaseBusy,
        "the empty database to restore into is open elsewhere; close it there, or restore into a new file",
    )
}
