//! Indexes that no constraint brings along.

use super::{
    facts::Written,
    piece::{Place, Step, Subject},
    table::TableName,
};
use crate::{
    engine::postgres::dialect::{qualified, quoted},
    model::schema::{DdlKind, DdlStatement, Index, ObjectName, Table, TableKind},
};

pub(super) fn write(table: &Table, name: &TableName, written: &mut Written) {
    for index in &table.indexes {
        let own = index_name(index, name);
        // The index of a partitioned table is valid only when every partition has its part.
        if !index.valid && table.kind != TableKind::PartitionedTable {
            let subject = format!("index {}.{}", own.schema, own.name);
            let remedy = format!("REINDEX INDEX CONCURRENTLY {}, or drop it", qualified(&own));
            written.skip(subject, "it is not valid: the statement that built it failed or still runs", &remedy);
            continue;
        }
        if index.constraint.is_empty() {
            let create = subject(index, name).statement(index.definition.clone());
            written.add(Place::of(Step::Index, &own), [create].into_iter().chain(additions(index, name)));
        }
        if let Some(parent) = &index.partition_of {
            let attach = format!("ALTER INDEX {} ATTACH PARTITION {}", qualified(parent), qualified(&own));
            written.add(Place::of(Step::IndexPart, &own), [subject(index, name).statement(attach)]);
        }
    }
}

/// What is said of an index behind the statement that makes it: the server prints no tablespace.
pub(super) fn additions(index: &Index, table: &TableName) -> Vec<DdlStatement> {
    let subject = subject(index, table);
    let tablespace = (!index.tablespace.is_empty())
        .then(|| subject.statement(format!("ALTER {} SET TABLESPACE {}", subject.in_sql, quoted(&index.tablespace))));
    tablespace.into_iter().chain(subject.comment(&index.comment)).collect()
}

/// By which index the table was last ordered.
pub(super) fn clustering(table: &Table, name: &TableName) -> Option<DdlStatement> {
    let index = table.indexes.iter().find(|index| index.clustered)?;
    Some(name.statement(format!("ALTER {} CLUSTER ON {}", name.in_sql(), quoted(&index.name))))
}

fn subject(index: &Index, table: &TableName) -> Subject {
    let subject = Subject::in_schema(DdlKind::Index, "INDEX", &index_name(index, table));
    Subject { table: table.name.name.clone(), ..subject }
}

fn index_name(index: &Index, table: &TableName) -> ObjectName {
    ObjectName { schema: table.name.schema.clone(), name: index.name.clone() }
}
