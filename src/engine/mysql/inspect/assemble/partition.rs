//! Partitions.

use sqlx::mysql::MySqlRow;

use super::super::catalog::{integer, text};
use crate::model::schema::{MysqlPartition, MysqlPartitioning};

/// The partitioning of a table; absent where it has none.
pub(super) fn partitioning(rows: &[MySqlRow]) -> Option<MysqlPartitioning> {
    let mut rows: Vec<&MySqlRow> = rows.iter().collect();
    rows.sort_by_key(|found| (integer(found, 3), integer(found, 4)));
    let first = rows.first()?;
    Some(MysqlPartitioning {
        method: text(first, 5),
        expression: text(first, 7),
        subpartition_method: text(first, 6),
        subpartition_expression: text(first, 8),
        partitions: rows.chunk_by(|one, next| text(one, 1) == text(next, 1)).map(partition).collect(),
    })
}

/// A partition is one row, or one row for each of its subpartitions, which take its comment where they have none.
fn partition(rows: &[&MySqlRow]) -> MysqlPartition {
    let Some(first) = rows.first() else { return MysqlPartition::default() };
    let whole = one(first, 1);
    if text(first, 2).is_empty() {
        return whole;
    }
    let subpartitions: Vec<MysqlPartition> = rows.iter().map(|found| one(found, 2)).collect();
    let sum = |figure: fn(&MysqlPartition) -> i64| subpartitions.iter().map(figure).sum();
    MysqlPartition {
        row_estimate: sum(|part| part.row_estimate.max(0)),
        data_size_bytes: sum(|part| part.data_size_bytes.max(0)),
        subpartitions: subpartitions.into_iter().map(|part| MysqlPartition { bound: String::new(), ..part }).collect(),
        ..whole
    }
}

/// For engines that have a login there.
pub(super) fn forget_comments(partitions: &mut [MysqlPartition]) {
    for partition in partitions {
        partition.comment.clear();
        forget_comments(&mut partition.subpartitions);
    }
}

fn one(found: &MySqlRow, name: usize) -> MysqlPartition {
    MysqlPartition {
        name: text(found, name),
        bound: text(found, 9),
        comment: text(found, 12),
        row_estimate: integer(found, 10),
        data_size_bytes: integer(found, 11),
        subpartitions: Vec::new(),
        tablespace: text(found, 13),
    }
}
