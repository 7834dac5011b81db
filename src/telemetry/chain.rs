//! Prints an error with all that caused it.

use std::{error::Error, fmt};

/// An error that prints with its causes, `what: because: because`.
#[derive(Debug)]
pub struct Chain<'a>(&'a dyn Error);

/// Prints an error with its causes, for the log. Never for a caller: causes hold internals.
pub fn chain(error: &dyn Error) -> Chain<'_> {
    Chain(error)
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printed = self.0.to_string();
        f.write_str(&printed)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            // Many errors print their cause themselves; told once is enough.
            if !printed.contains(&text) {
                write!(f, ": {text}")?;
                printed = text;
            }
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::chain;
    use crate::model::{Error, Reason};

    /// Prints its cause itself, as many errors do.
    #[derive(Debug, thiserror::Error)]
    #[error("cannot write the pack: {0}")]
    struct Talkative(#[source] io::Error);

    #[test]
    fn causes_follow_and_none_is_told_twice() {
        let disk = io::Error::other("disk is full");
        let error = Error::internal(Talkative(disk));
        let text = chain(&error).to_string();
        assert!(text.starts_with("INTERNAL: internal error"), "{text}");
        assert!(text.ends_with(": cannot write the pack: disk is full"), "{text}");

        let error = Error::internal(Error::new(Reason::StorageFull, "no space").caused_by("errno 28"));
        assert!(chain(&error).to_string().ends_with(": STORAGE_FULL: no space: errno 28"));
    }
}
