//! The postgres engine against a real server.
