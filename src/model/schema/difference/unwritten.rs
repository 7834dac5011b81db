//! Differences that no script makes, because that would be a guess or cannot be said.

/// Why a difference is in no script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnwrittenCause {
    /// The other side has something of that name, or may have it, and it could not be read.
    Unread,
    /// The other side has something of that name which a definition has no place for.
    NotComparable,
    /// Both sides are known by their text alone, because a definition has no place for such a thing, and the texts differ.
    TextDiffers,
    /// The engine that is written for cannot express it.
    Unsupported,
    /// It needs something, or something needs it, that stays as it is.
    Depends,
}

/// What a script would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnwrittenAction {
    /// It would have come.
    Add,
    /// It would have gone.
    Drop,
    /// It would have become another.
    Alter,
}

/// A difference that no script makes: what it is of stays as the source has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritten {
    /// Why.
    pub cause: UnwrittenCause,
    /// What would have become of it.
    pub action: UnwrittenAction,
    /// What it is of, such as `index album.by_title`.
    pub object: String,
    /// Why, as a sentence.
    pub reason: String,
    /// What mends that; empty: nothing but doing it by hand.
    pub remedy: String,
}
