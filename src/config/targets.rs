//! Which hosts callers may have dialled.

use std::{
    fmt,
    net::IpAddr,
    ops::RangeInclusive,
    path::{Component, PathBuf},
    str::FromStr,
};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::problem::Problems;

/// What is allowed before the lists are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BasePolicy {
    /// Loopback, private networks and the Internet.
    Private,
    /// The Internet only.
    Public,
    /// Nothing but `allow`.
    Listed,
}

impl<'de> Deserialize<'de> for BasePolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "private" => Ok(Self::Private),
            "public" => Ok(Self::Public),
            "listed" => Ok(Self::Listed),
            _ => Err(D::Error::custom("must be private, public or listed")),
        }
    }
}

/// A port, or a range of ports such as `5432-5439`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(pub RangeInclusive<u16>);

impl FromStr for Ports {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "must be ports of 1 to 65535, or ranges such as 5432-5439";
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0).ok_or(ALLOWED);
        let (first, last) = (port(first)?, port(last)?);
        if first <= last { Ok(Self(first..=last)) } else { Err(ALLOWED) }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.start() == self.0.end() {
            write!(f, "{}", self.0.start())
        } else {
            write!(f, "{}-{}", self.0.start(), self.0.end())
        }
    }
}

impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A network such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(pub IpNet);

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (text, refusal) = (text.trim(), "must be networks such as 10.0.0.0/8 or fd00::/8, or addresses");
        let network: IpNet = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| refusal)?;
        // Bits behind the prefix are most likely an error of the one who wrote it.
        if network.trunc() == network { Ok(Self(network)) } else { Err(refusal) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A folder of Unix sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFolder(pub PathBuf);

impl FromStr for SocketFolder {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let folder = PathBuf::from(text.trim());
        let named = folder.components().any(|part| matches!(part, Component::Normal(_)));
        let climbs = folder.components().any(|part| part == Component::ParentDir);
        if folder.is_absolute() && named && !climbs {
            return Ok(Self(folder));
        }
        Err("must be absolute paths of folders without '..', such as /run/postgresql; / itself would open every socket")
    }
}

impl fmt::Display for SocketFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Serialize for SocketFolder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Hosts that are dialled for callers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Targets {
    /// What is allowed before the lists are looked at.
    pub policy: BasePolicy,
    /// Networks that are allowed whatever the policy says.
    #[serde(deserialize_with = "list")]
    pub allow: Vec<Network>,
    /// Networks that are refused whatever else says so.
    #[serde(deserialize_with = "list")]
    pub deny: Vec<Network>,
    /// Ports that may be dialled; empty: any.
    #[serde(deserialize_with = "list")]
    pub ports: Vec<Ports>,
    /// Folders whose Unix sockets may be dialled; empty: no socket may be.
    #[serde(deserialize_with = "list")]
    pub unix_sockets: Vec<SocketFolder>,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            policy: BasePolicy::Private,
            allow: Vec::new(),
            deny: Vec::new(),
            ports: Vec::new(),
            unix_sockets: Vec::new(),
        }
    }
}

impl Targets {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        if self.policy == BasePolicy::Listed && self.allow.is_empty() {
            problems.add("targets.policy", "is listed, so targets.allow must name what may be dialled");
        }
    }
}

/// A TOML array, or one text with `,` between the parts, for addresses have `:` within.
fn list<'de, D: Deserializer<'de>, T: FromStr<Err = &'static str>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Part {
        Number(u64),
        Text(String),
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Array(Vec<Part>),
        One(Part),
    }
    let text = |part| match part {
        Part::Number(number) => number.to_string(),
        Part::Text(text) => text,
    };
    let parts: Vec<String> = match Form::deserialize(deserializer) {
        Ok(Form::Array(parts)) => parts.into_iter().map(text).collect(),
        Ok(Form::One(part)) => text(part).split(',').map(str::to_owned).collect(),
        Err(_) => return Err(D::Error::custom("must be a list, or parts with , between them")),
    };
    parts.iter().filter(|part| !part.is_empty()).map(|part| part.trim().parse().map_err(D::Error::custom)).collect()
}
