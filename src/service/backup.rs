//! Backups: the storage, taking, checking, restoring.
