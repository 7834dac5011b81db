//! The checksum that tells whether a migration changed after it was applied.

use ring::digest::{Context, SHA256};

/// SHA-256 in hex over both parts. Line ends, white space at the ends of lines and empty lines at the end do not
/// count, because editors and version control change them without anybody meaning it.
pub(super) fn of(up: &str, down: Option<&str>) -> String {
    let mut context = Context::new(&SHA256);
    for part in [Some(up), down].into_iter().flatten() {
        let text = normalised(part);
        // The length keeps apart what moved from one part to the other.
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    hex::encode(context.finish())
}

fn normalised(text: &str) -> String {
    let mut normalised = String::with_capacity(text.len());
    for line in text.trim_end().lines() {
        normalised.push_str(line.trim_end());
        normalised.push('\n');
    }
    normalised
}
