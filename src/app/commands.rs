//! What is done on a data directory that no server holds: a new key for who has lost theirs, and the master key out to escrow
//! and back. Each leaves intent and outcome in the audit log, as a call does.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use tokio_util::task::TaskTracker;

use super::{
    AccessService, AuditService, Store, Vault, data_directory::DataDirectory, operators_account, record::recorded,
    secrets, settings, vault,
};
use crate::{
    config::Config,
    model::{Error, Reason, RequestId, Result, audit::AuditedCall},
    service::vault::escrow::{ProvedKeys, ReturningKeys},
    vault::{MasterKeys, escrow::Recipient},
};

/// What an import did.
#[derive(Debug)]
pub struct Imported {
    /// The versions of the key.
    pub versions: Vec<u32>,
    /// The file that they went to.
    pub file: PathBuf,
    /// True where they were proved to be the keys of a store; false where there is none that could tell.
    pub proved: bool,
}

/// Makes a key of an administrator. Returns the file that the key is in: `admin.key`, or another beside it where that is
/// there.
pub async fn make_admin_key(config: &Config) -> Result<PathBuf> {
    let (_directory, store) = take(config).await?;
    let vault = vault::open(&store, &settings::key_source(config)).await??;
    let keys = secrets::server_keys(&store, &vault).await?;
    let audit = AuditService::new(store.clone(), keys.audit, TaskTracker::new());
    let access = AccessService::new(store.clone(), keys.pepper);
    let made = recorded(&audit, command("MakeAdminKey"), access.make_admin_key(&config.data_dir)).await;
    store.close().await;
    made
}

/// Encrypts every version of the master key that its source holds to recipients, into a file that must not be there yet.
/// Returns the versions. They were proved to open the store.
pub async fn export_master_key(config: &Config, recipients: &[Recipient], output: &Path) -> Result<Vec<u32>> {
    if output.symlink_metadata().is_ok() {
        return Err(in_the_way(output));
    }
    let (_directory, store) = take(config).await?;
    let keys = ProvedKeys::of(&store, &settings::key_source(config)).await?;
    let audit = audit_log(&store, &keys.vault).await?;
    let mut call = about_versions(command("ExportMasterKey"), &keys.versions());
    // A public key, and so that who looks can see who is able to open it.
    call.parameters = recipients.iter().map(|recipient| format!("recipient:{}", recipient.to_text())).collect();
    let exported = recorded(&audit, call, async { write_new(output, &keys.wrap(recipients)?) }).await;
    store.close().await;
    exported.map(|()| keys.versions())
}

/// Brings the versions of the master key that an export held back to their source, where that has none. Nothing is written
/// where they are not the keys of the store that is there.
pub async fn import_master_key(config: &Config, keys: MasterKeys) -> Result<Imported> {
    if !config.data_dir.is_dir() {
        let folder = config.data_dir.display();
        let what =
            format!("there is no folder {folder}; name the server's with --data-dir, or make it with mkdir -m 700");
        return Err(Error::new(Reason::StoreUnavailable, what));
    }
    let keys = ReturningKeys::to(settings::key_source(config), keys)?;
    let _directory = DataDirectory::take(&config.data_dir)?;
    let proved = config.store.file.exists() && put_back_to_store(config, &keys).await?;
    if !proved {
        keys.put_back().await?;
    }
    Ok(Imported { versions: keys.versions(), file: keys.file().to_owned(), proved })
}

/// False where the store never had a key: nothing was written then.
async fn put_back_to_store(config: &Config, keys: &ReturningKeys) -> Result<bool> {
    let store = Store::open(&config.store.file).await?;
    let put_back = async {
        let Some(vault) = keys.prove(&store).await? else { return Ok(false) };
        let audit = audit_log(&store, &vault).await?;
        let call = about_versions(command("ImportMasterKey"), &keys.versions());
        recorded(&audit, call, keys.put_back()).await.map(|()| true)
    };
    let ended = put_back.await;
    store.close().await;
    ended
}

/// Holds the data directory and opens the store in it, which must be there: a folder that was mistyped is not made.
async fn take(config: &Config) -> Result<(DataDirectory, Store)> {
    if !config.store.file.exists() {
        return Err(Error::new(
            Reason::StoreUnavailable,
            format!("there is no store in {}; name the server's folder with --data-dir", config.data_dir.display()),
        ));
    }
    let directory = DataDirectory::take(&config.data_dir)?;
    Ok((directory, Store::open(&config.store.file).await?))
}

async fn audit_log(store: &Store, vault: &Vault) -> Result<AuditService> {
    let key = secrets::audit_key(store, vault).await?;
    Ok(AuditService::new(store.clone(), key, TaskTracker::new()))
}

/// A command as it stands in the audit log: by the user of the machine, in the operator's account.
fn command(name: &str) -> AuditedCall {
    let actor = format!("user/{}", rustix::process::getuid().as_raw());
    let method = format!("dbkeeper.command/{name}");
    AuditedCall::new(operators_account(), actor, String::new(), method, &RequestId::generate())
}

fn about_versions(call: AuditedCall, versions: &[u32]) -> AuditedCall {
    let resources = versions.iter().map(|version| format!("vault/masterKeyVersions/{version}")).collect();
    AuditedCall { resources, ..call }
}

/// Writes a file that must not be there, readable by its owner only. It is on the disk when this returns, or is not there.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let failed = |cause: std::io::Error| {
        Error::new(Reason::StoreUnavailable, format!("{} cannot be written", path.display())).caused_by(cause)
    };
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => return Err(in_the_way(path)),
        Err(cause) => return Err(failed(cause)),
    };
    let mut write = || {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    };
    write().map_err(|cause| {
        // What is there is cut short; that it cannot be removed either adds nothing to the error.
        let _ = fs::remove_file(path);
        failed(cause)
    })
}

fn in_the_way(path: &Path) -> Error {
    let what = format!("{} is there, and is not overwritten: name another file with --output", path.display());
    Error::new(Reason::InvalidField, what)
}
