//! How the vault stands. No key is ever in it.

use super::{count, time::timestamp};
use crate::{
    grpc::proto::v1,
    model::{
        name,
        vault::{KeySourceKind, MasterKeyState, SealReason},
    },
    service::vault::{VaultStatus, VersionStatus},
};

/// An open vault.
pub fn open(status: VaultStatus) -> v1::VaultStatus {
    v1::VaultStatus {
        sealed: false,
        seal_reason: v1::SealReason::Unspecified.into(),
        seal_message: String::new(),
        current_version: status.current_version,
        versions: status.versions.into_iter().map(version).collect(),
        source: source(status.source).into(),
        rotating: status.rotating,
        rotation: status.rotation.as_ref().map(name::operation).unwrap_or_default(),
    }
}

/// A sealed vault: why, and what to do.
pub fn sealed(reason: SealReason) -> v1::VaultStatus {
    let seal_reason = match reason {
        SealReason::KeyMissing => v1::SealReason::KeyMissing,
        SealReason::KeyWrong => v1::SealReason::KeyWrong,
        SealReason::KeyExposed => v1::SealReason::KeyExposed,
        SealReason::KeyMalformed => v1::SealReason::KeyMalformed,
        SealReason::SourceUnavailable => v1::SealReason::SourceUnavailable,
    };
    v1::VaultStatus {
        sealed: true,
        seal_reason: seal_reason.into(),
        seal_message: reason.describe().to_owned(),
        ..Default::default()
    }
}

fn version(status: VersionStatus) -> v1::MasterKeyVersion {
    let state = match status.key.state {
        MasterKeyState::Current => v1::MasterKeyState::Current,
        MasterKeyState::Reading => v1::MasterKeyState::Reading,
        MasterKeyState::Retired => v1::MasterKeyState::Retired,
    };
    v1::MasterKeyVersion {
        version: status.key.version,
        state: state.into(),
        create_time: Some(timestamp(status.key.created)),
        retire_time: status.key.retired.map(timestamp),
        record_count: count(status.record_count),
    }
}

fn source(kind: KeySourceKind) -> v1::MasterKeySource {
    match kind {
        KeySourceKind::File => v1::MasterKeySource::File,
        KeySourceKind::Environment => v1::MasterKeySource::Environment,
        KeySourceKind::Command => v1::MasterKeySource::Command,
        KeySourceKind::Transit => v1::MasterKeySource::Transit,
    }
}
