//! Backups: taken, listed, verified, restored, downloaded, deleted.

pub mod repository;
