//! A definition that is of no engine: types are those that all engines share, and names are made so that every engine takes them.

use super::{Telling, table};
use crate::{
    engine::dialect::names::{TakenNames, foreign_key_name, index_name, unique_name},
    model::schema::{
        Table,
        definition::{SchemaDefinition, TableDefinition},
    },
};

/// The longest name that every engine takes, in bytes.
pub(crate) const MAX_NEUTRAL_NAME: usize = 63;
/// What the index of a primary key is called where each engine has a name of its own for it.
const PRIMARY_INDEX: &str = "primary key";

/// The definition with a name by the conventions for each key and index that has none.
pub(crate) fn named(mut definition: SchemaDefinition) -> SchemaDefinition {
    let mut taken = TakenNames::default();
    for table in &definition.tables {
        given(table).for_each(|name| {
            taken.note(name);
        });
    }
    let mut name = |given: &mut String, made: &dyn Fn() -> String| {
        if given.is_empty() {
            *given = taken.take(made(), MAX_NEUTRAL_NAME);
        }
    };
    for table in &mut definition.tables {
        let of = &table.name;
        for key in &mut table.unique_constraints {
            name(&mut key.name, &|| unique_name(of, &key.columns, MAX_NEUTRAL_NAME));
        }
        for key in &mut table.foreign_keys {
            name(&mut key.name, &|| foreign_key_name(of, &key.referenced_table, MAX_NEUTRAL_NAME));
        }
        for index in &mut table.indexes {
            let columns = index.column_names();
            name(&mut index.name, &|| index_name(of, &columns, MAX_NEUTRAL_NAME));
        }
    }
    definition
}

fn given(table: &TableDefinition) -> impl Iterator<Item = &String> {
    let unique = table.unique_constraints.iter().map(|key| &key.name);
    let keys = table.foreign_keys.iter().map(|key| &key.name);
    let indexes = table.indexes.iter().map(|index| &index.name);
    std::iter::once(&table.name).chain(unique).chain(keys).chain(indexes).filter(|name| !name.is_empty())
}

/// A table of a definition that is of no engine and has a name for everything.
pub(crate) fn neutral_table(definition: &SchemaDefinition, own: &TableDefinition) -> Table {
    let telling = Telling {
        data_type: &|column_type| column_type.to_string(),
        primary_index: &|_| Some(PRIMARY_INDEX.to_owned()),
        unique_index: &|_, _, key| key.name.clone(),
        makes_key_indexes: false,
        searches_expression: false,
        complete: &|_, _| {},
    };
    table(definition, own, &telling)
}
