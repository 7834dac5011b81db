//! What is known of statements: which functions, operators and types are a server's own, and which queries compute.

use sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, DataType, Expr, GroupByExpr, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
};

/// Functions that every server has itself, and that read no data, take no time and change nothing. A name that a server does not have
/// may be one of a user's function.
const FUNCTIONS: &[&str] = &[
    "abs",
    "avg",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "coalesce",
    "concat",
    "count",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "floor",
    "greatest",
    "least",
    "left",
    "length",
    "localtime",
    "localtimestamp",
    "lower",
    "ltrim",
    "max",
    "min",
    "mod",
    "now",
    "nullif",
    "octet_length",
    "right",
    "round",
    "rtrim",
    "sign",
    "substr",
    "substring",
    "sum",
    "trim",
    "upper",
];
/// Those that PostgreSQL has beside them.
const POSTGRES_FUNCTIONS: &[&str] = &["array_agg", "btrim", "date_part", "date_trunc", "string_agg"];
/// Those that MySQL and MariaDB have beside them.
const MYSQL_FUNCTIONS: &[&str] =
    &["curdate", "day", "group_concat", "hour", "if", "ifnull", "minute", "month", "second", "year"];
/// Functions over windows. Old servers do not have them, but neither do they read OVER.
const WINDOW_FUNCTIONS: &[&str] = &["dense_rank", "first_value", "lag", "last_value", "lead", "rank", "row_number"];
/// Functions that keep a query what it is: it is not put into the one around it.
const AGGREGATES: &[&str] = &["array_agg", "avg", "count", "max", "min", "string_agg", "sum"];

/// The server has a function of this name, in small letters and without quotes, whoever else makes one.
pub(super) fn is_known_function(name: &str, is_over_window: bool, is_mysql: bool) -> bool {
    let own = if is_mysql { MYSQL_FUNCTIONS } else { POSTGRES_FUNCTIONS };
    FUNCTIONS.contains(&name) || own.contains(&name) || (is_over_window && WINDOW_FUNCTIONS.contains(&name))
}

pub(super) fn is_known_body(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => true,
        SetExpr::Update(_) | SetExpr::Delete(_) => true,
        SetExpr::SetOperation { left, right, .. } => is_known_body(left) && is_known_body(right),
        _ => false,
    }
}

/// It tells more than columns, and would be put into the query around it.
pub(super) fn computes(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => {
            let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(columns, _) if columns.is_empty());
            let is_kept = is_grouped || select.distinct.is_some() || select.projection.iter().any(is_aggregate);
            !is_kept && !select.projection.iter().all(is_column)
        }
        SetExpr::Query(query) => computes(&query.body),
        SetExpr::SetOperation { left, right, .. } => computes(left) || computes(right),
        // What is changed is told once.
        SetExpr::Update(_) | SetExpr::Delete(_) => false,
        _ => true,
    }
}

fn is_column(item: &SelectItem) -> bool {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_))
        }
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(_), _) => {
            true
        }
        _ => false,
    }
}

fn is_aggregate(item: &SelectItem) -> bool {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { return false };
    let Expr::Function(function) = expr else { return false };
    let name = function.name.to_string();
    function.over.is_none() && AGGREGATES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

pub(super) fn is_known_operator(operator: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(
        operator,
        B::Plus
            | B::Minus
            | B::Multiply
            | B::Divide
            | B::Modulo
            | B::Gt
            | B::Lt
            | B::GtEq
            | B::LtEq
            | B::Eq
            | B::NotEq
            | B::Spaceship
            | B::And
            | B::Or
            | B::StringConcat
    )
}

pub(super) fn is_built_in(data_type: &DataType) -> bool {
    use DataType as T;
    match data_type {
        T::Array(ArrayElemTypeDef::SquareBracket(element, _)) => is_built_in(element),
        T::Character(_)
        | T::Char(_)
        | T::CharacterVarying(_)
        | T::CharVarying(_)
        | T::Varchar(_)
        | T::Text
        | T::Uuid
        | T::Numeric(_)
        | T::Decimal(_)
        | T::Dec(_)
        | T::Float(_)
        | T::Real
        | T::Double(_)
        | T::DoublePrecision
        | T::SmallInt(_)
        | T::Int(_)
        | T::Integer(_)
        | T::BigInt(_)
        | T::Int2(_)
        | T::Int4(_)
        | T::Int8(_)
        | T::Float4
        | T::Float8
        | T::Signed
        | T::Unsigned
        | T::Bool
        | T::Boolean
        | T::Date
        | T::Time(..)
        | T::Datetime(_)
        | T::Timestamp(..)
        | T::Interval { .. } => true,
        _ => false,
    }
}
