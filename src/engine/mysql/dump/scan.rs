//! Follows the SQL of a dump while its bytes stream by: counts the rows of each table and sees whether it is whole.
//!
//! Counting the rows that were written is the one way that is exact and costs no second look at the tables: the tool's
//! snapshot cannot be shared with another session, unless all writers are stopped, which needs RELOAD and can take hours.
//! What the tools write is narrow (one INSERT of many tuples, strings with backslash escapes, blobs in hexadecimal), so
//! that strings, quoted names and comments are all that has to be told apart.

use std::{collections::BTreeMap, mem};

/// Enough of a statement to know it by: a keyword or two and a quoted name of 64 characters.
const HEAD_LENGTH: usize = 512;
/// Enough of a comment to know header and trailer by.
const COMMENT_LENGTH: usize = 32;
/// Newer tools of MariaDB begin with this comment, which is a command to their client and ends without a delimiter.
const SANDBOX: &[u8] = b"/*!999999";
/// Longest delimiter that is followed.
const DELIMITER_LENGTH: usize = 16;

/// Where the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    /// After `--`: a comment if white space follows.
    Dashes,
    LineComment,
    /// After `/*`: text that the server executes if `!` follows, or `M!`.
    BlockCommentStart,
    BlockCommentM,
    BlockComment,
    /// After a `*` in a comment.
    BlockCommentStar,
    /// In a string or a name, with its quote.
    Quoted(u8),
    /// After a backslash in a string.
    Escaped(u8),
    /// In the rest of a DELIMITER line.
    Delimiter,
}

/// What kind of statement it is, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Unknown,
    /// Rows for a table; they are counted once VALUES was seen.
    Insert {
        table: String,
        values: bool,
    },
    Other,
}

/// Follows a dump.
pub(super) struct Scanner {
    place: Place,
    kind: Kind,
    /// The statement's first bytes; empty between statements.
    head: Vec<u8>,
    /// The last bytes outside quotes and comments, for keywords and the delimiter.
    recent: Vec<u8>,
    comment: Vec<u8>,
    delimiter: Vec<u8>,
    depth: u32,
    rows: BTreeMap<String, u64>,
    header: bool,
    trailer: bool,
    /// In the name of the database of an ALTER DATABASE.
    database_name: bool,
}

/// What is wrong with a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It does not begin as a dump does.
    NoHeader,
    /// It ends within a statement, a string or a comment.
    Unfinished,
    /// The line that the tools write when all went well is missing.
    NoTrailer,
}

impl Flaw {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::NoHeader => "it does not begin with the header of mariadb-dump or mysqldump",
            Self::Unfinished => "it ends in the middle of a statement",
            Self::NoTrailer => "its last line, \"-- Dump completed\", is missing",
        }
    }
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Text,
            kind: Kind::Unknown,
            head: Vec::new(),
            recent: Vec::new(),
            comment: Vec::new(),
            delimiter: b";".to_vec(),
            depth: 0,
            rows: BTreeMap::new(),
            header: false,
            trailer: false,
            database_name: false,
        }
    }

    /// Rows of each table that was made, when the dump is whole.
    pub(super) fn finish(&mut self) -> Result<BTreeMap<String, u64>, Flaw> {
        self.end_of_line_comment();
        if !self.header {
            return Err(Flaw::NoHeader);
        }
        if self.place != Place::Text || !self.head.is_empty() {
            return Err(Flaw::Unfinished);
        }
        if !self.trailer {
            return Err(Flaw::NoTrailer);
        }
        Ok(mem::take(&mut self.rows))
    }

    /// Takes the next bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.follow(bytes, |_| {});
    }

    /// Takes the next bytes, and blanks the name in `ALTER DATABASE`, which the tools write around routines that were made
    /// under another collation. Without a name the statement is about the database that is restored; with it, it would
    /// change the one that was dumped.
    pub(super) fn rewrite(&mut self, bytes: &mut [u8]) {
        let mut blanks = Vec::new();
        self.follow(bytes, |position| blanks.push(position));
        for position in blanks {
            bytes[position] = b' ';
        }
    }

    fn follow(&mut self, bytes: &[u8], mut blank: impl FnMut(usize)) {
        let mut position = 0;
        while position < bytes.len() {
            position += self.skip(&bytes[position..]);
            let Some(byte) = bytes.get(position) else { return };
            let named = self.database_name;
            self.take(*byte);
            if self.database_name || (named && *byte == b'`') {
                blank(position);
            }
            position += 1;
        }
    }

    /// Bytes that cannot change anything: most of a dump is inside of strings and tuples.
    fn skip(&self, bytes: &[u8]) -> usize {
        let end = match self.place {
            Place::Quoted(quote) if self.kind != Kind::Unknown || self.head.len() >= HEAD_LENGTH => {
                bytes.iter().position(|byte| *byte == quote || *byte == b'\\')
            }
            Place::LineComment if self.comment.len() >= COMMENT_LENGTH => bytes.iter().position(|byte| *byte == b'\n'),
            Place::Text if self.depth > 0 && matches!(self.kind, Kind::Insert { values: true, .. }) => {
                bytes.iter().position(|byte| matches!(byte, b'\'' | b'"' | b'`' | b'(' | b')'))
            }
            _ => return 0,
        };
        end.unwrap_or(bytes.len())
    }

    fn take(&mut self, byte: u8) {
        match self.place {
            Place::Text => self.take_text(byte),
            Place::Dashes => {
                if byte.is_ascii_whitespace() || byte.is_ascii_control() {
                    self.begin_line_comment(2);
                    self.take(byte);
                } else {
                    self.place = Place::Text;
                    self.take_text(byte);
                }
            }
            Place::LineComment => {
                if byte == b'\n' {
                    self.end_of_line_comment();
                } else if self.comment.len() < COMMENT_LENGTH {
                    self.comment.push(byte);
                }
            }
            Place::BlockCommentStart | Place::BlockCommentM => match (self.place, byte) {
                (_, b'!') => {
                    self.place = Place::Text;
                    self.remember(byte);
                }
                (Place::BlockCommentStart, b'M') => self.place = Place::BlockCommentM,
                _ => {
                    self.head.truncate(self.head.len().saturating_sub(2));
                    self.place = Place::BlockComment;
                    self.take(byte);
                }
            },
            Place::BlockComment | Place::BlockCommentStar => {
                self.place = match (self.place, byte) {
                    (Place::BlockCommentStar, b'/') => Place::Text,
                    (_, b'*') => Place::BlockCommentStar,
                    _ => Place::BlockComment,
                };
            }
            Place::Quoted(quote) => {
                self.remember(byte);
                if byte == quote {
                    self.place = Place::Text;
                    self.database_name = false;
                } else if byte == b'\\' && quote != b'`' {
                    self.place = Place::Escaped(quote);
                }
            }
            Place::Escaped(quote) => self.place = Place::Quoted(quote),
            Place::Delimiter => {
                if byte != b'\n' {
                    self.head.push(byte);
                    return;
                }
                let line = mem::take(&mut self.head);
                self.delimiter = line.trim_ascii().iter().copied().take(DELIMITER_LENGTH).collect();
                self.next_statement();
            }
        }
    }

    fn take_text(&mut self, byte: u8) {
        // A backquote that another one follows stands for itself within a name; here the name has ended.
        if self.kind == Kind::Unknown && byte != b'`' && self.head.ends_with(b"`") {
            self.recognise_table();
        }
        match byte {
            b'\'' | b'"' | b'`' => {
                self.database_name = byte == b'`' && self.is_at_database_name();
                self.place = Place::Quoted(byte);
                self.recent.clear();
                self.remember(byte);
                return;
            }
            b'(' => {
                self.depth += 1;
                if self.depth == 1 {
                    self.count_row();
                }
            }
            b')' => self.depth = self.depth.saturating_sub(1),
            b'#' => return self.begin_line_comment(0),
            _ => {}
        }
        self.remember(byte);
        if self.recent.len() > 2 * DELIMITER_LENGTH {
            self.recent.drain(..DELIMITER_LENGTH);
        }
        self.recent.push(byte);
        if self.recent.ends_with(b"--") {
            self.place = Place::Dashes;
        } else if self.recent.ends_with(b"/*") {
            self.recent.clear();
            self.place = Place::BlockCommentStart;
        } else if self.recent.ends_with(&self.delimiter)
            || (self.recent.ends_with(b"*/") && self.head.starts_with(SANDBOX))
        {
            self.next_statement();
        } else if self.head.eq_ignore_ascii_case(b"DELIMITER ") {
            self.head.clear();
            self.place = Place::Delimiter;
        } else {
            self.recognise_values();
        }
    }

    /// The next quoted name is that of an ALTER DATABASE, or goes on with one that has a backquote in it.
    fn is_at_database_name(&self) -> bool {
        const ALTER: &[u8] = b"ALTER DATABASE ";
        let Some((start, name)) = self.head.split_at_checked(ALTER.len()) else { return false };
        start.eq_ignore_ascii_case(ALTER) && (name.is_empty() || (name.starts_with(b"`") && name.ends_with(b"`")))
    }

    /// Keeps the beginning of a statement, white space before it apart.
    fn remember(&mut self, byte: u8) {
        if self.head.is_empty() && byte.is_ascii_whitespace() {
            return;
        }
        self.trailer = false;
        if self.head.len() < HEAD_LENGTH {
            self.head.push(byte);
        }
    }

    /// The statement is known once its first quoted name is complete.
    fn recognise_table(&mut self) {
        let Some(start) = self.head.iter().position(|byte| *byte == b'`') else { return };
        let Some(name) = self.head[start + 1..].strip_suffix(b"`") else { return };
        let table = String::from_utf8_lossy(name).replace("``", "`");
        let before = self.head[..start].to_ascii_uppercase();
        self.kind = if before.starts_with(b"INSERT ") {
            Kind::Insert { table, values: false }
        } else {
            if before.starts_with(b"CREATE TABLE ") {
                self.rows.entry(table).or_default();
            }
            Kind::Other
        };
    }

    fn recognise_values(&mut self) {
        if self.depth > 0 {
            return;
        }
        if let Kind::Insert { values, .. } = &mut self.kind
            && self.recent.to_ascii_uppercase().ends_with(b"VALUES")
        {
            *values = true;
        }
    }

    fn count_row(&mut self) {
        if let Kind::Insert { table, values: true } = &self.kind {
            match self.rows.get_mut(table) {
                Some(rows) => *rows += 1,
                None => {
                    self.rows.insert(table.clone(), 1);
                }
            }
        }
    }

    /// Takes the `marks` bytes that began the comment out of what is remembered.
    fn begin_line_comment(&mut self, marks: usize) {
        self.head.truncate(self.head.len().saturating_sub(marks));
        self.recent.clear();
        self.comment.clear();
        self.place = Place::LineComment;
    }

    fn end_of_line_comment(&mut self) {
        if self.place != Place::LineComment {
            return;
        }
        self.place = Place::Text;
        // Only between statements: a comment in the body of a routine can hold any words.
        if self.head.is_empty() {
            let comment = self.comment.trim_ascii();
            self.header |= comment.starts_with(b"MariaDB dump ") || comment.starts_with(b"MySQL dump ");
            self.trailer = comment.starts_with(b"Dump completed");
        }
    }

    fn next_statement(&mut self) {
        self.place = Place::Text;
        self.kind = Kind::Unknown;
        self.head.clear();
        self.recent.clear();
        self.depth = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Flaw, Scanner};

    const HEADER: &str = "-- MariaDB dump 10.19  Distrib 10.11\n";
    const TRAILER: &str = "-- Dump completed\n";

    fn scan(body: &str, piece: usize) -> Result<Vec<(String, u64)>, Flaw> {
        let text = format!("/*!999999\\- enable the sandbox mode */ \n{HEADER}{body}{TRAILER}");
        scan_raw(&text, piece)
    }

    fn scan_raw(text: &str, piece: usize) -> Result<Vec<(String, u64)>, Flaw> {
        let mut scanner = Scanner::new();
        text.as_bytes().chunks(piece).for_each(|bytes| scanner.read(bytes));
        scanner.finish().map(|rows| rows.into_iter().collect())
    }

    #[test]
    fn rows_are_counted_whatever_stands_in_them() {
        let body = "CREATE TABLE `empty` (\n  `a` int\n);\n\
            CREATE TABLE `a``(b` (`c` text, KEY `x` (`c`));\n\
            /*!40000 ALTER TABLE `a``(b` DISABLE KEYS */;\n\
            INSERT INTO `a``(b` VALUES\n(1,'it''s \\'quoted\\' ),('),\n(-2,'-- no; comment /*'),(3,NULL),(4,0x2728,'\\\\');\n\
            INSERT INTO `a``(b` (`c`, `VALUES`) VALUES ('x');\n\
            /*!50001 CREATE VIEW `v` AS SELECT 'don''t */ count' AS `c` */;\n\
            DELIMITER ;;\n\
            CREATE TRIGGER t AFTER INSERT ON `a` FOR EACH ROW BEGIN INSERT INTO `log` VALUES (1); -- it's; \n END ;;\n\
            DELIMITER ;\n";
        for piece in [1, 7, 10_000] {
            let rows = scan(body, piece).unwrap();
            assert_eq!(rows, [("a`(b".to_owned(), 5), ("empty".to_owned(), 0)], "in pieces of {piece}");
        }
    }

    #[test]
    fn a_dump_names_no_database_that_it_would_change() {
        let body = "ALTER DATABASE `so``urce` CHARACTER SET latin1 COLLATE latin1_swedish_ci ;\n\
            INSERT INTO `t` VALUES ('ALTER DATABASE `kept`');\nDELIMITER ;;\n\
            CREATE PROCEDURE `p`() BEGIN SELECT 1; ALTER DATABASE `kept` COLLATE utf8mb4_bin; END ;;\nDELIMITER ;\n";
        for piece in [1, 3, 10_000] {
            let mut text = format!("{HEADER}{body}{TRAILER}").into_bytes();
            let mut scanner = Scanner::new();
            text.chunks_mut(piece).for_each(|bytes| scanner.rewrite(bytes));
            let expected = body.replace("`so``urce`", &" ".repeat(10));
            assert_eq!(
                String::from_utf8(text).unwrap(),
                format!("{HEADER}{expected}{TRAILER}"),
                "in pieces of {piece}"
            );
            scanner.finish().unwrap();
        }
    }

    #[test]
    fn a_dump_that_is_not_whole_is_told() {
        assert_eq!(scan_raw("SELECT 1;\n-- Dump completed\n", 5), Err(Flaw::NoHeader));
        assert_eq!(scan_raw(&format!("{HEADER}SELECT 1;\n"), 5), Err(Flaw::NoTrailer));
        assert_eq!(scan_raw(&format!("{HEADER}INSERT INTO `a` VALUES ('x"), 5), Err(Flaw::Unfinished));
        assert_eq!(scan_raw(&format!("{HEADER}{TRAILER}SELECT 1;\n"), 5), Err(Flaw::NoTrailer));
        assert_eq!(scan("INSERT INTO `a` VALUES ('\n", 5), Err(Flaw::Unfinished));
    }
}
