//! What a token says, checked, and what it comes to here.

use serde_json::{Map, Value};

use super::TokenRules;
use crate::model::{AccountId, Error, Grant, Reason, Result, Timestamp};

/// Longest subject that is taken: it stands in every log line of its calls.
const MAX_SUBJECT_LENGTH: usize = 200;
const MICROS: f64 = 1_000_000.0;

/// The claims of a token. A claim of the wrong type is a fault, never a claim that is absent.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) subject: String,
    pub(super) expires: Timestamp,
    issuer: String,
    audiences: Vec<String>,
    not_before: Option<Timestamp>,
    all: Map<String, Value>,
}

impl Claims {
    pub(super) fn read(payload: &[u8]) -> Result<Self, String> {
        let Ok(Value::Object(all)) = serde_json::from_slice(payload) else {
            return Err("its payload is not a JSON object".to_owned());
        };
        let subject = text(&all, "sub")?;
        let printable = !subject.is_empty() && !subject.chars().any(|c| c.is_control() || c.is_whitespace());
        if !printable || subject.len() > MAX_SUBJECT_LENGTH {
            return Err(format!("sub must be 1 to {MAX_SUBJECT_LENGTH} bytes without spaces and control characters"));
        }
        // Only the type counts: when it was issued decides nothing.
        moment(&all, "iat")?;
        Ok(Self {
            expires: moment(&all, "exp")?.ok_or("it has no exp")?,
            not_before: moment(&all, "nbf")?,
            issuer: text(&all, "iss")?,
            audiences: audiences(&all)?,
            subject,
            all,
        })
    }

    /// Issuer, audience and time are right.
    pub(super) fn check(&self, rules: &TokenRules, now: Timestamp) -> Result<(), String> {
        if self.issuer != rules.issuer {
            return Err("iss is not the issuer that this server trusts".to_owned());
        }
        if !self.audiences.contains(&rules.audience) {
            return Err("aud does not hold the audience of this server".to_owned());
        }
        if self.expires.after(rules.leeway) <= now {
            return Err(format!("it expired at {}", self.expires));
        }
        if self.not_before.is_some_and(|not_before| not_before > now.after(rules.leeway)) {
            return Err("nbf: its time has not come yet".to_owned());
        }
        Ok(())
    }

    /// The texts of a claim, which may lie in another as `realm_access.roles`.
    fn texts(&self, path: &str) -> Vec<&str> {
        // A claim may have a dot, or a whole URL, in its name.
        let value = self.all.get(path).or_else(|| {
            let (first, rest) = path.split_once('.')?;
            rest.split('.').try_fold(self.all.get(first)?, |value, name| value.get(name))
        });
        match value {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

fn text(all: &Map<String, Value>, name: &str) -> Result<String, String> {
    match all.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("{name} is not a text")),
        None => Err(format!("it has no {name}")),
    }
}

fn audiences(all: &Map<String, Value>) -> Result<Vec<String>, String> {
    let texts = |values: &[Value]| -> Option<Vec<String>> {
        values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
    };
    match all.get("aud") {
        Some(Value::String(audience)) => Ok(vec![audience.clone()]),
        Some(Value::Array(values)) => {
            texts(values).ok_or_else(|| "aud is a list that does not hold texts alone".to_owned())
        }
        Some(_) => Err("aud is neither a text nor a list".to_owned()),
        None => Err("it has no aud".to_owned()),
    }
}

/// Seconds since the epoch, whole or not.
fn moment(all: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, String> {
    let Some(value) = all.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    let seconds = seconds.ok_or_else(|| format!("{name} is not a number of seconds"))?;
    // A float beyond the range of the integer becomes its greatest value, which is late enough.
    Ok(Some(Timestamp::from_micros((seconds * MICROS) as i64)))
}

/// How claims become an account and a role.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Claim that names the account. Absent: all callers are of `account`.
    pub account_claim: Option<String>,
    /// The account where no claim names it.
    pub account: AccountId,
    /// Claim that names roles.
    pub role_claim: String,
    /// What each value of that claim comes to. Several add up: the highest role, and the right to restore if any has it.
    pub roles: Vec<(String, Grant)>,
}

impl Mapping {
    /// Account and role of a caller; IDENTITY_UNMAPPED where the claims name none.
    pub(super) fn apply(&self, claims: &Claims) -> Result<(AccountId, Grant)> {
        let account = match &self.account_claim {
            None => self.account.clone(),
            Some(claim) => match claims.texts(claim).as_slice() {
                [account] => AccountId::parse(account, claim).map_err(|_| unmapped("its account is no id"))?,
                _ => return Err(unmapped("it names no account, or several")),
            },
        };
        let held = claims.texts(&self.role_claim);
        let granted = self.roles.iter().filter(|(value, _)| held.contains(&value.as_str())).map(|(_, grant)| *grant);
        let grant = granted.reduce(|a, b| Grant { role: a.role.max(b.role), restore: a.restore || b.restore });
        grant.map(|grant| (account, grant)).ok_or_else(|| unmapped("none of its roles is one of this server"))
    }
}

fn unmapped(why: &str) -> Error {
    Error::new(
        Reason::IdentityUnmapped,
        format!(
            "the token is good, but {why}; ask whoever runs the identity provider, or see access.jwt of the server"
        ),
    )
}
