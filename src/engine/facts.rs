//! The ability of a live database to tell of itself: how we talk to it, what it can search, whom it copies from.

use async_trait::async_trait;

use crate::model::{
    Result,
    facts::{Certificate, FullTextIndex, Replication, Transport},
};

/// Most full-text indexes that are named.
pub const MAX_FULL_TEXT_INDEXES: u32 = 100;

/// Tells of a live database.
#[async_trait]
pub trait Describe: Send + Sync {
    /// How a session of the pool is protected.
    async fn transport(&self) -> Result<Transport>;

    /// The certificate that the server shows in a handshake that is made for this; absent where it has no TLS. Nothing secret
    /// is sent, so the certificate is told whatever it is worth: the sessions are what checks it.
    async fn certificate(&self) -> Result<Option<Certificate>>;

    /// The first indexes for searching texts by schema, table and name.
    async fn full_text_indexes(&self) -> Result<Vec<FullTextIndex>>;

    /// What it is among those that copy from each other. ENGINE_UNSUPPORTED where the engine knows no such thing.
    async fn replication(&self) -> Result<Replication>;
}
