//! The mysql engine against a real server.
