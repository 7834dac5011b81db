use super::{recordable, write};
use crate::{
    engine::Engines,
    model::{
        Detail, Error,
        backup::BackupSchema,
        connection::EngineKind,
        schema::definition::{
            ColumnDefinition, ColumnType, MAX_GENERATED, SchemaDefinition, TableDefinition, TypeDefinition, TypeShape,
            Unmapped,
        },
    },
};

/// What stands in the way of a table whose columns are all of that type.
fn refusal(column_type: &str, columns: usize, engine: EngineKind, types: Vec<TypeDefinition>) -> Error {
    let column = |place: usize| ColumnDefinition {
        name: format!("c{place}"),
        column_type: ColumnType::try_from(column_type.to_owned()).unwrap(),
        ..ColumnDefinition::default()
    };
    let columns = (0..columns).map(column).collect();
    let tables = vec![TableDefinition { name: "a".to_owned(), columns, ..TableDefinition::default() }];
    let definition = SchemaDefinition { types, tables, ..SchemaDefinition::default() };
    write(definition, Vec::new(), Some(Engines::dialect(engine).unwrap()), "source.yaml").unwrap_err()
}

#[test]
fn the_first_fifty_parts_are_named_and_the_others_counted() {
    let error = refusal("postgresql:inet", 80, EngineKind::Sqlite, Vec::new());
    assert!(error.message().ends_with("which only postgresql has; and 30 more"), "{error}");
    let named = error.details().iter().filter(|detail| matches!(detail, Detail::Precondition { .. })).count();
    assert_eq!(named, 50);
    let error = refusal("postgresql:inet", 50, EngineKind::Sqlite, Vec::new());
    assert!(error.message().ends_with("which only postgresql has"), "{error}");
}

#[test]
fn statements_that_repeat_a_type_too_often_are_refused() {
    let labels = (0..1_000).map(|place| format!("{place:0>200}")).collect();
    let mood = TypeDefinition {
        schema: String::new(),
        name: "mood".to_owned(),
        comment: String::new(),
        shape: TypeShape::Enum(labels),
    };
    for engine in [EngineKind::Sqlite, EngineKind::Mysql] {
        let error = refusal("declared:mood", 20, engine, vec![mood.clone()]);
        assert!(error.message().contains("choose fewer tables"), "{error}");
    }
}

#[test]
fn what_has_no_place_in_a_definition_counts_for_the_size_of_the_answer() {
    let unmapped = |count| {
        vec![Unmapped { object: "trigger a".to_owned(), reason: "x".repeat(1_000), ..Unmapped::default() }; count]
    };
    assert!(write(SchemaDefinition::default(), unmapped(1_000), None, "source").is_ok());
    let error = write(SchemaDefinition::default(), unmapped(MAX_GENERATED / 1_000), None, "source").unwrap_err();
    assert!(error.message().contains("choose fewer tables"), "{error}");
}

#[test]
fn a_backup_records_no_schema_that_is_too_large() {
    let schema = |unmapped: usize| BackupSchema {
        definition: "x".repeat(4 * 1024 * 1024),
        unmapped: vec![Unmapped { reason: "x".repeat(1024 * 1024), ..Unmapped::default() }; unmapped],
    };
    assert!(recordable(schema(4)).is_ok());
    assert!(recordable(schema(5)).unwrap_err().message().ends_with("a backup records at most 8 MiB"));
}
