//! Who may call, besides the API keys: proxies that are believed, limits, tokens, certificates.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    problem::Problems,
    value::{duration, texts},
};
use crate::model::{AccountId, Grant, Role, api_key::AddressRange};

/// Who may call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Access {
    /// Address ranges of proxies whose `x-forwarded-for` is believed.
    #[serde(deserialize_with = "texts")]
    pub trusted_proxies: Vec<String>,
    /// Calls a second of one address, counted before it is known who calls. 0: any number.
    pub rate_per_address: u32,
    /// Calls a second of one caller. 0: any number.
    pub rate_per_caller: u32,
    /// Failed authentications a minute of one address. 0: any number.
    pub failures_per_address: u32,
    /// What a name in a client certificate comes to: `dns:NAME=ACCOUNT:ROLE`.
    #[serde(deserialize_with = "texts")]
    pub certificates: Vec<String>,
    /// Tokens of an identity provider.
    pub jwt: Jwt,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            rate_per_address: 2000,
            rate_per_caller: 1000,
            failures_per_address: 20,
            certificates: Vec::new(),
            jwt: Jwt::default(),
        }
    }
}

/// Tokens of an identity provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Jwt {
    /// The `iss` of its tokens. Not set: no tokens are taken.
    pub issuer: Option<String>,
    /// The `aud` that its tokens must have for this server.
    pub audience: Option<String>,
    /// File with its keys.
    pub jwks_file: Option<PathBuf>,
    /// Address of its keys.
    pub jwks_url: Option<String>,
    /// CA of that address in PEM.
    pub jwks_ca_file: Option<PathBuf>,
    /// How far its clock may be from ours.
    #[serde(with = "duration")]
    pub leeway: Duration,
    /// Account of its callers where no claim names it.
    pub account: String,
    /// Claim that names the account.
    pub account_claim: Option<String>,
    /// Claim that names roles.
    pub role_claim: String,
    /// What a value of that claim comes to: `VALUE=ROLE`, or `VALUE=ROLE+restore`.
    #[serde(deserialize_with = "texts")]
    pub roles: Vec<String>,
}

impl Default for Jwt {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: None,
            jwks_file: None,
            jwks_url: None,
            jwks_ca_file: None,
            leeway: Duration::from_secs(30),
            account: "default".to_owned(),
            account_claim: None,
            role_claim: "role".to_owned(),
            roles: ["viewer=viewer", "operator=operator", "admin=admin"].map(str::to_owned).to_vec(),
        }
    }
}

/// What a name of a client certificate comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRule {
    /// The name with its kind, as `dns:NAME`.
    pub name: String,
    /// Whose the caller is.
    pub account: AccountId,
    /// What it may do.
    pub grant: Grant,
}

impl Access {
    /// The proxies that are believed.
    pub fn proxies(&self) -> Vec<AddressRange> {
        self.trusted_proxies.iter().filter_map(|text| AddressRange::parse(text, "").ok()).collect()
    }

    /// What the names of client certificates come to.
    pub fn certificate_rules(&self) -> Vec<CertificateRule> {
        self.certificates.iter().filter_map(|text| certificate_rule(text)).collect()
    }

    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        for text in &self.trusted_proxies {
            if AddressRange::parse(text, "").is_err() {
                problems.add("access.trusted_proxies", format!("{text:?} is no address range such as 10.0.0.0/8"));
            }
        }
        for text in &self.certificates {
            if certificate_rule(text).is_none() {
                problems.add(
                    "access.certificates",
                    format!(
                        "{text:?} must be KIND:NAME=ACCOUNT:ROLE with KIND dns, uri, email or cn, and ROLE viewer, operator \
                         or admin, or one of them with +restore"
                    ),
                );
            }
        }
        problems.count("access.rate_per_address", self.rate_per_address, 0..=1_000_000);
        problems.count("access.rate_per_caller", self.rate_per_caller, 0..=1_000_000);
        problems.count("access.failures_per_address", self.failures_per_address, 0..=100_000);
        self.jwt.check(problems);
    }
}

impl Jwt {
    /// The values of the role claim with what they come to.
    pub fn role_rules(&self) -> Vec<(String, Grant)> {
        self.roles.iter().filter_map(|text| role_rule(text)).collect()
    }

    fn check(&self, problems: &mut Problems<'_>) {
        problems.time("access.jwt.leeway", self.leeway, Duration::ZERO..=Duration::from_secs(60));
        for text in &self.roles {
            if role_rule(text).is_none() {
                problems.add(
                    "access.jwt.roles",
                    format!(
                        "{text:?} must be VALUE=ROLE with ROLE viewer, operator or admin, or one of them with +restore"
                    ),
                );
            }
        }
        if AccountId::parse(&self.account, "").is_err() {
            problems.add("access.jwt.account", "must be the id of an account");
        }
        let sources = usize::from(self.jwks_file.is_some()) + usize::from(self.jwks_url.is_some());
        if self.issuer.is_none() {
            if sources > 0 || self.audience.is_some() {
                problems.add("access.jwt.issuer", "must be set where tokens are to be taken");
            }
            return;
        }
        if self.audience.as_ref().is_none_or(String::is_empty) {
            problems.add("access.jwt.audience", "must be set where access.jwt.issuer is");
        }
        if sources != 1 {
            problems.add("access.jwt.jwks_file", "set either it or access.jwt.jwks_url where access.jwt.issuer is set");
        }
        if self.jwks_url.as_ref().is_some_and(|url| !is_safe_url(url)) {
            problems.add(
                "access.jwt.jwks_url",
                "must be an address https://HOST/PATH, or http:// of this machine, without a user in it",
            );
        }
    }
}

/// Keys that come in clear over a network are anybody's.
fn is_safe_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    let named = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    named
        && match uri.scheme_str() {
            Some("https") => true,
            Some("http") => here,
            _ => false,
        }
}

/// `ROLE` or `ROLE+restore`.
fn grant(text: &str) -> Option<Grant> {
    let (role, restore) = text.strip_suffix("+restore").map_or((text, false), |role| (role, true));
    Some(Grant { role: Role::parse(role)?, restore })
}

fn role_rule(text: &str) -> Option<(String, Grant)> {
    let (value, role) = text.rsplit_once('=')?;
    (!value.is_empty()).then_some(())?;
    Some((value.to_owned(), grant(role)?))
}

fn certificate_rule(text: &str) -> Option<CertificateRule> {
    let (name, identity) = text.rsplit_once('=')?;
    let (kind, value) = name.split_once(':')?;
    let (account, role) = identity.split_once(':')?;
    let known = ["dns", "uri", "email", "cn"].contains(&kind) && !value.is_empty();
    let account = AccountId::parse(account, "").ok().filter(|_| known)?;
    // Names of hosts are the same in capitals, and those that certificates show are compared in small letters.
    let name = if kind == "dns" { name.to_ascii_lowercase() } else { name.to_owned() };
    Some(CertificateRule { name, account, grant: grant(role)? })
}
