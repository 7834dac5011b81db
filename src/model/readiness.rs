//! Whether the server can be used, in one place: for the gate of the calls, for the health service of gRPC, and for who asks
//! over plain HTTP.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// How a server stands towards its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It takes up what an earlier run left behind.
    Starting,
    /// It waits for its master key, and answers next to nothing until it has it.
    Sealed,
    /// It answers.
    Serving,
    /// It was told to stop: calls that are under way are still answered, and there is no way back.
    Stopping,
}

/// How the server stands, shared by all who ask. At first it is starting.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    open: AtomicBool,
    waits_for_key: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    /// How the server stands.
    pub fn standing(&self) -> Standing {
        let set = |flag: &AtomicBool| flag.load(Ordering::Acquire);
        if set(&self.0.stopping) {
            Standing::Stopping
        } else if set(&self.0.open) {
            Standing::Serving
        } else if set(&self.0.waits_for_key) {
            Standing::Sealed
        } else {
            Standing::Starting
        }
    }

    /// True until the vault is open and everything behind the services is ready. A server that stops stays as it was, because calls
    /// that are under way are still answered.
    pub fn is_sealed(&self) -> bool {
        !self.0.open.load(Ordering::Acquire)
    }

    /// The vault is open and everything behind the services is ready.
    pub fn open(&self) {
        self.0.open.store(true, Ordering::Release);
    }

    /// The vault has no key, or lost it.
    pub fn seal(&self) {
        self.0.waits_for_key.store(true, Ordering::Release);
        self.0.open.store(false, Ordering::Release);
    }

    /// The server stops.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::{Readiness, Standing};

    #[test]
    fn a_server_that_stops_does_not_come_back() {
        let readiness = Readiness::default();
        assert_eq!((readiness.standing(), readiness.is_sealed()), (Standing::Starting, true));
        readiness.seal();
        assert_eq!((readiness.standing(), readiness.is_sealed()), (Standing::Sealed, true));
        readiness.stop();
        assert_eq!((readiness.standing(), readiness.is_sealed()), (Standing::Stopping, true));
        // The key may come while the server drains.
        readiness.open();
        assert_eq!((readiness.standing(), readiness.is_sealed()), (Standing::Stopping, false));
    }
}
