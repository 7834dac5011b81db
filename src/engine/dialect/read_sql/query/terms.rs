//! The columns in conditions.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value, Visit, Visitor};

use super::{QueryReader, Term, TermKind};

/// What a pattern of LIKE is known to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    /// It begins with a wildcard.
    Open,
    /// It begins with something else.
    Anchored,
    /// It stands in a parameter.
    Unknown,
}

impl QueryReader<'_> {
    pub(super) fn condition(&mut self, condition: Option<&Expr>, scope: usize) {
        let mut rest: Vec<&Expr> = condition.into_iter().collect();
        // A chain of ANDs is as high as it is long.
        while let Some(part) = rest.pop() {
            match part {
                Expr::BinaryOp { left, op: BinaryOperator::And, right } => rest.extend([right.as_ref(), left.as_ref()]),
                Expr::Nested(inside) => rest.push(inside),
                part => self.part(part, scope),
            }
        }
    }

    /// A condition that every row must pass.
    fn part(&mut self, part: &Expr, scope: usize) {
        match part {
            Expr::BinaryOp { left, op, right } => self.comparison(left, op, right, scope),
            Expr::Between { expr, negated: false, .. } => self.add(expr, TermKind::Range, scope),
            Expr::InList { expr, negated: false, .. } | Expr::IsNull(expr) => self.add(expr, TermKind::Equal, scope),
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, .. } => self.add(left, TermKind::Equal, scope),
            Expr::InSubquery { expr, subquery, negated } => {
                if !negated {
                    self.add(expr, TermKind::Equal, scope);
                }
                self.query(subquery, Some(scope));
            }
            Expr::Exists { subquery, .. } => {
                self.query(subquery, Some(scope));
            }
            Expr::UnaryOp { expr, .. } => self.inner_queries(expr, scope),
            part => self.search(part, scope),
        }
    }

    fn comparison(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, scope: usize) {
        use BinaryOperator as B;
        match op {
            B::Eq if is_column(left) && is_column(right) => {
                self.add(left, TermKind::Joined, scope);
                self.add(right, TermKind::Joined, scope);
            }
            B::Eq => self.either(left, right, TermKind::Equal, scope),
            // The range is another one in each row, for which there is no place in an index to begin at.
            B::Lt | B::LtEq | B::Gt | B::GtEq if names_column(left) && names_column(right) => {
                self.inner_queries(left, scope);
                self.inner_queries(right, scope);
            }
            B::Lt | B::LtEq | B::Gt | B::GtEq => self.either(left, right, TermKind::Range, scope),
            B::Or => self.alternatives(left, right, scope),
            _ => {}
        }
    }

    /// The one side that is a column, where the other is none.
    fn either(&mut self, left: &Expr, right: &Expr, kind: TermKind, scope: usize) {
        for (side, other) in [(left, right), (right, left)] {
            if is_column(side) && !is_column(other) {
                // What is computed of columns is known only where their rows are.
                let kind = if names_column(other) { TermKind::Joined } else { kind };
                self.add(side, kind, scope);
            }
            if let Expr::Subquery(query) = without_brackets(side) {
                self.query(query, Some(scope));
            }
        }
    }

    /// No index on one column serves alternatives, but each of several searches is one.
    fn alternatives(&mut self, left: &Expr, right: &Expr, scope: usize) {
        let mut rest = vec![right, left];
        while let Some(part) = rest.pop() {
            match part {
                Expr::BinaryOp { left, op: BinaryOperator::Or | BinaryOperator::And, right } => {
                    rest.extend([right.as_ref(), left.as_ref()]);
                }
                Expr::Nested(inside) => rest.push(inside),
                part => self.search(part, scope),
            }
        }
    }

    fn search(&mut self, part: &Expr, scope: usize) {
        let (expr, pattern) = match part {
            Expr::Like { negated: false, expr, pattern, .. } | Expr::ILike { negated: false, expr, pattern, .. } => {
                (expr, pattern)
            }
            Expr::Exists { .. } | Expr::InSubquery { .. } => return self.inner_queries(part, scope),
            _ => return,
        };
        match known(pattern) {
            Pattern::Open => self.add(lowered(expr), TermKind::Searched, scope),
            Pattern::Unknown => self.add(lowered(expr), TermKind::SearchedPerhaps, scope),
            Pattern::Anchored => {}
        }
    }

    fn inner_queries(&mut self, expr: &Expr, scope: usize) {
        match expr {
            Expr::Nested(inside) => self.inner_queries(inside, scope),
            Expr::Exists { subquery, .. } | Expr::InSubquery { subquery, .. } => {
                self.query(subquery, Some(scope));
            }
            _ => {}
        }
    }

    fn add(&mut self, expr: &Expr, kind: TermKind, scope: usize) {
        let (qualifier, column) = match without_brackets(expr) {
            Expr::Identifier(column) => (None, self.name(column)),
            Expr::CompoundIdentifier(parts) => {
                let [.., table, column] = parts.as_slice() else { return };
                (Some(self.name(table)), self.name(column))
            }
            _ => return,
        };
        self.shape.scopes[scope].terms.push(Term { qualifier, column, kind });
    }
}

fn without_brackets(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inside) = expr {
        expr = inside;
    }
    expr
}

fn is_column(expr: &Expr) -> bool {
    matches!(without_brackets(expr), Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

/// A column stands anywhere in it, but for queries of their own.
fn names_column(expr: &Expr) -> bool {
    struct Columns;
    impl Visitor for Columns {
        type Break = bool;

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<bool> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(true),
                Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(false),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    matches!(expr.visit(&mut Columns), ControlFlow::Break(true))
}

/// A search that does not regard case is one of the column all the same.
fn lowered(expr: &Expr) -> &Expr {
    let Expr::Function(function) = expr else { return expr };
    let name = function.name.to_string();
    let is_case = ["lower", "upper", "lcase", "ucase"].iter().any(|known| name.eq_ignore_ascii_case(known));
    match arguments(expr).as_slice() {
        [column] if is_case => column,
        _ => expr,
    }
}

fn known(pattern: &Expr) -> Pattern {
    match without_brackets(pattern) {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(_) => Pattern::Unknown,
            value => match value.clone().into_string() {
                Some(text) if text.starts_with(['%', '_']) => Pattern::Open,
                _ => Pattern::Anchored,
            },
        },
        // What is put together begins as its first part does.
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat, .. } => known(left),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("concat") => {
            arguments(pattern).first().map_or(Pattern::Unknown, |first| known(first))
        }
        Expr::Cast { expr, .. } => known(expr),
        _ => Pattern::Unknown,
    }
}

fn arguments(expr: &Expr) -> Vec<&Expr> {
    let Expr::Function(function) = expr else { return Vec::new() };
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let plain = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    plain.collect::<Option<Vec<_>>>().unwrap_or_default()
}
