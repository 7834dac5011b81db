//! Seals the credentials of registered databases. It alone sees plaintext secrets and the master key.
