//! What depends on a relation.

use sqlx::{
    Row,
    postgres::{PgRow, types::Oid},
};

use crate::{
    engine::postgres::database::ReadTransaction,
    model::{
        Result,
        schema::{Dependence, Dependent, DependentKind},
    },
};

const DEPENDENTS: &str = include_str!("catalog/dependents.sql");

/// What depends on a relation, in order and each once.
pub(super) async fn dependents(transaction: &mut ReadTransaction<'_>, oid: Oid) -> Result<Vec<Dependent>> {
    let query = transaction.query(DEPENDENTS).bind(oid);
    let mut dependents: Vec<Dependent> = transaction.rows(query).await?.iter().map(dependent).collect();
    dependents.sort_unstable();
    dependents.dedup();
    Ok(dependents)
}

fn dependent(row: &PgRow) -> Dependent {
    Dependent {
        kind: kind(row.get("kind")),
        schema: row.get("schema"),
        name: row.get("name"),
        dependence: dependence(row.get("dependence")),
        through: row.get("through"),
        columns: row.get::<Option<_>, _>("columns").unwrap_or_default(),
    }
}

/// The words are those of the query.
fn kind(word: &str) -> DependentKind {
    match word {
        "view" => DependentKind::View,
        "materialized view" => DependentKind::MaterializedView,
        "rule" => DependentKind::Rule,
        "sequence" => DependentKind::Sequence,
        "function" => DependentKind::Function,
        "procedure" => DependentKind::Procedure,
        "trigger" => DependentKind::Trigger,
        "policy" => DependentKind::Policy,
        "publication" => DependentKind::Publication,
        "type" => DependentKind::Type,
        _ => DependentKind::Table,
    }
}

fn dependence(word: &str) -> Dependence {
    match word {
        "references" => Dependence::References,
        "owned" => Dependence::Owned,
        "partition" => Dependence::Partition,
        "inherits" => Dependence::Inherits,
        "called" => Dependence::Called,
        "publishes" => Dependence::Publishes,
        "row type" => Dependence::RowType,
        _ => Dependence::Reads,
    }
}
