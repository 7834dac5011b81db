//! Declared types where the engine has none: what they stand for is said at each column.

use super::Draft;
use crate::model::schema::{
    NeutralType,
    definition::{ColumnType, TypeShape},
};

/// What a column holds, with the types of the definition taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum InlinedBase {
    /// A type of all engines.
    Neutral(NeutralType),
    /// One of these labels.
    Labels(Vec<String>),
    /// A type of this engine.
    Native(String),
}

/// The type of a column without names of declared types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Inlined {
    /// What it holds.
    pub(in crate::engine) base: InlinedBase,
    /// NULL is refused by a domain.
    pub(in crate::engine) required: bool,
    /// Conditions of domains; the column is already in the place of VALUE.
    pub(in crate::engine) checks: Vec<String>,
}

impl Inlined {
    /// The neutral type that it is; absent for another.
    pub(in crate::engine) fn neutral(&self) -> Option<NeutralType> {
        match &self.base {
            InlinedBase::Neutral(neutral) => Some(*neutral),
            _ => None,
        }
    }
}

impl Draft<'_> {
    /// The type of a column with what it refers to taken apart; absent where the engine has nothing for it or there is no more room,
    /// which is noted.
    pub(in crate::engine) fn inlined(
        &mut self,
        field: &str,
        object: &str,
        column: &str,
        column_type: &ColumnType,
    ) -> Option<Inlined> {
        if self.is_full() {
            return None;
        }
        let definition = self.definition;
        let mut inlined = Inlined { base: InlinedBase::Labels(Vec::new()), required: false, checks: Vec::new() };
        let mut current = column_type;
        loop {
            match current {
                ColumnType::Neutral(neutral) => inlined.base = InlinedBase::Neutral(*neutral),
                ColumnType::Native { engine, text } if *engine == self.dialect.engine() => {
                    self.inlined += text.len();
                    inlined.base = InlinedBase::Native(text.clone());
                }
                ColumnType::Native { engine, text } => {
                    self.refuse(field, object, format!("has the type {text}, which only {} has", engine.as_str()));
                    return None;
                }
                ColumnType::Declared(name) => {
                    let found = definition.find_type(name)?;
                    match &found.shape {
                        TypeShape::Enum(labels) => {
                            self.inlined += labels.iter().map(String::len).sum::<usize>();
                            inlined.base = InlinedBase::Labels(labels.clone());
                        }
                        TypeShape::Composite(_) => {
                            self.refuse(field, object, format!("has the composite type {}", found.name));
                            return None;
                        }
                        TypeShape::Domain { base, required, checks } => {
                            inlined.required |= required;
                            for rule in checks {
                                let text = self.sql(field, object, rule.sql())?;
                                let text = for_column(&text, &self.dialect.quoted(column));
                                self.inlined += text.len();
                                if self.is_full() {
                                    return None;
                                }
                                inlined.checks.push(text);
                            }
                            current = base;
                            continue;
                        }
                    }
                }
            }
            return if self.is_full() { None } else { Some(inlined) };
        }
    }

    /// Comments of types have no place where the types themselves have none.
    pub(in crate::engine) fn refuse_comments_of_types(&mut self) {
        for (place, found) in self.definition.types.iter().enumerate() {
            if !found.comment.is_empty() {
                let field = format!("types[{place}].comment");
                self.refuse(
                    &field,
                    &format!("type {}", found.name),
                    "has a comment, and the engine has no types to keep it",
                );
            }
        }
    }
}

/// The condition of a domain with the column in the place of VALUE, outside of strings and names in quotes.
fn for_column(condition: &str, column: &str) -> String {
    let mut text = String::with_capacity(condition.len());
    let mut rest = condition;
    let mut quote: Option<char> = None;
    while let Some(character) = rest.chars().next() {
        let is_word = quote.is_none() && (character.is_alphanumeric() || character == '_');
        let length = match is_word {
            true => rest.find(|part: char| !part.is_alphanumeric() && part != '_').unwrap_or(rest.len()),
            false => character.len_utf8(),
        };
        let (part, after) = rest.split_at(length);
        match quote {
            Some(open) if open == character => quote = None,
            None if matches!(character, '\'' | '"' | '`') => quote = Some(character),
            _ => {}
        }
        text.push_str(if is_word && part.eq_ignore_ascii_case("value") { column } else { part });
        rest = after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Draft, for_column};
    use crate::{
        engine::{Engines, dialect::Made},
        model::{
            connection::EngineKind,
            schema::definition::{
                CheckDefinition, ColumnType, MAX_GENERATED, SchemaDefinition, TypeDefinition, TypeShape,
            },
        },
    };

    /// A definition with one type, and a column's type that refers to it.
    fn declared(shape: TypeShape) -> (SchemaDefinition, ColumnType) {
        let found = TypeDefinition { schema: String::new(), name: "long".to_owned(), comment: String::new(), shape };
        let definition = SchemaDefinition { types: vec![found], ..SchemaDefinition::default() };
        (definition, ColumnType::try_from("declared:long".to_owned()).unwrap())
    }

    fn labels(bytes: usize) -> TypeShape {
        TypeShape::Enum((0..bytes / 250).map(|place| format!("{place:0>250}")).collect())
    }

    #[test]
    fn value_becomes_the_column_outside_of_quotes() {
        let condition = "VALUE > 0 AND value <> 'no value' AND \"value\" IS NULL AND valued = 1";
        let expected = "price > 0 AND price <> 'no value' AND \"value\" IS NULL AND valued = 1";
        assert_eq!(for_column(condition, "price"), expected);
    }

    #[test]
    fn a_type_that_is_long_is_not_repeated_beyond_the_answer() {
        let base = ColumnType::try_from(format!("mysql:{}", "x".repeat(50_000))).unwrap();
        let expression = "x".repeat(50_000);
        let checks = vec![CheckDefinition { name: String::new(), expression, engine: None }];
        let int64 = ColumnType::try_from("int64".to_owned()).unwrap();
        for shape in [
            labels(50_000),
            TypeShape::Domain { base, required: false, checks: Vec::new() },
            TypeShape::Domain { base: int64, required: false, checks },
        ] {
            let (definition, column_type) = declared(shape);
            let mut draft = Draft::new(Engines::dialect(EngineKind::Mysql).unwrap(), &definition);
            let inlined = (0..1_600).filter(|_| draft.inlined("a", "column a", "a", &column_type).is_some()).count();
            assert_eq!(inlined, MAX_GENERATED / 50_000);
            assert!(draft.finish().is_too_large);
        }
    }

    #[test]
    fn what_is_written_is_counted_once() {
        let (definition, column_type) = declared(labels(50_000));
        let mut draft = Draft::new(Engines::dialect(EngineKind::Mysql).unwrap(), &definition);
        for _ in 0..2 {
            for _ in 0..15 {
                assert!(draft.inlined("a", "column a", "a", &column_type).is_some());
            }
            draft.make(Made::Table, "a", "x".repeat(15 * 50_000));
        }
        assert!(!draft.finish().is_too_large);
    }
}
