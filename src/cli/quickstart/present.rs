//! How the walk is shown: figures with units, aligned tables, and colours where a terminal takes them.

use std::{fmt::Write as _, time::Duration};

use indicatif::HumanBytes;

/// Whether colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// To a terminal.
    On,
    /// To anything else, or where NO_COLOR is set and not empty.
    Off,
}

impl Colour {
    /// Decides by what is written to and by the value of NO_COLOR.
    pub fn decide(is_terminal: bool, no_color: Option<&str>) -> Self {
        if is_terminal && no_color.unwrap_or_default().is_empty() { Self::On } else { Self::Off }
    }

    /// A heading.
    pub fn heading(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Something of less weight, such as the command that does the same.
    pub fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// A result that is right.
    pub fn right(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// A result that is wrong.
    pub fn wrong(self, text: &str) -> String {
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
pub fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

/// A count with its thousands apart, such as `12,345`.
pub fn count(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

/// A time in the unit that suits it, such as `850 us`, `12.3 ms` or `2.1 s`.
pub fn time(span: Duration) -> String {
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
pub enum Align {
    /// Words.
    Left,
    /// Figures.
    Right,
}

/// A table with a heading.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines of the table, each indented by two spaces.
    pub fn render(&self) -> String {
        let heading: Vec<String> = self.columns.iter().map(|(title, _)| (*title).to_owned()).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = self.rows.iter().chain([&heading]).filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&heading).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, width), (_, align)) in row.iter().zip(&widths).zip(&self.columns) {
                let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
                let (before, after) = if *align == Align::Right { (fill.as_str(), "") } else { ("", fill.as_str()) };
                // Writing to a String cannot fail.
                let _ = write!(line, "  {before}{cell}{after}");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// The line that makes the same call from a shell, to be copied and pasted.
pub fn grpcurl(address: &str, data_dir: &str, method: &str, body: &serde_json::Value) -> String {
    let key = shell_quoted(&format!("{data_dir}/admin.key"));
    let header = format!("-H \"authorization: Bearer $(cat {key})\"");
    let body = shell_quoted(&body.to_string());
    format!("grpcurl -plaintext {header} -d {body} {address} dbkeeper.v1.{method}")
}

/// Text as one word of a POSIX shell.
fn shell_quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_and_not_by_bytes() {
        let mut table = Table::new(&[("TABLE", Align::Left), ("ROWS", Align::Right)]);
        table.row(["Straße".to_owned(), "7".to_owned()]);
        table.row(["orders".to_owned(), "1,200".to_owned()]);
        assert_eq!(table.render(), "  TABLE    ROWS\n  Straße      7\n  orders  1,200\n");
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

    #[test]
    fn a_grpcurl_line_survives_a_shell() {
        let body = serde_json::json!({"display_name": "Anna's shop"});
        let line = grpcurl("127.0.0.1:7341", "/tmp/try out", "ConnectionService/CreateConnection", &body);
        assert_eq!(
            line,
            "grpcurl -plaintext -H \"authorization: Bearer $(cat '/tmp/try out/admin.key')\" \
             -d '{\"display_name\":\"Anna'\\''s shop\"}' 127.0.0.1:7341 dbkeeper.v1.ConnectionService/CreateConnection"
        );
    }
}
