//! A definition as a live database would tell it: what an author left open is filled in the way that the writers fill it, so that
//! two schemas are compared by what they mean.

mod inline;

pub(in crate::engine) use self::inline::{TellInlined, inlined};
use super::{
    Dialect,
    create::{Draft, PlannedTable},
    expression::MeantDefault,
};
use crate::model::schema::{
    NeutralType, ObjectName,
    definition::{
        CheckDefinition, ColumnDefinition, ColumnType, DefaultValue, ForeignKeyDefinition, IndexDefinition,
        KeyDefinition, SchemaDefinition, TableDefinition, TypeDefinition, TypeShape, ViewDefinition,
    },
};

/// The names that an engine makes by itself.
pub(in crate::engine) struct MadeNames<'a> {
    /// Of a check that stands with a column.
    pub(in crate::engine) check: &'a dyn Fn(&TableDefinition, &ColumnDefinition) -> String,
    /// Of the primary key of a table.
    pub(in crate::engine) primary_key: &'a dyn Fn(&str) -> String,
}

/// What all engines settle alike: names, types in their written form with the checks that they need, expressions in shared words,
/// and the default schema, which has no name.
pub(in crate::engine) fn settled(
    dialect: &dyn Dialect,
    definition: &SchemaDefinition,
    made: &MadeNames<'_>,
) -> SchemaDefinition {
    let mut draft = Draft::new(dialect, definition);
    let settle = Settle { dialect, made };
    let mut tables: Vec<(usize, TableDefinition)> =
        draft.tables().iter().map(|planned| (planned.place, settle.table(planned))).collect();
    tables.sort_by_key(|(place, _)| *place);
    SchemaDefinition {
        types: definition.types.iter().map(|found| settle.declared(found)).collect(),
        tables: tables.into_iter().map(|(_, table)| table).collect(),
        views: definition.views.iter().map(|view| settle.view(view)).collect(),
    }
}

struct Settle<'a> {
    dialect: &'a dyn Dialect,
    made: &'a MadeNames<'a>,
}

impl Settle<'_> {
    fn schema(&self, schema: &str) -> String {
        match self.dialect.default_schema() {
            Some(default) if default == schema => String::new(),
            _ => schema.to_owned(),
        }
    }

    /// The type as the engine tells it once it is written, and the condition that it is written with.
    fn column_type(&self, column_type: &ColumnType) -> (ColumnType, Option<String>) {
        match column_type {
            ColumnType::Declared(name) => {
                let name = ObjectName { schema: self.schema(&name.schema), name: name.name.clone() };
                (ColumnType::Declared(name), None)
            }
            ColumnType::Native { engine, text } if *engine == self.dialect.engine() => {
                let neutral = self.dialect.declared_type(text).map(ColumnType::Neutral);
                (neutral.unwrap_or_else(|| column_type.clone()), None)
            }
            ColumnType::Native { .. } => (column_type.clone(), None),
            ColumnType::Neutral(neutral) => match self.dialect.written_type(*neutral) {
                Ok(written) => {
                    let told = self.dialect.declared_type(&written.text).unwrap_or(*neutral);
                    (ColumnType::Neutral(told), written.check)
                }
                // The writer says what the engine lacks.
                Err(_) => (column_type.clone(), None),
            },
        }
    }

    fn declared(&self, found: &TypeDefinition) -> TypeDefinition {
        let shape = match &found.shape {
            TypeShape::Enum(labels) => TypeShape::Enum(labels.clone()),
            TypeShape::Domain { base, required, checks } => {
                let (base, _) = self.column_type(base);
                let held = |name: &str| base.neutral().filter(|_| name.eq_ignore_ascii_case("value"));
                let checks = checks.iter().map(|check| {
                    let check = self.check(check, &held);
                    CheckDefinition { expression: check.expression.replace("\"VALUE\"", "VALUE"), ..check }
                });
                let checks = checks.collect();
                TypeShape::Domain { base, required: *required, checks }
            }
            TypeShape::Composite(fields) => {
                let mut fields = fields.clone();
                fields.iter_mut().for_each(|field| field.column_type = self.column_type(&field.column_type).0);
                TypeShape::Composite(fields)
            }
        };
        TypeDefinition { schema: self.schema(&found.schema), shape, ..found.clone() }
    }

    fn table(&self, planned: &PlannedTable<'_>) -> TableDefinition {
        let own = planned.table;
        let held = |name: &str| own.column(name).and_then(|column| self.column_type(&column.column_type).0.neutral());
        let mut checks: Vec<CheckDefinition> = planned
            .checks
            .iter()
            .map(|(name, check)| CheckDefinition { name: name.clone(), ..self.check(check, &held) })
            .collect();
        let mut columns = Vec::with_capacity(own.columns.len());
        for column in &own.columns {
            let (column, check) = self.column(own, column, &held);
            columns.push(column);
            checks.extend(check);
        }
        TableDefinition {
            schema: self.schema(&own.schema),
            columns,
            primary_key: own.primary_key.as_ref().map(|key| self.primary_key(own, key)),
            unique_constraints: planned
                .unique
                .iter()
                .map(|(name, key)| KeyDefinition { name: name.clone(), columns: key.columns.clone() })
                .collect(),
            foreign_keys: planned
                .foreign_keys
                .iter()
                .map(|key| ForeignKeyDefinition {
                    name: key.name.clone(),
                    referenced_schema: self.schema(&key.key.referenced_schema),
                    referenced_columns: key.referenced_columns.clone(),
                    ..key.key.clone()
                })
                .collect(),
            checks,
            indexes: planned.indexes.iter().map(|(name, index)| self.index(name, index, &held)).collect(),
            ..own.clone()
        }
    }

    fn column(
        &self,
        table: &TableDefinition,
        column: &ColumnDefinition,
        held: &dyn Fn(&str) -> Option<NeutralType>,
    ) -> (ColumnDefinition, Option<CheckDefinition>) {
        let (column_type, check) = self.column_type(&column.column_type);
        let check = check.map(|condition| CheckDefinition {
            name: (self.made.check)(table, column),
            ..self.expression(&condition.replace('?', &self.dialect.quoted(&column.name)), held)
        });
        let default = column.default.as_ref().and_then(|default| self.default_value(default, column_type.neutral()));
        let mut generated = column.generated.clone();
        if let Some(generated) = &mut generated
            && generated.engine.is_none_or(|engine| engine == self.dialect.engine())
        {
            let text = self.here(&generated.expression, generated.engine.is_none());
            (generated.expression, generated.engine) = self.dialect.shared_expression(&text, held);
        }
        (ColumnDefinition { column_type, default, generated, ..column.clone() }, check)
    }

    fn default_value(&self, default: &DefaultValue, neutral: Option<NeutralType>) -> Option<DefaultValue> {
        let DefaultValue::Expression { text, engine } = default else { return Some(default.clone()) };
        if engine.is_some_and(|engine| engine != self.dialect.engine()) {
            return Some(default.clone());
        }
        match self.dialect.meant_default(&self.here(text, engine.is_none()), neutral) {
            MeantDefault::Nothing => None,
            MeantDefault::NextNumber => Some(default.clone()),
            MeantDefault::Value(value) => Some(value),
        }
    }

    /// A name that the engine makes by itself says nothing.
    fn primary_key(&self, table: &TableDefinition, key: &KeyDefinition) -> KeyDefinition {
        let is_made = key.name == (self.made.primary_key)(&table.name);
        KeyDefinition { name: if is_made { String::new() } else { key.name.clone() }, ..key.clone() }
    }

    fn index(
        &self,
        name: &str,
        index: &IndexDefinition,
        held: &dyn Fn(&str) -> Option<NeutralType>,
    ) -> IndexDefinition {
        let mut settled = IndexDefinition { name: name.to_owned(), ..index.clone() };
        if let Some(predicate) = index.sql()
            && predicate.engine.is_none_or(|engine| engine == self.dialect.engine())
        {
            let text = self.here(predicate.text, predicate.engine.is_none());
            (settled.predicate, settled.engine) = self.dialect.shared_expression(&text, held);
        }
        settled
    }

    fn view(&self, view: &ViewDefinition) -> ViewDefinition {
        let mut settled = ViewDefinition { schema: self.schema(&view.schema), ..view.clone() };
        if view.engine.is_none() {
            settled.query = self.dialect.portable_here(view.query.trim());
            settled.engine = Some(self.dialect.engine());
        }
        settled.query = settled.query.trim().trim_end_matches(';').trim_end().to_owned();
        settled
    }

    fn check(&self, check: &CheckDefinition, held: &dyn Fn(&str) -> Option<NeutralType>) -> CheckDefinition {
        match check.engine {
            Some(engine) if engine != self.dialect.engine() => check.clone(),
            engine => {
                let found = self.expression(&self.here(&check.expression, engine.is_none()), held);
                CheckDefinition { name: check.name.clone(), ..found }
            }
        }
    }

    fn expression(&self, text: &str, held: &dyn Fn(&str) -> Option<NeutralType>) -> CheckDefinition {
        let (expression, engine) = self.dialect.shared_expression(text, held);
        CheckDefinition { name: String::new(), expression, engine }
    }

    fn here(&self, text: &str, is_shared: bool) -> String {
        if is_shared { self.dialect.portable_here(text.trim()) } else { text.trim().to_owned() }
    }
}
