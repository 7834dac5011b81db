//! Skeleton; replaced by the engine's owner.
use std::sync::Arc;

use async_trait::async_trait;

use super::{Database, Engine, EngineOptions, Probe, Target};
use crate::model::{
    AccountId, Error, Result,
    connection::{ConnectionSettings, EngineKind},
};

/// Skeleton.
pub struct SqliteEngine {
    _options: EngineOptions,
}

impl SqliteEngine {
    /// Builds it.
    pub fn new(options: EngineOptions) -> Self {
        Self { _options: options }
    }
}

#[async_trait]
impl Engine for SqliteEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Sqlite
    }
    fn default_port(&self) -> Option<u16> {
        None
    }
    fn check_settings(&self, _account: &AccountId, _settings: &ConnectionSettings) -> Result<()> {
        Ok(())
    }
    async fn probe(&self, _target: &Target) -> Result<Probe> {
        Err(Error::unsupported("skeleton", "probe"))
    }
    async fn open(&self, _target: Target) -> Result<Arc<dyn Database>> {
        Err(Error::unsupported("skeleton", "open"))
    }
}
