//! Callers who mean harm: messages that nobody would send, streams that nobody reads, sockets that say nothing.

mod crowds;
mod malformed;
mod message;
mod parsers;
mod soak_identifiers;

use std::env;

/// A long count in full when that is asked for, else a tenth of it.
fn count(full: u32) -> u32 {
    if env::var_os("TEST_SOAK").is_some() { full } else { full / 10 }
}
