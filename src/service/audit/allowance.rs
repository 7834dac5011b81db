//! How many refusals are recorded one by one. Anybody can be refused as often as they like, and must not be able to
//! fill the disk with it: an account has so many events in a span of time, one address only a part of them, and the
//! rest is counted.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::model::AccountId;

/// Time of one allowance.
const SPAN: Duration = Duration::from_secs(600);
/// Refusals of an account that are recorded one by one in that time.
pub(super) const PER_ACCOUNT: u32 = 20;
/// And of these from one address, so that the noise of one does not hide another.
pub(super) const PER_ADDRESS: u32 = 5;

/// What is to be done with a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is recorded.
    Record,
    /// It is counted.
    LeftOut,
}

/// The allowances of all accounts.
#[derive(Default)]
pub(super) struct Allowance(HashMap<AccountId, Used>);

struct Used {
    since: Instant,
    recorded: u32,
    /// At most [`PER_ACCOUNT`] addresses, for only a recorded one is noted.
    by_address: HashMap<String, u32>,
    left_out: u64,
}

impl Used {
    fn new() -> Self {
        Self { since: Instant::now(), recorded: 0, by_address: HashMap::new(), left_out: 0 }
    }
}

impl Allowance {
    /// Counts a refusal.
    pub(super) fn take(&mut self, account: &AccountId, address: &str) -> Verdict {
        let used = self.0.entry(account.clone()).or_insert_with(Used::new);
        if used.since.elapsed() >= SPAN {
            *used = Used { left_out: used.left_out, ..Used::new() };
        }
        let from_address = used.by_address.get(address).copied().unwrap_or(0);
        if used.recorded >= PER_ACCOUNT || from_address >= PER_ADDRESS {
            used.left_out += 1;
            return Verdict::LeftOut;
        }
        used.recorded += 1;
        used.by_address.insert(address.to_owned(), from_address + 1);
        Verdict::Record
    }

    /// What was left out and is to be told now: of accounts whose time is over, or of all. Forgets it, and accounts
    /// of which nobody was refused for that time.
    pub(super) fn left_out(&mut self, all: bool) -> Vec<(AccountId, u64)> {
        let due = |used: &Used| all || used.since.elapsed() >= SPAN;
        let counts = self.0.iter_mut().filter(|(_, used)| due(used) && used.left_out > 0);
        let counts = counts.map(|(account, used)| (account.clone(), std::mem::take(&mut used.left_out))).collect();
        self.0.retain(|_, used| used.since.elapsed() < SPAN);
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_use_up_what_another_needs_and_the_rest_is_counted() {
        let account = AccountId::parse("shop", "account").unwrap();
        let mut allowance = Allowance::default();
        let mut take = |address: &str, times: u32| {
            (0..times).filter(|_| allowance.take(&account, address) == Verdict::Record).count()
        };
        assert_eq!(take("192.0.2.1", 1000), PER_ADDRESS as usize);
        assert_eq!(take("192.0.2.2", 1), 1);
        let from_many: usize = (0..1000).map(|number| take(&format!("198.51.100.{number}"), 1)).sum();
        assert_eq!(from_many, (PER_ACCOUNT - PER_ADDRESS - 1) as usize);
        assert!(allowance.left_out(false).is_empty(), "it is told when its time is over");
        let recorded = u64::from(PER_ACCOUNT);
        assert_eq!(allowance.left_out(true), [(account, 1000 + 1 + 1000 - recorded)]);
        assert!(allowance.left_out(true).is_empty(), "it is told once");
    }
}
