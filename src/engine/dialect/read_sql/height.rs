//! How high the tree of a text can become, told from its words before the parser makes it.
//!
//! The parser counts how deep it calls itself, but not how high a tree is that it makes in a loop, such as that of `1 + 1 + 1`. Such
//! a tree is written and dropped by recursion, and a stack that overflows ends the whole process.

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
};

use super::Fault;

/// Most words on one way from the top of a tree to its bottom.
const MAX_HEIGHT: usize = 2_500;

/// Refuses a text whose tree could become too high.
///
/// Each word makes the tree higher by at most one, whatever it is: an operator, NOT, CASE, a cast, a bracket.
pub(super) fn refuse_high(tokens: &[TokenWithSpan]) -> Result<(), Fault> {
    let mut around: Vec<Level> = Vec::new();
    let mut level = Level::default();
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => {}
            Token::SemiColon => level = Level::default(),
            Token::Comma => level.split(),
            Token::LParen | Token::LBracket | Token::LBrace => {
                level.run += 1;
                around.push(std::mem::take(&mut level));
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                let inside = level.height();
                level = around.pop().unwrap_or_default();
                level.inside = level.inside.max(inside);
            }
            Token::Word(word) if is_set_operator(word.keyword) => level.queries += 1,
            _ => level.run += 1,
        }
        if level.height() > MAX_HEIGHT {
            let problem = format!(
                "more than {MAX_HEIGHT} words belong together without a comma between them, those in brackets with them; \
                 take them apart"
            );
            return Err(Fault { place: token.span.start, problem });
        }
    }
    Ok(())
}

/// What joins queries into a tree, across the commas of their columns.
fn is_set_operator(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS)
}

/// What was read inside of one pair of brackets, or outside of all.
#[derive(Debug, Default)]
struct Level {
    /// Words since the last comma.
    run: usize,
    /// Height of the highest brackets since then.
    inside: usize,
    /// Height of the highest part between two commas before that.
    parts: usize,
    /// Operators that join queries. A comma does not part what they join.
    queries: usize,
}

impl Level {
    fn height(&self) -> usize {
        self.queries + self.parts.max(self.run + self.inside)
    }

    /// What follows a comma stands beside what was before it.
    fn split(&mut self) {
        self.parts = self.parts.max(self.run + self.inside);
        (self.run, self.inside) = (0, 0);
    }
}
