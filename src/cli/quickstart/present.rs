//! How the walk is shown: figures with units, aligned tables, and colours where a terminal takes them.

use std::{fmt::Write as _, time::Duration};

use indicatif::HumanBytes;

/// Whether colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// To a terminal.
    On,
    /// To anything else, or where NO_COLOR is set and not empty.
    Off,
}

impl Colour {
    /// Decides by what is written to and by the value of NO_COLOR.
    pub(super) fn decide(is_terminal: bool, no_color: Option<&str>) -> Self {
        if is_terminal && no_color.unwrap_or_default().is_empty() { Self::On } else { Self::Off }
    }

    /// A heading.
    pub(super) fn heading(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Something of less weight, such as the command that does the same.
    pub(super) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// A result that is right.
    pub(super) fn right(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// A result that is wrong.
    pub(super) fn wrong(self, text: &str) -> String {
        self.wrap("31", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::On => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Off => text.to_owned(),
        }
    }
}

/// Bytes as people say them, such as `1.20 MiB`.
pub(super) fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

/// A count with its thousands apart, such as `12,345`.
pub(super) fn count(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

/// A time in the unit that suits it, such as `850 us`, `12.3 ms` or `2.1 s`.
pub(super) fn time(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    if seconds < 0.001 {
        format!("{} us", span.as_micros())
    } else if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{seconds:.1} s")
    }
}

/// On which side a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Words.
    Left,
    /// Figures.
    Right,
}

/// What stands between two columns.
const GAP: &str = "  ";
/// As many columns are always shown.
const MIN_COLUMNS: usize = 2;
/// A column of words is not cut further than this.
const MIN_WORDS: usize = 8;

/// A table with a heading.
#[derive(Debug, Clone)]
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines of the table. Where they do not fit into `width`, the last columns are left out, and then words are cut.
    pub(super) fn render(&self, width: usize) -> String {
        let heading: Vec<String> = self.columns.iter().map(|(title, _)| (*title).to_owned()).collect();
        let widths = self.widths(&heading, width);
        let mut text = String::new();
        for row in std::iter::once(&heading).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, width), (_, align)) in row.iter().zip(&widths).zip(&self.columns) {
                let cell = cut(cell, *width);
                // Writing to a String cannot fail.
                let _ = match align {
                    Align::Left => write!(line, "{cell:<width$}{GAP}"),
                    Align::Right => write!(line, "{cell:>width$}{GAP}"),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// The widths of the columns that are shown.
    fn widths(&self, heading: &Vec<String>, available: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = self.rows.iter().chain([heading]).filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        while widths.len() > MIN_COLUMNS && total(&widths) > available {
            widths.pop();
        }
        let excess = total(&widths).saturating_sub(available);
        let words = self.columns.iter().zip(&mut widths).filter(|((_, align), _)| *align == Align::Left);
        if let Some((_, widest)) = words.max_by_key(|(_, width)| **width) {
            *widest = widest.saturating_sub(excess).max(MIN_WORDS.min(*widest));
        }
        widths
    }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

/// The beginning of a text that is longer than `width`.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_and_not_by_bytes() {
        let mut table = Table::new(&[("TABLE", Align::Left), ("ROWS", Align::Right)]);
        table.row(["Straße".to_owned(), "7".to_owned()]);
        table.row(["orders".to_owned(), "1,200".to_owned()]);
        assert_eq!(table.render(80), "TABLE    ROWS\nStraße      7\norders  1,200\n");
    }

    #[test]
    fn a_table_that_is_too_wide_loses_columns_and_then_words() {
        let mut table = Table::new(&[("TABLE", Align::Left), ("ROWS", Align::Right), ("SIZE", Align::Right)]);
        table.row(["a_table_with_a_name".to_owned(), "1,200".to_owned(), "4.00 KiB".to_owned()]);
        assert_eq!(table.render(26), "TABLE                 ROWS\na_table_with_a_name  1,200\n");
        assert_eq!(table.render(20), "TABLE           ROWS\na_table_with\u{2026}  1,200\n");
    }

    #[test]
    fn figures_have_units() {
        assert_eq!(bytes(1_258_291), "1.20 MiB");
        assert_eq!(count(12_345), "12,345");
        assert_eq!(time(Duration::from_micros(850)), "850 us");
        assert_eq!(time(Duration::from_micros(12_340)), "12.3 ms");
        assert_eq!(time(Duration::from_millis(2_100)), "2.1 s");
    }

    #[test]
    fn colours_need_a_terminal_and_no_objection() {
        assert_eq!(Colour::decide(true, None).right("ok"), "\u{1b}[32mok\u{1b}[0m");
        assert_eq!(Colour::decide(true, Some("")), Colour::On);
        assert_eq!(Colour::decide(true, Some("1")), Colour::Off);
        assert_eq!(Colour::decide(false, None).right("ok"), "ok");
    }
}
