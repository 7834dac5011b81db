//! What the definitions of triggers and virtual tables say.

use super::{closing, source, split, without_semicolon};
use crate::{
    engine::sqlite::token::{Token, tokens},
    model::schema::{TriggerEvent, TriggerTiming, VirtualModule},
};

/// What the definition of a trigger says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine::sqlite) struct TriggerText {
    /// When it fires.
    pub(in crate::engine::sqlite) timing: TriggerTiming,
    /// What it fires on.
    pub(in crate::engine::sqlite) event: TriggerEvent,
    /// Columns of UPDATE OF.
    pub(in crate::engine::sqlite) columns: Vec<String>,
    /// Condition; empty: none.
    pub(in crate::engine::sqlite) condition: String,
    /// The statements between BEGIN and END.
    pub(in crate::engine::sqlite) body: String,
}

/// Reads a CREATE TRIGGER.
pub(in crate::engine::sqlite) fn trigger(sql: &str) -> TriggerText {
    let tokens = tokens(sql);
    let mut at = after_name(&tokens);
    let timing = match tokens.get(at) {
        Some(token) if token.is("AFTER") => TriggerTiming::After,
        Some(token) if token.is("INSTEAD") => TriggerTiming::InsteadOf,
        _ => TriggerTiming::Before,
    };
    while tokens.get(at).is_some_and(|token| token.is_any(&["BEFORE", "AFTER", "INSTEAD", "OF"])) {
        at += 1;
    }
    let event = match tokens.get(at) {
        Some(token) if token.is("UPDATE") => TriggerEvent::Update,
        Some(token) if token.is("DELETE") => TriggerEvent::Delete,
        _ => TriggerEvent::Insert,
    };
    let columns = match tokens.get(at + 1) {
        Some(token) if token.is("OF") => names_before_on(&tokens[at + 2..]),
        _ => Vec::new(),
    };
    let begin = (at..tokens.len()).find(|at| tokens[*at].is("BEGIN") && !is_member(&tokens, *at));
    let header = &tokens[at..begin.unwrap_or(tokens.len())];
    let condition = header.iter().position(|token| token.is("WHEN")).map(|when| source(sql, &header[when + 1..]));
    let body = begin.map_or(&[][..], |begin| &tokens[begin + 1..]);
    let end = body.iter().rposition(|token| token.is("END")).unwrap_or(body.len());
    let body = source(sql, &body[..end]);
    TriggerText { timing, event, columns, condition: condition.unwrap_or_default(), body }
}

/// Reads module and arguments of a CREATE VIRTUAL TABLE.
pub(in crate::engine::sqlite) fn module(sql: &str) -> Option<VirtualModule> {
    let tokens = tokens(sql);
    let using = tokens.iter().position(|token| token.is("USING"))?;
    let name = tokens.get(using + 1)?.name()?;
    let rest = without_semicolon(&tokens[using + 2..]);
    let arguments = match rest.first() {
        Some(open) if open.is_symbol("(") => {
            split(&rest[1..closing(rest, 0)]).map(|argument| source(sql, argument)).collect()
        }
        _ => Vec::new(),
    };
    Some(VirtualModule { name, arguments })
}

/// Position after the trigger's own name, which may be a word that means something elsewhere.
fn after_name(tokens: &[Token<'_>]) -> usize {
    let Some(word) = tokens.iter().position(|token| token.is("TRIGGER")) else { return tokens.len() };
    let mut at = word + 1;
    if tokens.get(at).is_some_and(|token| token.is("IF")) && tokens.get(at + 1).is_some_and(|token| token.is("NOT")) {
        at += 3;
    }
    if tokens.get(at + 1).is_some_and(|token| token.is_symbol(".")) { at + 3 } else { at + 1 }
}

fn names_before_on(tokens: &[Token<'_>]) -> Vec<String> {
    let end = tokens.iter().position(|token| token.is("ON")).unwrap_or(tokens.len());
    split(&tokens[..end]).filter_map(|item| item.first().and_then(Token::name)).collect()
}

/// Whether a word comes after a point, as a column called `begin` does in `new.begin`.
fn is_member(tokens: &[Token<'_>], at: usize) -> bool {
    at > 0 && tokens[at - 1].is_symbol(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_a_trigger_are_read() {
        let text = trigger(
            "CREATE TRIGGER IF NOT EXISTS main.\"after\" INSTEAD OF UPDATE OF a, \"b c\" ON v FOR EACH ROW
             WHEN new.begin > 1 AND (old.a <> 'BEGIN') BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM t; END",
        );
        let expected = TriggerText {
            timing: TriggerTiming::InsteadOf,
            event: TriggerEvent::Update,
            columns: vec!["a".to_owned(), "b c".to_owned()],
            condition: "new.begin > 1 AND (old.a <> 'BEGIN')".to_owned(),
            body: "SELECT CASE WHEN 1 THEN 2 END; DELETE FROM t;".to_owned(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn a_trigger_of_few_words_fires_before() {
        let text = trigger("create trigger t delete on x begin select 1; end");
        assert_eq!((text.timing, text.event), (TriggerTiming::Before, TriggerEvent::Delete));
        assert_eq!((text.condition.as_str(), text.body.as_str()), ("", "select 1;"));
        let named = trigger("CREATE TRIGGER before AFTER INSERT ON x BEGIN SELECT 1; END");
        assert_eq!((named.timing, named.event), (TriggerTiming::After, TriggerEvent::Insert));
    }

    #[test]
    fn a_module_is_cut_at_its_commas() {
        let found = module("CREATE VIRTUAL TABLE x USING fts5(title, body UNINDEXED, tokenize = \"porter, ascii\");");
        let arguments = ["title", "body UNINDEXED", "tokenize = \"porter, ascii\""].map(str::to_owned).to_vec();
        assert_eq!(found, Some(VirtualModule { name: "fts5".to_owned(), arguments }));
        let bare = module("CREATE VIRTUAL TABLE x USING dbstat").unwrap();
        assert_eq!((bare.name.as_str(), bare.arguments.len()), ("dbstat", 0));
    }
}
