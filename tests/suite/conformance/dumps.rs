//! Dumps and restores.

use dbkeeper::{
    engine::{
        Database,
        dump::{DumpReader, DumpReport, RestoreTarget},
    },
    model::{OperationId, Reason, backup::TableCount, schema::Table},
};
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::{Fixture, all_tables, open, sample};

async fn dump(database: &dyn Database) -> (Vec<u8>, DumpReport) {
    let dump = database.dump().unwrap();
    let plan = dump.plan_dump().await.unwrap();
    assert!(!plan.tool.is_empty());
    let mut running = dump.start_dump(&OperationId::generate(), CancellationToken::new()).await.unwrap();
    let mut bytes = Vec::new();
    running.take_reader().read_to_end(&mut bytes).await.unwrap();
    let report = running.finish().await.unwrap();
    (bytes, report)
}

fn reader(bytes: Vec<u8>) -> DumpReader {
    Box::new(std::io::Cursor::new(bytes))
}

/// What must be equal of two databases: sizes, estimates and the name of the database itself are left out.
fn comparable(mut tables: Vec<Table>, schema: &str) -> Vec<Table> {
    for table in &mut tables {
        (table.row_estimate, table.data_size_bytes, table.index_size_bytes) = (0, 0, 0);
        table.schema = table.schema.replace(schema, "");
        table.view_definition = table.view_definition.replace(schema, "");
        table.indexes.iter_mut().for_each(|index| index.size_bytes = 0);
        for key in &mut table.foreign_keys {
            key.referenced_schema = key.referenced_schema.replace(schema, "");
        }
    }
    tables
}

pub(crate) async fn a_restored_database_equals_its_source(fixture: &impl Fixture) {
    let (source, database) = sample(fixture).await;
    let (bytes, report) = dump(&*database).await;
    let dump = database.dump().unwrap();
    let counts = dump.count_rows(&source).await.unwrap();
    assert_eq!(report.table_counts, counts);
    let rows = |table: &str| counts.iter().find(|count| count.table == table).map(|count: &TableCount| count.rows);
    assert_eq!((rows("orders"), rows("numbers"), rows("empty_table")), (Some(3), Some(5000), Some(0)));
    dump.decode(reader(bytes.clone())).await.unwrap();

    for (target, expected) in
        [(fixture.unused_database(), RestoreTarget::New), (fixture.create_database().await, RestoreTarget::Empty)]
    {
        assert_eq!(dump.check_restore(&target).await.unwrap(), expected);
        let operation = OperationId::generate();
        dump.restore(&operation, &target, expected, reader(bytes.clone()), CancellationToken::new()).await.unwrap();
        assert_eq!(dump.count_rows(&target).await.unwrap(), counts);
        assert_eq!(fixture.checksums(&target).await, fixture.checksums(&source).await);
        assert_eq!(fixture.definitions(&target).await, fixture.definitions(&source).await);
        let restored = open(fixture, &target).await;
        let found = comparable(all_tables(&*restored).await, &fixture.schema(&target));
        assert_eq!(found, comparable(all_tables(&*database).await, &fixture.schema(&source)));
        assert!(!dump.discard_restore(&operation, &target).await.unwrap(), "a whole restore carries no mark");
    }
}

pub(crate) async fn a_database_with_tables_is_not_restored_into(fixture: &impl Fixture) {
    let (name, database) = sample(fixture).await;
    let before = fixture.checksums(&name).await;
    let (bytes, _) = dump(&*database).await;
    let dump = database.dump().unwrap();
    assert_eq!(dump.check_restore(&name).await.unwrap_err().reason(), Reason::TargetNotEmpty);
    let operation = OperationId::generate();
    let restored = dump.restore(&operation, &name, RestoreTarget::Empty, reader(bytes), CancellationToken::new());
    assert!(restored.await.is_err());
    assert_eq!(fixture.checksums(&name).await, before);
}

pub(crate) async fn a_cut_dump_does_not_restore(fixture: &impl Fixture) {
    let (_, database) = sample(fixture).await;
    let (mut bytes, _) = dump(&*database).await;
    bytes.truncate(bytes.len() * 2 / 3);
    let dump = database.dump().unwrap();
    let target = fixture.unused_database();
    let operation = OperationId::generate();
    let restored = dump.restore(&operation, &target, RestoreTarget::New, reader(bytes), CancellationToken::new());
    assert!(restored.await.is_err());
    assert_eq!(dump.check_restore(&target).await.unwrap(), RestoreTarget::New, "what was new is gone again");
}
