//! Accounts and API keys as everything but the store's digests knows them.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

use super::{
    access::{Grant, Permission, Permissions, Role},
    error::{Error, Result},
    id::{AccountId, ApiKeyId},
    time::Timestamp,
};

/// Most address ranges of a key.
pub const MAX_RANGES: usize = 64;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What people call it.
    pub display_name: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Counts its changes.
    pub revision: u64,
}

/// A range of addresses, as `10.0.0.0/8` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange(IpNet);

impl AddressRange {
    /// Reads a range; `field` names it in the error. Bits behind the prefix must be zero, so that a typing error is not
    /// silently another range.
    pub fn parse(text: &str, field: &str) -> Result<Self> {
        // Only the standard library refuses leading zeros, which some readers take for octal.
        let address = text.split_once('/').map_or(text, |(address, _)| address);
        let single = IpAddr::from_str(address).ok();
        let range = single.and_then(|ip| if text.contains('/') { IpNet::from_str(text).ok() } else { Some(ip.into()) });
        match range {
            Some(range) if range.trunc() == range => Ok(Self(range)),
            Some(range) => Err(Error::invalid_field(
                field,
                format!("{text:?} has bits behind its prefix; write {}", range.trunc()),
            )),
            None => Err(Error::invalid_field(
                field,
                format!("{text:?} is not an address range; write it as 10.0.0.0/8, 2001:db8::/32 or one address"),
            )),
        }
    }

    /// The range holds the address. An IPv4 address in IPv6 clothes counts as the IPv4 address that it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// When and from where a key was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    /// When.
    pub time: Timestamp,
    /// From where.
    pub address: IpAddr,
}

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It can.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Public part of the key.
    pub id: ApiKeyId,
    /// Whose it is.
    pub account: AccountId,
    /// What people call it.
    pub display_name: String,
    /// What it was given.
    pub grant: Grant,
    /// What it was narrowed to; absent: not narrowed.
    pub scopes: Option<Permissions>,
    /// Where it may be used from; empty: everywhere.
    pub ranges: Vec<AddressRange>,
    /// Who made it.
    pub creator: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Counts its changes.
    pub revision: u64,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// Until when the secret before the last rotation is taken.
    pub previous_until: Option<Timestamp>,
    /// Its last use, to the minute.
    pub last_use: Option<KeyUse>,
}

impl ApiKey {
    /// What it may do: what it was given, within its scopes.
    pub fn permissions(&self) -> Permissions {
        let granted = self.grant.permissions(&self.account);
        self.scopes.map_or(granted, |scopes| granted.intersection(scopes))
    }

    /// Whether it can be used.
    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.revoked.is_some() {
            KeyState::Revoked
        } else if self.expires.is_some_and(|expires| expires <= now) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }

    /// It can be used now, and holds all that it takes to manage its account.
    pub fn administers(&self, now: Timestamp) -> bool {
        let needed = Grant { role: Role::Admin, restore: false }.permissions(&self.account);
        self.state(now) == KeyState::Active && self.permissions().covers(needed)
    }

    /// It may be used from an address.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.ranges.is_empty() || self.ranges.iter().any(|range| range.contains(address))
    }
}

/// Scopes are within what the grant allows and let the key look, which every use of it begins with.
pub fn check_scopes(scopes: Permissions, grant: Grant, account: &AccountId, field: &str) -> Result<()> {
    if !scopes.contains(Permission::Read) {
        return Err(Error::invalid_field(field, "must hold PERMISSION_READ, or be empty for all that the role allows"));
    }
    let beyond = scopes.iter().find(|scope| !grant.permissions(account).contains(*scope));
    match beyond {
        None => Ok(()),
        Some(scope) => Err(Error::invalid_field(
            field,
            format!(
                "{} is more than the role {} of the key allows in this account",
                scope.as_str(),
                grant.role.as_str()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddressRange {
        AddressRange::parse(text, "cidrs").unwrap()
    }

    #[test]
    fn a_range_holds_its_addresses_in_either_clothes() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8::1", "2001:db9::1"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
        ] {
            assert!(range(text).contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!range(text).contains(outside.parse().unwrap()), "{text} {outside}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused_with_the_range_that_was_meant() {
        for text in ["", "10", "10.0.0.0/33", "10.0.0.0/-1", "localhost", "10.0.0.0/8/8", " 10.0.0.0/8", "010.0.0.0/8"]
        {
            AddressRange::parse(text, "cidrs").unwrap_err();
        }
        let error = AddressRange::parse("10.1.2.3/8", "cidrs").unwrap_err();
        assert!(error.message().contains("10.0.0.0/8"), "{error}");
    }
}
