//! How much memory an answer takes, roughly.

use std::fmt::{self, Debug, Write};

/// About as many bytes as a value takes, in memory or on the wire: as many as its Debug form has, which names every field
/// and so is rather too large. No field can be forgotten that way, and nothing is allocated for it.
pub fn approximate_size(value: &impl Debug) -> usize {
    let mut counter = Counter(0);
    // Neither the counter nor a derived Debug fails.
    let _ = write!(counter, "{value:?}");
    counter.0
}

struct Counter(usize);

impl Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}
