//! Where a walk leaves what it makes. Each walk takes names that are free, so that it leaves alone what an earlier one
//! made, and what somebody did with that.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::{
    config::Config,
    grpc::{
        client::{Client, ClientError, answer},
        proto::v1,
    },
    model::{Timestamp, access::DEFAULT_ACCOUNT},
};

use super::walk::Failure;

/// Names and files of one walk.
#[derive(Debug, Clone)]
pub(super) struct Place {
    id: String,
    begun: Timestamp,
    databases: PathBuf,
    data_dir: PathBuf,
}

impl Place {
    /// The first names for which there is neither a connection nor a file.
    pub(super) async fn find(config: &Config, client: &Client) -> Result<Self, Failure> {
        let databases = config.sqlite.root.join(DEFAULT_ACCOUNT);
        DirBuilder::new().recursive(true).mode(0o700).create(&databases)?;
        let mut number = 1_u64;
        loop {
            let id = if number == 1 { "bookshop".to_owned() } else { format!("bookshop-{number}") };
            let data_dir = config.data_dir.clone();
            let place = Self { id, begun: Timestamp::now(), databases: databases.clone(), data_dir };
            if place.is_free(client).await? {
                return Ok(place);
            }
            number += 1;
        }
    }

    async fn is_free(&self, client: &Client) -> Result<bool, ClientError> {
        if self.source_file().exists() || self.restored_file().exists() {
            return Ok(false);
        }
        for name in [self.connection(), self.restored_connection()] {
            match answer(client.connections().get_connection(v1::GetConnectionRequest { name, ..Default::default() }))
                .await
            {
                Ok(_) => return Ok(false),
                Err(error) if error.reason == "CONNECTION_NOT_FOUND" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Id of the connection and of the migration set.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Id of the connection to what was restored.
    pub(super) fn restored_id(&self) -> String {
        format!("{}-restored", self.id)
    }

    /// The sample as a resource.
    pub(super) fn connection(&self) -> String {
        format!("connections/{}", self.id)
    }

    /// What was restored as a resource.
    pub(super) fn restored_connection(&self) -> String {
        format!("connections/{}", self.restored_id())
    }

    /// The set of migrations.
    pub(super) fn migration_set(&self) -> String {
        format!("migrationSets/{}", self.id)
    }

    /// The sample as the server knows it: a path under the root of the account.
    pub(super) fn source_database(&self) -> String {
        format!("{}.db", self.id)
    }

    /// What was restored as the server knows it.
    pub(super) fn restored_database(&self) -> String {
        format!("{}.db", self.restored_id())
    }

    /// The sample on disk.
    pub(super) fn source_file(&self) -> PathBuf {
        self.databases.join(self.source_database())
    }

    /// What was restored on disk.
    pub(super) fn restored_file(&self) -> PathBuf {
        self.databases.join(self.restored_database())
    }

    /// Where a request is kept that is too long for a command.
    pub(super) fn request_file(&self) -> PathBuf {
        self.data_dir.join(format!("{}-migrations.json", self.id))
    }

    /// A path as seen from the data directory.
    pub(super) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.data_dir).unwrap_or(path).display().to_string()
    }

    /// Makes a repeat of a command safe: it is answered with what the walk made.
    pub(super) fn request_id(&self) -> String {
        format!("{}-{}", self.id, self.begun.as_micros() / 1_000_000)
    }
}
