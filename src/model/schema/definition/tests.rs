use super::{ColumnType, SchemaDefinition, TableDefinition, TypeDefinition, TypeField, TypeShape};
use crate::model::schema::ObjectName;

fn composite(name: &str, of: &str) -> TypeDefinition {
    let column_type = ColumnType::Declared(ObjectName { schema: String::new(), name: of.to_owned() });
    let fields = vec![TypeField { name: "part".to_owned(), column_type }];
    TypeDefinition {
        schema: String::new(),
        name: name.to_owned(),
        comment: String::new(),
        shape: TypeShape::Composite(fields),
    }
}

#[test]
fn the_text_of_a_type_is_read_as_it_is_written() {
    for text in ["int32", "text(40)", "declared:mood", "declared:shop.mood", "postgresql:inet", "mysql:set('a','b')"] {
        assert_eq!(ColumnType::try_from(text.to_owned()).expect(text).to_string(), text);
    }
    for text in ["varchar", "oracle:number", "int33"] {
        let problem = ColumnType::try_from(text.to_owned()).unwrap_err();
        assert!(problem.starts_with(&format!("unknown type {text:?}")), "{problem}");
    }
}

#[test]
fn a_cycle_of_types_is_told_with_its_way() {
    let types = vec![composite("a", "b"), composite("b", "c"), composite("c", "a"), composite("d", "a")];
    let error = SchemaDefinition { types, ..SchemaDefinition::default() }.check("definition").unwrap_err();
    assert!(error.message().contains("definition.types[0]: the type is made of itself: a -> b -> c -> a"), "{error}");
    assert!(!error.message().contains("types[3]"), "a type that only leads into a cycle is in none: {error}");
}

#[test]
fn types_that_are_made_of_others_too_often_are_refused() {
    let chain = |count: usize| (0..count).map(|at| composite(&format!("t{at}"), &format!("t{}", at + 1))).collect();
    let whole = |mut types: Vec<TypeDefinition>| {
        types.extend([TypeDefinition {
            shape: TypeShape::Enum(vec!["x".to_owned()]),
            ..composite(&format!("t{}", types.len()), "")
        }]);
        types
    };
    let check_all = |types| SchemaDefinition { types, ..SchemaDefinition::default() }.check("definition");
    let check = |types| check_all(whole(types));
    let check_reversed = |mut types: Vec<TypeDefinition>| {
        types.reverse();
        check_all(types)
    };
    check(chain(15)).unwrap();
    check_reversed(whole(chain(15))).unwrap();
    let error = check_reversed(whole(chain(16))).unwrap_err();
    assert!(error.message().contains("more than 16 times"), "one that is declared after its parts: {error}");
    let error = check(chain(16)).unwrap_err();
    assert!(
        error.message().contains("definition.types[0]: is made of types that are made of others more than 16 times"),
        "{error}"
    );
}

#[test]
fn two_names_that_only_case_tells_apart_are_one() {
    let table = |name: &str| TableDefinition { name: name.to_owned(), ..TableDefinition::default() };
    let tables = vec![table("Straße"), table("STRAßE")];
    let error = SchemaDefinition { tables, ..SchemaDefinition::default() }.check("definition").unwrap_err();
    assert!(error.message().contains("definition.tables[1].name"), "{error}");
}
