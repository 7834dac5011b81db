//! One page of a list.

/// Entries of a page when the caller does not say.
pub const DEFAULT_PAGE_SIZE: u32 = 50;
/// Most entries of a page.
pub const MAX_PAGE_SIZE: u32 = 1000;

/// Most bytes of a page, by its texts: clients refuse answers of more than 4 MiB.
pub const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;

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

    /// Cuts entries like `cut`, and also where they would come to more bytes than a page may have; the first one is always in it.
    pub fn cut_to_bytes(
        mut items: Vec<T>,
        size: u32,
        key: impl Fn(&T) -> Vec<String>,
        bytes: impl Fn(&T) -> usize,
    ) -> Self {
        let mut total = 0;
        let fits = items.iter().take_while(|item| {
            total += bytes(item);
            total <= MAX_PAGE_BYTES
        });
        let fits = u32::try_from(fits.count().max(1)).unwrap_or(u32::MAX);
        let size = size.min(fits);
        // One more than the page holds tells that there are more.
        items.truncate(size as usize + 1);
        Self::cut(items, size, key)
    }

    /// Adds the count over all pages.
    #[must_use]
    pub fn with_total(mut self, total: u64) -> Self {
        self.total = Some(total);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_it_would_grow_too_large() {
        let quarter = "x".repeat(MAX_PAGE_BYTES / 4);
        let cut = |texts: &[&String], size| {
            let page = Page::cut_to_bytes(texts.to_vec(), size, |text| vec![text.len().to_string()], |text| text.len());
            (page.items.len(), page.next.is_some())
        };
        let (large, small) = ("x".repeat(MAX_PAGE_BYTES + 1), "x".to_owned());
        assert_eq!(cut(&[&quarter; 4], 50), (4, false));
        assert_eq!(cut(&[&quarter; 5], 50), (4, true));
        assert_eq!(cut(&[&quarter; 5], 3), (3, true));
        assert_eq!(cut(&[&large, &small], 50), (1, true), "an entry that is too large by itself is told all the same");
        assert_eq!(cut(&[&small, &large], 50), (1, true));
        assert_eq!(cut(&[&small; 3], 3), (3, false));
        assert_eq!(cut(&[], 3), (0, false));
    }
}
