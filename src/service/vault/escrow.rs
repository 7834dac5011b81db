//! Takes the master key of a store out for escrow, and brings it back.

use std::path::{Path, PathBuf};

use super::{open::Known, put};
use crate::{
    model::{Error, Reason, Result, vault::SealReason},
    store::Store,
    vault::{
        KeySource, KeyTrouble, MasterKeys, Vault,
        escrow::{Recipient, wrap},
    },
};

/// The key of a store with all the versions that its source holds, proved to open that store.
pub struct ProvedKeys {
    /// What it opens.
    pub vault: Vault,
    keys: MasterKeys,
    store_id: Vec<u8>,
}

impl ProvedKeys {
    /// Reads the keys from the source of a store that is in use, whatever source that is. No key is made here.
    pub async fn of(store: &Store, source: &KeySource) -> Result<Self> {
        let held = source.read().await?;
        let known = Known::read(store).await?;
        if known.is_fresh() {
            let what = "the store never had a master key, so there is none to export; start the server once";
            return Err(Error::new(Reason::KeySourceUnfit, what));
        }
        let unfit = |reason| KeyTrouble::unfit(reason, source);
        let keys = held.ok_or_else(|| unfit(SealReason::KeyMissing))?;
        let vault = known.open(store, &keys).await?.map_err(unfit)?;
        Ok(Self { vault, keys, store_id: known.store_id })
    }

    /// The versions, the oldest first.
    pub fn versions(&self) -> Vec<u32> {
        self.keys.versions().collect()
    }

    /// All versions, encrypted so that each recipient can open them.
    pub fn wrap(&self, recipients: &[Recipient]) -> Result<String> {
        let store = String::from_utf8_lossy(&self.store_id);
        wrap(&self.keys, recipients, &format!("The master key of the dbkeeper store {store}."))
    }
}

/// A key out of an export, on its way into the source of a data directory that has none.
pub struct ReturningKeys {
    keys: MasterKeys,
    source: KeySource,
    file: PathBuf,
}

impl ReturningKeys {
    /// Keys for a source. KEY_SOURCE_UNFIT where the source has no file that the server writes, or has it already.
    pub fn to(source: KeySource, keys: MasterKeys) -> Result<Self> {
        let Some(file) = source.file().map(Path::to_owned) else {
            let what = format!(
                "by the configuration the key comes from {source}, where dbkeeper cannot put it: open the export with \
                 age --decrypt, and give what that prints to where the key comes from"
            );
            return Err(Error::new(Reason::KeySourceUnfit, what));
        };
        // A link that leads nowhere is in the way as well.
        if file.symlink_metadata().is_ok() {
            let what = format!(
                "{} is there, and is not overwritten: if its key is lost or wrong, move it away first",
                file.display()
            );
            return Err(Error::new(Reason::KeySourceUnfit, what));
        }
        Ok(Self { keys, source, file })
    }

    /// The versions, the oldest first.
    pub fn versions(&self) -> Vec<u32> {
        self.keys.versions().collect()
    }

    /// The file that they go to.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The vault of the store that the keys are brought back to; absent where the store never had a key, so that nothing tells
    /// whether these are the right ones. MASTER_KEY_WRONG where they are not.
    pub async fn prove(&self, store: &Store) -> Result<Option<Vault>> {
        let known = Known::read(store).await?;
        if known.is_fresh() {
            return Ok(None);
        }
        known.open(store, &self.keys).await?.map(Some).map_err(|reason| {
            Error::new(
                Reason::MasterKeyWrong,
                match reason {
                    SealReason::KeyMissing => {
                        "the export lacks a version of the master key that the store needs: it was made before a \
                         rotation; give a newer one; nothing was written"
                    }
                    _ => {
                        "the export holds the master key of another store; give the export of this store, or name the \
                         right folder with --data-dir; nothing was written"
                    }
                },
            )
        })
    }

    /// Puts the keys into the source. They are durable, and can be read there, when this returns.
    pub async fn put_back(&self) -> Result<()> {
        let unwritten = || {
            let what = format!("the master key cannot be brought back to {}", self.source);
            Error::new(Reason::KeySourceUnfit, what)
        };
        match put(&self.source, &self.keys).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(unwritten().caused_by("it does not give back what was put there")),
            Err(trouble) => Err(unwritten().caused_by(trouble)),
        }
    }
}
