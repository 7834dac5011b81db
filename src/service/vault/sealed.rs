//! A vault that is sealed and waits for its key.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use super::{VaultStatus, open::Known, wrong_key};
use crate::{
    model::{Detail, Error, Reason, Result, vault::SealReason},
    store::Store,
    vault::{MasterKeys, Vault},
};

/// Pause after the first wrong key of an address; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Addresses that are remembered. Beyond it the one whose pause ends first is forgotten.
const MAX_ADDRESSES: usize = 1000;

/// A vault that was opened by hand, on its way to whoever builds the services.
pub struct Unsealed {
    /// The vault.
    pub vault: Vault,
    /// Told how the open vault stands once the server serves, or why it cannot.
    pub served: oneshot::Sender<Result<VaultStatus>>,
}

/// The sealed vault of a server.
pub struct SealedVault {
    store: Store,
    reason: SealReason,
    unsealed: mpsc::Sender<Unsealed>,
    /// One key is looked at at a time.
    turn: tokio::sync::Mutex<()>,
    attempts: Mutex<Attempts>,
}

impl SealedVault {
    /// A vault that is sealed for a reason. What opens it comes out of the receiver.
    pub fn new(store: Store, reason: SealReason) -> (Self, mpsc::Receiver<Unsealed>) {
        let (unsealed, opened) = mpsc::channel(1);
        let (turn, attempts) = (tokio::sync::Mutex::default(), Mutex::default());
        (Self { store, reason, unsealed, turn, attempts }, opened)
    }

    /// Why it is sealed.
    pub fn reason(&self) -> SealReason {
        self.reason
    }

    /// What is answered to every other call.
    pub fn refusal(&self) -> Error {
        refusal(self.reason)
    }

    /// Opens the vault with keys, which are none where what was sent is no master key, and waits until the server serves.
    /// MASTER_KEY_WRONG where they are not those of the store; nothing is changed then, and the address has to wait before it
    /// may try again.
    pub async fn unseal(&self, keys: Option<MasterKeys>, peer: Option<IpAddr>) -> Result<VaultStatus> {
        self.attempts().check(peer, Instant::now())?;
        let _turn = self.turn.lock().await;
        // Others of the same address may have tried while this one waited for its turn.
        self.attempts().check(peer, Instant::now())?;
        let vault = match keys {
            Some(keys) => Known::read(&self.store).await?.open(&self.store, &keys).await?.ok(),
            None => None,
        };
        let Some(vault) = vault else {
            let pause = self.attempts().failed(peer, Instant::now());
            tracing::warn!(
                peer = peer.map(tracing::field::display),
                pause_s = pause.as_secs(),
                "unseal with a wrong key"
            );
            return Err(wrong_key());
        };
        let (served, serving) = oneshot::channel();
        let gone = || Error::new(Reason::ShuttingDown, "the server stops; start it again, then repeat the call");
        self.unsealed.send(Unsealed { vault, served }).await.map_err(|_| gone())?;
        serving.await.map_err(|_| gone())?
    }

    fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// VAULT_SEALED with why and what to do.
pub fn refusal(reason: SealReason) -> Error {
    Error::new(Reason::VaultSealed, format!("the vault is sealed: {}", reason.describe()))
}

/// Wrong keys by address.
#[derive(Default)]
struct Attempts(HashMap<Option<IpAddr>, Failed>);

struct Failed {
    pause: Duration,
    until: Instant,
}

impl Attempts {
    fn check(&self, peer: Option<IpAddr>, now: Instant) -> Result<()> {
        let left = self.0.get(&peer).map_or(Duration::ZERO, |failed| failed.until.saturating_duration_since(now));
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
    fn the_addresses_that_are_remembered_are_bounded() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..3000_u32 {
            attempts.failed(Some(IpAddr::from(number.to_be_bytes())), now);
        }
        assert_eq!(attempts.0.len(), MAX_ADDRESSES);
    }
}
