//! Who gets the next place for a session: the rule alone, which waits for nothing and opens nothing.
//!
//! A place is the right to have one session open. The server has so many places, and an account may hold so many of them.
//! Where places are short, the next one goes to the waiting account that holds the fewest; among equals to the one
//! that waits for longest. So an account that floods the server ends with its share, and one that wants little waits for
//! the next place that comes free and not for the end of a queue.

use std::collections::{HashMap, VecDeque};

use crate::model::AccountId;

/// How many sessions may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCaps {
    /// Of all accounts together.
    pub server: u32,
    /// Of one account.
    pub account: u32,
}

/// A pool among all pools.
pub(super) type PoolNumber = u64;
/// One who waits. Later ones have greater tickets.
pub(super) type Ticket = u64;

/// Places that are held and those who wait for one.
pub(super) struct Ledger {
    caps: SessionCaps,
    held: u32,
    accounts: HashMap<AccountId, Entry>,
    next_ticket: Ticket,
}

#[derive(Default)]
struct Entry {
    held: u32,
    waiting: VecDeque<(Ticket, PoolNumber)>,
}

/// Answer to one who asks for a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The place is held from now on.
    Granted,
    /// It is in the queue.
    Queued(Ticket),
}

impl Ledger {
    pub(super) fn new(caps: SessionCaps) -> Self {
        Self { caps, held: 0, accounts: HashMap::new(), next_ticket: 0 }
    }

    pub(super) fn caps(&self) -> SessionCaps {
        self.caps
    }

    /// Places that an account holds.
    pub(super) fn held(&self, account: &AccountId) -> u32 {
        self.accounts.get(account).map_or(0, |entry| entry.held)
    }

    /// Asks for a place, and stands in the queue where there is none.
    pub(super) fn ask(&mut self, account: &AccountId, pool: PoolNumber) -> Asked {
        if self.try_ask(account) {
            return Asked::Granted;
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.accounts.entry(account.clone()).or_default().waiting.push_back((ticket, pool));
        Asked::Queued(ticket)
    }

    /// Takes a place where one is free and nobody of the account waits for it.
    pub(super) fn try_ask(&mut self, account: &AccountId) -> bool {
        let caps = self.caps;
        let free = self.held < caps.server;
        let entry = self.accounts.entry(account.clone()).or_default();
        let granted = free && entry.held < caps.account && entry.waiting.is_empty();
        if granted {
            entry.held += 1;
            self.held += 1;
        }
        self.forget(account);
        granted
    }

    /// Gives a place back, and returns who gets one now: it is held by them from here on.
    pub(super) fn give_back(&mut self, account: &AccountId) -> Vec<(AccountId, Ticket)> {
        if let Some(entry) = self.accounts.get_mut(account) {
            entry.held = entry.held.saturating_sub(1);
            self.held = self.held.saturating_sub(1);
        }
        let mut granted = Vec::new();
        while let Some(next) = self.next() {
            granted.push(next);
        }
        self.forget(account);
        granted
    }

    /// Takes one who gave up out of the queue.
    pub(super) fn withdraw(&mut self, account: &AccountId, ticket: Ticket) {
        if let Some(entry) = self.accounts.get_mut(account) {
            entry.waiting.retain(|(waiting, _)| *waiting != ticket);
        }
        self.forget(account);
    }

    /// True where a session that comes back to its pool should be closed, because its place is another's turn: of an
    /// account that holds less, or of another pool of the same account that waits for longer.
    pub(super) fn must_yield(&self, account: &AccountId, pool: PoolNumber) -> bool {
        let held = self.held(account);
        self.accounts.iter().any(|(waiting, entry)| match entry.waiting.front() {
            None => false,
            Some((_, first)) if waiting == account => *first != pool,
            Some(_) => entry.held < self.caps.account && self.gains(entry.held, held),
        })
    }

    /// Whose idle sessions may be closed for one who waits, those who hold most first.
    pub(super) fn donors(&self, account: &AccountId) -> Vec<AccountId> {
        let held = self.held(account);
        if held >= self.caps.account {
            return vec![account.clone()];
        }
        let mut donors: Vec<(u32, &AccountId)> = self
            .accounts
            .iter()
            .filter(|(donor, entry)| *donor == account || self.gains(held, entry.held))
            .map(|(donor, entry)| (entry.held, donor))
            .collect();
        donors.sort_by_key(|(held, donor)| (std::cmp::Reverse(*held), *donor != account));
        donors.into_iter().map(|(_, donor)| donor.clone()).collect()
    }

    /// Whether a place that goes over from one who holds `more` to one who holds `less` makes the shares more even. One
    /// who holds none gets its turn even where the other is left with none.
    fn gains(&self, less: u32, more: u32) -> bool {
        less + 1 < more || (less == 0 && more > 0)
    }

    fn next(&mut self) -> Option<(AccountId, Ticket)> {
        if self.held >= self.caps.server {
            return None;
        }
        let waiting = self.accounts.iter().filter(|(_, entry)| entry.held < self.caps.account);
        let first = waiting.filter_map(|(account, entry)| Some((entry.held, entry.waiting.front()?.0, account)));
        let account = first.min().map(|(_, _, account)| account.clone())?;
        let entry = self.accounts.get_mut(&account)?;
        let (ticket, _) = entry.waiting.pop_front()?;
        entry.held += 1;
        self.held += 1;
        Some((account, ticket))
    }

    fn forget(&mut self, account: &AccountId) {
        if self.accounts.get(account).is_some_and(|entry| entry.held == 0 && entry.waiting.is_empty()) {
            self.accounts.remove(account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> AccountId {
        AccountId::from_stored(name.to_owned())
    }

    fn ledger(server: u32, of_account: u32) -> Ledger {
        Ledger::new(SessionCaps { server, account: of_account })
    }

    fn queued(asked: Asked) -> Ticket {
        match asked {
            Asked::Queued(ticket) => ticket,
            Asked::Granted => panic!("there was a place"),
        }
    }

    #[test]
    fn an_account_is_held_to_its_cap_and_the_server_to_its_own() {
        let mut ledger = ledger(3, 2);
        let (flood, other) = (account("flood"), account("other"));
        assert_eq!([ledger.ask(&flood, 1), ledger.ask(&flood, 1)], [Asked::Granted, Asked::Granted]);
        let waits = queued(ledger.ask(&flood, 1));
        assert_eq!(ledger.ask(&other, 2), Asked::Granted);
        queued(ledger.ask(&other, 2));
        // The other account's place comes back: the flood is at its own cap, so it gets nothing of it.
        assert_eq!(ledger.give_back(&other), [(other.clone(), 1)]);
        assert_eq!(ledger.give_back(&flood), [(flood.clone(), waits)]);
        assert_eq!((ledger.held(&flood), ledger.held(&other)), (2, 1));
    }

    #[test]
    fn the_next_place_goes_to_who_holds_least_and_not_to_the_end_of_the_queue() {
        let mut ledger = ledger(4, 4);
        let (flood, late) = (account("flood"), account("late"));
        for _ in 0..4 {
            assert_eq!(ledger.ask(&flood, 1), Asked::Granted);
        }
        for _ in 0..1000 {
            queued(ledger.ask(&flood, 1));
        }
        let tickets: Vec<Ticket> = (0..3).map(|_| queued(ledger.ask(&late, 2))).collect();
        // The first two places that come back are the late account's; then the shares are even, and the longest wait counts.
        let granted: Vec<_> = (0..4).flat_map(|_| ledger.give_back(&flood)).collect();
        let expected = [(late.clone(), tickets[0]), (late.clone(), tickets[1]), (flood.clone(), 0), (flood.clone(), 1)];
        assert_eq!(granted, expected);
        assert_eq!((ledger.held(&flood), ledger.held(&late)), (2, 2));
    }

    #[test]
    fn waiting_accounts_take_turns() {
        let mut ledger = ledger(1, 1);
        let names = ["a", "b", "c"].map(account);
        assert_eq!(ledger.ask(&names[0], 0), Asked::Granted);
        for _ in 0..2 {
            for (number, name) in names.iter().enumerate() {
                queued(ledger.ask(name, number as u64));
            }
        }
        let mut holder = names[0].clone();
        let mut order = Vec::new();
        for _ in 0..6 {
            let [(next, _)] = &ledger.give_back(&holder)[..] else { panic!("one place, one holder") };
            holder = next.clone();
            order.push(holder.to_string());
        }
        assert_eq!(order, ["a", "b", "c", "a", "b", "c"]);
    }

    #[test]
    fn a_session_that_comes_back_is_kept_unless_its_place_is_anothers_turn() {
        let mut ledger = ledger(5, 5);
        let (flood, small) = (account("flood"), account("small"));
        for _ in 0..3 {
            ledger.ask(&flood, 1);
        }
        ledger.ask(&small, 2);
        ledger.ask(&small, 2);
        assert!(!ledger.must_yield(&flood, 1), "nobody waits");
        let ticket = queued(ledger.ask(&small, 2));
        assert!(!ledger.must_yield(&flood, 1), "3 and 2 are as even as 5 places can be");
        ledger.withdraw(&small, ticket);
        ledger.give_back(&small);
        ledger.ask(&flood, 1);
        let ticket = queued(ledger.ask(&small, 2));
        assert!(ledger.must_yield(&flood, 1), "4 and 1");
        assert!(!ledger.must_yield(&small, 2), "its own queue is of the same pool, which hands the session on");
        assert!(ledger.must_yield(&small, 3), "another pool of the account waits");
        ledger.withdraw(&small, ticket);
        assert!(!ledger.must_yield(&flood, 1));
    }

    #[test]
    fn idle_sessions_are_taken_from_who_holds_more_and_never_from_who_holds_less() {
        let mut ledger = ledger(5, 4);
        let (flood, small) = (account("flood"), account("small"));
        for _ in 0..4 {
            ledger.ask(&flood, 1);
        }
        ledger.ask(&small, 2);
        assert_eq!(ledger.donors(&flood), std::slice::from_ref(&flood), "at its own cap only its own sessions help");
        assert_eq!(ledger.donors(&small), [flood.clone(), small.clone()]);
        ledger.give_back(&flood);
        ledger.ask(&small, 2);
        assert_eq!(ledger.donors(&flood), std::slice::from_ref(&flood), "3 and 2");
        assert_eq!(ledger.donors(&account("new")), [flood, small], "who holds none gets one of anybody");
    }

    #[test]
    fn who_gave_up_gets_nothing_and_an_account_without_anything_is_forgotten() {
        let mut ledger = ledger(1, 1);
        let (first, second) = (account("first"), account("second"));
        ledger.ask(&first, 1);
        let ticket = queued(ledger.ask(&second, 2));
        ledger.withdraw(&second, ticket);
        assert_eq!(ledger.give_back(&first), []);
        assert!(ledger.accounts.is_empty());
        assert!(ledger.try_ask(&second) && !ledger.try_ask(&second));
    }
}
