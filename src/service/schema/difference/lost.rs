//! What is made again out of its definition alone loses whatever that does not say.

use std::collections::{HashMap, HashSet};

use super::super::definition::ReadSchema;
use crate::{
    engine::dialect::{Remade, Unsupported},
    model::schema::definition::{Unmapped, folded},
};

/// Most parts that would be lost that are named.
const MAX_LOST: usize = 50;

/// What is known of a side beside its definition.
pub(super) struct Known<'a> {
    /// By what it is of, sorted.
    parts: Vec<Part<'a>>,
    /// What stands on columns, by the folded names of a table and a column of it.
    on_columns: HashMap<(String, String), Vec<&'a Unmapped>>,
}

struct Part<'a> {
    /// What it is of, folded.
    of: String,
    /// It is the type that something is declared with.
    is_type: bool,
    told: &'a Unmapped,
}

impl<'a> Known<'a> {
    pub(super) fn of(side: &'a ReadSchema) -> Self {
        let mut parts: Vec<Part<'a>> = side.unmapped.iter().chain(&side.unsaid.reworded).map(Part::of).collect();
        parts.sort_by(|one, other| one.of.cmp(&other.of));
        let mut on_columns: HashMap<_, Vec<&'a Unmapped>> = HashMap::new();
        for found in &side.unsaid.on_columns {
            for column in &found.columns {
                on_columns.entry((folded(&found.table), folded(column))).or_default().push(&found.part);
            }
        }
        Self { parts, on_columns }
    }

    /// What would be lost, each with what is made again.
    pub(super) fn lost_by(&self, remade: &[Remade]) -> Vec<Unsupported> {
        let mut seen = HashSet::new();
        let mut lost = Vec::new();
        for remade in remade {
            let object = object(remade);
            for told in self.lost_with(remade) {
                // What is made again is told under each of its names.
                if lost.len() < MAX_LOST && seen.insert(std::ptr::from_ref(told)) {
                    let Unmapped { object: part, reason, .. } = told;
                    let feature =
                        format!("would be made anew and lose the {part} ({reason}); make this change by hand");
                    lost.push(Unsupported { field: "unmapped".to_owned(), object: object.clone(), feature });
                }
            }
        }
        lost
    }

    fn lost_with(&self, remade: &Remade) -> Vec<&'a Unmapped> {
        match remade {
            Remade::Part(part) => {
                self.beginning_with(part, true).filter(|found| !found.is_type).map(|found| found.told).collect()
            }
            Remade::Retold(column) => self.beginning_with(column, true).map(|found| found.told).collect(),
            Remade::Table(table) => {
                let begins = ["foreign key {} (", "unique constraint {} (", "check {}."];
                let parts = begins.into_iter().map(|begin| begin.replace("{}", table));
                let parts = parts.flat_map(|begin| self.beginning_with(&begin, false));
                let whole = [format!("table {table}"), format!("primary key of {table}")];
                let whole = whole.into_iter().flat_map(|part| self.beginning_with(&part, true));
                parts.chain(whole).map(|found| found.told).collect()
            }
            Remade::Column { table, column } => {
                let own = self.beginning_with(&format!("column {table}.{column}"), true).map(|found| found.told);
                let on_column = self.on_columns.get(&(folded(table), folded(column)));
                own.chain(on_column.into_iter().flatten().copied()).collect()
            }
        }
    }

    /// What is of something whose words are these, or begin so.
    fn beginning_with<'s>(&'s self, words: &str, is_whole: bool) -> impl Iterator<Item = &'s Part<'a>> + use<'s, 'a> {
        let words = folded(words);
        let first = self.parts.partition_point(|part| part.of < words);
        let parts = self.parts[first..].iter();
        parts.take_while(move |part| part.of == words || (!is_whole && part.of.starts_with(&words)))
    }
}

impl<'a> Part<'a> {
    fn of(told: &'a Unmapped) -> Self {
        let object = folded(&told.object);
        let of_type = object.strip_prefix("type of ").map(str::to_owned);
        let is_type = of_type.is_some();
        let option = ["option of ", "default of ", "collation of "];
        let of_option = || option.iter().find_map(|begin| object.strip_prefix(begin)).map(str::to_owned);
        // A field of a composite type goes with it.
        let of_field = || {
            let field = object.strip_prefix("field ")?;
            field.rfind(" of type ").map(|place| field[place + " of ".len()..].to_owned())
        };
        let of = of_type.or_else(of_option).or_else(of_field).unwrap_or_else(|| object.clone());
        Self { of, is_type, told }
    }
}

/// What is made again, in words.
fn object(remade: &Remade) -> String {
    match remade {
        Remade::Table(table) => format!("table {table}"),
        Remade::Column { table, column } => format!("column {table}.{column}"),
        Remade::Part(part) | Remade::Retold(part) => part.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, ReadSchema, Remade};
    use crate::{
        model::schema::definition::Unmapped,
        service::schema::definition::unsaid::{OnColumns, Unsaid},
    };

    fn told(object: &str) -> Unmapped {
        Unmapped { object: object.to_owned(), reason: "why".to_owned(), ..Unmapped::default() }
    }

    fn side(objects: &[&str]) -> ReadSchema {
        let unmapped = objects.iter().map(|object| told(object)).collect();
        let on_column = |column: &str| OnColumns {
            table: "t".to_owned(),
            columns: vec![column.to_owned()],
            part: told(&format!("index t.on_{column}")),
        };
        let unsaid = Unsaid { on_columns: vec![on_column("A"), on_column("b")], ..Unsaid::default() };
        ReadSchema { unmapped, unsaid, ..ReadSchema::given(Default::default(), "source".to_owned(), None) }
    }

    fn lost(objects: &[&str], remade: Remade) -> Vec<String> {
        let side = side(objects);
        Known::of(&side).lost_by(&[remade]).into_iter().map(|found| found.feature).collect()
    }

    #[test]
    fn what_goes_with_a_table_is_told_by_its_name() {
        let table = || Remade::Table("t".to_owned());
        for object in ["option of table T", "foreign key t (a)", "option of unique constraint t (a, b)", "check t.ck"] {
            assert_eq!(lost(&[object], table()).len(), 1, "{object}");
            for other in [Remade::Table("t2".to_owned()), Remade::Part("view t".to_owned())] {
                assert!(lost(&[object], other).is_empty(), "{object}");
            }
        }
        let all = ["table t", "primary key of t", "check t.a", "check t.b", "check t2.c", "option of table t"];
        assert_eq!(lost(&all, table()).len(), 5);
    }

    #[test]
    fn what_goes_with_a_part_is_told_by_its_words() {
        assert_eq!(lost(&["option of view v", "option of view v2"], Remade::Part("view V".to_owned())).len(), 1);
        let objects = ["option of column t.a", "type of column t.a"];
        assert_eq!(lost(&objects, Remade::Part("column t.a".to_owned())).len(), 1);
        assert_eq!(lost(&objects, Remade::Retold("column t.a".to_owned())).len(), 2);
        let objects = ["default of type d", "field x of type d", "collation of type e"];
        assert_eq!(lost(&objects, Remade::Part("type d".to_owned())).len(), 2);
    }

    #[test]
    fn what_stands_on_a_column_goes_with_it() {
        let column = |column: &str| Remade::Column { table: "t".to_owned(), column: column.to_owned() };
        let [index]: [String; 1] = lost(&[], column("a")).try_into().unwrap();
        assert!(index.contains("index t.on_A"), "{index}");
        assert!(lost(&[], column("c")).is_empty());
    }
}
