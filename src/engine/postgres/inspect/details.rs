//! Everything about a list of relations: one query for each kind of detail over all of them, put together by oid. Reading and
//! putting together are apart, so that the server answers the next queries meanwhile.

use std::collections::{BTreeSet, HashMap};

use sqlx::{
    Row,
    postgres::{PgRow, types::Oid},
};

use super::{
    catalog::{object_name, text},
    column::COLUMN_HAS_GRANTS,
    constraint::PendingExclusion,
    index::{OperatorClasses, classes_of_plain, is_plain, not_plain},
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
const COLUMNS: &str = include_str!("catalog/columns.sql");
const INDEXES: &str = include_str!("catalog/indexes.sql");
const INDEX_PARTS: &str = include_str!("catalog/index_parts.sql");
const OPERATOR_CLASSES: &str = include_str!("catalog/operator_classes.sql");
const GRANTS: &str = include_str!("catalog/grants.sql");
const SEQUENCES: &str = include_str!("catalog/sequences.sql");
/// What is read of all relations and added to them once their columns are there.
const STEPS: [(&str, AddRow); 9] = [
    (include_str!("catalog/comments.sql"), Draft::add_comment),
    (include_str!("catalog/constraints.sql"), Draft::add_constraint),
    (include_str!("catalog/triggers.sql"), Draft::add_trigger),
    (include_str!("catalog/views.sql"), Draft::add_view),
    (include_str!("catalog/policies.sql"), Draft::add_policy),
    (include_str!("catalog/rules.sql"), Draft::add_rule),
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

/// What the catalogs tell of some relations.
pub(super) struct Details {
    oids: Vec<Oid>,
    relations: Vec<PgRow>,
    indexes: Vec<PgRow>,
    operator_classes: Vec<PgRow>,
    /// In the order in which they are added: names of columns are needed by what comes after them, indexes by their parts.
    additions: Vec<(AddRow, Vec<PgRow>)>,
}

impl Details {
    /// Reads everything about relations of which none is locked.
    pub(super) async fn read(
        transaction: &mut ReadTransaction<'_>,
        oids: &[Oid],
        locked: &[Oid],
        gaps: &mut Gaps,
    ) -> Result<Self> {
        let relations = read(transaction, RELATIONS, oids).await?;
        let columns = read(transaction, COLUMNS, oids).await?;
        let indexes = read(transaction, INDEXES, oids).await?;
        let operator_classes = read(transaction, OPERATOR_CLASSES, &classes_of_plain(&indexes)).await?;
        let parts = read(transaction, INDEX_PARTS, &not_plain(&indexes)).await?;
        let grants = read(transaction, GRANTS, &with_grants(&relations, &columns)).await?;
        let mut additions: Vec<(AddRow, Vec<PgRow>)> = vec![(Draft::add_column, columns)];
        for (sql, add) in STEPS {
            additions.push((add, read(transaction, sql, oids).await?));
        }
        let query = transaction.query(SEQUENCES).bind(oids).bind(locked);
        let sequences = transaction.rows(query).await?;
        sequences.iter().for_each(|row| gaps.add_sequence(row, locked));
        additions.extend([
            (Draft::add_index_part as AddRow, parts),
            (Draft::add_grant as AddRow, grants),
            (Draft::add_sequence as AddRow, sequences),
        ]);
        Ok(Self { oids: oids.to_vec(), relations, indexes, operator_classes, additions })
    }

    /// Puts the tables together, in the order in which they were asked for.
    pub(super) fn into_tables(self) -> Vec<Table> {
        let mut drafts: HashMap<Oid, Draft> =
            self.relations.iter().map(|row| (row.get("oid"), Draft::new(row))).collect();
        let classes = OperatorClasses::new(&self.operator_classes);
        for row in &self.indexes {
            if let Some(draft) = drafts.get_mut(&row.get(0)) {
                draft.add_index(row);
            }
        }
        for (add, rows) in &self.additions {
            for row in rows {
                if let Some(draft) = drafts.get_mut(&row.get(0)) {
                    add(draft, row);
                }
            }
        }
        for row in self.indexes.iter().filter(|row| is_plain(row)) {
            if let Some(draft) = drafts.get_mut(&row.get(0)) {
                draft.add_plain_parts(row, &classes);
            }
        }
        self.oids.iter().filter_map(|oid| drafts.remove(oid)).map(Draft::finish).collect()
    }
}

/// The rows of a query over relations or other things by their numbers; without numbers none, and no query.
async fn read(transaction: &mut ReadTransaction<'_>, sql: &'static str, oids: &[Oid]) -> Result<Vec<PgRow>> {
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let query = transaction.query(sql).bind(oids);
    transaction.rows(query).await
}

/// Relations on which, or on whose columns, somebody granted or revoked a privilege.
fn with_grants(relations: &[PgRow], columns: &[PgRow]) -> Vec<Oid> {
    let of_relations = relations.iter().filter(|row| row.get("has_grants")).map(|row| row.get("oid"));
    let of_columns = columns.iter().filter(|row| row.get(COLUMN_HAS_GRANTS)).map(|row| row.get(0));
    let oids: BTreeSet<u32> = of_relations.chain(of_columns).map(|oid: Oid| oid.0).collect();
    oids.into_iter().map(Oid).collect()
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

    fn add_comment(&mut self, row: &PgRow) {
        let comment = text(row, "comment");
        match self.column_names.get(&row.get("column")) {
            Some(name) => {
                let column = self.table.columns.iter_mut().find(|column| column.name == *name);
                column.into_iter().for_each(|column| column.comment.clone_from(&comment));
            }
            None => self.table.comment = comment,
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
