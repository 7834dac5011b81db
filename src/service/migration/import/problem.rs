//! The files at fault, collected so that the caller sees them all at once.

use crate::model::{Detail, Error, Reason, Result};

/// Most files that one error names.
const MOST_NAMED: usize = 20;

#[derive(Default)]
pub(super) struct Problems {
    /// Index of the file, reason, field, description.
    found: Vec<(usize, Reason, String, String)>,
}

impl Problems {
    /// The name of a file is at fault.
    pub(super) fn add_path(&mut self, index: usize, reason: Reason, description: String) {
        self.found.push((index, reason, format!("files[{index}].path"), description));
    }

    /// The text of a file is at fault.
    pub(super) fn add_content(&mut self, index: usize, description: String) {
        self.found.push((index, Reason::MigrationFileInvalid, format!("files[{index}].content"), description));
    }

    /// The call as a whole is at fault, where nothing else explains it.
    pub(super) fn add_call(&mut self, description: &str) {
        if self.found.is_empty() {
            self.found.push((0, Reason::MigrationFileInvalid, "files".to_owned(), description.to_owned()));
        }
    }

    pub(super) fn into_result(self) -> Result<()> {
        if self.found.is_empty() { Ok(()) } else { Err(self.into_error()) }
    }

    /// One error with the reason of the first file at fault.
    pub(super) fn into_error(mut self) -> Error {
        self.found.sort_by_key(|(index, ..)| *index);
        let total = self.found.len();
        let mut message = self.found.first().map_or_else(String::new, |(.., field, text)| format!("{field}: {text}"));
        if total > 1 {
            message.push_str(&format!(" (and {} more problems, see the details)", total - 1));
        }
        let reason = self.found.first().map_or(Reason::MigrationFileInvalid, |(_, reason, ..)| *reason);
        self.found.into_iter().take(MOST_NAMED).fold(
            Error::new(reason, message).with_metadata("problem_count", total.to_string()),
            |error, (.., field, description)| error.with(Detail::Field { field, description }),
        )
    }
}
