//! Everything about a list of relations: one query for each kind of detail over all of them, put together by oid.

use std::collections::HashMap;

use sqlx::{
    Row,
    postgres::{PgRow, types::Oid},
};

use super::{
    catalog::{object_name, text},
    constraint::PendingExclusion,
    lock::Gaps,
    relation, rewrite,
    sql_text::list_terms,
    trigger,
};
use crate::{
    engine::postgres::database::ReadTransaction,
    model::{
        Result,
        schema::{
            ExtendedStatistics, IndexTerm, ObjectGrant, ObjectName, PartitionOf, PartitionStrategy, PartitionTerm,
            PostgresPartitioning, PostgresTable, SequenceOptions, Table, TableDetails,
        },
    },
};

const RELATIONS: &str = include_str!("catalog/relations.sql");
const SEQUENCES: &str = include_str!("catalog/sequences.sql");
/// What is added to the relations, in this order: names of columns are needed by what comes after them, indexes by their parts.
const STEPS: [(&str, AddRow); 12] = [
    (include_str!("catalog/columns.sql"), Draft::add_column),
    (include_str!("catalog/constraints.sql"), Draft::add_constraint),
    (include_str!("catalog/indexes.sql"), Draft::add_index),
    (include_str!("catalog/index_parts.sql"), Draft::add_index_part),
    (include_str!("catalog/triggers.sql"), Draft::add_trigger),
    (include_str!("catalog/views.sql"), Draft::add_view),
    (include_str!("catalog/policies.sql"), Draft::add_policy),
    (include_str!("catalog/rules.sql"), Draft::add_rule),
    (include_str!("catalog/grants.sql"), Draft::add_grant),
    (include_str!("catalog/statistics.sql"), Draft::add_statistics),
    (include_str!("catalog/parents.sql"), Draft::add_parent),
    (include_str!("catalog/partitioning.sql"), Draft::add_partitioning),
];

/// Adds what a row tells to its table.
type AddRow = fn(&mut Draft, &PgRow);

/// A table that is being put together. Catalogs name columns by number, and numbers have gaps.
pub(super) struct Draft {
    pub(super) table: Table,
    pub(super) postgres: PostgresTable,
    pub(super) column_names: HashMap<i16, String>,
    pub(super) index_places: HashMap<Oid, usize>,
    pub(super) exclusions: Vec<PendingExclusion>,
    bound: Option<String>,
}

/// Reads everything about relations of which none is locked, and returns the tables in the same order.
pub(super) async fn read_details(
    transaction: &mut ReadTransaction<'_>,
    oids: &[Oid],
    locked: &[Oid],
    gaps: &mut Gaps,
) -> Result<Vec<Table>> {
    let query = transaction.query(RELATIONS).bind(oids);
    let relations = transaction.rows(query).await?;
    let mut drafts: HashMap<Oid, Draft> = relations.iter().map(|row| (row.get("oid"), Draft::new(row))).collect();
    for (sql, add) in STEPS {
        let query = transaction.query(sql).bind(oids);
        for row in &transaction.rows(query).await? {
            if let Some(draft) = drafts.get_mut(&row.get(0)) {
                add(draft, row);
            }
        }
    }
    let query = transaction.query(SEQUENCES).bind(oids).bind(locked);
    for row in &transaction.rows(query).await? {
        gaps.add_sequence(row, locked);
        if let Some(draft) = drafts.get_mut(&row.get("relation")) {
            draft.add_sequence(row);
        }
    }
    Ok(oids.iter().filter_map(|oid| drafts.remove(oid)).map(Draft::finish).collect())
}

impl Draft {
    fn new(row: &PgRow) -> Self {
        Self {
            table: relation::table(row),
            postgres: relation::postgres_table(row),
            column_names: HashMap::new(),
            index_places: HashMap::new(),
            exclusions: Vec::new(),
            bound: row.get("bound"),
        }
    }

    fn add_trigger(&mut self, row: &PgRow) {
        self.table.triggers.push(trigger::read(row));
    }

    fn add_view(&mut self, row: &PgRow) {
        self.table.view_definition = row.get::<Option<String>, _>(1).unwrap_or_default();
    }

    fn add_policy(&mut self, row: &PgRow) {
        self.postgres.policies.push(rewrite::policy(row));
    }

    fn add_rule(&mut self, row: &PgRow) {
        self.postgres.rules.push(rewrite::rule(row));
    }

    fn add_grant(&mut self, row: &PgRow) {
        self.table.grants.push(ObjectGrant { column: row.get("column_name"), ..grant(row) });
    }

    fn add_statistics(&mut self, row: &PgRow) {
        self.postgres.statistics.push(ExtendedStatistics {
            name: ObjectName { schema: row.get("schema"), name: row.get("name") },
            definition: text(row, "definition"),
            target: row.get("target"),
            comment: text(row, "comment"),
        });
    }

    fn add_parent(&mut self, row: &PgRow) {
        let parent = ObjectName { schema: row.get("schema"), name: row.get("name") };
        match self.bound.take() {
            Some(bound) => self.postgres.partition_of = Some(PartitionOf { parent, bound }),
            None => self.postgres.inherits.push(parent),
        }
    }

    fn add_partitioning(&mut self, row: &PgRow) {
        let expressions: Option<String> = row.get("expressions");
        let mut expressions = expressions.as_deref().map(list_terms).unwrap_or_default().into_iter();
        let [classes, collations]: [Vec<String>; 2] = [row.get("classes"), row.get("collations")];
        let numbers: Vec<i16> = row.get("columns");
        let terms = numbers.iter().zip(classes).zip(collations).map(|((number, operator_class), collation)| {
            let term = match self.column_names.get(number) {
                Some(name) => IndexTerm::Column(name.clone()),
                None => IndexTerm::Expression(expressions.next().unwrap_or_default().to_owned()),
            };
            PartitionTerm { term, collation, operator_class }
        });
        self.postgres.partitioning = Some(PostgresPartitioning {
            strategy: match row.get("strategy") {
                "l" => PartitionStrategy::List,
                "h" => PartitionStrategy::Hash,
                _ => PartitionStrategy::Range,
            },
            terms: terms.collect(),
            default_partition: object_name(row, "default_schema", "default_name"),
        });
    }

    fn add_sequence(&mut self, row: &PgRow) {
        let Some(name) = self.column_names.get(&row.get("number")) else { return };
        let column = self.table.columns.iter_mut().find(|column| column.name == *name);
        column.into_iter().for_each(|column| {
            column.sequence.get_or_insert_with(|| sequence(row));
        });
    }

    pub(super) fn names(&self, numbers: &[i16]) -> Vec<String> {
        numbers.iter().filter_map(|number| self.column_names.get(number).cloned()).collect()
    }

    fn finish(mut self) -> Table {
        self.table.exclusions = self.finish_exclusions();
        self.name_indexes_of_keys();
        self.table.grants.sort_unstable();
        self.table.details = Some(TableDetails::Postgres(Box::new(self.postgres)));
        self.table
    }
}

/// A privilege on an object as a whole.
pub(super) fn grant(row: &PgRow) -> ObjectGrant {
    ObjectGrant {
        grantee: row.get("grantee"),
        grantor: row.get("grantor"),
        privilege: row.get("privilege"),
        grantable: row.get("grantable"),
        column: String::new(),
    }
}

/// What a number generator does.
pub(super) fn sequence(row: &PgRow) -> SequenceOptions {
    SequenceOptions {
        sequence: object_name(row, "schema", "name"),
        data_type: row.get("data_type"),
        start: row.get("start"),
        increment: row.get("increment"),
        minimum: row.get("minimum"),
        maximum: row.get("maximum"),
        cache: row.get("cache"),
        cycle: row.get("cycle"),
        last_value: row.get("last_value"),
    }
}
