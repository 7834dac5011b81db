//! Skeleton; replaced by the engine's owner.
use std::sync::Arc;

use async_trait::async_trait;

use super::{Database, Engine, EngineOptions, Probe, Target};
use crate::model::{
    AccountId, Error, Result,
    connection::{ConnectionSettings, EngineKind},
};

/// Skeleton.
pub struct PostgresEngine {
    _options: EngineOptions,
}

impl PostgresEngine {
    /// Builds it.
    pub fn new(options: EngineOptions) -> Self {
        Self { _options: options }
    }
}

#[async_trait]
impl Engine for PostgresEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Postgresql
    }
    fn default_port(&self) -> Option<u16> {
        (5432 != 0).then_some(5432)
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
