//! In which order things are made, so that each finds what it needs.

use std::collections::{HashMap, HashSet};

use crate::model::schema::definition::{ColumnType, SchemaDefinition, TypeDefinition, ViewDefinition, folded};

/// The places of the tables: those that others point to come first, as far as there is no circle.
pub(in crate::engine) fn tables(definition: &SchemaDefinition) -> Vec<usize> {
    let places = places(definition.tables.iter().map(|table| (table.schema.as_str(), table.name.as_str())));
    let needs = |place: usize| {
        let keys = definition.tables[place].foreign_keys.iter();
        keys.filter_map(|key| places.get(&place_key(&key.referenced_schema, &key.referenced_table)).copied()).collect()
    };
    sorted(definition.tables.len(), needs)
}

/// The types: the parts of one come before it.
pub(in crate::engine) fn types(definition: &SchemaDefinition) -> Vec<(usize, &TypeDefinition)> {
    let places = places(definition.types.iter().map(|found| (found.schema.as_str(), found.name.as_str())));
    let needs = |place: usize| {
        let parts = definition.types[place].parts();
        let declared = parts.into_iter().filter_map(|part| match part {
            ColumnType::Declared(name) => places.get(&place_key(&name.schema, &name.name)).copied(),
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
    let mut words: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut others = Vec::new();
    for (place, name) in names.iter().enumerate() {
        // A name that is no word is looked for in the text.
        match name.chars().all(is_of_word) {
            true => words.entry(name).or_default().push(place),
            false => others.push(place),
        }
    }
    let needs = |place: usize| {
        let query = &queries[place];
        let found: HashSet<&str> = query.split(|part| !is_of_word(part)).collect();
        let plain = found.into_iter().filter_map(|word| words.get(word)).flatten().copied();
        let hard = others.iter().copied().filter(|other| mentions(query, &names[*other]));
        let mut needed: Vec<usize> = plain.chain(hard).filter(|other| *other != place).collect();
        needed.sort_unstable();
        needed
    };
    sorted(names.len(), needs).into_iter().map(|place| (place, &definition.views[place])).collect()
}

/// Places by schema and name, the first of each.
fn places<'a>(names: impl Iterator<Item = (&'a str, &'a str)>) -> HashMap<(String, String), usize> {
    let mut places = HashMap::new();
    for (place, (schema, name)) in names.enumerate() {
        places.entry(place_key(schema, name)).or_insert(place);
    }
    places
}

fn place_key(schema: &str, name: &str) -> (String, String) {
    (folded(schema), folded(name))
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// True where a text has a name as a word of its own; both are folded.
pub(crate) fn mentions(query: &str, name: &str) -> bool {
    query.match_indices(name).any(|(start, _)| {
        let before = query[..start].chars().next_back();
        let after = query[start + name.len()..].chars().next();
        !before.is_some_and(is_of_word) && !after.is_some_and(is_of_word)
    })
}

/// Names that are looked for in texts, all at once. Both are folded.
#[derive(Debug, Default)]
pub(in crate::engine) struct Names {
    words: HashSet<String>,
    /// Names that are no words are looked for one by one.
    others: Vec<String>,
}

impl Names {
    /// True where a text has one of the names as a word of its own.
    pub(in crate::engine) fn is_any_in(&self, text: &str) -> bool {
        if self.words.is_empty() && self.others.is_empty() {
            return false;
        }
        text.split(|part| !is_of_word(part)).any(|word| self.words.contains(word))
            || self.others.iter().any(|name| mentions(text, name))
    }
}

impl Extend<String> for Names {
    fn extend<T: IntoIterator<Item = String>>(&mut self, names: T) {
        for name in names {
            match name.chars().all(is_of_word) {
                true => {
                    self.words.insert(name);
                }
                false => self.others.push(name),
            }
        }
    }
}

impl FromIterator<String> for Names {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Self {
        let mut all = Self::default();
        all.extend(names);
        all
    }
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
    use super::{Names, mentions, sorted};

    #[test]
    fn what_is_needed_comes_first_and_a_circle_ends() {
        let needs = [vec![2, 1], vec![], vec![0, 1], vec![0, 3]];
        assert_eq!(sorted(4, |place| needs[place].clone()), [1, 2, 0, 3]);
    }

    #[test]
    fn a_name_is_found_as_a_word_alone() {
        assert!(mentions("select * from \"sales\"", "sales") && mentions("sales", "sales"));
        assert!(!mentions("select * from sales_2024", "sales") && !mentions("from presales", "sales"));
        let names: Names = ["sales", "two words"].into_iter().map(str::to_owned).collect();
        assert!(names.is_any_in("select * from \"sales\"") && names.is_any_in("from \"two words\""));
        assert!(!names.is_any_in("select * from sales_2024, two_words") && !Names::default().is_any_in(""));
    }
}
