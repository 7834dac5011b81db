//! Samples of rows.

use crate::model::{
    Error, Reason, Result,
    name::{Identifier, QualifiedName},
};

/// Most rows of a sample.
pub const MAX_SAMPLE_ROWS: u32 = 100;

/// Which rows an engine is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleQuery {
    /// The table.
    pub table: QualifiedName,
    /// Columns in that order; empty: all.
    pub columns: Vec<Identifier>,
    /// Most rows, 1 to [`MAX_SAMPLE_ROWS`].
    pub limit: u32,
    /// Longest text in characters; the database cuts what is longer, so that it never travels.
    pub value_length: u32,
}

impl SampleQuery {
    /// Picks the columns that are asked for out of those that the table has, or COLUMN_NOT_FOUND.
    pub fn pick(&self, present: Vec<SampleColumn>) -> Result<Vec<SampleColumn>> {
        if self.columns.is_empty() {
            return Ok(present);
        }
        let pick = |wanted: &Identifier| {
            let found = present.iter().find(|column| column.name == wanted.as_str());
            found.cloned().ok_or_else(|| self.no_column(wanted))
        };
        self.columns.iter().map(pick).collect()
    }

    fn no_column(&self, column: &Identifier) -> Error {
        let (table, column) = (self.table.name.as_str(), column.as_str());
        Error::new(
            Reason::ColumnNotFound,
            format!(
                "table {table:?} has no column {column:?}; names are compared exactly, and GetTable tells which there are"
            ),
        )
    }
}

/// Rows of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Columns in order.
    pub columns: Vec<SampleColumn>,
    /// Rows, each with a value for every column.
    pub rows: Vec<Vec<SampleValue>>,
}

/// A column of a sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleColumn {
    /// Name.
    pub name: String,
    /// Type as the engine writes it; empty: none.
    pub data_type: String,
    /// Why it is masked; absent: it is not.
    pub masked: Option<MaskReason>,
}

/// Why a column of a sample is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskReason {
    /// Its name sounds like personal data or a secret.
    Name,
    /// One of its values has the shape of personal data.
    Value,
}

/// A value of a sample.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleValue {
    /// NULL.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Floating(f64),
    /// An exact number as decimal text.
    Decimal(SampleText),
    /// A text.
    Text(SampleText),
    /// Length of bytes.
    Bytes(u64),
    /// Date and time as the engine writes them.
    Timestamp(String),
    /// Date as the engine writes it.
    Date(String),
    /// Time as the engine writes it.
    Time(String),
    /// JSON as text.
    Json(SampleText),
    /// Anything else.
    Other {
        /// Type as the engine writes it.
        data_type: String,
        /// The value as the engine writes it.
        text: SampleText,
    },
    /// Held back.
    Masked,
}

impl SampleValue {
    /// Its text, where it has one that may have been cut.
    pub fn text(&self) -> Option<&SampleText> {
        match self {
            Self::Decimal(text) | Self::Text(text) | Self::Json(text) | Self::Other { text, .. } => Some(text),
            _ => None,
        }
    }

    /// See [`SampleValue::text`].
    pub fn text_mut(&mut self) -> Option<&mut SampleText> {
        match self {
            Self::Decimal(text) | Self::Text(text) | Self::Json(text) | Self::Other { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// A text that may have been cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleText {
    /// What is left of it.
    pub text: String,
    /// Characters of the whole, where it was cut.
    pub full_length: Option<u64>,
}

impl SampleText {
    /// A text with the number of its characters before the database cut it.
    pub fn new(text: String, length: u64) -> Self {
        let full_length = (text.chars().count() as u64) < length;
        Self { text, full_length: full_length.then_some(length) }
    }

    /// Cuts it to so many characters.
    pub fn cut(&mut self, characters: u32) {
        let Some((end, _)) = self.text.char_indices().nth(characters as usize) else { return };
        let length = self.text.chars().count() as u64;
        self.full_length.get_or_insert(length);
        self.text.truncate(end);
    }
}
