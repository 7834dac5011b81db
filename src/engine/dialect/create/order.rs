//! In which order things are made, so that each finds what it needs.

use crate::model::schema::definition::{ColumnType, SchemaDefinition, TypeDefinition, ViewDefinition, folded, same};

/// The places of the tables: those that others point to come first, as far as there is no circle.
pub(in crate::engine) fn tables(definition: &SchemaDefinition) -> Vec<usize> {
    let needs = |place: usize| {
        let keys = definition.tables[place].foreign_keys.iter();
        let target = |key: &crate::model::schema::definition::ForeignKeyDefinition| {
            let is_target = |table: &crate::model::schema::definition::TableDefinition| {
                same(&table.schema, &key.referenced_schema) && same(&table.name, &key.referenced_table)
            };
            definition.tables.iter().position(is_target)
        };
        keys.filter_map(target).collect()
    };
    sorted(definition.tables.len(), needs)
}

/// The types: the parts of one come before it.
pub(in crate::engine) fn types(definition: &SchemaDefinition) -> Vec<(usize, &TypeDefinition)> {
    let needs = |place: usize| {
        let parts = definition.types[place].parts();
        let declared = parts.into_iter().filter_map(|part| match part {
            ColumnType::Declared(name) => {
                let is_part =
                    |found: &TypeDefinition| same(&found.schema, &name.schema) && same(&found.name, &name.name);
                definition.types.iter().position(is_part)
            }
            _ => None,
        });
        declared.collect()
    };
    sorted(definition.types.len(), needs).into_iter().map(|place| (place, &definition.types[place])).collect()
}

/// The views: one whose query has the name of another in it comes after that.
pub(in crate::engine) fn views(definition: &SchemaDefinition) -> Vec<(usize, &ViewDefinition)> {
    let queries: Vec<String> = definition.views.iter().map(|view| folded(&view.query)).collect();
    let names: Vec<String> = definition.views.iter().map(|view| folded(&view.name)).collect();
    let needs = |place: usize| {
        let others = (0..names.len()).filter(|other| *other != place);
        others.filter(|other| mentions(&queries[place], &names[*other])).collect()
    };
    sorted(names.len(), needs).into_iter().map(|place| (place, &definition.views[place])).collect()
}

/// True where a text has a name as a word of its own; both are folded.
pub(in crate::engine) fn mentions(query: &str, name: &str) -> bool {
    query.match_indices(name).any(|(start, _)| {
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        let before = query[..start].chars().next_back();
        let after = query[start + name.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Places by what they need, else in their own order. Of a circle the one that was met first comes last.
fn sorted(count: usize, needs: impl Fn(usize) -> Vec<usize>) -> Vec<usize> {
    let needs: Vec<Vec<usize>> = (0..count).map(needs).collect();
    let mut order = Vec::with_capacity(count);
    let mut met = vec![false; count];
    for start in 0..count {
        // Without recursion, because a chain of keys may be as long as there are tables.
        let mut way = vec![(start, 0)];
        while let Some((place, next)) = way.pop() {
            if next == 0 && std::mem::replace(&mut met[place], true) {
                continue;
            }
            match needs[place].get(next) {
                Some(needed) => {
                    way.push((place, next + 1));
                    if !met[*needed] {
                        way.push((*needed, 0));
                    }
                }
                None => order.push(place),
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::{mentions, sorted};

    #[test]
    fn what_is_needed_comes_first_and_a_circle_ends() {
        let needs = [vec![2, 1], vec![], vec![0, 1], vec![0, 3]];
        assert_eq!(sorted(4, |place| needs[place].clone()), [1, 2, 0, 3]);
    }

    #[test]
    fn a_name_is_found_as_a_word_alone() {
        assert!(mentions("select * from \"sales\"", "sales") && mentions("sales", "sales"));
        assert!(!mentions("select * from sales_2024", "sales") && !mentions("from presales", "sales"));
    }
}
