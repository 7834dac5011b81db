//! MySQL and MariaDB: bodies of triggers, routines, events and packages that stand without a DELIMITER line.

use super::super::lexer::{Kind, Token};

/// What kind of statement it is, as far as it matters here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Statement {
    #[default]
    Unread,
    /// BEGIN was read: a transaction, or with NOT ATOMIC a block.
    Begin,
    /// CREATE or ALTER was read, and not yet of what.
    Create,
    /// Something that can have a body.
    Program,
    Other,
}

/// A block that waits for its END. They differ in what may stand before that END.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// It holds statements, and its END stands where a statement would begin.
    Statements,
    /// It holds statements, and its END stands behind the expression of UNTIL.
    Repeat,
    /// CASE inside a statement: it holds no statements.
    CaseExpression,
}

#[derive(Default)]
pub(in super::super) struct Tracker<'a> {
    statement: Statement,
    blocks: Vec<Block>,
    parentheses: u32,
    previous: Option<Token<'a>>,
}

const PROGRAMS: [&str; 4] = ["TRIGGER", "PROCEDURE", "FUNCTION", "EVENT"];
const OTHER_OBJECTS: [&str; 11] =
    ["TABLE", "VIEW", "INDEX", "DATABASE", "SCHEMA", "USER", "ROLE", "SERVER", "SEQUENCE", "TABLESPACE", "LOGFILE"];
/// Words behind which a statement of a body begins.
const BEFORE_STATEMENT: [&str; 8] = ["BEGIN", "ATOMIC", "THEN", "ELSE", "DO", "LOOP", "REPEAT", "ROW"];
/// Words that can stand between the head of a routine and its body.
const CHARACTERISTICS: [&str; 5] = ["DETERMINISTIC", "DATA", "SQL", "DEFINER", "INVOKER"];

impl<'a> Tracker<'a> {
    pub(in super::super) fn take(&mut self, token: &Token<'a>) {
        if token.kind == Kind::Marker {
            return;
        }
        match self.statement {
            Statement::Unread if token.is_word("CREATE") || token.is_word("ALTER") => {
                self.statement = Statement::Create;
            }
            Statement::Unread if token.is_word("BEGIN") => self.statement = Statement::Begin,
            Statement::Unread => self.statement = Statement::Other,
            Statement::Begin if token.is_word("NOT") => self.open_program(),
            Statement::Begin => self.statement = Statement::Other,
            Statement::Create => self.read_object(token),
            Statement::Program => self.track(token),
            Statement::Other => {}
        }
        self.previous = Some(*token);
    }

    pub(in super::super) fn is_closed(&self) -> bool {
        self.blocks.is_empty()
    }

    fn read_object(&mut self, token: &Token<'a>) {
        if token.is_word("PACKAGE") {
            self.open_program();
        } else if is_one_of(token, &PROGRAMS) {
            self.statement = Statement::Program;
        } else if is_one_of(token, &OTHER_OBJECTS) {
            self.statement = Statement::Other;
        }
    }

    fn open_program(&mut self) {
        self.statement = Statement::Program;
        self.blocks.push(Block::Statements);
    }

    fn track(&mut self, token: &Token<'a>) {
        match token.text {
            "(" if token.kind == Kind::Symbol => self.parentheses += 1,
            ")" if token.kind == Kind::Symbol => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        if token.kind != Kind::Word || self.is_name() {
            return;
        }
        if token.is_word("END") {
            self.close();
        } else if let Some(block) = self.opened(token) {
            self.blocks.push(block);
        }
    }

    /// `new.end` and `@end` are names.
    fn is_name(&self) -> bool {
        self.previous.is_some_and(|previous| matches!(previous.text, "." | "@"))
    }

    fn close(&mut self) {
        let closes = match self.blocks.last() {
            Some(Block::CaseExpression | Block::Repeat) => true,
            Some(Block::Statements) => self.begins_statement(),
            None => false,
        };
        if closes {
            self.blocks.pop();
        }
    }

    /// The block that a word opens. IF and REPEAT are functions too, `IF EXISTS` is a clause, and `END IF` closes.
    fn opened(&self, token: &Token<'a>) -> Option<Block> {
        if self.previous.is_some_and(|previous| previous.is_word("END")) {
            return None;
        }
        let in_expression = self.parentheses > 0 || self.blocks.last() == Some(&Block::CaseExpression);
        let begins = !in_expression && (self.begins_statement() || self.follows_head());
        if token.is_word("CASE") {
            return Some(if begins { Block::Statements } else { Block::CaseExpression });
        }
        // A handler runs a block behind any sort of condition.
        if token.is_word("BEGIN") && !in_expression {
            return Some(Block::Statements);
        }
        if begins && token.is_word("REPEAT") {
            return Some(Block::Repeat);
        }
        (begins && is_one_of(token, &["IF", "LOOP", "WHILE", "FOR"])).then_some(Block::Statements)
    }

    fn begins_statement(&self) -> bool {
        self.previous
            .is_some_and(|previous| matches!(previous.text, ";" | ":") || is_one_of(&previous, &BEFORE_STATEMENT))
    }

    /// The body may begin here, behind the head of a routine.
    fn follows_head(&self) -> bool {
        self.blocks.is_empty()
            && self.previous.is_some_and(|previous| previous.text == ")" || is_one_of(&previous, &CHARACTERISTICS))
    }
}

fn is_one_of(token: &Token<'_>, words: &[&str]) -> bool {
    words.iter().any(|word| token.is_word(word))
}
