//! One page of a list.

/// Entries of a page when the caller does not say.
pub const DEFAULT_PAGE_SIZE: u32 = 50;
/// Most entries of a page.
pub const MAX_PAGE_SIZE: u32 = 1000;

/// Which page is asked for. `after` is the sort key of the last entry of the page
/// before; it comes out of an authenticated token, so it is one that we made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Most entries, 1 to [`MAX_PAGE_SIZE`].
    pub size: u32,
    /// Sort key to go on after; absent for the first page.
    pub after: Option<Vec<String>>,
}

/// A page of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries in order.
    pub items: Vec<T>,
    /// Sort key of the last entry where there are more; becomes the page token.
    pub next: Option<Vec<String>>,
    /// Entries over all pages, where the list counts them.
    pub total: Option<u64>,
}

impl<T> Page<T> {
    /// Cuts entries, of which one more than the page holds was read, to the page.
    pub fn cut(mut items: Vec<T>, size: u32, key: impl Fn(&T) -> Vec<String>) -> Self {
        let size = size as usize;
        let more = items.len() > size;
        items.truncate(size);
        let next = if more { items.last().map(key) } else { None };
        Self { items, next, total: None }
    }

    /// Adds the count over all pages.
    #[must_use]
    pub fn with_total(mut self, total: u64) -> Self {
        self.total = Some(total);
        self
    }
}
