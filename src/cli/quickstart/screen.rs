//! Where the walk is shown: paragraphs that fit the terminal, steps with a number, commands to copy, and results.

use std::{
    cell::Cell,
    io::{self, IsTerminal as _, Write as _},
};

use super::present::{Colour, Table};

/// Narrower than this, lines are broken by the terminal itself.
const MIN_WIDTH: usize = 40;
/// Wider than this, lines are hard to read.
const MAX_WIDTH: usize = 100;
/// What is written to no terminal is made for one of this width.
const PAPER_WIDTH: usize = 80;
/// What belongs to a step stands this far in.
const INDENT: &str = "    ";

/// Standard output.
#[derive(Debug)]
pub(super) struct Screen {
    colour: Colour,
    width: usize,
    terminal: bool,
    /// A command was written last: what answers it stands apart.
    answering: Cell<bool>,
}

impl Screen {
    /// Looks at what standard output is.
    pub(super) fn of_standard_output() -> Self {
        let terminal = io::stdout().is_terminal();
        let no_color = std::env::var("NO_COLOR").ok();
        Self {
            colour: Colour::decide(terminal, no_color.as_deref()),
            width: width(terminal),
            terminal,
            answering: Cell::new(false),
        }
    }

    /// True where somebody looks, so that a line can be drawn again.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Columns there are for what belongs to a step.
    pub(super) fn inner_width(&self) -> usize {
        self.width - INDENT.len()
    }

    /// The title of the whole.
    pub(super) fn title(&self, text: &str) -> io::Result<()> {
        print(&format!("{}\n", self.colour.heading(text)))
    }

    /// Names with values, aligned.
    pub(super) fn facts(&self, facts: &[(&str, String)]) -> io::Result<()> {
        let widest = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in facts {
            let hanging = " ".repeat(widest + 4);
            print(&format!("  {name:<widest$}  {}", filled(value, self.width, &hanging).trim_start()))?;
        }
        Ok(())
    }

    /// A paragraph.
    pub(super) fn paragraph(&self, text: &str) -> io::Result<()> {
        print("\n")?;
        print(&filled(text, self.width, ""))
    }

    /// The heading of a step and what it is about.
    pub(super) fn step(&self, number: usize, of: usize, title: &str, text: &str) -> io::Result<()> {
        print(&format!("\n{}\n", self.colour.heading(&format!("{number}/{of} {title}"))))?;
        print(&filled(text, self.width, INDENT))
    }

    /// A command to copy.
    pub(super) fn command(&self, command: &str) -> io::Result<()> {
        print("\n")?;
        for line in command.lines() {
            print(&format!("{INDENT}{}\n", self.colour.faint(line)))?;
        }
        self.answering.set(true);
        Ok(())
    }

    /// Leaves a line empty between a command and its answer.
    pub(super) fn answer(&self) -> io::Result<()> {
        if self.answering.replace(false) { print("\n") } else { Ok(()) }
    }

    /// A table.
    pub(super) fn table(&self, table: &Table) -> io::Result<()> {
        for line in table.render(self.inner_width()).lines() {
            self.line(line)?;
        }
        Ok(())
    }

    /// A line of a step.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        self.answer()?;
        print(&format!("{INDENT}{text}\n"))
    }

    /// The result of a step was right.
    pub(super) fn right(&self, text: &str) -> io::Result<()> {
        self.result(&self.colour.right("ok"), "ok", text)
    }

    /// The result of a step was wrong.
    pub(super) fn wrong(&self, text: &str) -> io::Result<()> {
        self.result(&self.colour.wrong("WRONG"), "WRONG", text)
    }

    fn result(&self, shown: &str, plain: &str, text: &str) -> io::Result<()> {
        self.answer()?;
        let hanging = format!("{INDENT}{}  ", " ".repeat(plain.len()));
        let filled = filled(text, self.width, &hanging);
        print(&format!("{INDENT}{shown}  {}", filled.trim_start()))
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn width(terminal: bool) -> usize {
    if !terminal {
        return PAPER_WIDTH;
    }
    let columns = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { PAPER_WIDTH } else { columns.clamp(MIN_WIDTH, MAX_WIDTH) }
}

/// Text in lines of at most `width`, each after `indent`. A longer word has a line of its own.
fn filled(text: &str, width: usize, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn a_paragraph_fits_and_a_long_word_has_its_own_line() {
        assert_eq!(filled("one two three", 9, "  "), "  one two\n  three\n");
        assert_eq!(filled("a incomprehensibilities b", 8, ""), "a\nincomprehensibilities\nb\n");
        assert_eq!(filled("", 8, "  "), "");
    }
}
