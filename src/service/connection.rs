//! Registered databases.
