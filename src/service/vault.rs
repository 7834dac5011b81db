//! The vault as an operator sees it: which versions of the master key there are, and how a new one is brought in.
//!
//! [`open`] finds the key of a store, [`rotate`] seals everything anew with the next version while the server works.

pub mod escrow;
mod open;
mod rotate;
mod sealed;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
pub use open::open;
pub use sealed::{SealedVault, Unsealed, Waiting};

use crate::{
    model::{
        AccountId, CallContext, Detail, Error, OperationId, Reason, RequestKey, Result,
        operation::{Operation, OperationKind, OperationSpec, Progress, ProgressUnit},
        vault::{KeySourceKind, MasterKeyState, MasterKeyVersion},
    },
    operation::{Executor, NewOperation, Operations},
    store::Store,
    vault::{KeySource, KeyTrouble, MasterKeys, Vault},
};

/// What an operation that rotates the master key holds, so that there is one at a time, whoever asked for it.
const EXCLUSIVE_KEY: &str = "vault";

/// A version of the master key with what is still sealed with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionStatus {
    /// The version.
    pub key: MasterKeyVersion,
    /// Records that are sealed with it.
    pub record_count: u64,
}

/// How an open vault stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultStatus {
    /// The version that new records are sealed with.
    pub current_version: u32,
    /// Every version that there was, the oldest first.
    pub versions: Vec<VersionStatus>,
    /// Where the key comes from.
    pub source: KeySourceKind,
    /// True while a rotation is queued or at work.
    pub rotating: bool,
    /// The rotation, where the caller's account asked for it.
    pub rotation: Option<OperationId>,
}

/// The open vault of a server. Cheap to clone.
#[derive(Clone)]
pub struct VaultService {
    parts: Arc<Parts>,
    operations: Operations,
}

/// A copy of a sealed record outside of the store.
#[async_trait]
pub trait SealedCopy: Send + Sync {
    /// Makes the copy like the record in the store, which was just sealed anew, where it is a copy of that.
    async fn renew(&self, vault: &Vault) -> Result<()>;
}

/// What the calls and the rotation work with.
struct Parts {
    store: Store,
    vault: Arc<Vault>,
    source: KeySource,
    copies: Vec<Arc<dyn SealedCopy>>,
}

impl VaultService {
    /// A service over an open vault.
    pub fn new(
        store: Store,
        vault: Arc<Vault>,
        source: KeySource,
        copies: Vec<Arc<dyn SealedCopy>>,
        operations: Operations,
    ) -> Self {
        Self { parts: Arc::new(Parts { store, vault, source, copies }), operations }
    }

    /// What the operations of this service do; to be installed before any is started.
    pub fn executors(&self) -> HashMap<OperationKind, Arc<dyn Executor>> {
        let rotate: Arc<dyn Executor> = Arc::new(rotate::RotateMasterKey(self.parts.clone()));
        HashMap::from([(OperationKind::RotateMasterKey, rotate)])
    }

    /// How the vault stands, as a caller of an account sees it.
    pub async fn status(&self, caller: &AccountId) -> Result<VaultStatus> {
        let store = &self.parts.store;
        let mut versions = Vec::new();
        for key in store.master_keys().await? {
            let record_count = store.sealed_with(key.version).await?;
            versions.push(VersionStatus { key, record_count });
        }
        let rotation = store.operation_holding(EXCLUSIVE_KEY).await?;
        Ok(VaultStatus {
            current_version: self.parts.vault.current_version(),
            versions,
            source: self.parts.source.kind(),
            rotating: rotation.is_some(),
            rotation: rotation.filter(|(account, _)| account == caller).map(|(_, id)| id),
        })
    }

    /// Begins a rotation, or goes on with one that did not come to its end. With `validate_only` everything is checked and there
    /// is no operation: what would be started is returned. MASTER_KEY_ROTATED while one is at work, KEY_SOURCE_UNFIT where the
    /// source does not give what is needed.
    pub async fn rotate(
        &self,
        context: &CallContext,
        request: Option<&RequestKey>,
        validate_only: bool,
    ) -> Result<Result<Operation, NewOperation>> {
        if let Some(operation) = self.operations.earlier(context, request).await? {
            return Ok(Ok(operation));
        }
        if self.parts.store.operation_holding(EXCLUSIVE_KEY).await?.is_some() {
            return Err(rotating());
        }
        let version = self.parts.next_version().await?;
        let total = self.parts.store.sealed_without(version).await?;
        let new = NewOperation {
            connection: None,
            spec: OperationSpec::RotateMasterKey { version },
            exclusive_key: Some(EXCLUSIVE_KEY.to_owned()),
            progress: Progress { total, unit: ProgressUnit::Records, ..Progress::default() },
        };
        if validate_only {
            return Ok(Err(new));
        }
        match self.operations.start(context, request, new).await {
            Err(error) if error.reason() == Reason::DatabaseBusy => Err(rotating()),
            started => started.map(Ok),
        }
    }

    /// Checks keys against the open vault. MASTER_KEY_WRONG where they would not open its store.
    pub async fn check(&self, keys: Option<&MasterKeys>) -> Result<()> {
        let known = self.parts.store.master_keys().await?;
        let store_id = open::store_id(&self.parts.store).await?;
        match keys.map(|keys| Vault::open(keys, &known, &store_id)) {
            Some(Ok(_)) => Ok(()),
            _ => Err(wrong_key()),
        }
    }
}

impl Parts {
    /// The version that a rotation is to bring in: that of an unfinished one, else what the source has newly got, else the
    /// next number, where the server can put a key there.
    async fn next_version(&self) -> Result<u32> {
        let known = self.store.master_keys().await?;
        let current = current(&known)?.version;
        if known.iter().any(|known| known.state == MasterKeyState::Reading) {
            return Ok(current);
        }
        let held = self.held(&known).await?;
        match held.newest().filter(|newest| *newest > current) {
            Some(newest) => Ok(newest),
            None if self.source.can_write() => Ok(current + 1),
            None => Err(unfit(format!(
                "it holds no newer version than {current} and the server cannot put one there; add a line \
                 dbkeeper-master-key:1:{}:BASE64 to what it gives, keep the old one beside it, and call again \
                 (after a new start, if the source is a variable)",
                current + 1
            ))),
        }
    }

    /// What the source holds, where that is at least every version that is in use. The vault may have been opened by Unseal, and
    /// then a key that is made now would be lost with the process.
    async fn held(&self, known: &[MasterKeyVersion]) -> Result<MasterKeys> {
        let held = self.source.read().await.map_err(unreadable)?;
        let held = held.ok_or_else(|| unfit("it is empty; put the key that is in use there".to_owned()))?;
        let store_id = open::store_id(&self.store).await?;
        match Vault::open(&held, known, &store_id) {
            Ok(_) => Ok(held),
            Err(_) => Err(unfit("it does not hold the key that is in use; put that key there".to_owned())),
        }
    }
}

/// Puts keys into a source and reads them back; absent where it does not give back what was put there.
async fn put(source: &KeySource, keys: &MasterKeys) -> Result<Option<MasterKeys>, KeyTrouble> {
    source.write(keys).await?;
    let back = source.read().await?.unwrap_or_default();
    let same = |version| back.check_value(version, b"").is_some_and(|check| keys.matches(version, b"", &check));
    Ok(keys.versions().all(same).then_some(back))
}

fn current(known: &[MasterKeyVersion]) -> Result<&MasterKeyVersion> {
    let current = known.iter().find(|known| known.state == MasterKeyState::Current);
    current.ok_or_else(|| Error::internal("the store knows no current master key"))
}

fn rotating() -> Error {
    let description = "a rotation of the master key is queued or at work";
    Error::new(
        Reason::MasterKeyRotated,
        format!("{description}; wait for its end (GetVaultStatus tells), then call again if another new key is wanted"),
    )
    .with(Detail::Precondition {
        kind: "ROTATION_RUNNING",
        subject: "vault".to_owned(),
        description: description.to_owned(),
    })
}

fn unfit(what: String) -> Error {
    Error::new(Reason::KeySourceUnfit, format!("the source of the master key cannot be used for a rotation: {what}"))
}

fn unreadable(trouble: KeyTrouble) -> Error {
    unfit("it cannot be read or written; the server's log has the cause".to_owned()).caused_by(trouble)
}

/// The key that was given does not open this store.
fn wrong_key() -> Error {
    Error::new(
        Reason::MasterKeyWrong,
        "what was given is not the master key of this store; send the whole text of its master.key, every line",
    )
}
