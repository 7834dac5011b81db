//! A vault that is sealed and waits for its key: from a person who calls Unseal, or from its source, which is looked at again.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};

use super::{
    VaultService,
    open::{Known, open_with},
    wrong_key,
};
use crate::{
    model::{Detail, Error, Reason, Result, address::counted, audit::AuditedCall, vault::SealReason},
    store::Store,
    vault::{KeySource, KeyTrouble, MasterKeys, Vault},
};

/// Pause after the first wrong key of an address; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Addresses that are remembered. Beyond it the one whose pause ends first is forgotten.
const MAX_ADDRESSES: usize = 1000;

/// A vault that was opened, on its way to whoever builds the services.
pub struct Unsealed {
    /// The vault.
    pub vault: Vault,
    /// The Unseal that brought the key; absent where the source has it again.
    pub call: Option<AuditedCall>,
    /// How many wrong keys were sent before, since that was told last. They are not in the audit log.
    pub wrong_keys: u64,
    /// Who waits for it.
    pub waiting: Waiting,
}

/// Who waits until the server serves: whoever brought the key, and all that bring one meanwhile. No other key is looked at
/// before it is answered, also where the first has gone away.
pub struct Waiting {
    turn: OwnedMutexGuard<Option<VaultService>>,
    served: oneshot::Sender<Result<VaultService>>,
}

impl Waiting {
    /// Tells the service of the open vault once the server serves, or why it cannot.
    pub fn answer(mut self, outcome: Result<VaultService>) {
        *self.turn = outcome.as_ref().ok().cloned();
        drop(self.turn);
        // The caller may be gone; the server serves all the same.
        let _ = self.served.send(outcome);
    }
}

/// The sealed vault of a server.
pub struct SealedVault {
    store: Store,
    source: KeySource,
    /// What was wrong with the source when it was last looked at.
    trouble: Mutex<KeyTrouble>,
    unsealed: mpsc::Sender<Unsealed>,
    /// One key is looked at at a time. It holds the service from when the vault is open.
    turn: Arc<tokio::sync::Mutex<Option<VaultService>>>,
    attempts: Mutex<Attempts>,
    wrong_keys: AtomicU64,
}

impl SealedVault {
    /// A vault that is sealed because of its source. What opens it comes out of the receiver.
    pub fn new(store: Store, source: KeySource, trouble: KeyTrouble) -> (Self, mpsc::Receiver<Unsealed>) {
        let (unsealed, opened) = mpsc::channel(1);
        let sealed = Self {
            store,
            source,
            trouble: Mutex::new(trouble),
            unsealed,
            turn: Arc::default(),
            attempts: Mutex::default(),
            wrong_keys: AtomicU64::new(0),
        };
        (sealed, opened)
    }

    /// Why it is sealed, by the last look at its source.
    pub fn reason(&self) -> SealReason {
        lock(&self.trouble).reason
    }

    /// What is answered to every other call.
    pub fn refusal(&self) -> Error {
        Error::new(Reason::VaultSealed, format!("the vault is sealed: {}", self.reason().describe()))
    }

    /// Opens the vault with keys, which are none where what was sent is no master key, and waits until the server serves.
    /// MASTER_KEY_WRONG where they are not those of the store; nothing is changed then, and the address has to wait before it
    /// may try again.
    pub async fn unseal(
        &self,
        keys: Option<MasterKeys>,
        peer: Option<IpAddr>,
        call: AuditedCall,
    ) -> Result<VaultService> {
        lock(&self.attempts).check(peer, Instant::now())?;
        let turn = self.turn.clone().lock_owned().await;
        // Others of the same address may have tried while this one waited for its turn.
        lock(&self.attempts).check(peer, Instant::now())?;
        if let Some(open) = &*turn {
            // Opened while this one waited for its turn: nothing is left to change, and so to record.
            return open.check(keys.as_ref()).await.map(|()| open.clone());
        }
        let vault = match keys {
            Some(keys) => Known::read(&self.store).await?.open(&self.store, &keys).await?.ok(),
            None => None,
        };
        let Some(vault) = vault else {
            let pause = lock(&self.attempts).failed(peer, Instant::now());
            self.wrong_keys.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                peer = peer.map(tracing::field::display),
                pause_s = pause.as_secs(),
                "unseal with a wrong key"
            );
            return Err(wrong_key());
        };
        self.serve(turn, vault, Some(call)).await
    }

    /// Looks at the source again, as a start does, and opens the vault where it has the key. True: the vault is open.
    pub async fn look_again(&self) -> Result<bool> {
        if self.turn.lock().await.is_some() {
            return Ok(true);
        }
        // Read before the turn is taken: nobody with a key waits for a source that does not answer.
        let held = self.source.read().await;
        let turn = self.turn.clone().lock_owned().await;
        if turn.is_some() {
            return Ok(true);
        }
        match open_with(&self.store, &self.source, held).await? {
            Ok(vault) => self.serve(turn, vault, None).await.map(|_| true),
            Err(trouble) => {
                self.note(trouble);
                Ok(false)
            }
        }
    }

    async fn serve(
        &self,
        turn: OwnedMutexGuard<Option<VaultService>>,
        vault: Vault,
        call: Option<AuditedCall>,
    ) -> Result<VaultService> {
        let (served, serving) = oneshot::channel();
        let gone = || Error::new(Reason::ShuttingDown, "the server stops; start it again, then repeat the call");
        let wrong_keys = self.wrong_keys.swap(0, Ordering::Relaxed);
        let unsealed = Unsealed { vault, call, wrong_keys, waiting: Waiting { turn, served } };
        self.unsealed.send(unsealed).await.map_err(|_| gone())?;
        serving.await.map_err(|_| gone())?
    }

    /// Keeps what is wrong, and logs it where it is something else than before.
    fn note(&self, trouble: KeyTrouble) {
        let mut last = lock(&self.trouble);
        if *last == trouble {
            tracing::debug!(cause = %trouble, "vault still sealed");
        } else {
            tracing::error!(cause = %trouble, "vault still sealed, for another cause");
        }
        *last = trouble;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wrong keys by address, which counts with all that its owner has.
#[derive(Default)]
struct Attempts(HashMap<Option<IpAddr>, Failed>);

struct Failed {
    pause: Duration,
    until: Instant,
}

impl Attempts {
    fn check(&self, peer: Option<IpAddr>, now: Instant) -> Result<()> {
        let left =
            self.0.get(&peer.map(counted)).map_or(Duration::ZERO, |failed| failed.until.saturating_duration_since(now));
        if left.is_zero() {
            return Ok(());
        }
        Err(Error::new(Reason::TooManyRequests, "wrong keys came from this address; wait, then try again")
            .with(Detail::RetryAfter(left))
            .with(Detail::Quota {
                subject: "unseal attempts".to_owned(),
                description: "each wrong key doubles the pause until the next attempt of the same address".to_owned(),
            }))
    }

    fn failed(&mut self, peer: Option<IpAddr>, now: Instant) -> Duration {
        let peer = peer.map(counted);
        if self.0.len() >= MAX_ADDRESSES && !self.0.contains_key(&peer) {
            let first = self.0.iter().min_by_key(|(_, failed)| failed.until).map(|(peer, _)| *peer);
            first.map(|first| self.0.remove(&first));
        }
        let pause = self.0.get(&peer).map_or(FIRST_PAUSE, |failed| (failed.pause * 2).min(LONGEST_PAUSE));
        self.0.insert(peer, Failed { pause, until: now + pause });
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_key_makes_its_address_wait_longer_and_no_other() {
        let (mine, other) = (Some(IpAddr::from([10, 0, 0, 1])), Some(IpAddr::from([10, 0, 0, 2])));
        let (mut attempts, mut now) = (Attempts::default(), Instant::now());
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            attempts.check(mine, now).unwrap();
            assert_eq!(attempts.failed(mine, now), Duration::from_secs(seconds));
            let error =
                attempts.check(mine, now + Duration::from_secs(seconds) - Duration::from_millis(1)).unwrap_err();
            assert_eq!(error.reason(), Reason::TooManyRequests);
            assert!(error.details().contains(&Detail::RetryAfter(Duration::from_millis(1))), "{error:?}");
            attempts.check(other, now).unwrap();
            now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn whoever_has_one_address_of_ipv6_waits_with_all_of_them() {
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        attempts.failed(address("2001:db8:1:2::1"), now);
        attempts.check(address("2001:db8:1:2:ffff::9"), now).unwrap_err();
        assert_eq!(attempts.failed(address("2001:db8:1:2:ffff::9"), now), FIRST_PAUSE * 2);
        attempts.check(address("2001:db8:1:3::1"), now).unwrap();
    }

    #[test]
    fn the_addresses_that_are_remembered_are_bounded() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..3000_u32 {
            attempts.failed(Some(IpAddr::from(number.to_be_bytes())), now);
        }
        assert_eq!(attempts.0.len(), MAX_ADDRESSES);
    }
}
