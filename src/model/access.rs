//! Roles and permissions: who may do what.

use std::fmt;

use super::{context::Validity, id::AccountId, time::Timestamp};

/// The account that the first start makes. Its administrators are those of the server.
pub const DEFAULT_ACCOUNT: &str = "default";

/// What a caller must hold to call a method; mirrors the method option of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Look at resources and databases.
    Read,
    /// Run work on a database.
    Operate,
    /// Change what is registered.
    Admin,
    /// Write a backup into a database, or take one out in clear.
    Restore,
    /// Change the server itself.
    System,
}

impl Permission {
    /// Every permission, in the order of the contract.
    pub const ALL: [Self; 5] = [Self::Read, Self::Operate, Self::Admin, Self::Restore, Self::System];

    /// The name in texts and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Operate => "OPERATE",
            Self::Admin => "ADMIN",
            Self::Restore => "RESTORE",
            Self::System => "SYSTEM",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u8);

impl Permissions {
    /// Holds the permission.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Holds every permission of another set.
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// What both hold.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The set with one more.
    #[must_use]
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | permission.bit())
    }

    /// The set as the store keeps it.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// A set that the store kept; bits of no permission are left out.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::EVERY)
    }

    const EVERY: u8 = (1 << Permission::ALL.len()) - 1;

    /// The permissions in the order of the contract.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::default(), Self::with)
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Permission::as_str)).finish()
    }
}

/// What a caller may do in its account, each role all that the one before may. The permission to restore goes beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Runs work on databases.
    Operator,
    /// Changes what is registered.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The name in the configuration, in claims and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Reads the text that `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A role with or without the permission to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// May write a backup into a database, and take one out in clear.
    pub restore: bool,
}

impl Grant {
    /// What an administrator of the first start has: everything.
    pub const ALL: Self = Self { role: Role::Admin, restore: true };

    /// What the grant comes to in an account: the one table of who may what.
    pub fn permissions(self, account: &AccountId) -> Permissions {
        use Permission::{Admin, Operate, Read, Restore, System};
        let by_role = match self.role {
            Role::Viewer => Permissions::from_iter([Read]),
            Role::Operator => Permissions::from_iter([Read, Operate]),
            Role::Admin if account.as_str() == DEFAULT_ACCOUNT => {
                Permissions::from_iter([Read, Operate, Admin, System])
            }
            Role::Admin => Permissions::from_iter([Read, Operate, Admin]),
        };
        if self.restore { by_role.with(Restore) } else { by_role }
    }
}

/// How a caller proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthenticationMethod {
    /// By an API key.
    ApiKey,
    /// By a JSON web token.
    Jwt,
    /// By a TLS client certificate.
    ClientCertificate,
    /// Not at all: the vault is sealed, and nobody can be told from another without it.
    Nothing,
}

/// A TLS client certificate that one of our authorities signed, as far as it says who shows it.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// Its names with their kinds: `dns:NAME`, `uri:NAME`, `email:NAME` of the subject's alternative names, then `cn:NAME` of
    /// the subject.
    pub names: Vec<String>,
    /// When it ends.
    pub expires: Timestamp,
    /// How long our authorities vouch for it: one can be taken out while the connection is open.
    pub validity: Validity,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(account: &str, role: Role, restore: bool) -> Vec<Permission> {
        let account = AccountId::parse(account, "account").unwrap();
        Grant { role, restore }.permissions(&account).iter().collect()
    }

    #[test]
    fn each_role_has_its_permissions_and_no_other() {
        use Permission::{Admin, Operate, Read, Restore, System};
        assert_eq!(permissions("a", Role::Viewer, false), [Read]);
        assert_eq!(permissions("a", Role::Operator, false), [Read, Operate]);
        assert_eq!(permissions("a", Role::Admin, false), [Read, Operate, Admin]);
        assert_eq!(permissions("a", Role::Viewer, true), [Read, Restore]);
        assert_eq!(permissions(DEFAULT_ACCOUNT, Role::Operator, true), [Read, Operate, Restore]);
        assert_eq!(permissions(DEFAULT_ACCOUNT, Role::Admin, true), [Read, Operate, Admin, Restore, System]);
    }

    #[test]
    fn a_set_covers_what_it_holds() {
        let some = Permissions::from_iter([Permission::Read, Permission::Restore]);
        assert!(some.covers(Permissions::from_iter([Permission::Restore])) && some.covers(Permissions::default()));
        assert!(!some.covers(some.with(Permission::Admin)));
        assert_eq!(some.intersection(Permissions::from_iter([Permission::Read, Permission::Admin])).iter().count(), 1);
    }
}
