//! What is made again out of a definition, and loses whatever that does not say.

use super::{staying::Staying, types::TypePlans};
use crate::{
    engine::dialect::Remade,
    model::schema::{
        ObjectName,
        definition::{TypeDefinition, full_name},
    },
};

/// Columns, keys, checks and indexes of tables, and types, under each name that they have.
pub(super) fn remade(staying: &[Staying<'_, '_>], types: &TypePlans<'_>) -> Vec<Remade> {
    let mut remade: Vec<Remade> = types.replaced().flat_map(|found| of_type(types, found)).collect();
    for table in staying {
        of_table(table, &table.former(), &|column| table.former_column(column).to_owned(), &mut remade);
        of_table(table, &table.new.object_name(), &str::to_owned, &mut remade);
    }
    remade
}

fn of_type(types: &TypePlans<'_>, found: &TypeDefinition) -> [Remade; 2] {
    let name = ObjectName { schema: found.schema.clone(), name: found.name.clone() };
    [types.former(found), name].map(|name| Remade::Part(format!("type {}", full_name(&name.schema, &name.name))))
}

/// The parts of a table that go and come again, under one of its names and one of each column.
fn of_table(
    table: &Staying<'_, '_>,
    name: &ObjectName,
    column_name: &dyn Fn(&str) -> String,
    remade: &mut Vec<Remade>,
) {
    let full = full_name(&name.schema, &name.name);
    let listed = |columns: &[String]| columns.iter().map(|column| column_name(column)).collect::<Vec<_>>().join(", ");
    let recreated = table.new.columns.iter().filter(|column| table.is_recreated(&column.name));
    remade.extend(recreated.map(|column| Remade::Column { table: full.clone(), column: column_name(&column.name) }));
    let foreign_keys = table.again_foreign_keys.iter();
    let mut parts: Vec<String> =
        foreign_keys.map(|key| format!("foreign key {full} ({})", listed(&key.columns))).collect();
    parts.extend(table.primary_key().again.iter().map(|_| format!("primary key of {full}")));
    let unique = table.unique().again;
    parts.extend(unique.iter().map(|key| format!("unique constraint {full} ({})", listed(&key.columns))));
    parts.extend(table.checks().again.iter().map(|check| format!("check {full}.{}", check.name)));
    parts.extend(table.indexes().again.iter().map(|index| format!("index {full}.{}", index.name)));
    remade.extend(parts.into_iter().map(Remade::Part));
}
