//! Finds the master key of a store at a start.

use crate::{
    model::{
        Error, Result,
        vault::{MasterKeyVersion, SealReason},
    },
    store::{
        Store,
        setting::{KEY_CHECK, STORE_ID},
    },
    vault::{KeySource, KeyTrouble, MasterKeys, Vault},
};

/// Opens the vault of a store with the key of a source. The inner error says why it stays sealed; nothing is written then. A key is
/// made only where the source is empty and may be written, and the store never had one.
pub async fn open(store: &Store, source: &KeySource) -> Result<Result<Vault, KeyTrouble>> {
    open_with(store, source, source.read().await).await
}

/// The same with what was read from the source.
pub(super) async fn open_with(
    store: &Store,
    source: &KeySource,
    held: Result<Option<MasterKeys>, KeyTrouble>,
) -> Result<Result<Vault, KeyTrouble>> {
    let held = match held {
        Ok(held) => held,
        Err(trouble) => return Ok(Err(trouble)),
    };
    let known = Known::read(store).await?;
    let keys = match held {
        Some(keys) => keys,
        None if known.is_fresh() => {
            let keys = MasterKeys::generate()?;
            if let Err(trouble) = source.write(&keys).await {
                return Ok(Err(trouble));
            }
            keys
        }
        None => return Ok(Err(KeyTrouble::unfit(SealReason::KeyMissing, source))),
    };
    let opened = match known.newest_of_fresh(&keys) {
        Some(version) => Ok(known.begin_with(store, &keys, version).await?),
        None => known.open(store, &keys).await?,
    };
    Ok(opened.map_err(|reason| KeyTrouble::unfit(reason, source)))
}

/// The store's own id, to which check values are bound. Made at the first start.
pub(super) async fn store_id(store: &Store) -> Result<Vec<u8>> {
    store.set_setting_once(STORE_ID, ulid::Ulid::generate().to_string().as_bytes()).await
}

/// What a store knows of its master key.
pub(super) struct Known {
    pub(super) store_id: Vec<u8>,
    versions: Vec<MasterKeyVersion>,
    /// The check value of a store from before the key had versions.
    unversioned: Option<Vec<u8>>,
    holds_records: bool,
}

impl Known {
    pub(super) async fn read(store: &Store) -> Result<Self> {
        Ok(Self {
            store_id: store_id(store).await?,
            versions: store.master_keys().await?,
            unversioned: store.setting(KEY_CHECK).await?,
            holds_records: store.holds_sealed_records().await?,
        })
    }

    /// It never had a key.
    pub(super) fn is_fresh(&self) -> bool {
        self.versions.is_empty() && self.unversioned.is_none() && !self.holds_records
    }

    fn newest_of_fresh(&self, keys: &MasterKeys) -> Option<u32> {
        keys.newest().filter(|_| self.is_fresh())
    }

    /// Opens the vault with keys that have to be those of the store.
    pub(super) async fn open(&self, store: &Store, keys: &MasterKeys) -> Result<Result<Vault, SealReason>> {
        if !self.versions.is_empty() {
            return Ok(Vault::open(keys, &self.versions, &self.store_id));
        }
        let Some(check) = &self.unversioned else { return Ok(Err(SealReason::KeyWrong)) };
        match keys.versions().find(|version| keys.matches(*version, &self.store_id, check)) {
            Some(version) => self.begin_with(store, keys, version).await.map(Ok),
            None => Ok(Err(SealReason::KeyWrong)),
        }
    }

    /// Notes the first version that the store knows.
    async fn begin_with(&self, store: &Store, keys: &MasterKeys, version: u32) -> Result<Vault> {
        let check = keys.check_value(version, &self.store_id).ok_or_else(|| Error::internal("the key is not there"))?;
        store.make_master_key_current(version, &check).await?;
        Vault::open(keys, &store.master_keys().await?, &self.store_id)
            .map_err(|reason| Error::internal(reason.describe()))
    }
}
