//! Privileges.

/// A privilege that was granted on an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectGrant {
    /// Who holds it; `PUBLIC` for everybody.
    pub grantee: String,
    /// Who granted it; empty where the engine does not keep that.
    pub grantor: String,
    /// Privilege as the engine names it, upper case.
    pub privilege: String,
    /// The holder may grant it on.
    pub grantable: bool,
    /// The one column that it is for; empty: the whole object.
    pub column: String,
}
