//! What a live database tells of itself, beside its schema and its metrics.

use std::time::Duration;

use super::time::Timestamp;

/// How a session of ours with a database is protected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transport {
    /// The traffic is encrypted.
    pub encrypted: bool,
    /// Version of the protocol as the server words it, such as `TLSv1.3`; empty in clear.
    pub version: String,
    /// Cipher as the server words it; empty in clear.
    pub cipher: String,
}

/// A certificate that a server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is, as a distinguished name.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Host names and addresses that it is for.
    pub names: Vec<String>,
    /// From when on it is good.
    pub not_before: Timestamp,
    /// Until when it is good.
    pub not_after: Timestamp,
    /// SHA-256 of its DER form, in hex.
    pub fingerprint: String,
}

/// An index for searching texts by their words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FullTextIndex {
    /// Schema of the table; for engines without schemas the database.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The index.
    pub index: String,
}

/// What a server is among those that copy from each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// What its replicas give as their `source`.
    pub id: String,
    /// The `id` of the server that it copies from; empty where it copies from none, or does not say.
    pub source: String,
    /// It applies what another server writes.
    pub replica: bool,
    /// How far it is behind. Absent: it does not know, for one because it is cut off from its primary.
    pub lag: Option<Duration>,
    /// What is wrong with it; empty: nothing.
    pub fault: String,
}
