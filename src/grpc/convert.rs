//! Protobuf on one side, validated model types on the other: a request is parsed once, at the door.
//!
//! What builds a response never fills in a field that is marked `(sensitive)`: the model types that services
//! hand out hold no secret, so there is nothing to fill it with.

pub mod access;
pub mod audit;
pub mod backup;
pub mod connection;
pub mod connection_status;
pub mod etag;
pub mod field_mask;
pub mod migration;
pub mod monitor;
pub mod operation;
pub mod pool;
pub mod schema;
pub mod time;
pub mod token;
pub mod vault;

use crate::{
    grpc::proto::v1,
    model::{Error, Result, connection::EngineKind, schema::Skipped},
};

/// An engine that is required.
pub fn engine_from_proto(value: i32, field: &str) -> Result<EngineKind> {
    match v1::Engine::try_from(value) {
        Ok(v1::Engine::Postgresql) => Ok(EngineKind::Postgresql),
        Ok(v1::Engine::Mysql) => Ok(EngineKind::Mysql),
        Ok(v1::Engine::Sqlite) => Ok(EngineKind::Sqlite),
        Ok(v1::Engine::Unspecified) | Err(_) => {
            Err(Error::invalid_field(field, "must be ENGINE_POSTGRESQL, ENGINE_MYSQL or ENGINE_SQLITE"))
        }
    }
}

/// An engine.
pub fn engine(kind: EngineKind) -> v1::Engine {
    match kind {
        EngineKind::Postgresql => v1::Engine::Postgresql,
        EngineKind::Mysql => v1::Engine::Mysql,
        EngineKind::Sqlite => v1::Engine::Sqlite,
    }
}

/// Reads an enum of a request; a number that the contract does not have is an invalid field.
pub fn enum_from_proto<E: TryFrom<i32>>(value: i32, field: &str) -> Result<E> {
    E::try_from(value).map_err(|_| Error::invalid_field(field, format!("{value} is not a value of this enum")))
}

/// A part of a request that must be there.
pub fn required<T>(value: Option<T>, field: &str) -> Result<T> {
    value.ok_or_else(|| Error::invalid_field(field, "is required"))
}

/// A count of ours in the signed 64 bits that the contract counts in.
pub fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A count of ours in the signed 32 bits of a page's total.
pub fn small_count(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// Something that could not be read while the rest was delivered.
pub fn skipped(skipped: Skipped) -> v1::Skipped {
    v1::Skipped { subject: skipped.subject, reason: skipped.reason, remedy: skipped.remedy }
}
