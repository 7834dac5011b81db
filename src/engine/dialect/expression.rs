//! Expressions of an engine in the words that all engines share, where they can be said in them.

mod clock;
mod constant;
mod sharing;

use sqlparser::{
    ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value},
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Token, Tokenizer},
};

use self::{
    clock::is_now,
    constant::{Constant, constant_default, fits},
    sharing::Sharing,
};
use super::Dialect;
use crate::model::{
    connection::EngineKind,
    schema::{NeutralType, definition::DefaultValue},
};

/// A longer expression is left as the engine writes it.
const MAX_LENGTH: usize = 4 * 1024;
/// So is one of more words, or with a query in it: the parser and what walks its tree call themselves for each level, on the stack
/// of whoever asks.
const MAX_WORDS: usize = 250;
/// What makes a random UUID, each in one engine.
const UUIDS: [&str; 3] = ["gen_random_uuid", "uuid", "uuid_generate_v4"];

/// What a default of a live database or of a statement comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeantDefault {
    /// None, or NULL, which is the same.
    Nothing,
    /// The next number of a sequence.
    NextNumber,
    /// A value or an expression.
    Value(DefaultValue),
}

/// What the columns that an expression may name hold; absent for one that is not known or has no neutral type.
pub(in crate::engine) type ColumnTypes<'a> = &'a dyn Fn(&str) -> Option<NeutralType>;

/// An expression in shared words, or as it is with the engine that it is of.
pub(in crate::engine) fn shared(
    dialect: &dyn Dialect,
    text: &str,
    columns: ColumnTypes<'_>,
) -> (String, Option<EngineKind>) {
    match parse(dialect, text).and_then(|expression| portable(dialect, &expression, columns)) {
        Some(text) => (text, None),
        None => (text.trim().to_owned(), Some(dialect.engine())),
    }
}

/// What a default means for a column that holds that.
pub(in crate::engine) fn default(dialect: &dyn Dialect, text: &str, neutral: Option<NeutralType>) -> MeantDefault {
    match dialect.named_default(text, neutral) {
        Some(named) => MeantDefault::Value(named),
        None => parse(dialect, text)
            .and_then(|expression| shared_default(dialect, &expression, neutral))
            .unwrap_or_else(|| {
                MeantDefault::Value(DefaultValue::Expression {
                    text: text.trim().to_owned(),
                    engine: Some(dialect.engine()),
                })
            }),
    }
}

/// What a default means in shared words; absent where they have none for it.
pub(super) fn shared_default(
    dialect: &dyn Dialect,
    expression: &Expr,
    neutral: Option<NeutralType>,
) -> Option<MeantDefault> {
    let in_words = || {
        portable(dialect, expression, &|_| None)
            .map(|text| MeantDefault::Value(DefaultValue::Expression { text, engine: None }))
    };
    value(dialect, expression, neutral).or_else(in_words)
}

fn parse(dialect: &dyn Dialect, text: &str) -> Option<Expr> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let grammar = dialect.grammar();
    let tokens = Tokenizer::new(grammar.as_ref(), text).tokenize().ok()?;
    let words = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).count();
    let is_query = |token: &Token| matches!(token, Token::Word(word) if word.keyword == Keyword::SELECT);
    if words > MAX_WORDS || tokens.iter().any(is_query) {
        return None;
    }
    let mut parser = Parser::new(grammar.as_ref()).with_tokens(tokens);
    let expression = parser.parse_expr().ok()?;
    (parser.peek_token().token == Token::EOF).then_some(expression)
}

fn value(dialect: &dyn Dialect, expression: &Expr, neutral: Option<NeutralType>) -> Option<MeantDefault> {
    if let Some(found) = constant_default(dialect, expression, neutral) {
        let literal = |text: String| fits(&text, neutral).then_some(MeantDefault::Value(DefaultValue::Literal(text)));
        return match found {
            Constant::Null => Some(MeantDefault::Nothing),
            Constant::Boolean(found) => literal(found.to_string()),
            Constant::Number(text) | Constant::Text(text)
                if neutral == Some(NeutralType::Boolean) && matches!(text.as_str(), "0" | "1") =>
            {
                literal((text == "1").to_string())
            }
            Constant::Number(text) if is_numeric(neutral) => literal(text),
            Constant::Number(_) => None,
            Constant::Text(text) => literal(text),
        };
    }
    match bare(expression) {
        Expr::Function(function) => named(dialect, function, neutral),
        Expr::Identifier(name) if name.quote_style.is_none() && is_now(dialect, &name.value, neutral) => {
            Some(MeantDefault::Value(DefaultValue::CurrentTimestamp))
        }
        _ => None,
    }
}

fn named(dialect: &dyn Dialect, function: &Function, neutral: Option<NeutralType>) -> Option<MeantDefault> {
    let mut parts = Vec::new();
    for part in &function.name.0 {
        parts.push(part.as_ident()?.value.to_lowercase());
    }
    // One of another schema is somebody's own.
    let name = match parts.as_slice() {
        [name] => name.as_str(),
        [schema, name] if schema == "pg_catalog" && dialect.engine() == EngineKind::Postgresql => name.as_str(),
        _ => return None,
    };
    if name == "nextval" {
        return Some(MeantDefault::NextNumber);
    }
    // The digits of a second are all that such a function may be given.
    let arguments = match &function.args {
        FunctionArguments::None => &[][..],
        FunctionArguments::List(list) => &list.args,
        FunctionArguments::Subquery(_) => return None,
    };
    let are_digits = arguments.iter().all(|argument| {
        matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(found))) if matches!(found.value, Value::Number(..)))
    });
    if is_now(dialect, name, neutral) && are_digits {
        return Some(MeantDefault::Value(DefaultValue::CurrentTimestamp));
    }
    (UUIDS.contains(&name) && arguments.is_empty()).then_some(MeantDefault::Value(DefaultValue::NewUuid))
}

fn is_numeric(neutral: Option<NeutralType>) -> bool {
    use NeutralType as T;
    matches!(neutral, Some(T::Integer { .. } | T::Decimal { .. } | T::Float { .. }))
}

/// An expression without brackets around it.
fn bare(expression: &Expr) -> &Expr {
    match expression {
        Expr::Nested(inner) => bare(inner),
        Expr::Prefixed { value, .. } => bare(value),
        other => other,
    }
}

/// An expression in shared words; absent where a part of it means something else elsewhere, or nothing.
pub(in crate::engine) fn portable(
    dialect: &dyn Dialect,
    expression: &Expr,
    columns: ColumnTypes<'_>,
) -> Option<String> {
    Sharing { dialect, columns }.whole(expression)
}

#[cfg(test)]
mod tests;
