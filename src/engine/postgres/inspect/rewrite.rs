//! Row security policies and rewrite rules, which the server adds to the queries of others.

use sqlx::{Row, postgres::PgRow};

use super::{catalog::text, trigger::firing_state};
use crate::model::schema::{Command, Policy, Rule};

pub(super) fn policy(row: &PgRow) -> Policy {
    Policy {
        name: row.get("name"),
        command: match row.get("command") {
            "r" => Command::Select,
            "a" => Command::Insert,
            "w" => Command::Update,
            "d" => Command::Delete,
            _ => Command::All,
        },
        permissive: row.get("permissive"),
        roles: row.get("roles"),
        using_expression: text(row, "using_expression"),
        check_expression: text(row, "check_expression"),
        comment: text(row, "comment"),
    }
}

pub(super) fn rule(row: &PgRow) -> Rule {
    Rule {
        name: row.get("name"),
        command: match row.get("command") {
            "1" => Command::Select,
            "2" => Command::Update,
            "3" => Command::Insert,
            "4" => Command::Delete,
            _ => Command::All,
        },
        instead: row.get("instead"),
        state: firing_state(row.get("state")),
        definition: text(row, "definition"),
        comment: text(row, "comment"),
    }
}
