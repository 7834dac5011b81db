//! The sqlite engine against a real server.
