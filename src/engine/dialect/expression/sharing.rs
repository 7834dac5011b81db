//! Writes an expression of an engine in the words that all engines share.

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, UnaryOperator,
};

use super::{
    super::{Dialect, is_plain},
    ColumnTypes, bare,
    clock::is_clock,
    constant::{Constant, constant},
};
use crate::{
    engine::Engines,
    model::{connection::EngineKind, schema::NeutralType},
};

/// An expression that is nested deeper is left as the engine writes it.
const MAX_DEPTH: usize = 100;
/// Functions that mean the same everywhere.
const FUNCTIONS: [&str; 5] = ["abs", "coalesce", "lower", "nullif", "upper"];

/// How tightly a part of an expression holds together; a part is put in brackets inside of one that holds more tightly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hold {
    Or,
    And,
    Not,
    Compare,
    Add,
    Multiply,
    Whole,
}

/// Writes an expression of an engine in shared words.
pub(super) struct Sharing<'a> {
    /// The engine that it is of.
    pub(super) dialect: &'a dyn Dialect,
    /// What the columns that it names hold.
    pub(super) columns: ColumnTypes<'a>,
}

impl Sharing<'_> {
    /// The expression as a whole; absent where a part of it means something else elsewhere, or nothing.
    pub(super) fn whole(&self, expression: &Expr) -> Option<String> {
        self.written(expression, None, MAX_DEPTH).map(|(text, _)| text)
    }

    fn written(&self, expression: &Expr, beside: Option<NeutralType>, depth: usize) -> Option<(String, Hold)> {
        let depth = depth.checked_sub(1)?;
        if let Some(found) = constant(self.dialect, expression, beside) {
            let is_below_zero = matches!(&found, Constant::Number(text) if text.starts_with('-'));
            return Some((found.written(), if is_below_zero { Hold::Multiply } else { Hold::Whole }));
        }
        let part = |part: &Expr, hold: Hold| self.inside(part, None, hold, depth);
        Some(match bare(expression) {
            // What tells the time is no column.
            Expr::Identifier(name) if name.quote_style.is_none() && is_clock(&name.value) => return None,
            Expr::Identifier(name) => (column(name), Hold::Whole),
            Expr::Cast { expr, data_type, .. } => (self.column_as_text(expr, &data_type.to_string())?, Hold::Whole),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
                (format!("-{}", part(expr, Hold::Whole)?), Hold::Multiply)
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => (format!("NOT {}", part(expr, Hold::Not)?), Hold::Not),
            Expr::IsNull(inner) => (format!("{} IS NULL", part(inner, Hold::Add)?), Hold::Compare),
            Expr::IsNotNull(inner) => (format!("{} IS NOT NULL", part(inner, Hold::Add)?), Hold::Compare),
            Expr::BinaryOp { left, op, right } => {
                let (word, own, of_left, of_right) = operator(op)?;
                let left_text = self.inside(left, self.held_beside(right, left), of_left, depth)?;
                let right_text = self.inside(right, self.held_beside(left, right), of_right, depth)?;
                (format!("{left_text} {word} {right_text}"), own)
            }
            Expr::Between { expr, negated, low, high } => {
                let not = if *negated { "NOT " } else { "" };
                let bound = |bound: &Expr| self.inside(bound, self.held_beside(expr, bound), Hold::Add, depth);
                let (expr, low, high) = (part(expr, Hold::Add)?, bound(low)?, bound(high)?);
                (format!("{expr} {not}BETWEEN {low} AND {high}"), Hold::Compare)
            }
            Expr::InList { expr, list, negated } => (self.in_list(expr, list, *negated, depth)?, Hold::Compare),
            // PostgreSQL keeps a list as an array.
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                (self.in_list(left, self.array(right)?, false, depth)?, Hold::Compare)
            }
            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => {
                (self.in_list(left, self.array(right)?, true, depth)?, Hold::Compare)
            }
            Expr::Function(function) => (self.call(function, depth)?, Hold::Whole),
            _ => return None,
        })
    }

    fn inside(&self, expression: &Expr, beside: Option<NeutralType>, hold: Hold, depth: usize) -> Option<String> {
        let (text, own) = self.written(expression, beside, depth)?;
        Some(if own < hold { format!("({text})") } else { text })
    }

    /// What the column holds that stands beside a part with a cast.
    fn held_beside(&self, beside: &Expr, part: &Expr) -> Option<NeutralType> {
        match (bare(beside), bare(part)) {
            (Expr::Identifier(name), Expr::Cast { .. }) => self.held_by(name),
            _ => None,
        }
    }

    fn held_by(&self, name: &Ident) -> Option<NeutralType> {
        match name.quote_style {
            Some(_) => (self.columns)(&name.value),
            None => (self.columns)(&self.dialect.fold(&name.value)),
        }
    }

    /// The name of a text that PostgreSQL compares as text; the cast of anything else changes what is compared.
    fn column_as_text(&self, expression: &Expr, data_type: &str) -> Option<String> {
        let is_text = self.dialect.declared_type(data_type) == Some(NeutralType::Text { length: None });
        match bare(expression) {
            Expr::Identifier(name) if is_text && self.dialect.engine() == EngineKind::Postgresql => {
                matches!(self.held_by(name), Some(NeutralType::Text { .. })).then(|| column(name))
            }
            _ => None,
        }
    }

    fn in_list(&self, expression: &Expr, list: &[Expr], negated: bool, depth: usize) -> Option<String> {
        let item = |item: &Expr| self.inside(item, self.held_beside(expression, item), Hold::Or, depth);
        let list: Vec<String> = list.iter().map(item).collect::<Option<_>>()?;
        let not = if negated { "NOT " } else { "" };
        Some(format!("{} {not}IN ({})", self.inside(expression, None, Hold::Add, depth)?, list.join(", ")))
    }

    /// The parts of an array, which may be strings with a cast to an array of texts.
    fn array<'e>(&self, expression: &'e Expr) -> Option<&'e [Expr]> {
        match bare(expression) {
            Expr::Array(array) => Some(&array.elem),
            Expr::Cast { expr, data_type, .. } => {
                let data_type = data_type.to_string();
                let to = self.dialect.declared_type(data_type.strip_suffix("[]")?);
                let is_string = |part: &Expr| matches!(constant(self.dialect, part, None), Some(Constant::Text(_)));
                let parts = self.array(expr)?;
                let is_kept = to == Some(NeutralType::Text { length: None }) && parts.iter().all(is_string);
                is_kept.then_some(parts)
            }
            _ => None,
        }
    }

    fn call(&self, function: &Function, depth: usize) -> Option<String> {
        let name = function.name.0.first()?.as_ident()?.value.to_lowercase();
        if function.name.0.len() != 1 || !FUNCTIONS.contains(&name.as_str()) {
            return None;
        }
        let FunctionArguments::List(list) = &function.args else { return None };
        let argument = |argument: &FunctionArg| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => self.inside(expression, None, Hold::Or, depth),
            _ => None,
        };
        let arguments: Vec<String> = list.args.iter().map(argument).collect::<Option<_>>()?;
        Some(format!("{name}({})", arguments.join(", ")))
    }
}

/// The operator as all write it, how tightly it holds, and how tightly its sides must.
fn operator(operator: &BinaryOperator) -> Option<(&'static str, Hold, Hold, Hold)> {
    use BinaryOperator as B;
    let compare = |word| (word, Hold::Compare, Hold::Add, Hold::Add);
    Some(match operator {
        B::Or => ("OR", Hold::Or, Hold::Or, Hold::Or),
        B::And => ("AND", Hold::And, Hold::And, Hold::And),
        B::Eq => compare("="),
        B::NotEq => compare("<>"),
        B::Lt => compare("<"),
        B::LtEq => compare("<="),
        B::Gt => compare(">"),
        B::GtEq => compare(">="),
        B::Plus => ("+", Hold::Add, Hold::Add, Hold::Multiply),
        B::Minus => ("-", Hold::Add, Hold::Add, Hold::Multiply),
        B::Multiply => ("*", Hold::Multiply, Hold::Multiply, Hold::Whole),
        // What `/` and `||` mean differs.
        _ => return None,
    })
}

/// A name that every engine reads: in double quotes where it is not plain or one of them has it reserved.
fn column(name: &Ident) -> String {
    let kinds = [EngineKind::Postgresql, EngineKind::Mysql, EngineKind::Sqlite];
    let is_reserved =
        |kind: EngineKind| Engines::dialect(kind).is_ok_and(|dialect: &dyn Dialect| dialect.is_reserved(&name.value));
    let is_free = is_plain(&name.value) && !kinds.into_iter().any(is_reserved);
    if is_free { name.value.clone() } else { format!("\"{}\"", name.value.replace('"', "\"\"")) }
}
